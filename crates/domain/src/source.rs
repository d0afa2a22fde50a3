//! Where an agent's versions are published, as `version.yml` beside `agent.yml` says it.

use std::time::Duration;

use regex::Regex;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::definition::{DefinitionError, Text, parse_yaml};
use crate::version::SourceKind;

/// The longest time that a definition may give a look, in seconds.
const SOURCE_TIMEOUT_SECONDS_MAXIMUM: u64 = 300;

/// What `version.yml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSource {
    /// Whom to ask, and for what.
    pub source: Source,
    /// How the version is cut out of each text that is found.
    pub extraction: Extraction,
    /// How long the look may take; `None` when the definition does not say.
    pub timeout: Option<Duration>,
}

/// Whom to ask for versions, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A package in the npm registry that the user's npm is configured for.
    Npm {
        /// Its name, with the scope.
        package: String,
        /// The distribution tag.
        tag: String,
    },
    /// A package in the index that the user's pip is configured for.
    Pypi {
        /// Its name.
        package: String,
        /// Whether a pre-release may be the newest.
        include_prereleases: bool,
    },
    /// A crate in the registry that the user's cargo is configured for.
    Crates {
        /// Its name.
        package: String,
        /// Whether a pre-release may be the newest.
        include_prereleases: bool,
    },
    /// The newest release of a GitHub repository.
    GithubRelease {
        /// `owner/name`.
        repository: String,
        /// Whether a pre-release may be the newest.
        include_prereleases: bool,
    },
    /// The highest version among the tags of a GitHub repository.
    GithubTag {
        /// `owner/name`.
        repository: String,
        /// Whether a pre-release may be the newest.
        include_prereleases: bool,
    },
    /// The highest version among the tags of an image repository.
    OciTag {
        /// The repository, with its registry unless that is the usual one.
        repository: String,
        /// Whether a pre-release may be the newest.
        include_prereleases: bool,
    },
    /// One value of a JSON document.
    HttpJson {
        /// The document.
        url: String,
        /// The JSON pointer (RFC 6901) of the value.
        pointer: String,
    },
    /// A text.
    HttpText {
        /// The text.
        url: String,
    },
}

impl Source {
    /// Returns what kind it is.
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::Npm { .. } => SourceKind::Npm,
            Self::Pypi { .. } => SourceKind::Pypi,
            Self::Crates { .. } => SourceKind::Crates,
            Self::GithubRelease { .. } => SourceKind::GithubRelease,
            Self::GithubTag { .. } => SourceKind::GithubTag,
            Self::OciTag { .. } => SourceKind::OciTag,
            Self::HttpJson { .. } => SourceKind::HttpJson,
            Self::HttpText { .. } => SourceKind::HttpText,
        }
    }
}

/// How a version is cut out of a text.
#[derive(Debug, Clone, Default)]
pub struct Extraction {
    /// A regular expression with one group.
    pattern: Option<Regex>,
    /// What stands in front of the version.
    prefix: Option<String>,
}

impl PartialEq for Extraction {
    fn eq(&self, other: &Self) -> bool {
        let pattern = |extraction: &Self| extraction.pattern.as_ref().map(|pattern| pattern.as_str().to_owned());
        pattern(self) == pattern(other) && self.prefix == other.prefix
    }
}

impl Eq for Extraction {}

impl Extraction {
    /// Returns the part of `text` that is the version: what the pattern's group holds, without the prefix.
    ///
    /// `None` when the pattern does not match or the prefix is not there: such a text is none of the agent's versions.
    pub fn apply<'a>(&self, text: &'a str) -> Option<&'a str> {
        let text = text.trim();
        let cut = match &self.pattern {
            Some(pattern) => pattern.captures(text)?.get(1)?.as_str(),
            None => text,
        };
        match &self.prefix {
            Some(prefix) => cut.strip_prefix(prefix.as_str()),
            None => Some(cut),
        }
    }

    /// Says whether a text is taken as it is.
    pub fn is_empty(&self) -> bool {
        self.pattern.is_none() && self.prefix.is_none()
    }
}

/// The file as it is written; which keys belong to which source is checked afterwards.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    source: Spanned<Text>,
    package: Option<Spanned<Text>>,
    repository: Option<Spanned<Text>>,
    url: Option<Spanned<Text>>,
    tag: Option<Spanned<Text>>,
    pointer: Option<Spanned<Text>>,
    pattern: Option<Spanned<Text>>,
    prefix: Option<Spanned<Text>>,
    include_prereleases: Option<Spanned<bool>>,
    timeout: Option<Spanned<u64>>,
}

/// A mistake with the place it is at.
struct Mistake(u64, u64, String);

