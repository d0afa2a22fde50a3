//! Carrying out what was decided: solve, check, switch the name, record.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use buildkit::BuildKit;
use buildkit::context::Context;
use buildkit::session::{RegistryCredentials, Services, Session};
use buildkit::solve::{PartSolved, SolveError, Solved};
use console::exit::Exit;
use console::failure::Failure;
use console::masking::Hidden;
use console::progress::{Event as Shown, Mode, Progress};
use domain::credential::Credential;
use domain::digest::Digest;
use domain::image::ImageRef;
use domain::plan::{BaseSource, Build, Footing, Reason};
use domain::recipe::{BaseIdentity, ImageKind, LayerKind, Recipe, label};
use domain::target::{Target, TargetImage};
use engine::{EngineError, LocalImage};
use home::{BuildLog, LogSubject};
use jiff::Timestamp;

use crate::failures;
use crate::folders::Folders;
use crate::logins::Logins;
use crate::lower::{self, BUILDER_VERSION, CERTIFICATES, Circumstances, Places, Stage};
use crate::observe::Doors;
use crate::records;
use crate::secrets::Secrets;
use crate::show::Witness;
use crate::switch::{clear, switch};

/// How often a solve is begun that the engine gives up by itself.
const SOLVE_ATTEMPTS: usize = 5;

/// How long before it is begun again; an engine is done with what a killed client left within a second.
const SOLVE_PAUSE: Duration = Duration::from_millis(250);

/// What can take an image away while it is made: builders wait for each other by files of one home folder.
const ANOTHER_HOME: &str =
    "another builder, with another home folder, may be making the same image on this engine; run it again";

/// What a build needs that does not depend on what is built.
pub(crate) struct Means<'a> {
    pub(crate) doors: &'a Doors,
    pub(crate) progress: &'a Progress,
    pub(crate) circumstances: Circumstances,
    pub(crate) certificates: Option<Vec<u8>>,
    pub(crate) secrets: &'a Secrets,
    /// What may not be shown of anything that a step writes.
    pub(crate) hidden: Hidden,
    pub(crate) doing: &'a Doing,
}

/// What is being done at this moment, for whoever must end it.
#[derive(Debug, Default)]
pub(crate) struct Doing {
    /// Set while names and records change, which belong together.
    pub(crate) switching: Cell<bool>,
    /// The log of the image that is being built or pulled.
    pub(crate) log: RefCell<Option<PathBuf>>,
}

/// What is to be built.
pub(crate) struct Job<'a> {
    pub(crate) target: &'a Target,
    /// Which of the target's images.
    pub(crate) index: usize,
    pub(crate) build: &'a Build,
    pub(crate) reasons: &'a [Reason],
    /// The folders of each of its layers.
    pub(crate) folders: &'a [Folders],
}

impl Job<'_> {
    fn wanted(&self) -> &TargetImage {
        &self.target.images[self.index]
    }
}

/// One layer of what was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerBuilt {
    /// How people call it.
    pub(crate) name: String,
    /// Whether anything of it ran, rather than being taken from the cache.
    pub(crate) ran: bool,
    /// What it added to the image, in bytes as the engine counts them.
    pub(crate) size_bytes: Option<u64>,
}

/// What came of a build or a pull.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) image_id: String,
    pub(crate) log: PathBuf,
    /// Whether an image was replaced and stays under its previous name.
    pub(crate) replaced: bool,
    pub(crate) layers: Vec<LayerBuilt>,
}

