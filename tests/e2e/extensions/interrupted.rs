//! Builds of extended images that are stopped, and several of them at once.

use std::fs;
use std::path::PathBuf;

use aicage_tests::running::{Running, runs, wait_for};
use aicage_tests::{Engine, Ran, Story, on_every_engine};

on_every_engine!(
    ctrl_c_in_the_middle_of_the_extensions_changes_nothing,
    of_two_builders_of_one_extended_image_one_builds_and_one_waits,
);

/// The names of images with their ids, and the files of a home with their bytes.
type State = (Vec<(String, String)>, Vec<(PathBuf, Vec<u8>)>);

/// Returns what a run must leave as it was: names, images and records.
fn state(story: &Story) -> State {
    let ours = |name: &String| name.contains(&story.repository);
    let mut names: Vec<_> = story.engine.names().into_iter().filter(ours).collect();
    names.sort();
    let images = names.into_iter().map(|name| (name.clone(), story.engine.id(&name))).collect();
    let mut records = story.home_files();
    let is_record = |path: &PathBuf| {
        let ends = path.extension().is_some_and(|end| end == "json" || end == "yml");
        ends && !path.to_string_lossy().contains("version")
    };
    records.retain(|(path, _)| is_record(path));
    (images, records)
}

fn ctrl_c_in_the_middle_of_the_extensions_changes_nothing(engine: Engine) {
    let story = Story::new(engine);
    let digits: String = story.repository.bytes().map(|byte| (byte % 10).to_string()).collect();
    let sleep = format!("sleep 76543.{digits}");
    let extensions = ["a", "b", "c"];
    let define = |name: &str, words: &str| story.define_extension(name, &format!("echo {words} > /opt/{name}\n"));
    define("a", "first");
    story.define_dockerfile_extension("b", "RUN echo first > /opt/b\n");
    define("c", "first");
    story.extend(&extensions).expect(0);
    let before = state(&story);
    assert_eq!((before.0.len(), before.1.len()), (2, 4), "{before:?}");

    define("a", "second");
    story.define_dockerfile_extension("b", &format!("RUN echo second > /opt/b; {sleep}\n"));
    for signal in ["INT", "TERM"] {
        let builder = Running::start(&mut story.with("build", &extensions));
        wait_for("the second extension", || runs(&sleep).then_some(()));
        builder.signal(signal);
        let ran = builder.end().expect(130);
        assert!(ran.stderr.contains("error: interrupted\n"), "{}", ran.stderr);
        wait_for("the end of the step", || (!runs(&sleep)).then_some(()));
        let mut now = state(&story);
        // Where names for a moment are needed, there was no time to take them away; the next run does it.
        if engine == Engine::Docker20 {
            now.0.retain(|(name, _)| !name.contains("-staging-"));
        }
        assert_eq!(now, before);
    }
    let image = story.extended("a-b-c");
    assert_eq!(engine.run(&image, &["cat", "/opt/a"]).trim(), "first");

    story.define_dockerfile_extension("b", "RUN echo third > /opt/b\n");
    let built = aicage_tests::run(story.with("build", &extensions).args(["--format", "json"])).expect(0);
    // What was done before the interruption is not done again.
    assert_eq!(built.steps_that_ran(), ["extension b", "extension c"]);
    let said = engine.run(&image, &["cat", "/opt/a", "/opt/b", "/opt/c"]);
    assert_eq!(said, "second\nthird\nfirst\n");
    let names: Vec<_> = state(&story).0.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [image.clone(), format!("{image}-previous"), story.image()]);
}

fn of_two_builders_of_one_extended_image_one_builds_and_one_waits(engine: Engine) {
    let story = Story::new(engine);
    // Long enough for the slower one of two programs started at once to come in time.
    story.define_extension("a", "echo a > /opt/a; sleep 4\n");
    story.define_dockerfile_extension("b", "RUN echo b > /opt/b\n");
    let builders: Vec<_> = (0..2).map(|_| Running::start(&mut story.with("build", &["a", "b"]))).collect();
    let ran: Vec<Ran> = builders.into_iter().map(|builder| builder.end().expect(0)).collect();
    let (built, waited): (Vec<_>, Vec<_>) = ran.iter().partition(|ran| ran.stdout.contains("was built"));
    let ([built], [waited]) = (built.as_slice(), waited.as_slice()) else { panic!("not one built: {ran:?}") };
    assert_eq!(built.stdout.matches("was built").count(), 2, "{built:?}");
    assert!(waited.stderr.contains("another build of ") && waited.stderr.contains("; waiting for it\n"), "{waited:?}");
    let logs = fs::read_dir(story.home().join("logs/image-extended/build")).unwrap().count();
    assert_eq!((logs, story.logs().len()), (1, 1));

    // One for the image beneath, and one for another upon it, wait for each other and for nobody else.
    story.define_extension("c", "echo c > /opt/c; sleep 1\n");
    let chains: [&[&str]; 4] = [&[], &["a", "b"], &["c"], &["c", "a"]];
    let start = |extensions: &[&str]| Running::start(story.with("build", extensions).args(["--agent-version", "2"]));
    let builders: Vec<_> = chains.iter().map(|extensions| start(extensions)).collect();
    for builder in builders {
        builder.end().expect(0);
    }
    for extensions in &chains[1..] {
        let image = story.extended(&extensions.join("-"));
        assert_eq!(engine.run(&image, &["tool"]).trim(), "tool 2", "{image}");
    }
}
