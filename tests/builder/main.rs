//! The builder as a process: wrong input, and failures that are hard to cause with a healthy engine.
#![expect(clippy::unwrap_used, reason = "this is test code")]

mod answers;
mod definitions;
mod environment;
mod faults;
mod hostile;
mod looks;
mod offline;
mod proxy;
mod rules;
