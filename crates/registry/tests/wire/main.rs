//! What registries, proxies and credential programs can do wrong, and what is asked of them, spoken over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod answers;
mod apart;
mod clear;
mod fake;
mod keychain;
mod tls;
mod tokens;
