//! The command line and the environment: strings become names here, and only here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use buildkit::llb::Proxies;
use clap::builder::OsStringValueParser;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use console::exit::Exit;
use console::progress::Mode;
use console::terminal::{Terminal, TerminalEnvironment};
use domain::image::{ImageRef, Repository};
use domain::name::{AgentName, BaseName};
use domain::request::{BaseChoice, BuildRequest, Repositories};
use domain::version::AgentVersion;

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
        after_help = "Examples:\n  aicage-builder build codex --base debian\n  aicage-builder build codex --base-image debian:bookworm --ca-cert system"
    )]
    Build(BuildArguments),
    /// Say what `build` would do and exactly why; changes nothing
    #[command(
        after_help = "Examples:\n  aicage-builder plan codex --base debian\n  aicage-builder plan codex --base debian --exit-code --format json"
    )]
    Plan(PlanArguments),
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
    #[arg(value_name = "AGENT[@VERSION]", value_parser = AgentChoice::parse)]
    agent: AgentChoice,

    /// The base beneath it, by name; with --base-image, the name that image goes by
    #[arg(long, value_name = "NAME", value_parser = BaseName::parse, required_unless_present = "base_image")]
    base: Option<BaseName>,

    /// The base beneath it, by any image's reference
    #[arg(long, value_name = "REF")]
    base_image: Option<ImageRef>,

    /// Install this version instead of looking for the newest
    #[arg(long, value_name = "VERSION", value_parser = AgentVersion::parse)]
    agent_version: Option<AgentVersion>,

    /// Build even when nothing changed
    #[arg(long)]
    force: bool,

    /// Run every step of a build again, taking none from the engine's cache
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

    /// A folder with packaged definitions (agents/NAME/…); the user's own win
    #[arg(long, value_name = "DIR", env = "AICAGE_DEFINITIONS", hide_env_values = true, value_parser = OsStringValueParser::new())]
    definitions: Option<OsString>,

    /// The folder of records and logs [default: ~/.aicage]
    #[arg(long, value_name = "DIR", env = "AICAGE_HOME", hide_env_values = true, value_parser = OsStringValueParser::new())]
    home: Option<OsString>,

    /// The folder of the user's own definitions [default: ~/.aicage-custom]
    #[arg(long, value_name = "DIR", env = "AICAGE_CUSTOM_HOME", hide_env_values = true, value_parser = OsStringValueParser::new())]
    custom: Option<OsString>,

    /// The repository that built images are named by
    #[arg(long, value_name = "REPOSITORY", env = "AICAGE_LOCAL_REPOSITORY", hide_env_values = true, default_value = Repositories::DEFAULT_LOCAL, value_parser = or_unset::<Repository>)]
    local_repository: Given<Repository>,

    /// The repository that --base names are tags of
    #[arg(long, value_name = "REPOSITORY", env = "AICAGE_BASE_REPOSITORY", hide_env_values = true, default_value = Repositories::DEFAULT_BASE, value_parser = or_unset::<Repository>)]
    base_repository: Given<Repository>,
}

