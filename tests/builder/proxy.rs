//! A wire in front of a real engine that breaks where a test wants it to.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// What happens when the wire sees its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Every connection ends, and no new one is taken.
    Cut,
    /// Nothing passes any more, and nothing ends.
    Freeze,
}

/// A socket that leads to a real engine until one of its connections carries a certain word, in either direction.
#[derive(Debug)]
pub(crate) struct Proxy {
    folder: tempfile::TempDir,
    wire: Arc<Mutex<Wire>>,
}

#[derive(Debug)]
struct Wire {
    word: Vec<u8>,
    fault: Fault,
    broken: bool,
    open: Vec<UnixStream>,
}

impl Proxy {
    /// Starts a proxy to the engine at `engine`.
    pub(crate) fn new(engine: PathBuf, word: &str, fault: Fault) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("sock")).unwrap();
        let wire = Wire { word: word.as_bytes().to_vec(), fault, broken: false, open: Vec::new() };
        let wire = Arc::new(Mutex::new(wire));
        let same = wire.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                connect(&engine, client, &same);
            }
        });
        Self { folder, wire }
    }

    /// Says whether it has seen its word.
    pub(crate) fn has_broken(&self) -> bool {
        self.wire.lock().unwrap().broken
    }

    /// Returns the value of `DOCKER_HOST` that leads through it.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("sock").display())
    }
}

fn connect(engine: &Path, client: UnixStream, wire: &Arc<Mutex<Wire>>) {
    let mut state = wire.lock().unwrap();
    let server = UnixStream::connect(engine).unwrap();
    if state.broken {
        if state.fault == Fault::Freeze {
            state.open.push(client);
        }
        return;
    }
    state.open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
    for (from, to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
        let wire = wire.clone();
        thread::spawn(move || carry(from, to, &wire));
    }
}

fn carry(mut from: UnixStream, mut to: UnixStream, wire: &Mutex<Wire>) {
    let mut bytes = vec![0; 64 * 1024];
    // A word may be cut in two by a read.
    let mut seen = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let mut state = wire.lock().unwrap();
        seen.extend_from_slice(&bytes[..count]);
        if seen.windows(state.word.len()).any(|window| window == state.word) && !state.broken {
            state.broken = true;
            if state.fault == Fault::Cut {
                state.open.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
            }
        }
        let keep = seen.len().saturating_sub(state.word.len());
        seen.drain(..keep);
        if state.broken {
            return;
        }
        drop(state);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
