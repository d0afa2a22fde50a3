//! References to images: registry, repository, tag and digest.
//!
//! The grammar is that of the `distribution` project's reference package, which every Docker tool uses. The parser is
//! our own because the one in `oci-spec` compiles a regular expression that takes longer (tens of milliseconds) than
//! this program's whole decision; the tests hold ours against it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The registry meant when a reference names none.
const DEFAULT_REGISTRY: &str = "docker.io";

/// The longest repository name with its registry, in bytes (`distribution/reference`, `NameTotalLengthMax`).
const REPOSITORY_LIMIT_BYTES: usize = 255;

/// The longest tag, in bytes (OCI distribution specification: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`).
pub(crate) const TAG_LIMIT_BYTES: usize = 128;

/// How many digits an image's id has, which `docker` takes for an id wherever it stands (`distribution/reference`,
/// `anchoredIdentifierRegexp`).
const ID_DIGITS: usize = 64;

/// Says why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing was given.
    #[error("image reference is empty")]
    Empty,
    /// The repository has a part that is empty or holds a character that is not allowed.
    #[error(
        "image reference {0:?}: a repository is made of lower-case letters, digits and single separators '.', '_', '__' or '-', in parts joined by '/'"
    )]
    Repository(String),
    /// The registry is no host name with an optional port.
    #[error("image reference {0:?}: the registry is not a host name with an optional port")]
    Registry(String),
    /// More than 255 bytes.
    #[error("image reference is longer than {REPOSITORY_LIMIT_BYTES} bytes before its tag")]
    TooLong,
    /// The tag is empty, too long or has a character that is not allowed.
    #[error(
        "image reference {0:?}: a tag has 1 to {TAG_LIMIT_BYTES} letters, digits, '_', '.', '-', and does not start with '.' or '-'"
    )]
    Tag(String),
    /// An engine's id of an image, which registries and BuildKit do not know.
    #[error("{0:?} is an image's id; give the image a name (docker tag ID NAME:TAG), and use that")]
    Id(String),
    /// The digest is not `sha256:` and 64 lower-case hex digits.
    #[error("image reference {0:?}: what follows '@' must be a sha256 digest")]
    Digest(String),
}

/// A repository: a registry and the name within it, both normalised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// Returns the registry's host, with its port if it has one; `docker.io` where none was written.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the name within the registry, with `library/` where Docker Hub implies it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the reference of `tag` in this repository.
    ///
    /// # Errors
    /// [`ReferenceError::Tag`] when `tag` is not a tag.
    pub fn with_tag(&self, tag: &str) -> Result<ImageRef, ReferenceError> {
        check_tag(tag)?;
        Ok(ImageRef { repository: self.clone(), tag: Some(tag.to_owned()), digest: None })
    }

    /// Returns the name as people write it: without `docker.io/` and `library/`, where it means the same without.
    pub fn familiar(&self) -> String {
        let official = self.path.strip_prefix("library/").filter(|name| !name.contains('/'));
        let reads_as_registry = self.path.split_once('/').is_some_and(|(first, _)| names_registry(first));
        match official {
            _ if self.registry != DEFAULT_REGISTRY => self.to_string(),
            Some(name) => name.to_owned(),
            None if reads_as_registry => self.to_string(),
            None => self.path.clone(),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() > REPOSITORY_LIMIT_BYTES {
            return Err(ReferenceError::TooLong);
        }
        let (registry, path) = match text.split_once('/') {
            Some((first, rest)) if names_registry(first) => {
                check_registry(first, text)?;
                (if first == "index.docker.io" { DEFAULT_REGISTRY } else { first }, rest)
            }
            _ => (DEFAULT_REGISTRY, text),
        };
        if !path.split('/').all(is_path_part) {
            return Err(ReferenceError::Repository(text.to_owned()));
        }
        let path = if registry == DEFAULT_REGISTRY && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        Ok(Self { registry: registry.to_owned(), path })
    }
}

