//! Failures that a real engine does not show on demand, spoken over a real socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use domain::image::ImageRef;
use engine::{Endpoint, Engine, EngineError};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

/// A socket that answers the connections made to it with these bytes, one after the other.
struct Fake {
    folder: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

/// What happens to a connection after its request has arrived.
enum Then {
    /// It is answered and closed.
    Say(String),
    /// It is answered, perhaps not to the end, and stays open.
    SayAndHang(String),
}

impl Fake {
    fn new(answers: Vec<Then>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = asked.clone();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 64 * 1024];
                let read = stream.read(&mut request).await.unwrap();
                let text = String::from_utf8_lossy(&request[..read]).into_owned();
                log.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
                match answer {
                    Then::Say(text) => stream.write_all(text.as_bytes()).await.unwrap(),
                    Then::SayAndHang(text) => {
                        stream.write_all(text.as_bytes()).await.unwrap();
                        kept.push(stream);
                    }
                }
            }
            std::future::pending::<()>().await;
        });
        Self { folder, asked }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::Unix(self.folder.path().join("docker.sock"))
    }

    fn engine(&self) -> Engine {
        Engine::connect(&self.endpoint())
    }

    /// Returns the whole chain of an error with this test's folder taken out.
    fn chain(&self, error: &dyn std::error::Error) -> String {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text += &format!("\n  caused by: {error}");
            cause = error.source();
        }
        text.replace(&self.folder.path().display().to_string(), "FOLDER")
    }
}

fn http(status: &str, body: &str) -> Then {
    Then::Say(format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn image() -> ImageRef {
    "aicage:codex-debian".parse().unwrap()
}

#[tokio::test]
async fn a_missing_socket_is_an_absent_engine() {
    let fake = Fake::new(vec![]);
    let endpoint = Endpoint::Unix(fake.folder.path().join("other.sock"));
    let error = Engine::connect(&endpoint).version().await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"no Docker engine at unix://FOLDER/other.sock: there is no socket");
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn a_socket_without_a_listener_is_an_absent_engine() {
    let fake = Fake::new(vec![]);
    let path = fake.folder.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let error = Engine::connect(&Endpoint::Unix(path)).version().await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"no Docker engine at unix://FOLDER/dead.sock: nobody listens on the socket");
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_an_absent_engine() {
    let error = Engine::connect(&Endpoint::Unix(PathBuf::from("/dev/null"))).version().await.unwrap_err();
    insta::assert_snapshot!(error, @"no Docker engine at unix:///dev/null: that is no socket");
    insta::assert_snapshot!(error.advice().unwrap(), @"set DOCKER_HOST to the engine's socket, or unset it to use the usual one");
    let fake = Fake::new(vec![]);
    let error = Engine::connect(&Endpoint::Unix(fake.folder.path().to_owned())).version().await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"no Docker engine at unix://FOLDER: that is a folder and no socket");
    insta::assert_snapshot!(error.advice().unwrap(), @"docker makes such a folder where a missing socket is mounted into a container; start the engine first, or set DOCKER_HOST to its socket");
}

#[tokio::test]
async fn a_socket_in_a_folder_that_this_user_may_not_enter_is_out_of_reach() {
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        return as_somebody_else("a_socket_in_a_folder_that_this_user_may_not_enter_is_out_of_reach");
    }
    let fake = Fake::new(vec![]);
    std::fs::set_permissions(fake.folder.path(), PermissionsExt::from_mode(0o000)).unwrap();
    let error = fake.engine().version().await.unwrap_err();
    std::fs::set_permissions(fake.folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
    insta::assert_snapshot!(fake.chain(&error), @"no Docker engine at unix://FOLDER/docker.sock: this user may not enter the folder of the socket");
    insta::assert_snapshot!(error.advice().unwrap(), @"the socket is another user's; set DOCKER_HOST to one that this user may use, or unset it");
}

#[tokio::test]
async fn a_socket_that_this_user_may_not_use_is_an_absent_engine() {
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        return as_somebody_else("a_socket_that_this_user_may_not_use_is_an_absent_engine");
    }
    let fake = Fake::new(vec![]);
    let path = fake.folder.path().join("docker.sock");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    let error = fake.engine().version().await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"no Docker engine at unix://FOLDER/docker.sock: this user may not use the socket");
    insta::assert_snapshot!(error.advice().unwrap(), @"add this user to the socket's group (usually: docker) and log in again, or run as a user who may use it");
}

