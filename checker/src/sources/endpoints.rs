//! Where versions are published when the user's configuration names no other place. No other file names a public host.

use domain::version::SourceKind;

/// The public place of each kind of source that has one.
const DEFAULTS: [(SourceKind, &str); 6] = [
    (SourceKind::Npm, "https://registry.npmjs.org/"),
    (SourceKind::Pypi, "https://pypi.org/simple/"),
    (SourceKind::Crates, "https://index.crates.io/"),
    (SourceKind::GithubRelease, "https://api.github.com/"),
    (SourceKind::GithubTag, "https://api.github.com/"),
    (SourceKind::OciTag, "https://registry-1.docker.io/"),
];

/// Returns the public place of a kind of source; the sources that name a whole address have none.
pub(super) fn default_of(kind: SourceKind) -> &'static str {
    DEFAULTS.iter().find(|(known, _)| *known == kind).map_or("", |(_, place)| place)
}
