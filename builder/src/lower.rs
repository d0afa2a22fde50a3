//! Turns a build that was decided on into requests to BuildKit. Pure.

use std::collections::BTreeMap;

use buildkit::config::ConfigChanges;
use buildkit::dockerfile::Dockerfile;
use buildkit::llb::{Platform, Proxies};
use buildkit::mount::{Mount, MountSource, Sharing};
use buildkit::rewrite::Wrap;
use buildkit::solve::{Part, Solve, Start, StartImage, Step};
use domain::definition::{ExtensionKind, INSTALL_SCRIPT, SCRIPTS_FOLDER};
use domain::digest::Framed;
use domain::image::ImageRef;
use domain::plan::BaseSource;
use domain::recipe::{Ingredients, Layer, LayerKind, NOT_INHERITED, Recipe};

/// The program that runs each step: certificates, caches, and the true end of its output.
const LAUNCHER: &str = include_str!("launch.sh");

/// The program that runs an extension's scripts.
const SCRIPTS: &str = include_str!("scripts.sh");

/// Where everything that must not stay in the image is mounted. A mount point outside of `/dev` leaves an empty folder
/// in the layer on some engines.
const MOUNTS: &str = "/dev/aicage";

/// The caches of package managers: the folder below [`MOUNTS`], and how two steps share it. apt and cargo lock files
/// that are not in the cache, or wait for nobody; so two of them at once get one each.
const CACHES: [(&str, Sharing); 4] =
    [("apt", Sharing::Private), ("cargo", Sharing::Private), ("npm", Sharing::Shared), ("pip", Sharing::Shared)];

/// The session's id for the company's certificates; no secret of the user's can begin with a dot.
pub(crate) const CERTIFICATES: &str = ".aicage-ca";

/// The version of this program, as labels, records and histories name it.
pub(crate) const BUILDER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a request needs besides the decision.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances {
    /// The proxies for the steps.
    pub(crate) proxies: Proxies,
    /// The image's time, RFC 3339.
    pub(crate) created: String,
    /// Run every step again.
    pub(crate) no_cache: bool,
    /// Keep what package managers download for later builds.
    pub(crate) cache_mounts: bool,
}

/// Where an image is made.
#[derive(Debug, Clone)]
pub(crate) struct Places<'a> {
    /// The name that the finished image gets first.
    pub(crate) staging: &'a ImageRef,
    /// Names for what must be an image for a moment, as many as there are layers; `None` where the engine can build a
    /// Dockerfile on what is not an image yet.
    pub(crate) between: Option<Vec<ImageRef>>,
}

/// Which layers of the recipe one part of a request makes, for telling what each added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    /// The request.
    pub(crate) solve: Solve,
    /// The layer that the start makes, if it makes one.
    pub(crate) start: Option<usize>,
    /// The layer of each part, if it makes one.
    pub(crate) parts: Vec<Option<usize>>,
}

/// Returns the session's name for the folder of a layer.
pub(crate) fn folder(kind: &LayerKind) -> String {
    match kind {
        LayerKind::Agent { .. } => "definition".to_owned(),
        LayerKind::Extension { name, .. } => format!("extension-{name}"),
        LayerKind::Dockerfile => "base".to_owned(),
    }
}

/// Returns the session's name for the folder that holds a layer's Dockerfile.
pub(crate) fn dockerfile_folder(kind: &LayerKind) -> String {
    format!("{}.dockerfile", folder(kind))
}

/// Returns how people call a layer while it is made.
pub(crate) fn told(kind: &LayerKind) -> String {
    match kind {
        LayerKind::Agent { name, version } => format!("install {name} {version}"),
        LayerKind::Extension { name, .. } => format!("extension {name}"),
        LayerKind::Dockerfile => "base".to_owned(),
    }
}

