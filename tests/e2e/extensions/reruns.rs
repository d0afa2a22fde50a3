//! Which steps run after an edit: those that `plan` says, and no others.

use std::fs;

use aicage_tests::{Engine, Ran, Story, on_every_engine, run};
use serde_json::Value;

on_every_engine!(
    what_runs_is_what_the_plan_says,
    beneath_the_agent_extensions_stay_as_they_are,
    each_step_tells_what_it_added,
);

/// Returns the steps that a plan has ahead.
fn steps_ahead(plan: &Value) -> Vec<String> {
    let images = plan["images"].as_array().unwrap().iter();
    let steps =
        images.filter(|image| image["outcome"] == "wouldBuild").flat_map(|image| image["steps"].as_array().unwrap());
    let ahead = steps.filter(|step| step["unchanged"] == false);
    ahead.map(|step| step["name"].as_str().unwrap().to_owned()).collect()
}

/// A story, its extensions, and what is given with every command.
struct Chain {
    story: Story,
    extensions: &'static [&'static str],
    options: Vec<String>,
}

impl Chain {
    fn run(&self, command: &str, more: &[&str]) -> Ran {
        run(self.story.with(command, self.extensions).args(&self.options).args(more).args(["--format", "json"]))
    }

    /// Checks that exactly these steps run, that the plan says so before, and that nothing is left to do.
    #[track_caller]
    fn expect(&self, more: &[&str], steps: &[&str]) {
        let planned = self.run("plan", more).expect(0).json();
        assert_eq!(steps_ahead(&planned), steps, "the plan: {planned}");
        let built = self.run("build", more).expect(0);
        assert_eq!(built.steps_that_ran(), steps, "{}", built.stdout);
        let lasting: Vec<_> = more.iter().copied().filter(|word| !["--force", "--no-cache"].contains(word)).collect();
        let left = self.run("plan", &[&lasting[..], &["--exit-code"]].concat());
        assert_eq!(left.code, Some(0), "{}", left.stdout);
    }

    fn append(&self, path: &str, text: &str) {
        let text = fs::read_to_string(self.story.custom(path)).unwrap() + text;
        self.story.write_custom(path, text);
    }
}

/// A script, a Dockerfile, a script with a file beside it, shares and no step, and a script.
fn chain(engine: Engine, options: &[&str]) -> Chain {
    let story = Story::new(engine);
    story.define_extension("one", "echo one > /opt/one\n");
    story.define_dockerfile_extension("two", "COPY words /opt/words\nRUN echo two > /opt/two\n");
    story.write_custom("extensions/two/words", &story.repository);
    story.define_extension("three", "cp \"$(dirname \"$0\")/../words\" /opt/three\n");
    story.write_custom("extensions/three/words", "words\n");
    story.write_custom("extensions/shares/extension.yml", "name: shares\ndescription: x\nshares: [~/.ssh]\n");
    story.define_extension("four", "echo four > /opt/four\n");
    let options = options.iter().map(|word| (*word).to_owned()).collect();
    Chain { story, extensions: &["one", "two", "three", "shares", "four"], options }
}

const ONE: &str = "extension one";
const TWO: &str = "extension two";
const THREE: &str = "extension three";
const FOUR: &str = "extension four";

fn what_runs_is_what_the_plan_says(engine: Engine) {
    let chain = chain(engine, &[]);
    let story = &chain.story;
    chain.expect(&[], &["install tool 1.0.0", ONE, TWO, THREE, FOUR]);
    chain.append("extensions/four/scripts/10-four.sh", "# edited\n");
    chain.expect(&[], &[FOUR]);
    story.write_custom("extensions/three/words", "other words\n");
    chain.expect(&[], &[THREE, FOUR]);
    assert_eq!(engine.run(&story.extended("one-two-three-shares-four"), &["cat", "/opt/three"]).trim(), "other words");
    story.write_custom("extensions/two/words", &(story.repository.clone() + "-other"));
    chain.expect(&[], &[TWO, THREE, FOUR]);
    chain.append("extensions/two/Dockerfile", "RUN tool > /opt/late\n");
    story.write_custom("extensions/four/more", "");
    chain.expect(&[], &[TWO, THREE, FOUR]);
    chain.append("extensions/one/scripts/10-one.sh", "# edited\n");
    chain.expect(&[], &[ONE, TWO, THREE, FOUR]);
    // The agent is beneath all of them.
    chain.expect(&["--agent-version", "2"], &["install tool 2", ONE, TWO, THREE, FOUR]);
    assert_eq!(engine.run(&story.extended("one-two-three-shares-four"), &["tool"]).trim(), "tool 2");
    let more = ["--agent-version", "2", "--force"];
    chain.expect(&more, &[]);
    chain.expect(&[&more[..], &["--no-cache"]].concat(), &["install tool 2", ONE, TWO, THREE, FOUR]);
    // What is only told of an extension, or changes where nothing is run, runs nothing.
    for name in ["one", "shares"] {
        chain.append(&format!("extensions/{name}/extension.yml"), "# a comment\n");
        chain.expect(&["--agent-version", "2"], &[]);
    }
    // What the agent is called is on the images, and in none of their layers.
    story.write("agent.yml", "agent_full_name: The Tool\nagent_homepage: https://example.org/tool\n");
    chain.expect(&["--agent-version", "2"], &[]);
    let image = engine.image(&story.extended("one-two-three-shares-four")).unwrap();
    assert_eq!(image["Config"]["Labels"]["org.opencontainers.image.title"], "The Tool");
}

