//! The one decision: what must be built, and exactly why.

use std::fmt;

use serde::Serialize;

use crate::files::FileChange;
use crate::image::ImageRef;
use crate::recipe::{BaseIdentity, ImageRecipe, KnownRecipe, Recipe};
use crate::record::VersionOrigin;
use crate::target::Target;
use crate::version::{AgentVersion, CachedVersion, FailedAttempt, Venue};
use crate::world::{RecordFact, Remote, VersionFact, World};

/// Why an image must be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Reason {
    /// The engine has no image of that name.
    ImageMissing,
    /// The image carries no recipe, so nothing is known of how it was made.
    NoRecipe,
    /// The image's recipe is of a schema that this program does not write.
    RecipeSchemaChanged {
        /// The image's.
        from: String,
        /// This program's.
        to: String,
    },
    /// The agent has another version now.
    AgentVersionChanged {
        /// The image's.
        from: String,
        /// The one to install.
        to: AgentVersion,
        /// Where it was found; `None` when the user chose it.
        found_by: Option<Venue>,
    },
    /// The base has other content now.
    BaseChanged {
        /// The image's; `None` when its label is damaged.
        from: Option<BaseIdentity>,
        /// The one to build on.
        to: BaseIdentity,
    },
    /// A file of the definition differs.
    FileChanged {
        /// Its path in the definition's folder.
        path: String,
        /// How it differs.
        change: FileChange,
    },
    /// The definition's files differ, and no record says which.
    FilesChanged,
    /// A key of the agent's metadata that is written on the image has another value.
    MetadataChanged {
        /// The key.
        key: &'static str,
        /// The image's value.
        from: String,
        /// The definition's value.
        to: String,
    },
    /// The engine has another platform than the image.
    PlatformChanged {
        /// The image's.
        from: String,
        /// The engine's.
        to: String,
    },
    /// The recipe's digest differs though nothing that can be named does.
    RecipeChanged,
    /// The user asked for a build.
    Forced,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImageMissing => f.write_str("image is missing"),
            Self::NoRecipe => f.write_str("image carries no recipe"),
            Self::RecipeSchemaChanged { from, to } => write!(f, "recipe schema {from} -> {to}"),
            Self::AgentVersionChanged { from, to, found_by } => {
                write!(f, "agent version {from} -> {to}")?;
                match found_by {
                    Some(venue) => write!(f, " ({venue})"),
                    None => f.write_str(" (chosen)"),
                }
            }
            Self::BaseChanged { from: Some(from), to } => write!(f, "base {} -> {}", from.short(), to.short()),
            Self::BaseChanged { from: None, to } => write!(f, "base unknown -> {}", to.short()),
            Self::FileChanged { path, change } => match change {
                FileChange::Added => write!(f, "file {path} added"),
                FileChange::Removed => write!(f, "file {path} removed"),
                FileChange::Content => write!(f, "file {path} changed"),
                FileChange::Mode => write!(f, "file {path} changed its mode"),
            },
            Self::FilesChanged => f.write_str("definition files changed (no record names them)"),
            Self::MetadataChanged { key, from, to } => write!(f, "{key} {from:?} -> {to:?}"),
            Self::PlatformChanged { from, to } => write!(f, "platform {from} -> {to}"),
            Self::RecipeChanged => f.write_str("recipe changed"),
            Self::Forced => f.write_str("asked for with --force"),
        }
    }
}

/// Something a person should know that is no reason to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Notice {
    /// The registry could not say whether the base changed; the image is kept as far as the base goes.
    BaseNotChecked {
        /// The base.
        base: ImageRef,
        /// What the registry did.
        because: String,
    },
    /// The registry could not be asked; the engine's own copy of the base is built on.
    BaseFromLocalCopy {
        /// The base.
        base: ImageRef,
        /// What the registry did.
        because: String,
    },
    /// The newest version could not be found; the image is kept.
    VersionNotChecked {
        /// The image's version, if its labels name one.
        kept: Option<String>,
        /// Every attempt.
        attempts: Vec<FailedAttempt>,
        /// What an earlier look found.
        last_known: Option<CachedVersion>,
    },
    /// There are reasons to build, but something needed for it is out of reach; the image is kept.
    UpdatePostponed {
        /// What is out of reach.
        because: String,
        /// The reasons.
        reasons: Vec<Reason>,
    },
    /// There is an image but no record of it; one is written.
    RecordMissing,
    /// The record cannot be read; it is set aside as soon as a new one is written.
    RecordDamaged {
        /// What is wrong with it.
        because: String,
    },
}

