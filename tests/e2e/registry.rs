//! Bases that come from a registry, a real one, and what happens when it is out of reach.

use std::process::Command;

use aicage_tests::gate::{Gate, State};
use aicage_tests::images::base64;
use aicage_tests::running::write_program;
use aicage_tests::{Engine, Story, on_every_engine, run, variable};
use serde_json::json;

on_every_engine!(
    a_base_is_pinned_to_what_its_registry_has,
    a_stale_copy_of_the_base_is_not_built_on,
    a_named_base_is_a_tag_in_the_repository_of_bases,
    an_image_is_kept_while_the_registry_of_its_base_is_out_of_reach,
    without_its_registry_a_base_is_the_engines_own_copy_or_nothing,
    a_pinned_base_that_its_registry_has_not_is_absent,
    a_pinned_base_that_cannot_be_fetched_now_is_worth_another_try,
    a_registry_that_never_answers_holds_nothing_up_for_long,
    a_password_in_the_config_opens_the_registry,
    a_password_from_a_helper_opens_the_registry,
    what_is_public_needs_no_helper,
    a_wrong_password_is_told_and_loses_nothing,
);

/// The user that the registry with authentication knows.
pub(crate) const USER: (&str, &str) = ("tester", "s3cret-pa55");

/// A story on a base in a registry.
pub(crate) struct Published {
    pub(crate) story: Story,
    pub(crate) gate: Gate,
    server: String,
    user: Option<(&'static str, &'static str)>,
}

impl Published {
    /// Starts a story whose base says `one` and is in the registry but not in the engine.
    pub(crate) fn start(engine: Engine, user: Option<(&'static str, &'static str)>) -> Self {
        let server = variable(if user.is_some() { "AICAGE_TEST_REGISTRY_AUTH" } else { "AICAGE_TEST_REGISTRY" });
        let (gate, mut story) = (Gate::before(server.clone()), Story::new(engine));
        story.base_image = format!("{}/{}/aicage-image-base:debian", gate.address, story.repository);
        let published = Self { story, gate, server, user };
        published.publish("one");
        published
    }

    pub(crate) fn repository(&self) -> &str {
        self.story.base_image.rsplit_once(':').unwrap().0
    }

    /// Puts a base that says `words` into the registry; returns its digest there.
    ///
    /// It goes there by the registry's own address, where the engine knows the layers to be already.
    pub(crate) fn publish(&self, words: &str) -> String {
        let (engine, command) = (self.story.engine, format!("echo {words} > /etc/base"));
        let repository = self.repository().replace(&self.gate.address, &self.server);
        engine.make("aicage-test-base:minbase", &command, &[], &repository, "debian");
        engine.push(&format!("{repository}:debian"), self.user);
        engine.remove(&format!("{repository}:debian"));
        self.digest_there()
    }

    fn says(&self) -> String {
        self.story.engine.run(&self.story.image(), &["cat", "/etc/base"]).trim().to_owned()
    }

    fn label(&self, name: &str) -> String {
        let image = self.story.engine.image(&self.story.image()).unwrap();
        image["Config"]["Labels"][name].as_str().unwrap_or_default().to_owned()
    }

