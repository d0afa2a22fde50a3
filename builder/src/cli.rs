//! The command line and the environment: strings become names here, and only here.

mod surroundings;
mod user_folders;

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use buildkit::llb::Proxies;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use console::exit::Exit;
use console::progress::Mode;
use console::terminal::{Terminal, TerminalEnvironment};
use domain::definition::ImageChoice;
use domain::image::ImageRef;
use domain::name::{AgentName, BaseName, ExtensionName, ImageName};
use domain::request::{BaseChoice, ExtensionChoice, Wanted, WantedAgent};
use domain::version::AgentVersion;
use home::Home;
use jiff::Timestamp;

use crate::secrets::{SecretSource, Secrets};

use surroundings::SurroundingArguments;
use user_folders::HomeArguments;

pub(crate) use surroundings::Surroundings;

/// Builds coding agents' container images on this machine and keeps them current.
#[derive(Debug, Parser)]
#[command(name = "aicage-builder", version, arg_required_else_help = true, term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Make an agent's image exist and be current; does nothing when it is
    #[command(
        after_help = "Examples:\n  aicage-builder build codex --base debian\n  aicage-builder build codex --base-image node:22-bookworm --ca-cert system"
    )]
    Build(BuildArguments),
    /// Say what `build` would do and exactly why; changes nothing
    #[command(
        after_help = "Examples:\n  aicage-builder plan codex --base debian\n  aicage-builder plan codex --base debian --exit-code --format json"
    )]
    Plan(PlanArguments),
    /// Give a choice of agent, base and extensions a name, for `build --image NAME`
    #[command(after_help = "Example:\n  aicage-builder save work codex --base debian --extension act --extension gh")]
    Save(SaveArguments),
    /// Show what there is; changes nothing
    List(ListArguments),
}

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
struct ListArguments {
    #[command(subcommand)]
    what: Listed,
}

#[derive(Debug, Subcommand)]
enum Listed {
    /// Show the images that were built or saved, their age and size, and what `plan` would say of each
    ///
    /// Images that are pulled and not built are left out. An image is `current`; or `stale`, with every reason; or
    /// `missing` in the engine; or `kept` as it is, where something could not be looked at; or `orphaned`, where
    /// something that it was made from is not defined any more; or `refused`, where a definition is wrong or excludes
    /// it.
    #[command(
        after_help = "Examples:\n  aicage-builder list images\n  aicage-builder list images --format json | jq -r '.images[] | select(.state == \"stale\").image'"
    )]
    Images(ListImagesArguments),
}

#[derive(Debug, Args)]
struct ListImagesArguments {
    /// How the answer is written to standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: OutputFormat,

    /// Certificates to trust besides the system's: a PEM file, a folder of them, or `system`
    #[arg(long, value_name = "FILE|DIR|system", env = "AICAGE_CA_CERT", hide_env_values = true)]
    ca_cert: Option<String>,

    #[command(flatten)]
    around: SurroundingArguments,
}

#[derive(Debug, Args)]
struct SaveArguments {
    /// The name; its image is called by it
    #[arg(value_name = "NAME", value_parser = ImageName::parse)]
    name: ImageName,

    /// The agent: the name of its definition's folder
    #[arg(value_name = "AGENT", value_parser = AgentName::parse)]
    agent: AgentName,

    /// The base beneath it, by name
    #[arg(long, value_name = "NAME", value_parser = BaseName::parse)]
    base: BaseName,

    /// An extension, by name; more than one are installed in the order given
    #[arg(long = "extension", value_name = "NAME", value_parser = ExtensionName::parse, required = true)]
    extensions: Vec<ExtensionName>,

    /// Install the extensions beneath the agent, so that its updates do not run them again
    #[arg(long)]
    extensions_first: bool,

    /// Replace what was saved under the name before
    #[arg(long)]
    replace: bool,

    /// How the answer is written to standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: OutputFormat,

