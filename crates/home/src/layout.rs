//! Where everything lies. Every path that this program touches in the home folder is made here.

use std::path::{Path, PathBuf};

use domain::definition::IMAGE_FILES;
use domain::digest::Digest;
use domain::image::ImageRef;
use domain::name::{AgentName, BaseName, ImageName};
use domain::recipe::ImageKind;
use jiff::Timestamp;

use crate::time;

/// The folder of saved images among the user's own definitions.
const SAVED_IMAGES: &str = "image-extended";

/// The longest name of a file that file systems take, in bytes (Linux, `NAME_MAX`).
const FILE_NAME_LIMIT_BYTES: usize = 255;

/// How much of a log's name comes from what it is about, in bytes; the rest is for its time and its number.
const LOG_STEM_LIMIT_BYTES: usize = 220;

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

/// What a log is about.
#[derive(Debug, Clone, Copy)]
pub enum LogSubject<'a> {
    /// The build of a base.
    Base(&'a BaseName),
    /// The build of a final image.
    Final(&'a AgentName, &'a BaseName),
    /// The build of an extended image.
    Extended(&'a ImageRef),
    /// The pull of an image.
    Pull(&'a ImageRef),
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
    pub(crate) fn agent_folders(&self) -> [PathBuf; 3] {
        [self.custom.join("agents"), self.root.join("custom/agents"), self.root.join("custom/agent")]
    }

    /// Returns the folders that may hold the user's own bases, the winning one first.
    pub(crate) fn base_folders(&self) -> [PathBuf; 2] {
        [self.custom.join("base-images"), self.root.join("custom/image-base")]
    }

    /// Returns the folders that may hold the user's own extensions, the winning one first.
    ///
    /// The last two are where the host tool's first releases had them.
    pub(crate) fn extension_folders(&self) -> [PathBuf; 3] {
        [self.custom.join("extensions"), self.root.join("custom/extensions"), self.root.join("custom/extension")]
    }

    /// Returns the folders that may hold saved images, the winning one first.
    ///
    /// The last is where the host tool keeps what was chosen in it.
    pub(crate) fn image_folders(&self) -> [PathBuf; 3] {
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

    /// Returns the file with this program's record of an image.
    pub fn record(&self, kind: ImageKind, key: &ImageKey) -> PathBuf {
        self.records(kind).join(format!("{}.json", key.0))
    }

    /// Returns the folder with this program's records of all images of a kind.
    pub fn records(&self, kind: ImageKind) -> PathBuf {
        self.root.join("state/builder/record").join(kind.as_str())
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

    /// Returns the file with the salt of secrets' digests.
    pub fn salt(&self) -> PathBuf {
        self.root.join("state/builder/salt")
    }

    /// Returns the file in which the host tool keeps what it knows of a final image.
    ///
    /// The host tool replaces `/` and `:` in the agent's name; an [`AgentName`] holds neither.
    pub fn host_record(&self, agent: &AgentName, base: &BaseName) -> PathBuf {
        self.root.join("state/image/build").join(format!("{agent}-{base}.yml"))
    }

    /// Returns the file in which the host tool keeps what it knows of a base that was built here.
    pub(crate) fn host_base_record(&self, base: &BaseName) -> PathBuf {
        self.root.join("state/base-image/build").join(format!("base-{base}.yml"))
    }

    /// Returns the file in which the host tool keeps what it knows of an extended image; `None` when its name is too
    /// long for a file's, as the host tool makes it.
    pub(crate) fn host_extended_record(&self, image: &ImageRef) -> Option<PathBuf> {
        let name = format!("{}.yml", sanitized(image));
        (name.len() <= FILE_NAME_LIMIT_BYTES).then(|| self.root.join("state/image-extended/build").join(name))
    }

    /// Returns the file for the log of `subject` that starts at `at`.
    pub fn log(&self, subject: LogSubject<'_>, at: Timestamp) -> PathBuf {
        let (folder, mut stem) = match subject {
            LogSubject::Base(base) => ("logs/base-image/build", base.to_string()),
            LogSubject::Final(agent, base) => ("logs/image/build", format!("{agent}-{base}")),
            LogSubject::Extended(image) => ("logs/image-extended/build", sanitized(image)),
            LogSubject::Pull(image) => ("logs/image/pull", sanitized(image)),
        };
        // Names and references are ASCII, so this cuts no character in two.
        stem.truncate(LOG_STEM_LIMIT_BYTES);
        self.root.join(folder).join(format!("{stem}-{}.log", time::file_stamp(at)))
    }
}

/// Writes a reference as the host tool does in file names.
fn sanitized(image: &ImageRef) -> String {
    image.familiar().replace(['/', ':'], "_")
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
        paths.extend([ImageKind::Base, ImageKind::Final, ImageKind::Extended].map(|kind| home.record(kind, &key)));
        paths.extend([home.lock(&key), home.host_record(&agent, &base), home.host_base_record(&base)]);
        paths.extend(home.host_extended_record(&"localhost:5000/x:y".parse().unwrap()));
        paths.extend([home.found_version(&agent), home.version_lock(&agent), home.answers(), home.salt()]);
        let image = "localhost:5000/x:y".parse().unwrap();
        let subjects = [
            LogSubject::Base(&base),
            LogSubject::Final(&agent, &base),
            LogSubject::Extended(&image),
            LogSubject::Pull(&image),
        ];
        paths.extend(subjects.map(|subject| home.log(subject, "2026-11-21T07:00:00Z".parse().unwrap())));
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
        /h/.aicage/state/builder/record/base/codex-debian-431441e77fdb.json
        /h/.aicage/state/builder/record/final/codex-debian-431441e77fdb.json
        /h/.aicage/state/builder/record/extended/codex-debian-431441e77fdb.json
        /h/.aicage/state/builder/lock/codex-debian-431441e77fdb.lock
        /h/.aicage/state/image/build/codex-debian.yml
        /h/.aicage/state/base-image/build/base-debian.yml
        /h/.aicage/state/image-extended/build/localhost_5000_x_y.yml
        /h/.aicage/state/builder/version/codex.json
        /h/.aicage/state/builder/lock/version-codex.lock
        /h/.aicage/state/builder/answer
        /h/.aicage/state/builder/salt
        /h/.aicage/logs/base-image/build/debian-20261121T070000Z.log
        /h/.aicage/logs/image/build/codex-debian-20261121T070000Z.log
        /h/.aicage/logs/image-extended/build/localhost_5000_x_y-20261121T070000Z.log
        /h/.aicage/logs/image/pull/localhost_5000_x_y-20261121T070000Z.log
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
        let log = home().log(LogSubject::Pull(&image.parse().unwrap()), "2026-11-21T07:00:00Z".parse().unwrap());
        assert!(log.file_stem().unwrap().len() + "-1000.log".len() <= 255, "{log:?}");
        let record = home().record(ImageKind::Extended, &key(&image));
        let name = record.file_name().unwrap().len();
        assert!(name + ".damaged-20261121T070000Z-99".len() <= 255, "{name}");
    }

    #[test]
    fn a_path_elsewhere_stays_whole() {
        assert_eq!(home().relative(Path::new("/h/.aicage/logs/x")), Path::new("logs/x"));
        assert_eq!(home().relative(Path::new("/tmp/x")), Path::new("/tmp/x"));
    }
}