    /// Returns the digest by which the registry itself knows the base.
    pub(crate) fn digest_there(&self) -> String {
        let path = format!("{}/aicage-image-base/manifests/debian", self.story.repository);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--head", "--noproxy", "*"]);
        if let Some((name, password)) = self.user {
            curl.arg("--user").arg(format!("{name}:{password}"));
        }
        for kind in ["application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.index.v1+json"]
        {
            curl.arg("--header").arg(format!("Accept: {kind}"));
        }
        curl.args(["--header", "Accept: application/vnd.oci.image.manifest.v1+json"]);
        let output = curl.arg(format!("http://{}/v2/{path}", self.server)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let digest = text.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: "));
        digest.unwrap_or_else(|| panic!("{text}")).trim().to_owned()
    }

    /// Takes the base out of the registry.
    pub(crate) fn withdraw(&self) {
        let path = format!("{}/aicage-image-base/manifests/{}", self.story.repository, self.digest_there());
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--noproxy", "*", "--request", "DELETE"]);
        assert!(curl.arg(format!("http://{}/v2/{path}", self.server)).status().unwrap().success());
    }

    /// Writes the configuration in which Docker's client would look for credentials.
    fn configure(&self, config: &serde_json::Value) {
        let folder = self.story.folder().join("docker");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    }

    pub(crate) fn log_in(&self, password: &str) {
        let auth = base64(format!("{}:{password}", USER.0).as_bytes());
        self.configure(&json!({ "auths": { &self.gate.address: { "auth": auth } } }));
    }
}

fn short(digest: &str) -> &str {
    &digest[.."sha256:".len() + 12]
}

fn a_base_is_pinned_to_what_its_registry_has(engine: Engine) {
    let published = Published::start(engine, None);
    let (story, one) = (&published.story, published.digest_there());
    let built = story.build::<&str>([]).expect(0);
    assert_eq!(published.says(), "one");
    assert_eq!(published.label("org.opencontainers.image.base.digest"), one);
    assert_eq!(published.label("dev.aicage.recipe.base"), one);
    assert_eq!(published.label("org.opencontainers.image.base.name"), story.base_image);
    let pinned = format!("{}@{one}", published.repository());
    assert!(built.log().contains(&format!("# agent tool on base debian ({pinned})\n")), "{}", built.log());
    let told = std::fs::read_to_string(story.home().join("state/image/build/tool-debian.yml")).unwrap();
    assert!(told.contains(&format!("base_image: \"{pinned}\"\n")), "{told}");
    let again = story.build::<&str>([]).expect(0);
    assert!(again.stdout.contains(&format!("\n  base is {} at its registry\n", short(&one))), "{}", again.stdout);

    let two = published.publish("two");
    let reason = format!("because: base {} -> {}\n", short(&one), short(&two));
    let planned = story.plan(["--exit-code"]).expect(4);
    assert!(planned.stdout.contains(&reason), "{}", planned.stdout);
    let built = story.build::<&str>([]).expect(0);
    assert!(built.stdout.contains(&reason) && built.installed(), "{}", built.stdout);
    assert_eq!((published.says().as_str(), published.label("org.opencontainers.image.base.digest")), ("two", two));
    // The base itself is no image of the engine: only what was made of it is.
    assert!(engine.image(&story.base_image).is_none());
}

fn a_stale_copy_of_the_base_is_not_built_on(engine: Engine) {
    let published = Published::start(engine, None);
    let story = &published.story;
    engine.pull(&story.base_image);
    let new = published.publish("new");
    story.build::<&str>([]).expect(0);
    assert_eq!((published.says().as_str(), published.label("dev.aicage.recipe.base")), ("new", new));
    // Nor is the engine's copy touched by it.
    assert_eq!(engine.run(&story.base_image, &["cat", "/etc/base"]).trim(), "one");
    story.plan(["--exit-code"]).expect(0);
}

fn a_named_base_is_a_tag_in_the_repository_of_bases(engine: Engine) {
    let published = Published::start(engine, None);
    let story = &published.story;
    let mut command = story.bare("build");
    run(command.args(["--base", "debian", "--base-repository", published.repository()])).expect(0);
    assert_eq!((published.says().as_str(), published.label("dev.aicage.base").as_str()), ("one", "debian"));
    let mut command = story.bare("plan");
    run(command.args(["--base", "debian", "--exit-code"]).env("AICAGE_BASE_REPOSITORY", published.repository()))
        .expect(0);
    // An image in such a repository has the same name by itself.
    run(story.bare("plan").args(["--base-image", &story.base_image, "--exit-code"])).expect(0);
    let mut command = story.bare("build");
    let absent = run(command.args(["--base", "no-such", "--base-repository", published.repository()])).expect(3);
    let expected = format!("error: base image does not exist: {}:no-such\n", published.repository());
    assert!(absent.stderr.contains(&expected), "{}", absent.stderr);
    // Nor is an image of another base kept for a name that was misspelt.
    let misspelt = format!("{}:debain", published.repository());
    let mut command = story.bare("build");
    let absent = run(command.args(["--base", "debian", "--base-image", &misspelt])).expect(3);
    assert!(absent.stderr.contains(&format!("error: base image does not exist: {misspelt}\n")), "{}", absent.stderr);
}

fn an_image_is_kept_while_the_registry_of_its_base_is_out_of_reach(engine: Engine) {
    let published = Published::start(engine, None);
    let story = &published.story;
    story.build::<&str>([]).expect(0);
    let (id, record) = (engine.id(&story.image()), story.record());
    published.gate.set(State::Shut);
    for ran in [story.build::<&str>([]).expect(0), story.plan(["--exit-code"]).expect(0)] {
        let note = format!("note: base {} could not be checked, the image is kept: ", story.base_image);
        assert!(ran.stderr.contains(&note), "{}", ran.stderr);
        assert!(ran.stdout.starts_with(&format!("{} is kept as it is\n", story.image())), "{}", ran.stdout);
    }
    // Whoever wants no progress must see it too, and whoever reads BuildKit's documents finds it among them.
    let quiet = story.build(["--progress", "quiet"]).expect(0).stderr;
    let note = format!("note: base {} could not be checked, the image is kept: ", story.base_image);
    assert!(quiet.starts_with(&note) && quiet.lines().count() == 1, "{quiet}");
    let raw = story.build(["--progress", "rawjson"]).expect(0).stderr;
    let warning: serde_json::Value = serde_json::from_str(&raw).unwrap();
    assert!(warning["warnings"][0]["short"].is_string(), "{raw}");
    let answer = story.build(["--format", "json"]).expect(0).json();
    assert_eq!((&answer["outcome"], &answer["notices"][0]["kind"]), (&"kept".into(), &"base_not_checked".into()));

    // A new version could not be installed either; that it is waiting is told.
    let ran = story.build(["--agent-version", "2"]).expect(0);
    let note =
        "note: not rebuilt, though there are reasons (agent version 1.0.0 -> 2 (chosen)): base image is not available";
    assert!(ran.stderr.contains(note), "{}", ran.stderr);
    assert_eq!((engine.id(&story.image()), story.record()), (id, record));
    // Who demands a build is told that there is none.
    let ran = story.build(["--force"]);
    assert!(matches!(ran.code, Some(69 | 75)), "{ran:?}");

    published.gate.set(State::Open);
    story.build(["--agent-version", "2"]).expect(0);
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 2");
}

fn without_its_registry_a_base_is_the_engines_own_copy_or_nothing(engine: Engine) {
    let published = Published::start(engine, None);
    let story = &published.story;
    published.gate.set(State::Shut);
    let ran = story.build::<&str>([]);
    assert!(matches!(ran.code, Some(69 | 75)), "{ran:?}");
    assert!(
        ran.stderr.contains(&format!("error: base image is not available: {}", story.base_image)),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("\nhint: there is no local copy to fall back to; "), "{}", ran.stderr);
    assert!(!story.home().join("logs").exists());
    let nobody = run(story.bare("build").args(["--base", "x", "--base-image", "127.0.0.1:1/no/such:base"])).expect(69);
    assert!(nobody.stderr.contains("127.0.0.1:1 cannot be reached"), "{}", nobody.stderr);

    published.gate.set(State::Open);
    engine.pull(&story.base_image);
    published.gate.set(State::Shut);
    let ran = story.build::<&str>([]).expect(0);
    let note = format!("note: base {} could not be checked, the engine's own copy is used: ", story.base_image);
    assert!(ran.stderr.contains(&note), "{}", ran.stderr);
    assert_eq!(published.says(), "one");
    assert!(story.plan(["--exit-code"]).expect(0).stdout.contains("is kept as it is"));
}

/// Returns the command that builds on the base of a digest that its registry does not have.
fn on_unknown_digest(published: &Published) -> Command {
    let pinned = format!("{}@sha256:{}", published.repository(), "2".repeat(64));
    let mut command = published.story.bare("build");
    command.args(["--base", "debian", "--base-image", &pinned]);
    command
}

fn a_pinned_base_that_its_registry_has_not_is_absent(engine: Engine) {
    let published = Published::start(engine, None);
    let ran = run(&mut on_unknown_digest(&published)).expect(3);
    assert!(ran.stderr.contains(": not found\nhint: check the spelling, or pick another --base\n"), "{}", ran.stderr);
    assert!(engine.image(&published.story.image()).is_none());
}

fn a_pinned_base_that_cannot_be_fetched_now_is_worth_another_try(engine: Engine) {
    let published = Published::start(engine, None);
    published.gate.set(State::Busy);
    let ran = run(&mut on_unknown_digest(&published)).expect(75);
    assert!(
        ran.stderr.contains(": 429 Too Many Requests\nhint: the engine fetches this by itself: "),
        "{}",
        ran.stderr
    );
}

fn a_registry_that_never_answers_holds_nothing_up_for_long(engine: Engine) {
    let published = Published::start(engine, None);
    published.story.build::<&str>([]).expect(0);
    published.gate.set(State::Silent);
    let began = std::time::Instant::now();
    let ran = published.story.build::<&str>([]).expect(0);
    assert!(began.elapsed() < std::time::Duration::from_secs(45), "{:?}", began.elapsed());
    assert!(ran.stderr.contains("could not be checked, the image is kept"), "{}", ran.stderr);
}

fn a_password_in_the_config_opens_the_registry(engine: Engine) {
    let published = Published::start(engine, Some(USER));
    let refused = published.story.build::<&str>([]).expect(7);
    assert!(refused.stderr.contains("\nhint: log in with `docker login`"), "{}", refused.stderr);
    published.log_in(USER.1);
    published.story.build::<&str>([]).expect(0);
    assert_eq!(published.says(), "one");
    assert!(published.story.build::<&str>([]).expect(0).stdout.contains("is up to date"));
}

fn a_password_from_a_helper_opens_the_registry(engine: Engine) {
    let published = Published::start(engine, Some(USER));
    let programs = published.story.folder().join("programs");
    let answer = json!({ "ServerURL": "x", "Username": USER.0, "Secret": USER.1 });
    let script = format!(
        "#!/bin/sh\nread -r server\ntest \"$1\" = get && test \"$server\" = {} && echo '{answer}'\n",
        published.gate.address
    );
    write_program(&programs.join("docker-credential-xyz"), &script);
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    for config in [json!({ "credHelpers": { &published.gate.address: "xyz" } }), json!({ "credsStore": "xyz" })] {
        published.configure(&config);
        run(published.story.command("build").args(["--force"]).env("PATH", &path)).expect(0);
        assert_eq!(published.says(), "one");
    }
    // Without the helper itself nobody can tell the password.
    published.configure(&json!({ "credsStore": "no-such-helper" }));
    let ran = run(published.story.command("build").args(["--force"]).env("PATH", &path)).expect(7);
    assert!(ran.stderr.contains("no-such-helper"), "{}", ran.stderr);
    // Nor to the engine, which fetches what is pinned without a look before.
    let ran = run(on_unknown_digest(&published).arg("--force")).expect(7);
    assert!(ran.stderr.contains("\nhint: install docker-credential-no-such-helper, "), "{}", ran.stderr);
}

fn what_is_public_needs_no_helper(engine: Engine) {
    let published = Published::start(engine, None);
    published.configure(&json!({ "credsStore": "no-such-helper" }));
    published.story.build::<&str>([]).expect(0);
    assert_eq!(published.says(), "one");
}

fn a_wrong_password_is_told_and_loses_nothing(engine: Engine) {
    let published = Published::start(engine, Some(USER));
    let story = &published.story;
    published.log_in("wr0ng-pa55");
    let ran = story.build::<&str>([]).expect(7);
    assert!(
        ran.stderr.contains(&format!("error: base image is not available: {}", story.base_image)),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("wr0ng-pa55"), "{}", ran.stderr);
    assert!(engine.image(&story.image()).is_none());

    published.log_in(USER.1);
    story.build::<&str>([]).expect(0);
    let id = engine.id(&story.image());
    published.log_in("wr0ng-pa55");
    let ran = story.build::<&str>([]).expect(0);
    assert!(ran.stderr.contains("could not be checked, the image is kept"), "{}", ran.stderr);
    assert_eq!(engine.id(&story.image()), id);
    story.build(["--force"]).expect(7);
    assert_eq!(engine.id(&story.image()), id);
}
