//! Scripts whose only command is one that can be answered without running it.
//!
//! A script is either one of the few known here, word for word, or it is not read at all.

use domain::source::is_npm_package;

/// What a script would print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// The version that a tag of an npm package names; `None` for npm's usual tag.
    Npm { package: String, tag: Option<String> },
    /// What `pip index versions` shows first.
    Pip {
        package: String,
        /// Which interpreter it is for.
        python: Python,
    },
}

/// Whose demands for an interpreter count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Python {
    /// Nobody's: the script says so.
    Any,
    /// That of the interpreter with this name.
    Named(String),
    /// That of pip's own interpreter, which is not known.
    Unknown,
}

/// What may stand around the command.
const NOTHING: [&str; 5] = ["set -e", "set -eu", "set -euo pipefail", "set -eo pipefail", "set -o pipefail"];

/// How the version is cut out of pip's first line, `NAME (VERSION)`.
const CUTS: [&str; 9] = [
    r"sed -n '1s/.*(\(.*\))$/\1/p'",
    r"head -n1 | sed 's/.*(\(.*\))/\1/'",
    r"head -n 1 | sed 's/.*(\(.*\))/\1/'",
    "head -n1 | cut -d'(' -f2 | cut -d')' -f1",
    "head -n 1 | cut -d'(' -f2 | cut -d')' -f1",
    "head -1 | cut -d'(' -f2 | cut -d')' -f1",
    "head -n1 | awk '{print $2}' | tr -d '()'",
    "head -n 1 | awk '{print $2}' | tr -d '()'",
    "head -1 | awk '{print $2}' | tr -d '()'",
];

/// Reads a script.
pub(crate) fn read(script: &str) -> Option<Question> {
    // With it, pip fails when `head` no longer listens, and the script with it.
    let minds_pipes = script.contains("pipefail");
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut commands = lines.filter(|line| !NOTHING.contains(line));
    let command = commands.next()?;
    if commands.next().is_some() {
        return None;
    }
    npm(command).or_else(|| pip(command, minds_pipes))
}

fn npm(command: &str) -> Option<Question> {
    let words: Vec<_> = command.split_whitespace().collect();
    let ["npm", "view", spec, "version"] = words.as_slice() else { return None };
    let spec = unquoted(spec);
    // An @ at the beginning is a scope's.
    let (package, tag) = match spec.get(1..)?.find('@') {
        Some(at) => (&spec[..=at], Some(&spec[at + 2..])),
        None => (spec, None),
    };
    let is_known = is_npm_package(package) && tag.is_none_or(is_tag);
    is_known.then(|| Question::Npm { package: package.to_owned(), tag: tag.map(str::to_owned) })
}

/// Says whether a word is a tag. `v1`, `x` and the like mean ranges of versions to npm.
fn is_tag(word: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    word.len() > 1
        && word.chars().all(fits)
        && word.starts_with(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'v' | 'V' | 'x' | 'X'))
}

fn pip(command: &str, minds_pipes: bool) -> Option<Question> {
    let (list, cut) = command.split_once(" | ")?;
    CUTS.contains(&cut.split_whitespace().collect::<Vec<_>>().join(" ").as_str()).then_some(())?;
    (!minds_pipes || !cut.starts_with("head")).then_some(())?;
    let list = list.trim().strip_suffix("2>/dev/null").unwrap_or(list).trim();
    let words: Vec<_> = list.split_whitespace().collect();
    let (python, arguments) = match words.as_slice() {
        [python @ ("python" | "python3"), "-m", "pip", "index", "versions", arguments @ ..] => {
            (Python::Named((*python).to_owned()), arguments)
        }
        ["pip" | "pip3", "index", "versions", arguments @ ..] => (Python::Unknown, arguments),
        _ => return None,
    };
    let ignore = "--ignore-requires-python";
    let (package, python) = match arguments {
        [package] => (*package, python),
        [one, other] if *one == ignore => (*other, Python::Any),
        [one, other] if *other == ignore => (*one, Python::Any),
        _ => return None,
    };
    let package = unquoted(package);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_name = package.starts_with(|c: char| c.is_ascii_alphanumeric()) && package.chars().all(fits);
    is_name.then(|| Question::Pip { package: package.to_owned(), python })
}

fn unquoted(word: &str) -> &str {
    let within = |quote: char| word.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "#!/usr/bin/env bash\nset -euo pipefail\n\n";

    fn npm(package: &str, tag: Option<&str>) -> Option<Question> {
        Some(Question::Npm { package: package.to_owned(), tag: tag.map(str::to_owned) })
    }

    #[test]
    fn scripts_of_one_command_are_read() {
        assert_eq!(read(&format!("{HEAD}npm view @openai/codex version\n")), npm("@openai/codex", None));
        assert_eq!(read(&format!("{HEAD}npm view forgecode@latest version\r\n")), npm("forgecode", Some("latest")));
        assert_eq!(read("npm view \"@a/b@next\" version"), npm("@a/b", Some("next")));
        let pip = |python| Some(Question::Pip { package: "aider-chat".to_owned(), python });
        let own = r"python3 -m pip index versions --ignore-requires-python aider-chat | sed -n '1s/.*(\(.*\))$/\1/p'";
        assert_eq!(read(&format!("{HEAD}# comment\n{own}\n")), pip(Python::Any));
        let other = "pip index versions aider-chat 2>/dev/null | head -n1 | awk '{print $2}' | tr -d '()'";
        assert_eq!(read(other), pip(Python::Unknown));
        let named = other.replacen("pip", "python3 -m pip", 1);
        assert_eq!(read(&named), pip(Python::Named("python3".to_owned())));
    }

    #[test]
    fn everything_else_is_not_guessed_at() {
        for script in [
            "",
            "npm view codex",
            "npm view codex version --registry https://a.example",
            "npm view codex@1 version",
            "npm view codex@v1 version",
            "npm view codex@x version",
            "npm view codex@'>1' version",
            "npm view \"$PACKAGE\" version",
            "npm view codex version; echo",
            "npm view codex version && true",
            "npm view codex version\nnpm view codex version",
            "NPM_CONFIG_REGISTRY=https://a.example npm view codex version",
            "export NPM_CONFIG_TAG=next\nnpm view codex version",
            "echo $(npm view codex version)",
            "npm view codex version | head -1",
            "cd /\nnpm view codex version",
            "cat <<EOF\nnpm view codex version\nEOF",
            "pip index versions aider-chat",
            "set -o pipefail\npip index versions aider-chat | head -n1 | awk '{print $2}' | tr -d '()'",
            "pip index versions --pre aider-chat | head -n1 | awk '{print $2}' | tr -d '()'",
            "pip index versions aider-chat | head -n1",
            "pip index versions aider-chat==1 | head -n1 | awk '{print $2}' | tr -d '()'",
        ] {
            assert_eq!(read(script), None, "{script}");
        }
    }
}
