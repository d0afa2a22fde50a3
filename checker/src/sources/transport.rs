//! HTTP to servers of versions: whose certificates, which proxy, how often, and what a failure means.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{ACCEPT, AUTHORIZATION, ETAG, HeaderMap, IF_NONE_MATCH, LINK, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Client, NoProxy, Proxy, StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::error::SourceError;
use super::memory::Memory;
use super::request::{Request, Way};

/// The most bytes of an answer that are read. The largest known page of a package index has some 3 MiB.
const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// How often a question is asked that a server could not answer just then.
const TRIES: u32 = 3;

/// How long is waited before the second try; twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How long GitHub counts questions, and so the longest that it wants to be left alone.
const RATE_LIMIT_PERIOD: Duration = Duration::from_secs(3600);

/// How many times a server may send us elsewhere.
const REDIRECTS: usize = 5;

/// How this program names itself.
const USER_AGENT: &str = concat!("aicage-checker/", env!("CARGO_PKG_VERSION"));

/// An answer that was read whole.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// The body.
    pub(super) body: Arc<Vec<u8>>,
    /// The address of the next page, if there is one (`Link`, RFC 8288).
    pub(super) next: Option<String>,
}

impl Answer {
    /// Reads the answer to `request` as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, request: &Request) -> Result<T, SourceError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| SourceError::Answer { address: plain(&request.address), reason: error.to_string() })
    }
}

/// Either an answer or the demand for credentials of an image registry.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// It answered.
    Answer(Answer),
    /// It wants a token first; the value of `WWW-Authenticate`.
    Challenge(String),
}

type Once = Arc<OnceCell<Result<Outcome, SourceError>>>;

/// Asks questions, the same one once.
#[derive(Debug)]
pub(super) struct Transport {
    /// Certificates that the user gave, as PEM.
    extra_roots_pem: Vec<u8>,
    memory: Memory,
    clients: Mutex<HashMap<(Way, bool), Client>>,
    asked: Mutex<HashMap<Request, Once>>,
}

impl Transport {
    /// Trusts the system's certificates and `extra_roots_pem`; keeps answers in `memory`.
    pub(super) fn new(extra_roots_pem: Vec<u8>, memory: Memory) -> Self {
        Self { extra_roots_pem, memory, clients: Mutex::default(), asked: Mutex::default() }
    }

    /// Returns the certificates that the user gave.
    pub(super) fn extra_roots_pem(&self) -> &[u8] {
        &self.extra_roots_pem
    }

    /// Asks, or returns what the same question was answered with in this run.
    pub(super) async fn get(&self, request: &Request, limit: Duration) -> Result<Answer, SourceError> {
        match self.ask(request, limit).await? {
            Outcome::Answer(answer) => Ok(answer),
            Outcome::Challenge(_) => {
                Err(SourceError::Denied { host: host(&request.address), status: StatusCode::UNAUTHORIZED.as_u16() })
            }
        }
    }

