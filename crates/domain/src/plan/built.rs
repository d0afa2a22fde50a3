//! The decision about one image that is built here.

use super::{Action, BaseSource, Beneath, Build, Evidence, Footing, Notice, PlanError, Reason, Step};
use crate::image::ImageRef;
use crate::recipe::{
    BaseIdentity, ImageKind, ImageRecipe, Ingredients, KnownRecipe, Layer, LayerKey, LayerKind, Recipe,
};
use crate::record::VersionOrigin;
use crate::target::{self, Ingredient, Target, TargetImage};
use crate::version::AgentVersion;
use crate::world::{BaseFacts, ImageWorld, RecordFact, Remote, VersionFact, World};

/// What an image is to stand on.
pub(super) enum Under {
    /// An image that is not of this target, and what was seen of it.
    Seen(ImageRef, BaseFacts),
    /// The image before it in the chain, which is kept or pulled; notices about it were given there.
    Below(ImageRef, BaseFacts),
    /// The image before it in the chain, which is built first.
    Rebuilt {
        /// Its name.
        image: ImageRef,
        /// Whether any of its steps runs, so that its layers are other ones.
        runs: bool,
    },
    /// There will be none.
    Missing(PlanError),
}

impl Under {
    fn facts(&self) -> Option<(&ImageRef, &BaseFacts)> {
        match self {
            Self::Seen(reference, facts) | Self::Below(reference, facts) => Some((reference, facts)),
            Self::Rebuilt { .. } | Self::Missing(_) => None,
        }
    }

    /// Says whether whoever could tell what the image is now was asked and answered.
    fn was_checked(&self) -> bool {
        self.facts().is_some_and(|(_, facts)| !matches!(facts.remote, Remote::Denied(_) | Remote::Unreachable { .. }))
    }
}

