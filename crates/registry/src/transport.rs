//! HTTP to registries: which scheme, whose certificates, how long, and what a failure means.

use std::collections::HashMap;
use std::error::Error;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use rustls::pki_types::CertificateDer;

use crate::engine_certificates;
use crate::error::RegistryError;
use crate::trust::{self, TrustError};

/// The most bytes of an answer that are read: what a registry may refuse a manifest for
/// (OCI distribution specification, "Pushing Manifests": at least 4 MiB should be accepted).
const BODY_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// How this program names itself.
const USER_AGENT: &str = concat!("aicage-builder/", env!("CARGO_PKG_VERSION"));

/// The clients that requests are made with. Each is made when it is first needed: reading the system's certificate
/// authorities takes longer than a whole decision without a registry.
#[derive(Debug, Clone)]
pub(crate) struct Transport(Arc<Clients>);

#[derive(Debug)]
struct Clients {
    /// For registries on this machine: no TLS, no proxy, as the docker command has it.
    plain: OnceLock<Result<Client, String>>,
    secure: OnceLock<Result<Client, String>>,
    /// For the registries for which the engine has certificates, by host.
    of_engine: Mutex<HashMap<String, Result<Client, String>>>,
    extra_roots_pem: Vec<u8>,
    engine_certificates: Option<PathBuf>,
    answer_limit: Duration,
}

impl Transport {
    pub(crate) fn new(extra_roots_pem: Vec<u8>, engine_certificates: Option<PathBuf>, answer_limit: Duration) -> Self {
        Self(Arc::new(Clients {
            plain: OnceLock::new(),
            secure: OnceLock::new(),
            of_engine: Mutex::default(),
            extra_roots_pem,
            engine_certificates,
            answer_limit,
        }))
    }

    /// Returns the address that `path` has at `registry`: plain HTTP on this machine, HTTPS everywhere else.
    pub(crate) fn address(registry: &str, path: &str) -> Result<Url, RegistryError> {
        let address = parse("https", registry, path)?;
        if is_loopback(&address) { parse("http", registry, path) } else { Ok(address) }
    }

    /// Returns the address that `path` has at `registry` without TLS.
    pub(crate) fn clear_address(registry: &str, path: &str) -> Result<Url, RegistryError> {
        parse("http", registry, path)
    }

    /// Says whether a secret may be sent to `address`: over TLS, or within this machine.
    pub(crate) fn keeps_secrets(address: &Url) -> bool {
        address.scheme() == "https" || (address.scheme() == "http" && is_loopback(address))
    }

    /// Returns the client for requests to `address`.
    pub(crate) fn client(&self, address: &Url) -> Result<Client, RegistryError> {
        let clients = &*self.0;
        let made = if address.scheme() == "http" && is_loopback(address) {
            clients.plain.get_or_init(|| clients.make_plain()).clone()
        } else {
            clients.secure(address)
        };
        made.map_err(|reason| RegistryError::Untrusted { host: host(address), reason })
    }

    /// Sends a request and returns the head of the answer.
    pub(crate) async fn send(&self, request: RequestBuilder, address: &Url) -> Result<Response, RegistryError> {
        let answer = request.send().await.map_err(|error| self.failure(&error, address))?;
        tracing::debug!(
            host = host(address),
            path = address.path(),
            status = answer.status().as_u16(),
            "registry answered"
        );
        Ok(answer)
    }

    /// Reads the body of an answer.
    pub(crate) async fn body(&self, mut answer: Response, address: &Url) -> Result<Vec<u8>, RegistryError> {
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| self.failure(&error, address))? {
            if body.len() + part.len() > BODY_LIMIT_BYTES {
                let reason = format!("it is longer than {BODY_LIMIT_BYTES} bytes");
                return Err(RegistryError::Answer { host: host(address), reason });
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }

    fn failure(&self, error: &reqwest::Error, address: &Url) -> RegistryError {
        let host = host(address);
        if error.is_timeout() {
            return RegistryError::NoAnswer { host, limit: self.0.answer_limit };
        }
        if causes(error).any(speaks_no_tls) {
            return RegistryError::Cleartext { host };
        }
        if let Some(tls) = causes(error).find_map(tls_failure) {
            return RegistryError::Untrusted { host, reason: tls };
        }
        let reason = innermost(error);
        if error.is_connect() {
            RegistryError::Unreachable { host, reason, is_refused: causes(error).any(is_refusal) }
        } else if error.is_redirect() || error.is_builder() {
            RegistryError::Answer { host, reason }
        } else {
            RegistryError::Broken { host, reason }
        }
    }
}

impl Clients {
    fn make_plain(&self) -> Result<Client, String> {
        self.make(|builder| builder.no_proxy().tls_certs_only([]))
    }

