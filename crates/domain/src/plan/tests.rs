//! Every reason, notice and failure, each as one fact that differs from an image that is up to date.

mod chains;
mod fallbacks;
mod reasons;
mod records;
mod updates;
mod worlds;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::definition::{Agent, AgentMetadata, Origin};
use crate::files::{FileEntry, FileKind, FileSet};
use crate::name::{AgentName, BaseName};
use crate::recipe::{ImageRecipe, KnownRecipe, Layer, LayerKind, label};
use crate::record::{Record, RecordedLayer};
use crate::request::{BaseChoice, BuildRequest, ExtensionChoice, Repositories, Wanted, WantedAgent};
use crate::target::Definitions;
use crate::version::{AgentVersion, CachedVersion, SourceKind, Venue};
use crate::world::{ImageFacts, ImageWorld, RecordFact, VersionFact};

const AGENT_YML: &str = "agent_full_name: Codex\nagent_homepage: https://example.org/codex\n";

fn version(text: &str) -> AgentVersion {
    AgentVersion::parse(text).unwrap()
}

fn file(path: &str, content: &str) -> FileEntry {
    FileEntry { path: path.to_owned(), mode: 0o755, kind: FileKind::File { digest: Digest::of(content.as_bytes()) } }
}

fn agent(name: &str, agent_yml: &str) -> Agent {
    Agent {
        name: AgentName::parse(name).unwrap(),
        origin: Origin::User,
        folder: PathBuf::from("/definitions/agents").join(name),
        metadata_file: "agent.yml".to_owned(),
        metadata: AgentMetadata::parse(agent_yml.as_bytes(), "agent.yml").unwrap(),
    }
}

fn request(wanted: Wanted) -> BuildRequest {
    BuildRequest { wanted, repositories: Repositories::default(), version: None, force: false, no_cache: false }
}

fn target(agent: Agent) -> Target {
    let base = BaseChoice::Named(BaseName::parse("debian").unwrap());
    let wanted = WantedAgent { agent: agent.name.clone(), base, extensions: ExtensionChoice::default() };
    let wanted = Wanted::Agent(Box::new(wanted));
    Target::select(&request(wanted), Definitions { agent: Some(agent), ..Definitions::default() }).unwrap()
}

/// Returns what is written down about an image of `recipe`.
fn record(id: &str, image: &ImageRef, build: &Build, recipe: &Recipe) -> Record {
    let ingredients = &recipe.ingredients;
    let layer = |layer: &Layer| RecordedLayer { key: layer.kind.key(), files: layer.files.clone() };
    Record {
        kind: ingredients.kind,
        agent: ingredients.agent.clone(),
        base_name: ingredients.base_name.clone(),
        image: image.clone(),
        image_id: id.to_owned(),
        recipe_hash: recipe.hash(),
        version: ingredients.version().cloned(),
        version_origin: build.version_origin,
        base_image: recipe.base_image.clone(),
        base: recipe.base,
        layers: ingredients.layers.iter().map(layer).collect(),
        built_at: "2026-11-21T07:00:00.000000+00:00".to_owned(),
        log: None,
        builder_version: "0.1.0".to_owned(),
    }
}

/// Returns what a build stands on, in a world where the steps before it were carried out.
fn footing(target: &Target, world: &World, index: usize, build: &Build) -> BaseSource {
    match &build.footing {
        Footing::Known(source) => (**source).clone(),
        Footing::Below => {
            let named = target.images[index - 1].image.clone();
            let identity = BaseIdentity::Content(world.images[index - 1].image.as_ref().unwrap().content);
            BaseSource { reference: named.clone(), named, local_only: true, identity }
        }
    }
}

/// Returns `world` after `plan` was carried out in it.
fn after(target: &Target, world: &World, plan: &BuildPlan) -> World {
    let mut world = world.clone();
    for step in &plan.steps {
        let image = &target.images[step.index].image;
        match &step.action {
            Action::Build { build, .. } => {
                let recipe = build.recipe(&footing(target, &world, step.index, build));
                let content = Digest::of(recipe.hash().to_string().as_bytes());
                let id = format!("sha256:{}", content.hex());
                let facts = &mut world.images[step.index];
                facts.record = RecordFact::Found(Box::new(record(&id, image, build, &recipe)));
                let recipe = ImageRecipe::from_labels(&recipe.labels("0.1.0"));
                facts.image = Some(ImageFacts { id, recipe, content, has_aliases: true });
                facts.host_record_fits = true;
            }
            Action::Pull { digest, .. } => {
                let local = LocalBase { content: *digest, pulled_as: Some(*digest) };
                world.images[step.index].beneath.local = Some(local);
            }
            Action::Keep { repair: Some(build), .. } => {
                let recipe = build.recipe(&footing(target, &world, step.index, build));
                let facts = &mut world.images[step.index];
                let found = facts.image.as_mut().unwrap();
                found.has_aliases = true;
                facts.record = RecordFact::Found(Box::new(record(&found.id, image, build, &recipe)));
                facts.host_record_fits = true;
            }
            Action::Keep { repair: None, .. } => {}
        }
    }
    world
}

