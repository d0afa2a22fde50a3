//! What is built when, and what the answer says of it.

use aicage_tests::{Engine, Story};

#[test]
fn the_first_build_builds_and_the_second_does_nothing() {
    for engine in Engine::ALL {
        let story = Story::new(engine);
        let first = story.build::<&str>([]).expect(0);
        assert!(first.stdout.contains("because: image is missing"), "{engine:?}: {}", first.stdout);
        assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 1.0.0");
        let id = engine.id(&story.image());
        let second = story.build(["--format", "json"]).expect(0).json();
        assert_eq!(second["reasons"].as_array().unwrap().len(), 0, "{engine:?}: {second}");
        assert_eq!(engine.id(&story.image()), id);
        assert!(engine.image(&format!("{}-staging", story.image())).is_none());
    }
}
