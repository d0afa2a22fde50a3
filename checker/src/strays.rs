//! Processes that left the group they were started in, as daemons do, and outlived whoever started them.

use std::collections::HashSet;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait};

/// How long killing them may take.
const KILL_LIMIT: Duration = Duration::from_secs(1);

const KILL_PAUSE: Duration = Duration::from_millis(5);

/// The adoption of orphans among this process's descendants, so that none gets away.
#[derive(Debug)]
pub(crate) struct Strays {
    not_ours: HashSet<Pid>,
}

impl Strays {
    /// From here on, orphans among the descendants become children of this process (Linux's "subreaper").
    ///
    /// Children that there are already, from before this program took the process over, are left alone.
    pub(crate) fn adopt() -> Self {
        // Without it orphans go to init and only those in their group are found: nothing else depends on it.
        let _ = set_child_subreaper(Some(getpid()));
        Self { not_ours: children() }
    }

    /// Kills every child that is left, and what these leave, until there is none.
    pub(crate) fn kill(self) {
        let start = Instant::now();
        while start.elapsed() < KILL_LIMIT {
            let strays: Vec<_> = children().difference(&self.not_ours).copied().collect();
            if strays.is_empty() {
                return;
            }
            for stray in strays {
                let _ = kill_process(stray, Signal::KILL);
            }
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
            sleep(KILL_PAUSE);
        }
    }
}

/// Returns the children of all threads of this process, ended ones that nobody has waited for included.
fn children() -> HashSet<Pid> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(pid).collect::<Vec<_>>()).collect()
}

fn pid(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}