    #[command(flatten)]
    home: HomeArguments,
}

#[derive(Debug, Args)]
struct PlanArguments {
    #[command(flatten)]
    build: BuildArguments,
    /// Exit with 4 when there is something to build
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, Args)]
struct BuildArguments {
    /// The agent: the name of its definition's folder. With @VERSION that version is installed, and none is looked for
    ///
    /// Without one, the custom base that --base names is made alone.
    #[arg(value_name = "AGENT[@VERSION]", value_parser = AgentChoice::parse)]
    agent: Option<AgentChoice>,

    /// The base beneath it, by name; with --base-image, the name that image goes by
    #[arg(long, value_name = "NAME", value_parser = BaseName::parse, required_unless_present_any = ["base_image", "image"])]
    base: Option<BaseName>,

    /// The base beneath it, by any image's reference
    #[arg(long, value_name = "REF")]
    base_image: Option<ImageRef>,

    /// An extension to put upon the agent, by name; more than one are installed in the order given
    #[arg(long = "extension", value_name = "NAME", value_parser = ExtensionName::parse, requires = "agent")]
    extensions: Vec<ExtensionName>,

    /// Install the extensions beneath the agent, so that its updates do not run them again
    #[arg(long, requires = "extensions")]
    extensions_first: bool,

    /// The image that was saved under this name
    #[arg(long, value_name = "NAME", value_parser = ImageName::parse, conflicts_with_all = ["agent", "base", "base_image"])]
    image: Option<ImageName>,

    /// A secret that extensions can see while they are installed: id=NAME[,src=FILE|,env=VARIABLE]
    #[arg(long = "secret", value_name = "SECRET", value_parser = SecretSource::from_str)]
    secrets: Vec<SecretSource>,

    /// Keep no downloads of apt, npm, pip and cargo for later builds
    #[arg(long)]
    no_cache_mounts: bool,

    /// Install this version instead of looking for the newest
    #[arg(long, value_name = "VERSION", value_parser = AgentVersion::parse)]
    agent_version: Option<AgentVersion>,

    /// Build even when nothing changed
    #[arg(long)]
    force: bool,

    /// Run every step of a build again, taking none from the engine's cache; empties its caches of downloads too
    #[arg(long)]
    no_cache: bool,

    /// Certificates to trust while building: a PEM file, a folder of them, or `system`
    #[arg(long, value_name = "FILE|DIR|system", env = "AICAGE_CA_CERT", hide_env_values = true)]
    ca_cert: Option<String>,

    /// How progress is shown on standard error: auto, tty, plain, quiet or rawjson
    #[arg(long, value_name = "MODE", env = "BUILDKIT_PROGRESS", hide_env_values = true, default_value = "auto", value_parser = or_unset::<Mode>)]
    progress: Given<Mode>,

    /// How the answer is written to standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: OutputFormat,

    #[command(flatten)]
    around: SurroundingArguments,
}

/// Returns a folder that is named; a variable that is set to nothing names none.
fn folder(given: Option<OsString>) -> Option<PathBuf> {
    given.filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// A value, or a variable that is set to nothing, as `docker run --env NAME=` sets it.
type Given<T> = Option<T>;

fn or_unset<T: FromStr>(text: &str) -> Result<Given<T>, T::Err> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

/// An agent, and perhaps the version to install.
#[derive(Debug, Clone)]
struct AgentChoice {
    name: AgentName,
    version: Option<AgentVersion>,
}

impl AgentChoice {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(AgentVersion::parse(version).map_err(|error| error.to_string())?)),
            None => (text, None),
        };
        Ok(Self { name: AgentName::parse(name).map_err(|error| error.to_string())?, version })
    }
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// One JSON document with a `schemaVersion`.
    Json,
}

/// What is to be done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Decide and carry out.
    Build,
    /// Only decide.
    Plan {
        /// Whether work ahead shows in the exit code.
        exit_code: bool,
    },
}

