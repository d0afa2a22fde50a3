//! The one question that is asked of registries: which digest does this name have now?

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use domain::credential::Credential;
use domain::digest::Digest;
use domain::image::ImageRef;
use reqwest::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};

use crate::challenge::Challenge;
use crate::credential::{self, CredentialError};
use crate::error::RegistryError;
use crate::token::{self, Bearer};
use crate::transport::{Transport, host, status_failure};

/// The kinds of manifest that are understood, indexes first: what a name means is the index, where there is one.
const MANIFEST_KINDS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Where a registry says which digest it answers about (OCI distribution specification, "Pulling manifests").
const DIGEST_HEADER: &str = "Docker-Content-Digest";

/// How registries are asked.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// The folder with the docker command's `config.json`, if there may be one.
    pub docker_config: Option<PathBuf>,
    /// Certificate authorities to trust besides the system's, in PEM; may be empty.
    pub extra_roots_pem: Vec<u8>,
    /// The folder in which an engine on this machine keeps registries' certificates, each registry's in one of its name;
    /// it need not exist.
    pub engine_certificates: Option<PathBuf>,
    /// How long one request may take, connection included.
    pub answer_limit: Duration,
    /// How long one question may take, with all its requests and the program that keeps the credentials.
    pub total_limit: Duration,
    /// How long a program that keeps credentials may take. Some unlock a keychain or ask a cloud service first.
    pub keychain_limit: Duration,
}

impl Default for RegistryOptions {
    /// No credentials, the system's authorities, and the host tool's 4 s for a request. The total leaves room for a
    /// token that is slow to come, not for every limit to be reached.
    fn default() -> Self {
        Self {
            docker_config: None,
            extra_roots_pem: Vec::new(),
            engine_certificates: None,
            answer_limit: Duration::from_secs(4),
            total_limit: Duration::from_secs(20),
            keychain_limit: Duration::from_secs(10),
        }
    }
}

/// Every registry, seen with one person's credentials. Nothing is read or connected before the first question.
#[derive(Debug, Clone)]
pub struct Registry {
    transport: Transport,
    docker_config: Option<PathBuf>,
    total_limit: Duration,
    keychain_limit: Duration,
}

impl Registry {
    /// Prepares to ask registries.
    pub fn new(options: RegistryOptions) -> Self {
        Self {
            transport: Transport::new(options.extra_roots_pem, options.engine_certificates, options.answer_limit),
            docker_config: options.docker_config,
            total_limit: options.total_limit,
            keychain_limit: options.keychain_limit,
        }
    }

    /// Returns the digest of the index, or else of the manifest, that `image` names in its registry now.
    ///
    /// One `HEAD` where the registry is open; one more where it wants a password, two where it wants a token. A
    /// reference that has a digest is answered without asking. Credentials are looked up only when they are wanted;
    /// where they cannot be had, the registry is asked without, which is enough for what is public.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not know the image, does not show it, or cannot be asked.
    pub async fn digest(&self, image: &ImageRef) -> Result<Digest, RegistryError> {
        self.ask(image, Transport::address).await
    }

    /// Does the same over HTTP without TLS, credentials included, which whoever is on the way can read: only for a
    /// registry that the user has named as one to talk to so.
    ///
    /// # Errors
    /// [`RegistryError`], as for [`Self::digest`].
    pub async fn digest_in_clear(&self, image: &ImageRef) -> Result<Digest, RegistryError> {
        self.ask(image, Transport::clear_address).await
    }

    async fn ask(
        &self,
        image: &ImageRef,
        address_of: impl Fn(&str, &str) -> Result<Url, RegistryError>,
    ) -> Result<Digest, RegistryError> {
        if let Some(digest) = image.digest() {
            return Ok(digest);
        }
        let path = format!("/v2/{}/manifests/{}", image.repository().path(), image.tag().unwrap_or_default());
        let address = address_of(image.repository().registry(), &path)?;
        let question = Question { registry: self, image, address: &address, unfound: OnceLock::new() };
        let asked = tokio::time::timeout(self.total_limit, question.ask());
        let answer = asked
            .await
            .unwrap_or_else(|_| Err(RegistryError::NoAnswer { host: host(&address), limit: self.total_limit }));
        match (answer, question.unfound.into_inner()) {
            (Err(RegistryError::Denied { presented: false, .. }), Some(why)) => Err(why.into()),
            (answer, _) => answer,
        }
    }

    /// Returns the configured credentials of a registry, given by its host, with its port if it has one.
    ///
    /// # Errors
    /// [`CredentialError`] when there are some and they cannot be had. That there are none is `None`.
    pub async fn credentials(&self, registry: &str) -> Result<Option<Credential>, CredentialError> {
        match &self.docker_config {
            Some(folder) => credential::look_up(folder, registry, self.keychain_limit).await,
            None => Ok(None),
        }
    }
}