/// Runs one test of this program again as a user who is not root, for whom alone permissions mean something.
fn as_somebody_else(test: &str) {
    const NOBODY: u32 = 65534;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = folder.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let ran = Command::new(program).args(["--exact", test]).current_dir("/").uid(NOBODY).gid(NOBODY).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_is_not_waited_for_for_ever() {
    let fake = Fake::new(vec![Then::SayAndHang(String::new())]);
    let error = fake.engine().version().await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"the Docker engine did not answer within 15 s (version)");
    assert!(error.is_temporary());
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_within_its_answer_is_not_waited_for_for_ever() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Id\":".to_owned();
    let fake = Fake::new(vec![Then::SayAndHang(half)]);
    let engine = fake.engine();
    let error = engine.image(&image()).await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"the Docker engine did not answer within 15 s (inspect image docker.io/library/aicage:codex-debian)");
}

#[tokio::test]
async fn an_engine_that_hangs_up_broke_the_connection() {
    let fake = Fake::new(vec![Then::Say(String::new())]);
    let error = fake.engine().image(&image()).await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @r"
    the connection to the Docker engine broke (inspect image docker.io/library/aicage:codex-debian)
      caused by: connection closed before message completed
    ");
    assert!(error.is_temporary());
}

#[tokio::test]
async fn an_engines_own_words_are_kept() {
    let fake = Fake::new(vec![http("500 Internal Server Error", r#"{"message":"no space left on device"}"#)]);
    let error = fake.engine().tag("sha256:1", &image()).await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"the Docker engine refused (tag sha256:1 as docker.io/library/aicage:codex-debian): no space left on device (status 500)");
    assert!(matches!(error, EngineError::Refused { status: 500, .. }));
}

#[tokio::test]
async fn an_answer_that_is_no_json_makes_no_sense() {
    let fake = Fake::new(vec![http("200 OK", "<html>proxy</html>")]);
    let error = fake.engine().version().await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"the Docker engine gave an answer that makes no sense (version): expected value at line 1 column 1");
}

#[tokio::test]
async fn what_answers_without_a_reason_is_no_engine() {
    let page = "<html><body><h1>403 Forbidden</h1>Request forbidden by administrative rules.</body></html>";
    let answers = [("404 Not Found", page), ("503 Service Unavailable", ""), ("404 Not Found", "404 page not found\n")];
    let fake = Fake::new(answers.map(|(status, body)| http(status, body)).into());
    let error = fake.engine().image(&image()).await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"what listens at unix://FOLDER/docker.sock does not answer as a Docker engine does (inspect image docker.io/library/aicage:codex-debian): status 404 and a page of HTML");
    insta::assert_snapshot!(error.advice().unwrap(), @"see whether an engine listens there (docker info); DOCKER_HOST names another, unset it means the usual one");
    assert!(!error.is_temporary());
    let error = fake.engine().version().await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"what listens at unix://FOLDER/docker.sock does not answer as a Docker engine does (version): status 503 and nothing else");
    assert!(error.is_temporary());
    let error = fake.engine().ping().await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"what listens at unix://FOLDER/docker.sock does not answer as a Docker engine does (ping): 404 page not found");
}

#[tokio::test]
async fn an_answer_that_is_no_http_broke_the_connection() {
    let fake = Fake::new(vec![Then::Say("SSH-2.0-OpenSSH_9.2\r\n".to_owned())]);
    let error = fake.engine().version().await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @r"
    the connection to the Docker engine broke (version)
      caused by: invalid HTTP version parsed
    ");
}

