//! Every reason, notice and failure, each as one fact that differs from an image that is up to date.

mod chains;
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

#[test]
fn nothing_changed_means_nothing_to_do_and_says_how_that_is_known() {
    insta::assert_snapshot!(decided(|_, _| {}), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
    ");
}

#[test]
fn a_chosen_version_that_is_there_is_kept() {
    insta::assert_snapshot!(decided(|_, world| world.version = VersionFact::Chosen(version("1.4.0"))), @"
    keep aicage:codex-debian
      since version 1.4.0 is the chosen one
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
    ");
}

#[test]
fn a_single_file_is_counted_as_one() {
    let (target, mut world) = untouched();
    world.images[0].layers[0] = FileSet(vec![file("install.sh", "install")]);
    let first = plan(&target, &world).unwrap();
    let decision = told(&target, &plan(&target, &after(&target, &world, &first)));
    assert!(decision.contains("1 definition file unchanged"), "{decision}");
}

// Reasons.

#[test]
fn a_missing_image_is_built() {
    let (target, world) = untouched();
    insta::assert_snapshot!(told(&target, &plan(&target, &world)), @"
    build aicage:codex-debian
      because image is missing
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn an_image_without_a_recipe_is_rebuilt() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].image.as_mut().unwrap().recipe = ImageRecipe::None;
    }), @"
    build aicage:codex-debian
      because image carries no recipe
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn an_image_of_another_schema_is_rebuilt() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].image.as_mut().unwrap().recipe = ImageRecipe::OtherSchema("7".to_owned());
    }), @"
    build aicage:codex-debian
      because recipe schema 7 -> 1
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn another_version_is_installed() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
    }), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.5.0 (version.sh on the host)
      with 1.5.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
    let found = VersionFact::Found(version("1.5.0"), Venue::Native(SourceKind::Npm));
    insta::assert_snapshot!(decided(|_, world| world.version = found.clone()), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.5.0 (npm)
      with 1.5.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
    insta::assert_snapshot!(decided(|_, world| world.version = VersionFact::Chosen(version("1.3.9"))), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.3.9 (chosen)
      with 1.3.9 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn a_version_that_was_known_before_is_told_and_not_installed() {
    let found_by = Venue::Native(SourceKind::Npm);
    let known = CachedVersion { version: version("1.5.0"), found_by, found_at: String::new(), age_seconds: 300 };
    insta::assert_snapshot!(decided(|_, world| {
        let VersionFact::Unknown { attempts, .. } = no_version() else { unreachable!() };
        world.version = VersionFact::Unknown { attempts, last_known: Some(known.clone()) };
    }), @"
    keep aicage:codex-debian
    notice: no newer version could be looked for, 1.4.0 is kept (cached: 1.5.0 was found 5 min ago (npm)); version.sh on the host: exit code 1
    ");
}

#[test]
fn a_changed_base_is_built_on() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].beneath.remote = Remote::Known(Digest::of(b"base 2"))), @"
    build aicage:codex-debian
      because base sha256:1e9bcb9dd6c0 -> sha256:caddd7716fba
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@caddd7716fba
    ");
}

