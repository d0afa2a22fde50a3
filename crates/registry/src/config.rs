//! The docker command's `config.json`: what it says of one registry's credentials.
//!
//! Read by the rules of docker's own client (docker/cli: `cli/config/configfile/file.go`, `credentials/file_store.go`).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use domain::credential::Credential;
use serde::Deserialize;
use serde_json::error::Category;

use crate::credential::CredentialError;

/// The file within the config folder.
pub(crate) const CONFIG_FILE: &str = "config.json";

/// The key that stands for Docker Hub in the config (docker/cli, `IndexServer`).
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The names of Docker Hub's registry.
const HUB_HOSTS: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// How `auth` is written: with padding by the docker command, without by some others.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns the name by which the config, and programs that keep credentials, know a registry.
pub(crate) fn server(registry: &str) -> &str {
    if HUB_HOSTS.contains(&registry) { HUB_KEY } else { registry }
}

/// What is read of a config.
#[derive(Debug)]
pub(crate) struct Config {
    file: String,
    keys: Keys,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    auths: Option<BTreeMap<String, Option<Entry>>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl Config {
    /// Reads the config in `folder`. None, and one that is empty, has no credentials.
    pub(crate) fn read(folder: &Path) -> Result<Self, CredentialError> {
        let path = folder.join(CONFIG_FILE);
        let file = path.display().to_string();
        let wrong = |reason: String| CredentialError::Config { file: file.clone(), reason };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Vec::new(),
            Err(error) => return Err(wrong(error.to_string())),
        };
        if bytes.trim_ascii().is_empty() {
            return Ok(Self { file, keys: Keys::default() });
        }
        let keys = serde_json::from_slice(&bytes).map_err(|error| match error.classify() {
            // Its words would quote the value, which may be a secret.
            Category::Data => wrong("it does not have the shape of a docker config".to_owned()),
            _ => wrong(error.to_string()),
        })?;
        Ok(Self { file, keys })
    }

    /// Returns the name of the program that keeps the credentials of `server`: its own, else the one for all.
    pub(crate) fn program(&self, server: &str) -> Option<&str> {
        let own = self.keys.cred_helpers.as_ref().and_then(|programs| programs.get(server));
        own.or(self.keys.creds_store.as_ref()).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Returns the credentials of `server` that stand in the config itself: under its name, else under an address on its
    /// host.
    pub(crate) fn credential(&self, server: &str) -> Result<Option<Credential>, CredentialError> {
        let Some(auths) = &self.keys.auths else { return Ok(None) };
        let read = |entry: &Option<Entry>| match entry {
            Some(entry) => entry.read().ok_or_else(|| CredentialError::Config {
                file: self.file.clone(),
                reason: format!("the auth of {server} is not the base64 of user:password"),
            }),
            None => Ok(None),
        };
        if let Some(entry) = auths.get(server) {
            return read(entry);
        }
        let meant = |key: &str| key == server || (server == HUB_KEY && HUB_HOSTS.contains(&key));
        let on_host = auths.iter().filter(|(key, _)| meant(host(key))).map(|(_, entry)| read(entry));
        on_host.into_iter().find(|found| !matches!(found, Ok(None))).unwrap_or(Ok(None))
    }
}

impl Entry {
    /// Returns what may be shown; `Some(None)` is an entry that says nothing, `None` one that makes no sense.
    fn read(&self) -> Option<Option<Credential>> {
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = said(&self.identitytoken) {
            return Some(Some(Credential::IdentityToken(token)));
        }
        let password = |username, password| Some(Some(Credential::Password { username, password }));
        match (said(&self.auth), said(&self.username)) {
            (Some(auth), _) => {
                let text = String::from_utf8(BASE64.decode(auth).ok()?).ok()?;
                let (username, secret) = text.split_once(':').filter(|(username, _)| !username.is_empty())?;
                // The docker command takes the zeros that older ones filled up with for no part of the password.
                password(username.to_owned(), secret.trim_matches('\0').to_owned())
            }
            (None, Some(username)) => password(username, self.password.clone().unwrap_or_default()),
            (None, None) => Some(None),
        }
    }
}

/// Returns the host of a key, which may be an address (docker/cli, `ConvertToHostname`).
fn host(key: &str) -> &str {
    let bare = key.strip_prefix("http://").or_else(|| key.strip_prefix("https://")).unwrap_or(key);
    bare.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// printf 'me:s3:cret' | base64
    const AUTH: &str = "bWU6czM6Y3JldA==";

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CONFIG_FILE), text).unwrap();
        Config::read(folder.path()).unwrap()
    }

    fn found(text: &str, registry: &str) -> Option<Credential> {
        config(text).credential(server(registry)).unwrap()
    }

    fn password(username: &str, password: &str) -> Option<Credential> {
        Some(Credential::Password { username: username.to_owned(), password: password.to_owned() })
    }

    #[test]
    fn a_registry_is_found_by_each_of_its_names() {
        for key in [HUB_KEY, "docker.io", "https://registry-1.docker.io/v2/"] {
            let hub = format!(r#"{{"auths":{{"{key}":{{"auth":"{AUTH}"}}}}}}"#);
            for name in HUB_HOSTS {
                assert_eq!(found(&hub, name), password("me", "s3:cret"), "{key} {name}");
            }
            assert_eq!(found(&hub, "ghcr.io"), None);
        }
    }

    #[test]
    fn a_key_with_a_scheme_or_a_path_means_its_host() {
        for key in [
            "box:5000",
            "box:5000/",
            "https://box:5000",
            "https://box:5000/v1/",
            "http://box:5000/v2/",
            "box:5000/team",
        ] {
            let text = format!(r#"{{"auths":{{"{key}":{{"auth":"{AUTH}"}}}}}}"#);
            assert_eq!(found(&text, "box:5000"), password("me", "s3:cret"), "{key}");
            assert_eq!(found(&text, "box"), None, "{key}");
        }
        let both = format!(r#"{{"auths":{{"box/a":{{}},"box/b":{{"auth":"{AUTH}"}}}}}}"#);
        assert_eq!(found(&both, "box"), password("me", "s3:cret"));
        // What stands under the name itself counts alone.
        let own = format!(r#"{{"auths":{{"box/":{{"auth":"{AUTH}"}},"box":{{"username":"you","password":"x"}}}}}}"#);
        assert_eq!(found(&own, "box"), password("you", "x"));
    }

    #[test]
    fn an_empty_auth_says_nothing() {
        let entry = |entry: &str| found(&format!(r#"{{"auths":{{"box":{entry}}}}}"#), "box");
        assert_eq!(entry(r#"{"auth":"","username":"me","password":"x"}"#), password("me", "x"));
        for nothing in ["{}", "null", r#"{"auth":""}"#, r#"{"auth":null,"username":"","identitytoken":""}"#] {
            assert_eq!(entry(nothing), None, "{nothing}");
        }
        assert_eq!(
            entry(&format!(r#"{{"auth":"{AUTH}","username":"old","password":"old"}}"#)),
            password("me", "s3:cret")
        );
        let token = entry(r#"{"auth":"MDAwOg==","identitytoken":"eyJ"}"#);
        assert_eq!(token, Some(Credential::IdentityToken("eyJ".to_owned())));
    }

    #[test]
    fn a_registrys_own_program_goes_before_the_one_for_all() {
        let config = config(r#"{"credHelpers":{"ghcr.io":"own","quay.io":""},"credsStore":"all"}"#);
        assert_eq!([config.program("ghcr.io"), config.program("box")], [Some("own"), Some("all")]);
        assert_eq!(config.program("quay.io"), None);
    }
}
