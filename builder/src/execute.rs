//! Carrying out what was decided: solve, check, switch the name, record.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use buildkit::BuildKit;
use buildkit::context::Context;
use buildkit::progress::{Event, Stream};
use buildkit::session::{RegistryCredentials, Services, Session};
use buildkit::solve::{Solve, SolveError};
use console::exit::Exit;
use console::failure::Failure;
use console::progress::{Event as Shown, Mode, Progress};
use domain::digest::Digest;
use domain::plan::{Build, Reason};
use domain::recipe::label;
use domain::record::Record;
use domain::target::Target;
use home::{BuildLog, ImageKey};
use jiff::Timestamp;
use registry::Credential;

use crate::failures;
use crate::lower::{BUILDER_VERSION, CERTIFICATES, Circumstances, DEFINITION, lower};
use crate::observe::Doors;

/// How often a solve is begun that the engine gives up by itself.
const SOLVE_ATTEMPTS: usize = 5;

/// How long before it is begun again; an engine is done with what a killed client left within a second.
const SOLVE_PAUSE: Duration = Duration::from_millis(250);

/// What a build needs that does not depend on what is built.
pub(crate) struct Means<'a> {
    pub(crate) doors: &'a Doors,
    pub(crate) endpoint: &'a buildkit::endpoint::Endpoint,
    pub(crate) progress: &'a Progress,
    pub(crate) circumstances: Circumstances,
    pub(crate) certificates: Option<Vec<u8>>,
    /// Set while names and records change, which belong together.
    pub(crate) switching: &'a Cell<bool>,
}

/// What came of a build.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) image_id: String,
    pub(crate) log: PathBuf,
    /// Whether an image was replaced and stays under its previous name.
    pub(crate) replaced: bool,
}

/// Builds `build` and makes it the current image of `target`.
///
/// The image's name, its record and everything else stay as they are until the new image is complete.
pub(crate) async fn execute(
    target: &Target,
    build: &Build,
    reasons: &[Reason],
    context: Arc<Context>,
    means: &Means<'_>,
) -> Result<Built, Failure> {
    let doors = means.doors;
    let now = Timestamp::now();
    let mut log = BuildLog::create(&doors.home, &target.agent.name, &target.base_name, now)
        .map_err(|error| failures::of_disk(&error))?;
    let log_path = log.path().to_owned();
    if means.progress.mode() != Mode::RawJson {
        let note = format!("building {} (log: {})", target.image.familiar(), log_path.display());
        means.progress.show(Shown::Note(&note));
    }
    write_heading(&mut log, target, build, reasons);

    let result = make(target, build, context, means, &mut log).await;
    match result {
        Ok(image_id) => {
            means.switching.set(true);
            let replaced = switch(target, &image_id, means).await.map_err(|failure| failure.log(&log_path))?;
            means.progress.finish();
            let _ = writeln!(log, "# {} is now {image_id}", target.image.familiar());
            record(target, build, &image_id, Some(&log_path), doors)?;
            means.switching.set(false);
            Ok(Built { image_id, log: log_path, replaced })
        }
        Err(failure) => {
            means.progress.finish();
            let _ = writeln!(log, "# failed: {}", failure.message);
            if let Some(details) = &failure.details {
                let _ = writeln!(log, "# the last lines of the step:\n{details}");
            }
            Err(failure.log(&log_path))
        }
    }
}

// A log that cannot be written to must not end a build that goes well.
fn write_heading(log: &mut BuildLog, target: &Target, build: &Build, reasons: &[Reason]) {
    let _ = writeln!(log, "# {} by aicage-builder {BUILDER_VERSION}", target.image.familiar());
    let _ = writeln!(log, "# {} {} on {}", build.recipe.agent, build.recipe.version, build.base.reference);
    for reason in reasons {
        let _ = writeln!(log, "# because: {reason}");
    }
}