#[test]
fn a_damaged_base_label_counts_as_another_base() {
    insta::assert_snapshot!(decided(|_, world| known(world).base = None), @"
    build aicage:codex-debian
      because base unknown -> sha256:1e9bcb9dd6c0
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn each_changed_file_is_named() {
    insta::assert_snapshot!(decided(|_, world| {
        let mut mode = file("version.sh", "version");
        mode.mode = 0o644;
        world.images[0].layers[0] = FileSet(vec![file("install.sh", "changed"), file("new.sh", ""), mode]);
    }), @"
    build aicage:codex-debian
      because file install.sh changed
      because file new.sh added
      because file version.sh changed its mode
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
    insta::assert_snapshot!(decided(|_, world| world.images[0].layers[0].0.truncate(1)), @"
    build aicage:codex-debian
      because file version.sh removed
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn without_a_record_changed_files_are_not_named() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].layers[0].0.truncate(1);
        world.images[0].record = RecordFact::Missing;
    }), @"
    build aicage:codex-debian
      because definition files changed (no record names them)
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn a_record_of_another_build_names_no_files() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].layers[0].0.truncate(1);
        let RecordFact::Found(record) = &mut world.images[0].record else { panic!("settled without a record") };
        record.recipe_hash = Digest::of(b"another build");
    }), @"
    build aicage:codex-debian
      because definition files changed (no record names them)
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn files_that_differ_in_order_only_are_still_a_reason() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].layers[0].0.reverse()), @"
    build aicage:codex-debian
      because definition files changed (no record names them)
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn changed_metadata_that_stands_on_the_image_rebuilds_it() {
    insta::assert_snapshot!(decided(|target, _| {
        let text = "agent_full_name: Codex CLI\nagent_homepage: https://example.org/cli\n";
        *target = self::target(agent("codex", text));
    }), @r#"
    build aicage:codex-debian
      because agent_full_name "Codex" -> "Codex CLI"
      because agent_homepage "https://example.org/codex" -> "https://example.org/cli"
      with (agent:codex) on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    "#);
}

#[test]
fn a_comment_in_the_metadata_changes_nothing() {
    let (before, world) = settled();
    let commented = format!("# ours\n{AGENT_YML}build_local: yes # built here\nbase_exclude: []\n");
    let target = target(agent("codex", &commented));
    assert_eq!(plan(&target, &world), plan(&before, &world));
    assert!(!plan(&target, &world).unwrap().has_work());
}

#[test]
fn another_platform_rebuilds() {
    insta::assert_snapshot!(decided(|_, world| world.platform = "linux/arm64".to_owned()), @"
    build aicage:codex-debian
      because platform linux/amd64 -> linux/arm64
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn a_recipe_that_differs_without_a_name_for_it_is_a_reason() {
    insta::assert_snapshot!(decided(|_, world| known(world).hash = Digest::of(b"other").to_string()), @"
    build aicage:codex-debian
      because recipe changed
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn force_is_a_reason_beside_the_others() {
    insta::assert_snapshot!(decided(|target, _| target.force = true), @"
    build aicage:codex-debian
      because asked for with --force
      with (agent:codex) on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
    insta::assert_snapshot!(decided(|target, world| {
        target.force = true;
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
    }), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.5.0 (version.sh on the host)
      because asked for with --force
      with 1.5.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn running_every_step_again_is_no_reason_by_itself() {
    let (target, world) = settled();
    let anew = Target { no_cache: true, ..target };
    assert!(!plan(&anew, &world).unwrap().has_work());
}

// The base out of reach.

#[test]
fn an_unreachable_base_keeps_the_image_with_a_notice() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].beneath = BaseFacts { remote: unreachable(), local: copy(Some(b"base 1")) };
    }), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since 2 definition files unchanged
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: no answer within 4 s
    ");
    insta::assert_snapshot!(decided(|_, world| world.images[0].beneath.remote = unreachable()), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: no answer within 4 s
    ");
}

#[test]
fn a_base_that_only_the_engine_has_is_compared_by_content_whatever_the_registry_does() {
    for remote in [unreachable(), Remote::Denied("401".to_owned())] {
        let on_content = |world: &mut World, content: &[u8]| {
            known(world).base = Some(BaseIdentity::Content(Digest::of(content)));
            world.images[0].beneath = BaseFacts { remote: remote.clone(), local: copy(None) };
        };
        assert!(decided(|_, world| on_content(world, b"content 1")).starts_with("keep aicage:codex-debian"));
        let text = decided(|_, world| on_content(world, b"content 0"));
        assert!(text.starts_with("build aicage:codex-debian\n  because base local content"), "{text}");
    }
}

#[test]
fn a_refused_base_keeps_the_image_with_a_notice() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].beneath = BaseFacts { remote: Remote::Denied("401".to_owned()), local: copy(None) };
    }), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since 2 definition files unchanged
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: 401
    ");
    insta::assert_snapshot!(decided(|_, world| world.images[0].beneath.remote = Remote::Denied("401".to_owned())), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: 401
    ");
}

#[test]
fn a_base_that_is_gone_keeps_the_image_with_a_notice() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].beneath.remote = Remote::Absent), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: the registry has no such image
    ");
    insta::assert_snapshot!(decided(|_, world| world.images[0].beneath.remote = Remote::NotAsked), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: the engine has no such image
    ");
}

