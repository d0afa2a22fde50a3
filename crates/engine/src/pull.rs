//! Having the engine pull an image from its registry.

use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error as BollardError;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use domain::credential::Credential;
use domain::image::ImageRef;
use futures_util::StreamExt as _;

use crate::client::Engine;
use crate::error::EngineError;

/// How long an engine may say nothing while it pulls.
///
/// It tells of every piece that it downloads and unpacks; the longest silence is a large layer being unpacked.
const SILENCE_LIMIT: Duration = Duration::from_secs(600);

/// The header in which an engine is given credentials.
const CREDENTIAL_HEADER: &str = "x-registry-auth";

/// Something that an engine said while it pulled; its words are Docker's own and differ between engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullEvent {
    /// What goes on, such as `Downloading`.
    pub status: String,
    /// What it is about: a layer by the beginning of its digest, or the tag.
    pub id: Option<String>,
    /// How much of it is done, in bytes; only together with `total`.
    pub current: Option<u64>,
    /// How much there is in all, in bytes. What engines count in seconds has no total.
    pub total: Option<u64>,
}

impl PullEvent {
    fn read(info: CreateImageInfo) -> Option<Self> {
        let detail = info.progress_detail.unwrap_or_default();
        let amount = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
        let total = amount(detail.total).filter(|total| *total > 0);
        let current = amount(detail.current).filter(|_| total.is_some());
        Some(Self { status: info.status?, id: info.id, current, total })
    }
}

/// Why an image could not be pulled, as far as the engine's words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullFailure {
    /// The registry has no such image, or does not say that it has.
    Absent,
    /// The registry wants credentials, or others.
    Denied,
    /// The registry did not answer, or is too busy.
    Unreachable,
    /// The registry's certificate is not one that the engine trusts.
    Untrusted,
    /// Something else, such as a full disk.
    Other,
}

impl PullFailure {
    /// Engines give most of these the status 500, so that only their words tell them apart.
    fn of(message: &str, status: Option<u16>) -> Self {
        const DENIED: [&str; 5] =
            ["unauthorized", "no basic auth credentials", "denied", "forbidden", "authorization failed"];
        const UNREACHABLE: [&str; 13] = [
            "dial tcp",
            "connection re",
            "no such host",
            "i/o timeout",
            "tls handshake",
            "deadline exceeded",
            "request canceled",
            "toomanyrequests",
            "bad gateway",
            "service unavailable",
            "internal server error",
            "gateway timeout",
            "eof",
        ];
        let message = message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        if says(&["x509: "]) {
            Self::Untrusted
        } else if says(&DENIED) {
            Self::Denied
        } else if status == Some(404) || says(&["manifest unknown", "not found"]) {
            Self::Absent
        } else if says(&UNREACHABLE) {
            Self::Unreachable
        } else {
            Self::Other
        }
    }
}

