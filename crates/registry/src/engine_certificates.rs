//! The certificates that an engine on this machine has for one registry.
//!
//! It keeps them in a folder that is called as the registry is (Docker's documentation, "Verify repository client with
//! certificates"): authorities in `*.crt`. Those of a client, `*.cert` and `*.key`, are not used here.

use std::fs;
use std::path::Path;

use reqwest::Url;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::transport::host;
use crate::trust;

/// The most bytes of a file that are read, far above what any authority's certificates take.
const FILE_LIMIT_BYTES: u64 = 1024 * 1024;

/// Returns the certificates for the registry at `address`; none where there are none.
///
/// What this user may not read, or what is no certificate, is left out: the engine's own fetch tells of it.
pub(crate) fn of(folder: &Path, address: &Url) -> Vec<CertificateDer<'static>> {
    let with_port =
        format!("{}:{}", address.host_str().unwrap_or_default(), address.port_or_known_default().unwrap_or_default());
    let mut names = vec![host(address), with_port];
    names.dedup();
    let entries = names.iter().filter_map(|name| fs::read_dir(folder.join(name)).ok()).flatten().flatten();
    let files = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "crt"));
    let is_one = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    files.filter_map(|file| read(&file)).flatten().filter(is_one).collect()
}

fn read(file: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let about = fs::metadata(file).ok()?;
    // A pipe would be waited for.
    if !about.is_file() || about.len() > FILE_LIMIT_BYTES {
        return None;
    }
    trust::read(&fs::read(file).ok()?).ok()
}
