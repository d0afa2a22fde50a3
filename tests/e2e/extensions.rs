//! Extended images: the user's extensions upon a final image, or beneath its agent.

mod caches;
mod dockerfiles;
mod interrupted;
mod names;
mod published;
mod reruns;
mod scripts;
mod secrets;

use aicage_tests::{Engine, Story, on_every_engine, run};

on_every_engine!(a_dockerfile_stands_between_two_scripts);

fn a_dockerfile_stands_between_two_scripts(engine: Engine) {
    let story = Story::new(engine);
    story.define_extension("first", "tool > /opt/first\n");
    story.define_dockerfile_extension("second", "ARG EXTENSION\nRUN (cat /opt/first; echo $EXTENSION) > /opt/second\n");
    story.define_extension("third", "(cat /opt/second; echo third) > /opt/third\n");
    let built = run(story.with("build", &["first", "second", "third"]).args(["--format", "json"])).expect(0);
    assert_eq!(
        built.steps_that_ran(),
        ["install tool 1.0.0", "extension first", "extension second", "extension third"],
        "{}",
        built.stdout
    );
    let image = story.extended("first-second-third");
    assert_eq!(engine.run(&image, &["cat", "/opt/third"]), "tool 1.0.0\nsecond\nthird\n");
    run(story.with("plan", &["first", "second", "third"]).arg("--exit-code")).expect(0);
    let left: Vec<_> = engine.names().into_iter().filter(|name| name.contains(&story.repository)).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
