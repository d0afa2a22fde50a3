//! The home folder on disk: where everything lies, and reading and writing it whole.
//!
//! Here live the layout, the loading of definitions, records, logs and locks. Nothing here asks a network, and nothing
//! here decides whether an image must be built.

pub mod certificates;
pub mod definitions;
pub mod error;
mod extension_hash;
pub mod host_record;
pub mod layout;
pub mod lock;
pub mod log;
pub mod record;
mod replace;
mod salt;
pub mod time;
pub mod versions;

pub use definitions::{
    LoadError, Roots, SaveError, base_not_found, list_agents, list_saved_images, load_agent, load_base, load_extension,
    load_saved_image, load_version_source, store_saved_image,
};
pub use error::DiskError;
pub use extension_hash::extension_hash;
pub use layout::{Home, ImageKey, LogSubject};
pub use lock::Lock;
pub use log::BuildLog;
pub use replace::Prepared;
pub use salt::{salt, salt_to_look};