/// Which image is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// One that the command line describes.
    Wanted(Wanted),
    /// One that was saved.
    Saved(ImageName),
}

/// What holds for every image that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) version: Option<AgentVersion>,
    pub(crate) force: bool,
    pub(crate) no_cache: bool,
    pub(crate) cache_mounts: bool,
}

/// A choice to save under a name.
#[derive(Debug, Clone)]
pub(crate) struct Saving {
    pub(crate) name: ImageName,
    pub(crate) choice: ImageChoice,
    pub(crate) replace: bool,
    pub(crate) output: OutputFormat,
    pub(crate) home: Home,
    pub(crate) terminal: Terminal,
}

/// A list to show.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) around: Surroundings,
    pub(crate) output: OutputFormat,
    pub(crate) terminal: Terminal,
}

/// What the program is to do.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Decide about an image, and perhaps build it.
    Image(Box<CommandLine>),
    /// Save a choice.
    Save(Box<Saving>),
    /// Show the images.
    ListImages(Box<Listing>),
}

/// A command line about an image, and its environment, read.
#[derive(Debug, Clone)]
pub(crate) struct CommandLine {
    pub(crate) task: Task,
    pub(crate) asked: Asked,
    pub(crate) options: Options,
    pub(crate) secrets: Secrets,
    pub(crate) output: OutputFormat,
    pub(crate) progress: Mode,
    pub(crate) terminal: Terminal,
    pub(crate) around: Surroundings,
    pub(crate) source_date_epoch: Option<Timestamp>,
    pub(crate) proxies: Proxies,
}

/// Reads the process's arguments and environment.
///
/// On a mistake or a request for help, says so and returns the exit code to end with.
pub(crate) fn read() -> Result<Command, Exit> {
    let arguments: Vec<_> = std::env::args_os().collect();
    let matches = console::arguments::read(command(), &arguments, &|name| std::env::var_os(name))?;
    let arguments = Arguments::from_arg_matches(&matches).map_err(|error| console::arguments::say(&error))?;
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let terminal = terminal(&variable);
    let refused = |message: String| {
        console::failure::Failure::of(Exit::Usage, message).show(&terminal);
        Exit::Usage
    };
    let command = interpret(arguments, &variable).map_err(refused)?;
    let filter = text(&variable, "AICAGE_LOG").map_err(refused)?;
    match filter.map(|filter| console::logging::init(Some(&filter))) {
        Some(Err(error)) => Err(refused(format!("AICAGE_LOG is {error}"))),
        Some(Ok(())) | None => Ok(command),
    }
}

fn command() -> clap::Command {
    Arguments::command().after_help(Exit::help())
}

/// Returns a variable that is read as text. One that is none must not be taken for one that is not set.
fn text(variable: &dyn Fn(&str) -> Option<OsString>, name: &str) -> Result<Option<String>, String> {
    let text = variable(name).map(OsString::into_string);
    text.transpose().map_err(|_| format!("the variable {name} is not UTF-8 text"))
}

fn terminal(variable: &dyn Fn(&str) -> Option<OsString>) -> Terminal {
    let (no_color, ci, term) = (variable("NO_COLOR"), variable("CI"), variable("TERM"));
    Terminal::of_stderr(TerminalEnvironment { no_color: no_color.as_deref(), ci: ci.as_deref(), term: term.as_deref() })
}