impl Notice {
    /// Says whether an image that is kept with this notice may be out of date.
    pub fn leaves_doubt(&self) -> bool {
        match self {
            Self::BaseNotChecked { .. } | Self::VersionNotChecked { .. } | Self::UpdatePostponed { .. } => true,
            Self::BaseFromLocalCopy { .. } | Self::RecordMissing | Self::RecordDamaged { .. } => false,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BaseNotChecked { base, because } => {
                write!(f, "base {} could not be checked, the image is kept: {because}", base.familiar())
            }
            Self::BaseFromLocalCopy { base, because } => {
                write!(f, "base {} could not be checked, the engine's own copy is used: {because}", base.familiar())
            }
            Self::VersionNotChecked { kept, attempts, last_known } => {
                match kept {
                    Some(version) => write!(f, "no newer version could be looked for, {version} is kept")?,
                    None => f.write_str("no version could be looked for, the image is kept")?,
                }
                if let Some(cached) = last_known {
                    write!(f, " (cached: {cached})")?;
                }
                attempts.iter().try_for_each(|attempt| write!(f, "; {}: {}", attempt.venue, attempt.reason.trim()))
            }
            Self::UpdatePostponed { because, reasons } => {
                let reasons: Vec<_> = reasons.iter().map(Reason::to_string).collect();
                write!(f, "not rebuilt, though there are reasons ({}): {because}", reasons.join("; "))
            }
            Self::RecordMissing => f.write_str("there was no record of this image"),
            Self::RecordDamaged { because } => {
                write!(f, "the record of this image is damaged: {because}")
            }
        }
    }
}

/// One fact by which an image is known to be current.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Evidence {
    /// The image has the version that is the newest, or was chosen.
    Version {
        /// The version.
        version: AgentVersion,
        /// Where it was found; `None` when the user chose it.
        found_by: Option<Venue>,
    },
    /// The base has the content that the image was built on.
    Base {
        /// The content.
        base: BaseIdentity,
        /// Whether the registry was asked, rather than the engine.
        registry: bool,
    },
    /// The definition's files are those that the image was built from.
    Files {
        /// How many there are.
        count: usize,
    },
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { version, found_by: Some(venue) } => write!(f, "version {version} is the newest ({venue})"),
            Self::Version { version, found_by: None } => write!(f, "version {version} is the chosen one"),
            Self::Base { base, registry: true } => write!(f, "base is {} at its registry", base.short()),
            Self::Base { base, registry: false } => write!(f, "base is {} in the engine", base.short()),
            Self::Files { count: 1 } => f.write_str("1 definition file unchanged"),
            Self::Files { count } => write!(f, "{count} definition files unchanged"),
        }
    }
}

/// The base as a build takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSource {
    /// The reference to hand to the engine.
    pub reference: ImageRef,
    /// Whether only the engine's own store may be asked for it.
    pub local_only: bool,
    /// Its content.
    pub identity: BaseIdentity,
}

/// What is to be done with one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Leave it; it is current, or nothing better can be had.
    Keep {
        /// How that is known; empty when notices say that it is not.
        evidence: Vec<Evidence>,
        /// What a record of the image must say, when its record is missing or does not fit.
        repair: Option<Box<Build>>,
    },
    /// Build it.
    Build {
        /// Why; never empty.
        reasons: Vec<Reason>,
        /// What.
        build: Box<Build>,
    },
}

