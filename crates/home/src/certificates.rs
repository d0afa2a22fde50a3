//! Certificates on disk: the system's, and those in a file or folder that a person names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where distributions keep the bundle of all trusted certificates (the list of Go's `crypto/x509`).
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Returns the first of the usual places that has the system's bundle of trusted certificates.
pub fn system_bundle() -> Option<PathBuf> {
    SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// A file or folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read certificates from {}", path.display())]
pub struct Unreadable {
    /// The file or folder.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Returns the certificates in a file, or in all `.crt` and `.pem` files of a folder by name, as PEM and without
/// anything else that stands beside them: private keys above all. It is empty when there are none.
///
/// # Errors
/// [`Unreadable`] when the file, the folder or a file in it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| Unreadable { path, source }
    };
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(unreadable(path))? {
            let file = entry.map_err(unreadable(path))?.path();
            if file.extension().is_some_and(|extension| extension == "crt" || extension == "pem") {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let mut bundle = Vec::new();
    for file in &files {
        bundle.extend_from_slice(&certificates_in(&fs::read(file).map_err(unreadable(file))?));
    }
    Ok(bundle)
}

/// Returns the certificates of a PEM text and nothing else: no private key, no comment.
fn certificates_in(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut found = String::new();
    let mut within = false;
    for line in text.lines().map(str::trim_end) {
        within |= matches!(line, "-----BEGIN CERTIFICATE-----" | "-----BEGIN TRUSTED CERTIFICATE-----");
        if within {
            found.push_str(line);
            found.push('\n');
        }
        within &= !line.starts_with("-----END ");
    }
    found.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn a_private_key_beside_a_certificate_is_left_out() {
        let text = format!("comment\n-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\r\n{ONE}tail\n");
        assert_eq!(certificates_in(text.as_bytes()), ONE.as_bytes());
    }

    #[test]
    fn a_folder_gives_all_its_certificates_in_order() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.crt"), ONE.replace("AAAA", "BBBB")).unwrap();
        fs::write(folder.path().join("a.pem"), ONE).unwrap();
        fs::write(folder.path().join("readme.txt"), ONE).unwrap();
        let bundle = read(folder.path()).unwrap();
        assert_eq!(String::from_utf8(bundle).unwrap(), ONE.to_owned() + &ONE.replace("AAAA", "BBBB"));
    }

    #[test]
    fn what_is_not_there_is_said_with_its_path() {
        assert_eq!(read(Path::new("/no/such/file")).unwrap_err().path, Path::new("/no/such/file"));
    }
}