/// Returns a folder that is named; a variable that is set to nothing names none.
fn folder(given: Option<OsString>) -> Option<PathBuf> {
    given.filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

fn known(repository: &str) -> Repository {
    repository.parse().expect("the defaults are repositories, as a test says")
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

/// A command line and its environment, read.
#[derive(Debug, Clone)]
pub(crate) struct CommandLine {
    pub(crate) task: Task,
    pub(crate) request: BuildRequest,
    pub(crate) output: OutputFormat,
    pub(crate) progress: Mode,
    pub(crate) terminal: Terminal,
    pub(crate) ca_cert: Option<String>,
    pub(crate) definitions: Option<PathBuf>,
    pub(crate) home: PathBuf,
    pub(crate) custom_home: PathBuf,
    pub(crate) docker_host: Option<String>,
    pub(crate) docker_config: Option<PathBuf>,
    pub(crate) system_certificates: Option<PathBuf>,
    pub(crate) source_date_epoch: Option<i64>,
    pub(crate) proxies: Proxies,
}

/// Reads the process's arguments and environment.
///
/// On a mistake or a request for help, says so and returns the exit code to end with.
pub(crate) fn read() -> Result<CommandLine, Exit> {
    let matches = command().try_get_matches_from(std::env::args_os());
    let arguments = matches.and_then(|matches| Arguments::from_arg_matches(&matches)).map_err(|error| {
        // Neither stream can be written to when this fails; the exit code still tells.
        let _ = error.print();
        if error.use_stderr() { Exit::Usage } else { Exit::Done }
    })?;
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match interpret(arguments, &variable) {
        Ok(command_line) => {
            let filter = text(variable("AICAGE_LOG"));
            if let Some(Err(error)) = filter.map(|filter| console::logging::init(Some(&filter))) {
                console::failure::Failure::new(Exit::Usage, &error).show(&command_line.terminal);
                return Err(Exit::Usage);
            }
            Ok(command_line)
        }
        Err(message) => {
            console::failure::Failure::of(Exit::Usage, message).show(&terminal(&variable));
            Err(Exit::Usage)
        }
    }
}

fn command() -> clap::Command {
    Arguments::command().after_help(Exit::help())
}

fn text(value: Option<OsString>) -> Option<String> {
    value.and_then(|value| value.into_string().ok())
}

fn terminal(variable: &dyn Fn(&str) -> Option<OsString>) -> Terminal {
    let (no_color, ci, term) = (variable("NO_COLOR"), variable("CI"), variable("TERM"));
    Terminal::of_stderr(TerminalEnvironment { no_color: no_color.as_deref(), ci: ci.as_deref(), term: term.as_deref() })
}

fn interpret(arguments: Arguments, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<CommandLine, String> {
    let (task, build) = match arguments.command {
        Subcommands::Build(build) => (Task::Build, build),
        Subcommands::Plan(plan) => (Task::Plan { exit_code: plan.exit_code }, plan.build),
    };
    let base = match (build.base, build.base_image) {
        (Some(name), Some(image)) => BaseChoice::NamedImage(name, image),
        (None, Some(image)) => BaseChoice::Image(image),
        (Some(name), None) => BaseChoice::Named(name),
        (None, None) => return Err("one of --base and --base-image is needed".to_owned()),
    };
    let version = match (build.agent.version, build.agent_version) {
        (Some(one), Some(other)) if one != other => {
            return Err(format!("two versions are asked for: @{one} and --agent-version {other}"));
        }
        (one, other) => one.or(other),
    };
    let user_home = variable("HOME").map(PathBuf::from);
    let below_home = |given: Option<PathBuf>, name: &str, flag: &str| {
        given
            .or_else(|| user_home.as_ref().map(|home| home.join(name)))
            .ok_or_else(|| format!("HOME is not set, so {flag} is needed"))
    };
    let source_date_epoch = match text(variable("SOURCE_DATE_EPOCH")) {
        Some(seconds) => {
            let number =
                seconds.parse().map_err(|_| format!("SOURCE_DATE_EPOCH is not a number of seconds: {seconds:?}"))?;
            Some(number)
        }
        None => None,
    };
    let docker_config =
        variable("DOCKER_CONFIG").map(PathBuf::from).or_else(|| user_home.as_ref().map(|home| home.join(".docker")));
    Ok(CommandLine {
        task,
        request: BuildRequest {
            agent: build.agent.name,
            base,
            repositories: Repositories {
                local: build.local_repository.unwrap_or_else(|| known(Repositories::DEFAULT_LOCAL)),
                base: build.base_repository.unwrap_or_else(|| known(Repositories::DEFAULT_BASE)),
            },
            version,
            force: build.force,
            no_cache: build.no_cache,
        },
        output: build.format,
        progress: build.progress.unwrap_or_default(),
        terminal: terminal(variable),
        ca_cert: build.ca_cert.filter(|value| !value.is_empty()),
        definitions: folder(build.definitions),
        home: below_home(folder(build.home), ".aicage", "--home")?,
        custom_home: below_home(folder(build.custom), ".aicage-custom", "--custom")?,
        docker_host: text(variable("DOCKER_HOST")),
        docker_config,
        system_certificates: variable("SSL_CERT_FILE").map(PathBuf::from),
        source_date_epoch,
        proxies: proxies(variable),
    })
}

/// Reads the proxies in both spellings; the lower-case one wins, as it does for curl.
fn proxies(variable: &dyn Fn(&str) -> Option<OsString>) -> Proxies {
    let either = |name: &str| text(variable(name).or_else(|| variable(&name.to_uppercase()))).unwrap_or_default();
    Proxies {
        http: either("http_proxy"),
        https: either("https_proxy"),
        ftp: either("ftp_proxy"),
        all: either("all_proxy"),
        none: either("no_proxy"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(line: &str, variables: &[(&str, &str)]) -> Result<CommandLine, String> {
        let matches = command().try_get_matches_from(line.split(' ')).map_err(|error| error.to_string())?;
        let arguments = Arguments::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        interpret(arguments, &variable)
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn a_base_and_a_base_image_name_the_image() {
        let line = "aicage-builder build codex --base deb --base-image debian:bookworm";
        let command_line = read_with(line, &[("HOME", "/h")]).unwrap();
        assert!(matches!(command_line.request.base, BaseChoice::NamedImage(name, _) if name.as_str() == "deb"));
        assert_eq!(command_line.home, PathBuf::from("/h/.aicage"));
    }

    #[test]
    fn what_is_set_to_nothing_is_not_set() {
        let line = "aicage-builder plan codex --base x --local-repository= --base-repository= --home= --progress=";
        let command_line = read_with(line, &[("HOME", "/h")]).unwrap();
        assert_eq!(command_line.home, PathBuf::from("/h/.aicage"));
        assert_eq!(command_line.progress, Mode::Auto);
        assert_eq!(command_line.request.repositories.local, known(Repositories::DEFAULT_LOCAL));
        assert_eq!(command_line.request.repositories.base, known(Repositories::DEFAULT_BASE));
    }

    #[test]
    fn a_base_is_needed() {
        assert!(read_with("aicage-builder build codex", &[("HOME", "/h")]).is_err());
    }

    #[test]
    fn a_version_may_stand_behind_the_agent() {
        let read = |line: &str| read_with(line, &[("HOME", "/h")]).map(|line| line.request);
        let request = read("aicage-builder build codex@1.4.0-rc.1 --base deb").unwrap();
        assert_eq!(request.agent.as_str(), "codex");
        assert_eq!(request.version.unwrap().as_str(), "1.4.0-rc.1");
        let twice = "aicage-builder build codex@1 --base deb --agent-version";
        assert_eq!(read(&format!("{twice} 1")).unwrap().version.unwrap().as_str(), "1");
        assert_eq!(read(&format!("{twice} 2")).unwrap_err(), "two versions are asked for: @1 and --agent-version 2");
        assert!(read("aicage-builder build codex@ --base deb").is_err());
    }

    #[test]
    fn proxies_are_read_in_both_cases_and_lower_case_wins() {
        let variables = [("HOME", "/h"), ("HTTP_PROXY", "upper"), ("http_proxy", "lower"), ("NO_PROXY", "n")];
        let proxies = read_with("aicage-builder plan codex --base x", &variables).unwrap().proxies;
        assert_eq!((proxies.http.as_str(), proxies.none.as_str()), ("lower", "n"));
    }

    #[test]
    fn without_a_home_the_flags_are_asked_for() {
        let error = read_with("aicage-builder plan codex --base x", &[]).unwrap_err();
        assert_eq!(error, "HOME is not set, so --home is needed");
    }
}
