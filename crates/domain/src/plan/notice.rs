//! What a person should know besides the reasons to build.

use std::fmt;

use serde::Serialize;

use super::{Beneath, Reason};
use crate::digest::Digest;
use crate::image::ImageRef;
use crate::recipe::BaseIdentity;
use crate::version::{AgentVersion, CachedVersion, FailedAttempt, Venue};

/// Something a person should know that is no reason to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(strum::EnumCount))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Notice {
    /// The registry could not say whether the base changed; the image is kept as far as the base goes.
    BaseNotChecked {
        /// What it is to the image.
        what: Beneath,
        /// The base.
        base: ImageRef,
        /// What the registry did.
        because: String,
    },
    /// The registry could not say whether the published image changed; the engine's copy is kept.
    ImageNotChecked {
        /// The image.
        image: ImageRef,
        /// What the registry did.
        because: String,
    },
    /// The registry could not be asked; the engine's own copy of the base is built on.
    BaseFromLocalCopy {
        /// What it is to the image.
        what: Beneath,
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
    /// What the image stands on cannot be had; the image is kept.
    BeneathMissing {
        /// Why it cannot be had.
        because: String,
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
    pub(crate) fn leaves_doubt(&self) -> bool {
        match self {
            Self::BaseNotChecked { .. }
            | Self::ImageNotChecked { .. }
            | Self::BeneathMissing { .. }
            | Self::VersionNotChecked { .. }
            | Self::UpdatePostponed { .. } => true,
            Self::BaseFromLocalCopy { .. } | Self::RecordMissing | Self::RecordDamaged { .. } => false,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BaseNotChecked { what, base, because } => {
                write!(f, "{what} {} could not be checked, the image is kept: {because}", base.familiar())
            }
            Self::ImageNotChecked { image, because } => {
                write!(f, "{} could not be checked, the engine's copy is kept: {because}", image.familiar())
            }
            Self::BaseFromLocalCopy { what, base, because } => {
                write!(f, "{what} {} could not be checked, the engine's own copy is used: {because}", base.familiar())
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
            Self::BeneathMissing { because } => {
                write!(f, "what the image stands on cannot be had, the image is kept: {because}")
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
    /// What the image stands on has the content that the image was built on.
    Base {
        /// What that is.
        what: Beneath,
        /// The content.
        base: BaseIdentity,
        /// Whether the registry was asked, rather than the engine.
        registry: bool,
        /// Whether nobody was asked, because it was named by its digest.
        pinned: bool,
    },
    /// The engine's copy is what the registry has.
    Published {
        /// The digest of the index or manifest.
        digest: Digest,
    },
    /// The definitions' files are those that the image was built from.
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
            Self::Base { what, base, pinned: true, .. } => write!(f, "{what} is pinned to {}", base.short()),
            Self::Base { what, base, registry: true, .. } => write!(f, "{what} is {} at its registry", base.short()),
            Self::Base { what, base, registry: false, .. } => write!(f, "{what} is {} in the engine", base.short()),
            Self::Published { digest } => write!(f, "it is sha256:{} at its registry", digest.short()),
            Self::Files { count: 1 } => f.write_str("1 definition file unchanged"),
            Self::Files { count } => write!(f, "{count} definition files unchanged"),
        }
    }
}
