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
    /// A connection that ends at once.
    Shut,
    /// A connection on which nobody answers.
    Silent,
}

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
                    State::Open => join(guest, TcpStream::connect(&behind).unwrap()),
                    State::Shut => drop(guest),
                    State::Silent => waiting.push(guest),
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

fn join(one: TcpStream, two: TcpStream) {
    let (one_again, two_again) = (one.try_clone().unwrap(), two.try_clone().unwrap());
    thread::spawn(move || carry(one, two));
    thread::spawn(move || carry(two_again, one_again));
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 64 * 1024];
    // Either side may go at any moment.
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