/// Decides what must be done with the target's image `index`, given what it is to stand on.
pub(super) fn decide(target: &Target, index: usize, world: &World, under: &Under) -> Result<Step, PlanError> {
    let (wanted, facts) = (&target.images[index], &world.images[index]);
    let what = beneath(wanted);
    let known = match facts.image.as_ref().map(|image| &image.recipe) {
        Some(ImageRecipe::Known(known)) => Some(&**known),
        _ => None,
    };
    if let Some(known) = known {
        check_name(wanted, known)?;
    }

    let mut notices = Vec::new();
    if let RecordFact::Damaged(because) = &facts.record {
        notices.push(Notice::RecordDamaged { because: because.clone() });
    }
    let mut reasons = reasons(wanted, facts, world, under, what);
    if target.force {
        reasons.push(Reason::Forced);
    }

    // An image that must not be demanded anew can be kept whatever is out of reach.
    let may_keep = facts.image.is_some() && !target.force;
    let keep_for_now = |mut notices: Vec<Notice>, because: String, reasons: Vec<Reason>| {
        if !reasons.is_empty() {
            notices.push(Notice::UpdatePostponed { because, reasons });
        }
        Ok(Step { index, action: Action::Keep { evidence: Vec::new(), repair: None }, notices })
    };

    if let Under::Missing(error) = under {
        if !may_keep {
            return Err(error.clone());
        }
        notices.push(Notice::BeneathMissing { because: error.to_string() });
        return keep_for_now(notices, error.to_string(), reasons);
    }
    let version = match (&world.version, wanted.installs()) {
        (_, None) => None,
        (VersionFact::Chosen(version), Some(_)) => Some((version.clone(), VersionOrigin::Chosen)),
        (VersionFact::Found(version, venue), Some(_)) => Some((version.clone(), VersionOrigin::Found(*venue))),
        (VersionFact::Unknown { attempts, last_known }, Some(_)) if may_keep => {
            notices.extend(not_checked(under, what));
            notices.push(Notice::VersionNotChecked {
                kept: known.map(|known| known.version.clone()),
                attempts: attempts.clone(),
                last_known: last_known.clone(),
            });
            return keep_for_now(notices, "the version to install is not known".to_owned(), reasons);
        }
        (VersionFact::Unknown { attempts, .. }, Some(agent)) => {
            return Err(PlanError::VersionUnknown { agent: agent.name.to_string(), attempts: attempts.clone() });
        }
        (VersionFact::NotAsked, Some(agent)) => {
            return Err(PlanError::VersionUnknown { agent: agent.name.to_string(), attempts: Vec::new() });
        }
    };
    let source = match under.facts().map(|(reference, facts)| base_source(reference, facts, what)) {
        None => None,
        Some(Ok(source)) => Some(source),
        // Nobody has what was asked for, and the image was made of something else: that is a mistake and no outage.
        Some(Err(error @ PlanError::Absent { .. })) if is_of_another_base(known, under) => return Err(error),
        Some(Err(error)) if may_keep => {
            // When nothing else changed, what the image was built on is as good as it gets.
            notices.extend(not_checked(under, what));
            return keep_for_now(notices, error.to_string(), reasons);
        }
        Some(Err(error)) => return Err(error),
    };

    let version_origin = version.as_ref().map(|(_, origin)| *origin);
    let ingredients = ingredients(wanted, version.map(|(version, _)| version), facts, world);
    let build =
        |footing, unchanged| Box::new(Build { ingredients: ingredients.clone(), footing, version_origin, unchanged });
    let recipe = source.as_ref().map(|source| build(Footing::Below, 0).recipe(source));
    if let (Some(known), Some(recipe)) = (known, &recipe)
        && reasons.is_empty()
        && under.was_checked()
        && known.hash != recipe.hash().to_string()
    {
        reasons.push(Reason::RecipeChanged);
    }
    if matches!(facts.record, RecordFact::Missing) && known.is_some() && reasons.is_empty() {
        notices.push(Notice::RecordMissing);
    }
    let Some((source, recipe)) = source.zip(recipe) else {
        let unchanged = unchanged_layers(target, &ingredients, known, &reasons, under);
        return Ok(Step { index, action: Action::Build { reasons, build: build(Footing::Below, unchanged) }, notices });
    };
    if !reasons.is_empty() {
        if !under.was_checked() {
            notices.extend(local_copy(under, what));
            // No reason to build, but true of what is built: the engine's copy may be another one.
            let is_told = reasons.iter().any(|reason| matches!(reason, Reason::BaseChanged { .. }));
            if let Some(known) = known
                && !is_told
                && known.base != Some(source.identity)
            {
                reasons.push(Reason::BaseChanged { what, from: known.base, to: source.identity });
            }
        }
        let unchanged = unchanged_layers(target, &ingredients, known, &reasons, under);
        let build = build(Footing::Known(Box::new(source)), unchanged);
        return Ok(Step { index, action: Action::Build { reasons, build }, notices });
    }

    notices.extend(not_checked(under, what));
    let mut evidence = Vec::new();
    if let (Some(version), Some(origin)) = (ingredients.version(), version_origin) {
        let found_by = match origin {
            VersionOrigin::Found(venue) => Some(venue),
            VersionOrigin::Chosen => None,
        };
        evidence.push(Evidence::Version { version: version.clone(), found_by });
    }
    if under.was_checked() {
        let pinned = under.facts().is_some_and(|(reference, _)| reference.digest().is_some());
        let registry = !pinned && under.facts().is_some_and(|(_, facts)| matches!(facts.remote, Remote::Known(_)));
        evidence.push(Evidence::Base { what, base: recipe.base, registry, pinned });
    }
    evidence.push(Evidence::Files { count: ingredients.file_count() });
    let record_fits = match (&facts.record, &facts.image) {
        (RecordFact::Found(record), Some(image)) => {
            record.image_id == image.id && facts.host_record_fits && image.has_aliases
        }
        _ => false,
    };
    // What the image was built on stands on the image; an unchecked base must not change the record.
    let identity = known.and_then(|known| known.base).unwrap_or(source.identity);
    let layers = ingredients.layers.len();
    let repair = (!record_fits).then(|| build(Footing::Known(Box::new(BaseSource { identity, ..source })), layers));
    Ok(Step { index, action: Action::Keep { evidence, repair }, notices })
}

fn is_of_another_base(known: Option<&KnownRecipe>, under: &Under) -> bool {
    let reference = under.facts().map(|(reference, _)| reference.to_string());
    known.is_some_and(|known| Some(&known.base_image) != reference.as_ref())
}

fn beneath(wanted: &TargetImage) -> Beneath {
    match wanted.kind {
        ImageKind::Base => Beneath::Root,
        ImageKind::Final => Beneath::Base,
        ImageKind::Extended if wanted.installs().is_some() => Beneath::Base,
        ImageKind::Extended => Beneath::Image,
    }
}

/// Makes sure that the image under the wanted name is not one of another choice.
fn check_name(wanted: &TargetImage, known: &KnownRecipe) -> Result<(), PlanError> {
    let agent = wanted.agent.as_ref().map(|agent| agent.as_str()).unwrap_or_default();
    let same_kind = known.kind == wanted.kind;
    let same = same_kind
        && known.agent == agent
        && known.base_name == wanted.base_name.as_str()
        && known.extensions() == wanted.extensions();
    let same_saved = same_kind
        && wanted.saved.is_some()
        && known.saved.as_deref() == wanted.saved.as_ref().map(|name| name.as_str());
    if same || same_saved {
        return Ok(());
    }
    Err(PlanError::NameTaken { image: wanted.image.familiar(), holder: told(known) })
}

