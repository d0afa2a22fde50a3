//! npm registries, as the user's npm is configured for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::version::SourceKind;
use serde::Deserialize;

use super::endpoints;
use super::error::SourceError;
use super::ini;
use super::request::{Request, Way};
use super::transport::{Transport, keeps_secrets, plain};
use crate::environment::Environment;

/// Settings under which `npm view` prints something else, or finds it in another way than is known here.
const CHANGE_THE_ANSWER: [&str; 9] =
    ["before", "min-release-age", "json", "long", "parseable", "offline", "prefer-offline", "workspaces", "workspace"];

/// What npm is told by its files and its variables.
#[derive(Default)]
pub(super) struct NpmConfiguration(BTreeMap<String, String>);

impl NpmConfiguration {
    /// Reads the global file, the user's, and the variables, later ones winning. A project's own file is not read: it
    /// belongs to whoever wrote the definition.
    pub(super) fn load(environment: &Environment) -> Result<Self, SourceError> {
        let variables: BTreeMap<String, &str> = environment
            .all()
            .filter_map(|(name, value)| Some((variable_key(name)?, value)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let named = |key: &str| variables.get(key).map(PathBuf::from);
        let mut configuration = Self::default();
        let global = named("globalconfig").or_else(|| Some(prefix(environment, named("prefix"))?.join("etc/npmrc")));
        let user = named("userconfig").or_else(|| environment.in_home(".npmrc"));
        for path in [global, user].into_iter().flatten() {
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(SourceError::configuration(path)(error)),
            };
            for setting in ini::settings(&text) {
                configuration.0.insert(expand(&setting.key, environment), expand(&setting.value, environment));
            }
        }
        configuration.0.extend(variables.into_iter().map(|(key, value)| (key, value.to_owned())));
        Ok(configuration)
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty() && *value != "null")
    }

    /// Says why `npm view` might answer differently from [`newest`], if it might.
    pub(super) fn difference(&self) -> Option<String> {
        let is_set = |key: &&&str| self.get(key).is_some_and(|value| value != "false");
        CHANGE_THE_ANSWER.iter().find(is_set).map(|key| format!("npm's setting {key}"))
    }

    /// Returns the tag that npm takes when none is named.
    pub(super) fn tag(&self) -> &str {
        self.get("tag").unwrap_or("latest")
    }

    fn registry(&self, package: &str) -> String {
        let scope = package.split_once('/').map(|(scope, _)| scope);
        let scoped = scope.and_then(|scope| self.get(&format!("{scope}:registry")));
        let registry = scoped.or_else(|| self.get("registry")).unwrap_or(endpoints::default_of(SourceKind::Npm));
        format!("{}/", registry.trim_end_matches('/'))
    }

    /// Returns the credentials for an address: those for the longest part of its path, as npm finds them.
    fn authorization(&self, registry: &str) -> Option<String> {
        let (_, rest) = registry.split_once("://")?;
        let mut place = format!("//{rest}");
        while place.len() > 2 {
            let key = |name: &str| self.get(&format!("{place}:{name}"));
            if let Some(token) = key("_authToken") {
                return Some(format!("Bearer {token}"));
            }
            if let Some(basic) = key("_auth") {
                return Some(format!("Basic {basic}"));
            }
            if let (Some(user), Some(password)) = (key("username"), key("_password")) {
                let password = String::from_utf8(STANDARD.decode(password).ok()?).ok()?;
                return Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
            }
            let shorter = place.trim_end_matches('/').rfind('/').map_or(2, |at| at + 1);
            place.truncate(shorter);
        }
        None
    }

    fn way(&self, environment: &Environment, registry: &str) -> Result<Way, SourceError> {
        if self.get("strict-ssl") == Some("false") {
            return Err(SourceError::Unsupported("npm's setting strict-ssl is off".to_owned()));
        }
        if self.0.keys().any(|key| matches!(key.as_str(), "ca" | "ca[]" | "cert" | "key") || key.ends_with(":certfile"))
        {
            return Err(SourceError::Unsupported("npm has certificates within its settings".to_owned()));
        }
        // Node.js only warns when its extra certificates are not there.
        let extra = environment.path("NODE_EXTRA_CA_CERTS").filter(|path| path.exists());
        let proxy = match registry.starts_with("https://") {
            true => self.get("https-proxy").or_else(|| self.get("proxy")),
            false => self.get("proxy"),
        };
        Ok(Way {
            ca_files: self.get("cafile").map(PathBuf::from).into_iter().chain(extra).collect(),
            proxy: proxy.filter(|proxy| *proxy != "false").map(str::to_owned),
            no_proxy: self.get("noproxy").or_else(|| self.get("no-proxy")).map(str::to_owned),
        })
    }
}

/// Returns the setting that a variable is for, as npm reads names: in any case, `_` for `-` but for a leading one.
fn variable_key(name: &str) -> Option<String> {
    let prefix = name.get(..11)?;
    let key = name.get(11..).filter(|key| prefix.eq_ignore_ascii_case("npm_config_") && !key.is_empty())?;
    if key.starts_with("//") || key.starts_with('@') {
        return Some(key.to_owned());
    }
    let (first, rest) = key.split_at(1);
    Some(format!("{}{}", first.to_lowercase(), rest.to_lowercase().replace('_', "-")))
}