impl TryFrom<String> for Repository {
    type Error = ReferenceError;
    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.to_string()
    }
}

/// A reference to an image: a repository with a tag, a digest, or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageRef {
    /// Returns the repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns the tag; `latest` was filled in if neither a tag nor a digest was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest, if the reference has one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns `repository@digest`, without a tag: it can mean one manifest only.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { repository: self.repository.clone(), tag: None, digest: Some(digest) }
    }

    /// Returns the same image under a tag with `suffix` behind it.
    ///
    /// # Errors
    /// [`ReferenceError::Tag`] when the tag would be too long, or there is none.
    pub fn with_tag_suffix(&self, suffix: &str) -> Result<Self, ReferenceError> {
        let tag = self.tag.as_deref().unwrap_or_default();
        self.repository.with_tag(&format!("{tag}{suffix}"))
    }

    /// Returns the reference as people write it: `debian:bookworm` for `docker.io/library/debian:bookworm`.
    pub fn familiar(&self) -> String {
        self.repository.familiar() + &self.suffix()
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        tag + &digest
    }
}

/// Writes the normalised form, the one BuildKit and registries want.
impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.repository, self.suffix())
    }
}

impl FromStr for ImageRef {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let id = text.strip_prefix("sha256:").unwrap_or(text);
        if id.len() == ID_DIGITS && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ReferenceError::Id(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|_| ReferenceError::Digest(text.to_owned()))?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        // A ':' before the last '/' belongs to the registry's port.
        let behind_slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[behind_slash..].split_once(':') {
            Some((last, tag)) => {
                check_tag(tag).map_err(|_| ReferenceError::Tag(text.chars().take(TAG_LIMIT_BYTES + 1).collect()))?;
                (&rest[..behind_slash + last.len()], Some(tag.to_owned()))
            }
            None => (rest, None),
        };
        let tag = if tag.is_none() && digest.is_none() { Some("latest".to_owned()) } else { tag };
        Ok(Self { repository: name.parse()?, tag, digest })
    }
}

impl TryFrom<String> for ImageRef {
    type Error = ReferenceError;
    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> Self {
        image.to_string()
    }
}

fn check_tag(tag: &str) -> Result<(), ReferenceError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = |byte: u8| word(byte) || byte == b'.' || byte == b'-';
    let first = tag.bytes().next().is_some_and(word);
    if first && tag.len() <= TAG_LIMIT_BYTES && tag.bytes().all(fits) {
        Ok(())
    } else {
        Err(ReferenceError::Tag(tag.chars().take(TAG_LIMIT_BYTES + 1).collect()))
    }
}

/// Says whether the part of a name before its first `/` is a registry rather than a folder on Docker Hub.
fn names_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn check_registry(registry: &str, whole: &str) -> Result<(), ReferenceError> {
    let (host, port) = match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let port_fits = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    if host.split('.').all(label) && port_fits { Ok(()) } else { Err(ReferenceError::Registry(whole.to_owned())) }
}

