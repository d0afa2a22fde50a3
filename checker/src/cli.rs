//! The command line and the environment: strings become names here, and only here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::OsStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use console::exit::Exit;
use domain::name::AgentName;
use home::{AgentRoots, Home};

use crate::run::CheckRequest;

/// How long a script may run when nothing else is asked for, in seconds; what the host tool gives it.
const TIME_LIMIT_SECONDS: u64 = 15;

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
    #[arg(required = true, value_name = "AGENT", value_parser = AgentName::parse)]
    agents: Vec<AgentName>,

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

    /// How long one look may take.
    #[arg(long, value_name = "SECONDS", default_value_t = TIME_LIMIT_SECONDS,
        value_parser = clap::value_parser!(u64).range(1..=TIME_LIMIT_SECONDS_MAXIMUM))]
    timeout: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The version alone for one agent, a line `AGENT VERSION` for each of several.
    Text,
    /// One document with every version, how it was found, and every attempt that failed.
    Json,
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
        Ok(CheckRequest {
            agents,
            roots: AgentRoots::new(&home, given(self.definitions).as_deref()),
            time_limit: Duration::from_secs(self.timeout),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory as _;

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
        assert_eq!(asked.roots, AgentRoots::new(&home, None));
        assert_eq!(asked.agents.iter().map(AgentName::as_str).collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn without_a_home_both_folders_must_be_given() {
        let all = ["a", "--home=/x", "--custom=/y", "--definitions=/z"];
        let home = Home::new("/x".into(), "/y".into());
        assert_eq!(request(&all, None).unwrap().roots, AgentRoots::new(&home, Some(Path::new("/z"))));
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

        Usage: version [OPTIONS] <AGENT>...

        Arguments:
          <AGENT>...  The agents to look for, by the names of their definitions

        Options:
              --definitions <DIR>  The folder with the packaged definitions, at agents/AGENT/ within it
                                   [env: AICAGE_DEFINITIONS]
              --home <DIR>         The folder of state [default: ~/.aicage] [env: AICAGE_HOME]
              --custom <DIR>       The folder with the user's own definitions, which win [default:
                                   ~/.aicage-custom] [env: AICAGE_CUSTOM_HOME]
              --format <FORMAT>    How to print the answer [default: text] [possible values: text, json]
              --timeout <SECONDS>  How long one look may take [default: 15]
          -h, --help               Print help (see more with '--help')
        ");
    }
}
