//! `list images` says of every image what `plan` would say, and changes nothing.

use std::collections::BTreeMap;

use aicage_tests::gate::State;
use aicage_tests::running::{Running, runs, wait_for};
use aicage_tests::{Engine, Ran, Story, TOOL, on_every_engine, run, variable};
use serde_json::Value;

use crate::plan::everything;
use crate::registry::Published;

on_every_engine!(
    an_image_is_current_then_stale_then_missing,
    a_chain_of_saved_layers_is_listed_from_its_base_up,
    what_has_lost_its_definition_is_said_to_have,
    all_versions_are_asked_for_in_one_call,
    an_image_whose_base_cannot_be_checked_is_kept,
    images_without_records_are_listed_by_their_labels,
    an_interrupted_list_leaves_nobody_behind,
);

/// Starts a story on a base that a registry has, so that it can be checked wherever the engine keeps its images.
fn story(engine: Engine) -> Story {
    let mut story = Story::new(engine);
    let repository = format!("{}/{}/base", variable("AICAGE_TEST_REGISTRY"), story.repository);
    engine.tag("aicage-test-base:minbase", &repository, "debian");
    story.base_image = format!("{repository}:debian");
    engine.push(&story.base_image, None);
    story
}

fn list(story: &Story, more: &[&str]) -> Ran {
    let before = everything(story.folder());
    let ran = run(story.list().args(more)).expect(0);
    assert_eq!(everything(story.folder()), before, "a list changes nothing");
    ran
}

/// Returns the state of every image of the story by its name, and why, after the story's repository.
fn states(story: &Story) -> BTreeMap<String, String> {
    let document = list(story, &["--format", "json"]).json();
    assert_eq!((&document["schemaVersion"], &document["command"]), (&1.into(), &"list images".into()));
    let text = list(story, &[]).stdout;
    let state = |image: &Value| {
        let texts = |key: &str| {
            let items = image[key].as_array().unwrap().clone();
            items.into_iter().map(|item| item["text"].as_str().unwrap().to_owned())
        };
        let because = image["because"].as_str().map(str::to_owned);
        let notices = texts("notices").filter(|_| image["state"] == "kept");
        let why: Vec<_> = texts("reasons").chain(notices).chain(because).collect();
        let word = image["state"].as_str().unwrap();
        let told = if why.is_empty() { word.to_owned() } else { format!("{word}: {}", why.join("; ")) };
        let name = image["image"].as_str().unwrap();
        // People are told the same.
        let line = text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap_or_else(|| panic!("{text}"));
        // A connection breaks in more ways than one.
        let same = told.split_once(", the image is kept: ").map_or(told.as_str(), |(before, _)| before);
        assert!(line.contains(&format!("  {same}")), "{line}\n{told}");
        (name.strip_prefix(&story.repository).unwrap().to_owned(), told)
    };
    document["images"].as_array().unwrap().iter().map(state).collect()
}

#[track_caller]
fn expect(story: &Story, expected: &[(&str, &str)]) {
    let expected: BTreeMap<_, _> =
        expected.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect();
    assert_eq!(states(story), expected);
}

