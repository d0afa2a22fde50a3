//! The last lines of a failed step. The launcher says them again, on the stream that nothing else uses, because the engine
//! clips what a step writes. A step that runs without the launcher has both streams to itself.

use std::collections::{BTreeMap, BTreeSet};

/// What the launcher writes before it says the last lines again.
const AGAIN: &[u8] = b"aicage: the last lines again:\n";

/// How many lines of a failure are shown.
const LINES_SHOWN: usize = 40;

/// Tells what steps write to their second stream from what was said before.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// The end of each step's stream that may be the beginning of the launcher's words.
    kept: BTreeMap<String, Vec<u8>>,
    /// The steps of which only repeats follow.
    repeating: BTreeSet<String>,
}

impl Repeats {
    /// Returns what is new in `bytes`, which the step `vertex` wrote to its second stream.
    pub(crate) fn take(&mut self, vertex: &str, bytes: &[u8]) -> Vec<u8> {
        if self.repeating.contains(vertex) {
            return Vec::new();
        }
        let mut all = self.kept.remove(vertex).unwrap_or_default();
        all.extend_from_slice(bytes);
        if let Some(at) = position(&all) {
            self.repeating.insert(vertex.to_owned());
            all.truncate(at);
            return all;
        }
        let is_cut = |at: &usize| AGAIN.starts_with(&all[*at..]);
        let end = (all.len().saturating_sub(AGAIN.len())..all.len()).find(is_cut).unwrap_or(all.len());
        let kept = all.split_off(end);
        self.kept.insert(vertex.to_owned(), kept);
        all
    }

    /// Returns what was kept back of `vertex`, which has ended.
    pub(crate) fn end(&mut self, vertex: &str) -> Vec<u8> {
        self.kept.remove(vertex).unwrap_or_default()
    }
}

fn position(bytes: &[u8]) -> Option<usize> {
    bytes.windows(AGAIN.len()).position(|window| window == AGAIN)
}

/// Returns the last lines of a step that wrote `errors` to its second stream and `output` to both, if it wrote any.
pub(crate) fn last_lines(errors: &[u8], output: &[u8]) -> Option<String> {
    let written = position(errors).map_or(output, |at| &errors[at + AGAIN.len()..]);
    let written = String::from_utf8_lossy(written);
    let lines: Vec<_> = written.trim_end().split('\n').collect();
    let shown = lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n");
    (!shown.trim().is_empty()).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again() -> &'static str {
        std::str::from_utf8(AGAIN).unwrap()
    }

    #[test]
    fn the_launcher_says_the_words_that_are_looked_for() {
        let words = again().trim_end();
        assert!(include_str!("launch.sh").contains(&format!("echo \"{words}\"; tail -n {LINES_SHOWN} ")));
    }

    #[test]
    fn what_is_said_again_is_not_new_however_it_is_cut() {
        let text = format!("aicage: own words\n{}last\nlines\n", again());
        for cut in 0..=text.len() {
            let mut repeats = Repeats::default();
            let mut new = repeats.take("a", &text.as_bytes()[..cut]);
            new.extend(repeats.take("a", &text.as_bytes()[cut..]));
            new.extend(repeats.end("a"));
            assert_eq!(String::from_utf8(new).unwrap(), "aicage: own words\n", "{cut}");
        }
    }

    #[test]
    fn what_only_begins_like_the_launchers_words_is_told_at_the_end() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.take("a", b"x aicage: the"), b"x ");
        assert_eq!(repeats.take("b", b"other"), b"other");
        assert_eq!(repeats.end("a"), b"aicage: the");
    }

    #[test]
    fn the_last_lines_are_those_said_again_else_those_of_both_streams() {
        let repeated = format!("mkdir: no\n{}one\ntwo\n", again());
        assert_eq!(last_lines(repeated.as_bytes(), b"clipped").unwrap(), "one\ntwo");
        let many: String = (0..50).map(|line| format!("{line}\n")).collect();
        let shown = last_lines(b"9\n", many.as_bytes()).unwrap();
        assert!(shown.starts_with("10\n11\n") && shown.ends_with("\n49"), "{shown}");
        assert_eq!(last_lines(b"", b" \n"), None);
    }
}