impl Mistake {
    fn at<T>(place: &Spanned<T>, message: impl Into<String>) -> Self {
        Self(place.referenced.line(), place.referenced.column(), message.into())
    }
}

impl VersionSource {
    /// Reads the bytes of a `version.yml`; `file` is how mistakes name it.
    ///
    /// # Errors
    /// [`DefinitionError`] at the first key that is unknown, repeated, missing or of no use to the source, and at the
    /// first value that cannot be.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, DefinitionError> {
        let written: Written = parse_yaml(bytes, file)?;
        written.checked().map_err(|Mistake(line, column, message)| DefinitionError {
            file: file.to_owned(),
            line,
            column,
            message,
        })
    }
}

impl Written {
    fn checked(mut self) -> Result<VersionSource, Mistake> {
        let word = self.source.value.as_str();
        let kind = SourceKind::from_word(word).ok_or_else(|| {
            let known: Vec<_> = SourceKind::ALL.into_iter().map(SourceKind::as_str).collect();
            Mistake::at(&self.source, format!("unknown source `{word}`, expected one of {}", known.join(", ")))
        })?;
        let source = self.source(kind)?;
        self.nothing_is_left(kind)?;
        let extraction = Extraction {
            pattern: self.pattern.as_ref().map(pattern).transpose()?,
            prefix: self.prefix.map(|prefix| prefix.value.as_str().to_owned()),
        };
        let timeout = match self.timeout {
            Some(given) if (1..=SOURCE_TIMEOUT_SECONDS_MAXIMUM).contains(&given.value) => {
                Some(Duration::from_secs(given.value))
            }
            Some(given) => {
                let message = format!("timeout is from 1 to {SOURCE_TIMEOUT_SECONDS_MAXIMUM} seconds");
                return Err(Mistake::at(&given, message));
            }
            None => None,
        };
        Ok(VersionSource { source, extraction, timeout })
    }

    /// Takes what `kind` needs.
    fn source(&mut self, kind: SourceKind) -> Result<Source, Mistake> {
        let start = self.source.clone();
        let needed = |key: &str, value: Option<Spanned<Text>>| {
            value.ok_or_else(|| Mistake::at(&start, format!("source {} needs `{key}`", kind.as_str())))
        };
        let mut package = || needed("package", self.package.take()).and_then(|given| package_name(kind, &given));
        Ok(match kind {
            SourceKind::Npm => {
                let package = package()?;
                let tag = self.tag.take().map_or(Ok("latest".to_owned()), |tag| one_word("tag", &tag))?;
                Source::Npm { package, tag }
            }
            SourceKind::Pypi => Source::Pypi { package: package()?, include_prereleases: self.prereleases() },
            SourceKind::Crates => Source::Crates { package: package()?, include_prereleases: self.prereleases() },
            SourceKind::GithubRelease => {
                let repository = github_repository(&needed("repository", self.repository.take())?)?;
                Source::GithubRelease { repository, include_prereleases: self.prereleases() }
            }
            SourceKind::GithubTag => {
                let repository = github_repository(&needed("repository", self.repository.take())?)?;
                Source::GithubTag { repository, include_prereleases: self.prereleases() }
            }
            SourceKind::OciTag => {
                let repository = image_repository(&needed("repository", self.repository.take())?)?;
                Source::OciTag { repository, include_prereleases: self.prereleases() }
            }
            SourceKind::HttpJson => Source::HttpJson {
                url: address(&needed("url", self.url.take())?)?,
                pointer: json_pointer(&needed("pointer", self.pointer.take())?)?,
            },
            SourceKind::HttpText => Source::HttpText { url: address(&needed("url", self.url.take())?)? },
        })
    }

    fn prereleases(&mut self) -> bool {
        self.include_prereleases.take().is_some_and(|given| given.value)
    }

    /// Refuses keys that the source has no use for: they would be a wish that nobody fulfils.
    fn nothing_is_left(&self, kind: SourceKind) -> Result<(), Mistake> {
        let texts = [
            ("package", &self.package),
            ("repository", &self.repository),
            ("url", &self.url),
            ("tag", &self.tag),
            ("pointer", &self.pointer),
        ];
        let useless = |key: &str| format!("source {} has no `{key}`", kind.as_str());
        for (key, value) in texts {
            if let Some(value) = value {
                return Err(Mistake::at(value, useless(key)));
            }
        }
        match &self.include_prereleases {
            Some(given) => Err(Mistake::at(given, useless("include_prereleases"))),
            None => Ok(()),
        }
    }
}

