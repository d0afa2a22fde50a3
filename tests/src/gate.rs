//! A gate before a registry: an address of its own that can be shut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What whoever comes to a gate finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The registry.
    Open,
    /// The registry, which goes silent after this many bytes on a connection.
    Narrow(usize),
    /// A connection that ends at once.
    Shut,
    /// A connection on which nobody answers.
    Silent,
    /// A registry of which too much was asked.
    Busy,
}

/// What a busy registry answers, in clear also to whoever greets it with TLS, as Go's own server does.
const BUSY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A gate on a loopback port of its own.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Its address, `127.0.0.1:PORT`.
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Gate {
    /// Opens a gate before the server at `behind`; it stays for as long as the test's process.
    pub fn before(behind: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::Open));
        let seen = state.clone();
        thread::spawn(move || {
            let mut waiting = Vec::new();
            for guest in listener.incoming() {
                let guest = guest.unwrap();
                match *seen.lock().unwrap() {
                    State::Open => join(guest, TcpStream::connect(&behind).unwrap(), usize::MAX),
                    State::Narrow(limit) => join(guest, TcpStream::connect(&behind).unwrap(), limit),
                    State::Shut => drop(guest),
                    State::Silent => waiting.push(guest),
                    State::Busy => refuse(guest),
                }
            }
        });
        Self { address, state }
    }

    /// Makes new guests find the gate in another state.
    pub fn set(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }
}

fn refuse(mut guest: TcpStream) {
    // The question is read first: closing before it is would reset the connection, and the answer with it.
    let _ = guest.read(&mut [0; 64 * 1024]);
    let _ = guest.write_all(BUSY);
}

fn join(guest: TcpStream, host: TcpStream, limit_bytes: usize) {
    let (guest_again, host_again) = (guest.try_clone().unwrap(), host.try_clone().unwrap());
    thread::spawn(move || carry(guest, host, usize::MAX));
    thread::spawn(move || carry(host_again, guest_again, limit_bytes));
}

fn carry(mut from: TcpStream, mut to: TcpStream, limit_bytes: usize) {
    let mut bytes = [0; 64 * 1024];
    let mut carried = 0;
    // Either side may go at any moment.
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        carried += count;
        if carried > limit_bytes {
            // Read on, so that the end of the connection is seen.
            continue;
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
