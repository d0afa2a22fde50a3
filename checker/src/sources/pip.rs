//! Python package indexes, as the user's pip is configured for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::version::SourceKind;
use pep440_rs::Version;
use reqwest::Url;

use super::endpoints;
use super::error::SourceError;
use super::ini;
use super::request::{Request, Way};
use super::simple_index::{self, File};
use super::transport::{Transport, keeps_secrets, plain};
use crate::environment::Environment;

/// The simple index in JSON (PEP 691), else in HTML (PEP 503).
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, text/html;q=0.1";

/// Settings under which `pip index versions` chooses among other files than are known here.
const CHANGE_THE_ANSWER: [&str; 13] = [
    "extra-index-url",
    "no-index",
    "pre",
    "only-binary",
    "no-binary",
    "prefer-binary",
    "platform",
    "python-version",
    "implementation",
    "abi",
    "json",
    "uploaded-prior-to",
    "ignore-requires-python",
];

/// Variables that name certificates to the library by which pip asks, when pip itself is told of none.
const CERTIFICATE_VARIABLES: [&str; 2] = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/// What pip is told by its files and its variables.
#[derive(Default)]
pub(super) struct PipConfiguration(BTreeMap<String, String>);

impl PipConfiguration {
    /// Reads the files for all users, for this one and for the active environment, then the variables, later ones
    /// winning (pip's documentation, "Configuration", "Precedence").
    pub(super) fn load(environment: &Environment) -> Result<Self, SourceError> {
        let mut configuration = Self::default();
        for path in files(environment) {
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error)
                    if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
                {
                    continue;
                }
                Err(error) => return Err(SourceError::configuration(path)(error)),
            };
            let settings = ini::settings(&text);
            // Within one file the command's own section wins over the one for all commands.
            for section in ["global", "index"] {
                for setting in settings.iter().filter(|setting| setting.section == section) {
                    configuration.0.insert(key(&setting.key), setting.value.clone());
                }
            }
        }
        for (name, value) in environment.all().filter(|(_, value)| !value.is_empty()) {
            if let Some(name) = name.strip_prefix("PIP_") {
                configuration.0.insert(key(name), value.to_owned());
            }
        }
        let of_library = CERTIFICATE_VARIABLES.iter().find_map(|name| environment.get(name));
        if let Some(path) = of_library.filter(|path| configuration.get("cert").is_none() && Path::new(path).is_file()) {
            configuration.0.insert("cert".to_owned(), path.to_owned());
        }
        Ok(configuration)
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Says why `pip index versions` might answer differently from [`listed_by_pip`], if it might.
    pub(super) fn difference(&self, package: &str) -> Option<String> {
        let is_on = |key: &&&str| self.get(key).is_some_and(|value| !matches!(value, "0" | "false" | "no" | "off"));
        if let Some(key) = CHANGE_THE_ANSWER.iter().find(is_on) {
            return Some(format!("pip's setting {key}"));
        }
        let links = self.get("find-links")?;
        let holds_none = |place: &str| {
            let path = Path::new(place.strip_prefix("file://").unwrap_or(place));
            let is_other = |name: &str| !simple_index::may_be_of(name, package);
            path.is_dir()
                && path.read_dir().is_ok_and(|entries| {
                    entries.flatten().all(|entry| entry.file_name().to_str().is_some_and(is_other))
                })
        };
        (!links.split_whitespace().all(holds_none)).then(|| "pip's setting find-links".to_owned())
    }

    /// Returns the request for a package's page.
    fn request(&self, package: &str) -> Result<Request, SourceError> {
        let index = self.get("index-url").unwrap_or(endpoints::default_of(SourceKind::Pypi));
        let unusable = || SourceError::Unsupported("pip's index-url is no address".to_owned());
        let mut address = Url::parse(&format!("{}/", index.trim_end_matches('/'))).map_err(|_| unusable())?;
        let credentials = (!address.username().is_empty()).then(|| {
            let decoded = |text: &str| percent_decoded(text);
            format!("{}:{}", decoded(address.username()), decoded(address.password().unwrap_or_default()))
        });
        let _ = address.set_username("");
        let _ = address.set_password(None);
        let address = address.join(&format!("{}/", simple_index::normal_name(package))).map_err(|_| unusable())?;
        let mut request = Request::new(address.to_string(), ACCEPT);
        let may_send = keeps_secrets(&request.address);
        request.authorization =
            credentials.filter(|_| may_send).map(|credentials| format!("Basic {}", STANDARD.encode(credentials)));
        let is_trusted_blindly = self
            .get("trusted-host")
            .is_some_and(|hosts| hosts.split_whitespace().any(|host| host.split(':').next() == address.host_str()));
        if is_trusted_blindly || self.get("client-cert").is_some() {
            return Err(SourceError::Unsupported("pip's setting trusted-host or client-cert".to_owned()));
        }
        request.way = Way {
            ca_files: self.get("cert").map(PathBuf::from).into_iter().collect(),
            proxy: self.get("proxy").map(str::to_owned),
            no_proxy: None,
        };
        Ok(request)
    }
}