fn pattern(given: &Spanned<Text>) -> Result<Regex, Mistake> {
    let pattern = Regex::new(given.value.as_str()).map_err(|error| {
        let words = error.to_string();
        // The library draws the pattern with an arrow; its last line says what is wrong.
        Mistake::at(given, words.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned())
    })?;
    match pattern.captures_len() {
        2 => Ok(pattern),
        groups => Err(Mistake::at(given, format!("the pattern needs exactly one group, it has {}", groups - 1))),
    }
}

fn one_word(key: &str, given: &Spanned<Text>) -> Result<String, Mistake> {
    let text = given.value.as_str();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.chars().all(fits) && !text.starts_with('.') {
        return Ok(text.to_owned());
    }
    Err(Mistake::at(given, format!("{key} may hold only letters, digits, '_', '.' and '-'")))
}

/// Checks what could change the meaning of an address that the name becomes part of, not the registry's own rules.
fn package_name(kind: SourceKind, given: &Spanned<Text>) -> Result<String, Mistake> {
    let name = given.value.as_str();
    if kind == SourceKind::Npm {
        return is_npm_package(name)
            .then(|| name.to_owned())
            .ok_or_else(|| Mistake::at(given, "this is no name of an npm package"));
    }
    one_word("package", given)
}

/// Says whether `name` can be the name of an npm package, with or without a scope.
pub fn is_npm_package(name: &str) -> bool {
    let part = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '~');
        !part.is_empty() && part.chars().all(fits) && !part.starts_with(['.', '_', '-'])
    };
    match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| part(scope) && part(name)),
        None => part(name),
    }
}

fn github_repository(given: &Spanned<Text>) -> Result<String, Mistake> {
    let text = given.value.as_str();
    let part = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        !part.is_empty() && part != "." && part != ".." && part.chars().all(fits)
    };
    match text.split_once('/') {
        Some((owner, name)) if part(owner) && part(name) => Ok(text.to_owned()),
        _ => Err(Mistake::at(given, "repository is written owner/name")),
    }
}

fn image_repository(given: &Spanned<Text>) -> Result<String, Mistake> {
    let parsed = given.value.as_str().parse::<crate::image::Repository>();
    parsed.map(|repository| repository.to_string()).map_err(|error| Mistake::at(given, error.to_string()))
}

/// Takes addresses that nobody can tamper with on the way: over TLS, or within this machine.
fn address(given: &Spanned<Text>) -> Result<String, Mistake> {
    let text = given.value.as_str();
    let host = |rest: &str| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
        (!authority.is_empty() && !authority.contains('@')).then_some(authority)
    };
    let is_this_machine = |authority: &str| {
        let name = match authority.rsplit_once(':') {
            // A colon within brackets belongs to an IPv6 address.
            Some((name, port)) if !port.ends_with(']') => name,
            _ => authority,
        };
        matches!(name, "localhost" | "127.0.0.1" | "[::1]")
    };
    let fits = match text.split_once("://") {
        Some(("https", rest)) => host(rest).is_some(),
        Some(("http", rest)) => host(rest).is_some_and(|authority| is_this_machine(&authority)),
        _ => false,
    };
    if fits && !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Ok(text.to_owned());
    }
    Err(Mistake::at(given, "url starts with https:// and holds no user, password or blank"))
}

