//! From what was asked for to the images it means: loads the definitions and chooses the target.

use domain::definition::SavedImage;
use domain::request::{BaseChoice, BuildRequest, ExtensionChoice, Wanted, WantedAgent};
use domain::target::{Definitions, Target, TargetError};
use home::{LoadError, Roots};

use crate::cli::{Asked, CommandLine};

/// Says why a request means no images.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelectError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("--secret is for extensions, and none is asked for")]
    SecretsUnused,
}

/// Chooses the images that a command line asks for.
pub(crate) fn select(command_line: &CommandLine, roots: &Roots) -> Result<Target, SelectError> {
    let wanted = match &command_line.asked {
        Asked::Wanted(wanted) => wanted.clone(),
        Asked::Saved(name) => saved(home::load_saved_image(roots, name)?),
    };
    let options = &command_line.options;
    let request = BuildRequest {
        wanted,
        repositories: command_line.around.repositories.clone(),
        version: options.version.clone(),
        force: options.force,
        no_cache: options.no_cache,
    };
    let definitions = load(&request, roots)?;
    if !command_line.secrets.0.is_empty() && definitions.extensions.is_empty() {
        return Err(SelectError::SecretsUnused);
    }
    Ok(Target::select(&request, definitions)?)
}

/// Chooses the images that a request means.
pub(crate) fn select_request(request: &BuildRequest, roots: &Roots) -> Result<Target, SelectError> {
    Ok(Target::select(request, load(request, roots)?)?)
}

/// Returns what a saved choice asks for.
pub(crate) fn saved(saved: SavedImage) -> Wanted {
    let extensions = ExtensionChoice {
        names: saved.choice.extensions,
        first: saved.choice.extensions_first,
        image: saved.choice.image_ref.map(|image| image.image().clone()),
        saved: Some(saved.name),
    };
    let (agent, base) = (saved.choice.agent, BaseChoice::Named(saved.choice.base));
    Wanted::Agent(Box::new(WantedAgent { agent, base, extensions }))
}

/// Loads what a request speaks of.
fn load(request: &BuildRequest, roots: &Roots) -> Result<Definitions, LoadError> {
    let base = request.base_name().map(|name| home::load_base(roots, name)).transpose()?.flatten();
    match &request.wanted {
        Wanted::Base(name) if base.is_none() => Err(home::base_not_found(roots, name)),
        Wanted::Base(_) => Ok(Definitions { base, ..Definitions::default() }),
        Wanted::Agent(wanted) => {
            let agent = home::load_agent(roots, &wanted.agent)?;
            let names = wanted.extensions.names.iter();
            let extensions = names.map(|name| home::load_extension(roots, name)).collect::<Result<_, _>>()?;
            Ok(Definitions { agent: Some(agent), base, extensions })
        }
    }
}
