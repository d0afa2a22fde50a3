//! A builder that is killed, at any moment of its work.

use std::time::{Duration, Instant};

use aicage_tests::running::Running;
use aicage_tests::{Engine, Story, TOOL, on_every_engine, run};
use serde_json::Value;

on_every_engine!(killing_the_builder_at_any_moment_loses_nothing);

/// How many moments of a whole run are tried.
const MOMENTS: u32 = 12;

/// How many moments are tried from where the engine begins to store the image: there the names and the records change.
const LATE_MOMENTS: u32 = 13;

fn killing_the_builder_at_any_moment_loses_nothing(engine: Engine) {
    let story = Story::new(engine);
    story.write("agent.yml", format!("agent_full_name: {}\nagent_homepage: x\n", story.repository));
    story.install(&format!("sleep 0.1\n{TOOL}sleep 0.1\n"));
    let first = Running::start(story.command("build").args(["--agent-version", "0"]));
    let began = Instant::now();
    assert!(first.says("exporting to image"));
    let exporting = began.elapsed();
    first.end().expect(0);
    let whole = began.elapsed();
    story.build(["--agent-version", "1"]).expect(0);

    // Some killed builds were already done.
    let mut version = 1;
    for moment in 0..MOMENTS + LATE_MOMENTS {
        version += 1;
        let mut builder = Running::start(story.command("build").args(["--agent-version", &version.to_string()]));
        if moment < MOMENTS {
            std::thread::sleep(whole * moment / MOMENTS);
        } else {
            builder.says("exporting to image");
            let late = (whole - exporting).max(Duration::from_millis(40));
            std::thread::sleep(late * (moment - MOMENTS) / LATE_MOMENTS);
        }
        let after = builder.has_ended();
        builder.kill();
        let killed = builder.end();
        let what = format!("{engine:?}, moment {moment}, ended before: {after}\n{}", killed.stderr);
        check(&story, version, &what);

        // The next run works and leaves everything as if nothing had been.
        let next = run(story.command("build").args(["--agent-version", &version.to_string()]));
        assert_eq!(next.code, Some(0), "{what}\nnext: {}", next.stderr);
        assert_eq!(version_of(&story, &story.image()), version.to_string(), "{what}");
        for suffix in ["-staging", "-outgoing"] {
            assert!(engine.image(&(story.image() + suffix)).is_none(), "{what}");
        }
        let record = story.record().unwrap();
        assert_eq!(record["record"]["imageId"], engine.id(&story.image()), "{what}");
        assert_eq!(record["record"]["version"], version.to_string(), "{what}");
        let told = version_told_to_the_host_tool(&story);
        assert_eq!(told.as_deref(), Some(format!("\"{version}\"").as_str()), "{what}");
        let unexpected: Vec<_> =
            story.home_files().into_iter().map(|(path, _)| path).filter(|path| is_unexpected(path)).collect();
        assert!(unexpected.is_empty(), "{what}\n{unexpected:?}");
        let again = run(story.command("plan").args(["--exit-code", "--agent-version", &version.to_string()]));
        assert_eq!(again.code, Some(0), "{what}\nthen: {}", again.stdout);
    }
    // It runs, too; and the images of killed builds do not pile up without a name.
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), format!("tool {version}"));
    assert_eq!(engine.nameless("org.opencontainers.image.title", &story.repository), Vec::<String>::new());
}

fn version_of(story: &Story, image: &str) -> String {
    let image = story.engine.image(image).unwrap();
    image["Config"]["Labels"]["dev.aicage.agent.version"].as_str().unwrap().to_owned()
}

/// Checks what must hold right after a kill.
fn check(story: &Story, version: u32, what: &str) {
    // The image is the old one or the new one, and there is one before it.
    let known = [version - 1, version].map(|version| version.to_string());
    assert!(known.contains(&version_of(story, &story.image())), "{what}");
    assert!(story.engine.image(&story.previous()).is_some(), "the image before is lost: {what}");
    // Records are the old ones or the new ones, whole.
    let record: Value = story.record().unwrap();
    let recorded = record["record"]["version"].as_str().unwrap();
    assert!(known.contains(&recorded.to_owned()), "{what}");
    assert!(version_told_to_the_host_tool(story).is_some(), "{what}");
}

fn version_told_to_the_host_tool(story: &Story) -> Option<String> {
    let text = std::fs::read_to_string(story.home().join("state/image/build/tool-debian.yml")).unwrap();
    assert!(text.ends_with('\n') && text.lines().count() == 7, "{text}");
    text.lines().find_map(|line| line.strip_prefix("agent_version: ")).map(str::to_owned)
}

/// Says whether a file is none of those that a build keeps.
fn is_unexpected(path: &std::path::Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let known = ["log", "lock", "json", "yml"].iter().any(|end| path.extension().is_some_and(|found| found == *end));
    name.starts_with('.') || name.contains("damaged") || !known
}
