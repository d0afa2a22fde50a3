//! The client against real engines.
//!
//! `make test` starts the engines and names their sockets in the environment; without them these tests fail.
#![expect(clippy::unwrap_used, reason = "a test")]

mod chains;
mod dockerfiles;
mod folders;
mod steps;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use buildkit::BuildKit;
use buildkit::config::ConfigChanges;
use buildkit::context::{Context, ContextRules, DockerfileContext, RunnableScripts};
use buildkit::endpoint::Endpoint;
use buildkit::llb::{Platform, Proxies};
use buildkit::progress::{Event, Stream};
use buildkit::session::{RegistryCredentials, Services, Session};
use buildkit::solve::{Part, Solve, SolveError, Solved, Start, StartImage, Step};

const ENGINES: [&str; 4] =
    ["AICAGE_TEST_DOCKER20", "AICAGE_TEST_DOCKER26", "AICAGE_TEST_DOCKER28", "AICAGE_TEST_DOCKER28_CONTAINERD"];

/// An image that every engine has.
const MINIMAL: &str = "aicage-test-base:minbase";

fn socket(variable: &str) -> PathBuf {
    let value =
        std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; run the tests with `make test`"));
    PathBuf::from(value.strip_prefix("unix://").unwrap())
}

fn unique() -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{:x}{:x}", std::process::id(), nanos)
}

fn image(familiar: &str) -> Start {
    Start::Image(StartImage {
        reference: format!("docker.io/library/{familiar}"),
        local_only: true,
        name: "base".to_owned(),
    })
}

fn step(name: &str, script: &str) -> Step {
    Step {
        name: name.to_owned(),
        arguments: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        environment: BTreeMap::new(),
        mounts: Vec::new(),
        proxies: Proxies::default(),
        history: format!("history of {name}"),
        ignore_cache: false,
    }
}

fn solve(start: Start, parts: Vec<Part>) -> Solve {
    Solve {
        start,
        platform: Platform {
            os: "linux".to_owned(),
            architecture: std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"),
        },
        parts,
        changes: ConfigChanges { created: "2026-01-01T00:00:00Z".to_owned(), ..ConfigChanges::default() },
        images: vec!["docker.io/library/aicage-test-buildkit:result".to_owned()],
    }
}

/// Sends a request to the engine itself, and returns what it answers.
fn send(engine: &str, method: &str, path: &str) -> String {
    let mut curl = Command::new("curl");
    // A push wants credentials, even if they are none: {}.
    curl.args(["-sS", "-X", method, "-H", "X-Registry-Auth: e30=", "--unix-socket"]).arg(socket(engine));
    String::from_utf8(curl.arg(format!("http://engine/{path}")).output().unwrap().stdout).unwrap()
}

/// An image of its own for a test that looks at what it made: the others all make the same one.
struct Named {
    engine: &'static str,
    name: String,
}

impl Named {
    fn new(engine: &'static str) -> Self {
        Self { engine, name: format!("aicage-test-buildkit:{}", unique()) }
    }

    fn solve(&self, solve: Solve) -> Solve {
        Solve { images: vec![format!("docker.io/library/{}", self.name)], ..solve }
    }

    fn ask(&self, what: &str) -> String {
        send(self.engine, "GET", &format!("images/{}/{what}", self.name))
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        send(self.engine, "DELETE", &format!("images/{}", self.name));
    }
}

struct Outcome {
    result: Result<Solved, SolveError>,
    output: String,
}

impl Outcome {
    /// Returns what was solved, or says on which engine it was not.
    fn expect(self, engine: &str) -> Solved {
        self.result.unwrap_or_else(|error| panic!("{engine}: {error}"))
    }
}

/// What a session serves.
struct Table {
    services: Services,
}

impl Table {
    fn new() -> Self {
        let services = Services {
            contexts: BTreeMap::new(),
            secrets: BTreeMap::new(),
            credentials: Arc::new(|_| Box::pin(async { Ok(RegistryCredentials::default()) })),
            shared_key: "tests".to_owned(),
        };
        Self { services }
    }

    fn folder(mut self, name: &str, path: &Path) -> Self {
        let rules = ContextRules { runnable_scripts: RunnableScripts::TopLevel, ..ContextRules::default() };
        self.services.shared_key = path.display().to_string();
        self.context(name, Context::walk(path, &rules).unwrap())
    }

    /// Serves a folder with a Dockerfile: its context as `name`, the file itself as `name-dockerfile`.
    fn dockerfile(mut self, name: &str, path: &Path) -> Self {
        let walked = DockerfileContext::walk(path, &[]).unwrap();
        self.services.shared_key = path.display().to_string();
        self.context(name, walked.context).context(&format!("{name}-dockerfile"), walked.dockerfile)
    }

    fn context(mut self, name: &str, context: Context) -> Self {
        self.services.contexts.insert(name.to_owned(), Arc::new(context));
        self
    }

    fn secret(mut self, id: &str, content: &[u8]) -> Self {
        self.services.secrets.insert(id.to_owned(), content.to_vec());
        self
    }

    async fn open(&self, engine: &str) -> (BuildKit, Session) {
        let buildkit = BuildKit::connect(&Endpoint::DockerSocket(socket(engine))).await.unwrap();
        let session = Session::open(&buildkit, unique(), self.services.clone()).await.unwrap();
        (buildkit, session)
    }

    async fn solve(&self, engine: &str, solve: &Solve) -> Outcome {
        let (buildkit, session) = self.open(engine).await;
        let mut output = Vec::new();
        let result = buildkit
            .solve(solve, &session, &unique(), true, |event| {
                if let Event::Log { stream: Stream::Output, bytes, .. } = event {
                    output.extend(bytes);
                }
            })
            .await;
        Outcome { result, output: String::from_utf8(output).unwrap() }
    }
}