#[test]
fn an_unreachable_base_is_built_on_where_the_engine_has_a_copy() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
        world.images[0].beneath = BaseFacts { remote: unreachable(), local: copy(Some(b"base 1")) };
    }), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.5.0 (version.sh on the host)
      with 1.5.0 on ghcr.io/aicage/aicage-image-base:debian as the engine has it
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the engine's own copy is used: no answer within 4 s
    ");
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
        world.images[0].beneath = BaseFacts { remote: Remote::Denied("401".to_owned()), local: copy(None) };
    }), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.5.0 (version.sh on the host)
      because base sha256:1e9bcb9dd6c0 -> local content d1988cd30198
      with 1.5.0 on ghcr.io/aicage/aicage-image-base:debian as the engine has it
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the engine's own copy is used: 401
    ");
}

#[test]
fn an_unreachable_base_without_a_copy_postpones_the_update() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
        world.images[0].beneath.remote = unreachable();
    }), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: no answer within 4 s
    notice: not rebuilt, though there are reasons (agent version 1.4.0 -> 1.5.0 (version.sh on the host)): base image is not available: ghcr.io/aicage/aicage-image-base:debian: no answer within 4 s
    ");
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
        world.images[0].beneath.remote = Remote::Denied("401".to_owned());
    }), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: 401
    notice: not rebuilt, though there are reasons (agent version 1.4.0 -> 1.5.0 (version.sh on the host)): base image is not available: ghcr.io/aicage/aicage-image-base:debian: 401
    ");
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
        world.images[0].beneath.remote = Remote::Absent;
    }), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: the registry has no such image
    notice: not rebuilt, though there are reasons (agent version 1.4.0 -> 1.5.0 (version.sh on the host)): base image does not exist: ghcr.io/aicage/aicage-image-base:debian
    ");
}

#[test]
fn an_unreachable_base_is_an_error_where_no_image_may_be_kept() {
    insta::assert_snapshot!(decided(|target, world| {
        target.force = true;
        world.images[0].beneath.remote = unreachable();
    }), @"error: base image is not available: ghcr.io/aicage/aicage-image-base:debian: no answer within 4 s");
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].image = None;
        world.images[0].beneath.remote = unreachable();
    }), @"error: base image is not available: ghcr.io/aicage/aicage-image-base:debian: no answer within 4 s");
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].image = None;
        world.images[0].beneath.remote = Remote::Denied("401".to_owned());
    }), @"error: base image is not available: ghcr.io/aicage/aicage-image-base:debian: 401");
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].image = None;
        world.images[0].beneath.remote = Remote::Absent;
    }), @"error: base image does not exist: ghcr.io/aicage/aicage-image-base:debian");
}

