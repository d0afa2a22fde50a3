//! Running a stranger's program within limits: time, output, and everything it started.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::outcome::{End, OUTPUT_LIMIT_BYTES, Outcome, Tail};

/// How long a program that must end has between being asked to and being killed.
const GRACE: Duration = Duration::from_millis(500);

/// How long output is waited for after the program itself has ended.
///
/// A process that it started may still be passing on its last output, or may hold the pipe open for ever.
const AFTER_EXIT_LIMIT: Duration = Duration::from_secs(1);

/// How long the operating system has to report the end of a killed program.
const REAP_LIMIT: Duration = Duration::from_secs(1);

const CHUNK_BYTES: usize = 8 * 1024;

/// A process group, all of which is killed when this goes.
struct Group(Option<Pid>);

impl Group {
    fn led_by(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // It fails when nobody is left in the group, which is what is wanted.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

struct TooMuch;

/// Runs `command` to its end, without input, in a process group of its own.
///
/// When this returns, or is dropped, nothing of the group is left running.
///
/// # Errors
/// What the operating system says when the command cannot be started.
pub(super) async fn run(
    mut command: Command,
    time_limit: Duration,
    mut interrupted: watch::Receiver<bool>,
) -> io::Result<Outcome> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn()?;
    let group = Group::led_by(&child);
    let pipes = (child.stdout.take(), child.stderr.take());
    let (mut output, mut errors) = (Vec::new(), Tail::default());
    let end = {
        let reading =
            async { tokio::try_join!(read_head(pipes.0, &mut output), read_tail(pipes.1, &mut errors)).map(|_| ()) };
        let ended = watch_until_end(&mut child, reading);
        tokio::select! {
            end = timeout(time_limit, ended) => end.unwrap_or(Ok(End::TimedOut))?,
            _ = interrupted.wait_for(|yes| *yes) => End::Interrupted,
        }
    };
    if !matches!(end, End::Code(_) | End::Signal(_)) {
        group.signal(Signal::TERM);
        let _ = timeout(GRACE, child.wait()).await;
    }
    drop(group);
    let _ = timeout(REAP_LIMIT, child.wait()).await;
    Ok(Outcome { end, output, errors })
}

async fn watch_until_end(child: &mut Child, reading: impl Future<Output = Result<(), TooMuch>>) -> io::Result<End> {
    let mut reading = pin!(reading);
    let mut all_is_read = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            read = &mut reading, if !all_is_read => match read {
                Ok(()) => all_is_read = true,
                Err(TooMuch) => return Ok(End::TooMuch),
            },
        }
    };
    if !all_is_read && let Ok(Err(TooMuch)) = timeout(AFTER_EXIT_LIMIT, reading).await {
        return Ok(End::TooMuch);
    }
    Ok(end_of(status))
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Code(code.into()),
        // One of the two is there (wait(2)); nobody may take neither for success.
        (None, signal) => End::Signal(signal.unwrap_or_default()),
    }
}

async fn read_head(pipe: Option<impl AsyncRead + Unpin>, head: &mut Vec<u8>) -> Result<(), TooMuch> {
    each_chunk(pipe, |chunk| {
        head.extend_from_slice(chunk);
        if head.len() > OUTPUT_LIMIT_BYTES { Err(TooMuch) } else { Ok(()) }
    })
    .await
}

async fn read_tail(pipe: Option<impl AsyncRead + Unpin>, tail: &mut Tail) -> Result<(), TooMuch> {
    each_chunk(pipe, |chunk| {
        tail.push(chunk);
        Ok(())
    })
    .await
}

/// Hands on what comes out of a pipe until it is closed. A pipe that cannot be read counts as closed.
async fn each_chunk(
    pipe: Option<impl AsyncRead + Unpin>,
    mut take: impl FnMut(&[u8]) -> Result<(), TooMuch>,
) -> Result<(), TooMuch> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match pipe.read(&mut chunk).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(length) => take(&chunk[..length])?,
        }
    }
}
