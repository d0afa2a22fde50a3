//! Registries of crates that speak the sparse protocol, as the user's cargo is configured for them.

use std::path::PathBuf;
use std::time::Duration;

use domain::version::SourceKind;
use semver::Version;
use serde::Deserialize;
use toml::Table;

use super::endpoints;
use super::error::SourceError;
use super::request::{Request, Way};
use super::transport::{Transport, plain};
use crate::environment::Environment;

/// How often one registry may be replaced by another.
const REPLACEMENTS: usize = 5;

/// The name that cargo has for the public registry.
const PUBLIC: &str = concat!("crates", "-io");

#[derive(Deserialize)]
struct Line {
    vers: String,
    #[serde(default)]
    yanked: bool,
}

/// Returns the highest version that was not withdrawn.
pub(super) async fn newest(
    package: &str,
    include_prereleases: bool,
    environment: &Environment,
    transport: &Transport,
    limit: Duration,
) -> Result<String, SourceError> {
    let configuration = configuration(environment)?;
    let index = index(&configuration)?;
    let mut request = Request::new(format!("{}/{}", index.trim_end_matches('/'), place(package)), "text/plain");
    let http = |key: &str| configuration.get("http")?.get(key)?.as_str().map(str::to_owned);
    request.way = Way {
        ca_files: environment
            .path("CARGO_HTTP_CAINFO")
            .or_else(|| http("cainfo").map(PathBuf::from))
            .into_iter()
            .collect(),
        proxy: environment.get("CARGO_HTTP_PROXY").map(str::to_owned).or_else(|| http("proxy")),
        no_proxy: None,
    };
    let answer = transport.get(&request, limit).await?;
    let address = plain(&request.address);
    let senseless = |reason: String| SourceError::Answer { address: address.clone(), reason };
    let text = std::str::from_utf8(&answer.body).map_err(|error| senseless(error.to_string()))?;
    let mut highest: Option<Version> = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line: Line = serde_json::from_str(line).map_err(|error| senseless(error.to_string()))?;
        let version = Version::parse(&line.vers).map_err(|error| senseless(error.to_string()))?;
        let is_allowed = !line.yanked && (include_prereleases || version.pre.is_empty());
        if is_allowed && highest.as_ref().is_none_or(|highest| version > *highest) {
            highest = Some(version);
        }
    }
    let reason = "every version is withdrawn or a pre-release".to_owned();
    highest.map(|version| version.to_string()).ok_or(SourceError::Nothing { address, reason })
}

/// Returns the path of a crate's file in an index (the Cargo book, "Registry Index", "Index files").
fn place(package: &str) -> String {
    let name = package.to_lowercase();
    match name.len() {
        1 | 2 => format!("{}/{name}", name.len()),
        3 => format!("3/{}/{name}", &name[..1]),
        _ => format!("{}/{}/{name}", &name[..2], &name[2..4]),
    }
}

fn configuration(environment: &Environment) -> Result<Table, SourceError> {
    let Some(home) = environment.path("CARGO_HOME").or_else(|| environment.in_home(".cargo")) else {
        return Ok(Table::new());
    };
    for name in ["config", "config.toml"] {
        let path = home.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                return text.parse().map_err(|error: toml::de::Error| SourceError::Configuration {
                    path,
                    reason: error.message().to_owned(),
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(SourceError::configuration(path)(error)),
        }
    }
    Ok(Table::new())
}

/// Follows `[source.NAME] replace-with`.
fn index(configuration: &Table) -> Result<String, SourceError> {
    let mut name = PUBLIC.to_owned();
    for _ in 0..REPLACEMENTS {
        let source = configuration.get("source").and_then(|sources| sources.get(&name));
        let text = |key: &str| source.and_then(|source| source.get(key)).and_then(toml::Value::as_str);
        if let Some(other) = text("replace-with") {
            name = other.to_owned();
            continue;
        }
        let registries = configuration.get("registries").and_then(|registries| registries.get(&name));
        let of_registry = registries.and_then(|registry| registry.get("index")).and_then(toml::Value::as_str);
        return match text("registry").or(of_registry).map(|address| address.strip_prefix("sparse+")) {
            Some(Some(sparse)) => Ok(sparse.to_owned()),
            None if name == PUBLIC => Ok(endpoints::default_of(SourceKind::Crates).to_owned()),
            _ => Err(SourceError::Unsupported(format!("cargo's source {name} is no sparse registry"))),
        };
    }
    Err(SourceError::Unsupported("cargo's sources replace each other in a circle".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crates_file_is_where_cargo_looks_for_it() {
        assert_eq!(["a", "ab", "Abc", "Ripgrep"].map(place), ["1/a", "2/ab", "3/a/abc", "ri/pg/ripgrep"]);
    }

    #[test]
    fn a_registry_may_be_replaced() {
        let read = |text: &str| index(&text.parse().unwrap());
        assert_eq!(read("").unwrap(), endpoints::default_of(SourceKind::Crates));
        let replaced = "[source.crates-io]\nreplace-with = \"own\"\n";
        assert_eq!(
            read(&format!("{replaced}[source.own]\nregistry = \"sparse+https://a.example/\"")).unwrap(),
            "https://a.example/"
        );
        assert_eq!(
            read(&format!("{replaced}[registries.own]\nindex = \"sparse+https://b.example/\"")).unwrap(),
            "https://b.example/"
        );
        assert!(read(&format!("{replaced}[source.own]\ndirectory = \"/v\"")).is_err());
        assert!(read(&format!("{replaced}[source.own]\nreplace-with = \"crates-io\"")).is_err());
    }
}