#[test]
fn force_builds_on_the_engines_copy_of_an_unreachable_base() {
    insta::assert_snapshot!(decided(|target, world| {
        target.force = true;
        world.images[0].beneath = BaseFacts { remote: unreachable(), local: copy(Some(b"base 1")) };
    }), @"
    build aicage:codex-debian
      because asked for with --force
      with (agent:codex) on ghcr.io/aicage/aicage-image-base:debian as the engine has it
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the engine's own copy is used: no answer within 4 s
    ");
}

#[test]
fn what_was_built_without_the_registry_is_current_when_the_registry_says_the_same() {
    let (target, mut world) = untouched();
    world.images[0].beneath = BaseFacts { remote: unreachable(), local: copy(Some(b"base 1")) };
    let first = plan(&target, &world).unwrap();
    let mut later = after(&target, &world, &first);
    later.images[0].beneath.remote = Remote::Known(Digest::of(b"base 1"));
    assert!(!plan(&target, &later).unwrap().has_work());
    later.images[0].beneath.remote = Remote::Known(Digest::of(b"base 2"));
    assert!(plan(&target, &later).unwrap().has_work());
}

#[test]
fn whether_trying_again_helps_is_handed_on() {
    let (target, mut world) = untouched();
    for temporary in [true, false] {
        world.images[0].beneath.remote = Remote::Unreachable { reason: "x".to_owned(), temporary };
        let error = plan(&target, &world).unwrap_err();
        assert!(matches!(error, PlanError::Unreachable { temporary: said, .. } if said == temporary));
    }
}

// A base without a registry.

#[test]
fn a_local_base_is_known_by_its_content() {
    let (target, mut world) = untouched();
    for remote in [Remote::NotAsked, Remote::Absent] {
        world.images[0].beneath = BaseFacts { remote, local: copy(None) };
        let first = plan(&target, &world).unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(told(&target, &Ok(first.clone())), @"
            build aicage:codex-debian
              because image is missing
              with 1.4.0 on ghcr.io/aicage/aicage-image-base:debian as the engine has it
            ");
        }
        let second = told(&target, &plan(&target, &after(&target, &world, &first)));
        insta::allow_duplicates! {
            insta::assert_snapshot!(second, @"
            keep aicage:codex-debian
              since version 1.4.0 is the newest (version.sh on the host)
              since base is local content d1988cd30198 in the engine
              since 2 definition files unchanged
            ");
        }
    }
}

#[test]
fn a_local_base_that_changed_is_built_on() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].beneath = BaseFacts { remote: Remote::NotAsked, local: copy(None) };
    }), @"
    build aicage:codex-debian
      because base sha256:1e9bcb9dd6c0 -> local content d1988cd30198
      with 1.4.0 on ghcr.io/aicage/aicage-image-base:debian as the engine has it
    ");
}

// The version out of reach.

#[test]
fn an_unknown_version_keeps_the_image_with_a_notice() {
    insta::assert_snapshot!(decided(|_, world| world.version = no_version()), @"
    keep aicage:codex-debian
    notice: no newer version could be looked for, 1.4.0 is kept; version.sh on the host: exit code 1
    ");
}

#[test]
fn an_unknown_version_postpones_what_else_changed() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = no_version();
        world.images[0].beneath.remote = Remote::Known(Digest::of(b"base 2"));
    }), @"
    keep aicage:codex-debian
    notice: no newer version could be looked for, 1.4.0 is kept; version.sh on the host: exit code 1
    notice: not rebuilt, though there are reasons (base sha256:1e9bcb9dd6c0 -> sha256:caddd7716fba): the version to install is not known
    ");
    insta::assert_snapshot!(decided(|_, world| {
        world.version = no_version();
        world.images[0].image.as_mut().unwrap().recipe = ImageRecipe::None;
    }), @"
    keep aicage:codex-debian
    notice: no version could be looked for, the image is kept; version.sh on the host: exit code 1
    notice: not rebuilt, though there are reasons (image carries no recipe): the version to install is not known
    ");
}

#[test]
fn with_neither_version_nor_base_both_are_said() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = no_version();
        world.images[0].beneath.remote = unreachable();
    }), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: no answer within 4 s
    notice: no newer version could be looked for, 1.4.0 is kept; version.sh on the host: exit code 1
    ");
}

#[test]
fn an_unknown_version_is_an_error_where_no_image_may_be_kept() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = no_version();
        world.images[0].image = None;
    }), @"error: no version of agent codex was found (1 attempts)");
    insta::assert_snapshot!(decided(|target, world| {
        world.version = no_version();
        target.force = true;
    }), @"error: no version of agent codex was found (1 attempts)");
}