fn json_pointer(given: &Spanned<Text>) -> Result<String, Mistake> {
    match given.value.as_str() {
        pointer if pointer.starts_with('/') => Ok(pointer.to_owned()),
        _ => Err(Mistake::at(given, "pointer starts with `/`, as in /dist-tags/latest")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> VersionSource {
        VersionSource::parse(text.as_bytes(), "version.yml").unwrap()
    }

    fn mistake(text: &str) -> String {
        VersionSource::parse(text.as_bytes(), "version.yml").unwrap_err().to_string()
    }

    #[test]
    fn each_source_takes_what_it_needs() {
        let npm = parse("source: npm\npackage: '@openai/codex'\ntimeout: 5\n");
        assert_eq!(npm.source, Source::Npm { package: "@openai/codex".to_owned(), tag: "latest".to_owned() });
        assert_eq!(npm.timeout, Some(Duration::from_secs(5)));
        let release = parse("source: github-release\nrepository: acme/tool\ninclude_prereleases: yes\nprefix: v\n");
        let repository = "acme/tool".to_owned();
        assert_eq!(release.source, Source::GithubRelease { repository, include_prereleases: true });
        for text in [
            "source: pypi\npackage: aider-chat\n",
            "source: crates\npackage: ripgrep\ninclude_prereleases: false\n",
            "source: github-tag\nrepository: acme/tool\n",
            "source: oci-tag\nrepository: ghcr.io/acme/tool\n",
            "source: http-json\nurl: https://example.org/latest.json\npointer: /version\n",
            "source: http-text\nurl: http://localhost:8080/latest\npattern: 'version (\\S+)'\n",
            "source: http-text\nurl: 'http://[::1]/latest'\n",
        ] {
            let kind = text.split(['\n', ' ']).nth(1).unwrap();
            assert_eq!(parse(text).source.kind().as_str(), kind);
        }
    }

    #[test]
    fn every_mistake_has_a_place() {
        insta::assert_snapshot!(mistake("source: svn\n"), @"version.yml:1:9: unknown source `svn`, expected one of npm, pypi, crates, github-release, github-tag, oci-tag, http-json, http-text");
        insta::assert_snapshot!(mistake("source: npm\n"), @"version.yml:1:9: source npm needs `package`");
        insta::assert_snapshot!(mistake("source: npm\npackage: x\ncolour: red\n"), @"version.yml:3:1: unknown field `colour`, expected one of source, package, repository, url, tag, pointer, pattern, prefix, include_prereleases, timeout");
        insta::assert_snapshot!(mistake("source: npm\npackage: x\npackage: y\n"), @"version.yml:3:1: duplicate mapping key: package");
        insta::assert_snapshot!(mistake("source: npm\npackage: x\nurl: https://example.org\n"), @"version.yml:3:6: source npm has no `url`");
        insta::assert_snapshot!(mistake("source: npm\npackage: x\ninclude_prereleases: true\n"), @"version.yml:3:22: source npm has no `include_prereleases`");
        insta::assert_snapshot!(mistake("source: npm\npackage: ../x\n"), @"version.yml:2:10: this is no name of an npm package");
        insta::assert_snapshot!(mistake("source: npm\npackage: x\ntag: a/b\n"), @"version.yml:3:6: tag may hold only letters, digits, '_', '.' and '-'");
        insta::assert_snapshot!(mistake("source: npm\npackage: x\ntimeout: 0\n"), @"version.yml:3:10: timeout is from 1 to 300 seconds");
        insta::assert_snapshot!(mistake("source: npm\npackage: x\npattern: 'v('\n"), @"version.yml:3:10: unclosed group");
        insta::assert_snapshot!(mistake("source: npm\npackage: x\npattern: 'v'\n"), @"version.yml:3:10: the pattern needs exactly one group, it has 0");
        insta::assert_snapshot!(mistake("source: github-tag\nrepository: tool\n"), @"version.yml:2:13: repository is written owner/name");
        insta::assert_snapshot!(mistake("source: oci-tag\nrepository: A B\n"), @r#"version.yml:2:13: image reference "A B": a repository is made of lower-case letters, digits and single separators '.', '_', '__' or '-', in parts joined by '/'"#);
        insta::assert_snapshot!(mistake("source: http-text\nurl: http://example.org/x\n"), @"version.yml:2:6: url starts with https:// and holds no user, password or blank");
        insta::assert_snapshot!(mistake("source: http-text\nurl: https://me:secret@example.org/x\n"), @"version.yml:2:6: url starts with https:// and holds no user, password or blank");
        insta::assert_snapshot!(mistake("source: http-json\nurl: https://example.org/x\npointer: version\n"), @"version.yml:3:10: pointer starts with `/`, as in /dist-tags/latest");
        insta::assert_snapshot!(mistake(""), @"version.yml:1:1: the file says nothing; write its keys, or remove it");
    }

    #[test]
    fn a_version_is_cut_out_of_its_text() {
        let both = parse("source: http-text\nurl: https://example.org/x\npattern: '(v[0-9.]+)-linux'\nprefix: v\n");
        assert_eq!(both.extraction.apply(" tool v1.4.0-linux \n"), Some("1.4.0"));
        assert_eq!(both.extraction.apply("tool v1.4.0-darwin"), None);
        let prefix = parse("source: github-tag\nrepository: a/b\nprefix: rust-v\n");
        assert_eq!(prefix.extraction.apply("rust-v1"), Some("1"));
        assert_eq!(prefix.extraction.apply("v1"), None);
        assert_eq!(Extraction::default().apply(" 1 "), Some("1"));
    }

    proptest! {
        #[test]
        fn no_near_miss_makes_it_panic(lines in prop::collection::vec(
            prop_oneof!["source: (npm|http-json|.{0,4})", "(package|repository|url|tag|pointer|prefix): .{0,8}", "pattern: .{0,8}", "timeout: .{0,3}", "include_prereleases: .{0,4}"], 0..6)) {
            let _ = VersionSource::parse(lines.join("\n").as_bytes(), "version.yml");
        }
    }
}