/// Everything that building one image takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// What goes in.
    pub recipe: Recipe,
    /// The base it stands on.
    pub base: BaseSource,
    /// How the version came to be known.
    pub version_origin: VersionOrigin,
}

/// One image of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub image: ImageRef,
    /// What is to be done.
    pub action: Action,
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPlan {
    /// The images, those beneath first.
    pub steps: Vec<Step>,
    /// What a person should know besides.
    pub notices: Vec<Notice>,
}

impl BuildPlan {
    /// Says whether carrying out the plan would build anything.
    pub fn has_work(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Build { .. }))
    }
}

/// Why no plan can be made: something needed is not there, and there is no image to keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No version was found and there is no image to keep, or a build was demanded.
    #[error("no version of agent {agent} was found")]
    VersionUnknown {
        /// The agent.
        agent: String,
        /// Every attempt.
        attempts: Vec<FailedAttempt>,
    },
    /// The registry has no such image, and neither has the engine.
    #[error("base image does not exist: {base}")]
    BaseAbsent {
        /// The base.
        base: String,
    },
    /// The registry refused the credentials, and the engine has no copy.
    #[error("base image is not available: {base}: {reason}")]
    BaseDenied {
        /// The base.
        base: String,
        /// What the registry said.
        reason: String,
    },
    /// The registry did not answer, and the engine has no copy.
    #[error("base image is not available: {base}: {reason}")]
    BaseUnreachable {
        /// The base.
        base: String,
        /// What happened.
        reason: String,
        /// Whether asking again later is likely to help.
        temporary: bool,
    },
    /// The image's name belongs to another agent and base, whose names join to the same tag.
    #[error("the name {image} is taken by agent {agent} on base {base}")]
    NameTaken {
        /// The name.
        image: String,
        /// The agent that has it.
        agent: String,
        /// The base that has it.
        base: String,
    },
}

