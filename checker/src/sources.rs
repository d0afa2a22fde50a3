//! Asking the places that publish versions, without running anything of the definition's.

mod crates;
mod endpoints;
mod error;
mod github;
mod http;
mod ini;
mod memory;
mod npm;
mod oci;
mod order;
mod pip;
pub(crate) mod readable;
mod request;
mod simple_index;
mod tags;
mod transport;

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use domain::source::{Extraction, Source, VersionSource};
use domain::version::{AgentVersion, SourceKind};
use home::certificates;
use tokio::process::Command;

use self::error::SourceError;
use self::memory::Memory;
use self::readable::{Python, Question};
use self::tags::Choice;
use self::transport::Transport;
use crate::environment::Environment;
use console::masking::Hidden;

/// How many characters of a text that is no version are shown.
const CHARACTERS_SHOWN: usize = 200;

/// Something that is answered without running a script.
#[derive(Debug)]
pub(crate) enum Native {
    /// What `version.yml` declares.
    Declared(VersionSource),
    /// What `version.sh` asks, read rather than run.
    Read(Question),
}

impl Native {
    /// Returns whom it asks.
    pub(crate) fn kind(&self) -> SourceKind {
        match self {
            Self::Declared(source) => source.source.kind(),
            Self::Read(Question::Npm { .. }) => SourceKind::Npm,
            Self::Read(Question::Pip { .. }) => SourceKind::Pypi,
        }
    }
}

/// The places that publish versions, as this user reaches them.
#[derive(Debug)]
pub(crate) struct Sources {
    environment: Environment,
    transport: Transport,
}

impl Sources {
    /// Trusts `certificates` (files or folders) besides the system's, and keeps answers in `memory`, if anywhere.
    ///
    /// # Errors
    /// [`certificates::Unreadable`] when those cannot be read, or one of them is none.
    pub(crate) fn new(
        environment: Environment,
        extra: &[PathBuf],
        memory: Option<(PathBuf, bool)>,
    ) -> Result<Self, certificates::Unreadable> {
        let memory = memory.map_or_else(Memory::default, |(folder, is_writable)| Memory::new(folder, is_writable));
        let extra: Result<Vec<_>, _> = extra.iter().map(|path| certificates::read(path)).collect();
        Ok(Self { environment, transport: Transport::new(extra?.concat(), memory) })
    }

    /// Returns the certificates that are trusted here, as PEM: the system's, and those that the user gave.
    pub(crate) fn trusted(&self) -> Vec<u8> {
        let system = self.environment.path("SSL_CERT_FILE").or_else(certificates::system_bundle);
        // Where the system has none, those that the user gave are all there are.
        let mut pem = system.and_then(|path| certificates::read_system(&path).ok()).unwrap_or_default();
        pem.extend_from_slice(self.transport.extra_roots_pem());
        pem
    }

    /// Asks, at most for `limit`. The error is a reason for a person.
    pub(crate) async fn look(
        &self,
        native: &Native,
        folder: &Path,
        limit: Duration,
        secrets: &Hidden,
    ) -> Result<AgentVersion, String> {
        self.ask(native, folder, limit, secrets).await.map_err(|error| secrets.mask(&error.to_string()))
    }

    async fn ask(
        &self,
        native: &Native,
        folder: &Path,
        limit: Duration,
        secrets: &Hidden,
    ) -> Result<AgentVersion, SourceError> {
        let (text, extraction) = match native {
            Native::Declared(declared) => {
                let limit = declared.timeout.unwrap_or(limit);
                (self.declared(&declared.source, &declared.extraction, limit).await?, declared.extraction.clone())
            }
            Native::Read(question) => (self.read(question, folder, limit).await?, Extraction::default()),
        };
        // Tags were cut before they were compared.
        let is_cut = matches!(native, Native::Declared(declared)
            if matches!(declared.source.kind(), SourceKind::GithubTag | SourceKind::OciTag));
        // A secret that is cut in two is not recognised any more.
        let shown = || secrets.mask(text.trim()).chars().take(CHARACTERS_SHOWN).collect::<String>();
        let cut = if is_cut { Some(text.as_str()) } else { extraction.apply(&text) };
        let cut = cut.ok_or_else(|| {
            let reason = format!("pattern and prefix do not fit {:?}", shown());
            SourceError::Nothing { address: "what was found".to_owned(), reason }
        })?;
        AgentVersion::parse(cut).map_err(|error| SourceError::NoVersion { text: shown(), error })
    }

    async fn declared(&self, source: &Source, extraction: &Extraction, limit: Duration) -> Result<String, SourceError> {
        let (transport, environment) = (&self.transport, &self.environment);
        match source {
            Source::Npm { package, tag } => npm::newest(package, tag, environment, transport, limit).await,
            Source::Pypi { package, include_prereleases } => {
                pip::newest(package, *include_prereleases, environment, transport, limit).await
            }
            Source::Crates { package, include_prereleases } => {
                crates::newest(package, *include_prereleases, environment, transport, limit).await
            }
            Source::GithubRelease { repository, include_prereleases } => {
                github::newest_release(repository, *include_prereleases, environment, transport, limit).await
            }
            Source::GithubTag { repository, include_prereleases } => {
                let choice = Choice { extraction, include_prereleases: *include_prereleases };
                github::highest_tag(repository, &choice, environment, transport, limit).await
            }
            Source::OciTag { repository, include_prereleases } => {
                let choice = Choice { extraction, include_prereleases: *include_prereleases };
                oci::highest_tag(repository, &choice, transport, limit).await
            }
            Source::HttpJson { url, pointer } => http::json_value(url, pointer, transport, limit).await,
            Source::HttpText { url } => http::text(url, transport, limit).await,
        }
    }

    /// Answers as the script's own tool would, or says why it might answer differently.
    async fn read(&self, question: &Question, folder: &Path, limit: Duration) -> Result<String, SourceError> {
        let (transport, environment) = (&self.transport, &self.environment);
        match question {
            Question::Npm { package, tag } => {
                if npm::has_project_settings(folder, environment) {
                    return Err(SourceError::Unsupported(
                        "there are settings for npm beside the definition".to_owned(),
                    ));
                }
                let configuration = npm::NpmConfiguration::load(environment)?;
                if let Some(difference) = configuration.difference() {
                    return Err(SourceError::Unsupported(difference));
                }
                let tag = tag.as_deref().unwrap_or(configuration.tag());
                npm::newest(package, tag, environment, transport, limit).await
            }
            Question::Pip { package, python } => {
                let python = match python {
                    Python::Any => None,
                    Python::Named(name) => Some(interpreter_version(name, limit).await?),
                    Python::Unknown => {
                        return Err(SourceError::Unsupported("it is not known for which Python pip looks".to_owned()));
                    }
                };
                pip::listed_by_pip(package, python.as_ref(), environment, transport, limit).await
            }
        }
    }
}

/// Asks the user's own interpreter for its version; nothing of the definition's runs.
async fn interpreter_version(name: &str, limit: Duration) -> Result<pep440_rs::Version, SourceError> {
    let unknown = || SourceError::Unsupported(format!("{name} does not say its version"));
    let mut command = Command::new(which::which(name).map_err(|_| unknown())?);
    command.args(["-I", "-S", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"]).kill_on_drop(true);
    let output = tokio::time::timeout(limit, command.stdin(std::process::Stdio::null()).output()).await;
    let output = output.map_err(|_| unknown())?.map_err(|_| unknown())?;
    pep440_rs::Version::from_str(String::from_utf8_lossy(&output.stdout).trim()).map_err(|_| unknown())
}
