//! Looking at everything that a decision needs: the engine, the registry, the definition, the version, the record.

use std::sync::Arc;

use buildkit::context::{Context, ContextError, ContextRules, EntryKind, RunnableScripts};
use domain::definition::METADATA_FILES;
use domain::digest::Digest;
use domain::files::{FileEntry, FileKind, FileSet};
use domain::recipe::ImageRecipe;
use domain::target::Target;
use domain::world::{BaseFacts, ImageFacts, LocalBase, Remote, VersionFact, World};
use engine::{Engine, EngineError, ImageStore, LocalImage};
use home::{Home, ImageKey};
use registry::{Registry, RegistryError};

use crate::versions::Checker;

/// Everything that can be looked at.
pub(crate) struct Doors {
    pub(crate) engine: Engine,
    pub(crate) registry: Arc<Registry>,
    pub(crate) home: Home,
    pub(crate) checker: Checker,
}

/// Says why no decision can be made at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObserveError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the definition of {agent} cannot be used")]
    Context { agent: String, source: ContextError },
}

/// What was seen, with the definition's folder as it would be sent.
pub(crate) struct Observation {
    pub(crate) world: World,
    pub(crate) context: Arc<Context>,
}

/// Looks once at everything about `target`.
pub(crate) async fn observe(target: &Target, doors: &Doors) -> Result<Observation, ObserveError> {
    let engine = async {
        let (version, image, base) =
            tokio::join!(doors.engine.version(), doors.engine.image(&target.image), look_at_base(target, doors));
        Ok::<_, ObserveError>((version?.platform, image?, base?))
    };
    let newest = async {
        match &target.chosen_version {
            Some(version) => VersionFact::Chosen(version.clone()),
            None => {
                let facts = doors.checker.newest(std::slice::from_ref(&target.agent.name)).await;
                facts.into_iter().next().expect("there is an answer for each agent")
            }
        }
    };
    let (engine, version, context) = tokio::join!(engine, newest, walk(target));
    // A mistake in the definition is told rather than an engine that is not there: it is nearer to the person.
    let context = context?;
    let (platform, image, base) = engine?;

    let key = ImageKey::of(&target.image);
    let image = image.map(|image| ImageFacts {
        recipe: ImageRecipe::from_labels(&image.labels),
        id: image.id,
        labels: image.labels,
    });
    let host_record_fits = match image.as_ref().map(|image| (&image.id, &image.recipe)) {
        Some((id, ImageRecipe::Known(known))) => home::host_record::fits(
            &doors.home,
            &target.agent.name,
            &target.base_name,
            &target.image,
            id,
            &known.version,
        ),
        _ => false,
    };
    let world = World {
        image,
        base,
        version,
        files: files_of(&context),
        record: home::record::load_record(&doors.home, &key),
        host_record_fits,
        platform,
    };
    Ok(Observation { world, context })
}

async fn walk(target: &Target) -> Result<Arc<Context>, ObserveError> {
    let folder = target.agent.folder.clone();
    let rules = ContextRules {
        leave_out: METADATA_FILES.map(str::to_owned).to_vec(),
        runnable_scripts: RunnableScripts::TopLevel,
    };
    let walked = tokio::task::spawn_blocking(move || Context::walk(&folder, &rules)).await;
    let agent = target.agent.name.to_string();
    match walked.expect("walking a folder does not panic") {
        Ok(context) => Ok(Arc::new(context)),
        Err(source) => Err(ObserveError::Context { agent, source }),
    }
}

fn files_of(context: &Context) -> FileSet {
    let entry = |entry: &buildkit::context::Entry| FileEntry {
        path: entry.path.clone(),
        mode: entry.mode,
        kind: match &entry.kind {
            EntryKind::Directory => FileKind::Directory,
            EntryKind::File { digest, .. } => FileKind::File { digest: Digest::from_bytes(*digest) },
            EntryKind::Symlink { target } => FileKind::Symlink { target: target.clone() },
        },
    };
    FileSet(context.entries().iter().map(entry).collect())
}

async fn look_at_base(target: &Target, doors: &Doors) -> Result<BaseFacts, EngineError> {
    let base = &target.base_image;
    if let Some(digest) = base.digest() {
        return Ok(BaseFacts { remote: Remote::Known(digest), local: None });
    }
    let local = doors.engine.image(base).await?;
    let pulled_as = local.as_ref().and_then(|local| pulled_as(local, target));
    let made_here = local.as_ref().is_some_and(|local| local.store == ImageStore::Graph && pulled_as.is_none());
    let remote = if made_here { Remote::NotAsked } else { ask(&doors.registry, target).await };
    let local = local.map(|local| LocalBase { content: local.content, pulled_as });
    Ok(BaseFacts { remote, local })
}

/// Returns the digest under which the engine pulled its copy.
///
/// The containerd image store lists such a digest for every image, also for one made on this machine; there it says
/// nothing.
fn pulled_as(local: &LocalImage, target: &Target) -> Option<Digest> {
    match local.store {
        ImageStore::Graph => local.pulled_as(target.base_image.repository()),
        ImageStore::Containerd => None,
    }
}

async fn ask(registry: &Registry, target: &Target) -> Remote {
    match registry.digest(&target.base_image).await {
        Ok(digest) => Remote::Known(digest),
        Err(error) => remote_of(&error),
    }
}

/// Turns a registry's failure into what a decision can use.
fn remote_of(error: &RegistryError) -> Remote {
    let reason = chain(error);
    match error {
        RegistryError::Absent { .. } => Remote::Absent,
        // That the credentials cannot be had is for the user to mend as much as that they are refused.
        RegistryError::Denied { .. } | RegistryError::Credentials(_) => Remote::Denied(reason),
        _ => Remote::Unreachable { reason, temporary: error.is_temporary() },
    }
}

/// Writes an error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