fn told(known: &KnownRecipe) -> String {
    let agent = match known.kind {
        ImageKind::Base => None,
        ImageKind::Final | ImageKind::Extended => Some(known.agent.as_str()),
    };
    target::told(agent, &known.base_name, &known.extensions())
}

fn reasons(wanted: &TargetImage, facts: &ImageWorld, world: &World, under: &Under, what: Beneath) -> Vec<Reason> {
    let known = match facts.image.as_ref().map(|image| &image.recipe) {
        None => return vec![Reason::ImageMissing],
        Some(ImageRecipe::None) => return vec![Reason::NoRecipe],
        Some(ImageRecipe::OtherSchema(from)) => {
            return vec![Reason::RecipeSchemaChanged { from: from.clone(), to: Recipe::SCHEMA.to_string() }];
        }
        Some(ImageRecipe::Known(known)) => known,
    };
    let mut reasons = Vec::new();
    if let Under::Rebuilt { image, .. } = under {
        reasons.push(Reason::BeneathRebuilt { image: image.clone() });
    }
    if wanted.installs().is_some() {
        reasons.extend(version_reason(known, &world.version));
    }
    if let Some((reference, base)) = under.facts() {
        let changed = base_reason(known, base, what);
        // The same base under another name is the same base; but a Dockerfile is told the name.
        let is_renamed = known.base_image != reference.to_string()
            && (what == Beneath::Root || what == Beneath::Base && changed.is_some());
        reasons.extend(is_renamed.then(|| {
            let from = known.base_image.parse::<ImageRef>().map_or(known.base_image.clone(), |from| from.familiar());
            Reason::BeneathRenamed { what, from, to: reference.clone() }
        }));
        reasons.extend(changed);
    }
    reasons.extend(layer_reasons(wanted, known, facts));
    reasons.extend(metadata_reasons(known, wanted));
    if known.platform != world.platform {
        let (from, to) = (known.platform.clone(), world.platform.clone());
        reasons.push(Reason::PlatformChanged { from, to });
    }
    if !wanted.extensions().is_empty() {
        // One that is not given this time is not known to have changed.
        let changed = |(id, digest): (&String, &crate::digest::Digest)| {
            let same = known.secrets.get(id).is_some_and(|known| *known == digest.to_string());
            (!same).then(|| Reason::SecretChanged { id: id.clone() })
        };
        reasons.extend(world.secrets.iter().filter_map(changed));
    }
    reasons
}

fn version_reason(known: &KnownRecipe, version: &VersionFact) -> Option<Reason> {
    let (to, found_by) = match version {
        VersionFact::Chosen(to) => (to, None),
        VersionFact::Found(to, venue) => (to, Some(*venue)),
        VersionFact::Unknown { .. } | VersionFact::NotAsked => return None,
    };
    let changed = known.version != to.as_str();
    changed.then(|| Reason::AgentVersionChanged { from: known.version.clone(), to: to.clone(), found_by })
}

fn base_reason(known: &KnownRecipe, base: &BaseFacts, what: Beneath) -> Option<Reason> {
    let to = match (&base.remote, &base.local) {
        (Remote::Known(digest), _) => BaseIdentity::Manifest(*digest),
        (Remote::NotAsked | Remote::Absent, Some(local)) => BaseIdentity::Content(local.content),
        // Built on what only the engine has: its copy says what is new, whatever a registry would say.
        (Remote::Denied(_) | Remote::Unreachable { .. }, Some(local))
            if local.pulled_as.is_none() && matches!(known.base, Some(BaseIdentity::Content(_))) =>
        {
            BaseIdentity::Content(local.content)
        }
        _ => return None,
    };
    (known.base != Some(to)).then_some(Reason::BaseChanged { what, from: known.base, to })
}

