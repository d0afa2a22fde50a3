//! The environment as it was when the program started: variables, and the files that tools keep their configuration in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// Variables with proxies.
pub(crate) const PROXIES: [&str; 8] =
    ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// The variable that names the engine.
pub(crate) const ENGINE: &str = "DOCKER_HOST";

/// Says that a variable that decides where a look goes cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the variable {0} is not UTF-8 text")]
pub(crate) struct NoText(String);

/// The variables whose names and values are text.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({})", self.0.len())
    }
}

impl Environment {
    /// Takes the variables.
    ///
    /// # Errors
    /// [`NoText`] when one of those that decide where a look goes is no text.
    pub(crate) fn of(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, NoText> {
        let mut texts = BTreeMap::new();
        for (name, value) in variables {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => drop(texts.insert(name, value)),
                // With it left out, a look would go elsewhere, and nobody would know.
                (Ok(name), Err(_)) if name == ENGINE || PROXIES.contains(&name.as_str()) => return Err(NoText(name)),
                _ => {}
            }
        }
        Ok(Self(texts))
    }

    /// Returns a variable that is set to something.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a variable that holds a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// Returns the user's own folder, or one within it.
    pub(crate) fn in_home(&self, path: &str) -> Option<PathBuf> {
        self.path("HOME").map(|home| home.join(path))
    }

    /// Returns every variable, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
