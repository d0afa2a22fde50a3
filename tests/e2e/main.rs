//! The programs against real engines, a real registry and real packages.
#![expect(clippy::unwrap_used, reason = "this is test code")]
#![expect(clippy::print_stdout, reason = "what a run could not prove, or how long it took, is for whoever reads it")]

mod bases;
mod certificates;
mod decisions;
mod distributions;
mod examples;
mod extensions;
mod faults;
mod image;
mod interop;
mod list;
mod plan;
mod previous;
mod programs;
mod progress;
mod registry;
mod secrets;
mod sizes;