fn layer_reasons(wanted: &TargetImage, known: &KnownRecipe, facts: &ImageWorld) -> Vec<Reason> {
    // A record of another build than the image's would name the wrong files.
    let record = match &facts.record {
        RecordFact::Found(record) if record.recipe_hash.to_string() == known.hash => Some(record),
        _ => None,
    };
    let keys: Vec<_> = wanted.layers().iter().map(key).collect();
    let known_layers = match known.kind {
        ImageKind::Extended => known.layers.clone(),
        ImageKind::Base | ImageKind::Final => keys.iter().map(|key| (key.clone(), known.files.clone())).collect(),
    };
    let same_agent = wanted.agent.as_ref().is_none_or(|agent| agent.as_str() == known.agent);
    let same_base = wanted.base_name.as_str() == known.base_name;
    let same_keys = known_layers.iter().map(|(key, _)| key).eq(&keys);
    if !same_keys || !same_agent || !same_base {
        let (from, to) = (told(known), wanted.told());
        // Only their order differs, or on which side of the agent they are.
        let to = if from == to { format!("{to}, in another order") } else { to };
        return vec![Reason::SelectionChanged { from, to }];
    }
    let mut reasons = Vec::new();
    for (at, layer) in wanted.layers().iter().enumerate() {
        let files = &facts.layers[at];
        if known_layers[at].1 == files.digest().to_string() {
            continue;
        }
        let extension = match layer {
            Ingredient::Extension(extension) => Some(extension.name.clone()),
            Ingredient::Base(_) | Ingredient::Agent(_) => None,
        };
        let recorded = record.and_then(|record| record.layers.get(at)).filter(|layer| layer.key == keys[at]);
        let changes = recorded.map(|layer| files.changes_since(&layer.files)).unwrap_or_default();
        if changes.is_empty() {
            reasons.push(Reason::FilesChanged { extension });
            continue;
        }
        let named = changes.into_iter();
        reasons.extend(named.map(|(path, change)| Reason::FileChanged { extension: extension.clone(), path, change }));
    }
    reasons
}

/// Returns the key of a layer, as [`LayerKind::key`] writes it.
fn key(layer: &Ingredient) -> String {
    match layer {
        Ingredient::Base(_) => LayerKey::Dockerfile,
        Ingredient::Agent(agent) => LayerKey::Agent(agent.name.as_str()),
        Ingredient::Extension(extension) => LayerKey::Extension(extension.name.as_str()),
    }
    .to_string()
}

/// Returns the title and the source that an image gets from its definitions; `None` where it keeps those beneath.
fn described(wanted: &TargetImage) -> (Option<String>, Option<String>) {
    wanted.layers().iter().fold((None, None), |described, layer| match layer {
        Ingredient::Agent(agent) => {
            (Some(agent.metadata.agent_full_name.to_string()), Some(agent.metadata.agent_homepage.to_string()))
        }
        Ingredient::Base(base) => (Some(base.metadata.base_image_description.to_string()), described.1),
        Ingredient::Extension(_) => described,
    })
}

fn metadata_reasons(known: &KnownRecipe, wanted: &TargetImage) -> Vec<Reason> {
    let (title, source) = described(wanted);
    let title_key = if wanted.kind == ImageKind::Base { "base_image_description" } else { "agent_full_name" };
    [(title_key, &known.title, title), ("agent_homepage", &known.source, source)]
        .into_iter()
        .filter_map(|(key, from, to)| Some((key, from, to?)))
        .filter(|(_, from, to)| *from != to)
        .map(|(key, from, to)| Reason::MetadataChanged { key, from: from.clone(), to })
        .collect()
}

fn ingredients(wanted: &TargetImage, version: Option<AgentVersion>, facts: &ImageWorld, world: &World) -> Ingredients {
    let layer = |(layer, files): (&Ingredient, &crate::files::FileSet)| {
        let kind = match layer {
            Ingredient::Base(_) => LayerKind::Dockerfile,
            Ingredient::Agent(agent) => LayerKind::Agent {
                name: agent.name.clone(),
                version: version.clone().expect("the version of an agent that is installed was asked for above"),
            },
            Ingredient::Extension(extension) => {
                LayerKind::Extension { name: extension.name.clone(), kind: extension.kind }
            }
        };
        Layer { kind, files: files.clone() }
    };
    let (title, source) = described(wanted);
    let takes_secrets = !wanted.extensions().is_empty();
    Ingredients {
        kind: wanted.kind,
        agent: wanted.agent.clone(),
        base_name: wanted.base_name.clone(),
        title,
        source,
        layers: wanted.layers().iter().zip(&facts.layers).map(layer).collect(),
        secrets: if takes_secrets { world.secrets.clone() } else { Default::default() },
        saved: wanted.saved.clone(),
        platform: world.platform.clone(),
    }
}

