//! The config of an image: read as a document, changed in a few places, written back with all the rest as it was.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The search path that a process gets when its image names none (the one of BuildKit's own Dockerfile frontend).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Changes to the config that an image has when all parts are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigChanges {
    /// Variables to set.
    pub environment: BTreeMap<String, String>,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Labels to remove before others are set.
    pub labels_removed: Vec<String>,
    /// What the history names as the author of the new layers.
    pub comment: String,
    /// When the image was made, RFC 3339.
    pub created: String,
}

/// Says that an image's config is not the document it should be.
#[derive(Debug, thiserror::Error)]
#[error("the image's config is not a JSON object")]
pub struct ConfigError(#[source] Option<serde_json::Error>);

/// The config of an image.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ImageConfig(Map<String, Value>);

impl ImageConfig {
    /// Reads the bytes of a config.
    ///
    /// # Errors
    /// [`ConfigError`] when they are not a JSON object.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => Err(ConfigError(None)),
            Err(error) => Err(ConfigError(Some(error))),
        }
    }

    fn runtime(&self) -> Option<&Map<String, Value>> {
        self.0.get("config").and_then(Value::as_object)
    }

    /// Returns the environment that a process started from the image has, with `more` set over it.
    pub(crate) fn environment_with(&self, more: &BTreeMap<String, String>) -> Vec<String> {
        let mut environment = self.environment();
        set_all(&mut environment, more);
        if !environment.iter().any(|line| line.starts_with("PATH=")) {
            environment.insert(0, format!("PATH={DEFAULT_PATH}"));
        }
        environment
    }

    fn environment(&self) -> Vec<String> {
        let lines = self.runtime().and_then(|runtime| runtime.get("Env")).and_then(Value::as_array);
        lines.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Returns the folder that a process started from the image begins in.
    pub(crate) fn working_folder(&self) -> String {
        let folder = self.runtime().and_then(|runtime| runtime.get("WorkingDir")).and_then(Value::as_str);
        folder.filter(|folder| !folder.is_empty()).unwrap_or("/").to_owned()
    }

    /// Sets variables over those of the image.
    pub(crate) fn set_environment(&mut self, more: &BTreeMap<String, String>) {
        let mut environment = self.environment();
        set_all(&mut environment, more);
        object(&mut self.0, "config").insert("Env".to_owned(), json!(environment));
    }

    /// Returns the number of entries in the history.
    pub(crate) fn history_length(&self) -> usize {
        self.0.get("history").and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// Says in the history of a new layer what it is.
    pub(crate) fn add_history(&mut self, line: &str, changes: &ConfigChanges) {
        let entry = json!({"created": changes.created, "created_by": line, "comment": changes.comment});
        match self.0.entry("history").or_insert_with(|| json!([])) {
            Value::Array(history) => history.push(entry),
            other => *other = json!([entry]),
        }
    }

    /// Makes the changes.
    pub(crate) fn change(&mut self, changes: &ConfigChanges) {
        self.set_environment(&changes.environment);
        let runtime = object(&mut self.0, "config");
        // How an image was built from another by an older engine; untrue of the new one.
        runtime.remove("Image");
        let labels = object(runtime, "Labels");
        labels.retain(|key, _| !changes.labels_removed.contains(key));
        for (key, value) in &changes.labels {
            labels.insert(key.clone(), json!(value));
        }
        for stale in ["container", "container_config", "docker_version", "parent", "id"] {
            self.0.remove(stale);
        }
        self.0.insert("created".to_owned(), json!(changes.created));
    }

    /// Returns the config's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        Value::Object(self.0.clone()).to_string().into_bytes()
    }
}

/// Returns the object under `key`, made if it is missing or null.
fn object<'a>(parent: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = parent.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was just made an object")
}

fn set_all(environment: &mut Vec<String>, more: &BTreeMap<String, String>) {
    for (key, value) in more {
        let line = format!("{key}={value}");
        match environment.iter_mut().find(|old| old.split('=').next() == Some(key)) {
            Some(old) => *old = line,
            None => environment.push(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_changed_stays() {
        let mut config = ImageConfig::parse(
            br#"{"architecture":"amd64","config":{"Env":["A=1","B=2"],"Cmd":["bash"],"Labels":{"x":"1","gone":"1"}},"rootfs":{"diff_ids":["sha256:1"]},"history":[{"created_by":"first"}],"unknown":1}"#,
        )
        .unwrap();
        let changes = ConfigChanges {
            environment: BTreeMap::from([("B".to_owned(), "3".to_owned()), ("C".to_owned(), "4".to_owned())]),
            labels: BTreeMap::from([("y".to_owned(), "2".to_owned())]),
            labels_removed: vec!["gone".to_owned()],
            comment: "by me".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
        };
        config.add_history("second", &changes);
        config.change(&changes);
        assert_eq!(config.history_length(), 2);
        insta::assert_snapshot!(String::from_utf8(config.to_bytes()).unwrap(), @r#"{"architecture":"amd64","config":{"Cmd":["bash"],"Env":["A=1","B=3","C=4"],"Labels":{"x":"1","y":"2"}},"created":"2026-01-01T00:00:00Z","history":[{"created_by":"first"},{"comment":"by me","created":"2026-01-01T00:00:00Z","created_by":"second"}],"rootfs":{"diff_ids":["sha256:1"]},"unknown":1}"#);
    }

    #[test]
    fn an_image_without_a_config_gets_one() {
        let mut config = ImageConfig::parse(br#"{"config":null}"#).unwrap();
        assert_eq!(config.working_folder(), "/");
        assert_eq!(config.environment_with(&BTreeMap::new()), [format!("PATH={DEFAULT_PATH}")]);
        config.change(&ConfigChanges::default());
        assert!(ImageConfig::parse(b"[]").is_err());
    }
}
