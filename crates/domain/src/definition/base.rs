//! Bases: what `base.yml` says.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

use super::{DefinitionError, Origin, Text, WrittenRef, parse_host_yaml};
use crate::name::BaseName;

/// A processor architecture that bases are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 64-bit x86.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Architecture {
    /// Returns the architecture of a platform such as `linux/amd64`, if it is one that bases can be limited to.
    pub(crate) fn of_platform(platform: &str) -> Option<Self> {
        match platform.split('/').nth(1) {
            Some("amd64") => Some(Self::Amd64),
            Some("arm64") => Some(Self::Arm64),
            _ => None,
        }
    }

    /// Returns the name as OCI images have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// The architectures that a base can be used on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Architectures {
    /// The definition does not limit them: it is older than the key.
    #[default]
    Any,
    /// These only, at least one.
    Only(BTreeSet<Architecture>),
}

impl Architectures {
    /// Says whether the base can be used on a platform such as `linux/amd64`.
    ///
    /// On one that no definition can name it can, as the host tool has it.
    pub(crate) fn include(&self, platform: &str) -> bool {
        match (self, Architecture::of_platform(platform)) {
            (Self::Only(named), Some(architecture)) => named.contains(&architecture),
            (Self::Any, _) | (_, None) => true,
        }
    }

    /// Says whether there is a platform that they do not include.
    pub fn exclude_any(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Only(named) => [Architecture::Amd64, Architecture::Arm64].iter().any(|one| !named.contains(one)),
        }
    }
}

impl<'de> Deserialize<'de> for Architectures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Vec::<Architecture>::deserialize(deserializer)?;
        let named: BTreeSet<_> = written.iter().copied().collect();
        if named.is_empty() {
            return Err(de::Error::custom("the list is empty; name amd64, arm64 or both"));
        }
        if named.len() < written.len() {
            return Err(de::Error::custom("an architecture is named twice"));
        }
        Ok(Self::Only(named))
    }
}

/// What `base.yml` says about a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseMetadata {
    /// The root image that it is built from.
    pub from_image: WrittenRef,
    /// Its distribution; agents can exclude it by this name, in any case.
    pub base_image_distro: Text,
    /// One sentence for people.
    pub base_image_description: Text,
    /// Where it can be used.
    pub architectures: Architectures,
    /// Whether it is built here rather than pulled, if the definition says so. The user's own bases always are.
    pub build_local: Option<bool>,
}

/// The keys as they may be written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    from_image: Option<Spanned<WrittenRef>>,
    /// What the first definitions call it.
    root_image: Option<Spanned<WrittenRef>>,
    base_image_distro: Text,
    base_image_description: Text,
    #[serde(default)]
    architectures: Architectures,
    #[serde(default)]
    build_local: Option<bool>,
}

impl BaseMetadata {
    /// Reads the bytes of a `base.yml`; `file` is how mistakes name it. Scalars are read as in an `agent.yml`.
    ///
    /// # Errors
    /// [`DefinitionError`] at the first unknown or duplicate key, wrong type, empty string, wrong reference, or syntax
    /// error, and when there are both `from_image` and `root_image`, which is its older name.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, DefinitionError> {
        let written: Written = parse_host_yaml(bytes, file)?;
        let at = |(line, column), message: &str| DefinitionError {
            file: file.to_owned(),
            line,
            column,
            message: message.to_owned(),
        };
        let from_image = match (written.from_image, written.root_image) {
            (Some(root), None) | (None, Some(root)) => root.value,
            (Some(first), Some(second)) => {
                let place = |root: &Spanned<WrittenRef>| (root.referenced.line(), root.referenced.column());
                let place = place(&first).max(place(&second));
                return Err(at(place, "from_image and root_image mean the same; write one of them"));
            }
            (None, None) => return Err(at((1, 1), "missing field `from_image`")),
        };
        Ok(Self {
            from_image,
            base_image_distro: written.base_image_distro,
            base_image_description: written.base_image_description,
            architectures: written.architectures,
            build_local: written.build_local,
        })
    }
}

