//! From what was asked for to the images it means: loads the definitions and chooses the target.

use console::exit::Exit;
use console::failure::Failure;
use domain::request::{BaseChoice, BuildRequest, ExtensionChoice, Wanted, WantedAgent};
use domain::target::{Definitions, Target};
use home::Roots;

use crate::cli::{Asked, CommandLine};
use crate::failures;

/// Chooses the images that a command line asks for.
pub(crate) fn select(command_line: &CommandLine, roots: &Roots) -> Result<Target, Failure> {
    let wanted = match &command_line.asked {
        Asked::Wanted(wanted) => wanted.clone(),
        Asked::Saved(name) => {
            let saved = home::load_saved_image(roots, name).map_err(|error| failures::of_load(&error))?;
            let extensions = ExtensionChoice {
                names: saved.choice.extensions,
                first: saved.choice.extensions_first,
                image: saved.choice.image_ref.map(|image| image.image().clone()),
                saved: Some(saved.name),
            };
            let (agent, base) = (saved.choice.agent, BaseChoice::Named(saved.choice.base));
            Wanted::Agent(Box::new(WantedAgent { agent, base, extensions }))
        }
    };
    let options = &command_line.options;
    let request = BuildRequest {
        wanted,
        repositories: options.repositories.clone(),
        version: options.version.clone(),
        force: options.force,
        no_cache: options.no_cache,
    };
    let definitions = load(&request, roots)?;
    if !command_line.secrets.0.is_empty() && definitions.extensions.is_empty() {
        return Err(Failure::of(Exit::Usage, "--secret is for extensions, and none is asked for"));
    }
    Target::select(&request, definitions).map_err(|error| failures::of_target(&error))
}

/// Loads what a request speaks of.
fn load(request: &BuildRequest, roots: &Roots) -> Result<Definitions, Failure> {
    let failed = |error| failures::of_load(&error);
    let base = match request.base_name() {
        Some(name) => home::load_base(roots, name).map_err(failed)?,
        None => None,
    };
    match &request.wanted {
        Wanted::Base(name) if base.is_none() => Err(failed(home::base_not_found(roots, name))),
        Wanted::Base(_) => Ok(Definitions { base, ..Definitions::default() }),
        Wanted::Agent(wanted) => {
            let agent = home::load_agent(roots, &wanted.agent).map_err(failed)?;
            let names = wanted.extensions.names.iter();
            let extensions =
                names.map(|name| home::load_extension(roots, name)).collect::<Result<_, _>>().map_err(failed)?;
            Ok(Definitions { agent: Some(agent), base, extensions })
        }
    }
}