// Names and records.

#[test]
fn a_name_that_another_image_has_is_not_taken_from_it() {
    insta::assert_snapshot!(decided(|_, world| known(world).agent = "codex-debian".to_owned()), @"error: the name aicage:codex-debian is taken by agent codex-debian on base debian");
    insta::assert_snapshot!(decided(|target, world| {
        target.force = true;
        known(world).base_name = "Debian".to_owned();
    }), @"error: the name aicage:codex-debian is taken by agent codex on base Debian");
}

#[test]
fn a_missing_record_is_written_anew() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].record = RecordFact::Missing), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
      and write the record anew
    notice: there was no record of this image
    ");
}

#[test]
fn a_damaged_record_is_written_anew_and_said() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].record = RecordFact::Damaged("not JSON".to_owned())), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
      and write the record anew
    notice: the record of this image is damaged: not JSON
    ");
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].record = RecordFact::Damaged("not JSON".to_owned());
        world.version = no_version();
    }), @"
    keep aicage:codex-debian
    notice: the record of this image is damaged: not JSON
    notice: no newer version could be looked for, 1.4.0 is kept; version.sh on the host: exit code 1
    ");
}

#[test]
fn a_record_of_another_image_is_written_anew() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].image.as_mut().unwrap().id = "sha256:other".to_owned()), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
      and write the record anew
    ");
}

#[test]
fn a_host_record_that_does_not_fit_is_written_anew() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].host_record_fits = false), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
      and write the record anew
    ");
}

#[test]
fn a_record_is_repaired_with_what_stands_on_the_image() {
    let (target, mut world) = settled();
    world.images[0].record = RecordFact::Missing;
    world.images[0].beneath = BaseFacts { remote: unreachable(), local: copy(Some(b"base 2")) };
    let decision = plan(&target, &world).unwrap();
    let Action::Keep { repair: Some(repair), .. } = &decision.steps[0].action else { panic!("{decision:?}") };
    let recipe = repair.recipe(&footing(&target, &world, 0, repair));
    assert_eq!(recipe.hash().to_string(), known(&mut world).hash);
}

#[test]
fn a_plan_for_programs_names_its_kinds() {
    let (target, world) = untouched();
    let Action::Build { reasons, .. } = plan(&target, &world).unwrap().steps.remove(0).action else { panic!() };
    assert_eq!(serde_json::to_string(&reasons).unwrap(), r#"[{"kind":"image_missing"}]"#);
    let reason = Reason::AgentVersionChanged { from: "1".to_owned(), to: version("2"), found_by: Some(Venue::Host) };
    insta::assert_snapshot!(serde_json::to_string(&reason).unwrap(), @r#"{"kind":"agent_version_changed","from":"1","to":"2","foundBy":"host"}"#);
    let base = "ghcr.io/aicage/aicage-image-base:debian".parse().unwrap();
    let notice = Notice::BaseNotChecked { what: Beneath::Base, base, because: "silence".to_owned() };
    insta::assert_snapshot!(serde_json::to_string(&notice).unwrap(), @r#"{"kind":"base_not_checked","what":"base","base":"ghcr.io/aicage/aicage-image-base:debian","because":"silence"}"#);
}

#[test]
fn an_image_whose_labels_are_incomplete_is_rebuilt_rather_than_another_agents() {
    let (target, world) = untouched();
    let first = plan(&target, &world).unwrap();
    for missing in [label::AGENT, label::BASE_NAME, label::HASH] {
        let mut labels = labels(&target, &world, &first);
        labels.remove(missing);
        let decision = decided(|_, world| {
            world.images[0].image.as_mut().unwrap().recipe = ImageRecipe::from_labels(&labels);
        });
        assert!(decision.contains("because image carries no recipe"), "{missing}: {decision}");
    }
}
