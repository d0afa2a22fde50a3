//! The programs as files.

use std::process::Command;
use std::time::{Duration, Instant};

use aicage_tests::{Engine, Story, on_every_engine, program, run};

on_every_engine!(alone_in_an_image_the_builder_builds, what_the_builder_image_writes_is_the_folders_owners);

const PROGRAMS: [&str; 2] = ["aicage-builder", "aicage-checker"];

#[test]
fn both_programs_are_static() {
    for name in PROGRAMS {
        let ran = run(Command::new("ldd").arg(program(name)));
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains("statically linked") || said.contains("not a dynamic executable"), "{name}: {said}");
    }
}

fn alone_in_an_image_the_builder_builds(engine: Engine) {
    let story = Story::new(engine);
    let root = story.folder().join("root");
    std::fs::create_dir_all(&root).unwrap();
    run(Command::new("cp").arg("-r").arg(story.definitions()).arg(&root)).expect(0);
    run(Command::new("strip").arg("-o").arg(root.join("aicage-builder")).arg(program("aicage-builder"))).expect(0);
    let alone = format!("{}/scratch:x", story.repository);
    engine.import(&root, &alone);
    let command = format!(
        "/aicage-builder build tool --agent-version 1.2.3 --base debian --base-image {} --definitions /definitions \
         --home /home --custom /custom --local-repository {} --format json",
        story.base_image, story.repository
    );
    let command: Vec<_> = command.split_whitespace().collect();
    let said = engine.run_with(&alone, &command, &["/var/run/docker.sock:/var/run/docker.sock"]);
    assert!(said.contains("\"outcome\": \"built\""), "{said}");
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 1.2.3");
}

/// The entrypoint with the programs, on what the builder image stands on, without what only version scripts need.
fn what_the_builder_image_writes_is_the_folders_owners(engine: Engine) {
    let story = Story::new(engine);
    for name in PROGRAMS {
        let to = story.definition(name);
        run(Command::new("strip").arg("-o").arg(to).arg(program(name))).expect(0);
    }
    story.write("builder", include_str!("../../entrypoints/builder"));
    story.install("cd /dev/aicage/definition\ncp aicage-builder aicage-checker builder /usr/local/bin\nchmod 755 /usr/local/bin/*\nchmod 711 /root\n");
    story.build(["--agent-version", "1"]).expect(0);
    let volume = format!("{}:/root/.aicage", story.repository);
    engine.run_with(&story.image(), &["chown", "1234:1235", "/root/.aicage"], &[&volume]);

    let inner = Story::new(engine);
    let script = format!(
        "mkdir -p /definitions/agents/tool && cd /definitions/agents/tool && \
         printf 'agent_full_name: T\\nagent_homepage: x\\n' >agent.yml && \
         printf '#!/bin/sh\\n# {0}\\n:\\n' >install.sh && printf '#!/bin/sh\\nid -u >&2; echo 1.2.3\\n' >version.sh && \
         HOME=/root AICAGE_DEFINITIONS=/definitions builder build tool --base debian --base-image {1} \
         --local-repository {0} && find /root/.aicage -not -user 1234 && find /root/.aicage -name 'tool-*.log'",
        inner.repository, inner.base_image
    );
    let binds = [volume.as_str(), "/var/run/docker.sock:/var/run/docker.sock"];
    let said = engine.run_with(&story.image(), &["sh", "-c", &script], &binds);
    let (_, found) = said.split_once("  log: ").unwrap_or_else(|| panic!("{said}"));
    let files: Vec<_> = found.lines().skip(1).collect();
    // No file is another's, and the log is there.
    assert!(files.len() == 1 && files[0].ends_with(".log"), "{said}");
    assert!(engine.image(&inner.image()).is_some());
    engine.api("DELETE", &format!("/volumes/{}", story.repository), None);
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
