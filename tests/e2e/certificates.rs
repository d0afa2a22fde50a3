//! The company's certificate authority: trusted in the step, nowhere to be found afterwards.
//!
//! Where the machine reaches the package registries through a proxy with an authority of its own, which this machine's
//! bundle holds and Debian's does not, an install fails without it. Elsewhere that half proves nothing and says so.

use std::path::{Path, PathBuf};

use aicage_tests::{Engine, Story, on_every_engine, run};

on_every_engine!(
    a_real_agent_installs_with_the_systems_certificates,
    certificates_reach_the_step_from_a_file_a_folder_or_the_environment,
    certificates_leave_no_trace_and_decide_nothing,
    without_the_certificates_nothing_is_installed_through_the_proxy,
);

/// Where Debian has the bundle of all trusted certificates.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Fetches from both registries with each of the usual programs; their addresses are the programs' own.
const FETCH: &str = r#"
cd "$(mktemp -d)"
trap 'rm -rf "$PWD" ~/.npm ~/.cache' EXIT
npm=$(npm config get registry)
python=$(python3 -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)')
curl -fsS -m 60 -o /dev/null "${npm}is-number"
curl -fsS -m 60 -o /dev/null "$python/six/"
npm install --fetch-retries=0 --no-fund is-number
pip download --quiet --no-deps --retries=0 --disable-pip-version-check six
python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' "$python/six/"
touch /opt/fetched
"#;

fn story(engine: Engine) -> Story {
    let mut story = Story::new(engine);
    story.base_image = "aicage-test-base:node".to_owned();
    story.install(FETCH);
    story
}

/// Makes a certificate and returns it as PEM with a line of it that no other has.
fn certificate() -> (String, String) {
    let pem = rcgen::generate_simple_self_signed(["company.example.org".to_owned()]).unwrap().cert.pem();
    let line = pem.lines().nth(4).unwrap().to_owned();
    assert!(line.len() > 40 && !line.starts_with('-'), "{pem}");
    (pem, line)
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Copies a definition of the examples into the story.
fn take_example(story: &Story, agent: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/agents").join(agent);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        story.write(path.file_name().unwrap().to_str().unwrap(), std::fs::read(&path).unwrap());
    }
}

fn a_real_agent_installs_with_the_systems_certificates(engine: Engine) {
    let mut story = story(engine);
    story.agent = "codex".to_owned();
    take_example(&story, "codex");
    let built = story.build(["--ca-cert", "system"]).expect(0);
    let version = built.log().lines().nth(1).unwrap().split(' ').nth(2).unwrap().to_owned();
    let said = engine.run(&story.image(), &["codex", "--version"]);
    assert!(said.contains(&version), "{version}: {said}");
    let home = engine.run(&story.image(), &["sh", "-c", "ls -A ~/.npm ~/.codex /tmp"]);
    assert!(!home.contains("_cacache"), "npm's cache is in the layer: {home}");
    let again = story.build(["--ca-cert", "system"]).expect(0);
    assert!(again.stdout.contains("up to date") || again.stdout.contains("is kept"), "{}", again.stdout);
}

fn certificates_reach_the_step_from_a_file_a_folder_or_the_environment(engine: Engine) {
    let story = story(engine);
    let (pem, line) = certificate();
    let variables = "GIT_SSL_CAINFO CARGO_HTTP_CAINFO NODE_EXTRA_CA_CERTS SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE";
    let check = format!(
        "for name in {variables}; do grep -q '{line}' \"${{!name}}\"; done\ntest \"$(grep -c BEGIN \"$SSL_CERT_FILE\")\" -gt 1\n"
    );
    story.install(&(check.clone() + FETCH));
    let system = std::fs::read_to_string(BUNDLE).unwrap();
    let file = story.folder().join("company.pem");
    write(&file, &(pem.clone() + &system));
    let folder = story.folder().join("certificates");
    write(&folder.join("company.crt"), &pem);
    write(&folder.join("more/ignored.crt"), "not looked at");
    write(&folder.join("system.pem"), &system);
    write(&folder.join("key.txt"), "not looked at");

    let again = ["--no-cache", "--force"];
    assert!(story.build(["--ca-cert", file.to_str().unwrap()]).expect(0).installed());
    story.install(&check);
    assert!(story.build(["--ca-cert", folder.to_str().unwrap()].iter().chain(&again)).expect(0).installed());
    assert!(run(story.command("build").args(again).env("AICAGE_CA_CERT", &file)).expect(0).installed());
    let mut command = story.command("build");
    command.args(again).args(["--ca-cert", "system"]).env("SSL_CERT_FILE", &file);
    assert!(run(&mut command).expect(0).installed());
}

fn certificates_leave_no_trace_and_decide_nothing(engine: Engine) {
    let mut story = story(engine);
    let (pem, line) = certificate();
    story.base_image = "aicage-test-base:minbase".to_owned();
    // A base without any bundle trusts the company's alone.
    story.install(&format!("{}grep -q '{line}' \"$SSL_CERT_FILE\"\n", aicage_tests::TOOL));
    let file = story.folder().join("company.pem");
    write(&file, &pem);
    story.build(["--ca-cert", file.to_str().unwrap()]).expect(0);
    let layers = engine.layers(&story.image());

    assert!(engine.holds(&story.image(), "echo tool 1.0.0"));
    assert!(!engine.holds(&story.image(), &line));
    let (status, image) = engine.api("GET", &format!("/images/{}/json", story.image()), None);
    assert_eq!(status, 200);
    let history = serde_json::to_string(&engine.history(&story.image())).unwrap();
    let records: Vec<_> =
        story.home_files().into_iter().map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned()).collect();
    for text in records.iter().chain([&image, &history]) {
        for trace in [line.as_str(), "trust.pem", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "company.pem"] {
            assert!(!text.contains(trace), "{trace}: {text}");
        }
    }

    // They are not part of the recipe: with and without them it is the same image, and the same layer.
    assert!(!story.build(["--force"]).expect(0).installed());
    assert_eq!(engine.layers(&story.image()), layers);
    story.plan(["--exit-code"]).expect(0);
    story.plan(["--exit-code", "--ca-cert", file.to_str().unwrap()]).expect(0);
}

fn without_the_certificates_nothing_is_installed_through_the_proxy(engine: Engine) {
    let story = story(engine);
    let ran = story.build::<&str>([]);
    if ran.code == Some(0) {
        println!("NOT PROVEN HERE: this network has no proxy with an authority of its own, so nothing needed one");
        return;
    }
    let ran = ran.expect(5);
    assert!(ran.stderr.contains("certificate"), "{}", ran.stderr);
    assert!(engine.image(&story.image()).is_none());
    assert!(story.build(["--ca-cert", "system"]).expect(0).installed());
}
