//! Texts that may not be shown, and hiding them in output that comes in pieces.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

/// A text shorter than this, in bytes, stands in too much output by chance to be hidden.
const HIDDEN_FROM_BYTES: usize = 4;

/// A name without a password in an address is a token from this length on, in bytes; shorter ones are people.
const TOKEN_FROM_BYTES: usize = 8;

/// What stands in the place of what is hidden.
const MASK: &[u8] = b"***";

/// Texts that may not be shown. Its text for debugging holds none of them.
#[derive(Clone, Default)]
pub struct Hidden {
    /// The longest first, so that of two of which one begins with the other the longer one is hidden whole.
    texts: Vec<Vec<u8>>,
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hidden({})", self.texts.len())
    }
}

impl Hidden {
    /// Hides `texts`, but those of fewer than four bytes.
    pub fn new(texts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut texts: Vec<_> = texts.into_iter().filter(|text| text.len() >= HIDDEN_FROM_BYTES).collect();
        texts.sort();
        texts.dedup();
        texts.sort_by_key(|text| Reverse(text.len()));
        Self { texts }
    }

    /// Says whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Returns `bytes` with `***` in the place of everything hidden.
    pub fn mask_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.scan(bytes, false).0
    }

    /// Returns `text` with `***` in the place of everything hidden.
    pub fn mask(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.mask_bytes(text.as_bytes())).into_owned()
    }

    /// Returns what can be shown of `bytes`, and the end that must wait because more may follow.
    fn scan<'a>(&self, bytes: &'a [u8], more_may_follow: bool) -> (Vec<u8>, &'a [u8]) {
        let mut shown = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            let is_cut = |text: &Vec<u8>| rest.len() < text.len() && text.starts_with(rest);
            if more_may_follow && self.texts.iter().any(is_cut) {
                break;
            }
            match self.texts.iter().find(|text| rest.starts_with(text)) {
                Some(text) => {
                    shown.extend_from_slice(MASK);
                    rest = &rest[text.len()..];
                }
                None => {
                    shown.push(*first);
                    rest = behind;
                }
            }
        }
        (shown, rest)
    }
}

/// Hides texts in several streams at once, each named by a `K`, of which every piece may end within such a text.
#[derive(Debug)]
pub struct Masker<K> {
    hidden: Hidden,
    /// The end of each stream that may be the beginning of what is hidden.
    kept: BTreeMap<K, Vec<u8>>,
}

impl<K: Ord + Clone> Masker<K> {
    /// Hides what `hidden` holds.
    pub fn new(hidden: Hidden) -> Self {
        Self { hidden, kept: BTreeMap::new() }
    }

    /// Returns what is hidden.
    pub fn hidden(&self) -> &Hidden {
        &self.hidden
    }

    /// Returns the streams of which something was kept back.
    pub fn streams(&self) -> Vec<K> {
        self.kept.iter().filter(|(_, kept)| !kept.is_empty()).map(|(stream, _)| stream.clone()).collect()
    }

    /// Returns what can be shown of `stream` now that `bytes` came.
    pub fn take(&mut self, stream: &K, bytes: &[u8]) -> Vec<u8> {
        if self.hidden.is_empty() {
            return bytes.to_vec();
        }
        let mut all = self.kept.remove(stream).unwrap_or_default();
        all.extend_from_slice(bytes);
        let (shown, kept) = self.hidden.scan(&all, true);
        self.kept.insert(stream.clone(), kept.to_vec());
        shown
    }

    /// Returns what was kept back of `stream`, which has ended.
    pub fn end(&mut self, stream: &K) -> Vec<u8> {
        self.kept.remove(stream).map(|kept| self.hidden.mask_bytes(&kept)).unwrap_or_default()
    }
}

/// Returns what is secret in an address such as `http://user:password@host`, with or without `http://`.
///
/// That is the password, or the user's name when there is none and it is as long as a token; as it stands there, as it is
/// meant (`%40` is `@`), and as it is sent in a header (RFC 7617), which tools print when they are asked for every word.
pub fn credentials(address: &str) -> Vec<Vec<u8>> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return Vec::new() };
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    match user.split_once(':') {
        Some((name, password)) => {
            let sent = [decoded(name), decoded(password)].join(&b':');
            vec![password.as_bytes().to_vec(), decoded(password), STANDARD.encode(sent).into_bytes()]
        }
        None if user.len() >= TOKEN_FROM_BYTES => {
            let sent = [&decoded(user)[..], b":"].concat();
            vec![user.as_bytes().to_vec(), decoded(user), STANDARD.encode(sent).into_bytes()]
        }
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(texts: &[&str]) -> Hidden {
        Hidden::new(texts.iter().map(|text| text.as_bytes().to_vec()))
    }

    #[test]
    fn a_secret_is_hidden_however_the_output_is_cut() {
        let text = b"before s3cret-token s3cret abc s3cre";
        for cut in 0..text.len() {
            let mut masker = Masker::new(hidden(&["s3cret-token", "s3cret", "abc"]));
            let mut shown = masker.take(&"x", &text[..cut]);
            assert!(masker.take(&"y", b"other ").starts_with(b"other"));
            shown.extend(masker.take(&"x", &text[cut..]));
            shown.extend(masker.end(&"x"));
            let shown = String::from_utf8(shown).unwrap();
            assert!(!shown.contains("s3cret") && !shown.contains("-tok"), "{cut}: {shown}");
            assert!(shown.starts_with("before ***") && shown.ends_with(" abc s3cre"), "{cut}: {shown}");
        }
        assert_eq!(hidden(&["s3cret-token", "s3cret"]).mask("a s3cret-token b"), "a *** b");
    }

    #[test]
    fn without_secrets_everything_is_shown_at_once() {
        assert_eq!(Masker::new(Hidden::default()).take(&1, b"abc"), b"abc");
    }

    #[test]
    fn what_is_secret_in_an_address_is_found() {
        let found = |address| {
            let found = credentials(address).into_iter();
            found.map(|text| String::from_utf8(text).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found("http://me:p@ss%21w@proxy:3128/x@y"), ["p@ss%21w", "p@ss!w", "bWU6cEBzcyF3"]);
        assert_eq!(found("me:hunter2@proxy:3128"), ["hunter2", "hunter2", "bWU6aHVudGVyMg=="]);
        assert_eq!(found("https://npm_abcdefgh@registry/")[0], "npm_abcdefgh");
        assert!(found("http://alice@proxy").is_empty() && found("http://proxy:3128").is_empty());
        assert!(found("").is_empty() && found("://@").is_empty());
    }

    #[test]
    fn what_is_hidden_is_not_told_for_debugging() {
        assert_eq!(format!("{:?}", hidden(&["s3cret-token", "s3cret-token", "abc"])), "Hidden(1)");
    }
}
