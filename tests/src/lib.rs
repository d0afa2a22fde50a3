//! What the tests of the programs share: real engines, definitions on disk, runs of the built binaries.
//!
//! `make test` starts the engines and builds the binaries; without them a test fails and says so.
#![expect(clippy::unwrap_used, reason = "this is test code")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use serde_json::Value;

pub mod gate;
pub mod images;
pub mod layers;
pub mod running;

/// Makes one test per engine of each named story, a function that takes an [`Engine`].
///
/// The tests of a story stand in a module of its name, so that a runner shows which engine failed and runs them at once.
#[macro_export]
macro_rules! on_every_engine {
    ($($story:ident),+ $(,)?) => {
        $(mod $story {
            #[test]
            fn docker20() {
                super::$story($crate::Engine::Docker20);
            }

            #[test]
            fn docker26() {
                super::$story($crate::Engine::Docker26);
            }

            #[test]
            fn docker28() {
                super::$story($crate::Engine::Docker28);
            }

            #[test]
            fn docker28_containerd() {
                super::$story($crate::Engine::Docker28Containerd);
            }
        })+
    };
}

/// A real engine that the test run has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Docker Engine 20.10.
    Docker20,
    /// Docker Engine 26.
    Docker26,
    /// Docker Engine 28 with a graph driver.
    Docker28,
    /// Docker Engine 28 with the containerd image store.
    Docker28Containerd,
}

impl Engine {
    /// Every engine that the program is tested with.
    pub const ALL: [Self; 4] = [Self::Docker20, Self::Docker26, Self::Docker28, Self::Docker28Containerd];

    /// Returns the value of `DOCKER_HOST` for it.
    pub fn host(self) -> String {
        variable(self.variable())
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Docker20 => "AICAGE_TEST_DOCKER20",
            Self::Docker26 => "AICAGE_TEST_DOCKER26",
            Self::Docker28 => "AICAGE_TEST_DOCKER28",
            Self::Docker28Containerd => "AICAGE_TEST_DOCKER28_CONTAINERD",
        }
    }

    /// Returns its socket.
    pub fn socket(self) -> PathBuf {
        PathBuf::from(self.host().strip_prefix("unix://").unwrap())
    }

    /// Asks its REST API with curl and returns the status and the body.
    pub fn api(self, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
        let (status, body) = self.api_bytes(method, path, body);
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn api_bytes(self, method: &str, path: &str, body: Option<&str>) -> (u16, Vec<u8>) {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--write-out",
            "\n%{http_code}",
            "--request",
            method,
        ]);
        curl.arg("--unix-socket").arg(self.socket());
        if let Some(body) = body {
            curl.args(["--header", "Content-Type: application/json", "--data", body]);
        }
        let mut answer = curl.arg(format!("http://docker{path}")).output().unwrap().stdout;
        let Some(end) = answer.iter().rposition(|byte| *byte == b'\n') else { return (0, Vec::new()) };
        let status = String::from_utf8_lossy(&answer[end + 1..]).parse().unwrap_or(0);
        answer.truncate(end);
        (status, answer)
    }

    /// Returns what it says of an image, if it has it.
    pub fn image(self, reference: &str) -> Option<Value> {
        let (status, body) = self.api("GET", &format!("/images/{reference}/json"), None);
        (status == 200).then(|| serde_json::from_str(&body).unwrap())
    }

    /// Returns the id of an image that it must have.
    pub fn id(self, reference: &str) -> String {
        self.image(reference).unwrap_or_else(|| panic!("{self:?} has no {reference}"))["Id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Gives an image another name.
    pub fn tag(self, reference: &str, repository: &str, tag: &str) {
        let (status, body) = self.api("POST", &format!("/images/{reference}/tag?repo={repository}&tag={tag}"), None);
        assert_eq!(status, 201, "{body}");
    }

    /// Runs a command in a new container of an image and returns what it wrote, standard error included.
    pub fn run(self, reference: &str, command: &[&str]) -> String {
        self.run_with(reference, command, &[])
    }

    /// The same with folders or files of the engine's machine, each as `HERE:THERE`.
    pub fn run_with(self, reference: &str, command: &[&str], binds: &[&str]) -> String {
        let body = serde_json::json!({
            "Image": reference, "Cmd": command, "Entrypoint": [], "HostConfig": { "Binds": binds },
        });
        let (status, answer) = self.api("POST", "/containers/create", Some(&body.to_string()));
        assert_eq!(status, 201, "{answer}");
        let id = serde_json::from_str::<Value>(&answer).unwrap()["Id"].as_str().unwrap().to_owned();
        assert_eq!(self.api("POST", &format!("/containers/{id}/start"), None).0, 204);
        self.api("POST", &format!("/containers/{id}/wait"), None);
        let (status, logs) = self.api_bytes("GET", &format!("/containers/{id}/logs?stdout=1&stderr=1"), None);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&logs));
        self.api("DELETE", &format!("/containers/{id}?force=1"), None);
        String::from_utf8_lossy(&unframed(&logs)).into_owned()
    }
}

