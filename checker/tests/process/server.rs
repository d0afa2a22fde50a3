//! A server on this machine that answers with prepared messages and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    /// Its lines, the names of headers in lower case.
    head: String,
}

impl Asked {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Answers until it is dropped; from then on nobody listens at its address.
pub(crate) struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    is_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers every request with what `answer` makes of it and of the number of requests before it.
    pub(crate) fn start(answer: impl Fn(&Asked, usize) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let is_ended = Arc::<AtomicBool>::default();
        let (all, end) = (Arc::clone(&asked), Arc::clone(&is_ended));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                let before = all.lock().unwrap().len();
                let text = answer(&request, before);
                all.lock().unwrap().push(request);
                // A client that has gone is told nothing.
                let _ = stream.write_all(text.as_bytes());
            }
        });
        Self { address, asked, is_ended, thread: Some(thread) }
    }

    /// Answers every request with the same message.
    pub(crate) fn saying(message: String) -> Self {
        Self::start(move |_, _| message.clone())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The text with this server's address, which is another one in every run, replaced.
    pub(crate) fn nameless(&self, text: &str) -> String {
        text.replace(&self.address.to_string(), "[SERVER]")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    // Only the names of headers are free in their case.
    let lower = |line: &String| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
        None => line.clone(),
    };
    Some(Asked { path, head: lines.iter().map(lower).collect::<Vec<_>>().join("\n") })
}

/// A message with a status such as `200 OK`, further headers, and a body.
pub(crate) fn message(status: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    // There is no body, and so no length of one, when nothing was modified (RFC 9110, 15.4.5).
    let length = if status.starts_with("304") { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("HTTP/1.1 {status}\r\n{headers}{length}Connection: close\r\n\r\n{body}")
}

/// A message that all is well.
pub(crate) fn ok(body: &str) -> String {
    message("200 OK", &[], body)
}
