//! Looking at everything that a decision needs: the engine, the registry, the definitions, the version, the records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use console::progress::Progress;
use domain::digest::Digest;
use domain::image::ImageRef;
use domain::name::AgentName;
use domain::recipe::ImageRecipe;
use domain::target::{Foundation, Making, Target, TargetImage};
use domain::world::{BaseFacts, ImageFacts, ImageWorld, LocalBase, Remote, VersionFact, World};
use engine::{Endpoint, Engine, EngineError, ImageStore, LocalImage};
use futures_util::future::try_join_all;
use home::{Home, ImageKey};
use registry::{Registry, RegistryOptions};
use tokio::sync::OnceCell;

use crate::certificates::OF_ENGINE;
use crate::cli::Surroundings;
use crate::folders::{FolderError, Folders, Walks};
use crate::records;
use crate::remotes::Remotes;
use crate::versions::{Checker, Versions, told};

/// Everything that can be looked at.
pub(crate) struct Doors {
    pub(crate) engine: Engine,
    /// The engine's, once it was asked for it.
    platform: OnceCell<String>,
    /// The BuildKit that is part of the engine.
    pub(crate) buildkit: buildkit::endpoint::Endpoint,
    /// For what it knows of credentials.
    pub(crate) registry: Arc<Registry>,
    pub(crate) remotes: Remotes,
    pub(crate) home: Home,
    pub(crate) versions: Versions,
    /// The secrets that extensions can see, by id, each as a salted digest.
    pub(crate) secrets: BTreeMap<String, Digest>,
}

impl Doors {
    /// Opens the doors for looks at images into which `agents` are installed.
    pub(crate) fn open(
        around: &Surroundings,
        certificates: Option<&[u8]>,
        endpoint: &Endpoint,
        agents: Vec<AgentName>,
        is_recording: bool,
    ) -> Self {
        let registry = Arc::new(Registry::new(RegistryOptions {
            docker_config: around.docker_config.clone(),
            extra_roots_pem: certificates.unwrap_or_default().to_owned(),
            engine_certificates: Some(OF_ENGINE.into()),
            ..RegistryOptions::default()
        }));
        let checker = Checker {
            definitions: around.definitions.clone(),
            home: around.home.clone(),
            certificates: around.ca_cert.clone(),
            began: Instant::now(),
            is_recording,
        };
        let engine = Engine::connect(endpoint);
        let Endpoint::Unix(socket) = endpoint;
        let buildkit = buildkit::endpoint::Endpoint::DockerSocket(socket.clone());
        Self {
            remotes: Remotes::new(registry.clone(), engine.clone()),
            engine,
            buildkit,
            platform: OnceCell::new(),
            registry,
            home: around.home.clone(),
            versions: Versions::new(checker, agents),
            secrets: BTreeMap::new(),
        }
    }

    /// Returns the engine's platform, which it is asked for once.
    pub(crate) async fn platform(&self) -> Result<String, EngineError> {
        let ask = || async { self.engine.version().await.map(|version| version.platform) };
        self.platform.get_or_try_init(ask).await.cloned()
    }
}

/// What is seen before anything is written: the folders of each layer of each image.
pub(crate) struct Prospect(Vec<Vec<Folders>>);

/// What was seen, with the definitions' folders as they would be sent.
pub(crate) struct Observation {
    pub(crate) world: World,
    /// The folders of each layer of each image.
    pub(crate) folders: Vec<Vec<Folders>>,
}

/// Looks at what shows whether `target` can be built at all. It writes nothing, and makes nobody write.
///
/// What `walks` holds already is not walked again.
pub(crate) async fn look_ahead(target: &Target, walks: &Walks) -> Result<Prospect, FolderError> {
    try_join_all(target.images.iter().map(|image| walks.of(image))).await.map(Prospect)
}

/// Looks at everything else about `target`. What takes long is told to `progress`, if there is one.
pub(crate) async fn observe(
    target: &Target,
    prospect: Prospect,
    doors: &Doors,
    progress: Option<&Progress>,
) -> Result<Observation, EngineError> {
    let images = try_join_all((0..target.images.len()).map(|index| look_at(target, index, doors)));
    let (images, version, platform) = tokio::join!(images, version_of(target, doors, progress), doors.platform());
    let Prospect(folders) = prospect;
    let images = images?
        .into_iter()
        .zip(&folders)
        .map(|(image, folders)| ImageWorld { layers: folders.iter().map(Folders::files).collect(), ..image })
        .collect();
    let world = World { images, version, secrets: doors.secrets.clone(), platform: platform? };
    Ok(Observation { world, folders })
}