fn key(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

fn files(environment: &Environment) -> Vec<PathBuf> {
    let named = environment.path("PIP_CONFIG_FILE");
    if named.as_deref() == Some(Path::new("/dev/null")) {
        return Vec::new();
    }
    let folders = environment.get("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg");
    let mut files: Vec<_> = folders.split(':').map(|folder| Path::new(folder).join("pip/pip.conf")).collect();
    files.push("/etc/pip.conf".into());
    files.extend(environment.in_home(".pip/pip.conf"));
    let own = environment.path("XDG_CONFIG_HOME").or_else(|| environment.in_home(".config"));
    files.extend(own.map(|folder| folder.join("pip/pip.conf")));
    files.extend(environment.path("VIRTUAL_ENV").map(|folder| folder.join("pip.conf")));
    files.extend(named);
    files
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

async fn page(
    package: &str,
    configuration: &PipConfiguration,
    transport: &Transport,
    limit: Duration,
) -> Result<(String, Vec<File>), SourceError> {
    let request = configuration.request(package)?;
    let answer = transport.get(&request, limit).await?;
    let address = plain(&request.address);
    let files = simple_index::files(&answer.body, package)
        .map_err(|reason| SourceError::Answer { address: address.clone(), reason })?;
    Ok((address, files))
}

/// Returns the highest version that was not withdrawn. A pre-release only counts when it may, or when there is nothing
/// else, as PEP 440 has it.
pub(super) async fn newest(
    package: &str,
    include_prereleases: bool,
    environment: &Environment,
    transport: &Transport,
    limit: Duration,
) -> Result<String, SourceError> {
    let (address, files) = page(package, &PipConfiguration::load(environment)?, transport, limit).await?;
    let mut versions: Vec<_> = files.iter().filter(|file| !file.is_yanked).map(|file| &file.version).collect();
    versions.sort();
    let stable = versions.iter().rev().find(|version| include_prereleases || !version.any_prerelease());
    stable
        .or(versions.last())
        .map(ToString::to_string)
        .ok_or_else(|| SourceError::Nothing { address, reason: "every version was withdrawn".to_owned() })
}

/// Returns what `pip index versions` shows first: the highest version that has a file for the interpreter `python`,
/// withdrawn ones included and pre-releases not. Without an interpreter, demands of that kind are not heeded.
///
/// When it depends on what cannot be known here, this is an error rather than a guess.
pub(super) async fn listed_by_pip(
    package: &str,
    python: Option<&Version>,
    environment: &Environment,
    transport: &Transport,
    limit: Duration,
) -> Result<String, SourceError> {
    let configuration = PipConfiguration::load(environment)?;
    if let Some(difference) = configuration.difference(package) {
        return Err(SourceError::Unsupported(difference));
    }
    let (address, mut files) = page(package, &configuration, transport, limit).await?;
    files.retain(|file| !file.version.any_prerelease());
    files.sort_by(|one, other| other.version.cmp(&one.version));
    for versions in files.chunk_by(|one, other| one.version == other.version) {
        let fits = |file: &&File| match (python, &file.requires_python) {
            (Some(python), Some(demand)) => {
                pep440_rs::VersionSpecifiers::from_str(demand).map_or(true, |demand| demand.contains(python))
            }
            _ => true,
        };
        let fitting: Vec<_> = versions.iter().filter(fits).collect();
        if fitting.iter().any(|file| file.fits_everywhere) {
            return Ok(versions[0].version.to_string());
        }
        if !fitting.is_empty() {
            let reason = format!("whether pip takes {} depends on the platform", versions[0].version);
            return Err(SourceError::Unsupported(reason));
        }
    }
    Err(SourceError::Nothing { address, reason: "there is no release that is installable here".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(text: &str, variables: &[(&str, &str)]) -> PipConfiguration {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pip.conf");
        std::fs::write(&file, text).unwrap();
        let of_file = ("PIP_CONFIG_FILE", file.to_str().unwrap());
        let none = ("XDG_CONFIG_DIRS", folder.path().to_str().unwrap());
        let all = [variables, &[of_file, none]].concat();
        let environment = Environment::of(all.iter().map(|(name, value)| (name.into(), value.into()))).unwrap();
        PipConfiguration::load(&environment).unwrap()
    }

    #[test]
    fn the_index_and_its_credentials_are_the_users() {
        let text =
            "[global]\nindex-url = https://me:p%40ss@a.example/simple\n[install]\nindex-url = https://b.example\n";
        let request = configuration(text, &[]).request("Some.Package").unwrap();
        assert_eq!(request.address, "https://a.example/simple/some-package/");
        assert_eq!(request.authorization.unwrap(), format!("Basic {}", STANDARD.encode("me:p@ss")));
        let variable = [("PIP_INDEX_URL", "https://c.example/")];
        assert_eq!(configuration(text, &variable).request("x").unwrap().address, "https://c.example/x/");
    }

    #[test]
    fn settings_that_change_what_is_listed_are_seen() {
        let text = "[global]\nextra-index-url =\n  https://a.example\n";
        assert_eq!(configuration(text, &[]).difference("x").as_deref(), Some("pip's setting extra-index-url"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("aider_chat-0.1-py3-none-any.whl"), "").unwrap();
        let links = [("PIP_FIND_LINKS", folder.path().to_str().unwrap())];
        assert_eq!(configuration("", &links).difference("black"), None);
        assert_eq!(configuration("", &links).difference("Aider.Chat").as_deref(), Some("pip's setting find-links"));
        assert_eq!(configuration("", &[("PIP_PRE", "0")]).difference("x"), None);
    }
}
