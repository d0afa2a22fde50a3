//! Other distributions beneath agents and extensions, and real packages in them.

use aicage_tests::{Engine, Story, on_every_engine, run};

on_every_engine!(
    packages_are_installed_on_bookworm,
    packages_are_installed_on_trixie,
    an_image_of_busybox_alone_carries_an_agent_and_extensions,
    without_bash_it_is_told_which_script_wants_it,
);

/// Installs a tiny program from the distribution's own packages.
const INSTALL: &str = "apt-get update\napt-get install --yes --no-install-recommends hello\n";

fn packages_are_installed_on_bookworm(engine: Engine) {
    packages_are_installed(engine, "bookworm", "aicage-test-base:minbase");
}

fn packages_are_installed_on_trixie(engine: Engine) {
    packages_are_installed(engine, "trixie", "aicage-test-base:trixie");
}

fn packages_are_installed(engine: Engine, release: &str, root: &str) {
    let story = Story::new(engine);
    story.define_base(release, root, "RUN . /etc/os-release && echo $VERSION_CODENAME > /opt/release\n");
    story.define_extension("hello", INSTALL);
    story.define_dockerfile_extension("greet", "RUN hello > /opt/greeting\n");
    let mut command = story.bare("build");
    command.args(["--base", release, "--extension", "hello", "--extension", "greet", "--ca-cert", "system"]);
    run(&mut command).expect(0);
    let image = format!("{}/extended:tool-{release}-hello-greet", story.repository);
    let said = engine.run(&image, &["sh", "-c", "cat /opt/release /opt/greeting; tool"]);
    assert_eq!(said, format!("{release}\nHello, world!\ntool 1.0.0\n"));
    // Neither what was downloaded nor the lists of what could be are in the image.
    let left = engine.run(&image, &["sh", "-c", "ls /var/cache/apt/archives/*.deb; ls -A /var/lib/apt/lists"]);
    assert!(!left.contains("hello_") && !left.contains("Packages") && !left.contains("Release"), "{left}");
}

/// Starts a story on a base that is nothing but busybox.
fn tiny(engine: Engine) -> Story {
    let story = Story::new(engine);
    story.define_base(
        "tiny",
        "aicage-test-base:busybox",
        "RUN mkdir -p /usr/local/bin && busybox | head -n 1 > /opt/root\n",
    );
    story.write("install.sh", format!("#!/bin/sh\n# {}\nset -eu\n{}", story.repository, aicage_tests::TOOL));
    for name in ["small", "broken"] {
        story.define_extension(name, "");
    }
    let script = format!(
        "#!/bin/sh\n# {}\ntool > /opt/small\ncat \"$(dirname \"$0\")/words\" >> /opt/small\n",
        story.repository
    );
    story.write_custom("extensions/small/scripts/10-small.sh", script.replace('\n', "\r\n"));
    story.write_custom("extensions/small/scripts/words", "words\n");
    story
}

fn on_tiny(story: &Story, extensions: &[&str]) -> std::process::Command {
    let mut command = story.bare("build");
    command.args(["--base", "tiny"]);
    for extension in extensions {
        command.args(["--extension", extension]);
    }
    command
}

fn an_image_of_busybox_alone_carries_an_agent_and_extensions(engine: Engine) {
    let story = tiny(engine);
    // Where there is a Dockerfile, it alone says what is done with the scripts beside it.
    story.define_dockerfile_extension(
        "docked",
        "COPY scripts /opt/scripts\nRUN cat /opt/root /opt/small > /opt/docked\n",
    );
    story.write_custom("extensions/docked/scripts/10-docked.sh", "exit 1\n");
    run(&mut on_tiny(&story, &["small", "docked"])).expect(0);
    let image = format!("{}/extended:tool-tiny-small-docked", story.repository);
    let said = engine.run(&image, &["cat", "/opt/docked"]);
    assert!(said.starts_with("BusyBox v") && said.ends_with("\ntool 1.0.0\nwords\n"), "{said}");
    let left = engine.run(&image, &["sh", "-c", "ls -A / /dev/shm /tmp /root; ls /dev/aicage"]);
    assert!(!left.contains("output") && !left.contains("tail") && left.contains("No such file"), "{left}");
}

fn without_bash_it_is_told_which_script_wants_it(engine: Engine) {
    let story = tiny(engine);
    for (first_line, words) in [
        ("true", "10-broken.sh does not begin with a line such as #!/bin/sh, and this image has no bash to run it"),
        ("#!/usr/bin/env bash", "bash"),
        ("#!/bin/sh\necho the last words; exit 3", "the last words"),
    ] {
        let script = format!("{first_line}\n# {}\n", story.repository);
        story.write_custom("extensions/broken/scripts/10-broken.sh", script);
        let ran = run(&mut on_tiny(&story, &["broken"])).expect(5);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains("10-broken.sh "), "{}", ran.stderr);
        assert!(ran.stderr.contains("extension broken"), "{}", ran.stderr);
    }
    story.install("true\n");
    let ran = run(&mut on_tiny(&story, &[])).expect(5);
    assert!(ran.stderr.contains("agent tool was not built on tiny") && ran.stderr.contains("bash"), "{}", ran.stderr);
}
