//! Image registries: which digest a name has there now, and with which credentials one may ask.
//!
//! Speaks the OCI distribution protocol and reads the docker command's `config.json`. Nothing is pulled or pushed here,
//! and nothing is decided. Which folder holds the config, and what is trusted besides the system's certificate
//! authorities, is handed in; proxies are taken from the environment by the HTTP library, as everywhere.

mod challenge;
mod config;
mod credential;
mod digest;
mod engine_certificates;
mod error;
mod keychain;
mod token;
mod transport;
mod trust;

pub use credential::CredentialError;
pub use digest::{Registry, RegistryOptions};
pub use error::RegistryError;
pub use trust::{TrustError, client_config};
