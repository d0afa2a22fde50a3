//! The floor plan as a test: which room may use which, what none may contain, and that the documents stand.
//!
//! The compiler keeps a room from using what its `Cargo.toml` does not name; these tests keep the `Cargo.toml` files to
//! the plan, and the rest to rules that no compiler knows.

mod dependencies;
mod documents;
mod sources;
mod tree;
mod words;
