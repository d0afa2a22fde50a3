//! Final images that somebody publishes: pulled by digest, never built, and extended.

use std::fs;
use std::process::Command;

use aicage_tests::gate::{Gate, State};
use aicage_tests::images::base64;
use aicage_tests::running::Running;
use aicage_tests::{Engine, Ran, Story, on_every_engine, run, variable};
use serde_json::json;

on_every_engine!(
    a_published_image_is_pulled_when_its_registry_has_a_newer_one,
    an_image_that_is_not_published_is_told,
    a_published_image_is_pulled_with_the_users_password,
    a_pull_shows_what_comes_and_can_be_interrupted,
);

/// The user that the registry with authentication knows.
const USER: (&str, &str) = ("tester", "s3cret-pa55");

/// A story about an agent that may be redistributed, and a registry that has its image.
struct Published {
    story: Story,
    gate: Gate,
    server: String,
    user: Option<(&'static str, &'static str)>,
}

impl Published {
    fn start(engine: Engine, user: Option<(&'static str, &'static str)>) -> Self {
        let server = variable(if user.is_some() { "AICAGE_TEST_REGISTRY_AUTH" } else { "AICAGE_TEST_REGISTRY" });
        let (gate, story) = (Gate::before(server.clone()), Story::new(engine));
        story.write("agent.yml", "agent_full_name: Tool\nagent_homepage: x\nbuild_local: false\n");
        // Neither of them is asked for what is published.
        story.install("exit 1\n");
        story.write("version.sh", "exit 1\n");
        story.define_extension("act", "(tool; echo act) > /opt/act\n");
        story.define_dockerfile_extension("gh", "RUN (tool; echo gh) > /opt/gh\n");
        Self { story, gate, server, user }
    }

    fn repository(&self) -> String {
        format!("{}/{}/aicage", self.gate.address, self.story.repository)
    }

    fn image(&self) -> String {
        format!("{}:tool-debian", self.repository())
    }

    /// Puts an image whose tool says `words` into the registry.
    fn publish(&self, words: &str) {
        self.publish_from(self.story.engine, words, "true");
    }

    /// Does so from an engine, with one more shell command.
    fn publish_from(&self, engine: Engine, words: &str, more: &str) {
        let repository = self.repository().replace(&self.gate.address, &self.server);
        let tool = format!("printf '#!/bin/sh\\necho {words}\\n' > /usr/local/bin/tool; chmod +x /usr/local/bin/tool");
        let command = format!("{tool}; {more}");
        engine.make("aicage-test-base:minbase", &command, &["ENV WHO=publisher"], &repository, "tool-debian");
        engine.push(&format!("{repository}:tool-debian"), self.user);
        engine.remove(&format!("{repository}:tool-debian"));
    }

    fn run(&self, command: &str, more: &[&str]) -> Ran {
        run(&mut self.command(command, more))
    }

    fn command(&self, command: &str, more: &[&str]) -> Command {
        let mut command = self.published(&self.story.unchosen(command));
        command.args(["tool", "--base", "debian"]).args(more);
        command
    }

    /// Returns a command with this registry's repository in the place of the story's.
    fn published(&self, command: &Command) -> Command {
        // The later of two is what counts.
        let given = command.get_args().map(|word| word.to_owned()).collect::<Vec<_>>();
        let at = given.iter().position(|word| word == "--published-repository").unwrap();
        let mut again = self.story.program();
        again.args(&given[..=at]).arg(self.repository()).args(&given[at + 2..]);
        again
    }

    fn says(&self, image: &str, path: &[&str]) -> String {
        self.story.engine.run(image, path)
    }
}

const EXTENDED: [&str; 4] = ["--extension", "act", "--extension", "gh"];