async fn version_of(target: &Target, doors: &Doors, progress: Option<&Progress>) -> VersionFact {
    match (target.installs(), &target.chosen_version) {
        (None, _) => VersionFact::NotAsked,
        (Some(_), Some(version)) => VersionFact::Chosen(version.clone()),
        (Some(agent), None) => {
            let look = doors.versions.of(&agent.name);
            match progress {
                Some(progress) => told(&agent.name, look, progress).await,
                None => look.await,
            }
        }
    }
}

/// Looks at one image, without its definitions' files.
async fn look_at(target: &Target, index: usize, doors: &Doors) -> Result<ImageWorld, EngineError> {
    let wanted = &target.images[index];
    let (image, beneath) = look_at_both(wanted, doors).await?;
    let key = ImageKey::of(&wanted.image);
    let image = match image {
        None => None,
        Some(image) => Some(ImageFacts {
            recipe: ImageRecipe::from_labels(&image.labels),
            has_aliases: has_aliases(wanted, &image, doors).await?,
            content: image.content,
            id: image.id,
        }),
    };
    let host_record_fits = image
        .as_ref()
        .is_some_and(|image| records::host_record_fits(target, index, image, &beneath.remote, &doors.home));
    Ok(ImageWorld {
        image,
        beneath,
        layers: Vec::new(),
        record: home::record::load_record(&doors.home, wanted.kind, &key),
        host_record_fits,
    })
}

async fn has_aliases(wanted: &TargetImage, image: &LocalImage, doors: &Doors) -> Result<bool, EngineError> {
    for alias in &wanted.aliases {
        let known = doors.engine.image(alias).await?;
        if known.is_none_or(|known| known.id != image.id) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Looks at an image in the engine, and at what it stands on or is pulled from.
async fn look_at_both(wanted: &TargetImage, doors: &Doors) -> Result<(Option<LocalImage>, BaseFacts), EngineError> {
    let image = doors.engine.image(&wanted.image);
    match &wanted.making {
        Making::Built { foundation: Foundation::Below, .. } => {
            Ok((image.await?, BaseFacts { remote: Remote::NotAsked, local: None }))
        }
        Making::Built { foundation: Foundation::Image(base), .. } => {
            let (image, beneath) = tokio::join!(image, look_at_base(base, doors));
            Ok((image?, beneath?))
        }
        Making::Published => {
            let (image, remote) = tokio::join!(image, doors.remotes.of(&wanted.image));
            let image = image?;
            // Only the registry's own digest is compared with it, so it does not matter that the containerd store
            // gives images of this machine one too.
            let local = image.as_ref().map(|image| LocalBase {
                content: image.content,
                pulled_as: image.pulled_as(wanted.image.repository()),
            });
            Ok((image, BaseFacts { remote, local }))
        }
    }
}

async fn look_at_base(base: &ImageRef, doors: &Doors) -> Result<BaseFacts, EngineError> {
    if let Some(digest) = base.digest() {
        return Ok(BaseFacts { remote: Remote::Known(digest), local: None });
    }
    let local = doors.engine.image(base).await?;
    let pulled_as = local.as_ref().and_then(|local| pulled_as(local, base));
    let made_here = local.as_ref().is_some_and(|local| local.store == ImageStore::Graph && pulled_as.is_none());
    let remote = if made_here { Remote::NotAsked } else { doors.remotes.of(base).await };
    let local = local.map(|local| LocalBase { content: local.content, pulled_as });
    Ok(BaseFacts { remote, local })
}

/// Returns the digest under which the engine pulled its copy.
///
/// The containerd image store lists such a digest for every image, also for one made on this machine; there it says
/// nothing.
fn pulled_as(local: &LocalImage, base: &ImageRef) -> Option<Digest> {
    match local.store {
        ImageStore::Graph => local.pulled_as(base.repository()),
        ImageStore::Containerd => None,
    }
}
