//! The command line and the environment: strings become names here, and only here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::OsStringValueParser;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use console::exit::Exit;
use domain::name::AgentName;
use home::{Home, Roots};

use crate::run::{CheckRequest, Which};
use crate::venue::{ORDER, PullChoice, Way};

/// The image that scripts run in when nothing else is asked for: the builder image as `scripts/image` names it.
const IMAGE: &str = "aicage-builder:dev";

/// The longest that can be asked for, in seconds.
const TIME_LIMIT_SECONDS_MAXIMUM: u64 = 3600;

/// Finds the newest version of agents and says how each was found.
#[derive(Debug, Parser)]
#[command(name = "aicage-checker", version, after_help = Exit::help())]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the newest version of agents.
    Version(VersionArguments),
}

#[derive(Debug, Args)]
pub(crate) struct VersionArguments {
    /// The agents to look for, by the names of their definitions.
    #[arg(required_unless_present = "all", value_name = "AGENT", value_parser = AgentName::parse)]
    agents: Vec<AgentName>,

    /// Look for the version of every agent that is defined.
    #[arg(long, conflicts_with = "agents")]
    all: bool,

    /// Try only these ways of looking, always in this order: native, container, host.
    #[arg(long, value_enum, value_name = "WAY,…", env = "AICAGE_VERSION_VIA", value_delimiter = ',', default_values_t = ORDER)]
    via: Vec<Way>,

    /// Run no script on this machine itself.
    #[arg(long)]
    no_host: bool,

    /// The image that scripts run in.
    #[arg(long, value_name = "IMAGE", env = "AICAGE_CHECKER_IMAGE", default_value = IMAGE)]
    checker_image: String,

    /// Whether the engine pulls that image first [default: missing for a name that begins with a registry, else never].
    #[arg(long, value_enum, value_name = "WHEN", env = "AICAGE_PULL_CHECKER_IMAGE")]
    pull_checker_image: Option<PullChoice>,

    /// Take an answer that an earlier run found, when it is not older than this.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    max_age: u64,

    /// Print the last known version where none is found now, and say so.
    #[arg(long)]
    allow_cached: bool,

    /// Keep nothing of what is found for later runs.
    #[arg(long)]
    no_record: bool,

    /// Certificates to trust besides the system's when sources are asked: a PEM file, a folder of them, or `system`.
    #[arg(long, value_name = "FILE|DIR|system", env = "AICAGE_CA_CERT", hide_env_values = true, value_parser = OsStringValueParser::new())]
    ca_cert: Option<OsString>,

    /// The folder with the packaged definitions, at agents/AGENT/ within it.
    #[arg(long, value_name = "DIR", env = "AICAGE_DEFINITIONS", hide_env_values = true, value_parser = OsStringValueParser::new())]
    definitions: Option<OsString>,

    /// The folder of state [default: ~/.aicage].
    #[arg(long, value_name = "DIR", env = "AICAGE_HOME", hide_env_values = true, value_parser = OsStringValueParser::new())]
    home: Option<OsString>,

    /// The folder with the user's own definitions, which win [default: ~/.aicage-custom].
    #[arg(long, value_name = "DIR", env = "AICAGE_CUSTOM_HOME", hide_env_values = true, value_parser = OsStringValueParser::new())]
    custom: Option<OsString>,

    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// How long one look may take [default: 10 for a source, 15 for a script, 20 in a container].
    #[arg(long, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=TIME_LIMIT_SECONDS_MAXIMUM))]
    timeout: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The version alone for one agent, a line `AGENT VERSION` for each of several as soon as it is found.
    Text,
    /// One document with every version, how it was found, and every attempt that failed.
    Json,
}

/// Reads the process's arguments and the variables that stand for options.
///
/// On a mistake or a request for help, says so and returns the exit code to end with.
pub(crate) fn read() -> Result<Cli, Exit> {
    let arguments: Vec<_> = std::env::args_os().collect();
    let matches = console::arguments::read(Cli::command(), &arguments, &|name| std::env::var_os(name))?;
    Cli::from_arg_matches(&matches).map_err(|error| console::arguments::say(&error))
}

/// Says that the user's folders cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("the home folder is not known: set HOME, or give both --home and --custom")]
pub(crate) struct NoHome;

