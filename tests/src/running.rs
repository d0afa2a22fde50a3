//! Programs while they run: waiting for what they do, and ending them.

use std::fs;
use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Ran;

/// How long a test waits for what must happen; far more than it takes.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Waits until something is there, and returns it.
///
/// # Panics
/// After [`LIMIT`], with `what` was waited for.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A program that runs; it is killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    lines: Receiver<String>,
}

impl Running {
    /// Starts a program.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let stdout = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let (sender, lines) = channel();
        let stderr = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut begun = 0;
            for byte in std::io::BufReader::new(err).bytes() {
                let byte = byte.unwrap();
                bytes.push(byte);
                if byte == b'\n' {
                    let line = String::from_utf8_lossy(&bytes[begun..]).trim_end().to_owned();
                    begun = bytes.len();
                    // Nobody may be listening any more.
                    let _ = sender.send(line);
                }
            }
            bytes
        });
        Self { child, stdout: Some(stdout), stderr: Some(stderr), lines }
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it writes a line to standard error that holds `words`; returns whether it did before it ended.
    pub fn says(&self, words: &str) -> bool {
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) if line.contains(words) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    /// Sends it a signal, named as the shell names it.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.id())).status().unwrap();
        assert!(sent.success());
    }

    /// Kills it at once, if it still runs.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Says whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        let code = wait_for("the end of the program", || self.child.try_wait().unwrap()).code();
        let text = |thread: Option<JoinHandle<Vec<u8>>>| {
            String::from_utf8_lossy(&thread.unwrap().join().unwrap()).into_owned()
        };
        Ran { code, stdout: text(self.stdout.take()), stderr: text(self.stderr.take()) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, and been waited for, long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the command lines of all processes of this machine, arguments joined by spaces, with their ids.
///
/// The engines share the machine's kernel, so the processes in their containers are among them.
pub fn processes() -> Vec<(u32, String)> {
    let ids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| {
        let bytes = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        Some((id, String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned()))
    })
    .collect()
}

/// Returns the id of the process that started another, if both are there.
pub fn parent(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Says whether a process with exactly this command line runs anywhere on the machine.
pub fn runs(command_line: &str) -> bool {
    processes().iter().any(|(_, line)| line == command_line)
}

/// Writes a file that can be started.
pub fn write_program(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
