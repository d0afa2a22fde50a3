//! Which of many tags is the highest version.

use std::cmp::Ordering;

use semver::Prerelease;

/// The most numbers that a version has.
const NUMBERS: usize = 4;

/// A text that looks like a version: numbers joined by dots, perhaps a pre-release behind a `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ordered {
    numbers: Vec<u64>,
    prerelease: Prerelease,
}

impl Ordered {
    /// Reads a text, with or without a leading `v`; anything else is no version that could be compared.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (numbers, prerelease) = text.split_once('-').unwrap_or((text, ""));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<_> = numbers.split('.').collect();
        if parts.len() > NUMBERS || !parts.iter().all(|part| is_number(part)) || text.ends_with('-') {
            return None;
        }
        let mut numbers = parts.iter().map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?;
        // 1.4 and 1.4.0 are one version.
        numbers.resize(NUMBERS, 0);
        Some(Self { numbers, prerelease: Prerelease::new(prerelease).ok()? })
    }

    /// Says whether it comes before a release.
    pub(super) fn is_prerelease(&self) -> bool {
        !self.prerelease.is_empty()
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| self.prerelease.cmp(&other.prerelease))
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Returns the highest version among `texts`. What does not look like one is none.
pub(super) fn highest<'a>(texts: impl Iterator<Item = &'a str>, include_prereleases: bool) -> Option<&'a str> {
    let versions = texts.filter_map(|text| Some((Ordered::parse(text)?, text)));
    let allowed = versions.filter(|(version, _)| include_prereleases || !version.is_prerelease());
    allowed.max_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        let tags = ["v1.9.0", "v1.10.0", "v1.10", "nightly", "2.0.0-rc.2", "1.2.3.4.5", "v", "", "2.0.0-"];
        assert!(matches!(highest(tags.into_iter(), false), Some("v1.10.0" | "v1.10")));
        assert_eq!(highest(tags.into_iter(), true), Some("2.0.0-rc.2"));
        assert_eq!(highest(["latest", "main"].into_iter(), true), None);
    }

    #[test]
    fn a_release_comes_after_its_candidates() {
        let order =
            ["1.0.0-alpha", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0", "1.0.1"].map(|text| Ordered::parse(text).unwrap());
        assert!(order.is_sorted());
    }
}