/// Returns the requests that make an image of `recipe` on `source`, in order; the last one gives it its name.
pub(crate) fn lower(
    recipe: &Recipe,
    source: &BaseSource,
    places: &Places<'_>,
    circumstances: &Circumstances,
) -> Vec<Stage> {
    let ingredients = &recipe.ingredients;
    let (os, architecture) = ingredients.platform.split_once('/').unwrap_or(("linux", &ingredients.platform));
    let platform = Platform { os: os.to_owned(), architecture: architecture.to_owned() };
    let start = |reference: String, local_only| {
        let name = format!("base {}", source.named.familiar());
        Start::Image(StartImage { reference, local_only, name })
    };
    let stage = |start, image: &ImageRef| Stage {
        solve: Solve {
            start,
            platform: platform.clone(),
            parts: Vec::new(),
            changes: ConfigChanges { created: circumstances.created.clone(), ..ConfigChanges::default() },
            images: vec![image.to_string()],
        },
        start: None,
        parts: Vec::new(),
    };
    let mut stages = vec![stage(start(source.reference.to_string(), source.local_only), places.staging)];
    // What the next Dockerfile finds as the image beneath it, unless parts stand between them.
    let mut beneath = (source.reference.clone(), source.local_only);
    let mut between = places.between.iter().flatten();
    for (at, layer) in ingredients.layers.iter().enumerate() {
        let is_dockerfile =
            matches!(layer.kind, LayerKind::Dockerfile | LayerKind::Extension { kind: ExtensionKind::Dockerfile, .. });
        let last = stages.last_mut().expect("there is one from the beginning");
        let is_fresh = last.start.is_none() && last.solve.parts.is_empty();
        match (is_dockerfile, is_fresh, places.between.is_some()) {
            (false, ..) => {
                if let Some(step) = step(layer, ingredients, circumstances) {
                    last.solve.parts.push(Part::Step(step));
                    last.parts.push(Some(at));
                }
            }
            (true, true, _) => {
                let dockerfile = dockerfile(layer, ingredients, &beneath.0, beneath.1, circumstances);
                last.solve.start = Start::Dockerfile(Box::new(dockerfile));
                last.start = Some(at);
            }
            (true, false, false) => {
                let from = source.named.clone();
                let dockerfile = dockerfile(layer, ingredients, &from, beneath.1, circumstances);
                last.solve.parts.push(Part::Dockerfile { dockerfile, from: from.to_string() });
                last.parts.push(Some(at));
            }
            (true, false, true) => {
                let name = between.next().expect("there is a name for each layer");
                last.solve.images = vec![name.to_string()];
                beneath = (name.clone(), true);
                let dockerfile = dockerfile(layer, ingredients, name, true, circumstances);
                let mut next = stage(Start::Dockerfile(Box::new(dockerfile)), places.staging);
                next.start = Some(at);
                stages.push(next);
            }
        }
    }
    let last = stages.last_mut().expect("there is one from the beginning");
    last.solve.changes = ConfigChanges {
        environment: environment(ingredients),
        labels: recipe.labels(BUILDER_VERSION),
        labels_removed: NOT_INHERITED.map(str::to_owned).to_vec(),
        comment: format!("aicage-builder {BUILDER_VERSION}"),
        created: circumstances.created.clone(),
    };
    stages
}

/// Returns the variables that the image has for its containers.
fn environment(ingredients: &Ingredients) -> BTreeMap<String, String> {
    let installed = ingredients.layers.iter().find_map(|layer| match &layer.kind {
        LayerKind::Agent { name, .. } => Some(name.to_string()),
        LayerKind::Extension { .. } | LayerKind::Dockerfile => None,
    });
    installed.iter().flat_map(|agent| variables([("AGENT", agent), ("AICAGE_ENTRYPOINT_CMD", agent)])).collect()
}

