//! Extensions with a Dockerfile of their own, among others.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aicage_tests::running::{Running, runs, wait_for};
use aicage_tests::{Engine, Ran, Story, on_every_engine, run};

on_every_engine!(
    a_dockerfile_has_its_arguments_its_context_and_its_stages,
    extensions_are_installed_in_the_users_order,
    no_name_for_a_moment_is_left,
    a_dockerfile_that_loses_what_is_beneath_is_refused,
);

/// A Dockerfile of two stages, one of them on another image than the one beneath.
const STAGES: &str = r#"
FROM OTHER AS made
ARG EXTENSION
RUN echo "made for $EXTENSION by $(cat /etc/other)" > /made
FROM ${BASE_IMAGE}
ARG BASE_IMAGE
ARG EXTENSION=none
COPY . /opt/context/
COPY --from=made /made /opt/made
ENV WHO=${EXTENSION}
USER nobody
WORKDIR /srv
RUN id -un > /tmp/user
RUN --mount=type=bind,source=scripts,target=/tmp/aicage/scripts sh /tmp/aicage/scripts/say.sh > /tmp/said
"#;

fn a_dockerfile_has_its_arguments_its_context_and_its_stages(engine: Engine) {
    let story = Story::new(engine);
    let others = format!("{}/other", story.repository);
    engine.make(&story.base_image, "echo another > /etc/other", &[], &others, "1");
    let folder = "extensions/staged";
    story.write_custom(&format!("{folder}/extension.yml"), "name: staged\ndescription: x\n");
    let text = STAGES.replace("OTHER", &format!("{others}:1"));
    story.write_custom(&format!("{folder}/Dockerfile"), format!("# {}\nARG BASE_IMAGE{text}", story.repository));
    story.write_custom(&format!("{folder}/.dockerignore"), "# left out\n*.txt\n!kept.txt\nDockerfile\n");
    for (path, text) in
        [("out.txt", "1"), ("kept.txt", "kept"), ("sub/out.txt", "sub"), ("scripts/say.sh", "echo hi; tool")]
    {
        story.write_custom(&format!("{folder}/{path}"), text);
    }
    story.define_extension("after", "id -un > /opt/user\npwd > /opt/where\necho \"$WHO\" > /opt/who\n");
    let build = || run(story.with("build", &["staged", "after"]).args(["--format", "json"])).expect(0);
    assert_eq!(build().steps_that_ran(), ["install tool 1.0.0", "extension staged", "extension after"]);
    let image = story.extended("staged-after");
    let read = |path: &str| engine.run(&image, &["cat", path]);
    assert_eq!(read("/opt/made"), "made for staged by another\n");
    assert_eq!((read("/tmp/user").as_str(), read("/tmp/said").as_str()), ("nobody\n", "hi\ntool 1.0.0\n"));
    let context = engine.run(&image, &["sh", "-c", "cd /opt/context && find . -type f | sort"]);
    assert_eq!(context, "./.dockerignore\n./kept.txt\n./scripts/say.sh\n./sub/out.txt\n");
    // What it says of the image's containers holds; scripts are for root all the same.
    let config = engine.image(&image).unwrap()["Config"].clone();
    assert_eq!((&config["User"], &config["WorkingDir"]), (&"nobody".into(), &"/srv".into()));
    assert_eq!(
        (read("/opt/user"), read("/opt/where"), read("/opt/who")),
        ("root\n".into(), "/srv\n".into(), "staged\n".into())
    );
    let environment = config["Env"].to_string();
    assert!(environment.contains("WHO=staged") && environment.contains("AICAGE_ENTRYPOINT_CMD=tool"), "{environment}");
    // Of what is mounted nothing is in the image but the folder that the oldest engine leaves of a mount of the user's.
    let listing = engine.listing(&image);
    assert!(
        !listing.keys().any(|path| path.contains("dev/aicage") || path.contains("tmp/aicage/scripts/say")),
        "{listing:?}"
    );

    // What the build cannot see decides nothing; what it can see does.
    story.write_custom(&format!("{folder}/out.txt"), "2");
    run(story.with("plan", &["staged", "after"]).arg("--exit-code")).expect(0);
    story.write_custom(&format!("{folder}/kept.txt"), "changed");
    let ran = run(story.with("plan", &["staged", "after"]).arg("--exit-code")).expect(4);
    assert!(ran.stdout.contains("because: extension staged: file kept.txt changed\n"), "{}", ran.stdout);
    assert_eq!(build().steps_that_ran(), ["extension staged", "extension after"]);
    assert_eq!(read("/opt/context/kept.txt"), "changed");
}

fn extensions_are_installed_in_the_users_order(engine: Engine) {
    let story = Story::new(engine);
    story.define_dockerfile_extension("gh", "RUN echo gh >> /opt/order\n");
    story.define_extension("act", "echo act >> /opt/order\n");
    story.define_dockerfile_extension("zed", "RUN echo zed >> /opt/order\n");
    for order in [["gh", "zed", "act"], ["act", "zed", "gh"]] {
        let ran = story.extend(&order).expect(0);
        // The name says what was typed, in the order in which it was.
        let image = story.extended(&order.join("-"));
        assert!(ran.stdout.contains(&format!("\n{image} was built\n")), "{}", ran.stdout);
        assert_eq!(engine.run(&image, &["cat", "/opt/order"]), order.join("\n") + "\n");
    }
    let twice = story.extend(&["act", "act"]).expect(3);
    assert!(twice.stderr.contains("error: extension act is asked for twice\n"), "{}", twice.stderr);
}

