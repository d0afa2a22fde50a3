//! The Docker Engine API: where the engine is, what it is, which images it has, under which names, and how it
//! gets others.
//!
//! A thin layer over `bollard` that turns its answers into this program's words. Its types do not leave this room.
//! Building does not live here, nor does anything that knows of agents or bases. The environment is not read: what
//! `DOCKER_HOST` says is handed in.

mod cleartext;
mod client;
mod container;
mod content;
mod endpoint;
mod error;
mod history;
mod image;
mod pull;
mod summary;

pub use client::{Engine, EngineVersion};
pub use container::{Confined, ConfinedEnd, ConfinedOutcome};
pub use endpoint::Endpoint;
pub use error::{Absence, EngineError};
pub use history::HistoryEntry;
pub use image::{ImageStore, LocalImage};
pub use pull::{PullEvent, PullFailure};
pub use summary::LocalImageSummary;
