use domain::digest::Digest;
use domain::recipe::ImageKind;
use domain::record::VersionOrigin;
use domain::version::AgentVersion;
use proptest::prelude::*;

use super::*;

fn record() -> Record {
    let digest = Digest::from_bytes([0xab; 32]);
    Record {
        kind: ImageKind::Final,
        agent: Some(AgentName::parse("codex").unwrap()),
        base_name: BaseName::parse("debian").unwrap(),
        image: "aicage:codex-debian".parse().unwrap(),
        image_id: "sha256:1".to_owned(),
        recipe_hash: digest,
        version: Some(AgentVersion::parse("1.10").unwrap()),
        version_origin: Some(VersionOrigin::Chosen),
        base_image: "ghcr.io/aicage/aicage-image-base:debian".parse().unwrap(),
        base: BaseIdentity::Manifest(digest),
        layers: Vec::new(),
        built_at: "2026-11-21T07:00:00.000000+00:00".to_owned(),
        log: None,
        builder_version: "0.1.0".to_owned(),
    }
}

fn named() -> (AgentName, BaseName) {
    let Record { agent, base_name, .. } = record();
    (agent.unwrap(), base_name)
}

fn settled() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path().join("root"), folder.path().join("custom"));
    prepare(&home, &record()).unwrap().put().unwrap();
    (folder, home)
}

fn fits_with(home: &Home, image: &str, id: &str, version: &str) -> bool {
    let (agent, base_name) = named();
    fits(home, &agent, &base_name, &image.parse().unwrap(), id, version)
}

fn fits_after_writing(text: &str) -> bool {
    let (_folder, home) = settled();
    let (agent, base_name) = named();
    fs::write(home.host_record(&agent, &base_name), text).unwrap();
    fits_with(&home, "aicage:codex-debian", "sha256:1", "1.10")
}

#[test]
fn every_value_is_quoted_and_every_key_in_order() {
    let (_folder, home) = settled();
    let (agent, base_name) = named();
    insta::assert_snapshot!(fs::read_to_string(home.host_record(&agent, &base_name)).unwrap(), @r#"
    agent: "codex"
    agent_version: "1.10"
    base: "debian"
    base_image: "ghcr.io/aicage/aicage-image-base@sha256:abababababababababababababababababababababababababababababababab"
    built_at: "2026-11-21T07:00:00.000000+00:00"
    image_id: "sha256:1"
    image_ref: "aicage:codex-debian"
    "#);
}

#[test]
fn a_base_of_the_engine_alone_is_named_by_its_tag() {
    let (_folder, home) = settled();
    let record = Record { base: BaseIdentity::Content(Digest::of(b"x")), ..record() };
    let text = fs::read_to_string(prepare(&home, &record).unwrap().put().unwrap()).unwrap();
    assert!(text.contains("base_image: \"ghcr.io/aicage/aicage-image-base:debian\"\n"), "{text}");
}

#[test]
fn it_fits_the_image_and_version_it_was_written_for_and_no_other() {
    let (_folder, home) = settled();
    assert!(fits_with(&home, "aicage:codex-debian", "sha256:1", "1.10"));
    assert!(!fits_with(&home, "aicage:codex-debian", "sha256:2", "1.10"));
    assert!(!fits_with(&home, "aicage:codex-debian", "sha256:1", "1.1"));
    assert!(!fits_with(&home, "other:codex-debian", "sha256:1", "1.10"));
}

#[test]
fn the_host_tools_own_spelling_fits() {
    assert!(fits_after_writing(
        "agent: codex\nagent_version: '1.10'\nbase: debian\nbase_image: x@sha256:1\nbuilt_at: '2026-11-21T07:00:00.000000+00:00'\nimage_id: sha256:1\nimage_ref: aicage:codex-debian\n"
    ));
}

#[test]
fn what_the_host_tool_would_read_differently_does_not_fit() {
    let with_version = |version: &str| {
        format!(
            "agent: codex\nagent_version: {version}\nbase: debian\nimage_id: sha256:1\nimage_ref: aicage:codex-debian\n"
        )
    };
    assert!(fits_after_writing(&with_version("\"1.10\"")));
    assert!(!fits_after_writing(&with_version("1.10")));
    assert!(!fits_after_writing(&with_version("[1.10]")));
    assert!(!fits_after_writing(&with_version("'1.10")));
    assert!(!fits_after_writing(&with_version("'1.10'").replace("image_id: sha256:1\n", "")));
    assert!(!fits_after_writing(""));
    assert!(!fits_after_writing("- codex\n"));
    assert!(!fits_after_writing(&"#".repeat(100_000)));
}

proptest! {
    #[test]
    fn any_text_survives_the_quotes(text in any::<String>()) {
        let quoted = || DoubleQuoted(text.as_str());
        let yaml = to_yaml(&Written {
            agent: quoted(), agent_version: quoted(), base: quoted(), base_image: quoted(),
            built_at: quoted(), image_id: quoted(), image_ref: quoted(),
        });
        prop_assert!(yaml.lines().all(|line| line.ends_with('"')), "{}", yaml);
        let read: Read = from_yaml(&yaml).unwrap();
        prop_assert_eq!(&read.agent_version, &text);
        prop_assert_eq!(&read.image_ref, &text);
    }
}