fn an_image_is_current_then_stale_then_missing(engine: Engine) {
    let story = story(engine);
    expect(&story, &[]);
    story.build::<&str>([]).expect(0);
    expect(&story, &[(":tool-debian", "current")]);
    let document = list(&story, &["--format", "json"]).json();
    let image = &document["images"][0];
    assert_eq!((&image["kind"], &image["imageId"]), (&"final".into(), &engine.id(&story.image()).into()));
    assert_eq!((&image["agent"]["name"], &image["agent"]["version"]), (&"tool".into(), &"1.0.0".into()));
    assert_eq!(image["base"]["name"], "debian");
    assert!(image["sizeBytes"].as_u64().unwrap() > 1_000_000, "{image}");
    assert!(image["createdAt"].as_str().unwrap().ends_with('Z'), "{image}");

    let script = std::fs::read_to_string(story.definition("install.sh")).unwrap();
    story.write("install.sh", script.clone() + "\n");
    story.write("version.sh", "#!/usr/bin/env bash\necho 2.0.0\n");
    let stale = "stale: agent version 1.0.0 -> 2.0.0 (version.sh on the host); file install.sh changed; file version.sh changed";
    expect(&story, &[(":tool-debian", stale)]);
    let planned = story.plan::<&str>([]).expect(0);
    assert!(planned.stdout.contains("because: file install.sh changed\n"), "{}", planned.stdout);
    // The image before the current one is none of its own.
    story.build::<&str>([]).expect(0);
    assert!(engine.image(&story.previous()).is_some());
    expect(&story, &[(":tool-debian", "current")]);

    engine.remove(&story.previous());
    engine.remove(&story.image());
    expect(&story, &[(":tool-debian", "missing")]);
    let absent = run(story.list().env("DOCKER_HOST", "unix:///no/such/docker.sock")).expect(69);
    assert!(absent.stderr.contains("there is no socket"), "{}", absent.stderr);
}

fn a_chain_of_saved_layers_is_listed_from_its_base_up(engine: Engine) {
    let story = story(engine);
    story.define_base("mine", &story.base_image, "RUN echo one > /etc/mine\n");
    story.define_extension("act", "echo act > /opt/act\n");
    story.define_extension("gh", "echo gh > /opt/gh\n");
    story.write_custom(
        "image-extended/daily/image-extended.yml",
        "agent: tool\nbase: mine\nextensions: [gh, act]\nextensions_first: true\n",
    );
    expect(&story, &[("/extended:daily", "missing")]);
    let image = list(&story, &["--format", "json"]).json()["images"][0].clone();
    assert_eq!((&image["saved"], &image["base"]["name"]), (&"daily".into(), &"mine".into()));
    assert_eq!((&image["sizeBytes"], &image["createdAt"]), (&Value::Null, &Value::Null));
    run(story.unchosen("build").args(["--image", "daily"])).expect(0);
    let mut ad_hoc = story.unchosen("build");
    run(ad_hoc.args(["tool", "--base", "mine", "--extension", "act"])).expect(0);
    let current = [
        ("/custom-base:mine", "current"),
        ("/extended:tool-mine-act", "current"),
        ("/extended:daily", "current"),
        (":tool-mine", "current"),
    ];
    expect(&story, &current);
    let document = list(&story, &["--format", "json"]).json();
    let kinds: Vec<_> = document["images"].as_array().unwrap().iter().map(|image| image["kind"].clone()).collect();
    assert_eq!(kinds, ["base", "final", "extended", "extended"]);
    let daily = &document["images"][2];
    assert_eq!((&daily["saved"], &daily["extensions"]), (&"daily".into(), &serde_json::json!(["gh", "act"])));

    story.define_extension("act", "echo other > /opt/act\n");
    let stale = "stale: extension act: file scripts/10-act.sh changed";
    let changed = [("/extended:tool-mine-act", stale), ("/extended:daily", stale)];
    expect(&story, &[current[0], changed[0], changed[1], current[3]]);

    story.define_extension("act", "echo act > /opt/act\n");
    story.define_base("mine", &story.base_image, "RUN echo two > /etc/mine\n");
    let (base, agent) = (format!("{}/custom-base:mine", story.repository), format!("{}:tool-mine", story.repository));
    let (upon_base, upon_agent) =
        (format!("stale: {base} beneath it is built first"), format!("stale: {agent} beneath it is built first"));
    let stale = [
        ("/custom-base:mine", "stale: file Dockerfile changed"),
        ("/extended:tool-mine-act", upon_agent.as_str()),
        ("/extended:daily", upon_base.as_str()),
        (":tool-mine", upon_base.as_str()),
    ];
    expect(&story, &stale);
}

