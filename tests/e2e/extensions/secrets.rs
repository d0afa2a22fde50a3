//! Secrets that extensions see while they are installed, and nobody afterwards.

use std::collections::BTreeSet;
use std::fs;

use aicage_tests::images::base64;
use aicage_tests::{Engine, Ran, Story, on_every_engine, run};
use serde_json::json;

on_every_engine!(secrets_are_seen_by_extensions_and_told_nowhere, a_changed_secret_runs_the_extensions_again,);

/// A story whose agent must not see a secret, and whose extensions must see two.
fn story(engine: Engine) -> Story {
    let story = Story::new(engine);
    let hidden = "test -z \"${AICAGE_SECRETS+set}\"\ntest ! -e /dev/aicage/secrets\ntest ! -e /run/secrets/token\n";
    story.install(&format!("{hidden}{}", aicage_tests::TOOL));
    // It does with it what a careless script does: shows it, on both streams, also without an end of the line.
    let script = "set -x\ncat \"$AICAGE_SECRETS/token\" \"$AICAGE_SECRETS/key\"\nprintf 'token is %s' \"$(cat \"$AICAGE_SECRETS/token\")\" >&2\n\
        test \"$(stat -c %a \"$AICAGE_SECRETS/token\")\" = 400\nsha256sum < \"$AICAGE_SECRETS/token\" > /opt/digest\ntest ! -e /opt/fail\n";
    story.define_extension("scripted", script);
    let dockerfile = "RUN --mount=type=secret,id=token cat /run/secrets/token && sha256sum < /run/secrets/token > /opt/second\n\
        RUN test ! -s /run/secrets/token\n";
    story.define_dockerfile_extension("second", dockerfile);
    story
}

/// The secrets of one run.
struct Given {
    token: String,
    key: String,
}

impl Given {
    fn new(story: &Story, kind: &str) -> Self {
        let given = Self {
            token: format!("token-{kind}-{}", story.repository),
            key: format!("-----BEGIN KEY-----\n{kind}/{}/==\n-----END KEY-----\n", story.repository),
        };
        fs::write(story.folder().join("key"), &given.key).unwrap();
        given
    }

    fn run(&self, story: &Story, command: &str, more: &[&str]) -> Ran {
        let mut command = story.with(command, &["scripted", "second"]);
        let file = format!("id=key,src={}", story.folder().join("key").display());
        command.args(["--secret", "id=token,env=STORY_TOKEN", "--secret", &file]).env("STORY_TOKEN", &self.token);
        run(command.args(more))
    }

    /// Returns what must show nowhere.
    fn words(&self) -> Vec<String> {
        let line = self.key.lines().nth(1).unwrap();
        vec![self.token.clone(), line.to_owned(), base64(self.token.as_bytes()), base64(line.as_bytes())]
    }
}