fn beneath_the_agent_extensions_stay_as_they_are(engine: Engine) {
    let chain = chain(engine, &["--extensions-first"]);
    let story = &chain.story;
    let install = |version: &str| format!("install tool {version}");
    chain.expect(&["--agent-version", "1"], &[ONE, TWO, THREE, FOUR, &install("1")]);
    let image = story.extended("one-two-three-shares-four");
    // There is no image of the agent without them.
    assert!(engine.image(&story.image()).is_none());
    let layers = engine.layers(&image);
    for version in ["2", "3"] {
        chain.expect(&["--agent-version", version], &[&install(version)]);
        assert_eq!(engine.run(&image, &["tool"]).trim(), format!("tool {version}"));
        let now = engine.layers(&image);
        assert_eq!((now.len(), &now[..now.len() - 1]), (layers.len(), &layers[..layers.len() - 1]));
    }
    chain.append("extensions/three/words", "more\n");
    chain.expect(&["--agent-version", "3"], &[THREE, FOUR, &install("3")]);
    assert_eq!(engine.run(&image, &["cat", "/opt/four"]).trim(), "four");

    // The same from a saved choice.
    let mut save = story.program();
    save.args(["save", "daily", "tool", "--base", "minbase", "--extension", "one", "--extensions-first"]);
    run(save.arg("--home").arg(story.home()).arg("--custom").arg(story.custom(""))).expect(0);
    let saved = |command: &str, version: &str| {
        let mut command = story.unchosen(command);
        command.args(["--image", "daily", "--base-repository", "aicage-test-base", "--format", "json"]);
        run(command.args(["--agent-version", version])).expect(0)
    };
    saved("build", "4");
    assert_eq!(steps_ahead(&saved("plan", "5").json()), [install("5")]);
    assert_eq!(saved("build", "5").steps_that_ran(), [install("5")]);
}

fn each_step_tells_what_it_added(engine: Engine) {
    let story = Story::new(engine);
    story.define_extension("large", "head -c 1000000 /dev/urandom > /opt/large\n");
    story.define_dockerfile_extension(
        "larger",
        "RUN head -c 2000000 /dev/urandom > /opt/larger\nENV X=1\nRUN head -c 1000000 /dev/urandom > /opt/more\n",
    );
    story.define_extension("gone", "rm -f /opt/large; head -c 5000000 /dev/urandom > /opt/x; rm /opt/x\n");
    let ran = run(story.with("build", &["large", "larger", "gone"]).args(["--format", "json"])).expect(0);
    let added: Vec<_> = ran.steps().into_iter().map(|step| (step.name, step.added_bytes.unwrap())).collect();
    let expected = [
        ("install tool 1.0.0", 0),
        ("extension large", 1_000_000),
        ("extension larger", 3_000_000),
        ("extension gone", 0),
    ];
    assert_eq!(added.len(), expected.len(), "{added:?}");
    for ((name, bytes), (expected_name, expected_bytes)) in added.iter().zip(expected) {
        assert_eq!(name, expected_name);
        // An engine counts whole blocks, and the folders above a file.
        assert!((expected_bytes..expected_bytes + 40_000).contains(bytes), "{name}: {bytes}");
    }
    let told = story.extend(&["large", "larger", "gone"]).expect(0).stdout;
    assert!(!told.contains("step:"), "{told}");
    let forced = run(story.with("build", &["large", "larger", "gone"]).arg("--force")).expect(0);
    assert!(forced.stdout.contains("\n  step: extension large (cached, 1.0"), "{}", forced.stdout);
}
