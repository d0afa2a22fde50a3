//! The one decision: what must be built, and exactly why.

mod built;
mod notice;
mod published;
mod reason;

pub use notice::{Evidence, Notice};
pub use reason::{Beneath, Reason};

use crate::definition::Architectures;
use crate::digest::Digest;
use crate::image::ImageRef;
use crate::recipe::{BaseIdentity, Ingredients, Recipe};
use crate::record::VersionOrigin;
use crate::target::{Foundation, Making, Target};
use crate::version::FailedAttempt;
use crate::world::{BaseFacts, LocalBase, Remote, World};

/// What an image stands on, as a build takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSource {
    /// The reference as a person or a definition names it.
    pub named: ImageRef,
    /// The reference to hand to the engine.
    pub reference: ImageRef,
    /// Whether only the engine's own store may be asked for it.
    pub local_only: bool,
    /// Its content.
    pub identity: BaseIdentity,
}

/// What a build stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Footing {
    /// An image that is there.
    Known(Box<BaseSource>),
    /// The image of the step before, which is built first: its content is known when that is done.
    Below,
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
    /// Pull it.
    Pull {
        /// Why; never empty.
        reasons: Vec<Reason>,
        /// The digest at its registry.
        digest: Digest,
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
    pub ingredients: Ingredients,
    /// What it stands on.
    pub footing: Footing,
    /// How the version came to be known, if one is installed.
    pub version_origin: Option<VersionOrigin>,
    /// How many of its layers are what they were, from the bottom up: the engine has them, unless its cache was cleared.
    pub unchanged: usize,
}

impl Build {
    /// Returns the recipe of an image built on `source`.
    pub fn recipe(&self, source: &BaseSource) -> Recipe {
        Recipe { ingredients: self.ingredients.clone(), base_image: source.named.clone(), base: source.identity }
    }
}

/// One image of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which of the target's images, counted from 0.
    pub index: usize,
    /// What is to be done.
    pub action: Action,
    /// What a person should know besides.
    pub notices: Vec<Notice>,
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPlan {
    /// The images, those beneath first. One that is out of reach and not needed is left out.
    pub steps: Vec<Step>,
}

impl BuildPlan {
    /// Says whether carrying out the plan would build or pull anything.
    pub fn has_work(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step.action, Action::Keep { .. }))
    }

    /// Returns why an image that is kept may be out of date: it, or one that it stands on, could not be looked at.
    pub fn doubts(&self, step: &Step) -> impl Iterator<Item = &Notice> {
        let beneath = self.steps.iter().take_while(move |other| other.index <= step.index);
        beneath.flat_map(|step| &step.notices).filter(|notice| notice.leaves_doubt())
    }

    /// Returns everything that a person should know besides.
    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.steps.iter().flat_map(|step| &step.notices)
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
    #[error("{what} does not exist: {image}")]
    Absent {
        /// What was looked for.
        what: &'static str,
        /// The image.
        image: String,
    },
    /// The registry refused the credentials, and the engine has no copy.
    #[error("{what} is not available: {image}: {reason}")]
    Denied {
        /// What was looked for.
        what: &'static str,
        /// The image.
        image: String,
        /// What the registry said.
        reason: String,
    },
    /// The registry did not answer, and the engine has no copy.
    #[error("{what} is not available: {image}: {reason}")]
    Unreachable {
        /// What was looked for.
        what: &'static str,
        /// The image.
        image: String,
        /// What happened.
        reason: String,
        /// Whether asking again later is likely to help.
        temporary: bool,
    },
    /// The image's name belongs to another choice of agent, base and extensions, whose names join to the same tag.
    #[error("the name {image} is taken by {holder}")]
    NameTaken {
        /// The name.
        image: String,
        /// What has it.
        holder: String,
    },
    /// The base's definition does not list the engine's architecture.
    #[error("base {base} is not for {platform}: architectures in {file} lists {listed}")]
    Architecture {
        /// The base.
        base: String,
        /// The engine's platform.
        platform: String,
        /// The file with the rule.
        file: String,
        /// What it lists.
        listed: String,
    },
}

/// Decides what must be done to make `target` current in `world`.
///
/// # Errors
/// [`PlanError`] when something needed is out of reach and there is no image that could be kept instead.
///
/// # Panics
/// When `world` does not have as many images as `target`.
pub fn plan(target: &Target, world: &World) -> Result<BuildPlan, PlanError> {
    assert_eq!(target.images.len(), world.images.len(), "a world shows every image of its target");
    check_platform(target, &world.platform)?;
    let mut steps: Vec<Step> = Vec::new();
    let mut missing = None;
    for (index, image) in target.images.iter().enumerate() {
        let step = match &image.making {
            Making::Published => published::decide(target, index, &world.images[index].beneath),
            Making::Built { foundation, .. } => {
                let beneath = match foundation {
                    Foundation::Image(reference) => {
                        Ok(built::Under::Seen(reference.clone(), world.images[index].beneath.clone()))
                    }
                    Foundation::Below => below(target, world, &steps, index - 1, missing.as_ref()),
                };
                beneath.and_then(|beneath| built::decide(target, index, world, &beneath))
            }
        };
        match step {
            Ok(step) => steps.push(step),
            // What stands above it may be kept as it is.
            Err(error) if !matches!(error, PlanError::NameTaken { .. }) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if steps.last().is_none_or(|step| step.index + 1 != target.images.len()) => Err(error),
        _ => Ok(BuildPlan { steps }),
    }
}

/// Returns what an image of the target stands on when that is the one before it.
fn below(
    target: &Target,
    world: &World,
    steps: &[Step],
    index: usize,
    missing: Option<&PlanError>,
) -> Result<built::Under, PlanError> {
    let reference = target.images[index].image.clone();
    let facts = &world.images[index];
    let Some(step) = steps.iter().find(|step| step.index == index) else {
        let error = missing.expect("a step that is left out has a reason").clone();
        return Ok(built::Under::Missing(error));
    };
    Ok(match &step.action {
        Action::Build { build, .. } => {
            built::Under::Rebuilt { image: reference, runs: build.unchanged < build.ingredients.layers.len() }
        }
        Action::Pull { digest, .. } => {
            let local = facts.beneath.local.clone();
            built::Under::Below(reference, BaseFacts { remote: Remote::Known(*digest), local })
        }
        Action::Keep { .. } if target.images[index].making == Making::Published => {
            built::Under::Below(reference, facts.beneath.clone())
        }
        Action::Keep { .. } => {
            let content = facts.image.as_ref().map(|image| image.content);
            let local = content.map(|content| LocalBase { content, pulled_as: None });
            built::Under::Below(reference, BaseFacts { remote: Remote::NotAsked, local })
        }
    })
}

/// Checks that the base's definition allows the engine's platform, `OS/ARCHITECTURE`; [`plan`] does so too.
///
/// # Errors
/// [`PlanError::Architecture`] when it does not.
pub fn check_platform(target: &Target, platform: &str) -> Result<(), PlanError> {
    let Some(base) = &target.base else {
        return Ok(());
    };
    let Architectures::Only(listed) = &base.metadata.architectures else {
        return Ok(());
    };
    if base.metadata.architectures.include(platform) {
        return Ok(());
    }
    Err(PlanError::Architecture {
        base: base.name.to_string(),
        platform: platform.to_owned(),
        file: base.folder.join(&base.metadata_file).display().to_string(),
        listed: listed.iter().map(|architecture| architecture.as_str()).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests;