#[tokio::test]
async fn an_answer_without_what_is_needed_says_what_is_missing() {
    let fake = Fake::new(vec![http("200 OK", "{}"), http("200 OK", r#"{"Id":"sha256:1"}"#)]);
    let engine = fake.engine();
    let error = engine.version().await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"the Docker engine gave an answer that makes no sense (version): it has no ApiVersion");
    let error = engine.image(&image()).await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"the Docker engine gave an answer that makes no sense (inspect image docker.io/library/aicage:codex-debian): it has no RootFS.Layers");
}

#[tokio::test]
async fn every_look_is_one_call() {
    let absent = || http("404 Not Found", r#"{"message":"No such image: aicage:codex-debian"}"#);
    let fake = Fake::new(vec![absent(), absent()]);
    assert_eq!(fake.engine().image(&image()).await.unwrap(), None);
    assert!(!fake.engine().untag(&image()).await.unwrap());
    insta::assert_snapshot!(fake.asked.lock().unwrap().join("\n"), @r"
    GET /images/docker.io/library/aicage:codex-debian/json HTTP/1.1
    DELETE /images/docker.io/library/aicage:codex-debian?force=false&noprune=true HTTP/1.1
    ");
}

#[tokio::test]
async fn what_cannot_be_tagged_is_said_without_asking() {
    let fake = Fake::new(vec![]);
    let pinned = image().pinned(domain::digest::Digest::of(b"x"));
    let error = fake.engine().tag("sha256:1", &pinned).await.unwrap_err();
    assert!(matches!(error, EngineError::NoTag { .. }));
}

#[tokio::test]
async fn a_pull_that_fails_midway_has_failed() {
    let events = "{\"status\":\"Pulling from x\",\"id\":\"y\"}\r\n{\"errorDetail\":{\"message\":\"write /var/lib/x: no space left on device\"},\"error\":\"write /var/lib/x: no space left on device\"}\r\n";
    let fake = Fake::new(vec![http("200 OK", events)]);
    let error = fake.engine().pull(&image(), None, drop).await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"cannot pull docker.io/library/aicage:codex-debian: write /var/lib/x: no space left on device");
}

#[tokio::test]
async fn a_pull_after_which_there_is_no_image_has_failed() {
    let fake = Fake::new(vec![
        http("200 OK", "{\"status\":\"Pulling from x\"}\r\n"),
        http("404 Not Found", r#"{"message":"No such image"}"#),
    ]);
    let error = fake.engine().pull(&image(), None, drop).await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"the Docker engine has no image docker.io/library/aicage:codex-debian");
    let asked = "POST /images/create?fromImage=docker.io%2Flibrary%2Faicage&tag=codex-debian&platform= HTTP/1.1";
    assert_eq!(fake.asked.lock().unwrap()[0], asked);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_falls_silent_is_not_waited_for_for_ever() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
    let fake = Fake::new(vec![Then::SayAndHang(format!("{head}{{\"status\":\"Pulling\"}}\r\n"))]);
    let error = fake.engine().pull(&image(), None, drop).await.unwrap_err();
    insta::assert_snapshot!(fake.chain(&error), @"the Docker engine did not answer within 600 s (pull docker.io/library/aicage:codex-debian)");
}

#[tokio::test]
async fn a_history_and_a_list_are_one_call_each() {
    let history = r#"[{"Id":"<missing>","Created":1,"CreatedBy":"b","Tags":null,"Size":-1,"Comment":""}]"#;
    let list = r#"[{"Id":"sha256:1","ParentId":"","RepoTags":["<none>:<none>"],"RepoDigests":null,"Created":1,"Size":2,"SharedSize":-1,"Labels":null,"Containers":-1}]"#;
    let fake = Fake::new(vec![http("200 OK", history), http("200 OK", list)]);
    let entries = fake.engine().history(&image()).await.unwrap();
    assert_eq!((entries.len(), entries[0].size_bytes), (1, 0));
    let images = fake.engine().images("a.label").await.unwrap();
    assert_eq!((images.len(), images[0].names.len(), images[0].labels.len()), (1, 0, 0));
    insta::assert_snapshot!(fake.asked.lock().unwrap().join("\n"), @"
    GET /images/docker.io/library/aicage:codex-debian/history HTTP/1.1
    GET /images/json?all=false&filters=%7B%22label%22%3A%5B%22a.label%22%5D%7D&shared-size=false&digests=false&manifests=false HTTP/1.1
    ");
}