    /// Asks like [`Self::get`], and hands a demand for credentials to the caller.
    pub(super) async fn ask(&self, request: &Request, limit: Duration) -> Result<Outcome, SourceError> {
        let once = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.entry(request.clone()).or_default().clone()
        };
        once.get_or_init(|| self.ask_with_patience(request, limit)).await.clone()
    }

    async fn ask_with_patience(&self, request: &Request, limit: Duration) -> Result<Outcome, SourceError> {
        let tried = tokio::time::timeout(limit, async {
            let mut pause = FIRST_PAUSE;
            for _ in 1..TRIES {
                match self.ask_once(request).await {
                    Err(error) if error.is_temporary() => {
                        let wait = match &error {
                            SourceError::Busy { wait: Some(wait), .. } => *wait,
                            _ => pause,
                        };
                        // Waiting beyond the limit only to fail then would help nobody.
                        if wait >= limit {
                            return Err(error);
                        }
                        tokio::time::sleep(wait).await;
                        pause *= 2;
                    }
                    settled => return settled,
                }
            }
            self.ask_once(request).await
        });
        tried.await.unwrap_or_else(|_| Err(SourceError::NoAnswer { host: host(&request.address), limit }))
    }

    async fn ask_once(&self, request: &Request) -> Result<Outcome, SourceError> {
        let address = Url::parse(&request.address)
            .map_err(|error| SourceError::Unsupported(format!("{} is no address: {error}", plain(&request.address))))?;
        let host = host(&request.address);
        let failed = |error: reqwest::Error| failure(&error, &host);
        let known = self.memory.recall(request);
        let mut asked = self.client(&request.way, &address)?.get(address).header(ACCEPT, request.accept);
        if let Some(authorization) = &request.authorization {
            asked = asked.header(AUTHORIZATION, authorization);
        }
        if let Some(known) = &known {
            asked = asked.header(IF_NONE_MATCH, &known.etag);
        }
        let mut answer = asked.send().await.map_err(failed)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        if let Some(known) = known
            && status == StatusCode::NOT_MODIFIED
        {
            return Ok(Outcome::Answer(Answer { body: Arc::new(known.body.into_bytes()), next: known.next }));
        }
        if status == StatusCode::UNAUTHORIZED
            && let Some(challenge) = text(&headers, WWW_AUTHENTICATE)
        {
            return Ok(Outcome::Challenge(challenge));
        }
        check(status, &headers, &request.address)?;
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(failed)? {
            if body.len() + part.len() > BODY_LIMIT_BYTES {
                return Err(SourceError::TooLong { host, limit_bytes: BODY_LIMIT_BYTES });
            }
            body.extend_from_slice(&part);
        }
        let next = text(&headers, LINK).and_then(|link| next_page(&link, answer.url()));
        if let Some(etag) = text(&headers, ETAG) {
            self.memory.keep(request, etag, &body, next.clone());
        }
        Ok(Outcome::Answer(Answer { body: Arc::new(body), next }))
    }

    fn client(&self, way: &Way, address: &Url) -> Result<Client, SourceError> {
        // Reading the system's certificates takes longer than a question within this machine.
        let is_plain = address.scheme() == "http" && is_loopback(address);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&(way.clone(), is_plain)) {
            return Ok(client.clone());
        }
        // reqwest takes the process's provider; that one is installed already is no failure.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder().user_agent(USER_AGENT).redirect(Policy::limited(REDIRECTS));
        let host = host(address.as_str());
        let untrusted =
            |error: reqwest::Error| SourceError::Untrusted { host: host.clone(), reason: innermost(&error) };
        if is_plain {
            builder = builder.no_proxy().tls_certs_only([]);
        } else {
            let mut pem = self.extra_roots_pem.clone();
            for path in &way.ca_files {
                pem.push(b'\n');
                pem.extend(fs::read(path).map_err(SourceError::configuration(path.clone()))?);
            }
            let config = registry::client_config(&pem)
                .map_err(|error| SourceError::Untrusted { host: host.clone(), reason: error.to_string() })?;
            builder = builder.tls_backend_preconfigured(config);
            if let Some(proxy) = &way.proxy {
                let unusable = |_| SourceError::Unsupported("its proxy is no address".to_owned());
                let no_proxy = way.no_proxy.as_deref().and_then(NoProxy::from_string);
                builder = builder.proxy(Proxy::all(proxy.as_str()).map_err(unusable)?.no_proxy(no_proxy));
            }
        }
        let client = builder.build().map_err(untrusted)?;
        clients.insert((way.clone(), is_plain), client.clone());
        Ok(client)
    }
}

fn check(status: StatusCode, headers: &HeaderMap, address: &str) -> Result<(), SourceError> {
    let host = host(address);
    let number = status.as_u16();
    // GitHub's word for "too many questions" is 403 with one of these ("Rate limits for the REST API").
    let is_limit =
        text_of(headers, "x-ratelimit-remaining").is_some_and(|left| left == "0") || headers.contains_key(RETRY_AFTER);
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(SourceError::Absent { address: plain(address) }),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(SourceError::Busy { host, status: number, wait: wait(headers) })
        }
        StatusCode::FORBIDDEN if is_limit => {
            let wait = wait(headers).or_else(|| reset(headers)).unwrap_or(RATE_LIMIT_PERIOD);
            Err(SourceError::Busy { host, status: number, wait: Some(wait) })
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(SourceError::Denied { host, status: number }),
        _ => Err(SourceError::Status { host, status: number }),
    }
}