fn secrets_are_seen_by_extensions_and_told_nowhere(engine: Engine) {
    let story = story(engine);
    let given = Given::new(&story, "first");
    let again = ["--force", "--no-cache"];
    let mut told = Vec::new();
    let mut tell = |ran: Ran, code: i32| {
        let ran = ran.expect(code);
        told.extend([("standard output", ran.stdout.clone()), ("standard error", ran.stderr.clone())]);
        ran
    };
    let plain = tell(given.run(&story, "build", &["--progress", "plain"]), 0);
    // What is hidden was there: the rest of the lines is shown.
    assert!(plain.stderr.contains("token is ***"), "{}", plain.stderr);
    let logged = |(path, bytes): &(std::path::PathBuf, Vec<u8>)| {
        path.to_string_lossy().contains("image-extended/build")
            && String::from_utf8_lossy(bytes).contains("token is ***")
    };
    assert!(story.home_files().iter().any(logged));
    tell(given.run(&story, "build", &[&again[..], &["--progress", "quiet", "--format", "json"]].concat()), 0);
    tell(given.run(&story, "plan", &["--format", "json"]), 0);
    let image = story.extended("scripted-second");
    for path in ["/opt/digest", "/opt/second"] {
        let digest = engine.run(&image, &["cat", path]);
        let command = format!("printf %s '{}' | sha256sum", given.token);
        let expected = run(std::process::Command::new("sh").args(["-c", &command])).stdout;
        assert_eq!(digest.trim(), expected.trim(), "{path}");
    }

    // A step that fails shows its last lines; they are no exception.
    let definition = story.custom("extensions/scripted/scripts/10-scripted.sh");
    let script = fs::read_to_string(&definition).unwrap();
    fs::write(&definition, format!("{script}exit 3\n")).unwrap();
    let failed = tell(given.run(&story, "build", &["--progress", "plain"]), 5);
    assert!(failed.stderr.contains("  | ") && failed.stderr.contains("***"), "{}", failed.stderr);
    tell(given.run(&story, "build", &["--progress", "quiet", "--format", "json"]), 5);
    fs::write(&definition, script).unwrap();

    for (path, bytes) in story.home_files() {
        assert!(path.file_name().is_some_and(|name| name != "token" && name != "key"), "{}", path.display());
        told.push(("a file of the home folder", String::from_utf8_lossy(&bytes).into_owned()));
    }
    told.push(("the image", engine.image(&image).unwrap().to_string()));
    told.push(("the history", json!(engine.history(&image)).to_string()));
    for (place, text) in &told {
        for word in given.words() {
            assert!(!text.contains(&word), "{word} is told by {place}: {text}");
        }
    }
    for word in given.words() {
        assert!(!engine.holds(&image, &word), "{word} is in a file of the image");
    }
    let (below, made) = (engine.listing(&story.image()), engine.listing(&image));
    let new: BTreeSet<_> = made.keys().filter(|path| !below.contains_key(*path)).map(String::as_str).collect();
    // 20.10 leaves the places of a Dockerfile's own mounts.
    let new: Vec<_> = new.into_iter().filter(|path| !path.starts_with("run/secrets")).collect();
    assert_eq!(new, ["opt/digest", "opt/second"]);
}

fn a_changed_secret_runs_the_extensions_again(engine: Engine) {
    let story = story(engine);
    let first = Given::new(&story, "first");
    let build = |given: &Given| given.run(&story, "build", &["--format", "json"]).expect(0);
    assert_eq!(build(&first).steps_that_ran(), ["install tool 1.0.0", "extension scripted", "extension second"]);
    first.run(&story, "plan", &["--exit-code"]).expect(0);
    // The same ones make the same steps, whatever else is asked for.
    assert_eq!(
        first.run(&story, "build", &["--force", "--format", "json"]).expect(0).steps_that_ran(),
        Vec::<String>::new()
    );
    // One that is not given this time is not known to have changed.
    run(story.with("plan", &["scripted", "second"]).arg("--exit-code")).expect(0);

    let second = Given { token: Given::new(&story, "second").token, key: first.key.clone() };
    fs::write(story.folder().join("key"), &first.key).unwrap();
    let planned = second.run(&story, "plan", &["--exit-code"]).expect(4);
    let reasons: Vec<_> = planned.stdout.lines().filter_map(|line| line.trim().strip_prefix("because: ")).collect();
    assert_eq!(reasons, ["secret token changed"], "{}", planned.stdout);
    assert_eq!(build(&second).steps_that_ran(), ["extension scripted", "extension second"]);
    second.run(&story, "plan", &["--exit-code"]).expect(0);

    // A secret that is not given, and one that nobody could see.
    let missing = run(story.with("build", &["second"]).args(["--secret", "id=x,env=STORY_NO_SUCH"])).expect(2);
    assert!(missing.stderr.contains("secret x: the variable STORY_NO_SUCH is not set"), "{}", missing.stderr);
    let unseen = run(story.command("build").args(["--secret", "id=x,src=/dev/null"])).expect(2);
    assert!(unseen.stderr.contains("--secret is for extensions"), "{}", unseen.stderr);
}
