//! Tags of image repositories (OCI distribution specification, "Listing Tags"), read without credentials.

use std::time::Duration;

use domain::image::Repository;
use domain::version::SourceKind;
use reqwest::Url;
use serde::Deserialize;

use super::endpoints;
use super::error::SourceError;
use super::request::Request;
use super::tags::{self, Choice};
use super::transport::{Outcome, Transport, host, keeps_secrets};

/// The most pages of tags that are read, with up to a thousand tags each.
const PAGES: usize = 50;

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// Returns the highest version among all tags.
pub(super) async fn highest_tag(
    repository: &str,
    choice: &Choice<'_>,
    transport: &Transport,
    limit: Duration,
) -> Result<String, SourceError> {
    let repository: Repository =
        repository.parse().map_err(|_| SourceError::Unsupported(format!("{repository} is no image repository")))?;
    let first = Request::new(first_page(&repository), "application/json");
    tags::highest(first, PAGES, choice, async |request| {
        let answer = match transport.ask(request, limit).await? {
            Outcome::Answer(answer) => answer,
            Outcome::Challenge(challenge) if request.authorization.is_none() => {
                request.authorization = Some(token(&challenge, &repository, request, transport, limit).await?);
                transport.get(request, limit).await?
            }
            Outcome::Challenge(_) => {
                return Err(SourceError::Denied { host: host(&request.address), status: 401 });
            }
        };
        let page: Tags = answer.json(request)?;
        Ok((page.tags.unwrap_or_default(), answer.next))
    })
    .await
}

fn first_page(repository: &Repository) -> String {
    let path = format!("v2/{}/tags/list?n=1000", repository.path());
    let registry = repository.registry();
    if registry == "docker.io" {
        return format!("{}{path}", endpoints::default_of(SourceKind::OciTag));
    }
    let plain = format!("http://{registry}/{path}");
    // Only registries on this machine are asked in the clear.
    if keeps_secrets(&plain) { plain } else { format!("https://{registry}/{path}") }
}

/// Gets a token for anybody, as the registry's demand says (Docker Registry v2, "Token Authentication").
async fn token(
    challenge: &str,
    repository: &Repository,
    request: &Request,
    transport: &Transport,
    limit: Duration,
) -> Result<String, SourceError> {
    let host = host(&request.address);
    let denied = || SourceError::Denied { host: host.clone(), status: 401 };
    let challenge = http_auth::ChallengeParser::new(challenge)
        .filter_map(Result::ok)
        .find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))
        .ok_or_else(denied)?;
    let parameter = |name: &str| {
        let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_unescaped())
    };
    let mut realm = Url::parse(&parameter("realm").ok_or_else(denied)?).map_err(|_| denied())?;
    if !keeps_secrets(realm.as_str()) {
        return Err(denied());
    }
    if let Some(service) = parameter("service") {
        realm.query_pairs_mut().append_pair("service", &service);
    }
    realm.query_pairs_mut().append_pair("scope", &format!("repository:{}:pull", repository.path()));
    let request = Request::new(realm.to_string(), "application/json");
    let token: Token = transport.get(&request, limit).await?.json(&request)?;
    token.token.or(token.access_token).map(|token| format!("Bearer {token}")).ok_or_else(denied)
}