    fn secure(&self, address: &Url) -> Result<Client, String> {
        let folder = self.engine_certificates.as_deref().filter(|_| address.scheme() == "https");
        let own = folder.map(|folder| engine_certificates::of(folder, address)).unwrap_or_default();
        if own.is_empty() {
            return self.secure.get_or_init(|| self.make_secure(own)).clone();
        }
        let mut made = self.of_engine.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(host(address)).or_insert_with(|| self.make_secure(own)).clone()
    }

    fn make_secure(&self, own: Vec<CertificateDer<'static>>) -> Result<Client, String> {
        let mut given = trust::read(&self.extra_roots_pem).map_err(|error| error.to_string())?;
        if given.is_empty() && !self.extra_roots_pem.is_empty() {
            return Err(TrustError::NotPem.to_string());
        }
        given.extend(own);
        let config = trust::config(given).map_err(|error| error.to_string())?;
        self.make(|builder| builder.tls_backend_preconfigured(config))
    }

    fn make(&self, choose: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Result<Client, String> {
        // reqwest takes the process's provider; that one is installed already is no failure.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder().user_agent(USER_AGENT).timeout(self.answer_limit);
        choose(builder).build().map_err(|error| innermost(&error))
    }
}

fn parse(scheme: &str, registry: &str, path: &str) -> Result<Url, RegistryError> {
    let host = match registry {
        "docker.io" => "registry-1.docker.io",
        host => host,
    };
    Url::parse(&format!("{scheme}://{host}{path}")).map_err(|error| RegistryError::Unreachable {
        host: host.to_owned(),
        reason: error.to_string(),
        is_refused: false,
    })
}

fn is_refusal(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Returns the host of an address, with the port if it is not the usual one.
pub(crate) fn host(address: &Url) -> String {
    let host = address.host_str().unwrap_or_default();
    address.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Translates a status that is neither success nor one that the caller knows what to do with.
pub(crate) fn status_failure(status: StatusCode, address: &Url) -> RegistryError {
    let temporary = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    RegistryError::Status { host: host(address), status: status.to_string(), temporary }
}

fn is_loopback(address: &Url) -> bool {
    let name = address.host_str().unwrap_or_default();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Walks from an error to what caused it, looking into I/O errors, which hide theirs.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let hidden = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        hidden.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

/// Returns the words of the first cause; what stands above it repeats it, and may hold a whole address.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let words = causes(error).last().map_or_else(String::new, ToString::to_string);
    // hyper-util's words for what a proxy answers to CONNECT.
    match words.strip_prefix("tunnel error: ") {
        Some("unsuccessful") => "the proxy did not let the connection through".to_owned(),
        Some(why) => format!("the proxy did not let the connection through: {why}"),
        None => words,
    }
}

/// Says whether what came instead of TLS is something else, as it is from a server that speaks HTTP alone.
fn speaks_no_tls(error: &(dyn Error + 'static)) -> bool {
    use rustls::{Error, InvalidMessage};
    matches!(error.downcast_ref(), Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

/// Says what is wrong with a server's certificate, if it is the certificate.
fn tls_failure(error: &(dyn Error + 'static)) -> Option<String> {
    use rustls::CertificateError;
    let error = error.downcast_ref::<rustls::Error>()?;
    if trust::is_authority_itself(error) {
        return Some("its certificate is an authority's own, and not one that was given".to_owned());
    }
    let rustls::Error::InvalidCertificate(why) = error else {
        return None;
    };
    Some(match why {
        CertificateError::UnknownIssuer => {
            "its certificate is signed by an authority that is not trusted here".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        other => format!("its certificate is not valid: {other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(registry: &str) -> String {
        Transport::address(registry, "/v2/x").unwrap().to_string()
    }

    #[test]
    fn only_this_machine_is_asked_in_the_clear() {
        assert_eq!(address("docker.io"), "https://registry-1.docker.io/v2/x");
        assert_eq!(address("ghcr.io"), "https://ghcr.io/v2/x");
        assert_eq!(address("10.0.0.1:5000"), "https://10.0.0.1:5000/v2/x");
        assert_eq!(address("localhost.example.org"), "https://localhost.example.org/v2/x");
        assert_eq!(address("localhost:5000"), "http://localhost:5000/v2/x");
        assert_eq!(address("127.8.0.1:5000"), "http://127.8.0.1:5000/v2/x");
        assert_eq!(address("[::1]:5000"), "http://[::1]:5000/v2/x");
    }

    #[test]
    fn secrets_go_over_tls_or_stay_here() {
        let keeps = |address: &str| Transport::keeps_secrets(&Url::parse(address).unwrap());
        assert!(keeps("https://auth.docker.io/token"));
        assert!(keeps("http://127.0.0.1:5001/token"));
        assert!(!keeps("http://auth.docker.io/token"));
    }

    #[test]
    fn certificates_that_are_none_are_said() {
        let transport = Transport::new(b"no PEM".to_vec(), None, Duration::from_secs(4));
        let error = transport.client(&Url::parse("https://ghcr.io/").unwrap()).unwrap_err();
        insta::assert_snapshot!(error, @"the registry ghcr.io is not trusted: the given certificates are not PEM");
    }
}
