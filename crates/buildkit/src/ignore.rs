//! The patterns of a `.dockerignore` file, as BuildKit reads them.
//!
//! Source: the behaviour of `moby/patternmatcher` 0.6 and of its `ignorefile` package, which are not those of
//! `.gitignore`: a pattern without a slash matches at the top only, and the last pattern that matches decides.

use regex::Regex;

/// Says that a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern {0:?} is not valid")]
pub struct PatternError(pub String);

/// The patterns of one file, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct IgnoreRules {
    patterns: Vec<Pattern>,
}

/// Which patterns matched a folder. What matches a folder matches all that is in it.
pub(crate) type Matched = Vec<bool>;

#[derive(Debug, Clone)]
struct Pattern {
    /// Whether it takes back what patterns in front of it ignored.
    is_exception: bool,
    shape: Shape,
}

#[derive(Debug, Clone)]
enum Shape {
    Exact(String),
    /// `a/**`: everything that begins so.
    Prefix(String),
    /// `**/a`: everything that ends so.
    Suffix(String),
    Glob(Regex),
}

impl IgnoreRules {
    /// Reads the lines of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut patterns = Vec::new();
        for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
            // A number sign behind spaces is part of a name.
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let line = line.trim();
            let (is_exception, pattern) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
            if pattern.is_empty() {
                return Err(PatternError(line.to_owned()));
            }
            let pattern = clean(pattern);
            let shape = Shape::of(&pattern).ok_or_else(|| PatternError(line.to_owned()))?;
            patterns.push(Pattern { is_exception, shape });
        }
        Ok(Self { patterns })
    }

    /// Says whether something in an ignored folder may not be ignored.
    pub(crate) fn have_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_exception)
    }

    /// Says whether an entry is ignored, and which patterns matched it.
    ///
    /// `parent` is what was answered of the folder that it is in; empty at the top.
    pub(crate) fn ignore(&self, path: &str, parent: &Matched) -> (bool, Matched) {
        let mut ignored = false;
        let mut matched = vec![false; self.patterns.len()];
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.get(index).copied().unwrap_or(false);
            // One that would change nothing is not asked, and then counts as not matched below either.
            matched[index] = inherited || (pattern.is_exception == ignored && pattern.shape.matches(path));
            if matched[index] {
                ignored = !pattern.is_exception;
            }
        }
        (ignored, matched)
    }
}

impl Shape {
    fn of(pattern: &str) -> Option<Self> {
        let glob = glob(pattern)?;
        let is_plain = |text: &str| !text.contains(['*', '?', '[', '\\', ']']);
        if is_plain(pattern) {
            return Some(Self::Exact(pattern.to_owned()));
        }
        // The short forms are not mere shortcuts: `**a` matches every name that ends with an a.
        if let Some(rest) = pattern.strip_prefix("**")
            && (is_plain(rest) || rest == "/**")
        {
            let rest = if rest == "/**" { "" } else { rest };
            return Some(Self::Suffix(rest.to_owned()));
        }
        if let Some(start) = pattern.strip_suffix("**")
            && is_plain(start)
        {
            return Some(Self::Prefix(start.to_owned()));
        }
        Regex::new(&glob).ok().map(Self::Glob)
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(start) => path.starts_with(start.as_str()),
            Self::Suffix(end) => path.ends_with(end.as_str()) || end.strip_prefix('/') == Some(path),
            Self::Glob(glob) => glob.is_match(path),
        }
    }
}

/// Returns the pattern as a regular expression; nothing if it is not one that Go's `filepath.Match` takes.
fn glob(pattern: &str) -> Option<String> {
    let mut glob = "^(?s:".to_owned();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                glob += if rest.peek().is_none() { ".*" } else { "(?:.*/)?" };
            }
            '*' => glob += "[^/]*",
            '?' => glob += "[^/]",
            '[' => class(&mut rest, &mut glob)?,
            '\\' => glob += &regex::escape(rest.next()?.encode_utf8(&mut [0; 4])),
            other => glob += &regex::escape(other.encode_utf8(&mut [0; 4])),
        }
    }
    Some(glob + ")$")
}

