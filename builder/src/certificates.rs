//! The company's certificates: found, checked, and bundled for one build.

use std::fs;
use std::path::{Path, PathBuf};

/// Where distributions keep the bundle of all trusted certificates (the list of Go's `crypto/x509`).
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The largest secret that BuildKit passes into a step, in bytes (`session/secrets`, `MaxSecretSize`).
const BUNDLE_LIMIT_BYTES: usize = 500 * 1024;

/// Says why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("cannot read certificates from {path}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} holds no PEM certificate")]
    Empty { path: PathBuf },
    #[error("this system has no bundle of trusted certificates at any known place")]
    NoSystemBundle,
    #[error("the certificates are {size} bytes together; a build can be given {BUNDLE_LIMIT_BYTES}")]
    TooLarge { size: usize },
}

/// Reads the certificates that `--ca-cert` means, as one PEM text.
///
/// # Errors
/// [`CertificateError`] when nothing is found, nothing is a certificate, or it is too much.
pub(crate) fn load(choice: &str, system: Option<&Path>) -> Result<Vec<u8>, CertificateError> {
    let path = if choice == "system" {
        let known = SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file());
        system.map(Path::to_owned).or(known).ok_or(CertificateError::NoSystemBundle)?
    } else {
        PathBuf::from(choice)
    };
    let unreadable = |source| CertificateError::Unreadable { path: path.clone(), source };
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in fs::read_dir(&path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if file.extension().is_some_and(|extension| extension == "crt" || extension == "pem") {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.clone());
    }
    let mut bundle = Vec::new();
    for file in &files {
        let bytes = fs::read(file).map_err(|source| CertificateError::Unreadable { path: file.clone(), source })?;
        bundle.extend_from_slice(&certificates_in(&bytes));
    }
    if bundle.is_empty() {
        return Err(CertificateError::Empty { path });
    }
    if bundle.len() > BUNDLE_LIMIT_BYTES {
        return Err(CertificateError::TooLarge { size: bundle.len() });
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
        let bundle = load(folder.path().to_str().unwrap(), None).unwrap();
        assert_eq!(String::from_utf8(bundle).unwrap(), ONE.to_owned() + &ONE.replace("AAAA", "BBBB"));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.crt");
        fs::write(&file, "nothing").unwrap();
        assert!(matches!(load(file.to_str().unwrap(), None), Err(CertificateError::Empty { .. })));
        assert!(matches!(load("/no/such/file", None), Err(CertificateError::Unreadable { .. })));
        fs::write(&file, ONE.replace("AAAA", &"A".repeat(600 * 1024))).unwrap();
        assert!(matches!(load(file.to_str().unwrap(), None), Err(CertificateError::TooLarge { .. })));
    }
}
