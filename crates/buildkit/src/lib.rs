//! A client for BuildKit: connect, describe a graph, solve it, follow its progress.
//!
//! The client speaks for the caller to whichever BuildKit the endpoint leads to; it reads no environment, writes to no
//! terminal and knows nothing of what is built. Facts about particular engines stand beside the code that needs them.

pub mod config;
pub mod context;
pub mod dockerfile;
pub mod endpoint;
pub mod llb;
pub mod mount;
pub mod progress;
pub mod rewrite;
pub mod session;
pub mod solve;

mod capability;
mod connect;
mod dockerfile_context;
mod failure;
mod filesync;
mod follow;
mod gateway;
mod ignore;
mod rawjson;
mod serve;

pub use connect::{BuildKit, ConnectError};
pub use ignore::PatternError;