/// Builds an image and makes it the current one of its name.
///
/// The image's name, its record and everything else stay as they are until the new image is complete.
pub(crate) async fn execute(job: &Job<'_>, means: &Means<'_>) -> Result<Built, Failure> {
    let (doors, wanted) = (means.doors, job.wanted());
    let source = footing(job, doors).await?;
    let recipe = job.build.recipe(&source);
    let mut log =
        BuildLog::begin(&doors.home, subject(wanted), Timestamp::now()).map_err(|error| failures::of_disk(&error))?;
    let log_path = log.path().to_owned();
    announce(means, &format!("building {} (log: {})", wanted.image.familiar(), log_path.display()));
    write_heading(&mut log, wanted, &source, job.reasons);
    log.cut_short_with("# interrupted");
    means.doing.log.replace(Some(log_path.clone()));

    let made = match make_current(job, &recipe, &source, means, &mut log).await {
        Ok(built) => {
            let _ = writeln!(log, "# {} is now {}", wanted.image.familiar(), built.image_id);
            Ok(built)
        }
        Err(failure) => {
            let _ = writeln!(log, "# failed: {}", failure.message);
            if let Some(details) = &failure.details {
                let _ = writeln!(log, "# the last lines of the step:\n{details}");
            }
            Err(failure.log(&log_path))
        }
    };
    log.end();
    means.doing.log.take();
    made
}

async fn make_current(
    job: &Job<'_>,
    recipe: &Recipe,
    source: &BaseSource,
    means: &Means<'_>,
    log: &mut BuildLog,
) -> Result<Built, Failure> {
    let (doors, wanted, path) = (means.doors, job.wanted(), log.path().to_owned());
    let Made { image_id, current, layers } = make(job, recipe, source, means, log).await?;
    // A full disk is met here, while the name is still the old image's.
    let prepared = records::prepare(job.target, job.index, (job.build, recipe), &image_id, Some(&path), &doors.home);
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            clear(wanted, &doors.engine).await;
            return Err(not_built(wanted, failures::of_disk(&error)));
        }
    };
    means.doing.switching.set(true);
    let replaced = switch(wanted, &image_id, current, &doors.engine).await?;
    records::put(prepared).map_err(|error| failures::of_disk(&error))?;
    means.doing.switching.set(false);
    Ok(Built { image_id, log: path, replaced, layers })
}

/// Says what is done, to people; a program that reads BuildKit's events wants nothing between them.
pub(crate) fn announce(means: &Means<'_>, what: &str) {
    if means.progress.mode() != Mode::RawJson {
        means.progress.show(Shown::Note(what));
    }
}

fn subject(wanted: &TargetImage) -> LogSubject<'_> {
    match (wanted.kind, &wanted.agent) {
        (ImageKind::Final, Some(agent)) => LogSubject::Final(agent, &wanted.base_name),
        (ImageKind::Base, _) => LogSubject::Base(&wanted.base_name),
        (ImageKind::Extended | ImageKind::Final, _) => LogSubject::Extended(&wanted.image),
    }
}

/// Returns what the image stands on; of one that this run built, what the engine has of it now.
async fn footing(job: &Job<'_>, doors: &Doors) -> Result<BaseSource, Failure> {
    let named = match &job.build.footing {
        Footing::Known(source) => return Ok((**source).clone()),
        Footing::Below => job.target.images[job.index - 1].image.clone(),
    };
    let built = doors.engine.image(&named).await.map_err(|error| failures::of_engine(&error))?;
    let built = built.ok_or_else(|| not_there(&named))?;
    let identity = BaseIdentity::Content(built.content);
    Ok(BaseSource { reference: named.clone(), named, local_only: true, identity })
}

fn not_there(built: &ImageRef) -> Failure {
    Failure::of(Exit::Integrity, format!("the engine built {} but has no such image", built.familiar()))
}

// A log that cannot be written to must not end a build that goes well.
fn write_heading(log: &mut BuildLog, wanted: &TargetImage, source: &BaseSource, reasons: &[Reason]) {
    let _ = writeln!(log, "# {} by aicage-builder {BUILDER_VERSION}", wanted.image.familiar());
    let _ = writeln!(log, "# {} ({})", wanted.told(), source.reference);
    for reason in reasons {
        let _ = writeln!(log, "# because: {reason}");
    }
}

/// An image under its staging name, checked.
struct Made {
    image_id: String,
    /// What has the wanted name until now.
    current: Option<LocalImage>,
    layers: Vec<LayerBuilt>,
}