fn step(layer: &Layer, ingredients: &Ingredients, circumstances: &Circumstances) -> Option<Step> {
    let mut arguments = launch("aicage");
    let mut mounts = mounts(circumstances);
    let environment = match &layer.kind {
        LayerKind::Agent { name, version } => {
            let target = format!("{MOUNTS}/definition");
            arguments.push(format!("{target}/{INSTALL_SCRIPT}"));
            mounts.push(Mount { target, source: MountSource::Folder(folder(&layer.kind)) });
            variables([("AGENT", &name.to_string()), ("AICAGE_AGENT_VERSION", &version.to_string())])
        }
        LayerKind::Extension { name, kind: ExtensionKind::Scripts } => {
            let target = format!("{MOUNTS}/extension");
            let scripts = format!("{target}/{SCRIPTS_FOLDER}");
            arguments.extend(["/bin/sh", "-c", SCRIPTS, "aicage", &scripts].map(str::to_owned));
            mounts.push(Mount { target, source: MountSource::Folder(folder(&layer.kind)) });
            let of_secrets = secret_mounts(ingredients);
            let mut environment = variables([("EXTENSION", &name.to_string())]);
            if !of_secrets.is_empty() {
                environment.insert("AICAGE_SECRETS".to_owned(), format!("{MOUNTS}/secrets"));
                environment.extend(secrets_digest(ingredients));
            }
            mounts.extend(of_secrets);
            environment
        }
        LayerKind::Extension { .. } | LayerKind::Dockerfile => return None,
    };
    let history = match &layer.kind {
        LayerKind::Agent { .. } => format!("{}: {INSTALL_SCRIPT}", told(&layer.kind)),
        LayerKind::Extension { .. } | LayerKind::Dockerfile => told(&layer.kind),
    };
    Some(Step {
        name: told(&layer.kind),
        arguments,
        environment,
        mounts,
        proxies: circumstances.proxies.clone(),
        history,
        ignore_cache: circumstances.no_cache,
    })
}

fn dockerfile(
    layer: &Layer,
    ingredients: &Ingredients,
    beneath: &ImageRef,
    local_only: bool,
    circumstances: &Circumstances,
) -> Dockerfile {
    let named = beneath.familiar();
    let (build_arguments, upon) = match &layer.kind {
        LayerKind::Extension { name, .. } => {
            (variables([("BASE_IMAGE", &named), ("EXTENSION", &name.to_string())]), Some(beneath.to_string()))
        }
        LayerKind::Agent { .. } | LayerKind::Dockerfile => (variables([("FROM_IMAGE", &named)]), None),
    };
    Dockerfile {
        name: told(&layer.kind),
        context: folder(&layer.kind),
        dockerfile: dockerfile_folder(&layer.kind),
        build_arguments,
        upon,
        local_only,
        proxies: circumstances.proxies.clone(),
        wrap: Wrap {
            prefix: launch("aicage-run"),
            mounts: mounts(circumstances),
            // The engine does not look at a secret's value; so a digest makes a changed one run the steps again.
            environment: secrets_digest(ingredients).into_iter().collect(),
        },
        ignore_cache: circumstances.no_cache,
    }
}

/// Returns the beginning of a command line that runs the rest of it under the launcher, which calls itself `name`.
fn launch(name: &str) -> Vec<String> {
    ["/bin/sh", "-c", LAUNCHER, name].map(str::to_owned).to_vec()
}

fn mounts(circumstances: &Circumstances) -> Vec<Mount> {
    let certificates = Mount {
        target: format!("{MOUNTS}/ca.crt"),
        // Readable for a step of any user: certificates are public.
        source: MountSource::OptionalSecret { id: CERTIFICATES.to_owned(), mode: 0o444 },
    };
    let cache = |(name, sharing): (&str, Sharing)| Mount {
        target: format!("{MOUNTS}/cache/{name}"),
        source: MountSource::Cache { id: format!("aicage-{name}"), sharing },
    };
    let caches = CACHES.into_iter().filter(|_| circumstances.cache_mounts).map(cache);
    std::iter::once(certificates).chain(caches).collect()
}

fn secret_mounts(ingredients: &Ingredients) -> Vec<Mount> {
    let mount = |id: &String| Mount {
        target: format!("{MOUNTS}/secrets/{id}"),
        source: MountSource::Secret { id: id.clone(), mode: 0o400 },
    };
    ingredients.secrets.keys().map(mount).collect()
}

fn secrets_digest(ingredients: &Ingredients) -> Option<(String, String)> {
    let secrets = &ingredients.secrets;
    let digest = || {
        let framed = secrets
            .iter()
            .fold(Framed::new("secrets"), |framed, (id, digest)| framed.field(id).field(digest.to_string()));
        ("AICAGE_SECRETS_DIGEST".to_owned(), framed.finish().hex())
    };
    (!secrets.is_empty()).then(digest)
}

fn variables<const N: usize>(pairs: [(&str, &String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests;