/// Reads the inside of `[…]`.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, glob: &mut String) -> Option<()> {
    fn bound(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
        match rest.next()? {
            '\\' => rest.next(),
            '-' | ']' => None,
            other => Some(other),
        }
    }
    glob.push('[');
    if rest.next_if_eq(&'^').is_some() {
        glob.push('^');
    }
    let mut is_empty = true;
    while is_empty || rest.next_if_eq(&']').is_none() {
        is_empty = false;
        let low = bound(rest)?;
        let high = if rest.next_if_eq(&'-').is_some() { bound(rest)? } else { low };
        if high < low {
            return None;
        }
        *glob += &format!("\\x{{{:x}}}-\\x{{{:x}}}", u32::from(low), u32::from(high));
    }
    glob.push(']');
    Some(())
}

/// Returns the shortest spelling of a path, relative to the top (Go's `filepath.Clean`).
fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            other => parts.push(other),
        }
    }
    match parts.join("/") {
        empty if empty.is_empty() && is_absolute => "/".to_owned(),
        empty if empty.is_empty() => ".".to_owned(),
        path => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignores(lines: &[&str], path: &str) -> bool {
        let rules = IgnoreRules::parse(&lines.join("\n")).unwrap();
        let mut matched = Matched::new();
        let mut ignored = false;
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            (ignored, matched) = rules.ignore(&path[..end], &matched);
        }
        ignored
    }

    #[test]
    fn one_pattern_matches_as_the_documents_say() {
        for (pattern, path, expected) in [
            // The examples of Docker's documentation of the file.
            ("*/temp*", "somedir/temporary.txt", true),
            ("*/temp*", "somedir/temp", true),
            ("*/temp*", "temp", false),
            ("*/*/temp*", "somedir/subdir/temporary.txt", true),
            ("temp?", "tempa", true),
            ("temp?", "temp", false),
            ("**/*.go", "a.go", true),
            ("**/*.go", "a/b/c.go", true),
            ("/foo/bar", "foo/bar", true),
            ("foo/bar/", "foo/bar", true),
            ("/foo/bar/", "foo/bar/x", true),
            ("./a/../b", "b", true),
            // A name without a slash is one at the top.
            ("node_modules", "node_modules/x/y", true),
            ("node_modules", "a/node_modules", false),
            ("**/node_modules", "a/node_modules/x", true),
            ("**", "a/b", true),
            ("**/", "a/b", true),
            ("**", ".hidden", true),
            ("*", ".hidden", true),
            ("*", "a/b", true),
            ("dir/**", "dir", false),
            ("dir/**", "dir/a/b", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "ab", false),
            ("a**/*.txt", "a/dir/dir/file.txt", true),
            ("**/**/*.txt", "file.txt", true),
            ("**file", "dir/file", true),
            ("**file", "dir/xfile", true),
            ("**/file", "dir/xfile", false),
            ("a/*.txt**", "a/file.txt", true),
            // Classes and escapes.
            ("a[b-d]e", "ace", true),
            ("a[b-d]e", "aae", false),
            ("a[^b-d]e", "aze", true),
            ("[a-ζ]*", "α", true),
            ("a[b&&c~]d", "a&d", true),
            ("a[*]b", "a*b", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a?b", "a☺b", true),
            ("abc.def", "abcZdef", false),
            ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
            ("with space", "with space", true),
            // What leads out, or to the top itself, matches nothing.
            ("../x", "x", false),
            (".", "x", false),
            ("/", "x", false),
        ] {
            assert_eq!(ignores(&[pattern], path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        for (lines, path, expected) in [
            (&["*.md", "!README.md"][..], "README.md", false),
            (&["*.md", "!README*.md", "README-secret.md"], "README-secret.md", true),
            (&["*.md", "README-secret.md", "!README*.md"], "README-secret.md", false),
            (&["**", "!util/web"], "util/web/x", false),
            (&["**", "!util/web"], "util/other", true),
            (&["**", "!util/web", "util/web/x"], "util/web/x", true),
            (&["foo", "!foo/bar"], "foo/bar/x", false),
            (&["foo", "!foo/bar"], "foo/baz", true),
            (&["# foo", "", "  foo  "], "foo", true),
            (&["  # foo"], "# foo", true),
            (&["\u{feff}foo"], "foo", true),
            (&["foo\r"], "foo", true),
            (&["foo", "! /foo"], "foo", false),
            (&["!foo"], "foo", false),
        ] {
            assert_eq!(ignores(lines, path), expected, "{lines:?} on {path}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        for pattern in ["!", "[", "a[", "[]a]", "[-x]", "[x-]", "[a-b-c]", "[z-a]", "a\\", "[\\"] {
            assert!(IgnoreRules::parse(pattern).is_err(), "{pattern}");
        }
    }
}
