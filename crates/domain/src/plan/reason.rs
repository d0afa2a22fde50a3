//! Why an image must be built.

use std::fmt;

use serde::Serialize;

use crate::digest::Digest;
use crate::files::FileChange;
use crate::image::ImageRef;
use crate::name::ExtensionName;
use crate::recipe::BaseIdentity;
use crate::version::{AgentVersion, Venue};

/// What an image stands on, as people call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Beneath {
    /// The root image of a custom base.
    Root,
    /// The base of a final image.
    Base,
    /// The image beneath an extended one.
    Image,
}

impl fmt::Display for Beneath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root image",
            Self::Base => "base",
            Self::Image => "image beneath",
        })
    }
}

/// Why an image must be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(strum::EnumCount))]
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
    /// The image beneath is built anew first.
    BeneathRebuilt {
        /// That image.
        image: ImageRef,
    },
    /// The registry has another image under this name.
    PublishedChanged {
        /// The digest under which the engine pulled its copy, if it knows one.
        from: Option<Digest>,
        /// The registry's.
        to: Digest,
    },
    /// What the image stands on has another name now.
    BeneathRenamed {
        /// What that is.
        what: Beneath,
        /// The image's.
        from: String,
        /// The one to build on.
        to: ImageRef,
    },
    /// What the image stands on has other content now.
    BaseChanged {
        /// What that is.
        what: Beneath,
        /// The image's; `None` when its label is damaged.
        from: Option<BaseIdentity>,
        /// The one to build on.
        to: BaseIdentity,
    },
    /// The saved choice of agent, base and extensions is another one, or their order is.
    SelectionChanged {
        /// The image's.
        from: String,
        /// What is to be built.
        to: String,
    },
    /// A file of a definition differs.
    FileChanged {
        /// The extension that it belongs to; `None` for the image's only definition.
        extension: Option<ExtensionName>,
        /// Its path in the definition's folder.
        path: String,
        /// How it differs.
        change: FileChange,
    },
    /// A definition's files differ, and no record says which.
    FilesChanged {
        /// The extension that they belong to; `None` for the image's only definition.
        extension: Option<ExtensionName>,
    },
    /// A secret that the steps can see has another value.
    SecretChanged {
        /// Its id.
        id: String,
    },
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
            Self::BeneathRebuilt { image } => write!(f, "{} beneath it is built first", image.familiar()),
            Self::PublishedChanged { from: Some(from), to } => {
                write!(f, "published image sha256:{} -> sha256:{}", from.short(), to.short())
            }
            Self::PublishedChanged { from: None, to } => write!(f, "published image is sha256:{} now", to.short()),
            Self::BeneathRenamed { what, from, to } => write!(f, "{what} {from} -> {}", to.familiar()),
            Self::BaseChanged { what, from: Some(from), to } => {
                write!(f, "{what} {} -> {}", from.short(), to.short())
            }
            Self::BaseChanged { what, from: None, to } => write!(f, "{what} unknown -> {}", to.short()),
            Self::SelectionChanged { from, to } => write!(f, "{from} -> {to}"),
            Self::FileChanged { extension, path, change } => {
                if let Some(name) = extension {
                    write!(f, "extension {name}: ")?;
                }
                match change {
                    FileChange::Added => write!(f, "file {path} added"),
                    FileChange::Removed => write!(f, "file {path} removed"),
                    FileChange::Content => write!(f, "file {path} changed"),
                    FileChange::Mode => write!(f, "file {path} changed its mode"),
                }
            }
            Self::FilesChanged { extension: None } => f.write_str("definition files changed (no record names them)"),
            Self::FilesChanged { extension: Some(name) } => {
                write!(f, "files of extension {name} changed (no record names them)")
            }
            Self::SecretChanged { id } => write!(f, "secret {id} changed"),
            Self::MetadataChanged { key, from, to } => write!(f, "{key} {from:?} -> {to:?}"),
            Self::PlatformChanged { from, to } => write!(f, "platform {from} -> {to}"),
            Self::RecipeChanged => f.write_str("recipe changed"),
            Self::Forced => f.write_str("asked for with --force"),
        }
    }
}
