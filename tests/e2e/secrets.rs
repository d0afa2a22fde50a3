//! Passwords and tokens are used and never told.

use std::collections::BTreeSet;
use std::time::Duration;

use aicage_tests::images::base64;
use aicage_tests::running::{Running, parent, processes, write_program};
use aicage_tests::{Engine, Story, TOOL, on_every_engine, run, variable};
use serde_json::json;

on_every_engine!(
    no_secret_is_told_anywhere,
    no_half_of_a_secret_is_told_while_a_step_runs,
    a_proxys_password_is_told_nowhere_though_a_script_prints_it,
);

const USER: &str = "tester";
const PASSWORD: &str = "s3cret-pa55";
const PROXY_PASSWORD: &str = "hunter2";

/// Returns the command lines of a process and of everything that it started.
fn family(ancestor: u32) -> impl Iterator<Item = String> {
    let descends = move |mut id: u32| {
        loop {
            match id {
                _ if id == ancestor => return true,
                0 | 1 => return false,
                _ => id = parent(id).unwrap_or(0),
            }
        }
    };
    processes().into_iter().filter(move |(id, _)| descends(*id)).map(|(_, line)| line)
}

fn no_secret_is_told_anywhere(engine: Engine) {
    let mut story = Story::new(engine);
    let registry = variable("AICAGE_TEST_REGISTRY_AUTH");
    story.base_image = format!("{registry}/{}/base:debian", story.repository);
    let (repository, tag) = story.base_image.rsplit_once(':').unwrap();
    engine.make("aicage-test-base:minbase", "true", &["ENV X=1"], repository, tag);
    engine.push(&story.base_image, Some((USER, PASSWORD)));
    engine.remove(&story.base_image);
    let auth = base64(format!("{USER}:{PASSWORD}").as_bytes());
    std::fs::create_dir_all(story.folder().join("docker")).unwrap();
    let config = story.folder().join("docker/config.json");
    let programs = story.folder().join("programs");
    let answer = json!({ "Username": USER, "Secret": PASSWORD });
    write_program(&programs.join("docker-credential-xyz"), &format!("#!/bin/sh\nsleep 0.2\necho '{answer}'\n"));
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    // The checker and the step get the proxies too, and must be able to use them.
    story.install(&format!("test \"$HTTPS_PROXY$https_proxy\"\nsleep 0.3\n{TOOL}"));
    story.write("version.sh", "#!/usr/bin/env bash\nsleep 0.2\ntest \"$HTTPS_PROXY\" && echo 1.0.0\n");

    let mut told = Vec::new();
    let mut lines = BTreeSet::new();
    let mut run = |command: &str, arguments: &[&str], code: i32| {
        let mut program = story.command(command);
        program.args(arguments).env("PATH", &path).env("AICAGE_LOG", "trace");
        program.env("HTTPS_PROXY", format!("http://user:{PROXY_PASSWORD}@127.0.0.1:9"));
        program.env("http_proxy", format!("http://user:{PROXY_PASSWORD}@127.0.0.1:9")).env("NO_PROXY", "*");
        let mut running = Running::start(&mut program);
        while !running.has_ended() {
            lines.extend(family(running.id()));
            std::thread::sleep(Duration::from_millis(5));
        }
        let ran = running.end().expect(code);
        told.push(("standard output", ran.stdout));
        told.push(("standard error", ran.stderr));
    };

    let in_config = json!({ "auths": { &registry: { "auth": auth } } });
    let in_helper = json!({ "credHelpers": { &registry: "xyz" } });
    for (at, credentials) in [in_config, in_helper].iter().enumerate() {
        std::fs::write(&config, credentials.to_string()).unwrap();
        run("plan", &["--format", "json"], 0);
        for mode in ["plain", "rawjson"] {
            run("build", &["--force", "--no-cache", "--progress", mode], 0);
        }
        run("build", &["--force", "--format", "json"], 0);
        story.install(&format!("# {at}\nexit 4\n"));
        run("build", &["--progress", "plain"], 5);
        run("build", &["--progress", "rawjson", "--format", "json"], 5);
        story.install(TOOL);
    }
    let wrong = json!({ "auths": { &registry: { "auth": base64(format!("{USER}:{PASSWORD}x").as_bytes()) } } });
    std::fs::write(&config, wrong.to_string()).unwrap();
    run("build", &["--force"], 7);

    assert!(lines.iter().any(|line| line.contains("docker-credential-xyz")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("version.sh")), "{lines:?}");
    told.extend(lines.into_iter().map(|line| ("a command line", line)));
    for (_, bytes) in story.home_files() {
        told.push(("a file of the home folder", String::from_utf8_lossy(&bytes).into_owned()));
    }
    told.push(("the image", engine.image(&story.image()).unwrap().to_string()));
    told.push(("the history", json!(engine.history(&story.image())).to_string()));
    for (place, text) in &told {
        for secret in [PASSWORD, PROXY_PASSWORD, auth.as_str()] {
            assert!(!text.contains(secret), "{secret} is told by {place}: {text}");
        }
    }
    for secret in [PASSWORD, PROXY_PASSWORD] {
        assert!(!engine.holds(&story.image(), secret), "{secret} is in a file of the image");
    }
}

