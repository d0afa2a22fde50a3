//! The company's certificates: checked, and bundled for one build.

use std::path::Path;

use home::certificates;

use crate::secrets::SECRET_LIMIT_BYTES;

/// Where an engine keeps the certificates of registries (Docker's documentation, "Verify repository client with
/// certificates").
pub(crate) const OF_ENGINE: &str = "/etc/docker/certs.d";

/// Says why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error(transparent)]
    Unreadable(#[from] certificates::Unreadable),
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
    let bundle = if choice == "system" {
        let bundle = system.map(Path::to_owned).or_else(certificates::system_bundle);
        certificates::read_system(&bundle.ok_or(CertificateError::NoSystemBundle)?)?
    } else {
        certificates::read(Path::new(choice))?
    };
    if bundle.len() as u64 > SECRET_LIMIT_BYTES {
        return Err(CertificateError::TooLarge { size: bundle.len() });
    }
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.crt");
        let choice = file.to_str().unwrap();
        for text in ["nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            fs::write(&file, text).unwrap();
            assert!(matches!(load(choice, None), Err(CertificateError::Unreadable(_))), "{text}");
        }
        assert!(matches!(load("system", Some(&file)), Err(CertificateError::Unreadable(_))));
        assert!(matches!(load("/no/such/file", None), Err(CertificateError::Unreadable(_))));
        let one = rcgen::generate_simple_self_signed(["box".to_owned()]).unwrap().cert.pem();
        fs::write(&file, one.repeat(SECRET_LIMIT_BYTES as usize / one.len() + 1)).unwrap();
        assert!(matches!(load(choice, None), Err(CertificateError::TooLarge { .. })));
    }
}