/// Returns what was written to both streams of a container without a terminal.
///
/// A terminal's output can be lost when its process ends at once. Without one, each piece has a head of eight bytes, the
/// last four of which are its length.
fn unframed(mut logs: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some((head, rest)) = logs.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let (piece, rest) = rest.split_at(length);
        text.extend_from_slice(piece);
        logs = rest;
    }
    text
}

/// Returns a variable that the test run sets.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests with `make test`"))
}

/// Returns one of this project's programs, built beside the tests.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().unwrap().parent().unwrap().join(name);
    assert!(path.exists(), "{} is not built; run the tests with `make test`", path.display());
    path
}

/// Returns a text that no other test uses, in this run or an earlier one, fit for a repository's name.
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Process numbers are given again, and engines remember what they built.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    format!("{prefix}-{:x}-{}-{now:x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The lines of an install script that puts its version into `/usr/local/bin/tool`.
pub const TOOL: &str = r#"
printf '#!/bin/sh\necho tool %s\n' "$AICAGE_AGENT_VERSION" > /usr/local/bin/tool
chmod +x /usr/local/bin/tool
"#;

/// One engine, one home folder, one agent's definition, one repository for images: a small world of a test's own.
///
/// The images in the repository, and in those beneath it, are removed when it is dropped.
#[derive(Debug)]
pub struct Story {
    /// The engine.
    pub engine: Engine,
    /// The repository that images are named by.
    pub repository: String,
    /// The agent's name.
    pub agent: String,
    /// The image to build on; at first the small one.
    pub base_image: String,
    folder: tempfile::TempDir,
}

/// What a run of a program came to.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Story {
    /// Starts a story with an agent `tool` whose script puts its version into `/usr/local/bin/tool`.
    pub fn new(engine: Engine) -> Self {
        let story = Self {
            engine,
            repository: unique("aicage-test-story"),
            agent: "tool".to_owned(),
            base_image: "aicage-test-base:minbase".to_owned(),
            folder: tempfile::tempdir().unwrap(),
        };
        story.write("agent.yml", "agent_full_name: Tool\nagent_homepage: https://example.org/tool\n");
        story.install(TOOL);
        story.write("version.sh", "#!/usr/bin/env bash\necho 1.0.0\n");
        story
    }

    /// Writes an install script with these lines; nobody else's is the same, so that its step is in no engine's cache.
    pub fn install(&self, lines: &str) {
        let head = format!("#!/usr/bin/env bash\n# {}\nset -euo pipefail\n", self.repository);
        self.write("install.sh", head + lines);
    }

    /// Returns the folder of everything that belongs to the story.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder of packaged definitions.
    pub fn definitions(&self) -> PathBuf {
        self.folder.path().join("definitions")
    }

    /// Returns the home folder of records and logs.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Returns a path in the agent's definition.
    pub fn definition(&self, path: &str) -> PathBuf {
        self.definitions().join("agents").join(&self.agent).join(path)
    }

    /// Writes a file of the agent's definition.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.definition(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Returns the name of the story's image on the base that [`Story::command`] chooses.
    pub fn image(&self) -> String {
        format!("{}:{}-debian", self.repository, self.agent)
    }

    /// Returns the name under which the image before it stays.
    pub fn previous(&self) -> String {
        self.image() + "-previous"
    }

    /// Returns `aicage-builder COMMAND AGENT …` with the story's folders, engine and repository, on its base.
    pub fn command(&self, command: &str) -> Command {
        let mut program = self.bare(command);
        program.args(["--base", "debian", "--base-image", &self.base_image]);
        program
    }

    /// Returns the same without a base.
    pub fn bare(&self, command: &str) -> Command {
        let mut program = self.program();
        program.arg(command).arg(&self.agent);
        self.give_options(&mut program);
        program
    }

    /// Returns `aicage-builder` with nothing of the environment that would change what it does.
    pub fn program(&self) -> Command {
        let mut program = Command::new(program("aicage-builder"));
        program.env("DOCKER_HOST", self.engine.host()).env("DOCKER_CONFIG", self.folder.path().join("docker"));
        for name in ["BUILDKIT_PROGRESS", "AICAGE_CA_CERT", "AICAGE_LOG", "SOURCE_DATE_EPOCH", "AICAGE_DEFINITIONS"] {
            program.env_remove(name);
        }
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            program.env_remove(name).env_remove(name.to_uppercase());
        }
        program.stdin(Stdio::null());
        program
    }

    /// Gives a command the story's folders and repositories.
    pub fn give_options(&self, program: &mut Command) {
        program.arg("--local-repository").arg(&self.repository);
        for name in ["extended", "custom-base", "published"] {
            program.arg(format!("--{name}-repository")).arg(format!("{}/{name}", self.repository));
        }
        program.arg("--custom-base-alias").arg(format!("{}/base", self.repository));
        program.arg("--definitions").arg(self.definitions());
        program.arg("--home").arg(self.home()).arg("--custom").arg(self.custom(""));
    }

    /// Runs `aicage-builder build` with more arguments.
    pub fn build<A: AsRef<OsStr>>(&self, more: impl IntoIterator<Item = A>) -> Ran {
        run(self.command("build").args(more))
    }

    /// Runs `aicage-builder plan` with more arguments.
    pub fn plan<A: AsRef<OsStr>>(&self, more: impl IntoIterator<Item = A>) -> Ran {
        run(self.command("plan").args(more))
    }

    /// Returns the build logs, in no order.
    pub fn logs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.home().join("logs/image/build")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Returns the document with this program's record of the story's image, if there is one.
    pub fn record(&self) -> Option<Value> {
        let records = self.home().join("state/builder/record/final");
        let mut files = Vec::new();
        collect(&records, &mut files);
        let (path, bytes) = files.into_iter().find(|(path, _)| path.extension().is_some_and(|end| end == "json"))?;
        Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// Returns every file below the home folder with its bytes, ordered by path.
    pub fn home_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        collect(&self.home(), &mut files);
        files.sort();
        files
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        // A second panic, of a test that failed for want of an engine, would hide the first.
        if std::env::var_os(self.engine.variable()).is_none() {
            return;
        }
        let ours = |name: &&String| {
            let behind = name.split_once(&self.repository).map(|(_, behind)| behind);
            behind.is_some_and(|behind| behind.starts_with([':', '/']))
        };
        for name in self.engine.names().iter().filter(ours) {
            self.engine.remove(name);
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ran {
    command.output().unwrap().into()
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// Checks the exit code and returns the run.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Returns the path of the log that the run names.
    pub fn log_path(&self) -> PathBuf {
        let lines = self.stdout.lines().chain(self.stderr.lines());
        let path = lines.filter_map(|line| line.trim_start().strip_prefix("log: ")).next();
        PathBuf::from(path.unwrap_or_else(|| panic!("no log is named:\n{}\n{}", self.stdout, self.stderr)))
    }

    /// Returns the log that the run names.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_path()).unwrap()).into_owned()
    }

    /// Says whether the build's install step ran, rather than being taken from the engine's cache.
    pub fn installed(&self) -> bool {
        let log = self.log();
        let ends = |word: &str| log.lines().any(|line| line.starts_with("# install ") && line.ends_with(word));
        let (cached, done) = (ends(": cached"), ends(": done"));
        assert!(cached || done, "the log does not tell of the step:\n{log}");
        !cached
    }

    /// Returns standard output as a JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}