fn a_published_image_is_pulled_when_its_registry_has_a_newer_one(engine: Engine) {
    let published = Published::start(engine, None);
    published.publish("one");
    let (story, image) = (&published.story, published.image());
    let planned = published.run("plan", &["--exit-code"]).expect(4);
    assert_eq!(planned.stdout, format!("{image} would be pulled\n  because: image is missing\n"));
    let pulled = published.run("build", &["--format", "json"]).expect(0).json();
    assert_eq!(
        (&pulled["outcome"], &pulled["steps"], &pulled["kind"]),
        (&"pulled".into(), &json!(null), &"final".into())
    );
    assert_eq!((published.says(&image, &["tool"]).as_str(), &pulled["imageId"]), ("one\n", &engine.id(&image).into()));
    published.run("plan", &["--exit-code"]).expect(0);
    assert_eq!(published.run("build", &["--format", "json"]).expect(0).json()["outcome"], "upToDate");

    let built = published.run("build", &[&EXTENDED[..], &["--format", "json"]].concat()).expect(0);
    assert_eq!(built.steps_that_ran(), ["extension act", "extension gh"]);
    let extended = story.extended("act-gh");
    assert_eq!(published.says(&extended, &["cat", "/opt/act", "/opt/gh"]), "one\nact\none\ngh\n");
    let labels = engine.image(&extended).unwrap()["Config"]["Labels"].clone();
    assert_eq!(labels["org.opencontainers.image.base.name"], image.as_str());
    let digest = labels["org.opencontainers.image.base.digest"].as_str().unwrap().to_owned();
    assert!(
        built.json()["images"][0]["evidence"][0]["text"].as_str().unwrap().contains(&digest[..19]),
        "{}",
        built.stdout
    );
    // The local name of a final image is for those that are built.
    assert!(engine.image(&story.image()).is_none());

    published.publish("two");
    let planned = published.run("plan", &[&EXTENDED[..], &["--exit-code"]].concat()).expect(4);
    let lines: Vec<_> = planned.stdout.lines().collect();
    assert_eq!(lines[0], format!("{image} would be pulled"));
    assert!(lines[1].starts_with(&format!("  because: published image {} -> sha256:", &digest[..19])), "{lines:?}");
    assert_eq!(lines[2], format!("{extended} would be built"));
    assert!(lines[3].starts_with(&format!("  because: image beneath {} -> sha256:", &digest[..19])), "{lines:?}");
    let built = published.run("build", &[&EXTENDED[..], &["--format", "json"]].concat()).expect(0);
    assert_eq!(built.json()["images"][0]["outcome"], "pulled");
    assert_eq!(built.steps_that_ran(), ["extension act", "extension gh"]);
    assert_eq!(published.says(&extended, &["cat", "/opt/act"]), "two\nact\n");
    assert_eq!(published.says(&format!("{image}-previous"), &["tool"]), "one\n");
    published.run("plan", &[&EXTENDED[..], &["--exit-code"]].concat()).expect(0);
    // An edit of an extension runs that, upon what there is.
    story.define_dockerfile_extension("gh", "RUN (tool; echo edited) > /opt/gh\n");
    let built = published.run("build", &[&EXTENDED[..], &["--format", "json"]].concat()).expect(0);
    assert_eq!(
        (built.steps_that_ran(), &built.json()["images"][0]["outcome"]),
        (vec!["extension gh".to_owned()], &"upToDate".into())
    );

    published.publish("three");
    published.gate.set(State::Shut);
    let ids = [engine.id(&image), engine.id(&extended)];
    let kept = published.run("build", &EXTENDED).expect(0);
    assert!(
        kept.stderr.contains(&format!("note: {image} could not be checked, the engine's copy is kept: ")),
        "{}",
        kept.stderr
    );
    let told = format!("{image} is kept as it is\n{extended} is kept as it is\n");
    assert_eq!(kept.stdout.lines().filter(|line| !line.starts_with(' ')).collect::<Vec<_>>().join("\n") + "\n", told);
    assert_eq!([engine.id(&image), engine.id(&extended)], ids);
    // What the user edits can be built all the same.
    story.define_extension("act", "(tool; echo edited) > /opt/act\n");
    published.run("build", &EXTENDED).expect(0);
    assert_eq!(published.says(&extended, &["cat", "/opt/act"]), "two\nedited\n");
    published.gate.set(State::Open);
    published.run("build", &EXTENDED).expect(0);
    assert_eq!(published.says(&extended, &["cat", "/opt/act"]), "three\nedited\n");
}

fn an_image_that_is_not_published_is_told(engine: Engine) {
    let published = Published::start(engine, None);
    let (story, image) = (&published.story, published.image());
    let absent = published.run("build", &EXTENDED).expect(3);
    assert!(absent.stderr.contains(&format!("error: published image does not exist: {image}\n")), "{}", absent.stderr);
    published.gate.set(State::Shut);
    let ran = published.run("build", &[]);
    assert!(matches!(ran.code, Some(69 | 75)), "{ran:?}");
    assert!(ran.stderr.contains(&format!("error: published image is not available: {image}: ")), "{}", ran.stderr);
    assert!(!story.home().join("logs").exists());

    // On a base of the user's own, or with a definition of the user's own, it is built: nobody publishes that.
    story.install(aicage_tests::TOOL);
    story.define_base("mine", "aicage-test-base:minbase", "RUN true\n");
    let mut plan = story.bare("plan");
    let ran = run(plan.args(["--base", "mine", "--agent-version", "1"])).expect(0);
    assert!(ran.stdout.contains(&format!("{}:tool-mine would be built\n", story.repository)), "{}", ran.stdout);
    fs::create_dir_all(story.custom("agents")).unwrap();
    fs::rename(story.definitions().join("agents/tool"), story.custom("agents/tool")).unwrap();
    let ran = published
        .run(
            "plan",
            &[
                "--base-repository",
                "aicage-test-base",
                "--agent-version",
                "1",
                "--base-image",
                "aicage-test-base:minbase",
            ],
        )
        .expect(0);
    assert!(ran.stdout.contains(&format!("{} would be built\n", story.image())), "{}", ran.stdout);
}