/// Returns how many layers, from the bottom up, the engine can take as they are.
fn unchanged_layers(
    target: &Target,
    ingredients: &Ingredients,
    known: Option<&KnownRecipe>,
    reasons: &[Reason],
    under: &Under,
) -> usize {
    let layers = &ingredients.layers;
    if target.no_cache {
        return 0;
    }
    let at = |found: &dyn Fn(&LayerKind) -> bool| layers.iter().position(|layer| found(&layer.kind)).unwrap_or(0);
    let of_extension = |extension: &Option<crate::name::ExtensionName>| match extension {
        None => at(&|kind| matches!(kind, LayerKind::Agent { .. } | LayerKind::Dockerfile)),
        Some(wanted) => at(&|kind| matches!(kind, LayerKind::Extension { name, .. } if name == wanted)),
    };
    let first_that_runs = |reason: &Reason| match reason {
        Reason::ImageMissing
        | Reason::NoRecipe
        | Reason::RecipeSchemaChanged { .. }
        | Reason::PublishedChanged { .. }
        | Reason::BeneathRenamed { .. }
        | Reason::BaseChanged { .. }
        | Reason::PlatformChanged { .. }
        | Reason::RecipeChanged => 0,
        Reason::BeneathRebuilt { .. } if matches!(under, Under::Rebuilt { runs: true, .. }) => 0,
        Reason::BeneathRebuilt { .. } | Reason::MetadataChanged { .. } | Reason::Forced => layers.len(),
        Reason::AgentVersionChanged { .. } => at(&|kind| matches!(kind, LayerKind::Agent { .. })),
        Reason::FileChanged { extension, .. } | Reason::FilesChanged { extension } => of_extension(extension),
        Reason::SecretChanged { .. } => at(&|kind| matches!(kind, LayerKind::Extension { .. })),
        Reason::SelectionChanged { .. } => {
            let known = known.map(|known| known.layers.as_slice()).unwrap_or_default();
            let same = |(layer, (key, files)): &(&Layer, &(String, String))| {
                layer.kind.key() == *key && layer.files.digest().to_string() == *files
            };
            layers.iter().zip(known).take_while(same).count()
        }
    };
    reasons.iter().map(first_that_runs).min().unwrap_or(0)
}

/// Returns what an image is built on, as far as that can be had; `what` is how a failure calls it.
fn base_source(reference: &ImageRef, facts: &BaseFacts, what: Beneath) -> Result<BaseSource, PlanError> {
    let source = |local_only: bool, identity: BaseIdentity| {
        let handed = match identity {
            BaseIdentity::Manifest(digest) if !local_only => reference.pinned(digest),
            BaseIdentity::Manifest(_) | BaseIdentity::Content(_) => reference.clone(),
        };
        Ok(BaseSource { named: reference.clone(), reference: handed, local_only, identity })
    };
    let (image, what) = (reference.familiar(), noun(what));
    match (&facts.remote, &facts.local) {
        (Remote::Known(digest), _) => source(false, BaseIdentity::Manifest(*digest)),
        (Remote::NotAsked | Remote::Absent, Some(local)) => source(true, BaseIdentity::Content(local.content)),
        (Remote::Denied(_) | Remote::Unreachable { .. }, Some(local)) => {
            source(true, local.pulled_as.map_or(BaseIdentity::Content(local.content), BaseIdentity::Manifest))
        }
        (Remote::NotAsked | Remote::Absent, None) => Err(PlanError::Absent { what, image }),
        (Remote::Denied(reason), None) => Err(PlanError::Denied { what, image, reason: reason.clone() }),
        (Remote::Unreachable { reason, temporary }, None) => {
            Err(PlanError::Unreachable { what, image, reason: reason.clone(), temporary: *temporary })
        }
    }
}

fn noun(what: Beneath) -> &'static str {
    match what {
        Beneath::Root => "root image",
        Beneath::Base => "base image",
        Beneath::Image => "image beneath",
    }
}

fn why_not_checked(facts: &BaseFacts) -> Option<String> {
    match (&facts.remote, &facts.local) {
        (Remote::Denied(reason) | Remote::Unreachable { reason, .. }, _) => Some(reason.clone()),
        (Remote::Absent, None) => Some("the registry has no such image".to_owned()),
        (Remote::NotAsked, None) => Some("the engine has no such image".to_owned()),
        (Remote::Absent | Remote::NotAsked, Some(_)) | (Remote::Known(_), _) => None,
    }
}

/// Returns an image that is not of this target and could not be looked at, and why.
fn unseen(under: &Under) -> Option<(ImageRef, String)> {
    let Under::Seen(base, facts) = under else {
        return None;
    };
    Some((base.clone(), why_not_checked(facts)?))
}

fn not_checked(under: &Under, what: Beneath) -> Option<Notice> {
    unseen(under).map(|(base, because)| Notice::BaseNotChecked { what, base, because })
}

fn local_copy(under: &Under, what: Beneath) -> Option<Notice> {
    unseen(under).map(|(base, because)| Notice::BaseFromLocalCopy { what, base, because })
}