impl Engine {
    /// Has the engine pull `image` by its digest, else its tag, for its own platform; tells `on_event` what it says.
    ///
    /// Dropping the call ends the pull, as far as no other client waits for it.
    ///
    /// # Errors
    /// [`EngineError::NotPulled`] when the registry or the network says no, [`EngineError::NoAnswer`] after ten minutes
    /// without a sign, any other when the engine cannot be asked.
    pub async fn pull(
        &self,
        image: &ImageRef,
        credential: Option<&Credential>,
        mut on_event: impl FnMut(PullEvent),
    ) -> Result<(), EngineError> {
        let call = format!("pull {image}");
        let by = image.digest().map(|digest| digest.to_string()).or_else(|| image.tag().map(str::to_owned));
        let options = CreateImageOptionsBuilder::new()
            .from_image(&image.repository().to_string())
            .tag(&by.unwrap_or_default())
            .build();
        // bollard 0.21 writes base64 with `+` and `/`; engines want `-` and `_`, and take anything else for no
        // credentials at all.
        let docker = self.client()?.with_request_modifier(|mut request| {
            if let Some(value) = request.headers_mut().get_mut(CREDENTIAL_HEADER)
                && let Ok(safe) = value.to_str().map(|text| text.replace('+', "-").replace('/', "_"))
                && let Ok(safe) = safe.parse()
            {
                *value = safe;
            }
            request
        });
        let not_pulled = |message: &str, status| EngineError::NotPulled {
            image: image.to_string(),
            failure: PullFailure::of(message, status),
            message: message.trim().to_owned(),
        };
        let mut events = docker.create_image(Some(options), None, credential.map(shown));
        loop {
            let event = tokio::time::timeout(SILENCE_LIMIT, events.next()).await;
            match event.map_err(|_| EngineError::NoAnswer { call: call.clone(), limit: SILENCE_LIMIT })? {
                None => break,
                Some(Ok(info)) => PullEvent::read(info).into_iter().for_each(&mut on_event),
                Some(Err(BollardError::DockerStreamError { error })) => return Err(not_pulled(&error, None)),
                Some(Err(BollardError::DockerResponseServerError { status_code, message })) => {
                    return Err(not_pulled(&message, Some(status_code)));
                }
                Some(Err(error)) => return Err(self.failed(error, &call)),
            }
        }
        // That the stream ended without an error has been seen without the image being there.
        match self.image(image).await {
            Ok(None) => Err(EngineError::NoImage { image: image.to_string() }),
            Ok(Some(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn shown(credential: &Credential) -> DockerCredentials {
    match credential.clone() {
        Credential::Password { username, password } => {
            DockerCredentials { username: Some(username), password: Some(password), ..DockerCredentials::default() }
        }
        Credential::IdentityToken(token) => {
            DockerCredentials { identitytoken: Some(token), ..DockerCredentials::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_every_engine_are_understood() {
        let of = |message, status| PullFailure::of(message, Some(status));
        let denied = [
            "Head \"http://127.0.0.1:5000/v2/none/manifests/x\": no basic auth credentials",
            "unauthorized: authentication required",
            "failed to resolve reference \"box/none:x\": pull access denied, repository does not exist or may require authorization",
            "unknown: unexpected status from HEAD request to http://box/v2/none/manifests/x: 401 Unauthorized",
        ];
        assert!(denied.iter().all(|message| of(message, 500) == PullFailure::Denied));
        assert_eq!(of("pull access denied for acme/tool, repository does not exist", 404), PullFailure::Denied);
        assert_eq!(of("manifest for box/none:x not found: manifest unknown", 404), PullFailure::Absent);
        let refused = "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused";
        assert_eq!(of(refused, 500), PullFailure::Unreachable);
        let unknown =
            "Get \"https://box/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority";
        assert_eq!(of(unknown, 500), PullFailure::Untrusted);
        assert_eq!(PullFailure::of("write /var/lib/x: no space left on device", None), PullFailure::Other);
    }

    #[test]
    fn bytes_are_counted_and_seconds_are_not() {
        let read = |text: &str| PullEvent::read(serde_json::from_str(text).unwrap());
        let event = |status: &str, current, total| {
            Some(PullEvent { status: status.to_owned(), id: Some("835a4a74aabd".to_owned()), current, total })
        };
        let downloading =
            r#"{"status":"Downloading","progressDetail":{"current":302080,"total":30009356},"id":"835a4a74aabd"}"#;
        assert_eq!(read(downloading), event("Downloading", Some(302_080), Some(30_009_356)));
        // 28.5 with the containerd image store.
        let extracting = r#"{"status":"Extracting","progressDetail":{"current":1,"units":"s"},"id":"835a4a74aabd"}"#;
        assert_eq!(read(extracting), event("Extracting", None, None));
        let complete = r#"{"status":"Pull complete","progressDetail":{"hidecounts":true},"id":"835a4a74aabd"}"#;
        assert_eq!(read(complete), event("Pull complete", None, None));
        assert_eq!(read(r#"{"id":"x"}"#), None);
    }
}
