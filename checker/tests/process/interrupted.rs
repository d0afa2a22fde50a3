//! A run that is ended from outside.

use std::fs::{self, File};
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::{Fixture, survivors};

/// Starts a look that has two processes waiting when this returns.
fn waiting(fixture: &Fixture, before: &str) -> Child {
    fixture.agent(
        "a",
        &format!("{before}\necho $$ > pids; (echo $BASHPID >> pids; echo > ../pipe; exec sleep 600) & sleep 600; wait"),
    );
    let pipe = fixture.pipe("definitions/agents/pipe");
    let mut command = fixture.command();
    command.args(["version", "a", "--timeout", "600"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    File::open(pipe).unwrap().read_to_end(&mut Vec::new()).unwrap();
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_signal_ends_everything_within_a_second() {
    let mut fastest = Duration::MAX;
    for sent in [Signal::INT, Signal::TERM, Signal::HUP] {
        let fixture = Fixture::new();
        let child = waiting(&fixture, "");
        let start = Instant::now();
        signal(&child, sent);
        let output = child.wait_with_output().unwrap();
        fastest = fastest.min(start.elapsed());
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(130), &b""[..]));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "error: interrupted\n");
        assert_eq!(survivors(&fixture.agent_folder("a").join("pids"), 2), [""; 0]);
    }
    // The best of three, because the machine may be busy with something else.
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
}

#[test]
fn a_script_that_ignores_it_is_killed_too() {
    let fixture = Fixture::new();
    let child = waiting(&fixture, "trap '' TERM");
    let start = Instant::now();
    signal(&child, Signal::INT);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(survivors(&fixture.agent_folder("a").join("pids"), 2), [""; 0]);
}

#[test]
fn a_converted_copy_does_not_stay() {
    let fixture = Fixture::new();
    let temporary = fixture.path("tmp");
    fs::create_dir(&temporary).unwrap();
    fixture.agent("a", "echo > ../pipe\r\nsleep 600\r\n");
    let pipe = fixture.pipe("definitions/agents/pipe");
    let child =
        fixture.command().args(["version", "a"]).env("TMPDIR", &temporary).stderr(Stdio::null()).spawn().unwrap();
    File::open(pipe).unwrap().read_to_end(&mut Vec::new()).unwrap();
    signal(&child, Signal::TERM);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}
