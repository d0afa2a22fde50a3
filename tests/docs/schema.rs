//! The published schema of `version.yml` takes what the programs take, and refuses what they refuse.

use domain::source::VersionSource;
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value;

use crate::root;

fn schema() -> Validator {
    let text = std::fs::read_to_string(root().join("docs/version.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).unwrap()
}

/// Says whether the schema and the program take a document.
fn taken(schema: &Validator, yaml: &str) -> (bool, bool) {
    let document: Result<Value, _> = serde_saphyr::from_str(yaml);
    let by_schema = document.is_ok_and(|document| schema.is_valid(&document));
    (by_schema, VersionSource::parse(yaml.as_bytes(), "version.yml").is_ok())
}

#[test]
fn every_documented_example_is_taken() {
    let schema = schema();
    let document = std::fs::read_to_string(root().join("docs/versions.md")).unwrap();
    let examples: Vec<_> = document.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 8, "one for each source");
    for example in examples {
        assert_eq!(taken(&schema, example), (true, true), "{example}");
    }
}

#[test]
fn what_the_program_refuses_is_refused() {
    let schema = schema();
    for yaml in [
        "",
        "source: svn\n",
        "source: npm\n",
        "package: x\n",
        "source: npm\npackage: x\ncolour: red\n",
        "source: npm\npackage: x\nurl: https://example.org\n",
        "source: npm\npackage: x\ninclude_prereleases: true\n",
        "source: pypi\npackage: x\ninclude_prereleases: 1\n",
        "source: npm\npackage: 5\n",
        "source: npm\npackage: x\ntimeout: 0\n",
        "source: npm\npackage: x\ntimeout: 301\n",
        "source: npm\npackage: x\nprefix: ' '\n",
        "source: http-json\nurl: https://example.org/x\npointer: version\n",
        "source: http-text\nurl: http://example.org/x\n",
        "source: http-text\nurl: https://me:secret@example.org/x\n",
        "source: github-tag\nrepository: tool\n",
        "source: oci-tag\nrepository: A B\n",
    ] {
        assert_eq!(taken(&schema, yaml), (false, false), "{yaml}");
    }
}

#[test]
fn of_a_pattern_only_the_program_knows_how_many_groups_it_has() {
    let schema = schema();
    for pattern in ["v(", "v", "(a)(b)"] {
        let yaml = format!("source: npm\npackage: x\npattern: '{pattern}'\n");
        assert_eq!(taken(&schema, &yaml), (true, false), "{yaml}");
    }
}

/// Lines of which documents are made that are nearly right.
fn line() -> impl Strategy<Value = String> {
    let source = prop_oneof![
        Just("npm"),
        Just("pypi"),
        Just("crates"),
        Just("github-release"),
        Just("github-tag"),
        Just("oci-tag"),
        Just("http-json"),
        Just("http-text"),
        Just("svn"),
    ];
    prop_oneof![
        4 => source.prop_map(|source| format!("source: {source}")),
        2 => "package: '(@[a-z._~-]{0,2}/)?[a-zA-Z0-9._~/-]{1,4}'",
        2 => "repository: '[a-z.-]{1,3}/[a-z._-]{1,3}'",
        2 => "repository: '(localhost/|[a-zA-Z.:-]{1,4}(:[0-9]{0,2})?/)?[a-zA-Z0-9._-]{1,4}(/[a-z_]{1,3})?'",
        2 => "url: '(https?|ftp)://(localhost|127.0.0.1|\\[::1\\]|[a-z@.]{0,3})(:[0-9]{0,2})?([/?#][a-z @]{0,2})?'",
        1 => "tag: '[a-z._/ -]{1,4}'",
        1 => "pointer: '/?[a-z/]{1,3}'",
        1 => Just("pattern: 'v(.*)'".to_owned()),
        1 => "prefix: '[ v]{1,2}'",
        1 => "include_prereleases: (true|false|1)",
        1 => "timeout: -?(0|[1-9][0-9]{0,2})",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn schema_and_program_agree(lines in prop::collection::vec(line(), 1..5)) {
        thread_local!(static SCHEMA: Validator = schema());
        let yaml = lines.join("\n") + "\n";
        let (by_schema, by_program) = SCHEMA.with(|schema| taken(schema, &yaml));
        prop_assert_eq!(by_schema, by_program, "{}", yaml);
    }
}