/// What a request carries in `Authorization`.
enum Proof {
    Nothing,
    Token { token: String, is_anonymous: bool },
    Password { username: String, password: String },
}

/// One question about one image.
struct Question<'a> {
    registry: &'a Registry,
    image: &'a ImageRef,
    address: &'a Url,
    /// Why configured credentials could not be had.
    unfound: OnceLock<CredentialError>,
}

impl Question<'_> {
    async fn ask(&self) -> Result<Digest, RegistryError> {
        let mut proof = Proof::Nothing;
        let mut answer = self.send(Method::HEAD, &proof).await?;
        if let Some(challenge) = challenge(&answer) {
            proof = self.prove(&challenge).await?;
            answer = self.send(Method::HEAD, &proof).await?;
        }
        match answer.status() {
            StatusCode::OK => match self.digest_in(&answer)? {
                Some(digest) => Ok(digest),
                None => self.digest_of_body(&proof).await,
            },
            // Some know no HEAD.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => self.digest_of_body(&proof).await,
            status => Err(self.refusal(status, &proof)),
        }
    }

    /// Asks for the manifest itself, where the answer to `HEAD` has no digest.
    async fn digest_of_body(&self, proof: &Proof) -> Result<Digest, RegistryError> {
        let answer = self.send(Method::GET, proof).await?;
        if answer.status() != StatusCode::OK {
            return Err(self.refusal(answer.status(), proof));
        }
        // A page that a proxy or a portal puts in the registry's place is an answer, too.
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
        if !MANIFEST_KINDS.contains(&kind.as_str()) {
            return Err(self.nonsense(format!("it is no manifest but {kind:?}")));
        }
        let said = self.digest_in(&answer)?;
        let body = self.registry.transport.body(answer, self.address).await?;
        let digest = Digest::of(&body);
        match said {
            Some(said) if said != digest => Err(self.nonsense(format!("it is called {said} but is {digest}"))),
            _ => Ok(digest),
        }
    }

    async fn send(&self, method: Method, proof: &Proof) -> Result<Response, RegistryError> {
        let transport = &self.registry.transport;
        let request = transport.client(self.address)?.request(method, self.address.clone());
        let request = request.header(ACCEPT, MANIFEST_KINDS.join(", "));
        let request = match proof {
            Proof::Nothing => request,
            Proof::Token { token, .. } => request.bearer_auth(token),
            Proof::Password { username, password } => request.basic_auth(username, Some(password)),
        };
        transport.send(request, self.address).await
    }

    /// Gets what the registry wants to see.
    async fn prove(&self, challenge: &Challenge) -> Result<Proof, RegistryError> {
        let credential = match self.registry.credentials(self.image.repository().registry()).await {
            Ok(credential) => credential,
            Err(error) => {
                tracing::debug!(%error, "asking without credentials");
                // It is asked for once in a question.
                let _ = self.unfound.set(error);
                None
            }
        };
        match challenge {
            Challenge::Bearer { realm, service, scope } => {
                let bearer =
                    Bearer { registry: self.address, realm, service: service.as_deref(), scope: scope.as_deref() };
                let path = self.image.repository().path();
                let token = token::fetch(&self.registry.transport, &bearer, path, credential.as_ref()).await?;
                Ok(Proof::Token { token, is_anonymous: credential.is_none() })
            }
            Challenge::Basic => match credential {
                Some(Credential::Password { username, password }) => Ok(Proof::Password { username, password }),
                Some(Credential::IdentityToken(_)) => Err(self.denied(true)),
                None => Err(self.denied(false)),
            },
        }
    }

    fn digest_in(&self, answer: &Response) -> Result<Option<Digest>, RegistryError> {
        let Some(said) = answer.headers().get(DIGEST_HEADER) else {
            return Ok(None);
        };
        let digest = said.to_str().ok().and_then(|text| text.parse().ok());
        digest.map(Some).ok_or_else(|| self.nonsense(format!("{DIGEST_HEADER} {said:?} is no sha256 digest")))
    }

    fn refusal(&self, status: StatusCode, proof: &Proof) -> RegistryError {
        match status {
            StatusCode::NOT_FOUND => RegistryError::Absent { host: host(self.address), image: self.image.familiar() },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.denied(match proof {
                Proof::Nothing => false,
                Proof::Token { is_anonymous, .. } => !is_anonymous,
                Proof::Password { .. } => true,
            }),
            status => status_failure(status, self.address),
        }
    }

    fn denied(&self, presented: bool) -> RegistryError {
        let repository = self.image.repository().path().to_owned();
        RegistryError::Denied { host: host(self.address), repository, presented }
    }

    fn nonsense(&self, reason: String) -> RegistryError {
        RegistryError::Answer { host: host(self.address), reason }
    }
}

/// Returns what an answer wants to see before it says more.
fn challenge(answer: &Response) -> Option<Challenge> {
    if !matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return None;
    }
    Challenge::pick(answer.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()))
}
