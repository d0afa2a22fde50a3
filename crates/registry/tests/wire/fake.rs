//! A registry that answers as a test wants.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use domain::digest::Digest;
use domain::image::ImageRef;
use registry::{Registry, RegistryError, RegistryOptions};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A request, as far as tests look at it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Method and path.
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    pub(crate) accept: String,
    pub(crate) body: String,
}

/// What happens to a connection after its request has arrived.
pub(crate) enum Then {
    Say(String),
    Hang,
}

/// Reads one request from a connection.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut text = Vec::new();
    let end = loop {
        if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await.unwrap_or(0) {
            0 => return None,
            read => text.extend_from_slice(&part[..read]),
        }
    };
    let head = String::from_utf8_lossy(&text[..end]).into_owned();
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = text[end..].to_vec();
    let mut rest = vec![0; length - body.len()];
    stream.read_exact(&mut rest).await.unwrap();
    body.extend(rest);
    Some(Request {
        line: head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned(),
        authorization: header("authorization"),
        accept: header("accept").unwrap_or_default(),
        body: String::from_utf8(body).unwrap(),
    })
}

/// A server on a free port of this machine.
pub(crate) struct Fake {
    pub(crate) host: String,
    pub(crate) folder: TempDir,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// Answers every connection's only request by `answer_to` it, which is told this server's host.
    pub(crate) async fn new(answer_to: impl Fn(&str, &Request) -> Then + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let (log, own) = (asked.clone(), host.clone());
        tokio::spawn(async move {
            let mut hanging: Vec<TcpStream> = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some(request) = read_request(&mut stream).await else { continue };
                log.lock().unwrap().push(request.clone());
                let then = answer_to(&own, &request);
                let hangs = matches!(then, Then::Hang);
                answer(&mut stream, then).await;
                if hangs {
                    hanging.push(stream);
                }
            }
        });
        Self { host, folder: tempfile::tempdir().unwrap(), asked }
    }

    pub(crate) fn image(&self) -> ImageRef {
        format!("{}/acme/base:1", self.host).parse().unwrap()
    }

    /// Writes a docker config, with `HOST` standing for this server.
    pub(crate) fn configure(&self, config: &str) -> PathBuf {
        std::fs::write(self.folder.path().join("config.json"), config.replace("HOST", &self.host)).unwrap();
        self.folder.path().to_owned()
    }

    pub(crate) async fn ask(&self) -> Result<Digest, RegistryError> {
        let options = RegistryOptions { docker_config: Some(self.folder.path().to_owned()), ..Default::default() };
        Registry::new(options).digest(&self.image()).await
    }

    /// Asks and returns the failure, as text with this server's address taken out.
    pub(crate) async fn failure(&self) -> String {
        let error = self.ask().await.unwrap_err();
        let lasting = if error.is_temporary() { " [temporary]" } else { "" };
        assert!(std::error::Error::source(&error).is_none(), "{error:?}");
        format!("{error}{lasting}").replace(&self.host, "HOST")
    }

    /// Returns what was asked: a line per request, with what stood in `Authorization`.
    pub(crate) fn asked(&self) -> String {
        let line = |request: &Request| {
            let parts = [Some(request.line.clone()), request.authorization.clone(), Some(request.body.clone())];
            parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" | ")
        };
        self.asked.lock().unwrap().iter().map(line).collect::<Vec<_>>().join("\n").replace(&self.host, "HOST")
    }

    pub(crate) fn first(&self) -> Request {
        self.asked.lock().unwrap()[0].clone()
    }
}

/// Says what is to be said and closes; a connection that is to hang is left as it is.
pub(crate) async fn answer(stream: &mut (impl AsyncWrite + Unpin), then: Then) {
    if let Then::Say(text) = then {
        // The client may have gone already.
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

/// Formats an answer; headers are whole lines.
pub(crate) fn http(status: &str, headers: &[&str], body: &str) -> Then {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    Then::Say(format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"))
}

pub(crate) fn found() -> Then {
    http("200 OK", &[&format!("Docker-Content-Digest: {}", Digest::of(b"index"))], "")
}

/// Runs tests' questions with a clock that jumps to the next limit as soon as nothing else moves.
pub(crate) fn without_waiting<T>(question: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(question)
}