/// Runs a builder to its end and returns what it came to, with the story's names that there were meanwhile.
fn watched(story: &Story, extensions: &[&str]) -> (Ran, BTreeSet<String>) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                seen.extend(names(story));
                thread::sleep(Duration::from_millis(20));
            }
            seen
        });
        let ran = Running::start(&mut story.with("build", extensions)).end();
        over.store(true, Ordering::Relaxed);
        (ran, watcher.join().unwrap())
    })
}

fn names(story: &Story) -> BTreeSet<String> {
    let all = story.engine.names().into_iter();
    all.filter_map(|name| Some(name.split_once(&story.repository)?.1.to_owned())).collect()
}

fn no_name_for_a_moment_is_left(engine: Engine) {
    let story = Story::new(engine);
    let digits: String = story.repository.bytes().map(|byte| (byte % 10).to_string()).collect();
    let sleep = format!("sleep 87654.{digits}");
    story.define_extension("a", "echo a > /opt/a\n");
    story.define_dockerfile_extension("b", "RUN echo b > /opt/b && sleep 0.5\n");
    story.define_dockerfile_extension("c", "RUN echo c > /opt/c && sleep 0.5\n");
    let for_a_moment = |seen: &BTreeSet<String>| seen.iter().any(|name| name.contains("-staging-"));
    let expected: BTreeSet<_> = [":tool-debian", "/extended:tool-debian-a-b-c"].map(str::to_owned).into();

    let (ran, seen) = watched(&story, &["a", "b", "c"]);
    ran.expect(0);
    assert_eq!(names(&story), expected);
    // Only the oldest engine needs them.
    assert_eq!(for_a_moment(&seen), engine == Engine::Docker20, "{seen:?}");

    let dockerfile = format!("ARG BASE_IMAGE\nFROM $BASE_IMAGE\nRUN sleep 0.5; {sleep}\n");
    story.write_custom("extensions/c/Dockerfile", dockerfile.replace(&sleep, "false"));
    let (ran, seen) = watched(&story, &["a", "b", "c"]);
    ran.expect(5);
    assert_eq!(names(&story), expected);
    assert_eq!(for_a_moment(&seen), engine == Engine::Docker20, "{seen:?}");

    story.write_custom("extensions/c/Dockerfile", &dockerfile);
    let mut builder = Running::start(&mut story.with("build", &["a", "b", "c"]));
    wait_for("the step", || runs(&sleep).then_some(()));
    builder.kill();
    builder.end();
    assert_eq!(for_a_moment(&names(&story)), engine == Engine::Docker20, "{:?}", names(&story));
    wait_for("the end of the step", || (!runs(&sleep)).then_some(()));
    story.write_custom("extensions/c/Dockerfile", "ARG BASE_IMAGE\nFROM $BASE_IMAGE\nRUN echo again > /opt/c\n");
    let ran = story.extend(&["a", "b", "c"]).expect(0);
    assert!(ran.stdout.contains("/extended:tool-debian-a-b-c-previous\n"), "{}", ran.stdout);
    let previous = "/extended:tool-debian-a-b-c-previous".to_owned();
    assert_eq!(names(&story), expected.into_iter().chain([previous]).collect());
    assert_eq!(engine.run(&story.extended("a-b-c"), &["cat", "/opt/c"]).trim(), "again");
}

fn a_dockerfile_that_loses_what_is_beneath_is_refused(engine: Engine) {
    let story = Story::new(engine);
    story.define_extension("before", "true\n");
    story.define_dockerfile_extension("lost", "RUN true\n");
    let texts = [
        "ARG BASE_IMAGE\nFROM scratch\nCOPY Dockerfile /\n".to_owned(),
        format!("FROM {}\nRUN true\n", story.base_image),
        format!("ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}} AS first\nFROM {}\nCOPY --from=first / /\n", story.base_image),
    ];
    for text in texts {
        story.write_custom("extensions/lost/Dockerfile", &text);
        // On engines without named contexts it stands on an image of the engine both times, else only the second time.
        for (extensions, image) in [(["before", "lost"], "before-lost"), (["lost", "before"], "lost-before")] {
            let refused = story.extend(&extensions).expect(3);
            let told = "extension lost: the last stage of its Dockerfile is not made from ";
            assert!(refused.stderr.contains(told) && refused.stderr.contains("\nhint: "), "{}", refused.stderr);
            assert!(engine.image(&story.extended(image)).is_none());
        }
    }
    // One that adds to the config alone is made of nothing else.
    story.write_custom("extensions/lost/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nENV LOST=found\n");
    for extensions in [["before", "lost"], ["lost", "before"]] {
        story.extend(&extensions).expect(0);
        assert!(engine.run(&story.extended(&extensions.join("-")), &["env"]).contains("LOST=found"));
    }
}
