//! The programs as files.

use std::process::Command;
use std::time::{Duration, Instant};

use aicage_tests::{program, run};

const PROGRAMS: [&str; 2] = ["aicage-builder", "aicage-checker"];

#[test]
fn both_programs_are_static() {
    for name in PROGRAMS {
        let ran = run(Command::new("ldd").arg(program(name)));
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains("statically linked") || said.contains("not a dynamic executable"), "{name}: {said}");
    }
}

#[test]
fn both_programs_say_what_they_are_and_at_once() {
    for name in PROGRAMS {
        let began = Instant::now();
        let ran = run(Command::new(program(name)).arg("--version").env_clear()).expect(0);
        assert!(began.elapsed() < Duration::from_secs(2), "{name}: {:?}", began.elapsed());
        assert_eq!(ran.stdout, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        let help = run(Command::new(program(name)).arg("--help").env_clear()).expect(0).stdout;
        assert!(help.contains("Usage: ") && help.contains("Exit codes:") && help.contains("130  "), "{name}: {help}");
        run(Command::new(program(name)).env_clear()).expect(2);
    }
}
