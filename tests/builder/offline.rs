//! Without an engine there is no answer, and that is said.

use aicage_tests::{Engine, Story, run};

#[test]
fn an_engine_that_is_not_there_is_named_with_exit_code_69() {
    let story = Story::new(Engine::Docker20);
    let ran = run(story.command("build").env("DOCKER_HOST", "unix:///no/such/socket")).expect(69);
    assert!(ran.stderr.contains("/no/such/socket"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}