/// Says whether `part` is letters and digits in runs joined by one `.`, one or two `_`, or any number of `-`.
fn is_path_part(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_are_words = part.bytes().next().is_some_and(is_word) && part.bytes().last().is_some_and(is_word);
    ends_are_words
        && part
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_name_is_docker_hubs() {
        let image: ImageRef = "debian".parse().unwrap();
        assert_eq!(image.to_string(), "docker.io/library/debian:latest");
        assert_eq!(image.familiar(), "debian:latest");
    }

    #[test]
    fn a_familiar_name_means_the_same() {
        for (name, familiar) in [
            ("docker.io/library/debian:12", "debian:12"),
            ("docker.io/library/a/b:12", "library/a/b:12"),
            ("docker.io/docker.io/a:12", "docker.io/docker.io/a:12"),
            ("docker.io/localhost/a:12", "docker.io/localhost/a:12"),
            ("docker.io/library/localhost:12", "localhost:12"),
            ("ghcr.io/library/a:12", "ghcr.io/library/a:12"),
        ] {
            let image: ImageRef = name.parse().unwrap();
            assert_eq!(image.familiar(), familiar);
            assert_eq!(familiar.parse(), Ok(image));
        }
    }

    #[test]
    fn a_port_is_not_a_tag() {
        let image: ImageRef = "localhost:5000/a/b".parse().unwrap();
        assert_eq!(image.repository().registry(), "localhost:5000");
        assert_eq!(image.tag(), Some("latest"));
    }

    #[test]
    fn a_pinned_reference_has_no_tag() {
        let image: ImageRef = "ghcr.io/acme/base:ubuntu".parse().unwrap();
        let digest = Digest::of(b"x");
        assert_eq!(image.pinned(digest).to_string(), format!("ghcr.io/acme/base@{digest}"));
    }

    #[test]
    fn errors_say_which_part_is_wrong() {
        insta::assert_snapshot!("Acme/x".parse::<ImageRef>().unwrap_err(), @r#"image reference "Acme/x": a repository is made of lower-case letters, digits and single separators '.', '_', '__' or '-', in parts joined by '/'"#);
        insta::assert_snapshot!("x:".parse::<ImageRef>().unwrap_err(), @r#"image reference "x:": a tag has 1 to 128 letters, digits, '_', '.', '-', and does not start with '.' or '-'"#);
        let id = "0a".repeat(32);
        assert_eq!(id.parse::<ImageRef>(), Err(ReferenceError::Id(id.clone())));
        let id = format!("sha256:{id}");
        assert_eq!(id.parse::<ImageRef>(), Err(ReferenceError::Id(id)));
        insta::assert_snapshot!("-a.b/x".parse::<ImageRef>().unwrap_err(), @r#"image reference "-a.b/x": the registry is not a host name with an optional port"#);
        insta::assert_snapshot!("x@sha256:1".parse::<ImageRef>().unwrap_err(), @r#"image reference "x@sha256:1": what follows '@' must be a sha256 digest"#);
    }

    /// Texts that are nearly references, so that both answers of the parsers are exercised.
    fn nearly_a_reference() -> impl Strategy<Value = String> {
        let digest = format!("@sha256:{}", "0a".repeat(32));
        let piece = prop_oneof![
            "[a-z0-9]{1,4}",
            "[a-zA-Z0-9._-]{1,5}",
            Just("/".to_owned()),
            Just(":".to_owned()),
            Just(".".to_owned()),
            Just("__".to_owned()),
            Just("localhost".to_owned()),
            Just("docker.io/".to_owned()),
            Just("index.docker.io/".to_owned()),
            Just(":5000/".to_owned()),
            Just(digest),
        ];
        prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn agrees_with_the_parser_of_the_oci_crate(text in nearly_a_reference()) {
            let theirs = text.parse::<oci_spec::distribution::Reference>();
            let ours = text.parse::<ImageRef>();
            match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours.to_string(), theirs.to_string()),
                (Err(_), Err(_)) => {}
                // A host name has no underscore and a repository no capitals; theirs looks no closer where one part
                // ends and the other begins.
                (Err(ReferenceError::Registry(_)), Ok(theirs)) if theirs.registry().contains('_') => {}
                (Err(ReferenceError::Repository(_)), Ok(theirs)) if theirs.repository().contains(char::is_uppercase) => {}
                _ => prop_assert!(false, "{text:?}: ours {ours:?}, theirs {theirs:?}"),
            }
        }

        #[test]
        fn what_is_written_reads_back(text in nearly_a_reference()) {
            if let Ok(image) = text.parse::<ImageRef>() {
                prop_assert_eq!(image.to_string().parse::<ImageRef>(), Ok(image.clone()));
                prop_assert_eq!(image.familiar().parse::<ImageRef>(), Ok(image));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<ImageRef>();
        }
    }
}
