//! Finding and loading definitions: agents, bases, extensions, and extended images that were saved.
//!
//! Only what was asked for is read: a broken neighbour harms nobody.

mod agent;
mod base;
mod error;
mod extension;
mod find;
mod saved_image;
#[cfg(test)]
mod settled;

use std::path::{Path, PathBuf};

use domain::definition::Origin;

use crate::layout::Home;

pub use agent::{list_agents, load_agent, load_version_source};
pub use base::{base_not_found, load_base};
pub use error::{Kind, LoadError};
pub use extension::load_extension;
pub use saved_image::{SaveError, list_saved_images, load_saved_image, store_saved_image};

/// The folders that may hold definitions, for each kind in order of precedence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    agents: Vec<Root>,
    bases: Vec<Root>,
    extensions: Vec<Root>,
    images: Vec<Root>,
}

/// One folder that may hold definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Root {
    folder: PathBuf,
    origin: Origin,
}

impl Roots {
    /// Takes the user's own folders, which win, and the packaged definitions in `definitions`.
    ///
    /// That folder may be laid out as ours (`agents`, `bases`) or as the host tool's own configuration is
    /// (`agent-build/agents`, `base-build/bases`).
    pub fn new(home: &Home, definitions: Option<&Path>) -> Self {
        let own = |folder: PathBuf| Root { folder, origin: Origin::User };
        let packaged = |folders: [&str; 2]| {
            let folders = definitions.map(|root| folders.map(|folder| root.join(folder)));
            folders.into_iter().flatten().map(|folder| Root { folder, origin: Origin::Packaged })
        };
        let agents = home.agent_folders().into_iter().map(own);
        let bases = home.base_folders().into_iter().map(own);
        Self {
            agents: agents.chain(packaged(["agents", "agent-build/agents"])).collect(),
            bases: bases.chain(packaged(["bases", "base-build/bases"])).collect(),
            extensions: home.extension_folders().into_iter().map(own).collect(),
            images: home.image_folders().into_iter().map(own).collect(),
        }
    }

    fn of(&self, kind: Kind) -> &[Root] {
        match kind {
            Kind::Agent => &self.agents,
            Kind::Base => &self.bases,
            Kind::Extension => &self.extensions,
            Kind::Image => &self.images,
        }
    }
}
