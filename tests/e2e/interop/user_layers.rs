//! The host tool takes bases and extended images for current whose records we wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aicage_tests::{Engine, Story, on_every_engine, run};
use domain::definition::{Base, Extension};
use domain::image::ImageRef;
use domain::name::{AgentName, BaseName, ExtensionName};
use home::host_record::{HostBase, HostExtended, base_fits, extended_fits, prepare_base, prepare_extended};
use home::{Home, Roots, extension_hash, load_base, load_extension};
use serde_json::{Value, json};

on_every_engine!(the_host_tool_finds_nothing_to_do_about_the_users_own_layers);

/// When everything was built.
const BUILT_AT: &str = "2026-11-21T07:00:00.000000+00:00";

/// A root image with a digest, which the host tool takes as it is without asking a registry.
const ROOT: &str = "debian@sha256:abababababababababababababababababababababababababababababababab";

/// A story with a base, extensions of every kind, and images that stand for what would be built of them.
struct Layers {
    story: Story,
    roots: Roots,
    home: Home,
    base: Base,
    base_image: ImageRef,
    final_image: ImageRef,
    extended_image: ImageRef,
    extensions: Vec<Extension>,
}

fn write(path: &Path, text: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn custom(story: &Story) -> PathBuf {
    story.folder().join("user/.aicage-custom")
}

/// Names that a careless order or a careless writer of YAML gets wrong.
const EXTENSIONS: [&str; 4] = ["on", "gh", "1.10", "dockerfile"];

fn define(story: &Story) {
    let custom = custom(story);
    let base = custom.join("base-images/1.20");
    let metadata = format!("from_image: {ROOT}\nbase_image_distro: Debian\nbase_image_description: x\n");
    write(&base.join("base.yml"), (metadata + "architectures: [amd64, arm64]\n").as_bytes());
    write(&base.join("Dockerfile"), b"ARG FROM_IMAGE\nFROM ${FROM_IMAGE}\n");
    for name in EXTENSIONS {
        let folder = custom.join("extensions").join(name);
        let file = if name == "gh" { "extension.yaml" } else { "extension.yml" };
        write(&folder.join(file), format!("name: '{name}'\ndescription: Größe\n").as_bytes());
        for script in ["b.sh", "a.sh", "B.sh", ".hidden.sh", "10-ä.sh", "9.sh", "with space.sh", "lib/not.sh", "not"] {
            write(&folder.join("scripts").join(script), b"#!/bin/sh\r\n# \xff\n");
        }
    }
    write(&custom.join("extensions/dockerfile/Dockerfile"), b"FROM x\n");
}

fn settled(engine: Engine) -> Layers {
    let story = Story::new(engine);
    define(&story);
    let home = Home::new(story.folder().join("user/.aicage"), custom(&story));
    let roots = Roots::new(&home, None);
    let base = load_base(&roots, &BaseName::parse("1.20").unwrap()).unwrap().unwrap();
    let repository = story.repository.clone();
    let image = |name: &str, tag: &str| {
        engine.tag(&story.base_image, &format!("{repository}/{name}"), tag);
        format!("{repository}/{name}:{tag}").parse().unwrap()
    };
    let (base_image, final_image) = (image("base", "1.20"), image("final", "tool-1.20"));
    let extended_image = image("extended", "tool-1.20-on-gh-1.10-dockerfile");
    let load = |name: &str| load_extension(&roots, &ExtensionName::parse(name).unwrap()).unwrap();
    let extensions = EXTENSIONS.map(load).to_vec();
    Layers { story, roots, home, base, base_image, final_image, extended_image, extensions }
}

impl Layers {
    /// Writes the records and says whether they fit before and after.
    fn record(&self) -> (bool, bool) {
        let base = HostBase {
            base: &self.base.name,
            image: &self.base_image,
            from_image: &self.base.metadata.from_image,
            from_image_digest: self.base.metadata.from_image.image().digest(),
        };
        let hash = extension_hash(&self.extensions).unwrap();
        let names: Vec<_> = self.extensions.iter().map(|extension| extension.name.clone()).collect();
        let extended = HostExtended {
            agent: &AgentName::parse("tool").unwrap(),
            base: &self.base.name,
            image: &self.extended_image,
            final_image: &self.final_image,
            extensions: &names,
            extension_hash: &hash,
        };
        let fits = || base_fits(&self.home, &base) && extended_fits(&self.home, &extended);
        let before = fits();
        prepare_base(&self.home, &base, BUILT_AT).unwrap().put().unwrap();
        prepare_extended(&self.home, &extended, BUILT_AT).unwrap().unwrap().put().unwrap();
        (before, fits())
    }

    /// Asks the host tool what it thinks of the two images with these extensions.
    fn ask(&self, extensions: &[&str]) -> Value {
        let asked = json!({
            "base": { "name": "1.20", "from_image": ROOT, "image": self.base_image.familiar() },
            "extended": {
                "image": self.extended_image.familiar(),
                "final_image": self.final_image.familiar(),
                "extensions": extensions,
            },
        });
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/host_tool_layers.py");
        let mut command = Command::new(super::python());
        command.arg(script).arg(asked.to_string());
        let home = self.story.folder().join("user");
        run(command.env("HOME", home).env("DOCKER_HOST", self.story.engine.host())).expect(0).json()
    }
}

fn the_host_tool_finds_nothing_to_do_about_the_users_own_layers(engine: Engine) {
    let mut layers = settled(engine);
    assert_eq!(layers.ask(&EXTENSIONS)["base"]["rebuild"], true);
    assert_eq!(layers.record(), (false, true));
    let answer = layers.ask(&EXTENSIONS);
    assert_eq!(answer["base"]["rebuild"], false, "{answer}");
    assert_eq!(answer["extended"]["rebuild"], false, "{answer}");
    assert_eq!(answer["extended"]["extension_hash"], extension_hash(&layers.extensions).unwrap());
    assert_eq!(answer["extended"]["record"]["extensions"], json!(EXTENSIONS));
    let digest = ROOT.split_once('@').unwrap().1;
    assert_eq!(
        answer["base"]["record"],
        json!({
            "base": "1.20",
            "from_image": ROOT,
            "from_image_digest": digest,
            "image_ref": layers.base_image.familiar(),
            "built_at": BUILT_AT,
        })
    );
    // It would build where it should, so that the answers above mean something.
    assert_eq!(layers.ask(&["gh", "on", "1.10", "dockerfile"])["extended"]["rebuild"], true);
    write(&custom(&layers.story).join("extensions/gh/scripts/a.sh"), b"changed");
    let answer = layers.ask(&EXTENSIONS);
    assert_eq!(answer["extended"]["rebuild"], true);
    layers.extensions =
        EXTENSIONS.map(|name| load_extension(&layers.roots, &ExtensionName::parse(name).unwrap()).unwrap()).to_vec();
    assert_eq!(answer["extended"]["extension_hash"], extension_hash(&layers.extensions).unwrap());
    assert_eq!(layers.record(), (false, true));
    assert_eq!(layers.ask(&EXTENSIONS)["extended"]["rebuild"], false);
}
