//! Versions of agents, and how each came to be known.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest version, in bytes.
pub const VERSION_LIMIT_BYTES: usize = 128;

/// A version of an agent: one printable line without blanks at its ends. Only equality has a meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentVersion(String);

/// Says why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nothing but white space.
    #[error("version is empty")]
    Empty,
    /// Over [`VERSION_LIMIT_BYTES`].
    #[error("version is longer than {VERSION_LIMIT_BYTES} bytes")]
    TooLong,
    /// More than one line.
    #[error("version has more than one line")]
    Lines,
    /// A control character or another one that does not print.
    #[error("version holds a character that does not print")]
    Unprintable,
}

impl AgentVersion {
    /// Checks a version; white space around it is removed first.
    ///
    /// # Errors
    /// [`VersionError`] when what is left is empty, longer than 128 bytes, of several lines or unprintable.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.contains(['\n', '\r']) {
            return Err(VersionError::Lines);
        }
        if text.len() > VERSION_LIMIT_BYTES {
            return Err(VersionError::TooLong);
        }
        let unprintable = |c: char| {
            c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
        };
        if text.chars().any(unprintable) {
            return Err(VersionError::Unprintable);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the version's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AgentVersion {
    type Error = VersionError;
    fn try_from(text: String) -> Result<Self, VersionError> {
        Self::parse(&text)
    }
}

impl From<AgentVersion> for String {
    fn from(version: AgentVersion) -> Self {
        version.0
    }
}

/// A kind of place that publishes versions and that can be asked without running a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// An npm registry.
    Npm,
    /// A Python package index.
    Pypi,
    /// A registry of Rust crates.
    Crates,
    /// The releases of a GitHub repository.
    GithubRelease,
    /// The tags of a GitHub repository.
    GithubTag,
    /// The tags of an image repository.
    OciTag,
    /// A JSON document.
    HttpJson,
    /// A text.
    HttpText,
}

impl SourceKind {
    /// Every kind, in the order in which documents list them.
    pub const ALL: [Self; 8] = [
        Self::Npm,
        Self::Pypi,
        Self::Crates,
        Self::GithubRelease,
        Self::GithubTag,
        Self::OciTag,
        Self::HttpJson,
        Self::HttpText,
    ];

    /// Returns the word for it in `version.yml` and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Crates => "crates",
            Self::GithubRelease => "github-release",
            Self::GithubTag => "github-tag",
            Self::OciTag => "oci-tag",
            Self::HttpJson => "http-json",
            Self::HttpText => "http-text",
        }
    }

    /// Returns the kind that has this word.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A place where a version can be looked for. In documents: `native:npm`, `container`, `host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Venue {
    /// Where the definition says that versions are published, asked by this program itself.
    Native(SourceKind),
    /// The definition's own `version.sh`, run in a container that can harm nothing.
    Container,
    /// The definition's own `version.sh`, run by bash on the machine this program runs on.
    Host,
}

/// What stands before the kind of source in a document.
const NATIVE_PREFIX: &str = "native:";

/// Says that a text names no venue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no venue")]
pub struct VenueError(String);

impl TryFrom<String> for Venue {
    type Error = VenueError;
    fn try_from(text: String) -> Result<Self, VenueError> {
        match text.as_str() {
            "container" => Ok(Self::Container),
            "host" => Ok(Self::Host),
            other => {
                let kind = other.strip_prefix(NATIVE_PREFIX).and_then(SourceKind::from_word);
                kind.map(Self::Native).ok_or(VenueError(text))
            }
        }
    }
}

impl From<Venue> for String {
    fn from(venue: Venue) -> Self {
        match venue {
            Venue::Native(kind) => format!("{NATIVE_PREFIX}{}", kind.as_str()),
            Venue::Container => "container".to_owned(),
            Venue::Host => "host".to_owned(),
        }
    }
}

impl fmt::Display for Venue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native(kind) => kind.as_str(),
            Self::Container => "version.sh in a container",
            Self::Host => "version.sh on the host",
        })
    }
}

/// Where an attempt to learn a version failed: at a venue, or before any could be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// The agent's definition, which cannot be used. In documents: `definition`.
    Definition,
    /// The checker, which cannot be asked. In documents: `checker`.
    Checker,
    /// A venue, written as one.
    At(Venue),
}

impl From<Venue> for Place {
    fn from(venue: Venue) -> Self {
        Self::At(venue)
    }
}

