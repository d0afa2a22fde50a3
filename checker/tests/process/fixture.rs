//! Definitions in a folder of their own, and the program run on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use domain::version::VersionReport;

/// A folder with packaged definitions at `definitions/agents/` and a user's home at `home/`.
pub(crate) struct Fixture {
    folder: tempfile::TempDir,
}

/// What a run of the program showed.
pub(crate) struct Shown {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A fixture with one agent, `a`, whose `version.sh` is `script`.
    pub(crate) fn with(script: &str) -> Self {
        let fixture = Self::new();
        fixture.agent("a", script);
        fixture
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn agent_folder(&self, name: &str) -> PathBuf {
        self.path("definitions/agents").join(name)
    }

    pub(crate) fn agent(&self, name: &str, script: &str) {
        self.agent_without_script(name);
        fs::write(self.agent_folder(name).join("version.sh"), script).unwrap();
    }

    pub(crate) fn agent_without_script(&self, name: &str) {
        let folder = self.agent_folder(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("agent.yml"), "agent_full_name: A\nagent_homepage: https://example.org\n").unwrap();
        fs::write(folder.join("install.sh"), "").unwrap();
    }

    /// A fixture with one agent, `a`, whose `version.yml` is `yaml`.
    pub(crate) fn declaring(yaml: &str) -> Self {
        let fixture = Self::new();
        fixture.declare("a", yaml);
        fixture
    }

    pub(crate) fn declare(&self, name: &str, yaml: &str) {
        self.agent_without_script(name);
        fs::write(self.agent_folder(name).join("version.yml"), yaml).unwrap();
    }

    /// Asks only the sources.
    pub(crate) fn ask(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Shown {
        let mut command = self.command();
        command.args(["version", "--via", "native"]).args(arguments).envs(variables.iter().copied());
        // No file of this machine says where packages are.
        command.env("XDG_CONFIG_DIRS", self.path("none")).env("PREFIX", self.path("none"));
        self.run(&mut command)
    }

    pub(crate) fn pipe(&self, path: &str) -> PathBuf {
        let path = self.path(path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    /// The program with nothing of this machine in its environment but `PATH`.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aicage-checker"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.path("home")).env("AICAGE_DEFINITIONS", self.path("definitions"));
        // What a container gives depends on the engine that is there; tests that want one say so.
        command.env("AICAGE_VERSION_VIA", "native,host");
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn check(&self, arguments: &[&str]) -> Shown {
        self.run(self.command().arg("version").args(arguments))
    }

    pub(crate) fn run(&self, command: &mut Command) -> Shown {
        let start = Instant::now();
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| self.nameless(&String::from_utf8(bytes).unwrap());
        Shown { code: status.code(), stdout: text(stdout), stderr: text(stderr), took: start.elapsed() }
    }

    fn nameless(&self, text: &str) -> String {
        text.replace(self.folder.path().to_str().unwrap(), "[FOLDER]")
    }
}

impl Shown {
    /// What a person sees, with the exit code behind it.
    pub(crate) fn everything(&self) -> String {
        let code = self.code.map_or("a signal".to_owned(), |code| code.to_string());
        format!("{}{}exit {code}", self.stdout, self.stderr)
    }

    /// The same with the answers by name; they come as they are found.
    pub(crate) fn sorted(self) -> Self {
        let mut lines: Vec<_> = self.stdout.lines().collect();
        lines.sort_unstable();
        let stdout = lines.iter().map(|line| format!("{line}\n")).collect();
        Self { stdout, ..self }
    }

    pub(crate) fn report(&self) -> VersionReport {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Says which of the processes whose ids stand in the file at `pids` are there; there must be `count` in the file.
pub(crate) fn survivors(pids: &Path, count: usize) -> Vec<String> {
    let pids = fs::read_to_string(pids).unwrap();
    let pids: Vec<_> = pids.split_whitespace().collect();
    assert_eq!(pids.len(), count, "{pids:?}");
    pids.into_iter().filter(|pid| Path::new("/proc").join(pid).exists()).map(str::to_owned).collect()
}
