//! Releases and tags of GitHub repositories ("REST API endpoints for releases", "List repository tags").

use std::time::Duration;

use domain::version::SourceKind;
use serde::Deserialize;

use super::endpoints;
use super::error::SourceError;
use super::request::Request;
use super::tags::{self, Choice};
use super::transport::{Transport, keeps_secrets, plain};
use crate::environment::Environment;

/// The most pages of tags that are read, with a hundred tags each.
const PAGES: usize = 30;

#[derive(Deserialize)]
struct Release {
    tag_name: String,
    #[serde(default)]
    draft: bool,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
}

/// Builds a request to the API. The token goes to that host and no other: it is not sent along a redirection elsewhere.
fn request(environment: &Environment, path: &str) -> Request {
    let api = environment.get("GITHUB_API_URL").unwrap_or(endpoints::default_of(SourceKind::GithubTag));
    let mut request = Request::new(format!("{}{path}", api.trim_end_matches('/')), "application/vnd.github+json");
    let may_send = keeps_secrets(&request.address);
    request.authorization = environment.get("GITHUB_TOKEN").filter(|_| may_send).map(|token| format!("Bearer {token}"));
    request
}

/// Returns the tag of the newest release: the one that GitHub calls the latest, or with pre-releases the first listed.
pub(super) async fn newest_release(
    repository: &str,
    include_prereleases: bool,
    environment: &Environment,
    transport: &Transport,
    limit: Duration,
) -> Result<String, SourceError> {
    if !include_prereleases {
        let request = request(environment, &format!("/repos/{repository}/releases/latest"));
        let answer = transport.get(&request, limit).await?;
        return answer.json::<Release>(&request).map(|release| release.tag_name);
    }
    let request = request(environment, &format!("/repos/{repository}/releases?per_page=30"));
    let answer = transport.get(&request, limit).await?;
    let releases: Vec<Release> = answer.json(&request)?;
    let published = releases.into_iter().find(|release| !release.draft);
    published.map(|release| release.tag_name).ok_or_else(|| SourceError::Nothing {
        address: plain(&request.address),
        reason: "there is no release".to_owned(),
    })
}

/// Returns the highest version among all tags.
pub(super) async fn highest_tag(
    repository: &str,
    choice: &Choice<'_>,
    environment: &Environment,
    transport: &Transport,
    limit: Duration,
) -> Result<String, SourceError> {
    let first = request(environment, &format!("/repos/{repository}/tags?per_page=100"));
    tags::highest(first, PAGES, choice, async |request| {
        let answer = transport.get(request, limit).await?;
        let tags: Vec<Tag> = answer.json(request)?;
        Ok((tags.into_iter().map(|tag| tag.name).collect(), answer.next))
    })
    .await
}
