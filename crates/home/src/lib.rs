//! The home folder on disk: where everything lies, and reading and writing it whole.
//!
//! Here live the layout, the loading of definitions, records, logs and locks. Nothing here asks a network, and nothing
//! here decides whether an image must be built.

pub mod definitions;
pub mod error;
pub mod host_record;
pub mod layout;
pub mod lock;
pub mod log;
pub mod record;
mod replace;
pub mod time;
pub mod versions;

pub use definitions::{AgentRoots, LoadError, list_agents, load_agent, load_version_source};
pub use error::DiskError;
pub use layout::{Home, ImageKey};
pub use lock::Lock;
pub use log::BuildLog;