/// Decides what must be done to make `target` current in `world`.
///
/// # Errors
/// [`PlanError`] when something needed is out of reach and there is no image that could be kept instead.
pub fn plan(target: &Target, world: &World) -> Result<BuildPlan, PlanError> {
    let known = match world.image.as_ref().map(|image| &image.recipe) {
        Some(ImageRecipe::Known(known)) => Some(known),
        _ => None,
    };
    if let Some(known) = known
        && (known.agent != target.agent.name.as_str() || known.base_name != target.base_name.as_str())
    {
        return Err(PlanError::NameTaken {
            image: target.image.familiar(),
            agent: known.agent.clone(),
            base: known.base_name.clone(),
        });
    }

    let mut notices = Vec::new();
    if let RecordFact::Damaged(because) = &world.record {
        notices.push(Notice::RecordDamaged { because: because.clone() });
    }
    let mut reasons = Vec::new();
    match world.image.as_ref().map(|image| &image.recipe) {
        None => reasons.push(Reason::ImageMissing),
        Some(ImageRecipe::None) => reasons.push(Reason::NoRecipe),
        Some(ImageRecipe::OtherSchema(from)) => {
            reasons.push(Reason::RecipeSchemaChanged { from: from.clone(), to: Recipe::SCHEMA.to_string() })
        }
        Some(ImageRecipe::Known(known)) => {
            reasons.extend(version_reason(known, &world.version));
            reasons.extend(base_reason(known, world));
            reasons.extend(file_reasons(known, world));
            reasons.extend(metadata_reasons(known, target));
            if known.platform != world.platform {
                let (from, to) = (known.platform.clone(), world.platform.clone());
                reasons.push(Reason::PlatformChanged { from, to });
            }
        }
    }
    if target.force {
        reasons.push(Reason::Forced);
    }

    // An image that must not be demanded anew can be kept whatever is out of reach.
    let may_keep = world.image.is_some() && !target.force;
    let step = |action| vec![Step { image: target.image.clone(), action }];
    let keep_for_now = |mut notices: Vec<Notice>, because: String, reasons: Vec<Reason>| {
        if !reasons.is_empty() {
            notices.push(Notice::UpdatePostponed { because, reasons });
        }
        Ok(BuildPlan { steps: step(Action::Keep { evidence: Vec::new(), repair: None }), notices })
    };

    let (version, version_origin) = match &world.version {
        VersionFact::Chosen(version) => (version.clone(), VersionOrigin::Chosen),
        VersionFact::Found(version, venue) => (version.clone(), VersionOrigin::Found(*venue)),
        VersionFact::Unknown { attempts, last_known } if may_keep => {
            notices.extend(base_not_checked(target, world));
            notices.push(Notice::VersionNotChecked {
                kept: known.map(|known| known.version.clone()),
                attempts: attempts.clone(),
                last_known: last_known.clone(),
            });
            return keep_for_now(notices, "the version to install is not known".to_owned(), reasons);
        }
        VersionFact::Unknown { attempts, .. } => {
            let agent = target.agent.name.to_string();
            return Err(PlanError::VersionUnknown { agent, attempts: attempts.clone() });
        }
    };

    let base = match base_source(target, world) {
        Ok(base) => base,
        Err(_) if may_keep && reasons.is_empty() => {
            // Nothing else changed: what the image was built on is as good as it gets.
            notices.extend(base_not_checked(target, world));
            return keep_for_now(notices, String::new(), reasons);
        }
        Err(error) if may_keep => {
            notices.extend(base_not_checked(target, world));
            return keep_for_now(notices, error.to_string(), reasons);
        }
        Err(error) => return Err(error),
    };
    let recipe = Recipe {
        agent: target.agent.name.clone(),
        version,
        title: target.agent.metadata.agent_full_name.to_string(),
        source: target.agent.metadata.agent_homepage.to_string(),
        base_name: target.base_name.clone(),
        base_image: target.base_image.clone(),
        base: base.identity,
        files: world.files.clone(),
        platform: world.platform.clone(),
    };
    let base_was_checked = !matches!(world.base.remote, Remote::Denied(_) | Remote::Unreachable { .. });
    if let Some(known) = known
        && reasons.is_empty()
        && base_was_checked
        && known.hash != recipe.hash().to_string()
    {
        reasons.push(Reason::RecipeChanged);
    }

    if matches!(world.record, RecordFact::Missing) && known.is_some() && reasons.is_empty() {
        notices.push(Notice::RecordMissing);
    }
    if !reasons.is_empty() {
        if !base_was_checked {
            let because = why_not_checked(world).unwrap_or_default();
            notices.push(Notice::BaseFromLocalCopy { base: target.base_image.clone(), because });
            // No reason to build, but true of what is built: the engine's copy may be another one.
            let is_told = reasons.iter().any(|reason| matches!(reason, Reason::BaseChanged { .. }));
            if let Some(known) = known
                && !is_told
                && known.base != Some(base.identity)
            {
                reasons.push(Reason::BaseChanged { from: known.base, to: base.identity });
            }
        }
        let build = Box::new(Build { recipe, base, version_origin });
        return Ok(BuildPlan { steps: step(Action::Build { reasons, build }), notices });
    }

    notices.extend(base_not_checked(target, world));
    let found_by = match version_origin {
        VersionOrigin::Found(venue) => Some(venue),
        VersionOrigin::Chosen => None,
    };
    let mut evidence = vec![Evidence::Version { version: recipe.version.clone(), found_by }];
    if base_was_checked {
        let registry = matches!(world.base.remote, Remote::Known(_));
        evidence.push(Evidence::Base { base: recipe.base, registry });
    }
    evidence.push(Evidence::Files { count: recipe.files.0.len() });
    let record_fits = match (&world.record, &world.image) {
        (RecordFact::Found(record), Some(image)) => record.image_id == image.id && world.host_record_fits,
        _ => false,
    };
    // What the image was built on stands on the image; an unchecked base must not change the record.
    let recipe = Recipe { base: known.and_then(|known| known.base).unwrap_or(recipe.base), ..recipe };
    let repair = (!record_fits).then(|| Box::new(Build { recipe, base, version_origin }));
    Ok(BuildPlan { steps: step(Action::Keep { evidence, repair }), notices })
}