/// Solves into the staging name and returns the id of a checked image.
async fn make(
    target: &Target,
    build: &Build,
    context: Arc<Context>,
    means: &Means<'_>,
    log: &mut BuildLog,
) -> Result<String, Failure> {
    // An image that a killed run left under the staging name would lose it to the new one, and stay without any.
    let (_, connected) = tokio::join!(clear(target, &means.doors.engine), BuildKit::connect(means.endpoint));
    let buildkit = connected.map_err(|error| failures::of_connect(&error))?;
    let session = Session::open(&buildkit, random_id(), services(target, context, means))
        .await
        .map_err(|error| failures::of_connect(&error))?;
    solve(&buildkit, &session, lower(build, &target.staging, &means.circumstances), means, log)
        .await
        .map_err(|error| not_built(target, failures::of_solve(&error)))?;

    let engine = &means.doors.engine;
    let made = engine.image(&target.staging).await.map_err(|error| failures::of_engine(&error))?;
    let made = made.ok_or_else(|| {
        Failure::of(Exit::Integrity, format!("the engine built {} but has no such image", target.staging.familiar()))
    })?;
    if made.labels.get(label::HASH).map(String::as_str) != Some(&build.recipe.hash().to_string()) {
        let message = format!(
            "the image that the engine built as {} is not of the recipe that was asked for",
            target.staging.familiar()
        );
        return Err(Failure::of(Exit::Integrity, message));
    }
    Ok(made.id)
}

/// Solves, and once more where the engine failed by no fault of what it was asked for.
async fn solve(
    buildkit: &BuildKit,
    session: &Session,
    mut solve: Solve,
    means: &Means<'_>,
    log: &mut BuildLog,
) -> Result<(), SolveError> {
    let raw = means.progress.mode() == Mode::RawJson;
    let mut names = BTreeMap::new();
    let mut attempts = 1..=SOLVE_ATTEMPTS;
    loop {
        attempts.next();
        let on_event = |event| {
            write_event(log, &mut names, &event);
            show_event(means.progress, &event);
        };
        let error = match buildkit.solve(&solve, session, &random_id(), raw, on_event).await {
            Ok(_) => return Ok(()),
            Err(error @ (SolveError::Abandoned(_) | SolveError::CacheDamaged(_))) if !attempts.is_empty() => error,
            Err(error) => return Err(error),
        };
        if let SolveError::CacheDamaged(_) = error {
            solve.ignore_cache();
        }
        let _ = writeln!(log, "# once more: {error}");
        means.progress.show(Shown::Note(&format!("note: once more: {error}")));
        tokio::time::sleep(SOLVE_PAUSE).await;
    }
}

fn not_built(target: &Target, mut failure: Failure) -> Failure {
    failure.message = format!("agent {} was not built on {}: {}", target.agent.name, target.base_name, failure.message);
    failure
}

fn services(target: &Target, context: Arc<Context>, means: &Means<'_>) -> Services {
    let registry = means.doors.registry.clone();
    let folder = target.agent.folder.display().to_string();
    Services {
        contexts: BTreeMap::from([(DEFINITION.to_owned(), context)]),
        secrets: means.certificates.iter().map(|bundle| (CERTIFICATES.to_owned(), bundle.clone())).collect(),
        credentials: Arc::new(move |host: String| {
            let registry = registry.clone();
            Box::pin(async move {
                let found = registry.credentials(&host).await.map_err(|error| error.to_string())?;
                Ok(match found {
                    None => RegistryCredentials::default(),
                    Some(Credential::Password { username, password }) => {
                        RegistryCredentials { username, secret: password }
                    }
                    // The engine takes a secret without a user for an identity token.
                    Some(Credential::IdentityToken(secret)) => {
                        RegistryCredentials { secret, ..RegistryCredentials::default() }
                    }
                })
            })
        }),
        shared_key: Digest::of(folder.as_bytes()).hex(),
    }
}

