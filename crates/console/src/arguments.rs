//! Reading a command line, and saying what is wrong with it.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, Error};

use crate::answer::judged;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// A look at the environment.
pub type Variable<'a> = &'a dyn Fn(&OsStr) -> Option<OsString>;

/// Reads a process's arguments, its own name in front, and the variables that stand for options, as `command` says.
///
/// `variable` is for what is said of a mistake; clap looks at the environment itself.
///
/// A variable may be set to nothing, as `docker run --env NAME=` does. An option that it stands for may not: that is
/// somebody's variable which was thought to hold something.
///
/// # Errors
/// The code to exit with, after a mistake or a request for help was answered.
pub fn read(command: Command, arguments: &[OsString], variable: Variable<'_>) -> Result<ArgMatches, Exit> {
    read_from(command, arguments, variable).map_err(|error| say(&error))
}

/// Says what `error` stands for, and returns the code to exit with.
pub fn say(error: &Error) -> Exit {
    let printed = error.print();
    if error.use_stderr() {
        // There is no place left to complain; the exit code still tells.
        return Exit::Usage;
    }
    match judged(printed) {
        Ok(()) => Exit::Done,
        Err(error) => {
            Failure::new(Exit::TryAgain, &error).show(&Terminal::file());
            Exit::TryAgain
        }
    }
}

fn read_from(mut command: Command, arguments: &[OsString], variable: Variable<'_>) -> Result<ArgMatches, Error> {
    command.build();
    let matches = command.try_get_matches_from_mut(arguments);
    let asked = asked(&command, arguments);
    let matches = matches.map_err(|error| explained(error, asked, arguments, variable))?;
    refuse_empty(asked, &matches)?;
    Ok(matches)
}

/// Returns the subcommand that the first arguments name.
fn asked<'a>(command: &'a Command, arguments: &[OsString]) -> &'a Command {
    let mut asked = command;
    for word in arguments.iter().skip(1) {
        let Some(subcommand) = asked.find_subcommand(word) else { break };
        asked = subcommand;
    }
    asked
}

/// Names the variable that a mistake stands in, and leaves out of the usage line what nobody typed.
fn explained(mut error: Error, asked: &Command, arguments: &[OsString], variable: Variable<'_>) -> Error {
    let in_environment = |argument: &&Arg| {
        let is_typed = argument.get_long().is_some_and(|long| is_typed(long, arguments));
        !is_typed && argument.get_env().and_then(variable).is_some()
    };
    let name = |argument: &Arg| argument.get_env().unwrap_or_default().to_string_lossy().into_owned();
    if error.kind() == ErrorKind::InvalidUtf8 && arguments.iter().all(|argument| argument.to_str().is_some()) {
        let is_text =
            |argument: &Arg| argument.get_env().and_then(variable).is_none_or(|value| value.to_str().is_some());
        let mistaken: Vec<_> =
            asked.get_arguments().filter(in_environment).filter(|argument| !is_text(argument)).map(name).collect();
        return asked.clone().error(ErrorKind::InvalidUtf8, format!("not UTF-8 text: {}", mistaken.join(", ")));
    }
    if let Some(ContextValue::String(invalid)) = error.get(ContextKind::InvalidArg).cloned()
        && let Some(argument) = asked.get_arguments().filter(in_environment).find(|one| one.to_string() == invalid)
    {
        let told = format!("{} (as {invalid})", name(argument));
        error.insert(ContextKind::InvalidArg, ContextValue::String(told));
    }
    if error.get(ContextKind::Usage).is_some() {
        error.insert(ContextKind::Usage, ContextValue::StyledStr(asked.clone().render_usage()));
    }
    error
}

fn is_typed(long: &str, arguments: &[OsString]) -> bool {
    let words = arguments.iter().filter_map(|argument| argument.to_str()?.strip_prefix("--"));
    words.map(|word| word.split_once('=').map_or(word, |(name, _)| name)).any(|name| name == long)
}

fn refuse_empty(asked: &Command, matches: &ArgMatches) -> Result<(), Error> {
    let mut matches = matches;
    while let Some((_, below)) = matches.subcommand() {
        matches = below;
    }
    for argument in asked.get_arguments().filter(|argument| argument.get_env().is_some()) {
        let id = argument.get_id().as_str();
        let is_typed = matches.value_source(id) == Some(ValueSource::CommandLine);
        if is_typed && matches.get_raw(id).is_some_and(|mut values| values.any(OsStr::is_empty)) {
            let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(asked);
            error.insert(ContextKind::InvalidArg, ContextValue::String(argument.to_string()));
            error.insert(ContextKind::InvalidValue, ContextValue::String(String::new()));
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use clap::value_parser;

    use super::*;

    fn command() -> Command {
        let count = Arg::new("count").long("count").env("CONSOLE_TEST_COUNT").value_parser(value_parser!(u8));
        let folder = Arg::new("folder").long("folder").env("CONSOLE_TEST_FOLDER");
        let thing = Arg::new("thing").required(true);
        Command::new("tool").term_width(100).subcommand(Command::new("make").args([count, folder, thing]))
    }

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    /// Returns what is said when `read` was put together of what was `typed` and of variables with this value.
    fn said(read: &str, typed: &str, value: &[u8]) -> String {
        let mut command = command();
        command.build();
        let error = command.try_get_matches_from_mut(words(read)).unwrap_err();
        let variable = |_: &OsStr| Some(OsStr::from_bytes(value).to_owned());
        explained(error, asked(&command, &words(typed)), &words(typed), &variable).to_string()
    }

    #[test]
    fn a_mistake_in_a_variable_names_the_variable() {
        insta::assert_snapshot!(said("tool make x --count=many", "tool make x", b"many"), @"
        error: invalid value 'many' for 'CONSOLE_TEST_COUNT (as --count <count>)': invalid digit found in string

        For more information, try '--help'.
        ");
        insta::assert_snapshot!(said("tool make x --count=many", "tool make x --count=many", b"1"), @"
        error: invalid value 'many' for '--count <count>': invalid digit found in string

        For more information, try '--help'.
        ");
    }

    #[test]
    fn the_usage_says_what_may_be_typed_and_not_what_is_set() {
        insta::assert_snapshot!(said("tool make --count=1", "tool make", b"1"), @"
        error: the following required arguments were not provided:
          <thing>

        Usage: tool make [OPTIONS] <thing>

        For more information, try '--help'.
        ");
    }

    #[test]
    fn an_option_is_not_given_as_nothing() {
        let read = |line| read_from(command(), &words(line), &|_| None).map_err(|error| error.to_string());
        insta::assert_snapshot!(read("tool make x --folder=").unwrap_err(), @"
        error: a value is required for '--folder <folder>' but none was supplied

        For more information, try '--help'.
        ");
        assert!(read("tool make x --folder=y").is_ok());
    }

    #[test]
    fn a_variable_that_is_no_text_is_named() {
        let typed = words("tool make x --count=1");
        let error = command().error(ErrorKind::InvalidUtf8, "");
        let variable = |name: &OsStr| (name == "CONSOLE_TEST_FOLDER").then(|| OsStr::from_bytes(b"\xff").to_owned());
        let mut command = command();
        command.build();
        insta::assert_snapshot!(explained(error, asked(&command, &typed), &typed, &variable), @"
        error: not UTF-8 text: CONSOLE_TEST_FOLDER

        Usage: tool make [OPTIONS] <thing>

        For more information, try '--help'.
        ");
    }
}