fn version_reason(known: &KnownRecipe, version: &VersionFact) -> Option<Reason> {
    let (to, found_by) = match version {
        VersionFact::Chosen(to) => (to, None),
        VersionFact::Found(to, venue) => (to, Some(*venue)),
        VersionFact::Unknown { .. } => return None,
    };
    let changed = known.version != to.as_str();
    changed.then(|| Reason::AgentVersionChanged { from: known.version.clone(), to: to.clone(), found_by })
}

fn base_reason(known: &KnownRecipe, world: &World) -> Option<Reason> {
    let to = match (&world.base.remote, &world.base.local) {
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
    (known.base != Some(to)).then_some(Reason::BaseChanged { from: known.base, to })
}

fn file_reasons(known: &KnownRecipe, world: &World) -> Vec<Reason> {
    if known.files == world.files.digest().to_string() {
        return Vec::new();
    }
    let changes = match &world.record {
        // A record of another build than the image's would name the wrong files.
        RecordFact::Found(record) if record.recipe_hash.to_string() == known.hash => {
            world.files.changes_since(&record.files)
        }
        _ => Vec::new(),
    };
    if changes.is_empty() {
        return vec![Reason::FilesChanged];
    }
    changes.into_iter().map(|(path, change)| Reason::FileChanged { path, change }).collect()
}

fn metadata_reasons(known: &KnownRecipe, target: &Target) -> Vec<Reason> {
    let metadata = &target.agent.metadata;
    let pairs = [
        ("agent_full_name", &known.title, metadata.agent_full_name.as_str()),
        ("agent_homepage", &known.source, metadata.agent_homepage.as_str()),
    ];
    pairs
        .into_iter()
        .filter(|(_, from, to)| from != to)
        .map(|(key, from, to)| Reason::MetadataChanged { key, from: from.clone(), to: to.to_owned() })
        .collect()
}

fn base_source(target: &Target, world: &World) -> Result<BaseSource, PlanError> {
    let base = target.base_image.familiar();
    match (&world.base.remote, &world.base.local) {
        (Remote::Known(digest), _) => Ok(BaseSource {
            reference: target.base_image.pinned(*digest),
            local_only: false,
            identity: BaseIdentity::Manifest(*digest),
        }),
        (Remote::NotAsked | Remote::Absent, Some(local)) => Ok(BaseSource {
            reference: target.base_image.clone(),
            local_only: true,
            identity: BaseIdentity::Content(local.content),
        }),
        (Remote::Denied(_) | Remote::Unreachable { .. }, Some(local)) => Ok(BaseSource {
            reference: target.base_image.clone(),
            local_only: true,
            identity: local.pulled_as.map_or(BaseIdentity::Content(local.content), BaseIdentity::Manifest),
        }),
        (Remote::NotAsked | Remote::Absent, None) => Err(PlanError::BaseAbsent { base }),
        (Remote::Denied(reason), None) => Err(PlanError::BaseDenied { base, reason: reason.clone() }),
        (Remote::Unreachable { reason, temporary }, None) => {
            Err(PlanError::BaseUnreachable { base, reason: reason.clone(), temporary: *temporary })
        }
    }
}

fn why_not_checked(world: &World) -> Option<String> {
    match (&world.base.remote, &world.base.local) {
        (Remote::Denied(reason) | Remote::Unreachable { reason, .. }, _) => Some(reason.clone()),
        (Remote::Absent, None) => Some("the registry has no such image".to_owned()),
        (Remote::NotAsked, None) => Some("the engine has no such image".to_owned()),
        (Remote::Absent | Remote::NotAsked, Some(_)) | (Remote::Known(_), _) => None,
    }
}

fn base_not_checked(target: &Target, world: &World) -> Option<Notice> {
    let because = why_not_checked(world)?;
    Some(Notice::BaseNotChecked { base: target.base_image.clone(), because })
}

#[cfg(test)]
mod tests;
