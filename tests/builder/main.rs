//! The builder as a process: wrong input, and failures that are hard to cause with a healthy engine.
#![expect(clippy::unwrap_used, reason = "this is test code")]

mod answers;
mod definitions;
mod faults;
mod hostile;
mod offline;
mod looks;
mod proxy;
mod rules;
