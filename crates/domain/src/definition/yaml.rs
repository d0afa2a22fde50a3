//! Reading YAML as strictly as the host tool does: it reads YAML 1.1, in which a plain `12:30` is a number and `off` is no
//! text, and refuses what its schemas do not want.

use std::sync::LazyLock;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use regex::Regex;
use serde::de;

use super::DefinitionError;

/// The largest definition file that is read, in bytes. Real ones have some hundred.
pub const DEFINITION_LIMIT_BYTES: u64 = 256 * 1024;

/// The keys whose values are not text, lists or mappings.
const BOOLEAN_KEYS: [&str; 2] = ["build_local", "extensions_first"];

/// What a plain scalar is in YAML 1.1 when it is not text, in the order in which PyYAML 6.0 tries (its `resolver.py`).
static NOT_TEXT: LazyLock<[(&str, Regex); 5]> = LazyLock::new(|| {
    [
        ("true or false", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"),
        (
            "a number",
            r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|\.[0-9][0-9_]*([eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+",
        ),
        (NOTHING, r"~|null|Null|NULL|"),
        (
            "a date",
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?([Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(\.[0-9]*)?([ \t]*(Z|[-+][0-9][0-9]?(:[0-9]{2})?))?",
        ),
        ("no text", r"=|<<"),
    ]
    .map(|(name, pattern)| (name, Regex::new(&format!("^(?:{pattern})$")).expect("a constant pattern")))
});

pub(crate) fn parse_yaml<T: de::DeserializeOwned>(bytes: &[u8], file: &str) -> Result<T, DefinitionError> {
    let at = |line, column, message: String| DefinitionError { file: file.to_owned(), line, column, message };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        let line = before.matches('\n').count() as u64 + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
        at(line, column, "the file is not UTF-8 text".to_owned())
    })?;
    let says_something = |line: &str| !matches!(line.trim(), "" | "---" | "...") && !line.trim_start().starts_with('#');
    if !text.trim_start_matches('\u{feff}').lines().any(says_something) {
        return Err(at(1, 1, "the file says nothing; write its keys, or remove it".to_owned()));
    }
    let options = serde_saphyr::options! { no_schema: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location();
        let (line, column) = place.map_or((1, 1), |place| (place.line(), place.column()));
        let message = error.without_snippet().to_string();
        // The library ends its message with the place, which stands in front of ours.
        let message = message.split(" at line ").next().unwrap_or(&message);
        at(line, column, in_plain_words(message))
    })
}

/// The same for a file that the host tool reads too: all values are text but those of [`BOOLEAN_KEYS`].
pub(crate) fn parse_host_yaml<T: de::DeserializeOwned>(bytes: &[u8], file: &str) -> Result<T, DefinitionError> {
    let parsed = parse_yaml(bytes, file)?;
    let text = std::str::from_utf8(bytes).expect("what was parsed is UTF-8");
    match misread(text.trim_start_matches('\u{feff}')) {
        None => Ok(parsed),
        Some((place, message)) => {
            let (line, column) = (place.start.line() as u64, place.start.col() as u64 + 1);
            Err(DefinitionError { file: file.to_owned(), line, column, message })
        }
    }
}

/// Says it without the library's own names for types, options and functions.
fn in_plain_words(message: &str) -> String {
    let plain = [
        ("invalid boolean", "true or false is expected here"),
        ("expected mapping start", "keys with values are expected here"),
        ("expected sequence start", "a list is expected here"),
        ("expected string scalar", "text is expected here"),
        ("cannot deserialize null into string", "text is expected here, and there is nothing"),
        ("use from_str_multiple", "the file holds more than one document; keep one"),
    ];
    let found = plain.iter().find(|(words, _)| message.contains(words));
    // It names an option of its own, which a person who writes YAML does not have.
    let message = message.strip_suffix(", set DuplicateKeyPolicy in Options if acceptable").unwrap_or(message);
    found.map_or(message, |(_, plain)| plain).to_owned()
}

/// A list or a mapping that is being read.
enum Open {
    List,
    Mapping {
        /// The key whose value comes next, if one was read.
        key: Option<String>,
    },
}

/// Returns the first value that the host tool reads as something else than what is wanted there.
fn misread(text: &str) -> Option<(Span, String)> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        // A file that cannot be read to its end was refused before.
        let (event, place) = event.ok()?;
        let mut is_value = true;
        let is_node =
            matches!(event, Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_));
        let key = match open.last_mut() {
            Some(Open::Mapping { key }) if is_node => {
                let value_of = key.take();
                if let (None, Event::Scalar(name, ..)) = (&value_of, &event) {
                    *key = Some(name.to_string());
                    is_value = false;
                }
                value_of
            }
            _ => None,
        };
        match event {
            Event::Scalar(value, style, _, tag) if is_value => {
                if let Some(message) = mistake(key.as_deref(), &value, style, tag.as_deref()) {
                    return Some((place, message));
                }
            }
            Event::SequenceStart(_, _, Some(_)) | Event::MappingStart(_, _, Some(_)) => {
                return Some((place, NO_TAG.to_owned()));
            }
            Event::SequenceStart(..) => open.push(Open::List),
            Event::MappingStart(..) => open.push(Open::Mapping { key: None }),
            Event::SequenceEnd | Event::MappingEnd => drop(open.pop()),
            _ => {}
        }
    }
    None
}

