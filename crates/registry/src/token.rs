//! Tokens, from the service that a registry names.

use domain::credential::Credential;
use reqwest::{StatusCode, Url};
use serde_json::Value;

use crate::error::RegistryError;
use crate::transport::{Transport, host, status_failure};

/// How this program names itself to token services (distribution's OAuth2 token specification wants a name).
const CLIENT_ID: &str = "aicage-builder";

/// Answers a registry's `challenge` for pulling from `repository` and returns the value of `Authorization`'s bearer.
///
/// A password is shown to the token service, an identity token is traded in there (distribution's "Docker Registry v2
/// Bearer token specification" and "OAuth2 token authentication"); without either, an anonymous token is asked for.
pub(crate) async fn fetch(
    transport: &Transport,
    challenge: &Bearer<'_>,
    repository: &str,
    credential: Option<&Credential>,
) -> Result<String, RegistryError> {
    let address = Url::parse(challenge.realm).map_err(|_| RegistryError::Answer {
        host: host(challenge.registry),
        reason: "it names no token service".to_owned(),
    })?;
    // Whoever may ask the registry in clear may ask the same host for a token so.
    let as_the_registry =
        address.scheme() == challenge.registry.scheme() && address.host() == challenge.registry.host();
    if !Transport::keeps_secrets(&address) && !as_the_registry {
        let reason = format!("its token service {} is not reached over https", host(&address));
        return Err(RegistryError::Answer { host: host(challenge.registry), reason });
    }
    let client = transport.client(&address)?;
    let pull = format!("repository:{repository}:pull");
    let mut question = vec![("scope", challenge.scope.unwrap_or(&pull))];
    question.extend(challenge.service.map(|service| ("service", service)));

    let request = match credential {
        Some(Credential::IdentityToken(token)) => {
            question.extend([("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", CLIENT_ID)]);
            let form = with_query(&Url::parse("http://form").expect("a valid address"), &question);
            client
                .post(address.clone())
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(form.query().unwrap_or_default().to_owned())
        }
        Some(Credential::Password { username, password }) => {
            client.get(with_query(&address, &question)).basic_auth(username, Some(password))
        }
        None => client.get(with_query(&address, &question)),
    };

    let answer = transport.send(request, &address).await?;
    match answer.status() {
        StatusCode::OK => {
            let body = transport.body(answer, &address).await?;
            let token = read(&body).ok_or_else(|| "the token service gave no token".to_owned());
            token.map_err(|reason| RegistryError::Answer { host: host(&address), reason })
        }
        // 400 is how OAuth2 says that a refresh token is worth nothing (RFC 6749, 5.2).
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(RegistryError::Denied {
            host: host(challenge.registry),
            repository: repository.to_owned(),
            presented: credential.is_some(),
        }),
        status => Err(status_failure(status, &address)),
    }
}

/// A challenge for a token, and who made it.
pub(crate) struct Bearer<'a> {
    /// The address that the registry was asked at.
    pub(crate) registry: &'a Url,
    pub(crate) realm: &'a str,
    pub(crate) service: Option<&'a str>,
    pub(crate) scope: Option<&'a str>,
}

fn with_query(address: &Url, pairs: &[(&str, &str)]) -> Url {
    let mut address = address.clone();
    address.query_pairs_mut().extend_pairs(pairs);
    address
}

/// Reads `token`, or `access_token`, which OAuth2 calls it.
fn read(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let token = ["token", "access_token"].iter().find_map(|key| body[key].as_str().filter(|token| !token.is_empty()));
    token.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_have_either_name() {
        assert_eq!(read(br#"{"token":"a","access_token":"a"}"#).as_deref(), Some("a"));
        assert_eq!(read(br#"{"token":"","access_token":"b"}"#).as_deref(), Some("b"));
        assert_eq!(read(br#"{"errors":[]}"#), None);
        assert_eq!(read(b"<html>"), None);
    }
}
