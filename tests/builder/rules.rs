//! Rules about which agent runs where: named with their file, before anything is done.

use aicage_tests::{Engine, Story, run};

/// Returns what is said about a build that a rule forbids, the story's folder named by a word.
fn forbidden(change: impl FnOnce(&Story)) -> String {
    let story = Story::new(Engine::Docker20);
    story.define_base("mine", "aicage-test-base:minbase", "RUN true\n");
    change(&story);
    let ran = run(story.bare("build").args(["--base", "mine"])).expect(3);
    assert_eq!((ran.stdout.as_str(), story.home_files()), ("", Vec::new()), "{}", ran.stderr);
    assert!(story.engine.names().iter().all(|name| !name.contains(&story.repository)));
    ran.stderr.replace(&story.folder().display().to_string(), "STORY")
}

fn agent_with(rule: &str) -> impl FnOnce(&Story) {
    let text = format!("agent_full_name: Tool\nagent_homepage: x\n{rule}\n");
    move |story| story.write("agent.yml", text)
}

#[test]
fn a_base_that_the_agent_excludes_is_not_built_for_it() {
    insta::assert_snapshot!(forbidden(agent_with("base_exclude: [debian, MINE]")), @r"
    error: agent tool does not run on base mine: base_exclude in STORY/definitions/agents/tool/agent.yml names it
    hint: choose another --base
    ");
    insta::assert_snapshot!(forbidden(agent_with("base_distro_exclude: [alpine, debian]")), @r"
    error: agent tool does not run on base mine: base_distro_exclude in STORY/definitions/agents/tool/agent.yml names Debian, and STORY/custom/base-images/mine/base.yml says that the base is one
    hint: choose another --base
    ");
    // Another agent, and the base alone, may be built.
    let story = Story::new(Engine::Docker20);
    story.define_base("mine", "aicage-test-base:minbase", "RUN true\n");
    agent_with("base_exclude: [others]\nbase_distro_exclude: [alpine]")(&story);
    run(story.bare("plan").args(["--base", "mine"])).expect(0);
}

#[test]
fn a_base_is_not_built_for_an_architecture_that_it_does_not_list() {
    let (_, version) = Engine::Docker20.api("GET", "/version", None);
    let own = serde_json::from_str::<serde_json::Value>(&version).unwrap()["Arch"].as_str().unwrap().to_owned();
    let other = if own == "arm64" { "amd64" } else { "arm64" };
    let said = forbidden(|story| {
        let path = story.custom("base-images/mine/base.yml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace("[amd64, arm64]", &format!("[{other}]"))).unwrap();
    });
    insta::assert_snapshot!(said.replace(&own, "OWN").replace(other, "OTHER"), @r"
    error: base mine is not for linux/OWN: architectures in STORY/custom/base-images/mine/base.yml lists OTHER
    hint: choose another --base
    ");
}

#[test]
fn a_base_does_not_stand_on_itself() {
    for own in ["custom-base", "base"] {
        let said = forbidden(|story| story.define_base("mine", &format!("{}/{own}:mine", story.repository), ""));
        assert!(
            said.starts_with("error: base mine would stand on itself: STORY/custom/base-images/mine/base.yml names ")
        );
        assert!(said.contains("\nhint: name the image there that the base is to be made from\n"), "{said}");
    }
}

#[test]
fn a_base_that_is_nowhere_is_told_with_those_that_are() {
    let story = Story::new(Engine::Docker20);
    story.define_base("mine", "aicage-test-base:minbase", "RUN true\n");
    let ran = run(story.unchosen("build").args(["--base", "mind"])).expect(3);
    assert!(ran.stderr.contains("base mind is not defined in ") && ran.stderr.contains("did you mean mine?"));
    assert_eq!(story.home_files(), []);
}