const NOTHING: &str = "nothing";

const NO_TAG: &str = "a tag has no place here; remove it";

fn mistake(key: Option<&str>, value: &str, style: ScalarStyle, tag: Option<&Tag>) -> Option<String> {
    if tag.is_some() {
        return Some(NO_TAG.to_owned());
    }
    let is_plain = style == ScalarStyle::Plain;
    let read_as = NOT_TEXT.iter().find(|(_, pattern)| is_plain && pattern.is_match(value)).map(|(name, _)| *name);
    if let Some(key) = key.filter(|key| BOOLEAN_KEYS.contains(key)) {
        let is_boolean = read_as == Some(NOT_TEXT[0].0);
        return (!is_boolean).then(|| format!("{key} is true or false, without quotes"));
    }
    let read_as = read_as?;
    Some(match read_as {
        NOTHING => "there is nothing here; write a value, or remove the key".to_owned(),
        read_as => format!("YAML 1.1, which the host tool reads, takes {value} for {read_as}; put it in quotes"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> String {
        match misread(lines) {
            None => "read".to_owned(),
            Some((place, message)) => format!("{}:{}: {message}", place.start.line(), place.start.col() + 1),
        }
    }

    #[test]
    fn what_yaml_1_1_does_not_take_for_text_is_refused_unless_it_is_quoted() {
        // Asked of PyYAML 6.0.
        let others = [
            "12:30:45",
            "190:20:30.15",
            "1_0.5",
            "0x1f",
            "010",
            "0b11",
            "1e+3",
            "1.5e+3",
            ".5",
            ".inf",
            ".NaN",
            "-1",
            "+1_000",
            "=",
            "2020-01-01",
            "2020-1-1 10:00:00",
            "2020-01-01T10:00:00Z",
            "~",
            "null",
            "yes",
            "OFF",
            "<<",
        ];
        let texts = ["y", "n", "1e3", "0o17", "1.2.3", "v1", "12:99", "2020-1-1", "nothing", "x: y", "1 2"];
        let refused = |value: &str| read(&format!("base_exclude:\n  - {value}\n")) != "read";
        // 1e+3 has no dot, so it is text.
        let taken: Vec<_> = others.into_iter().filter(|value| !refused(value)).collect();
        assert_eq!(taken, ["1e+3"]);
        for text in texts.into_iter().filter(|text| *text != "x: y") {
            assert!(!refused(text), "{text}");
        }
        for value in others {
            assert_eq!(read(&format!("a: '{value}'\nb: \"{value}\"\nc: |\n  {value}\n")), "read", "{value}");
        }
    }

    #[test]
    fn a_mistake_has_a_place_and_a_remedy() {
        insta::assert_snapshot!(read("a: b\nagent_full_name: 12:30:45\n"), @"2:18: YAML 1.1, which the host tool reads, takes 12:30:45 for a number; put it in quotes");
        insta::assert_snapshot!(read("agent_path:\n  files:\n"), @"2:8: there is nothing here; write a value, or remove the key");
        insta::assert_snapshot!(read("base_exclude: null\n"), @"1:15: there is nothing here; write a value, or remove the key");
        insta::assert_snapshot!(read("build_local: 'true'\n"), @"1:14: build_local is true or false, without quotes");
        insta::assert_snapshot!(read("build_local: y\n"), @"1:14: build_local is true or false, without quotes");
        insta::assert_snapshot!(read("a: !!python/object:x foo\n"), @"1:22: a tag has no place here; remove it");
        insta::assert_snapshot!(read("a: !!seq []\n"), @"1:10: a tag has no place here; remove it");
    }

    #[test]
    fn keys_and_what_is_meant_are_left_alone() {
        assert_eq!(
            read("build_local: off\nbase_exclude: [alpine, '3']\n1: x\nagent_path: {files: [a], directories: []}\n"),
            "read"
        );
    }
}