/// Returns the labels of the only image that `plan` builds.
fn labels(target: &Target, world: &World, plan: &BuildPlan) -> BTreeMap<String, String> {
    let Action::Build { build, .. } = &plan.steps[0].action else { panic!("{plan:?}") };
    build.recipe(&footing(target, world, 0, build)).labels("0.1.0")
}

/// Returns what is seen of an image that was never built.
fn unbuilt(remote: Remote, layers: Vec<FileSet>) -> ImageWorld {
    let beneath = BaseFacts { remote, local: None };
    ImageWorld { image: None, beneath, layers, record: RecordFact::Missing, host_record_fits: false }
}

/// Returns a world in which nothing was ever built: a registry with the base, and a version to install.
fn untouched() -> (Target, World) {
    let files = FileSet(vec![file("install.sh", "install"), file("version.sh", "version")]);
    let world = World {
        images: vec![unbuilt(Remote::Known(Digest::of(b"base 1")), vec![files])],
        version: VersionFact::Found(version("1.4.0"), Venue::Host),
        secrets: BTreeMap::new(),
        platform: "linux/amd64".to_owned(),
    };
    (target(agent("codex", AGENT_YML)), world)
}

/// Returns an image that is up to date.
fn settled() -> (Target, World) {
    let (target, world) = untouched();
    let world = after(&target, &world, &plan(&target, &world).unwrap());
    (target, world)
}

/// Returns the decision after one fact of [`settled`] was changed, as a person would tell it.
fn decided(change: impl FnOnce(&mut Target, &mut World)) -> String {
    let (mut target, mut world) = settled();
    change(&mut target, &mut world);
    told(&target, &plan(&target, &world))
}

fn told(target: &Target, decision: &Result<BuildPlan, PlanError>) -> String {
    let plan = match decision {
        Ok(plan) => plan,
        Err(PlanError::VersionUnknown { attempts, .. }) => {
            return format!("error: {} ({} attempts)", decision.as_ref().unwrap_err(), attempts.len());
        }
        Err(error) => return format!("error: {error}"),
    };
    plan.steps.iter().flat_map(|step| told_step(target, step)).collect::<Vec<_>>().join("\n")
}

fn told_step(target: &Target, step: &Step) -> Vec<String> {
    let image = target.images[step.index].image.familiar();
    let mut lines = Vec::new();
    match &step.action {
        Action::Keep { evidence, repair } => {
            lines.push(format!("keep {image}"));
            lines.extend(evidence.iter().map(|one| format!("  since {one}")));
            lines.extend(repair.iter().map(|_| "  and write the record anew".to_owned()));
        }
        Action::Pull { reasons, digest } => {
            lines.push(format!("pull {image} as {}", digest.short()));
            lines.extend(reasons.iter().map(|reason| format!("  because {reason}")));
        }
        Action::Build { reasons, build } => {
            lines.push(format!("build {image}"));
            lines.extend(reasons.iter().map(|reason| format!("  because {reason}")));
            let layers = build.ingredients.layers.iter().enumerate();
            let layers: Vec<_> = layers
                .map(|(at, layer)| match (&layer.kind, at < build.unchanged) {
                    (LayerKind::Agent { version, .. }, false) => version.to_string(),
                    (kind, false) => kind.key(),
                    (kind, true) => format!("({})", kind.key()),
                })
                .collect();
            let on = match &build.footing {
                Footing::Known(source) if source.local_only => {
                    format!("{} as the engine has it", short(&source.reference))
                }
                Footing::Known(source) => short(&source.reference),
                Footing::Below => "what is built first".to_owned(),
            };
            lines.push(format!("  with {} on {on}", layers.join(" ")));
        }
    }
    lines.extend(step.notices.iter().map(|notice| format!("notice: {notice}")));
    lines
}

/// Returns a reference with its digest cut to what a person reads.
fn short(reference: &ImageRef) -> String {
    match reference.digest() {
        Some(digest) => format!("{}@{}", reference.repository().familiar(), digest.short()),
        None => reference.familiar(),
    }
}

fn unreachable() -> Remote {
    Remote::Unreachable { reason: "no answer within 4 s".to_owned(), temporary: true }
}

fn no_version() -> VersionFact {
    let attempt = FailedAttempt { venue: Venue::Host.into(), reason: "exit code 1\n".to_owned(), took_millis: 12 };
    VersionFact::Unknown { attempts: vec![attempt], last_known: None }
}

fn copy(pulled_as: Option<&[u8]>) -> Option<LocalBase> {
    Some(LocalBase { content: Digest::of(b"content 1"), pulled_as: pulled_as.map(Digest::of) })
}

fn known(world: &mut World) -> &mut KnownRecipe {
    match world.images[0].image.as_mut().map(|image| &mut image.recipe) {
        Some(ImageRecipe::Known(known)) => known,
        other => panic!("{other:?}"),
    }
}
