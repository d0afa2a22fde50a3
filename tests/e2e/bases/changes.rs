//! What makes a base be built again, and what does not: each with the reason that is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use aicage_tests::{Engine, Story, on_every_engine, run};

use super::{ROOT, alone, image, told};

on_every_engine!(each_change_of_a_base_has_its_reason);

/// A story with a base on a root image of its own.
struct Base {
    story: Story,
    root: String,
}

impl Base {
    fn start(engine: Engine) -> Self {
        let story = Story::new(engine);
        engine.tag(ROOT, &format!("{}/roots", story.repository), "one");
        let root = format!("{}/roots:one", story.repository);
        story.define_base("mine", &root, "COPY . /context\nRUN ls /context > /opt/context\n");
        for file in ["greeting", "ignored"] {
            story.write_custom(&format!("base-images/mine/{file}"), "hello\n");
        }
        story.write_custom("base-images/mine/.dockerignore", "ignored\n");
        Self { story, root }
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.story.custom("base-images/mine").join(file)
    }

    fn edit(&self, file: &str, edit: impl FnOnce(String) -> String) {
        fs::write(self.path(file), edit(fs::read_to_string(self.path(file)).unwrap())).unwrap();
    }

    /// Returns what a plan says when a file is changed, which is undone again.
    fn plan_with(&self, file: &str, change: impl FnOnce(&Self)) -> String {
        let before = fs::metadata(self.path(file)).ok().map(|found| (fs::read(self.path(file)).unwrap(), found));
        change(self);
        let planned = self.plan(&[]);
        match before {
            None => fs::remove_file(self.path(file)).unwrap(),
            Some((bytes, found)) => {
                fs::write(self.path(file), bytes).unwrap();
                fs::set_permissions(self.path(file), found.permissions()).unwrap();
            }
        }
        planned
    }

    fn plan(&self, more: &[&str]) -> String {
        told(&run(alone(&self.story, "plan", "mine").args(["--format", "json"]).args(more)).expect(0)).join("\n")
    }

    fn build(&self) -> String {
        told(&run(alone(&self.story, "build", "mine").args(["--format", "json"])).expect(0)).join("\n")
    }
}

fn each_change_of_a_base_has_its_reason(engine: Engine) {
    let base = Base::start(engine);
    let would = |reason: &str| format!("base wouldBuild: {reason}");
    assert_eq!(base.plan(&[]), would("image is missing"));
    base.build();
    let current = base.plan(&[]);
    // A root that only the engine has is asked for at a registry where the engine cannot tell.
    assert!(["base upToDate", "base kept"].contains(&current.as_str()), "{current}");

    let write = |file: &'static str, text: &'static str| move |base: &Base| fs::write(base.path(file), text).unwrap();
    assert_eq!(base.plan_with("greeting", write("greeting", "other\n")), would("file greeting changed"));
    assert_eq!(base.plan_with("new", write("new", "")), would("file new added"));
    assert_eq!(
        base.plan_with("greeting", |base| fs::remove_file(base.path("greeting")).unwrap()),
        would("file greeting removed")
    );
    let closed = |base: &Base| fs::set_permissions(base.path("greeting"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(base.plan_with("greeting", closed), would("file greeting changed its mode"));
    assert_eq!(
        base.plan_with("Dockerfile", |base| base.edit("Dockerfile", |text| text + "RUN true\n")),
        would("file Dockerfile changed")
    );
    assert_eq!(base.plan_with("ignored", write("ignored", "other\n")), current);
    assert_eq!(base.plan_with("base.yml", |base| base.edit("base.yml", |text| format!("# a remark\n{text}"))), current);
    assert_eq!(
        base.plan_with("base.yml", |base| base
            .edit("base.yml", |text| text.replace("description: mine", "description: Ours"))),
        would(r#"base_image_description "mine" -> "Ours""#)
    );
    assert_eq!(base.plan(&["--force"]), would("asked for with --force"));

    engine.tag(ROOT, &format!("{}/roots", base.story.repository), "two");
    let renamed = base.root.replace(":one", ":two");
    assert_eq!(
        base.plan_with("base.yml", |base| base.edit("base.yml", |text| text.replace(&base.root, &renamed))),
        would(&format!("root image {} -> {renamed}", base.root))
    );
    engine.make(ROOT, "echo new > /etc/root", &[], &format!("{}/roots", base.story.repository), "one");
    let planned = base.plan(&[]);
    assert!(planned.starts_with(&would("root image ")) && planned.contains(" -> "), "{planned}");
    let built = base.build();
    assert!(built.starts_with("base built: root image "), "{built}");
    let image = image(&base.story, "mine");
    assert_eq!(engine.run(&image, &["cat", "/etc/root"]).trim(), "new");
    assert_eq!(base.plan(&[]), current);

    // Nobody remembers the files' digests, but that they changed stands on the image.
    fs::remove_dir_all(base.story.home().join("state/builder/record")).unwrap();
    assert_eq!(
        base.plan_with("greeting", write("greeting", "other\n")),
        would("definition files changed (no record names them)")
    );
    engine.remove(&image);
    assert_eq!(base.plan(&[]), would("image is missing"));
}
