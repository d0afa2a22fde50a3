//! Reading the configuration files of npm and pip, which are INI in two tastes.

/// One line that sets something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The section it stands in; empty before the first.
    pub(super) section: String,
    /// The key as written.
    pub(super) key: String,
    /// The value, several lines joined by a blank.
    pub(super) value: String,
}

/// Reads settings. Comments are whole lines that start with `;` or `#`; a line that starts with a blank goes on with the
/// value before it, which only pip has.
pub(super) fn settings(text: &str) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    let mut section = String::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with([';', '#']) {
            continue;
        }
        if line.starts_with([' ', '\t'])
            && !bare.contains('=')
            && let Some(last) = settings.last_mut()
        {
            last.value = format!("{} {bare}", last.value).trim().to_owned();
            continue;
        }
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_owned();
            continue;
        }
        let (key, value) = bare.split_once('=').unwrap_or((bare, "true"));
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let value = quoted.unwrap_or(value).to_owned();
        settings.push(Setting { section: section.clone(), key: key.trim().to_owned(), value });
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tastes_are_read() {
        let text =
            "; npm\n//host/:_authToken=\"a=b\"\nfund = false\n[global]\nextra-index-url =\n  https://a\n  https://b\n";
        let read: Vec<_> = settings(text).into_iter().map(|s| format!("{}|{}|{}", s.section, s.key, s.value)).collect();
        assert_eq!(read, ["|//host/:_authToken|a=b", "|fund|false", "global|extra-index-url|https://a https://b"]);
    }
}
