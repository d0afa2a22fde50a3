//! The image before the current one: kept until the next success, and no longer.

use aicage_tests::{Engine, Story, on_every_engine};

on_every_engine!(
    the_image_before_stays_until_the_next_success,
    images_without_a_name_do_not_pile_up,
    an_image_with_a_name_of_its_own_stays,
    an_image_that_a_container_uses_stays_until_it_is_free,
);

fn build(story: &Story, version: &str) -> String {
    story.build(["--agent-version", version]).expect(0);
    story.engine.id(&story.image())
}

fn the_image_before_stays_until_the_next_success(engine: Engine) {
    let story = Story::new(engine);
    let one = build(&story, "1");
    assert!(engine.image(&story.previous()).is_none());
    let two = story.build(["--agent-version", "2"]).expect(0);
    assert!(two.stdout.contains(&format!("\n  the image before it is {}\n", story.previous())), "{}", two.stdout);
    assert_eq!(engine.id(&story.previous()), one);
    assert_eq!(engine.run(&story.previous(), &["tool"]).trim(), "tool 1");
    let two = engine.id(&story.image());
    let three = build(&story, "3");
    assert_eq!((engine.id(&story.image()), engine.id(&story.previous())), (three, two));
    assert!(engine.image(&one).is_none(), "the oldest is still there");
}

fn images_without_a_name_do_not_pile_up(engine: Engine) {
    let story = Story::new(engine);
    story.write("agent.yml", format!("agent_full_name: {}\nagent_homepage: x\n", story.repository));
    for version in 0..6 {
        build(&story, &version.to_string());
    }
    assert_eq!(engine.nameless("org.opencontainers.image.title", &story.repository), Vec::<String>::new());
    let mut names = engine.names();
    names.retain(|name| name.starts_with(&story.repository));
    names.sort();
    assert_eq!(names, [story.image(), story.previous()]);
}

fn an_image_with_a_name_of_its_own_stays(engine: Engine) {
    let story = Story::new(engine);
    let one = build(&story, "1");
    engine.tag(&story.image(), &format!("{}/mine", story.repository), "first");
    build(&story, "2");
    build(&story, "3");
    build(&story, "4");
    assert_eq!(engine.id(&format!("{}/mine:first", story.repository)), one);
}

fn an_image_that_a_container_uses_stays_until_it_is_free(engine: Engine) {
    let story = Story::new(engine);
    build(&story, "1");
    let container = engine.start(&story.image(), &["sleep", "300"]);
    let two = build(&story, "2");
    let three = build(&story, "3");
    assert_eq!((engine.id(&story.image()), engine.id(&story.previous())), (three, two));
    let (status, _) = engine.api("GET", &format!("/containers/{container}/json"), None);
    assert_eq!(status, 200);
    engine.discard(&container);
    story.build(["--agent-version", "3"]).expect(0);
    let mut names = engine.names();
    names.retain(|name| name.starts_with(&story.repository));
    names.sort();
    assert_eq!(names, [story.image(), story.previous()]);
}