impl TryFrom<String> for Place {
    type Error = VenueError;
    fn try_from(text: String) -> Result<Self, VenueError> {
        match text.as_str() {
            "definition" => Ok(Self::Definition),
            "checker" => Ok(Self::Checker),
            _ => Venue::try_from(text).map(Self::At),
        }
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        match place {
            Place::Definition => "definition".to_owned(),
            Place::Checker => "checker".to_owned(),
            Place::At(venue) => venue.into(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Definition => f.write_str("its definition"),
            Self::Checker => f.write_str("the checker"),
            Self::At(venue) => venue.fmt(f),
        }
    }
}

/// A version that an earlier look found. It may not be the newest any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CachedVersion {
    /// The version.
    pub version: AgentVersion,
    /// Where it was found.
    pub found_by: Venue,
    /// When, RFC 3339.
    pub found_at: String,
    /// How long ago that was, in seconds.
    pub age_seconds: u64,
}

impl fmt::Display for CachedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (amount, unit) = match self.age_seconds {
            seconds @ 0..120 => (seconds, "s"),
            seconds @ 120..7_200 => (seconds / 60, "min"),
            seconds @ 7_200..172_800 => (seconds / 3_600, "h"),
            seconds => (seconds / 86_400, "days"),
        };
        write!(f, "{} was found {amount} {unit} ago ({})", self.version, self.found_by)
    }
}

/// One look for a version that did not give one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// Where it failed.
    pub venue: Place,
    /// Why it failed, as one or more lines for a person.
    pub reason: String,
    /// How long the look took, in milliseconds.
    pub took_millis: u64,
}

/// The answer about one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionFinding {
    /// The agent that was asked about.
    pub agent: String,
    /// The version, if one was found.
    pub version: Option<AgentVersion>,
    /// Where it was found.
    pub found_by: Option<Venue>,
    /// The last known version, when none was found now and such an answer was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<CachedVersion>,
    /// When the answer was known, RFC 3339.
    pub checked_at: String,
    /// How long the whole look took, in milliseconds.
    pub took_millis: u64,
    /// Every attempt that failed, in the order made.
    pub failed: Vec<FailedAttempt>,
}

/// What `aicage-checker version --format json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionReport {
    /// The shape of this document; [`VersionReport::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// One finding per agent, in the order asked.
    pub agents: Vec<VersionFinding>,
}

impl VersionReport {
    /// The shape that this program writes.
    pub const SCHEMA_VERSION: u32 = 1;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_version_is_one_printable_line() {
        assert_eq!(AgentVersion::parse(" 1.10 \n").unwrap().as_str(), "1.10");
        assert_eq!(AgentVersion::parse(" \n"), Err(VersionError::Empty));
        assert_eq!(AgentVersion::parse("1\n2"), Err(VersionError::Lines));
        assert_eq!(AgentVersion::parse("1\u{1b}[31m"), Err(VersionError::Unprintable));
        assert_eq!(AgentVersion::parse(&"1".repeat(129)), Err(VersionError::TooLong));
    }

    #[test]
    fn a_venue_is_one_word_in_documents() {
        let natives = SourceKind::ALL.into_iter().map(Venue::Native);
        for venue in natives.chain([Venue::Container, Venue::Host]) {
            assert_eq!(Venue::try_from(String::from(venue)), Ok(venue));
            assert_eq!(Place::try_from(String::from(venue)), Ok(Place::At(venue)));
        }
        for place in [Place::Definition, Place::Checker] {
            assert_eq!(Place::try_from(String::from(place)), Ok(place));
            assert!(Venue::try_from(String::from(place)).is_err(), "no version is found there");
        }
        assert_eq!(String::from(Venue::Native(SourceKind::GithubTag)), "native:github-tag");
        assert!(Venue::try_from("native:".to_owned()).is_err());
    }

    #[test]
    fn an_age_is_told_in_a_unit_that_fits() {
        let told = |age_seconds| {
            let version = AgentVersion::parse("1.4.0").unwrap();
            let found_by = Venue::Native(SourceKind::Npm);
            CachedVersion { version, found_by, found_at: String::new(), age_seconds }.to_string()
        };
        assert_eq!(told(119), "1.4.0 was found 119 s ago (npm)");
        assert_eq!(told(7_199), "1.4.0 was found 119 min ago (npm)");
        assert_eq!(told(172_799), "1.4.0 was found 47 h ago (npm)");
        assert_eq!(told(172_800), "1.4.0 was found 2 days ago (npm)");
    }

    proptest! {
        #[test]
        fn a_version_that_was_taken_is_taken_again(text in "\\PC{0,20}") {
            if let Ok(version) = AgentVersion::parse(&text) {
                prop_assert_eq!(AgentVersion::parse(version.as_str()), Ok(version));
            }
        }
    }
}
