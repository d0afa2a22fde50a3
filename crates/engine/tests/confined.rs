//! What a stranger's program can do in a confined container of real engines: print, and little else.
//!
//! `make test` starts the engines and says in `AICAGE_TEST_…` variables where they are.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::process::Command;
use std::time::Duration;

use engine::{Confined, ConfinedEnd, ConfinedOutcome, Endpoint, Engine, EngineError};
use tokio::sync::watch;

const ENGINES: [&str; 4] =
    ["AICAGE_TEST_DOCKER20", "AICAGE_TEST_DOCKER26", "AICAGE_TEST_DOCKER28", "AICAGE_TEST_DOCKER28_CONTAINERD"];

fn endpoint(variable: &str) -> Endpoint {
    let host = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run `make test`"));
    Endpoint::find(Some(&host)).unwrap()
}

/// Returns an archive with one script, owned by root.
fn archive(script: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script.sh"), script).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--create", "--owner=0", "--group=0", "--mode=u=rwX,go=rX", "script.sh"]).current_dir(folder.path());
    tar.output().unwrap().stdout
}

fn confined(script: &str) -> Confined {
    Confined {
        image: "aicage-test-base:minbase".to_owned(),
        command: ["timeout", "20", "bash", "/definition/script.sh", &marker()].map(str::to_owned).to_vec(),
        environment: vec!["GIVEN=seen".to_owned()],
        folder: "/definition".to_owned(),
        files: archive(script),
        time_limit: Duration::from_secs(15),
        output_limit_bytes: 64 * 1024,
    }
}

async fn run(engine: &str, confined: &Confined) -> ConfinedOutcome {
    let (_keep, interrupted) = watch::channel(false);
    let outcome = Engine::connect(&endpoint(engine)).run_confined(confined, interrupted).await;
    let outcome = outcome.unwrap_or_else(|error| panic!("{engine}: {error}"));
    assert_eq!(containers(engine), 0, "{engine}: a container is left");
    outcome
}

/// Names this test's process; the tests of one file run in processes of their own.
fn marker() -> String {
    format!("aicage-test-process-{}", std::process::id())
}

/// Counts this process's containers. Some engines answer while they are still removing one.
fn containers(engine: &str) -> usize {
    let mut left = listed(engine);
    for _ in 0..100 {
        if left == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        left = listed(engine);
    }
    left
}

fn listed(engine: &str) -> usize {
    let Endpoint::Unix(socket) = endpoint(engine);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--unix-socket"]).arg(socket).arg("http://docker/containers/json?all=1");
    text(&curl.output().unwrap().stdout).matches(&marker()).count()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_script_prints_reads_its_folder_and_is_told_apart_by_its_exit_code() {
    for engine in ENGINES {
        let outcome = run(engine, &confined("pwd; id -u; echo $GIVEN $HOME; echo said >&2; ls; cat; exit 3")).await;
        assert_eq!(outcome.end, ConfinedEnd::Exited(3), "{engine}");
        assert_eq!(text(&outcome.output), "/definition\n65534\nseen /tmp\nscript.sh\n", "{engine}");
        assert_eq!(text(&outcome.errors), "said\n", "{engine}");
        assert_eq!(run(engine, &confined("echo 1.0")).await.end, ConfinedEnd::Exited(0), "{engine}");
    }
}

#[tokio::test]
async fn nothing_can_be_written_but_to_a_small_scratch_folder() {
    let script = "
        for path in /definition/new /definition/script.sh /etc/new /usr/bin/new /var/tmp/new /root/new /dev/new; do
            if echo x 2>/dev/null >$path; then echo wrote $path; fi
        done
        rm -f /definition/script.sh 2>/dev/null && echo removed
        chmod 777 /definition 2>/dev/null && echo changed
        echo x >/tmp/x && echo scratch
        head -c 200000000 /dev/zero 2>/dev/null >/tmp/full || echo full
        head -c 200000000 /dev/zero 2>/dev/null >/dev/shm/full || echo full
    ";
    for engine in ENGINES {
        let outcome = run(engine, &confined(script)).await;
        assert_eq!(text(&outcome.output), "scratch\nfull\nfull\n", "{engine}");
    }
}

#[tokio::test]
async fn there_is_no_way_out() {
    let script = "
        grep -E '^Cap(Eff|Prm|Bnd):' /proc/self/status | tr -s '\\t' ' '
        grep NoNewPrivs /proc/self/status | tr -s '\\t' ' '
        mount -t tmpfs none /mnt 2>/dev/null && echo mounted
        find / -xdev -name 'docker*.sock' -o -xdev -name 'containerd.sock' 2>/dev/null
        kill -9 1 2>/dev/null; su -c id 2>/dev/null; unshare -U id 2>/dev/null | grep uid=0
        echo end
    ";
    for engine in ENGINES {
        let outcome = run(engine, &confined(script)).await;
        let none = "0000000000000000";
        let expected = format!("CapPrm: {none}\nCapEff: {none}\nCapBnd: {none}\nNoNewPrivs: 1\nend\n");
        assert_eq!(text(&outcome.output), expected, "{engine}: {}", text(&outcome.errors));
    }
}

#[tokio::test]
async fn a_fork_bomb_a_hang_and_a_flood_end() {
    for engine in ENGINES {
        let short = |script: &str| Confined { time_limit: Duration::from_secs(3), ..confined(script) };
        let bomb = run(engine, &short(":(){ :|:& }; :; sleep 60")).await;
        assert!(matches!(bomb.end, ConfinedEnd::TimedOut | ConfinedEnd::Exited(_)), "{engine}: {bomb:?}");
        assert_ne!(bomb.end, ConfinedEnd::Exited(0), "{engine}");
        let hang = run(engine, &short("trap '' TERM INT; echo begun; while :; do sleep 1; done")).await;
        assert_eq!((hang.end, text(&hang.output).as_str()), (ConfinedEnd::TimedOut, "begun\n"), "{engine}");
        let flood = run(engine, &confined("yes")).await;
        assert_eq!((flood.end, flood.output.len()), (ConfinedEnd::TooMuch, 64 * 1024), "{engine}");
        let greedy = run(engine, &confined("head -c 2000000000 /dev/zero | tail")).await;
        assert_ne!(greedy.end, ConfinedEnd::Exited(0), "{engine}");
    }
}

#[tokio::test]
async fn an_interrupted_run_ends_at_once_and_leaves_nothing() {
    for engine in ENGINES {
        let (interrupt, interrupted) = watch::channel(false);
        let connected = Engine::connect(&endpoint(engine));
        let long = confined("sleep 60");
        let (outcome, ()) = tokio::join!(connected.run_confined(&long, interrupted), async {
            while listed(engine) == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            interrupt.send_replace(true);
        });
        assert_eq!(outcome.unwrap().end, ConfinedEnd::Interrupted, "{engine}");
        assert_eq!(containers(engine), 0, "{engine}");
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_is_named() {
    for engine in ENGINES {
        let (_keep, interrupted) = watch::channel(false);
        let absent = Confined { image: "aicage-test-absent:x".to_owned(), ..confined("true") };
        let error = Engine::connect(&endpoint(engine)).run_confined(&absent, interrupted).await.unwrap_err();
        assert!(
            matches!(&error, EngineError::NoImage { image } if image == "aicage-test-absent:x"),
            "{engine}: {error}"
        );
    }
}
