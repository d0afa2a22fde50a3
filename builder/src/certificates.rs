//! The company's certificates: checked, and bundled for one build.

use std::path::{Path, PathBuf};

use home::certificates;

use crate::secrets::SECRET_LIMIT_BYTES;

/// Says why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error(transparent)]
    Unreadable(#[from] certificates::Unreadable),
    #[error("{path} holds no PEM certificate")]
    Empty { path: PathBuf },
    #[error("this system has no bundle of trusted certificates at any known place")]
    NoSystemBundle,
    #[error("the certificates are {size} bytes together; a build can be given {SECRET_LIMIT_BYTES}")]
    TooLarge { size: usize },
}

/// Reads the certificates that `--ca-cert` means, as one PEM text.
///
/// # Errors
/// [`CertificateError`] when nothing is found, nothing is a certificate, or it is too much.
pub(crate) fn load(choice: &str, system: Option<&Path>) -> Result<Vec<u8>, CertificateError> {
    let path = if choice == "system" {
        system.map(Path::to_owned).or_else(certificates::system_bundle).ok_or(CertificateError::NoSystemBundle)?
    } else {
        PathBuf::from(choice)
    };
    let bundle = certificates::read(&path)?;
    if bundle.is_empty() {
        return Err(CertificateError::Empty { path });
    }
    if bundle.len() as u64 > SECRET_LIMIT_BYTES {
        return Err(CertificateError::TooLarge { size: bundle.len() });
    }
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn what_is_no_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.crt");
        fs::write(&file, "nothing").unwrap();
        assert!(matches!(load(file.to_str().unwrap(), None), Err(CertificateError::Empty { .. })));
        assert!(matches!(load("/no/such/file", None), Err(CertificateError::Unreadable(_))));
        fs::write(&file, ONE.replace("AAAA", &"A".repeat(600 * 1024))).unwrap();
        assert!(matches!(load(file.to_str().unwrap(), None), Err(CertificateError::TooLarge { .. })));
    }
}
