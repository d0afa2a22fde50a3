//! The built program as a process, with real scripts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod container;
mod fixture;
mod hostile;
mod interrupted;
mod networks;
mod real;
mod refused;
mod registries;
mod server;
mod sources;
