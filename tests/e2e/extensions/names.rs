//! What extended images are called, and choices that are saved under a name.

use std::fs;

use aicage_tests::{Engine, Ran, Story, on_every_engine, run};

on_every_engine!(
    an_image_is_named_after_what_is_in_it,
    a_saved_choice_is_built_by_its_name,
    saving_overwrites_nothing_unless_told,
);

/// Runs `aicage-builder save` with these words.
fn save(story: &Story, words: &str) -> Ran {
    let mut command = story.program();
    command.arg("save").args(words.split(' '));
    run(command.arg("--home").arg(story.home()).arg("--custom").arg(story.custom("")))
}

/// Runs a command about a saved image, on the story's base by its name.
fn saved(story: &Story, command: &str, name: &str, more: &[&str]) -> Ran {
    let mut command = story.unchosen(command);
    run(command.args(["--image", name, "--base-repository", "aicage-test-base"]).args(more))
}

fn an_image_is_named_after_what_is_in_it(engine: Engine) {
    let mut story = Story::new(engine);
    // The names that everybody uses are used by other tests too.
    let unique = story.repository.replace("aicage-test-story", "codex");
    story.agent = unique.to_uppercase();
    for (file, text) in [
        ("agent.yml", "agent_full_name: Codex\nagent_homepage: x\n"),
        ("install.sh", "exit 1\n"),
        ("version.sh", "echo 1\n"),
    ] {
        story.write(file, text);
    }
    story.define_extension("Act", "true\n");
    story.define_dockerfile_extension("gh", "RUN true\n");
    // Nothing but the choice: the repositories have the names that the users' tools expect.
    let plan = |extensions: &[&str]| {
        let mut command = story.program();
        command.args(["plan", &story.agent, "--base", "debian", "--base-image", &story.base_image, "--format", "json"]);
        command.arg("--home").arg(story.home()).arg("--definitions").arg(story.definitions());
        command.arg("--custom").arg(story.custom(""));
        command.args(extensions.iter().flat_map(|name| ["--extension", name]));
        let images = run(&mut command).expect(0).json()["images"].clone();
        let names = images.as_array().unwrap().iter().map(|image| image["image"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let below = format!("aicage:{unique}-debian");
    assert_eq!(plan(&["Act", "gh"]), [below.clone(), format!("aicage-extended:{unique}-debian-act-gh")]);
    assert_eq!(plan(&["gh", "Act"]), [below, format!("aicage-extended:{unique}-debian-gh-act")]);
    // Another choice may join to the same name; it does not get the other's image.
    story.agent = "tool".to_owned();
    for name in ["a-b", "c", "a", "b-c"] {
        story.define_extension(name, "true\n");
    }
    story.extend(&["a-b", "c"]).expect(0);
    let image = story.extended("a-b-c");
    let (id, taken) = (engine.id(&image), story.extend(&["a", "b-c"]).expect(3));
    let error = format!("error: the name {image} is taken by agent tool on base debian with a-b, c\n");
    assert!(taken.stderr.contains(&error), "{}", taken.stderr);
    assert_eq!(engine.id(&image), id);
}

fn a_saved_choice_is_built_by_its_name(engine: Engine) {
    let story = Story::new(engine);
    story.define_extension("act", "echo act >> /opt/order\n");
    story.define_dockerfile_extension("gh", "RUN echo gh >> /opt/order\n");
    save(&story, "Work tool --base minbase --extension gh --extension act").expect(0);
    let image = format!("{}/extended:work", story.repository);
    let planned = saved(&story, "plan", "Work", &["--exit-code"]).expect(4);
    assert!(
        planned.stdout.contains(&format!("\n{image} would be built\n  because: image is missing\n")),
        "{}",
        planned.stdout
    );
    let built = saved(&story, "build", "Work", &["--format", "json"]).expect(0);
    assert_eq!(built.steps_that_ran(), ["install tool 1.0.0", "extension gh", "extension act"]);
    assert_eq!(built.json()["image"], image.as_str());
    assert_eq!(engine.run(&image, &["cat", "/opt/order"]), "gh\nact\n");
    saved(&story, "plan", "Work", &["--exit-code"]).expect(0);
    // It is what it is called, not what is in it.
    let names = engine.names();
    assert!(!names.iter().any(|name| name.contains(&story.repository) && name.contains("-gh")), "{names:?}");

    // Another choice under the name replaces the image, and runs what is new of it.
    save(&story, "Work tool --base minbase --extension gh --replace").expect(0);
    let planned = saved(&story, "plan", "Work", &["--exit-code"]).expect(4);
    let reason = "because: agent tool on base minbase with gh, act -> agent tool on base minbase with gh\n";
    assert!(planned.stdout.contains(reason), "{}", planned.stdout);
    assert_eq!(saved(&story, "build", "Work", &["--format", "json"]).expect(0).steps_that_ran(), Vec::<String>::new());
    assert_eq!(engine.run(&image, &["cat", "/opt/order"]), "gh\n");

    // The file of the early days, with a reference of its own, in the folder that it had then.
    let folder = story.home().join("custom/image-extended/mine");
    fs::create_dir_all(&folder).unwrap();
    let text = format!("agent: tool\nbase: minbase\nextensions: [act]\nimage_ref: {}/any:name\n", story.repository);
    fs::write(folder.join("image-extended.yaml"), text).unwrap();
    saved(&story, "build", "mine", &[]).expect(0);
    let words = engine.run(&format!("{}/any:name", story.repository), &["cat", "/opt/order"]);
    assert_eq!(words.trim(), "act");
    let unknown = saved(&story, "build", "wrk", &[]).expect(3);
    assert!(unknown.stderr.contains("wrk") && unknown.stderr.contains("Work"), "{}", unknown.stderr);
}

fn saving_overwrites_nothing_unless_told(engine: Engine) {
    let story = Story::new(engine);
    let ran = save(&story, "work tool --base debian --extension act --extension gh").expect(0);
    let path = ran.stdout.lines().next().unwrap().strip_prefix("work is saved in ").unwrap().to_owned();
    let text = fs::read_to_string(&path).unwrap();
    // The same again is no harm; anything else is.
    save(&story, "work tool --base debian --extension act --extension gh").expect(0);
    for other in
        ["--extension gh --extension act", "--extension act", "--extension act --extension gh --extensions-first"]
    {
        let ran = save(&story, &format!("work tool --base debian {other}")).expect(3);
        assert!(
            ran.stderr.contains(&format!("error: image work is saved already, as {path}\nhint: --replace ")),
            "{}",
            ran.stderr
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    save(&story, "Work tool --base debian --extension act").expect(3);
    save(&story, "work tool --base debian").expect(2);
    save(&story, "work tool --base debian --extension gh --extensions-first --replace").expect(0);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("extensions_first: true") && !text.contains("act"), "{text}");
}
