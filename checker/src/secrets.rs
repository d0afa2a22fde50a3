//! What the environment holds that may not be shown, should a script print it.

use std::ffi::OsString;

/// Words that make the name of a variable that of a secret.
const NAMES: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "KEY"];

/// Shorter values are no secrets but words, and masking them would garble every message.
const SHORTEST_BYTES: usize = 8;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// The values that may not be shown.
#[derive(Default)]
pub(crate) struct Secrets {
    /// The longest first, so that one within another leaves nothing of it.
    values: Vec<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.values.len())
    }
}

impl Secrets {
    /// Takes the values of variables whose names say that they are secret, and passwords within addresses, as proxies
    /// and registries have them.
    pub(crate) fn of(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut values = Vec::new();
        for (name, value) in variables {
            let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else {
                continue;
            };
            let name = name.to_uppercase();
            values.extend(password(&value).map(str::to_owned));
            if NAMES.iter().any(|word| name.contains(word)) {
                values.push(value);
            }
        }
        values.retain(|value| value.len() >= SHORTEST_BYTES);
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self { values }
    }

    /// Returns `text` with every secret in it masked.
    pub(crate) fn mask(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, value| text.replace(value, MASK))
    }
}

/// Returns the password of an address such as `http://user:password@host`.
fn password(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(variables: &[(&str, &str)], text: &str) -> String {
        Secrets::of(variables.iter().map(|(name, value)| (name.into(), value.into()))).mask(text)
    }

    #[test]
    fn secret_variables_are_masked_and_others_are_not() {
        let variables =
            [("GITHUB_TOKEN", "ghp_12345678"), ("npm_config__authToken", "npm_abcdefgh"), ("EDITOR", "emacs-gtk")];
        assert_eq!(masked(&variables, "ghp_12345678 npm_abcdefgh emacs-gtk"), "*** *** emacs-gtk");
        assert_eq!(masked(&[("KEYMAP", "us")], "status"), "status");
    }

    #[test]
    fn a_proxys_password_is_masked() {
        let variables = [("https_proxy", "http://me:p@ssw0rd!@proxy:3128/x@y")];
        assert_eq!(masked(&variables, "curl http://me:p@ssw0rd!@proxy:3128/"), "curl http://me:***@proxy:3128/");
    }

    #[test]
    fn a_secret_within_another_leaves_nothing() {
        let variables = [("A_TOKEN", "12345678"), ("B_TOKEN", "12345678-tail")];
        assert_eq!(masked(&variables, "12345678-tail"), "***");
    }
}
