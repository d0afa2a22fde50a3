//! What the host tool keeps of an extended image.

use domain::image::ImageRef;
use domain::name::{AgentName, BaseName, ExtensionName};
use serde::{Deserialize, Serialize};
use serde_saphyr::DoubleQuoted;

use super::{read, to_yaml};
use crate::error::DiskError;
use crate::layout::Home;
use crate::replace::Prepared;

/// What the host tool wants to know of an extended image.
#[derive(Debug, Clone, Copy)]
pub struct HostExtended<'a> {
    /// The agent.
    pub agent: &'a AgentName,
    /// The base.
    pub base: &'a BaseName,
    /// The image's name.
    pub image: &'a ImageRef,
    /// The name of the final image beneath.
    pub final_image: &'a ImageRef,
    /// The extensions in the order in which they were chosen.
    pub extensions: &'a [ExtensionName],
    /// What [`crate::extension_hash`] returns for them.
    pub extension_hash: &'a str,
}

/// The keys as the host tool writes them, in its order; quoted as those of final images are.
#[derive(Serialize)]
struct Written<'a> {
    agent: DoubleQuoted<&'a str>,
    base: DoubleQuoted<&'a str>,
    base_image: DoubleQuoted<&'a str>,
    built_at: DoubleQuoted<&'a str>,
    extension_hash: DoubleQuoted<&'a str>,
    extensions: Vec<DoubleQuoted<&'a str>>,
    image_ref: DoubleQuoted<&'a str>,
}

/// The keys that the host tool compares.
#[derive(Deserialize)]
struct Read {
    base_image: String,
    extension_hash: String,
    extensions: Vec<String>,
    image_ref: String,
}

/// Prepares the host tool's file for an extended image that was built at `built_at`; `None` when
/// the image's name is too long for the host tool, which names the file by it.
///
/// # Errors
/// [`DiskError`] when the file cannot be written; the one before is then still there.
pub fn prepare_extended(
    home: &Home,
    extended: &HostExtended<'_>,
    built_at: &str,
) -> Result<Option<Prepared>, DiskError> {
    let Some(path) = home.host_extended_record(extended.image) else { return Ok(None) };
    let text = to_yaml(&Written {
        agent: DoubleQuoted(extended.agent.as_str()),
        base: DoubleQuoted(extended.base.as_str()),
        base_image: DoubleQuoted(&extended.final_image.familiar()),
        built_at: DoubleQuoted(built_at),
        extension_hash: DoubleQuoted(extended.extension_hash),
        extensions: extended.extensions.iter().map(|extension| DoubleQuoted(extension.as_str())).collect(),
        image_ref: DoubleQuoted(&extended.image.familiar()),
    });
    Prepared::new(&path, text.into_bytes()).map(Some)
}

/// Says whether the host tool's file makes it take the extended image for current, as far as a file can.
///
/// Where there can be no file it does: nothing is left to be written.
pub fn extended_fits(home: &Home, extended: &HostExtended<'_>) -> bool {
    let Some(path) = home.host_extended_record(extended.image) else { return true };
    read::<Read>(&path).is_some_and(|read| {
        read.base_image == extended.final_image.familiar()
            && read.extension_hash == extended.extension_hash
            && read.image_ref == extended.image.familiar()
            && read.extensions.iter().map(String::as_str).eq(extended.extensions.iter().map(ExtensionName::as_str))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use std::path::PathBuf;

    use super::*;

    struct Settled {
        _folder: tempfile::TempDir,
        home: Home,
        agent: AgentName,
        base: BaseName,
        image: ImageRef,
        final_image: ImageRef,
        extensions: Vec<ExtensionName>,
    }

    fn settled() -> Settled {
        let folder = tempfile::tempdir().unwrap();
        Settled {
            home: Home::new(folder.path().join("root"), folder.path().join("custom")),
            _folder: folder,
            agent: AgentName::parse("codex").unwrap(),
            base: BaseName::parse("debian").unwrap(),
            image: "aicage-extended:codex-debian-gh-act".parse().unwrap(),
            final_image: "aicage:codex-debian".parse().unwrap(),
            extensions: ["gh", "act"].map(|name| ExtensionName::parse(name).unwrap()).to_vec(),
        }
    }

    impl Settled {
        fn extended(&self) -> HostExtended<'_> {
            HostExtended {
                agent: &self.agent,
                base: &self.base,
                image: &self.image,
                final_image: &self.final_image,
                extensions: &self.extensions,
                extension_hash: "00ff",
            }
        }

        fn store(&self) -> Option<PathBuf> {
            let prepared = prepare_extended(&self.home, &self.extended(), "2026-11-21T07:00:00.000000+00:00").unwrap();
            prepared.map(|prepared| prepared.put().unwrap())
        }
    }

    #[test]
    fn every_value_is_quoted_and_every_key_in_order() {
        let settled = settled();
        let path = settled.store().unwrap();
        assert!(path.ends_with("state/image-extended/build/aicage-extended_codex-debian-gh-act.yml"));
        insta::assert_snapshot!(fs::read_to_string(path).unwrap(), @r#"
        agent: "codex"
        base: "debian"
        base_image: "aicage:codex-debian"
        built_at: "2026-11-21T07:00:00.000000+00:00"
        extension_hash: "00ff"
        extensions:
        - "gh"
        - "act"
        image_ref: "aicage-extended:codex-debian-gh-act"
        "#);
    }

    #[test]
    fn it_fits_what_it_was_written_for_and_nothing_else() {
        let settled = settled();
        assert!(!extended_fits(&settled.home, &settled.extended()));
        settled.store();
        assert!(extended_fits(&settled.home, &settled.extended()));
        let other: Vec<_> = settled.extensions.iter().rev().cloned().collect();
        for extended in [
            HostExtended { extensions: &other, ..settled.extended() },
            HostExtended { extensions: &settled.extensions[..1], ..settled.extended() },
            HostExtended { extension_hash: "00", ..settled.extended() },
            HostExtended { final_image: &settled.image, ..settled.extended() },
        ] {
            assert!(!extended_fits(&settled.home, &extended), "{extended:?}");
        }
    }

    #[test]
    fn a_name_that_no_file_can_have_leaves_nothing_to_write() {
        let mut settled = settled();
        settled.image = format!("example.org/{}:{}", "a/".repeat(90) + "a", "t".repeat(128)).parse().unwrap();
        assert_eq!(settled.store(), None);
        assert!(extended_fits(&settled.home, &settled.extended()));
    }
}