/// Reads `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER)?;
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::DateTimeParser::new().parse_timestamp(value.trim().replace("GMT", "+0000")).ok()?;
    Some(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default())
}

/// Reads GitHub's `x-ratelimit-reset`: seconds since 1970.
fn reset(headers: &HeaderMap) -> Option<Duration> {
    let at = Timestamp::from_second(text_of(headers, "x-ratelimit-reset")?.trim().parse().ok()?).ok()?;
    // The clocks of two machines differ by moments, and a whole second is what it counts in.
    let left = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
    Some(left + Duration::from_secs(1))
}

/// Reads the address of the next page from `Link`; one on another host is none.
fn next_page(link: &str, here: &Url) -> Option<String> {
    let parts = link.split(',').filter_map(|part| part.trim().split_once('>'));
    let mut next = parts.filter(|(_, rest)| rest.replace(' ', "").contains("rel=\"next\"")).map(|(address, _)| address);
    let address = here.join(next.next_back()?.trim().trim_start_matches('<')).ok()?;
    (address.origin() == here.origin()).then(|| address.to_string())
}

fn text(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<String> {
    text_of(headers, name.as_str())
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Returns the host of an address, with the port if it is not the usual one.
pub(super) fn host(address: &str) -> String {
    let Ok(address) = Url::parse(address) else { return "the server".to_owned() };
    let host = address.host_str().unwrap_or_default();
    address.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Returns an address without what may be secret in it: credentials and the query.
pub(super) fn plain(address: &str) -> String {
    let Ok(mut address) = Url::parse(address) else { return "the address".to_owned() };
    let _ = address.set_username("");
    let _ = address.set_password(None);
    address.set_query(None);
    address.to_string()
}

/// Says whether a secret may be sent to `address`: over TLS, or within this machine.
pub(super) fn keeps_secrets(address: &str) -> bool {
    Url::parse(address).is_ok_and(|address| address.scheme() == "https" || is_loopback(&address))
}

fn is_loopback(address: &Url) -> bool {
    let name = address.host_str().unwrap_or_default();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn failure(error: &reqwest::Error, host: &str) -> SourceError {
    let host = host.to_owned();
    let tls = causes(error).find_map(|cause| match cause.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(_) => Some("its certificate is not one that is trusted here".to_owned()),
        _ => None,
    });
    match tls {
        Some(reason) => SourceError::Untrusted { host, reason },
        None => SourceError::Unreachable { host, reason: innermost(error) },
    }
}

/// Walks from an error to what caused it, looking into I/O errors, which hide theirs.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let hidden = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        hidden.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

/// Returns the words of the first cause; what stands above it may hold a whole address.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_on_the_same_host() {
        let here = Url::parse("https://example.org/tags?page=1").unwrap();
        let link = "<https://example.org/tags?page=2>; rel=\"next\", <https://example.org/tags?page=9>; rel=\"last\"";
        assert_eq!(next_page(link, &here).as_deref(), Some("https://example.org/tags?page=2"));
        assert_eq!(
            next_page("</v2/x/tags/list?last=b>; rel=\"next\"", &here).as_deref(),
            Some("https://example.org/v2/x/tags/list?last=b")
        );
        assert_eq!(next_page("<https://elsewhere.example/x>; rel=\"next\"", &here), None);
        assert_eq!(next_page("<https://example.org/tags?page=9>; rel=\"last\"", &here), None);
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let headers = |value: &str| HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
        assert_eq!(wait(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(wait(&headers("Wed, 21 Oct 2015 07:28:00 GMT")), Some(Duration::ZERO));
        assert_eq!(wait(&headers("soon")), None);
    }

    #[test]
    fn what_is_shown_of_an_address_holds_no_secret() {
        assert_eq!(plain("https://me:secret@example.org/x?token=secret"), "https://example.org/x");
        assert_eq!(host("https://me:secret@example.org:8443/x"), "example.org:8443");
        assert!(keeps_secrets("http://127.0.0.1:80/") && !keeps_secrets("http://example.org/"));
    }
}