/// Solves into the staging name.
async fn make(
    job: &Job<'_>,
    recipe: &Recipe,
    source: &BaseSource,
    means: &Means<'_>,
    log: &mut BuildLog,
) -> Result<Made, Failure> {
    let (wanted, engine) = (job.wanted(), &means.doors.engine);
    // An image that a killed run left under the staging name would lose it to the new one, and stay without any.
    let (_, connected) = tokio::join!(clear(wanted, engine), BuildKit::connect(&means.doors.buildkit));
    let buildkit = connected.map_err(|error| failures::of_connect(&error))?;
    let logins = Arc::new(Logins::new(means.doors.registry.clone()));
    let session = Session::open(&buildkit, random_id(), services(job, recipe, means, &logins))
        .await
        .map_err(|error| failures::of_connect(&error))?;
    let staging = wanted.staging();
    let places = Places { staging: &staging, between: between(job, recipe, &buildkit, &session).await? };
    let mut witness = Witness::new(means.progress, log, &means.hidden);
    let mut parts = Vec::new();
    let mut failed = None;
    for stage in lower::lower(recipe, source, &places, &means.circumstances) {
        match solve(&buildkit, &session, &stage, &mut witness).await {
            Ok(solved) => parts.extend(parts_of(&stage, solved)),
            Err(error) => {
                let mut failure = not_built(wanted, logins.explain(failures::of_solve(&error)));
                failure.details = failure.details.map(|details| witness.masked(&details));
                failure.message = witness.masked(&failure.message);
                failed = Some(failure);
                break;
            }
        }
    }
    witness.end();
    if let Some(failure) = failed {
        clear(wanted, engine).await;
        return Err(failure);
    }

    // Asked at once: with containerd's store, each answer takes an engine some ten milliseconds.
    let (made, current, layers) = tokio::join!(
        engine.image(&staging),
        engine.image(&wanted.image),
        layers_built(recipe, &parts, &staging, engine)
    );
    let failed = |error: EngineError| failures::of_engine(&error);
    let (made, current) = (made.map_err(failed)?, current.map_err(failed)?);
    let made = made.ok_or_else(|| not_there(&staging).hint(ANOTHER_HOME))?;
    if made.labels.get(label::HASH).map(String::as_str) != Some(&recipe.hash().to_string()) {
        let message = format!(
            "the image that the engine built as {} is not of the recipe that was asked for",
            staging.familiar()
        );
        return Err(Failure::of(Exit::Integrity, message).hint(ANOTHER_HOME));
    }
    Ok(Made { image_id: made.id, current, layers })
}

/// Returns names for what must be an image for a moment, where the engine needs that.
async fn between(
    job: &Job<'_>,
    recipe: &Recipe,
    buildkit: &BuildKit,
    session: &Session,
) -> Result<Option<Vec<ImageRef>>, Failure> {
    let has_dockerfile = job.folders.iter().any(|folders| folders.dockerfile.is_some());
    if !has_dockerfile || recipe.ingredients.layers.len() < 2 {
        return Ok(None);
    }
    let mut attempts = 1..=SOLVE_ATTEMPTS;
    let can = loop {
        attempts.next();
        match buildkit.chains_dockerfiles(session, &random_id()).await {
            // An engine may still be busy with ending what a killed client asked it.
            Err(SolveError::Abandoned(_)) if !attempts.is_empty() => tokio::time::sleep(SOLVE_PAUSE).await,
            answer => break answer.map_err(|error| failures::of_solve(&error))?,
        }
    };
    Ok((!can).then(|| job.wanted().between()))
}

/// Solves, and once more where the engine failed by no fault of what it was asked for.
async fn solve(
    buildkit: &BuildKit,
    session: &Session,
    stage: &Stage,
    witness: &mut Witness<'_>,
) -> Result<Solved, SolveError> {
    let mut solve = stage.solve.clone();
    let mut attempts = 1..=SOLVE_ATTEMPTS;
    loop {
        attempts.next();
        let raw = witness.wants_raw();
        let outcome = buildkit.solve(&solve, session, &random_id(), raw, |event| witness.see(&event)).await;
        let error = match outcome {
            Ok(solved) => return Ok(solved),
            Err(error @ (SolveError::Abandoned(_) | SolveError::CacheDamaged(_))) if !attempts.is_empty() => error,
            Err(error) => return Err(error),
        };
        if let SolveError::CacheDamaged(_) = error {
            solve.ignore_cache();
        }
        witness.note(&format!("once more: {error}"));
        tokio::time::sleep(SOLVE_PAUSE).await;
    }
}

