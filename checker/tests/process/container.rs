//! Scripts in containers, on every engine that the test environment names.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::fixture::Fixture;

/// Variables that name the sockets of engines to test with.
const ENGINES: [&str; 4] =
    ["AICAGE_TEST_DOCKER20", "AICAGE_TEST_DOCKER26", "AICAGE_TEST_DOCKER28", "AICAGE_TEST_DOCKER28_CONTAINERD"];

/// An image that has bash, which every engine of the test environment has.
const IMAGE: &str = "aicage-test-base:minbase";

/// Runs a script on every engine and returns what each run shows, with the fixture's folder left as it was.
fn on_every_engine(script: &str, arguments: &[&str]) -> Vec<(String, Option<i32>)> {
    let hosts = ENGINES.map(variable);
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

/// An image of this process's own in a registry, which no engine has under this name.
struct Published {
    name: String,
}

impl Published {
    /// Pushes the test image; `credentials` is the JSON that the engine shows to the registry.
    fn push(registry: &str, test: &str, credentials: &str) -> Self {
        let host = variable(ENGINES[0]);
        let (repository, tag) = (format!("{registry}/checker/image"), format!("{test}-{}", std::process::id()));
        api(&host, "POST", &format!("images/{IMAGE}/tag?repo={repository}&tag={tag}"), "");
        let said = api(&host, "POST", &format!("images/{repository}/push?tag={tag}"), credentials);
        assert!(!said.contains("error"), "{said}");
        let published = Self { name: format!("{repository}:{tag}") };
        published.forget(&host);
        published
    }

    /// Takes the name from an engine, and says whether it was there.
    fn forget(&self, host: &str) -> bool {
        // Some engines answer while they are still removing the container that used it.
        api(host, "DELETE", &format!("images/{}?force=true", self.name), "").contains("Untagged")
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests with `make test`"))
}

/// Asks an engine itself and returns its answer.
fn api(host: &str, method: &str, path: &str, credentials: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--unix-socket", host.strip_prefix("unix://").unwrap(), "--request", method]);
    curl.args(["--header", &format!("X-Registry-Auth: {}", STANDARD.encode(credentials))]);
    let output = curl.arg(format!("http://docker/{path}")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_image_with_its_registry_is_pulled_when_it_is_missing() {
    let image = Published::push(&variable("AICAGE_TEST_REGISTRY"), "plain", "{}");
    let named = ["--checker-image", image.name.as_str()];
    for (shown, code) in on_every_engine("echo 1", &[&named[..], &["--pull-checker-image", "never"]].concat()) {
        assert_eq!(code, Some(6), "{shown}");
        assert!(shown.contains(&format!("the engine has no image {}", image.name)), "{shown}");
    }
    for (shown, code) in on_every_engine("echo 1", &named) {
        assert_eq!((shown.as_str(), code), ("1\n", Some(0)));
    }
    // There now, it is not asked for again; a registry that knows nothing of it shows who asks all the same.
    for host in ENGINES.map(variable) {
        let elsewhere = format!("{}/checker/none:none", variable("AICAGE_TEST_REGISTRY"));
        let (repository, tag) = elsewhere.rsplit_once(':').unwrap();
        api(&host, "POST", &format!("images/{}/tag?repo={repository}&tag={tag}", image.name), "");
        let run = |pull: &str| {
            let fixture = Fixture::with("echo 1");
            let mut command = fixture.command();
            command.args(["version", "a", "--via", "container", "--checker-image", &elsewhere]);
            fixture.run(command.args(["--pull-checker-image", pull]).env("DOCKER_HOST", &host)).everything()
        };
        assert_eq!(run("missing"), "1\nexit 0");
        let always = run("always");
        assert!(always.contains("cannot pull") && always.ends_with("exit 6"), "{always}");
        api(&host, "DELETE", &format!("images/{elsewhere}"), "");
        assert!(image.forget(&host), "it was pulled by every engine");
    }
}

#[test]
fn a_registry_that_wants_a_password_is_shown_the_users() {
    let (user, password) = ("tester", "s3cret-pa55");
    let registry = variable("AICAGE_TEST_REGISTRY_AUTH");
    let credentials = format!(r#"{{"username":"{user}","password":"{password}"}}"#);
    let image = Published::push(&registry, "auth", &credentials);
    for host in ENGINES.map(variable) {
        let fixture = Fixture::with("echo 1");
        let run = || {
            let mut command = fixture.command();
            command.args(["version", "a", "--via", "container", "--checker-image", &image.name]);
            fixture.run(command.env("DOCKER_HOST", &host)).everything()
        };
        let denied = run();
        assert!(denied.contains("docker login") && denied.ends_with("exit 6"), "{denied}");
        let auth = STANDARD.encode(format!("{user}:{password}"));
        fs::create_dir_all(fixture.path("home/.docker")).unwrap();
        let config = format!(r#"{{"auths":{{"{registry}":{{"auth":"{auth}"}}}}}}"#);
        fs::write(fixture.path("home/.docker/config.json"), config).unwrap();
        assert_eq!(run(), "1\nexit 0");
        assert!(image.forget(&host), "it was pulled by every engine");
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

/// An image under a name of this process's own, by which its containers are found.
struct Marked {
    host: String,
    name: String,
}

impl Marked {
    fn on(host: String, test: &str) -> Self {
        let tag = format!("{test}-{}", std::process::id());
        api(&host, "POST", &format!("images/{IMAGE}/tag?repo=aicage-test-marked&tag={tag}"), "");
        Self { host, name: format!("aicage-test-marked:{tag}") }
    }

    /// The containers made of it, as the engine lists them.
    fn containers(&self) -> Vec<Value> {
        let listed: Vec<Value> = serde_json::from_str(&api(&self.host, "GET", "containers/json?all=1", "")).unwrap();
        listed.into_iter().filter(|container| container["Image"] == self.name.as_str()).collect()
    }

    /// Waits until the engine lists one that runs, or until it lists none, and returns those that it lists.
    fn wait_for(&self, is_wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        for _ in 0..600 {
            let containers = self.containers();
            if is_wanted(&containers) {
                return containers;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{}: {:?}", self.host, self.containers());
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        api(&self.host, "DELETE", &format!("images/{}?force=true", self.name), "");
    }
}

#[test]
fn nothing_is_left_of_a_run_that_was_killed() {
    for host in ENGINES.map(variable) {
        let fixture = Fixture::with("trap '' TERM INT HUP; sleep 600; sleep 600");
        let image = Marked::on(host, "killed");
        let mut command = fixture.command();
        command.args(["version", "a", "--via", "container", "--timeout", "2", "--checker-image", &image.name]);
        let mut run = command.env("DOCKER_HOST", &image.host).stderr(Stdio::null()).spawn().unwrap();
        let running = image.wait_for(|listed| listed.iter().any(|container| container["State"] == "running"));
        // SIGKILL: the program can do nothing about it.
        run.kill().unwrap();
        run.wait().unwrap();
        let volume = running[0]["Mounts"].as_array().unwrap().iter().find_map(|mount| mount["Name"].as_str()).unwrap();
        image.wait_for(<[Value]>::is_empty);
        let left = api(&image.host, "GET", &format!("volumes/{volume}"), "");
        assert!(left.contains("no such volume"), "{}: {left}", image.host);
    }
}

#[test]
fn a_script_gets_the_certificates_and_no_key_that_stands_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("company.pem");
    let certificate = rcgen::generate_simple_self_signed(["company.example.org".to_owned()]).unwrap().cert.pem();
    let line = certificate.lines().nth(4).unwrap();
    fs::write(&file, format!("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n{certificate}"))
        .unwrap();
    let script = format!("grep -F -e c2VjcmV0 -e {line} -h \"$SSL_CERT_FILE\"");
    for (shown, code) in on_every_engine(&script, &["--ca-cert", file.to_str().unwrap()]) {
        assert_eq!((shown.as_str(), code), (format!("{line}\n").as_str(), Some(0)));
    }
}