impl VersionArguments {
    /// Says what was asked for. An empty folder, as an unset variable often arrives, counts as none.
    pub(crate) fn request(self, user_home: Option<PathBuf>) -> Result<CheckRequest, NoHome> {
        let given = |folder: Option<OsString>| folder.filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let user_home = user_home.filter(|folder| !folder.as_os_str().is_empty());
        let or_in_home = |folder: Option<OsString>, name: &str| {
            given(folder).or_else(|| Some(user_home.as_ref()?.join(name))).ok_or(NoHome)
        };
        let home = Home::new(or_in_home(self.home, ".aicage")?, or_in_home(self.custom, ".aicage-custom")?);
        let mut agents = Vec::new();
        for agent in self.agents {
            if !agents.contains(&agent) {
                agents.push(agent);
            }
        }
        let is_wanted = |way: &Way| self.via.contains(way) && !(self.no_host && *way == Way::Host);
        // The system's certificates are trusted without being asked for.
        let ca_cert = given(self.ca_cert);
        let hands_on_certificates = ca_cert.is_some();
        let certificates = ca_cert.filter(|path| path.as_os_str() != "system");
        Ok(CheckRequest {
            agents: if self.all { Which::All } else { Which::Named(agents) },
            roots: Roots::new(&home, given(self.definitions).as_deref()),
            ways: ORDER.into_iter().filter(is_wanted).collect(),
            time_limit: self.timeout.map(Duration::from_secs),
            max_age: Duration::from_secs(self.max_age),
            allow_cached: self.allow_cached,
            is_recording: !self.no_record,
            certificates: certificates.into_iter().collect(),
            hands_on_certificates,
            pull: self.pull_checker_image.unwrap_or_else(|| PullChoice::usual(&self.checker_image)),
            image: self.checker_image,
            home,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn request(arguments: &[&str], user_home: Option<&str>) -> Result<CheckRequest, NoHome> {
        let Cli { command: Command::Version(arguments) } =
            Cli::parse_from([&["aicage-checker", "version"], arguments].concat());
        arguments.request(user_home.map(PathBuf::from))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_empty_folder_is_none_and_an_agent_is_asked_for_once() {
        let folders = ["--home=", "--custom=", "--definitions="];
        let asked = request(&[&["b", "a", "b"], &folders[..]].concat(), Some("/h")).unwrap();
        let home = Home::new("/h/.aicage".into(), "/h/.aicage-custom".into());
        assert_eq!(asked.roots, Roots::new(&home, None));
        let names = ["b", "a"].map(|name| AgentName::parse(name).unwrap());
        assert_eq!(asked.agents, Which::Named(names.to_vec()));
        assert_eq!(request(&["--all"], Some("/h")).unwrap().agents, Which::All);
    }

    #[test]
    fn the_order_of_ways_is_not_the_users_and_no_host_is_the_last_word() {
        let ways = |arguments: &[&str]| request(&[&["a"], arguments].concat(), Some("/h")).unwrap().ways;
        assert_eq!(ways(&[]), ORDER);
        assert_eq!(ways(&["--via", "host,native"]), [Way::Native, Way::Host]);
        assert_eq!(ways(&["--via=host", "--via=native", "--no-host"]), [Way::Native]);
    }

    #[test]
    fn without_a_home_both_folders_must_be_given() {
        let all = ["a", "--home=/x", "--custom=/y", "--definitions=/z"];
        let home = Home::new("/x".into(), "/y".into());
        assert_eq!(request(&all, None).unwrap().roots, Roots::new(&home, Some(Path::new("/z"))));
        assert!(request(&["a", "--home=/x", "--custom="], None).is_err());
        assert!(request(&["a", "--home=/x", "--custom="], Some("")).is_err());
    }

    #[test]
    fn the_help_names_every_option() {
        let mut command = Cli::command();
        let command = command.find_subcommand_mut("version").unwrap();
        let mut command = command.clone().term_width(100);
        insta::assert_snapshot!(command.render_help().to_string(), @"
        Print the newest version of agents

        Usage: version [OPTIONS] [AGENT]...

        Arguments:
          [AGENT]...  The agents to look for, by the names of their definitions

        Options:
              --all                        Look for the version of every agent that is defined
              --via <WAY,…>                Try only these ways of looking, always in this order: native,
                                           container, host [env: AICAGE_VERSION_VIA=] [default: native
                                           container host] [possible values: native, container, host]
              --no-host                    Run no script on this machine itself
              --checker-image <IMAGE>      The image that scripts run in [env: AICAGE_CHECKER_IMAGE=]
                                           [default: aicage-builder:dev]
              --pull-checker-image <WHEN>  Whether the engine pulls that image first [default: missing for a
                                           name that begins with a registry, else never] [env:
                                           AICAGE_PULL_CHECKER_IMAGE=] [possible values: always, missing,
                                           never]
              --max-age <SECONDS>          Take an answer that an earlier run found, when it is not older
                                           than this [default: 0]
              --allow-cached               Print the last known version where none is found now, and say so
              --no-record                  Keep nothing of what is found for later runs
              --ca-cert <FILE|DIR|system>  Certificates to trust besides the system's when sources are
                                           asked: a PEM file, a folder of them, or `system` [env:
                                           AICAGE_CA_CERT]
              --definitions <DIR>          The folder with the packaged definitions, at agents/AGENT/ within
                                           it [env: AICAGE_DEFINITIONS]
              --home <DIR>                 The folder of state [default: ~/.aicage] [env: AICAGE_HOME]
              --custom <DIR>               The folder with the user's own definitions, which win [default:
                                           ~/.aicage-custom] [env: AICAGE_CUSTOM_HOME]
              --format <FORMAT>            How to print the answer [default: text] [possible values: text,
                                           json]
              --timeout <SECONDS>          How long one look may take [default: 10 for a source, 15 for a
                                           script, 20 in a container]
          -h, --help                       Print help (see more with '--help')
        ");
    }
}
