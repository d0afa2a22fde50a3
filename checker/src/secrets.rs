//! What the environment holds that may not be shown, should a script print it.

use std::ffi::OsString;

use console::masking::{Hidden, credentials};

/// Words that make the name of a variable that of a secret.
const NAMES: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "KEY"];

/// Shorter values of such variables are no secrets but words, and masking them would garble every message.
const SHORTEST_BYTES: usize = 8;

/// How the name of a variable ends whose value is an address, with or without a scheme.
const PROXY: &str = "_PROXY";

/// Returns the values of variables whose names say that they are secret, and the credentials within addresses, as proxies
/// and registries have them.
pub(crate) fn hidden(variables: impl Iterator<Item = (OsString, OsString)>) -> Hidden {
    let mut texts = Vec::new();
    for (name, value) in variables {
        let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else {
            continue;
        };
        let name = name.to_uppercase();
        let addresses = value.split_whitespace().filter(|word| name.ends_with(PROXY) || word.contains("://"));
        texts.extend(addresses.flat_map(credentials));
        if value.len() >= SHORTEST_BYTES && NAMES.iter().any(|word| name.contains(word)) {
            texts.push(value.into_bytes());
        }
    }
    Hidden::new(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(variables: &[(&str, &str)], text: &str) -> String {
        hidden(variables.iter().map(|(name, value)| (name.into(), value.into()))).mask(text)
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
        assert_eq!(masked(&[("all_proxy", "user:pw1234@proxy")], "user:pw1234@proxy"), "user:***@proxy");
    }

    #[test]
    fn credentials_of_registries_are_masked_and_mail_addresses_are_not() {
        let variables = [("PIP_EXTRA_INDEX_URL", "https://a/simple https://tokenonlyxyz@host/simple")];
        assert_eq!(masked(&variables, "https://tokenonlyxyz@host/simple"), "https://***@host/simple");
        assert_eq!(masked(&[("GIT_AUTHOR_EMAIL", "some.body@example.org")], "some.body"), "some.body");
    }

    #[test]
    fn a_secret_within_another_leaves_nothing() {
        let variables = [("A_TOKEN", "12345678"), ("B_TOKEN", "12345678-tail")];
        assert_eq!(masked(&variables, "12345678-tail"), "***");
    }
}