fn interpret(arguments: Arguments, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Command, String> {
    match arguments.command {
        Subcommands::Build(build) => interpret_image(Task::Build, build, variable),
        Subcommands::Plan(plan) => interpret_image(Task::Plan { exit_code: plan.exit_code }, plan.build, variable),
        Subcommands::Save(save) => {
            let choice = ImageChoice {
                agent: save.agent,
                base: save.base,
                extensions: save.extensions,
                image_ref: None,
                extensions_first: save.extensions_first,
            };
            Ok(Command::Save(Box::new(Saving {
                name: save.name,
                choice,
                replace: save.replace,
                output: save.format,
                home: save.home.interpret(variable)?,
                terminal: terminal(variable),
            })))
        }
        Subcommands::List(ListArguments { what: Listed::Images(list) }) => {
            let around = list.around.interpret(list.ca_cert, variable)?;
            Ok(Command::ListImages(Box::new(Listing { around, output: list.format, terminal: terminal(variable) })))
        }
    }
}

/// Returns the image that is asked for, and the version that stands behind its agent.
fn asked(build: &BuildArguments) -> Result<(Asked, Option<AgentVersion>), String> {
    if let Some(name) = &build.image {
        return Ok((Asked::Saved(name.clone()), None));
    }
    let base = match (&build.base, &build.base_image) {
        (Some(name), Some(image)) => BaseChoice::NamedImage(name.clone(), image.clone()),
        (None, Some(image)) => BaseChoice::Image(image.clone()),
        (Some(name), None) => BaseChoice::Named(name.clone()),
        (None, None) => return Err("one of --base, --base-image and --image is needed".to_owned()),
    };
    match (&build.agent, base) {
        (Some(agent), base) => {
            let (names, first) = (build.extensions.clone(), build.extensions_first);
            let extensions = ExtensionChoice { names, first, image: None, saved: None };
            let wanted = WantedAgent { agent: agent.name.clone(), base, extensions };
            Ok((Asked::Wanted(Wanted::Agent(Box::new(wanted))), agent.version.clone()))
        }
        (None, BaseChoice::Named(name)) => Ok((Asked::Wanted(Wanted::Base(name)), None)),
        (None, BaseChoice::Image(_) | BaseChoice::NamedImage(..)) => {
            Err("name an agent to build on --base-image, or a custom base with --base alone".to_owned())
        }
    }
}

fn interpret_image(
    task: Task,
    build: BuildArguments,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Command, String> {
    let (asked, behind_agent) = asked(&build)?;
    let version = match (behind_agent, build.agent_version) {
        (Some(one), Some(other)) if one != other => {
            return Err(format!("two versions are asked for: @{one} and --agent-version {other}"));
        }
        (one, other) => one.or(other),
    };
    if let (Asked::Wanted(Wanted::Base(_)), Some(version)) = (&asked, &version) {
        return Err(format!("version {version} is asked for and no agent; name one"));
    }
    let time = |seconds: String| {
        let time = seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        time.ok_or_else(|| format!("SOURCE_DATE_EPOCH is no time in seconds since 1970: {seconds:?}"))
    };
    let source_date_epoch = text(variable, "SOURCE_DATE_EPOCH")?.map(time).transpose()?;
    Ok(Command::Image(Box::new(CommandLine {
        task,
        asked,
        options: Options {
            version,
            force: build.force,
            no_cache: build.no_cache,
            cache_mounts: !build.no_cache_mounts,
        },
        secrets: Secrets::read(&build.secrets, variable).map_err(|error| error.to_string())?,
        output: build.format,
        progress: build.progress.unwrap_or_default(),
        terminal: terminal(variable),
        around: build.around.interpret(build.ca_cert, variable)?,
        source_date_epoch,
        proxies: proxies(variable)?,
    })))
}

/// Reads the proxies in both spellings; the lower-case one wins, as it does for curl.
fn proxies(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Proxies, String> {
    let either = |name: &str| match text(variable, name)? {
        Some(value) => Ok::<_, String>(value),
        None => Ok(text(variable, &name.to_uppercase())?.unwrap_or_default()),
    };
    Ok(Proxies {
        http: either("http_proxy")?,
        https: either("https_proxy")?,
        ftp: either("ftp_proxy")?,
        all: either("all_proxy")?,
        none: either("no_proxy")?,
    })
}

#[cfg(test)]
mod tests;
