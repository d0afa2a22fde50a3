//! What is in an image, what stands on it, and what of a build is not.

use std::collections::BTreeMap;

use aicage_tests::{Engine, Story, on_every_engine};
use serde_json::Value;

on_every_engine!(
    the_config_is_the_bases_with_our_words_added,
    nothing_is_in_the_image_but_what_the_script_made,
    the_history_has_our_words_and_no_command,
    two_builds_of_one_moment_are_one_image,
);

/// Starts a story on a base with a config of its own.
fn story_on_a_base_of_its_own(engine: Engine) -> Story {
    let mut story = Story::new(engine);
    let bases = format!("{}/base", story.repository);
    let changes = [
        "ENV LANG=C.UTF-8 MOTTO=\"two words\" AGENT=none",
        "CMD [\"bash\", \"-l\"]",
        "ENTRYPOINT [\"env\"]",
        "WORKDIR /srv",
        "EXPOSE 80",
        "USER root",
        "LABEL org.opencontainers.image.vendor=acme org.opencontainers.image.title=base dev.aicage.extensions=none",
    ];
    engine.make(&story.base_image, "mkdir -p /srv", &changes, &bases, "x");
    story.base_image = format!("{bases}:x");
    story
}

fn labels(config: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(config["Labels"].clone()).unwrap()
}

fn the_config_is_the_bases_with_our_words_added(engine: Engine) {
    let story = story_on_a_base_of_its_own(engine);
    story.install("pwd > /opt/where\nenv > /opt/variables\n");
    story.build(["--agent-version", "1.2.3", "--no-cache-mounts"]).expect(0);
    let base = engine.image(&story.base_image).unwrap()["Config"].clone();
    let config = engine.image(&story.image()).unwrap()["Config"].clone();
    for kept in ["Cmd", "Entrypoint", "WorkingDir", "ExposedPorts", "User"] {
        assert_eq!(config[kept], base[kept], "{kept}");
    }
    let environment: Vec<String> = serde_json::from_value(config["Env"].clone()).unwrap();
    let mut expected: Vec<String> = serde_json::from_value(base["Env"].clone()).unwrap();
    *expected.iter_mut().find(|line| line.starts_with("AGENT=")).unwrap() = "AGENT=tool".to_owned();
    expected.push("AICAGE_ENTRYPOINT_CMD=tool".to_owned());
    assert_eq!(environment, expected);

    let labels = labels(&config);
    for (key, value) in [
        ("org.opencontainers.image.vendor", "acme"),
        ("org.opencontainers.image.title", "Tool"),
        ("org.opencontainers.image.version", "1.2.3"),
        ("org.opencontainers.image.source", "https://example.org/tool"),
        ("org.opencontainers.image.base.name", &format!("docker.io/{}", story.base_image)),
        ("dev.aicage.agent", "tool"),
        ("dev.aicage.agent.version", "1.2.3"),
        ("dev.aicage.base", "debian"),
        ("dev.aicage.recipe.schema", "1"),
        ("dev.aicage.recipe.platform", "linux/amd64"),
        ("dev.aicage.builder.version", env!("CARGO_PKG_VERSION")),
    ] {
        assert_eq!(labels.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert!(labels["dev.aicage.recipe.base"].starts_with("content:sha256:"));
    assert!(labels["dev.aicage.recipe.hash"].starts_with("sha256:"));
    assert!(labels["dev.aicage.recipe.files"].starts_with("sha256:"));
    assert!(!labels.contains_key("org.opencontainers.image.base.digest"), "no registry has this base");
    assert!(!labels.contains_key("dev.aicage.extensions"), "{labels:?}");

    // What the script saw: the base's variables and folder, and those that tell it what to install.
    let seen = engine.run(&story.image(), &["cat", "/opt/where", "/opt/variables"]);
    for line in ["/srv", "MOTTO=two words", "LANG=C.UTF-8", "AGENT=tool", "AICAGE_AGENT_VERSION=1.2.3"] {
        assert!(seen.lines().any(|seen| seen.trim_end() == line), "{line}:\n{seen}");
    }
    // And nothing of ours besides.
    for variable in ["AICAGE_ENTRYPOINT_CMD", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy", "APT_CONFIG", "WGETRC"] {
        assert!(!seen.contains(&format!("{variable}=")), "{seen}");
    }
}

fn nothing_is_in_the_image_but_what_the_script_made(engine: Engine) {
    let story = Story::new(engine);
    story.write("data/words", "words\n");
    story.install(&format!("{}test -f /dev/aicage/definition/data/words\n", aicage_tests::TOOL));
    story.build(["--ca-cert", certificate(&story).as_str()]).expect(0);
    let (base, made) = (engine.listing(&story.base_image), engine.listing(&story.image()));
    let gone: Vec<_> = base.keys().filter(|path| !made.contains_key(*path)).collect();
    assert!(gone.is_empty(), "{gone:?}");
    let new: Vec<_> = made.keys().filter(|path| !base.contains_key(*path)).collect();
    assert_eq!(new, ["usr/local/bin/tool"]);
    let changed: Vec<_> = base.iter().filter(|(path, what)| made[*path] != **what).collect();
    assert!(changed.is_empty(), "{changed:?}");
    assert_eq!(engine.layers(&story.image()).len(), engine.layers(&story.base_image).len() + 1);
}

/// Writes a file with a certificate and returns its path.
fn certificate(story: &Story) -> String {
    let path = story.folder().join("company.pem");
    let made = rcgen::generate_simple_self_signed(["example.org".to_owned()]).unwrap();
    std::fs::write(&path, made.cert.pem()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn the_history_has_our_words_and_no_command(engine: Engine) {
    let story = Story::new(engine);
    story.build(["--agent-version", "1.2.3"]).expect(0);
    let (base, made) = (engine.history(&story.base_image), engine.history(&story.image()));
    assert_eq!(made.len(), base.len() + 1);
    assert_eq!(made[0]["CreatedBy"], "install tool 1.2.3: install.sh");
    assert_eq!(made[0]["Comment"], format!("aicage-builder {}", env!("CARGO_PKG_VERSION")));
    let lines = |history: &[Value]| -> Vec<Value> { history.iter().map(|entry| entry["CreatedBy"].clone()).collect() };
    assert_eq!(lines(&made[1..]), lines(&base));
    let image = engine.image(&story.image()).unwrap().to_string();
    for words in ["/dev/aicage", "mkfifo", "/bin/sh"] {
        assert!(!image.contains(words), "{image}");
        assert!(!made[0].to_string().contains(words), "{}", made[0]);
    }
}

fn two_builds_of_one_moment_are_one_image(engine: Engine) {
    let story = Story::new(engine);
    let build = |force: &[&str]| {
        let ran =
            aicage_tests::run(story.command("build").args(force).env("SOURCE_DATE_EPOCH", "1700000000")).expect(0);
        (engine.id(&story.image()), ran.stdout)
    };
    let (first, _) = build(&[]);
    assert!(engine.image(&story.image()).unwrap()["Created"].as_str().unwrap().starts_with("2023-11-14T22:13:20"));
    let (second, told) = build(&["--force"]);
    assert_eq!(first, second);
    // Nothing was replaced, so there is no image before it.
    assert!(!told.contains("previous") && engine.image(&story.previous()).is_none(), "{told}");
}
