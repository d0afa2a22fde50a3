//! How a program talks: its arguments, exit codes, failures, progress, its log and its answer.
//!
//! Everything for people goes to standard error, the answer to standard output. Whatever text comes from outside is
//! made harmless for a terminal here. What is said, and about what, is the caller's business.

pub mod answer;
pub mod arguments;
pub mod exit;
pub mod failure;
mod lines;
pub mod logging;
pub mod masking;
pub mod panics;
pub mod printable;
pub mod progress;
pub mod signals;
mod stderr;
pub mod terminal;
