//! Stories with the user's own layers: custom bases and extensions.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::{Ran, Story, run};

impl Story {
    /// Returns a path in the folder of the user's own definitions.
    pub fn custom(&self, path: &str) -> PathBuf {
        self.folder().join("custom").join(path)
    }

    /// Writes a file into the folder of the user's own definitions; one that begins with `#!` can be started.
    pub fn write_custom(&self, path: &str, text: impl AsRef<[u8]>) {
        let (path, text) = (self.custom(path), text.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if text.starts_with(b"#!") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// Defines a custom base on a root image, with the lines of its Dockerfile behind `FROM`.
    pub fn define_base(&self, name: &str, root: &str, lines: &str) {
        let metadata = format!("from_image: {root}\nbase_image_distro: Debian\nbase_image_description: {name}\n");
        self.write_custom(&format!("base-images/{name}/base.yml"), metadata + "architectures: [amd64, arm64]\n");
        self.write_custom(&format!("base-images/{name}/Dockerfile"), self.dockerfile("FROM_IMAGE", lines));
    }

    /// Defines an extension of one script with these lines; nobody else's is the same.
    pub fn define_extension(&self, name: &str, lines: &str) {
        self.write_custom(&format!("extensions/{name}/extension.yml"), format!("name: {name}\ndescription: {name}\n"));
        let script = format!("#!/usr/bin/env bash\n# {}\nset -euo pipefail\n{lines}", self.repository);
        self.write_custom(&format!("extensions/{name}/scripts/10-{name}.sh"), script);
    }

    /// Defines an extension of a Dockerfile with these lines behind `FROM`.
    pub fn define_dockerfile_extension(&self, name: &str, lines: &str) {
        self.write_custom(&format!("extensions/{name}/extension.yml"), format!("name: {name}\ndescription: {name}\n"));
        self.write_custom(&format!("extensions/{name}/Dockerfile"), self.dockerfile("BASE_IMAGE", lines));
    }

    fn dockerfile(&self, argument: &str, lines: &str) -> String {
        format!("ARG {argument}\nFROM ${{{argument}}}\nARG STORY={}\n{lines}", self.repository)
    }

    /// Returns the name of the story's image with extensions, ad hoc.
    pub fn extended(&self, extensions: &str) -> String {
        format!("{}/extended:{}-debian-{extensions}", self.repository, self.agent)
    }

    /// Returns `aicage-builder COMMAND` with the story's folders, engine and repositories and nothing chosen.
    pub fn unchosen(&self, command: &str) -> Command {
        let mut program = self.program();
        program.arg(command);
        self.give_options(&mut program);
        program
    }

    /// Returns `aicage-builder list images` with the story's folders, engine and repositories.
    pub fn list(&self) -> Command {
        let mut program = self.program();
        program.args(["list", "images"]);
        self.give_options(&mut program);
        program
    }

    /// Returns `aicage-builder COMMAND AGENT` on the story's base with extensions, in their order.
    pub fn with(&self, command: &str, extensions: &[&str]) -> Command {
        let mut program = self.command(command);
        for extension in extensions {
            program.args(["--extension", extension]);
        }
        program
    }

    /// Runs `aicage-builder build` with extensions.
    pub fn extend(&self, extensions: &[&str]) -> Ran {
        run(&mut self.with("build", extensions))
    }
}

/// What became of one step of a build, as the answer tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The image that it is part of.
    pub image: String,
    /// Its name.
    pub name: String,
    /// Whether it ran, rather than being taken from the engine's cache.
    pub ran: bool,
    /// What it added to the image, in bytes.
    pub added_bytes: Option<u64>,
}

impl Ran {
    /// Returns the steps of every image that was built, by an answer in JSON.
    pub fn steps(&self) -> Vec<Step> {
        let document = self.json();
        let mut steps = Vec::new();
        for image in document["images"].as_array().unwrap() {
            for step in image["steps"].as_array().into_iter().flatten() {
                let Some(ran) = step["ran"].as_bool() else { continue };
                steps.push(Step {
                    image: image["image"].as_str().unwrap().to_owned(),
                    name: step["name"].as_str().unwrap().to_owned(),
                    ran,
                    added_bytes: step["addedBytes"].as_u64(),
                });
            }
        }
        steps
    }

    /// Returns the names of the steps that ran, by an answer in JSON.
    pub fn steps_that_ran(&self) -> Vec<String> {
        self.steps().into_iter().filter(|step| step.ran).map(|step| step.name).collect()
    }
}