/// Returns what came of each part of a request, with the layer that it makes, those beneath first.
fn parts_of(stage: &Stage, solved: Solved) -> Vec<(Option<usize>, PartSolved)> {
    let start = std::iter::once((stage.start, solved.start));
    start.chain(stage.parts.iter().copied().zip(solved.parts)).collect()
}

/// Tells what each layer added, by the engine's history of the image, which has an entry for each.
async fn layers_built(
    recipe: &Recipe,
    parts: &[(Option<usize>, PartSolved)],
    image: &ImageRef,
    engine: &engine::Engine,
) -> Vec<LayerBuilt> {
    // It is only told: a build whose history cannot be read is as good.
    let history = engine.history(image).await.unwrap_or_default();
    let mut entries = history.iter().rev();
    let mut sizes = BTreeMap::new();
    for (layer, part) in parts.iter().rev() {
        let Some(layer) = layer else { continue };
        let found: Vec<_> = entries.by_ref().take(part.history).map(|entry| entry.size_bytes).collect();
        if found.len() == part.history {
            *sizes.entry(*layer).or_insert(0) += found.iter().sum::<u64>();
        }
    }
    let built = |(at, layer): (usize, &domain::recipe::Layer)| {
        let mut of_layer = parts.iter().filter(|(made, _)| *made == Some(at));
        LayerBuilt {
            name: lower::told(&layer.kind),
            ran: of_layer.any(|(_, part)| !part.ran.is_empty()),
            size_bytes: sizes.get(&at).copied(),
        }
    };
    recipe.ingredients.layers.iter().enumerate().map(built).collect()
}

fn not_built(wanted: &TargetImage, mut failure: Failure) -> Failure {
    failure.message = match (wanted.kind, &wanted.agent) {
        (ImageKind::Final, Some(agent)) => {
            format!("agent {agent} was not built on {}: {}", wanted.base_name, failure.message)
        }
        (ImageKind::Base, _) => format!("base {} was not built: {}", wanted.base_name, failure.message),
        (ImageKind::Extended | ImageKind::Final, _) => {
            format!("{} was not built: {}", wanted.image.familiar(), failure.message)
        }
    };
    failure
}

fn services(job: &Job<'_>, recipe: &Recipe, means: &Means<'_>, logins: &Arc<Logins>) -> Services {
    let mut contexts: BTreeMap<String, Arc<Context>> = BTreeMap::new();
    for (folders, layer) in job.folders.iter().zip(&recipe.ingredients.layers) {
        let kind: &LayerKind = &layer.kind;
        contexts.extend(folders.context.clone().map(|context| (lower::folder(kind), context)));
        contexts.extend(folders.dockerfile.clone().map(|context| (lower::dockerfile_folder(kind), context)));
    }
    let mut secrets = means.secrets.0.clone();
    secrets.extend(means.certificates.iter().map(|bundle| (CERTIFICATES.to_owned(), bundle.clone())));
    Services {
        contexts,
        secrets,
        credentials: credentials(logins.clone()),
        shared_key: Digest::of(job.wanted().image.to_string().as_bytes()).hex(),
    }
}

fn credentials(logins: Arc<Logins>) -> Arc<buildkit::session::FindCredentials> {
    Arc::new(move |host: String| {
        let logins = logins.clone();
        Box::pin(async move {
            Ok(match logins.of(&host).await {
                None => RegistryCredentials::default(),
                Some(Credential::Password { username, password }) => RegistryCredentials { username, secret: password },
                // The engine takes a secret without a user for an identity token.
                Some(Credential::IdentityToken(secret)) => {
                    RegistryCredentials { secret, ..RegistryCredentials::default() }
                }
            })
        })
    })
}

/// Returns 32 hex digits that no other session or solve has.
fn random_id() -> String {
    // Each state is seeded from the system's random source.
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}