fn what_has_lost_its_definition_is_said_to_have(engine: Engine) {
    let story = story(engine);
    story.define_extension("act", "true\n");
    story.extend(&["act"]).expect(0);
    std::fs::rename(story.custom("extensions/act"), story.custom("extensions/other")).unwrap();
    expect(
        &story,
        &[("/extended:tool-debian-act", "orphaned: extension act is not defined"), (":tool-debian", "current")],
    );
    std::fs::rename(story.custom("extensions/other"), story.custom("extensions/act")).unwrap();
    story.write("agent.yml", "agent_full_name: Tool\nagent_homepage: x\nbase_exclude: [debian]\n");
    for (_, state) in states(&story) {
        assert!(state.starts_with("refused: agent tool does not run on base debian: base_exclude in "), "{state}");
    }
    std::fs::remove_dir_all(story.definition("")).unwrap();
    let orphaned = "orphaned: agent tool is not defined";
    expect(&story, &[("/extended:tool-debian-act", orphaned), (":tool-debian", orphaned)]);
    // Of what is nowhere any more, a record is no image.
    engine.remove(&story.extended("act"));
    expect(&story, &[(":tool-debian", orphaned)]);
}

fn all_versions_are_asked_for_in_one_call(engine: Engine) {
    let mut story = story(engine);
    let calls = story.folder().join("calls");
    let script = format!("#!/usr/bin/env bash\necho \"$0 $PPID\" >> '{}'\necho 1.0.0\n", calls.display());
    story.write("version.sh", &script);
    story.define_extension("act", "true\n");
    story.extend(&["act"]).expect(0);
    story.agent = "other".to_owned();
    story.write("agent.yml", "agent_full_name: Other\nagent_homepage: x\n");
    story.install(TOOL);
    story.write("version.sh", &script);
    story.build::<&str>([]).expect(0);

    std::fs::remove_file(&calls).unwrap();
    let listed = run(story.list().args(["--format", "json"])).expect(0).json();
    assert_eq!(listed["images"].as_array().unwrap().len(), 3);
    let calls = std::fs::read_to_string(calls).unwrap();
    let parents: Vec<_> = calls.lines().map(|line| line.rsplit_once(' ').unwrap().1).collect();
    assert!(parents.len() == 2 && parents[0] == parents[1], "{calls}");
}

fn an_image_whose_base_cannot_be_checked_is_kept(engine: Engine) {
    let published = Published::start(engine, None);
    let story = &published.story;
    story.build::<&str>([]).expect(0);
    expect(story, &[(":tool-debian", "current")]);
    published.gate.set(State::Shut);
    let state = states(story).remove(":tool-debian").unwrap();
    let kept = format!("kept: base {} could not be checked, the image is kept: ", story.base_image);
    assert!(state.starts_with(&kept), "{state}");
    published.gate.set(State::Open);
    published.publish("two");
    assert!(states(story)[":tool-debian"].starts_with("stale: base sha256:"), "{:?}", states(story));
}

fn images_without_records_are_listed_by_their_labels(engine: Engine) {
    let story = story(engine);
    story.define_extension("act", "true\n");
    story.extend(&["act"]).expect(0);
    std::fs::remove_dir_all(story.home()).unwrap();
    expect(&story, &[("/extended:tool-debian-act", "current"), (":tool-debian", "current")]);
    // They are found in our repositories and nowhere else.
    let elsewhere = Story::new(engine);
    assert_eq!(list(&elsewhere, &[]).stdout.lines().count(), 1);
}

fn an_interrupted_list_leaves_nobody_behind(engine: Engine) {
    let story = story(engine);
    story.build::<&str>([]).expect(0);
    // A number of seconds that no other process sleeps for.
    let sleep = format!("sleep {}.{}", 300, engine as u64 + 10 * u64::from(std::process::id()));
    story.write("version.sh", format!("#!/usr/bin/env bash\n{sleep}\n"));
    let running = Running::start(&mut story.list());
    wait_for("the look for a version", || runs(&sleep).then_some(()));
    running.signal("INT");
    let ran = running.end().expect(130);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("error: interrupted"), "{ran:?}");
    wait_for("the end of the script", || (!runs(&sleep)).then_some(()));
}