/// Returns the folder that npm was installed beneath.
fn prefix(environment: &Environment, named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| environment.path("PREFIX")).or_else(|| {
        let node = std::fs::canonicalize(which::which("node").ok()?).ok()?;
        node.parent()?.parent().map(PathBuf::from)
    })
}

/// Says whether npm, called in `folder`, would read settings of a project, as it does in the nearest folder above that
/// is one.
pub(super) fn has_project_settings(folder: &Path, environment: &Environment) -> bool {
    let is_project = |folder: &&Path| ["package.json", "node_modules"].iter().any(|name| folder.join(name).exists());
    let project = folder.ancestors().find(is_project).unwrap_or(folder);
    // The user's own settings are no project's, also where the user's folder looks like one.
    Some(project) != environment.path("HOME").as_deref() && project.join(".npmrc").exists()
}

/// Puts variables in the place of `${NAME}`; one that is not set stays as it is written, and `${NAME?}` goes.
fn expand(text: &str, environment: &Environment) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        expanded += before;
        let Some((name, behind)) = after.split_once('}') else {
            return expanded + "${" + after;
        };
        match (environment.get(name.trim_end_matches('?')), name.ends_with('?')) {
            (Some(value), _) => expanded += value,
            (None, true) => {}
            (None, false) => expanded = expanded + "${" + name + "}",
        }
        rest = behind;
    }
    expanded + rest
}

#[derive(Deserialize)]
struct Manifest {
    version: String,
}

/// Asks for the version that a distribution tag names: the document of that one version, not the whole package's.
pub(super) async fn newest(
    package: &str,
    tag: &str,
    environment: &Environment,
    transport: &Transport,
    limit: Duration,
) -> Result<String, SourceError> {
    let configuration = NpmConfiguration::load(environment)?;
    let registry = configuration.registry(package);
    let escaped = package.replace('/', "%2f");
    let mut request = Request::new(format!("{registry}{escaped}/{tag}"), "application/json");
    request.way = configuration.way(environment, &registry)?;
    request.authorization = configuration.authorization(&registry).filter(|_| keeps_secrets(&registry));
    match transport.get(&request, limit).await {
        // Some registries that companies run know the tags of a package but not the document of one of them.
        Err(SourceError::Absent { .. }) => {
            request.address = format!("{registry}-/package/{escaped}/dist-tags");
            let answer = transport.get(&request, limit).await?;
            let tags: BTreeMap<String, String> = answer.json(&request)?;
            tags.get(tag).cloned().ok_or_else(|| SourceError::Nothing {
                address: plain(&request.address),
                reason: format!("there is no tag {tag}"),
            })
        }
        other => other?.json::<Manifest>(&request).map(|manifest| manifest.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of(variables.iter().map(|(name, value)| (name.into(), value.into()))).unwrap()
    }

    fn configuration(npmrc: &str, variables: &[(&str, &str)]) -> NpmConfiguration {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".npmrc"), npmrc).unwrap();
        let home = ("HOME", folder.path().to_str().unwrap());
        NpmConfiguration::load(&environment(&[variables, &[home, ("PREFIX", "/nowhere")]].concat())).unwrap()
    }

    #[test]
    fn a_scope_has_its_own_registry() {
        let npm = configuration("registry=https://a.example/npm\n@acme:registry = https://b.example/\n", &[]);
        assert_eq!(npm.registry("tool"), "https://a.example/npm/");
        assert_eq!(npm.registry("@acme/tool"), "https://b.example/");
        assert_eq!(configuration("", &[]).registry("tool"), endpoints::default_of(SourceKind::Npm));
    }

    #[test]
    fn a_variable_wins_over_the_file() {
        let npm = configuration("registry=https://a.example\n", &[("NPM_CONFIG_REGISTRY", "https://c.example/")]);
        assert_eq!(npm.registry("tool"), "https://c.example/");
    }

    #[test]
    fn credentials_are_those_of_the_nearest_place() {
        let text = "//a.example/:_authToken=far\n//a.example/npm/:_authToken=${TOKEN}\n//c.example/:_auth=eDp5\n";
        let npm = configuration(text, &[("TOKEN", "near")]);
        assert_eq!(npm.authorization("https://a.example/npm/").as_deref(), Some("Bearer near"));
        assert_eq!(npm.authorization("https://a.example/other/").as_deref(), Some("Bearer far"));
        assert_eq!(npm.authorization("https://c.example/").as_deref(), Some("Basic eDp5"));
        assert_eq!(npm.authorization("https://b.example/npm/"), None);
        let npm = configuration("//a.example/:username=me\n//a.example/:_password=c2VjcmV0\n", &[]);
        assert_eq!(npm.authorization("https://a.example/").as_deref(), Some("Basic bWU6c2VjcmV0"));
    }

    #[test]
    fn settings_that_change_what_is_printed_are_seen() {
        assert_eq!(configuration("json=true\n", &[]).difference().as_deref(), Some("npm's setting json"));
        assert_eq!(configuration("json=false\nbefore=null\n", &[]).difference(), None);
        let variable = [("npm_config_min_release_age", "7")];
        assert_eq!(configuration("", &variable).difference().as_deref(), Some("npm's setting min-release-age"));
    }

    #[test]
    fn what_is_not_set_stays_as_written() {
        assert_eq!(expand("a${X}b${Y}c${Y?}d${", &environment(&[("X", "1")])), "a1b${Y}cd${");
    }
}
