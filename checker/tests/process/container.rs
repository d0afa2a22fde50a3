//! Scripts in containers, on every engine that the test environment names.

use std::fs;

use crate::fixture::Fixture;

/// Variables that name the sockets of engines to test with.
const ENGINES: [&str; 4] =
    ["AICAGE_TEST_DOCKER20", "AICAGE_TEST_DOCKER26", "AICAGE_TEST_DOCKER28", "AICAGE_TEST_DOCKER28_CONTAINERD"];

/// An image that has bash, which every engine of the test environment has.
const IMAGE: &str = "aicage-test-base:minbase";

/// Runs a script on every engine and returns what each run shows, with the fixture's folder left as it was.
fn on_every_engine(script: &str, arguments: &[&str]) -> Vec<(String, Option<i32>)> {
    let host =
        |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests with `make test`"));
    let hosts = ENGINES.map(host);
    let run = |host: String| {
        let fixture = Fixture::with(script);
        let mut command = fixture.command();
        command.args(["version", "a", "--via", "container"]).args(arguments);
        command.env("AICAGE_CHECKER_IMAGE", IMAGE);
        let shown = fixture.run(command.env("DOCKER_HOST", host));
        assert_eq!(fs::read_to_string(fixture.agent_folder("a").join("version.sh")).unwrap(), script);
        assert_eq!(fs::read_dir(fixture.agent_folder("a")).unwrap().count(), 3);
        (format!("{}{}", shown.stdout, shown.stderr), shown.code)
    };
    hosts.into_iter().map(run).collect()
}

#[test]
fn a_script_answers_from_within_a_container() {
    let script = "if true; then\r\n  echo \"1.$(id -u)\"\r\nfi\r\n";
    for (shown, code) in on_every_engine(script, &[]) {
        assert_eq!((shown.as_str(), code), ("1.65534\n", Some(0)));
    }
}

#[test]
fn nothing_can_be_harmed() {
    let script = "escaped=''
try() { if (eval \"$2\") 2>/dev/null; then escaped=\"$escaped $1\"; fi; }
try mount 'echo x >> version.sh'
try beside 'echo x > new'
try mode 'chmod 777 .'
try root 'echo x > /etc/x'
try socket '[ -S /var/run/docker.sock ] || [ -S /run/docker.sock ]'
try disk 'head -c 200000000 /dev/zero > /tmp/x'
rm -f /tmp/x
try device 'mknod /tmp/d b 8 0'
try owner 'touch /tmp/o && chown 0 /tmp/o'
echo \"escaped:${escaped:- nothing}\"";
    for (shown, code) in on_every_engine(script, &[]) {
        assert_eq!((shown.as_str(), code), ("escaped: nothing\n", Some(0)));
    }
}

#[test]
fn a_fork_bomb_and_a_hang_end_with_their_time() {
    for script in ["b() { b | b & }; b; sleep 600", "trap '' TERM; while :; do sleep 600; done"] {
        for (shown, code) in on_every_engine(script, &["--timeout", "3"]) {
            assert_eq!(code, Some(6), "{shown}");
            let is_known = shown.contains("did not end within 3 s") || shown.contains("it ended with exit code");
            assert!(is_known, "{shown}");
        }
    }
}

#[test]
fn an_image_that_is_not_there_is_named() {
    for (shown, code) in on_every_engine("echo 1", &["--checker-image", "aicage-test-none:none"]) {
        assert_eq!(code, Some(6));
        assert!(shown.contains("the engine has no image aicage-test-none:none"), "{shown}");
    }
}

#[test]
fn without_an_engine_the_next_way_is_taken() {
    let fixture = Fixture::with("echo 1");
    let mut command = fixture.command();
    command.args(["version", "a", "--via", "container,host", "--format", "json"]);
    let shown = fixture.run(command.env("DOCKER_HOST", "unix:///nowhere/docker.sock"));
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let finding = shown.report().agents.remove(0);
    assert_eq!(finding.found_by.map(String::from).as_deref(), Some("host"));
    assert!(finding.failed[0].reason.contains("no Docker engine"), "{finding:?}");
}

#[test]
fn the_builder_image_without_an_engine_is_the_container() {
    let fixture = Fixture::with("echo 1");
    let mut command = fixture.command();
    command.args(["version", "a", "--via", "container,host", "--format", "json"]).env("AICAGE_BUILDER_IMAGE", "1");
    let shown = fixture.run(command.env("DOCKER_HOST", "unix:///nowhere/docker.sock"));
    let finding = shown.report().agents.remove(0);
    assert_eq!(finding.found_by.map(String::from).as_deref(), Some("container"), "{finding:?}");
}

#[test]
fn from_the_builder_image_nothing_runs_around_it() {
    let fixture = Fixture::with("exit 1");
    let mut command = fixture.command();
    command.args(["version", "a", "--via", "container,host", "--format", "json"]).env("AICAGE_BUILDER_IMAGE", "1");
    let shown = fixture.run(command.env("DOCKER_HOST", "unix:///nowhere/docker.sock"));
    assert_eq!(shown.report().agents[0].failed.len(), 1, "{}", shown.stdout);
}
