use std::os::unix::ffi::OsStringExt as _;

use domain::request::Repositories;

use super::*;

fn read_with(line: &str, variables: &[(&str, &str)]) -> Result<CommandLine, String> {
    let matches = command().try_get_matches_from(line.split(' ')).map_err(|error| error.to_string())?;
    let arguments = Arguments::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    let variable = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
    match interpret(arguments, &variable)? {
        Command::Image(command_line) => Ok(*command_line),
        other @ (Command::Save(_) | Command::ListImages(_)) => panic!("{other:?}"),
    }
}

fn user_folders() -> Home {
    Home::new(PathBuf::from("/h/.aicage"), PathBuf::from("/h/.aicage-custom"))
}

fn agent(asked: &Asked) -> &WantedAgent {
    let Asked::Wanted(Wanted::Agent(wanted)) = asked else { panic!("{asked:?}") };
    wanted
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn a_base_and_a_base_image_name_the_image() {
    let line = "aicage-builder build codex --base deb --base-image debian:bookworm";
    let command_line = read_with(line, &[("HOME", "/h")]).unwrap();
    let base = &agent(&command_line.asked).base;
    assert!(matches!(base, BaseChoice::NamedImage(name, _) if name.as_str() == "deb"));
    assert_eq!(command_line.around.home, user_folders());
}

#[test]
fn what_is_set_to_nothing_is_not_set() {
    let line = "aicage-builder plan codex --base x --local-repository= --base-repository= --home= --progress=";
    let command_line = read_with(line, &[("HOME", "/h")]).unwrap();
    assert_eq!(command_line.around.home, user_folders());
    assert_eq!(command_line.progress, Mode::Auto);
    assert_eq!(command_line.around.repositories, Repositories::default());
}

#[test]
fn a_base_is_needed() {
    assert!(read_with("aicage-builder build codex", &[("HOME", "/h")]).is_err());
    let alone = read_with("aicage-builder build --base mine", &[("HOME", "/h")]).unwrap();
    assert!(matches!(alone.asked, Asked::Wanted(Wanted::Base(name)) if name.as_str() == "mine"));
    assert!(read_with("aicage-builder build --base-image mine", &[("HOME", "/h")]).is_err());
    assert!(read_with("aicage-builder build --base mine --agent-version 1", &[("HOME", "/h")]).is_err());
}

#[test]
fn extensions_keep_the_order_in_which_they_are_given() {
    let line = "aicage-builder build codex --base x --extension gh --extension act --extensions-first";
    let asked = read_with(line, &[("HOME", "/h")]).unwrap().asked;
    let chosen = &agent(&asked).extensions;
    assert_eq!(chosen.names.iter().map(ExtensionName::as_str).collect::<Vec<_>>(), ["gh", "act"]);
    assert!(chosen.first);
    assert!(read_with("aicage-builder build codex --base x --extensions-first", &[("HOME", "/h")]).is_err());
}

#[test]
fn a_saved_image_says_everything_itself() {
    let read = |line: &str| read_with(line, &[("HOME", "/h")]);
    let saved = read("aicage-builder plan --image work").unwrap();
    assert!(matches!(saved.asked, Asked::Saved(name) if name.as_str() == "work"));
    assert!(read("aicage-builder plan codex --image work").is_err());
    assert!(read("aicage-builder plan --image work --base x").is_err());
}

#[test]
fn a_version_may_stand_behind_the_agent() {
    let read = |line: &str| read_with(line, &[("HOME", "/h")]);
    let line = read("aicage-builder build codex@1.4.0-rc.1 --base deb").unwrap();
    assert_eq!(agent(&line.asked).agent.as_str(), "codex");
    assert_eq!(line.options.version.unwrap().as_str(), "1.4.0-rc.1");
    let twice = "aicage-builder build codex@1 --base deb --agent-version";
    assert_eq!(read(&format!("{twice} 1")).unwrap().options.version.unwrap().as_str(), "1");
    assert_eq!(read(&format!("{twice} 2")).unwrap_err(), "two versions are asked for: @1 and --agent-version 2");
    assert!(read("aicage-builder build codex@ --base deb").is_err());
}

#[test]
fn a_list_is_told_where_things_are() {
    let matches = command().try_get_matches_from("aicage-builder list images --format json".split(' ')).unwrap();
    let variable = |name: &str| (name == "HOME").then(|| OsString::from("/h"));
    let read = interpret(Arguments::from_arg_matches(&matches).unwrap(), &variable).unwrap();
    let Command::ListImages(listing) = read else { panic!("{read:?}") };
    assert_eq!((listing.around.home, listing.output), (user_folders(), OutputFormat::Json));
}

#[test]
fn proxies_are_read_in_both_cases_and_lower_case_wins() {
    let variables = [("HOME", "/h"), ("HTTP_PROXY", "upper"), ("http_proxy", "lower"), ("NO_PROXY", "n")];
    let proxies = read_with("aicage-builder plan codex --base x", &variables).unwrap().proxies;
    assert_eq!((proxies.http.as_str(), proxies.none.as_str()), ("lower", "n"));
}

#[test]
fn a_variable_that_is_no_text_is_not_taken_for_none() {
    let bytes = OsString::from_vec(b"unix:///\xff".to_vec());
    let arguments = |name: &str| {
        let matches = command().try_get_matches_from("aicage-builder plan codex --base x".split(' ')).unwrap();
        let variable = |asked: &str| match asked {
            "HOME" => Some(OsString::from("/h")),
            _ => (asked == name).then(|| bytes.clone()),
        };
        interpret(Arguments::from_arg_matches(&matches).unwrap(), &variable).map(drop)
    };
    for name in ["DOCKER_HOST", "SOURCE_DATE_EPOCH", "https_proxy", "NO_PROXY"] {
        assert_eq!(arguments(name), Err(format!("the variable {name} is not UTF-8 text")));
    }
    assert_eq!(arguments("DOCKER_CONFIG"), Ok(()));
}

#[test]
fn a_time_that_cannot_be_one_names_its_variable() {
    let read =
        |seconds| read_with("aicage-builder build codex --base x", &[("HOME", "/h"), ("SOURCE_DATE_EPOCH", seconds)]);
    assert_eq!(read("1700000000").unwrap().source_date_epoch, Timestamp::from_second(1_700_000_000).ok());
    for seconds in ["soon", "1.5", "99999999999999"] {
        let said = format!("SOURCE_DATE_EPOCH is no time in seconds since 1970: {seconds:?}");
        assert_eq!(read(seconds).unwrap_err(), said);
    }
}

#[test]
fn without_a_home_the_flags_are_asked_for() {
    let error = read_with("aicage-builder plan codex --base x", &[]).unwrap_err();
    assert_eq!(error, "HOME is not set, so --home is needed");
}