/// Returns what stands in any base64 text that a word is part of, wherever it begins.
fn in_base64(word: &str) -> Vec<String> {
    // Of the first and the last group, part belongs to what is around the word.
    let inner = |before: usize| {
        let text = base64(format!("{}{word}", &"xx"[..before]).as_bytes());
        let groups = (before + word.len()) / 3;
        text[if before == 0 { 0 } else { 4 }..4 * groups].to_owned()
    };
    (0..3).map(inner).collect()
}

fn a_proxys_password_is_told_nowhere_though_a_script_prints_it(engine: Engine) {
    let story = Story::new(engine);
    let password = "correct-horse-battery";
    // What curl says when it is asked for every word; the tail of a failure is said once more.
    let basic = base64(format!("user:{password}").as_bytes());
    story.install(&format!("env | grep -i proxy\necho 'Proxy-Authorization: Basic {basic}' >&2\nexit 3\n"));
    let mut told = String::new();
    for arguments in [["--progress", "plain"], ["--progress", "rawjson"], ["--format", "json"]] {
        let mut program = story.command("build");
        program.args(arguments).env("https_proxy", format!("http://user:{password}@127.0.0.1:9"));
        let ran = run(program.env("all_proxy", format!("user:{password}@127.0.0.1:9"))).expect(5);
        told += &(ran.stdout.clone() + &ran.stderr);
    }
    for (_, bytes) in story.home_files() {
        told += &String::from_utf8_lossy(&bytes);
    }
    assert!(told.contains("https_proxy=http://user:***@127.0.0.1:9"), "{told}");
    assert!(told.contains("Proxy-Authorization: Basic ***"), "{told}");
    for word in in_base64(password).iter().map(String::as_str).chain([password]) {
        assert!(!told.contains(word), "{word} is told: {told}");
    }
}

fn no_half_of_a_secret_is_told_while_a_step_runs(engine: Engine) {
    let story = Story::new(engine);
    let secret = "correct-horse-battery";
    let (one, two) = secret.split_at(9);
    story.define_extension(
        "act",
        &format!("cat \"$AICAGE_SECRETS/token\" >&2\nprintf ' {one}'\nsleep 0.5\nprintf '{two} end'\n"),
    );
    for (mode, last) in [("plain", "end"), ("rawjson", "")] {
        story.write_custom("extensions/act/mode", mode);
        let mut command = story.with("build", &["act"]);
        command.args(["--no-cache", "--force", "--progress", mode, "--secret", "id=token,env=TOKEN"]);
        let ran = aicage_tests::run(command.env("TOKEN", secret)).expect(0);
        assert!(ran.stderr.contains(last), "{}", ran.stderr);
        for word in in_base64(secret).iter().map(String::as_str).chain([secret]) {
            assert!(!ran.stderr.contains(word), "{word} is told: {}", ran.stderr);
        }
        if mode == "rawjson" {
            let documents = ran.stderr.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let logs = documents.flat_map(|document| document["logs"].as_array().cloned().unwrap_or_default());
            let data: Vec<_> = logs.map(|log| log["data"].as_str().unwrap().to_owned()).collect();
            let masked = in_base64("***").iter().any(|masked| data.iter().any(|data| data.contains(masked)));
            assert!(masked, "nothing was masked: {data:?}");
        }
    }
}