fn a_published_image_is_pulled_with_the_users_password(engine: Engine) {
    let published = Published::start(engine, Some(USER));
    published.publish("one");
    let refused = published.run("build", &EXTENDED).expect(7);
    assert!(refused.stderr.contains("\nhint: log in with `docker login`"), "{}", refused.stderr);
    let log_in = |password: &str| {
        let auth = base64(format!("{}:{password}", USER.0).as_bytes());
        fs::create_dir_all(published.story.folder().join("docker")).unwrap();
        let config = json!({ "auths": { &published.gate.address: { "auth": auth } } });
        fs::write(published.story.folder().join("docker/config.json"), config.to_string()).unwrap();
    };
    log_in(USER.1);
    published.run("build", &EXTENDED).expect(0);
    assert_eq!(published.says(&published.story.extended("act-gh"), &["cat", "/opt/gh"]), "one\ngh\n");
    published.publish("two");
    log_in("wr0ng-pa55");
    let kept = published.run("build", &EXTENDED).expect(0);
    assert!(
        kept.stderr.contains("could not be checked, the engine's copy is kept: ") && !kept.stderr.contains("wr0ng"),
        "{}",
        kept.stderr
    );
    log_in(USER.1);
    published.run("build", &EXTENDED).expect(0);
    assert_eq!(published.says(&published.story.extended("act-gh"), &["cat", "/opt/gh"]), "two\ngh\n");
    // Neither the log nor a record says the password.
    for (path, bytes) in published.story.home_files() {
        assert!(!String::from_utf8_lossy(&bytes).contains(USER.1), "{}", path.display());
    }
}

fn a_pull_shows_what_comes_and_can_be_interrupted(engine: Engine) {
    let published = Published::start(engine, None);
    published.publish("one");
    published.run("build", &[]).expect(0);
    let (story, image) = (&published.story, published.image());
    let (one, records) = (engine.id(&image), story.home_files().len());
    // Made elsewhere, so that the engine has nothing of it.
    let elsewhere = Engine::ALL.into_iter().find(|other| *other != engine).unwrap();
    published.publish_from(elsewhere, "two", "head -c 8000000 /dev/urandom > /opt/large");

    // The layer begins to come, and never does: far more than a manifest passes, and far less than the layer.
    published.gate.set(State::Narrow(4_000_000));
    let running = Running::start(&mut published.command("build", &["--progress", "plain"]));
    assert!(running.says(&format!("#1 pull {image}")));
    assert!(running.says(" / 8.0"), "no layer's progress was told");
    running.signal("INT");
    let ran = running.end().expect(130);
    assert!(ran.stderr.contains("error: interrupted"), "{}", ran.stderr);
    assert_eq!((engine.id(&image), published.says(&image, &["tool"])), (one.clone(), "one\n".to_owned()));
    assert!(engine.image(&format!("{image}-previous")).is_none());
    assert_eq!(story.home_files().len(), records + 1, "one more log and nothing else");

    published.gate.set(State::Open);
    let pulled = published.run("build", &["--progress", "plain"]).expect(0);
    assert!(pulled.stderr.contains("\n#1 DONE "), "{}", pulled.stderr);
    assert_eq!(published.says(&image, &["tool"]), "two\n");
    assert_eq!(engine.id(&format!("{image}-previous")), one);
    // Each turn of a layer is a line of the log, as Docker writes them; how much was to come is known of what took long.
    let logs = fs::read_dir(story.home().join("logs/image/pull")).unwrap();
    let logs: String = logs.map(|log| fs::read_to_string(log.unwrap().path()).unwrap()).collect();
    let lines: Vec<serde_json::Value> =
        logs.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let is_large = |line: &&serde_json::Value| line["progressDetail"]["total"].as_u64() > Some(8_000_000);
    let large = lines.iter().find(is_large).unwrap_or_else(|| panic!("{logs}"));
    assert_eq!(large["status"], "Downloading");
    assert!(lines.iter().any(|line| line["id"] == large["id"] && line["status"] == "Pull complete"), "{logs}");
    let said = pulled.log();
    let (first, last) = (said.lines().next().unwrap(), said.lines().last().unwrap());
    assert!(first.contains("\"pulling\"") && last.contains("\"pulled\""), "{said}");

    // Also where the engine has the layers beneath in another packing, it can be built on.
    published.run("plan", &["--exit-code"]).expect(0);
    published.run("build", &["--extension", "act"]).expect(0);
    assert_eq!(published.says(&story.extended("act"), &["cat", "/opt/act"]), "two\nact\n");

    // In a list of images it is what stands on it that becomes stale.
    let listed = |state: &str| {
        let ran = run(&mut published.published(&story.list())).expect(0);
        let mut rows = ran.stdout.lines().skip(1);
        let row = rows.next().unwrap_or_default();
        assert!(row.starts_with(&story.extended("act")) && row.contains(state), "{}", ran.stdout);
        assert_eq!(rows.next(), None);
    };
    listed("  current");
    published.publish("three");
    listed("  stale: image beneath sha256:");

    // Between BuildKit's documents there is nothing else.
    let raw = published.run("build", &["--progress", "rawjson"]).expect(0);
    assert_eq!(raw.stderr, "");
}
