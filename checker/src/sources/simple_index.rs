//! One package's page in a Python package index: JSON (PEP 691) or HTML (PEP 503).

use std::str::FromStr as _;
use std::sync::LazyLock;

use pep440_rs::Version;
use regex::Regex;
use serde::Deserialize;

/// The ends of archives of sources, which can be installed everywhere.
const SOURCE_ENDS: [&str; 5] = [".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz"];

static ANCHOR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?is)<a((?:\s+[^\s=>]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"']+))?)*)\s*>(.*?)</a>"#).expect("it is one")
});
static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?s)([^\s=>]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?"#).expect("it is one")
});

/// A file that can be installed, and of which version it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) version: Version,
    /// Whether it was withdrawn (PEP 592).
    pub(super) is_yanked: bool,
    /// Which interpreters it wants (PEP 440 specifiers).
    pub(super) requires_python: Option<String>,
    /// Whether it can be installed on every platform.
    pub(super) fits_everywhere: bool,
}

#[derive(Deserialize)]
struct Page {
    files: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Listed {
    filename: String,
    #[serde(default)]
    requires_python: Option<String>,
    #[serde(default)]
    yanked: Option<serde_json::Value>,
}

/// Reads a page. Files of other packages and of no version are left out, as pip leaves them out.
pub(super) fn files(body: &[u8], package: &str) -> Result<Vec<File>, String> {
    let listed = if body.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice::<Page>(body).map_err(|error| error.to_string())?.files
    } else {
        let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
        if !text.to_lowercase().contains("<html") {
            return Err("it is neither the JSON nor the HTML of a package index".to_owned());
        }
        ANCHOR.captures_iter(text).map(|anchor| of_anchor(&anchor[1], &anchor[2])).collect()
    };
    let file = |listed: Listed| {
        let (version, fits_everywhere) = version_in(&listed.filename, package)?;
        Some(File {
            version: Version::from_str(&version).ok()?,
            is_yanked: listed.yanked.is_some_and(|yanked| yanked != serde_json::Value::Bool(false)),
            requires_python: listed.requires_python.filter(|demand| !demand.trim().is_empty()),
            fits_everywhere,
        })
    };
    Ok(listed.into_iter().filter_map(file).collect())
}

fn of_anchor(attributes: &str, text: &str) -> Listed {
    let value = |name: &str| {
        let found = ATTRIBUTE.captures_iter(attributes).find(|attribute| attribute[1].eq_ignore_ascii_case(name))?;
        let value = found.get(2).or(found.get(3)).or(found.get(4));
        Some(unescaped(value.map_or("", |value| value.as_str())))
    };
    Listed {
        filename: unescaped(text.trim()),
        requires_python: value("data-requires-python"),
        yanked: value("data-yanked").map(serde_json::Value::String),
    }
}

fn unescaped(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (name, character)| text.replace(name, character))
}

/// Returns the name by which indexes know a package (PEP 503).
pub(super) fn normal_name(name: &str) -> String {
    let words: Vec<_> = name.split(['-', '_', '.']).filter(|word| !word.is_empty()).collect();
    words.join("-").to_lowercase()
}

/// Says whether a file of this name could be one of the package's.
pub(super) fn may_be_of(file: &str, package: &str) -> bool {
    normal_name(file).starts_with(&normal_name(package)) || file.ends_with(".html")
}

/// Returns the version that a file name holds, and whether the file fits every platform.
fn version_in(file: &str, package: &str) -> Option<(String, bool)> {
    let package = normal_name(package);
    if let Some(stem) = file.strip_suffix(".whl") {
        let parts: Vec<_> = stem.split('-').collect();
        let (name, version) = (parts.first()?, parts.get(1)?);
        let [.., python, abi, platform] = parts.as_slice() else { return None };
        let is_for_python_3 = python.split('.').any(|tag| tag == "py3");
        let fits_everywhere = is_for_python_3 && *abi == "none" && *platform == "any";
        return (matches!(parts.len(), 5 | 6) && normal_name(name) == package)
            .then(|| (version.replace('_', "-"), fits_everywhere));
    }
    let stem = SOURCE_ENDS.iter().find_map(|end| file.strip_suffix(end))?;
    let splits = stem.match_indices('-').map(|(at, _)| stem.split_at(at));
    let named = splits.filter(|(name, _)| normal_name(name) == package);
    named.map(|(_, version)| (version[1..].to_owned(), true)).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let html = r#"<!DOCTYPE html><html><body><a href="x#sha256=1" data-requires-python="&gt;=3.8" data-yanked="broken">a_b-1.0.tar.gz</a><br/>
            <a href='y'>a_b-1.1-py3-none-any.whl</a> <a href="z">other-2.tar.gz</a> <a href="w">a.b-1.2rc1-cp311-cp311-linux_x86_64.whl</a></body></html>"#;
        let json = r#"{"files":[{"filename":"a_b-1.0.tar.gz","requires-python":">=3.8","yanked":"broken"},
            {"filename":"a_b-1.1-py3-none-any.whl","yanked":false},{"filename":"other-2.tar.gz"},
            {"filename":"a.b-1.2rc1-cp311-cp311-linux_x86_64.whl","requires-python":null}]}"#;
        let read = files(html.as_bytes(), "A-b").unwrap();
        assert_eq!(read, files(json.as_bytes(), "A-b").unwrap());
        let told: Vec<_> =
            read.iter().map(|file| (file.version.to_string(), file.is_yanked, file.fits_everywhere)).collect();
        let expected = [("1.0", true, true), ("1.1", false, true), ("1.2rc1", false, false)];
        assert_eq!(told, expected.map(|(version, yanked, everywhere)| (version.to_owned(), yanked, everywhere)));
        assert_eq!(read[0].requires_python.as_deref(), Some(">=3.8"));
        assert!(files(b"not found", "a").is_err());
    }
}
