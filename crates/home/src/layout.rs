//! Where everything lies. Every path that this program touches in the home folder is made here.

use std::path::{Path, PathBuf};

use domain::definition::IMAGE_FILES;
use domain::digest::Digest;
use domain::image::ImageRef;
use domain::name::{AgentName, BaseName, ImageName};
use jiff::Timestamp;

use crate::time;

/// The folder of saved images among the user's own definitions.
const SAVED_IMAGES: &str = "image-extended";

/// The folders that belong to the user: `~/.aicage` and `~/.aicage-custom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    custom: PathBuf,
}

/// What the files about one image are named by.
///
/// The tag, so that a person finds it, and the beginning of a digest over the whole reference, so that no two images
/// share a file and no reference is too long for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageKey(String);

impl ImageKey {
    /// Returns the key of `image`.
    pub fn of(image: &ImageRef) -> Self {
        let digest = Digest::of(image.to_string().as_bytes()).short();
        Self(format!("{}-{digest}", image.tag().unwrap_or("untagged")))
    }

    /// Returns the key's text, which can stand in a file name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Home {
    /// Takes the two folders; neither need exist.
    pub fn new(root: PathBuf, custom: PathBuf) -> Self {
        Self { root, custom }
    }

    /// Returns the folder of state and logs.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of the user's own definitions.
    pub fn custom(&self) -> &Path {
        &self.custom
    }

    /// Returns `path` as seen from the root, or as it is when it lies elsewhere.
    pub fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// Returns the folders that may hold the user's own agents, the winning one first.
    ///
    /// The last two are where the host tool's first releases had them.
    pub fn agent_folders(&self) -> [PathBuf; 3] {
        [self.custom.join("agents"), self.root.join("custom/agents"), self.root.join("custom/agent")]
    }

    /// Returns the folders that may hold the user's own bases, the winning one first.
    pub fn base_folders(&self) -> [PathBuf; 2] {
        [self.custom.join("base-images"), self.root.join("custom/image-base")]
    }

    /// Returns the folders that may hold the user's own extensions, the winning one first.
    ///
    /// The last two are where the host tool's first releases had them.
    pub fn extension_folders(&self) -> [PathBuf; 3] {
        [self.custom.join("extensions"), self.root.join("custom/extensions"), self.root.join("custom/extension")]
    }

    /// Returns the folders that may hold saved images, the winning one first.
    ///
    /// The last is where the host tool keeps what was chosen in it.
    pub fn image_folders(&self) -> [PathBuf; 3] {
        [
            self.custom.join(SAVED_IMAGES),
            self.root.join("custom/image-extended"),
            self.root.join("state/image-extended/state"),
        ]
    }

    /// Returns the file in which an image is saved under a name.
    pub fn saved_image(&self, image: &ImageName) -> PathBuf {
        self.custom.join(SAVED_IMAGES).join(image.as_str()).join(IMAGE_FILES[0])
    }

    /// Returns the file with this program's record of a final image.
    pub fn record(&self, key: &ImageKey) -> PathBuf {
        self.root.join("state/builder/record/final").join(format!("{}.json", key.0))
    }

    /// Returns the file that is locked while an image is looked at and built.
    pub fn lock(&self, key: &ImageKey) -> PathBuf {
        self.root.join("state/builder/lock").join(format!("{}.lock", key.0))
    }

    /// Returns the file with the version of an agent that was found last.
    pub fn found_version(&self, agent: &AgentName) -> PathBuf {
        self.root.join("state/builder/version").join(format!("{agent}.json"))
    }

    /// Returns the file that is locked while an agent's version is looked for.
    pub fn version_lock(&self, agent: &AgentName) -> PathBuf {
        self.root.join("state/builder/lock").join(format!("version-{agent}.lock"))
    }

    /// Returns the folder of answers that servers of versions gave.
    pub fn answers(&self) -> PathBuf {
        self.root.join("state/builder/answer")
    }

    /// Returns the file in which the host tool keeps what it knows of a final image.
    ///
    /// The host tool replaces `/` and `:` in the agent's name; an [`AgentName`] holds neither.
    pub fn host_record(&self, agent: &AgentName, base: &BaseName) -> PathBuf {
        self.root.join("state/image/build").join(format!("{agent}-{base}.yml"))
    }

    /// Returns the file for the log of a build of a final image that starts at `at`.
    pub fn build_log(&self, agent: &AgentName, base: &BaseName, at: Timestamp) -> PathBuf {
        self.root.join("logs/image/build").join(format!("{agent}-{base}-{}.log", time::file_stamp(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Home {
        Home::new("/h/.aicage".into(), "/h/.aicage-custom".into())
    }

    fn key(image: &str) -> ImageKey {
        ImageKey::of(&image.parse().unwrap())
    }

    #[test]
    fn every_path_stands_here() {
        let (home, key) = (home(), key("aicage:codex-debian"));
        let (agent, base) = (AgentName::parse("codex").unwrap(), BaseName::parse("debian").unwrap());
        let mut paths = home.agent_folders().to_vec();
        paths.extend(home.base_folders());
        paths.extend(home.extension_folders());
        paths.extend(home.image_folders());
        paths.push(home.saved_image(&ImageName::parse("dev").unwrap()));
        paths.extend([home.record(&key), home.lock(&key), home.host_record(&agent, &base)]);
        paths.extend([home.found_version(&agent), home.version_lock(&agent), home.answers()]);
        paths.push(home.build_log(&agent, &base, "2026-11-21T07:00:00Z".parse().unwrap()));
        let lines: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        /h/.aicage-custom/agents
        /h/.aicage/custom/agents
        /h/.aicage/custom/agent
        /h/.aicage-custom/base-images
        /h/.aicage/custom/image-base
        /h/.aicage-custom/extensions
        /h/.aicage/custom/extensions
        /h/.aicage/custom/extension
        /h/.aicage-custom/image-extended
        /h/.aicage/custom/image-extended
        /h/.aicage/state/image-extended/state
        /h/.aicage-custom/image-extended/dev/image-extended.yml
        /h/.aicage/state/builder/record/final/codex-debian-431441e77fdb.json
        /h/.aicage/state/builder/lock/codex-debian-431441e77fdb.lock
        /h/.aicage/state/image/build/codex-debian.yml
        /h/.aicage/state/builder/version/codex.json
        /h/.aicage/state/builder/lock/version-codex.lock
        /h/.aicage/state/builder/answer
        /h/.aicage/logs/image/build/codex-debian-20261121T070000Z.log
        ");
    }

    #[test]
    fn two_images_never_share_a_key() {
        assert_ne!(key("aicage:codex-debian"), key("localhost:5000/aicage:codex-debian"));
        assert_eq!(key("aicage:codex-debian"), key("docker.io/library/aicage:codex-debian"));
    }

    #[test]
    fn the_longest_reference_still_fits_a_file_name() {
        let image = format!("example.org/{}:{}", "a/".repeat(100) + "a", "t".repeat(128));
        let record = home().record(&key(&image));
        let name = record.file_name().unwrap().len();
        assert!(name + ".damaged-20261121T070000Z-99".len() <= 255, "{name}");
    }

    #[test]
    fn a_path_elsewhere_stays_whole() {
        assert_eq!(home().relative(Path::new("/h/.aicage/logs/x")), Path::new("logs/x"));
        assert_eq!(home().relative(Path::new("/tmp/x")), Path::new("/tmp/x"));
    }
}
