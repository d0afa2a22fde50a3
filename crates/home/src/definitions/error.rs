//! Why a definition cannot be used, and what a person could do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use domain::definition::{DEFINITION_LIMIT_BYTES, DefinitionError};
use domain::name::{AgentName, BaseName, ExtensionName, ImageName};

/// What a definition defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An agent.
    Agent,
    /// A base.
    Base,
    /// An extension.
    Extension,
    /// An extended image that was saved.
    Image,
}

impl Kind {
    fn plural(self) -> &'static str {
        match self {
            Self::Agent => "agents",
            Self::Base => "bases",
            Self::Extension => "extensions",
            Self::Image => "images",
        }
    }

    /// Says whether `name` can name a definition of this kind.
    pub(super) fn accepts(self, name: &str) -> bool {
        match self {
            Self::Agent => AgentName::parse(name).is_ok(),
            Self::Base => BaseName::parse(name).is_ok(),
            Self::Extension => ExtensionName::parse(name).is_ok(),
            Self::Image => ImageName::parse(name).is_ok(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Base => "base",
            Self::Extension => "extension",
            Self::Image => "image",
        })
    }
}

/// Says why a definition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No root has a folder of that name.
    #[error("{kind} {name} is not defined in {}", looked_in(looked))]
    NotFound {
        /// What was looked for.
        kind: Kind,
        /// Its name.
        name: String,
        /// Every root that was looked at.
        looked: Vec<PathBuf>,
        /// What of this kind there is, by name; at first those that are spelled alike.
        available: Vec<String>,
        /// How many at the front of `available` are spelled alike.
        alike: usize,
    },
    /// The definition lacks a file that it must have.
    #[error("{kind} {name} has no {file} in {}", folder.display())]
    FileMissing {
        /// What is defined.
        kind: Kind,
        /// Its name.
        name: String,
        /// The file.
        file: &'static str,
        /// The definition's folder.
        folder: PathBuf,
    },
    /// An extension that would do nothing.
    #[error("extension {name} has no script in scripts/, no Dockerfile and no shares in {}", folder.display())]
    Empty {
        /// The extension.
        name: ExtensionName,
        /// The definition's folder.
        folder: PathBuf,
    },
    /// Two definitions would give images one name.
    #[error("{} {name} and {other} in {} differ only in case, and images are named in lower case", kind.plural(), root.display())]
    Collision {
        /// What is defined.
        kind: Kind,
        /// The name that was asked for.
        name: String,
        /// The other name.
        other: String,
        /// The folder that has both.
        root: PathBuf,
    },
    /// Something else is where a file must be.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
    },
    /// A link leads out of the definition that it is part of.
    #[error("{} is a link that leads out of its folder, to {}", path.display(), target.display())]
    LinkOutside {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// The metadata file is larger than [`DEFINITION_LIMIT_BYTES`].
    #[error("{} is larger than {DEFINITION_LIMIT_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The metadata file says something that it may not.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// A file or folder could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

fn looked_in(looked: &[PathBuf]) -> String {
    looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl LoadError {
    /// Returns what the person could do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { available, alike, .. } if *alike > 0 => {
                Some(format!("did you mean {}?", available[..*alike].join(", ")))
            }
            Self::NotFound { available, .. } if !available.is_empty() => {
                Some(format!("there are: {}", available.join(", ")))
            }
            Self::NotFound { kind: kind @ (Kind::Agent | Kind::Base), .. } => {
                let kinds = kind.plural();
                Some(format!("there are no {kinds} in these folders; name the packaged ones with --definitions"))
            }
            Self::NotFound { kind: kind @ (Kind::Extension | Kind::Image), .. } => {
                Some(format!("there are no {} in these folders", kind.plural()))
            }
            Self::Empty { .. } => Some("put a script such as scripts/01-install.sh into it".to_owned()),
            Self::Collision { .. } => Some("rename one of the two folders".to_owned()),
            Self::LinkOutside { .. } => Some("put the file itself there".to_owned()),
            Self::FileMissing { .. }
            | Self::NotAFile { .. }
            | Self::TooLarge { .. }
            | Self::Definition(_)
            | Self::Unreadable { .. } => None,
        }
    }
}

/// Names the path that could not be read, for `map_err`.
pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> LoadError {
    let path = path.to_owned();
    move |source| LoadError::Unreadable { path, source }
}
