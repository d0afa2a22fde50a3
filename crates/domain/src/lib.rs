//! The words of this program and its decisions, as pure values.
//!
//! Here live names, image references, credentials, definitions, what was asked for, what was observed, the recipe of an image
//! and the one function that decides what must be built. Nothing here touches a disk, a network, a clock or the
//! environment: whatever a decision needs is handed in.

pub mod credential;
pub mod definition;
pub mod digest;
pub mod files;
pub mod image;
pub mod name;
pub mod plan;
pub mod recipe;
pub mod record;
pub mod remembered;
pub mod request;
pub mod source;
pub mod target;
pub mod version;
pub mod world;
