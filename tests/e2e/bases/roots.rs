//! Root images in a registry: they are followed, and an image outlives their being out of reach.

use aicage_tests::gate::State;
use aicage_tests::{Engine, Ran, on_every_engine, run};

use super::{alone, image, on, told};
use crate::registry::{Published, USER};

on_every_engine!(
    a_root_is_followed_at_its_registry,
    a_base_is_kept_while_its_root_is_out_of_reach,
    a_base_outlives_its_root,
    an_image_that_only_the_dockerfile_names_is_fetched_by_the_engine,
    a_private_root_is_had_with_the_users_password,
);

fn define(published: &Published) {
    let story = &published.story;
    let lines = "RUN cp /etc/base /etc/custom\nARG FROM_IMAGE\nRUN echo $FROM_IMAGE > /etc/root\n";
    story.define_base("mine", &story.base_image, lines);
}

fn says(published: &Published) -> String {
    let tool = format!("{}:tool-mine", published.story.repository);
    published.story.engine.run(&tool, &["cat", "/etc/custom"]).trim().to_owned()
}

fn build(published: &Published) -> Ran {
    run(&mut on(&published.story, "build", "mine"))
}

fn a_root_is_followed_at_its_registry(engine: Engine) {
    let published = Published::start(engine, None);
    let story = &published.story;
    define(&published);
    let one = published.digest_there();
    let built = build(&published).expect(0);
    assert_eq!(told(&built), ["base built: image is missing", "final built: image is missing"]);
    assert_eq!(built.json()["images"][0]["base"]["identity"], one.as_str(), "{}", built.stdout);
    assert_eq!(says(&published), "one");
    let root = engine.run(&image(story, "mine"), &["cat", "/etc/root"]);
    assert_eq!(root.trim(), format!("{}@{one}", published.repository()));
    assert_eq!(told(&build(&published).expect(0)), ["base upToDate", "final upToDate"]);

    let short = |digest: &str| digest[..19].to_owned();
    let two = published.publish("two");
    let built = build(&published).expect(0);
    let beneath = format!("final built: {} beneath it is built first", image(story, "mine"));
    let root = format!("base built: root image {} -> {}", short(&one), short(&two));
    assert_eq!(told(&built), [root, beneath]);
    assert_eq!(says(&published), "two");
    let label =
        &engine.image(&image(story, "mine")).unwrap()["Config"]["Labels"]["org.opencontainers.image.base.digest"];
    assert_eq!(label, two.as_str());
    // The root itself is no image of the engine.
    assert!(engine.image(&story.base_image).is_none());

    // One that names a digest is that for ever, and nobody is asked.
    let pinned = format!("{}@{one}", published.repository());
    story.define_base("mine", &pinned, "RUN cp /etc/base /etc/custom\n");
    let built = build(&published).expect(0);
    assert!(told(&built)[0].contains(&format!("root image {} -> {pinned}", story.base_image)), "{}", built.stdout);
    assert_eq!(says(&published), "one");
    published.gate.set(State::Shut);
    assert_eq!(told(&build(&published).expect(0)), ["base upToDate", "final upToDate"]);
}

fn a_base_is_kept_while_its_root_is_out_of_reach(engine: Engine) {
    let published = Published::start(engine, None);
    let story = &published.story;
    define(&published);
    published.gate.set(State::Shut);
    let missing = build(&published);
    assert!(matches!(missing.code, Some(69 | 75)), "{missing:?}");
    assert!(
        missing.stderr.contains(&format!("error: root image is not available: {}", story.base_image)),
        "{}",
        missing.stderr
    );
    assert!(missing.stderr.contains("\nhint: there is no local copy to fall back to; "), "{}", missing.stderr);
    assert!(!story.home().join("logs").exists() && engine.image(&image(story, "mine")).is_none());

    published.gate.set(State::Open);
    build(&published).expect(0);
    let id = engine.id(&image(story, "mine"));
    published.gate.set(State::Shut);
    let note = format!("note: root image {} could not be checked, the image is kept: ", story.base_image);
    let kept = build(&published).expect(0);
    assert_eq!(told(&kept), ["base kept", "final kept"]);
    assert!(kept.stderr.contains(&note), "{}", kept.stderr);
    assert_eq!(kept.json()["notices"][0]["kind"], "base_not_checked", "{}", kept.stdout);

    // What changed meanwhile waits, which is said; the agent's own news do not.
    story.write_custom(
        "base-images/mine/Dockerfile",
        "ARG FROM_IMAGE\nFROM $FROM_IMAGE\nRUN echo edited > /etc/custom\n",
    );
    let kept = run(on(story, "build", "mine").args(["--agent-version", "2.0.0"])).expect(0);
    assert_eq!(told(&kept), ["base kept", "final built: agent version 1.0.0 -> 2.0.0 (chosen)"]);
    assert!(kept.stderr.contains("not rebuilt, though there are reasons (file Dockerfile changed)"), "{}", kept.stderr);
    assert_eq!((engine.id(&image(story, "mine")), says(&published).as_str()), (id, "one"));
    let forced = run(on(story, "build", "mine").arg("--force"));
    assert!(matches!(forced.code, Some(69 | 75)), "{forced:?}");

    published.gate.set(State::Open);
    run(on(story, "build", "mine").args(["--agent-version", "2.0.0"])).expect(0);
    assert_eq!(says(&published), "edited");
}

fn a_base_outlives_its_root(engine: Engine) {
    let published = Published::start(engine, None);
    define(&published);
    build(&published).expect(0);
    published.withdraw();
    let note = format!("note: root image {} could not be checked, the image is kept: ", published.story.base_image);
    let kept = build(&published).expect(0);
    assert_eq!(told(&kept), ["base kept", "final kept"]);
    assert!(kept.stderr.contains(&note) && kept.stderr.contains("has no such image"), "{}", kept.stderr);
    let forced = run(on(&published.story, "build", "mine").arg("--force")).expect(3);
    let said = format!("error: root image does not exist: {}", published.story.base_image);
    assert!(forced.stderr.contains(&said), "{}", forced.stderr);
    assert_eq!(says(&published), "one");
}

fn an_image_that_only_the_dockerfile_names_is_fetched_by_the_engine(engine: Engine) {
    let published = Published::start(engine, None);
    let story = &published.story;
    let line = format!("COPY --from={} /etc/base /etc/custom\n", story.base_image);
    story.define_base("mine", super::ROOT, &line);
    published.gate.set(State::Shut);
    let ran = build(&published).expect(69);
    assert!(ran.stderr.contains("error: base mine was not built: ") && ran.stderr.contains(&published.gate.address));
    assert!(ran.stderr.contains("\nhint: the engine fetches this by itself: "), "{}", ran.stderr);
    published.gate.set(State::Open);
    build(&published).expect(0);
    assert_eq!(says(&published), "one");
}

fn a_private_root_is_had_with_the_users_password(engine: Engine) {
    let published = Published::start(engine, Some(USER));
    let story = &published.story;
    define(&published);
    for password in [None, Some("wr0ng-pa55")] {
        if let Some(password) = password {
            published.log_in(password);
        }
        let refused = build(&published).expect(7);
        assert!(refused.stderr.contains("error: root image is not available: "), "{}", refused.stderr);
        assert!(refused.stderr.contains("\nhint: log in with `docker login`"), "{}", refused.stderr);
        assert!(!refused.stderr.contains("wr0ng-pa55"), "{}", refused.stderr);
    }
    published.log_in(USER.1);
    build(&published).expect(0);
    assert_eq!(says(&published), "one");
    run(alone(story, "plan", "mine").arg("--exit-code")).expect(0);
}