/// A base's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The folder's name.
    pub name: BaseName,
    /// Which root it was found in; the user's own are built here.
    pub origin: Origin,
    /// The definition's folder, which is the context of its build.
    pub folder: PathBuf,
    /// The name of the metadata file within the folder: `base.yaml` or `base.yml`.
    pub metadata_file: String,
    /// What that file says.
    pub metadata: BaseMetadata,
    /// Whether there is a [`super::DOCKERFILE`]. The user's own always have one.
    pub has_dockerfile: bool,
}

/// The names of the file that describes a base, the winning spelling first.
pub const BASE_FILES: [&str; 2] = ["base.yaml", "base.yml"];

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "from_image: debian:bookworm\nbase_image_distro: Debian\nbase_image_description: Stable\n";

    fn read(text: &str) -> BaseMetadata {
        BaseMetadata::parse(text.as_bytes(), "base.yml").unwrap()
    }

    fn mistake(text: &str) -> String {
        BaseMetadata::parse(text.as_bytes(), "base.yml").unwrap_err().to_string()
    }

    #[test]
    fn the_root_image_is_kept_as_written_and_as_meant() {
        for key in ["from_image", "root_image"] {
            let metadata = read(&GOOD.replace("from_image", key));
            assert_eq!(metadata.from_image.as_str(), "debian:bookworm");
            assert_eq!(metadata.from_image.image().to_string(), "docker.io/library/debian:bookworm");
        }
    }

    #[test]
    fn older_files_run_anywhere() {
        let metadata = read(GOOD);
        assert_eq!((metadata.architectures, metadata.build_local), (Architectures::Any, None));
        assert!(Architectures::Any.include("linux/riscv64"));
    }

    #[test]
    fn a_base_runs_where_it_says() {
        let metadata = read(&format!("{GOOD}architectures: [arm64]\nbuild_local: yes\n"));
        assert_eq!(metadata.build_local, Some(true));
        let includes = ["linux/arm64", "linux/arm64/v8", "linux/amd64", "linux/riscv64"];
        assert_eq!(includes.map(|platform| metadata.architectures.include(platform)), [true, true, false, true]);
        assert!(metadata.architectures.exclude_any());
    }

    #[test]
    fn every_mistake_has_a_place() {
        insta::assert_snapshot!(mistake(&format!("{GOOD}root_image: debian\n")), @"base.yml:4:13: from_image and root_image mean the same; write one of them");
        insta::assert_snapshot!(mistake(&format!("{GOOD}colour: red\n")), @"base.yml:4:1: unknown field `colour`, expected one of from_image, root_image, base_image_distro, base_image_description, architectures, build_local");
        insta::assert_snapshot!(mistake(&format!("{GOOD}from_image: x\n")), @"base.yml:4:1: duplicate mapping key: from_image");
        insta::assert_snapshot!(mistake(&format!("{GOOD}architectures: []\n")), @"base.yml:4:16: the list is empty; name amd64, arm64 or both");
        insta::assert_snapshot!(mistake(&format!("{GOOD}architectures: [amd64, amd64]\n")), @"base.yml:4:16: an architecture is named twice");
        insta::assert_snapshot!(mistake(&format!("{GOOD}architectures: [amd64, s390x]\n")), @"base.yml:4:24: unknown variant `s390x`, expected one of amd64, arm64");
        insta::assert_snapshot!(mistake(&format!("{GOOD}architectures:\n")), @"base.yml:4:14: the list is empty; name amd64, arm64 or both");
        insta::assert_snapshot!(mistake(&format!("{GOOD}build_local: perhaps\n")), @"base.yml:4:14: true or false is expected here");
        insta::assert_snapshot!(mistake(&GOOD.replace("debian:bookworm", "Debian:bookworm")), @r#"base.yml:1:13: image reference "Debian": a repository is made of lower-case letters, digits and single separators '.', '_', '__' or '-', in parts joined by '/'"#);
        insta::assert_snapshot!(mistake(&GOOD.replace("debian:bookworm", "''")), @"base.yml:1:13: image reference is empty");
        insta::assert_snapshot!(mistake(&GOOD.replace("debian:bookworm", "~")), @"base.yml:1:13: there is nothing here; write a value, or remove the key");
        insta::assert_snapshot!(mistake(&GOOD.replace("Stable", "' '")), @"base.yml:3:25: the string is empty; write some text or remove the key");
        insta::assert_snapshot!(mistake("base_image_distro: Debian\nbase_image_description: Stable\n"), @"base.yml:1:1: missing field `from_image`");
    }
}