/// Gives the new image the name, and the one that had it the previous name.
async fn switch(target: &Target, image_id: &str, means: &Means<'_>) -> Result<bool, Failure> {
    let engine = &means.doors.engine;
    let failed = |error: engine::EngineError| failures::of_engine(&error);
    let current = engine.image(&target.image).await.map_err(failed)?;
    // The same layers at the same time are the same image: every name is right already.
    let is_current = current.as_ref().is_some_and(|current| current.id == image_id);
    let replaced = current.is_some() && !is_current;
    if let Some(current) = current.filter(|_| replaced) {
        // The image before the previous one must go, or it would stay for ever without a name; but not before the
        // previous name means another one, so that there is always one to go back to.
        match engine.tag(&target.previous.to_string(), &target.outgoing).await {
            Ok(()) | Err(engine::EngineError::NoImage { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
        engine.tag(&current.id, &target.previous).await.map_err(failed)?;
    }
    if !is_current {
        engine.tag(&target.staging.to_string(), &target.image).await.map_err(failed)?;
    }
    clear(target, engine).await;
    Ok(replaced)
}

/// Takes away the names that an image has only on its way, also those that a killed run left behind.
///
/// Nothing depends on whether it can: a container may hold an image, and the next run tries again.
pub(crate) async fn clear(target: &Target, engine: &engine::Engine) {
    let _ = tokio::join!(engine.untag(&target.staging), engine.untag(&target.outgoing));
}

/// Writes our record and the host tool's.
pub(crate) fn record(
    target: &Target,
    build: &Build,
    image_id: &str,
    log: Option<&PathBuf>,
    doors: &Doors,
) -> Result<(), Failure> {
    let now = Timestamp::now();
    let record = Record {
        agent: target.agent.name.clone(),
        base_name: target.base_name.clone(),
        image: target.image.clone(),
        image_id: image_id.to_owned(),
        recipe_hash: build.recipe.hash(),
        version: build.recipe.version.clone(),
        version_origin: build.version_origin,
        base_image: build.base.reference.clone(),
        base: build.recipe.base,
        files: build.recipe.files.clone(),
        built_at: home::time::built_at(now),
        log: log.map(|log| doors.home.relative(log).display().to_string()),
        builder_version: BUILDER_VERSION.to_owned(),
    };
    let failed = |error| failures::of_disk(&error);
    let set_aside =
        home::record::store_record(&doors.home, &ImageKey::of(&target.image), &record, now).map_err(failed)?;
    if let Some(path) = set_aside {
        tracing::warn!("a damaged record was kept as {}", path.display());
    }
    home::host_record::store(&doors.home, &record).map_err(failed)?;
    Ok(())
}

fn write_event(log: &mut BuildLog, names: &mut BTreeMap<String, String>, event: &Event) {
    let name = |names: &BTreeMap<String, String>, vertex: &str| names.get(vertex).cloned().unwrap_or_default();
    // See `write_heading` for why failures are left alone.
    let _ = match event {
        Event::Started { vertex, name } => {
            names.insert(vertex.clone(), name.clone());
            writeln!(log, "# {name}")
        }
        Event::Cached { vertex } => writeln!(log, "# {}: cached", name(names, vertex)),
        Event::Completed { vertex, error: None } => writeln!(log, "# {}: done", name(names, vertex)),
        Event::Completed { vertex, error: Some(_) } => writeln!(log, "# {}: failed", name(names, vertex)),
        // The other stream only says again what this one said.
        Event::Log { stream: Stream::Output, bytes, .. } => log.write_all(bytes),
        Event::Log { .. } | Event::Part { .. } | Event::Raw(_) => Ok(()),
    };
}

fn show_event(progress: &Progress, event: &Event) {
    match event {
        Event::Started { vertex, name } => progress.show(Shown::StepStarted { id: vertex, name }),
        Event::Cached { vertex } => progress.show(Shown::StepCached { id: vertex }),
        Event::Completed { vertex, error: None } => progress.show(Shown::StepDone { id: vertex }),
        Event::Completed { vertex, error: Some(error) } => {
            // The engine repeats the whole command line in its error; the exit code behind it is what tells.
            let message = error.rsplit_once("did not complete successfully: ").map_or(error.as_str(), |(_, end)| end);
            progress.show(Shown::StepFailed { id: vertex, message: message.lines().next().unwrap_or_default() });
        }
        Event::Log { vertex, stream: Stream::Output, bytes } => progress.show(Shown::StepLog { id: vertex, bytes }),
        Event::Log { .. } => {}
        // Some parts have no amount: they are over at once.
        Event::Part { current: 0, total: 0, .. } => {}
        Event::Part { vertex, id, current, total, .. } => {
            let total = (*total > 0).then_some(*total);
            progress.show(Shown::StepProgress { id: vertex, what: id, current: *current, total });
        }
        Event::Raw(document) => progress.show(Shown::Raw(&document.to_string())),
    }
}

/// Returns 32 hex digits that no other session or solve has.
fn random_id() -> String {
    // Each state is seeded from the system's random source.
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}
