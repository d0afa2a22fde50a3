//! Passwords and tokens: what is shown to whom, and what happens when it is refused.

use crate::fake::{Fake, Request, Then, found, http};

/// printf 'me:s3cret' | base64
const CONFIG: &str = r#"{"auths":{"HOST":{"auth":"bWU6czNjcmV0"}}}"#;
const IDENTITY: &str = r#"{"auths":{"HOST":{"auth":"MDAwOg==","identitytoken":"id+en/tity"}}}"#;

/// A registry with a token service on the same host, which answers by `token`.
async fn with_tokens(token: impl Fn() -> Then + Send + 'static) -> Fake {
    Fake::new(move |host, request| {
        let challenge = format!(r#"WWW-Authenticate: Bearer realm="http://{host}/token?x=1",service="the registry",scope="repository:acme/base:pull""#);
        match (request.line.contains("/token"), request.authorization.as_deref()) {
            (true, _) => token(),
            (false, Some("Bearer t0ken")) => found(),
            (false, _) => http("401 Unauthorized", &[&challenge], ""),
        }
    })
    .await
}

fn token() -> Then {
    http("200 OK", &[], r#"{"token":"t0ken"}"#)
}

/// A registry that wants a password before it shows a manifest, but not at `/v2/`.
async fn with_password() -> Fake {
    Fake::new(|_, request: &Request| match request.authorization.as_deref() {
        Some("Basic bWU6czNjcmV0") => found(),
        _ => http("401 Unauthorized", &[r#"WWW-Authenticate: Basic realm="x""#], ""),
    })
    .await
}

#[tokio::test]
async fn a_token_is_had_without_credentials() {
    let fake = with_tokens(token).await;
    fake.ask().await.unwrap();
    insta::assert_snapshot!(fake.asked(), @r"
    HEAD /v2/acme/base/manifests/1
    GET /token?x=1&scope=repository%3Aacme%2Fbase%3Apull&service=the+registry
    HEAD /v2/acme/base/manifests/1 | Bearer t0ken
    ");
}

#[tokio::test]
async fn a_token_is_had_for_a_password() {
    let fake = with_tokens(token).await;
    fake.configure(CONFIG);
    fake.ask().await.unwrap();
    insta::assert_snapshot!(fake.asked(), @r"
    HEAD /v2/acme/base/manifests/1
    GET /token?x=1&scope=repository%3Aacme%2Fbase%3Apull&service=the+registry | Basic bWU6czNjcmV0
    HEAD /v2/acme/base/manifests/1 | Bearer t0ken
    ");
}

#[tokio::test]
async fn a_token_is_had_for_an_identity_token() {
    let fake = with_tokens(|| http("200 OK", &[], r#"{"access_token":"t0ken"}"#)).await;
    fake.configure(IDENTITY);
    fake.ask().await.unwrap();
    insta::assert_snapshot!(fake.asked(), @r"
    HEAD /v2/acme/base/manifests/1
    POST /token?x=1 | scope=repository%3Aacme%2Fbase%3Apull&service=the+registry&grant_type=refresh_token&refresh_token=id%2Ben%2Ftity&client_id=aicage-builder
    HEAD /v2/acme/base/manifests/1 | Bearer t0ken
    ");
}

#[tokio::test]
async fn a_token_that_opens_nothing_is_a_denial() {
    let fake = with_tokens(|| http("200 OK", &[], r#"{"token":"other"}"#)).await;
    insta::assert_snapshot!(fake.failure().await, @"the registry HOST denies access to acme/base; no credentials are configured for it");
    fake.configure(CONFIG);
    insta::assert_snapshot!(fake.failure().await, @"the registry HOST denies access to acme/base with the configured credentials");
}

#[tokio::test]
async fn a_refused_password_is_a_denial() {
    let fake = with_tokens(|| http("401 Unauthorized", &[], r#"{"details":"incorrect username or password"}"#)).await;
    fake.configure(CONFIG);
    insta::assert_snapshot!(fake.failure().await, @"the registry HOST denies access to acme/base with the configured credentials");
    let fake = with_tokens(|| http("400 Bad Request", &[], r#"{"error":"invalid_grant"}"#)).await;
    fake.configure(IDENTITY);
    insta::assert_snapshot!(fake.failure().await, @"the registry HOST denies access to acme/base with the configured credentials");
}

#[tokio::test]
async fn a_token_service_that_fails_is_said() {
    let broken = with_tokens(|| http("502 Bad Gateway", &[], "")).await;
    insta::assert_snapshot!(broken.failure().await, @"the registry HOST answered with status 502 Bad Gateway [temporary]");
    let babbling = with_tokens(|| http("200 OK", &[], "<html>")).await;
    insta::assert_snapshot!(babbling.failure().await, @"the registry HOST gave an answer that makes no sense: the token service gave no token");
}

#[tokio::test]
async fn nothing_is_shown_to_a_token_service_in_the_clear() {
    let fake = Fake::new(|_, _| {
        http("401 Unauthorized", &[r#"WWW-Authenticate: Bearer realm="http://tokens.example.org/""#], "")
    })
    .await;
    fake.configure(CONFIG);
    insta::assert_snapshot!(fake.failure().await, @"the registry HOST gave an answer that makes no sense: its token service tokens.example.org is not reached over https");
}

#[tokio::test]
async fn a_password_is_shown_when_it_is_wanted() {
    let fake = with_password().await;
    fake.configure(CONFIG);
    fake.ask().await.unwrap();
    insta::assert_snapshot!(fake.asked(), @r"
    HEAD /v2/acme/base/manifests/1
    HEAD /v2/acme/base/manifests/1 | Basic bWU6czNjcmV0
    ");
}

#[tokio::test]
async fn without_a_password_nothing_is_tried_twice() {
    let fake = with_password().await;
    insta::assert_snapshot!(fake.failure().await, @"the registry HOST denies access to acme/base; no credentials are configured for it");
    insta::assert_snapshot!(fake.asked(), @"HEAD /v2/acme/base/manifests/1");
    fake.configure(IDENTITY);
    insta::assert_snapshot!(fake.failure().await, @"the registry HOST denies access to acme/base with the configured credentials");
}
