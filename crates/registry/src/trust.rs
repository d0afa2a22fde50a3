//! Which servers are trusted: those that an authority of the system or a given one vouches for, and those whose very
//! certificate is given.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// Says why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// What was given as certificates is none.
    #[error("the given certificates are not PEM")]
    NotPem,
    /// There are no certificates at all, as in an image made from scratch.
    #[error("this system has no certificate authorities")]
    NoAuthorities,
    /// A given certificate is none.
    #[error("{0}")]
    Damaged(Error),
}

/// Returns how TLS is spoken with servers: trusting the system's authorities, those in `given_pem`, and whoever has a
/// certificate in there itself and is called as it says.
///
/// The last is what a registry with a certificate of its own making needs, as Docker's documentation has it made: it
/// says of itself that it is an authority, which the web's rules forbid servers, and the engine's allow.
///
/// # Errors
/// [`TrustError`] when there is nothing to trust, or what is given are no certificates.
pub fn client_config(given_pem: &[u8]) -> Result<ClientConfig, TrustError> {
    config(read(given_pem)?)
}

/// Reads the certificates of a PEM text; there may be none.
pub(crate) fn read(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| TrustError::NotPem)
}

/// Returns how TLS is spoken, trusting certificates that were read.
pub(crate) fn config(given: Vec<CertificateDer<'static>>) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let vouched = Verifier::new_with_extra_roots(given.iter().cloned(), provider.clone()).map_err(|error| {
        // rustls-platform-verifier's words.
        if error.to_string().contains("No CA certificates") {
            TrustError::NoAuthorities
        } else {
            TrustError::Damaged(error)
        }
    })?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has what these versions need")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Vouched { vouched, given }))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct Vouched {
    vouched: Verifier,
    given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Vouched {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refused = match self.vouched.verify_server_cert(server, between, name, ocsp, now) {
            Err(refused) if is_authority_itself(&refused) => refused,
            settled => return settled,
        };
        // That it is valid now was looked at before what it says of itself, its name would have been after.
        if !self.given.iter().any(|given| given == server) {
            return Err(refused);
        }
        verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.vouched.verify_tls12_signature(message, server, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.vouched.verify_tls13_signature(message, server, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.vouched.supported_verify_schemes()
    }
}

/// Says whether a server was refused because its certificate is that of an authority.
pub(crate) fn is_authority_itself(refused: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(why)) = refused else {
        return false;
    };
    matches!(why.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}
