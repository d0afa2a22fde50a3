//! The definition's own `version.sh`, run in a container that has nothing but a copy of the definition and a network.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use domain::definition::{Agent, VERSION_SCRIPT};
use domain::version::AgentVersion;
use engine::{Confined, ConfinedEnd, Endpoint, Engine, EngineError};

use super::Means;
use super::image::PullError;
use super::outcome::{End, OUTPUT_LIMIT_BYTES, Outcome, OutcomeError, Tail};
use super::script::{self, ScriptError, without_carriage_returns};
use crate::environment::{ENGINE, PROXIES};

/// The most that is copied into a container, in bytes. Version scripts need themselves and at most a small file.
const COPIED_LIMIT_BYTES: u64 = 8 * 1024 * 1024;

/// The most files that are copied into a container.
const COPIED_LIMIT_FILES: usize = 1000;

/// Where the copy of the definition lies, and where the script starts.
const FOLDER: &str = "/agent";

/// The certificates, beside the definition.
const CERTIFICATES: &str = ".aicage-certificates.pem";

/// Variables that name a file of certificates to the tools that version scripts use.
const CERTIFICATE_VARIABLES: [&str; 7] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
];

/// How much longer the container's own clock lets the script run than ours; it only counts when we are killed.
const LAST_RESORT: Duration = Duration::from_secs(3);

/// Says why running the script gave no version.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContainerError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error("the definition cannot be copied")]
    Copy(#[source] io::Error),
    #[error("the definition has more than {COPIED_LIMIT_FILES} files or {COPIED_LIMIT_BYTES} bytes")]
    TooLarge,
    #[error(
        "the engine has no image {0}; make it, have it pulled with --pull-checker-image=missing, or name another with --checker-image"
    )]
    NoImage(String),
    #[error(transparent)]
    NotPulled(#[from] PullError),
    #[error(transparent)]
    Engine(EngineError),
    #[error(transparent)]
    Outcome(#[from] OutcomeError),
}

/// Runs the script in a new container of the configured image.
pub(super) async fn look(agent: &Agent, limit: Duration, means: &Means) -> Result<AgentVersion, ContainerError> {
    // A missing script is told as such, not as what bash makes of it.
    script::text(&agent.folder.join(VERSION_SCRIPT))?;
    let endpoint = Endpoint::find(means.environment.get(ENGINE)).map_err(ContainerError::Engine)?;
    let mut environment: Vec<_> =
        PROXIES.iter().filter_map(|name| Some(format!("{name}={}", means.environment.get(name)?))).collect();
    let files = archive(&agent.folder, means.certificates.as_deref())?;
    if means.certificates.is_some() {
        environment.extend(CERTIFICATE_VARIABLES.iter().map(|name| format!("{name}={FOLDER}/{CERTIFICATES}")));
    }
    let seconds = (limit + LAST_RESORT).as_secs().to_string();
    let command = ["timeout", "-s", "KILL", &seconds, "bash", VERSION_SCRIPT];
    let engine = Engine::connect(&endpoint);
    let confined = Confined {
        image: image(&engine, means).await?,
        command: command.map(str::to_owned).to_vec(),
        environment,
        folder: FOLDER.to_owned(),
        files,
        time_limit: limit,
        output_limit_bytes: OUTPUT_LIMIT_BYTES,
    };
    let mut outcome = engine.run_confined(&confined, means.interrupted.clone()).await;
    if matches!(outcome, Err(EngineError::NoImage { .. })) && means.image.fetch_missing(&engine, means).await? {
        outcome = engine.run_confined(&confined, means.interrupted.clone()).await;
    }
    let outcome = outcome.map_err(|error| match error {
        EngineError::NoImage { image } => ContainerError::NoImage(image),
        error => ContainerError::Engine(error),
    })?;
    let end = match outcome.end {
        ConfinedEnd::Exited(code) => End::Code(code),
        ConfinedEnd::TimedOut => End::TimedOut,
        ConfinedEnd::TooMuch => End::TooMuch,
        ConfinedEnd::Interrupted => End::Interrupted,
    };
    let errors = Tail::of(&outcome.errors, outcome.errors_are_cut);
    Ok(Outcome { end, output: outcome.output, errors }.version(limit, &means.secrets)?)
}

/// Says whether there is an engine to ask for a container.
pub(super) fn has_engine(means: &Means) -> bool {
    let found = Endpoint::find(means.environment.get(ENGINE));
    found.is_ok_and(|Endpoint::Unix(socket)| socket.exists())
}

/// Returns the image to run in: the one this program runs in, where that is the builder image, else the configured one.
async fn image(engine: &Engine, means: &Means) -> Result<String, ContainerError> {
    // Docker names a container, for itself, by the start of its id.
    let own = means.environment.get("HOSTNAME").filter(|_| means.is_in_builder_image());
    let image = match own {
        Some(own) => engine.image_of_container(own).await.map_err(ContainerError::Engine)?,
        None => None,
    };
    match image {
        Some(image) => Ok(image),
        None => Ok(means.image.ready(engine, means).await?),
    }
}

/// Packs the definition for the container: scripts with ends of lines as bash needs them, everything readable by
/// everyone, links and special files left out.
fn archive(folder: &Path, certificates: Option<&[u8]>) -> Result<Vec<u8>, ContainerError> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut budget = Budget { files: COPIED_LIMIT_FILES, bytes: COPIED_LIMIT_BYTES };
    add_folder(&mut archive, folder, Path::new(""), &mut budget)?;
    if let Some(pem) = certificates {
        add_file(&mut archive, Path::new(CERTIFICATES), pem).map_err(ContainerError::Copy)?;
    }
    archive.into_inner().map_err(ContainerError::Copy)
}

/// What may still be copied.
struct Budget {
    files: usize,
    bytes: u64,
}

fn add_folder(
    archive: &mut tar::Builder<Vec<u8>>,
    folder: &Path,
    within: &Path,
    budget: &mut Budget,
) -> Result<(), ContainerError> {
    for entry in fs::read_dir(folder).map_err(ContainerError::Copy)? {
        let entry = entry.map_err(ContainerError::Copy)?;
        let (path, name) = (entry.path(), within.join(entry.file_name()));
        let kind = entry.file_type().map_err(ContainerError::Copy)?;
        budget.files = budget.files.checked_sub(1).ok_or(ContainerError::TooLarge)?;
        if kind.is_dir() {
            add(archive, &name, tar::EntryType::Directory, &[]).map_err(ContainerError::Copy)?;
            add_folder(archive, &path, &name, budget)?;
        } else if kind.is_file() {
            let length = entry.metadata().map_err(ContainerError::Copy)?.len();
            budget.bytes = budget.bytes.checked_sub(length).ok_or(ContainerError::TooLarge)?;
            let bytes = fs::read(&path).map_err(ContainerError::Copy)?;
            let is_script = path.extension().is_some_and(|end| end == "sh");
            let converted = is_script.then(|| without_carriage_returns(&bytes)).flatten();
            add_file(archive, &name, converted.as_deref().unwrap_or(&bytes)).map_err(ContainerError::Copy)?;
        }
    }
    Ok(())
}

fn add_file(archive: &mut tar::Builder<Vec<u8>>, name: &Path, bytes: &[u8]) -> io::Result<()> {
    add(archive, name, tar::EntryType::Regular, bytes)
}

fn add(archive: &mut tar::Builder<Vec<u8>>, name: &Path, kind: tar::EntryType, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, name, bytes)
}
