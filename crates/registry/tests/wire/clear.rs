//! Registries that speak no TLS, behind a proxy, so that they are not on this machine.

use domain::digest::Digest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::apart;
use crate::fake::{Fake, found, http, read_request};

const IMAGE: &str = "registry.test:5000/acme/base:1";

/// A registry that wants a password or a token, and says in clear what it has.
async fn registry(challenge: &'static str) -> Fake {
    let fake = Fake::new(move |_, request| match (request.line.as_str(), request.authorization.as_deref()) {
        (line, Some("Basic bWU6czNjcmV0")) if line.contains("/token?") => http("200 OK", &[], r#"{"token":"t"}"#),
        (_, Some("Basic bWU6czNjcmV0" | "Bearer t")) => found(),
        _ => http("401 Unauthorized", &[&format!("WWW-Authenticate: {challenge}")], ""),
    })
    .await;
    fake.configure(r#"{"auths":{"registry.test:5000":{"auth":"bWU6czNjcmV0"}}}"#);
    fake
}

async fn ask_in_clear(fake: &Fake) -> String {
    let (proxy, folder) = (format!("http://{}", fake.host), fake.folder.path().display().to_string());
    apart::ask(IMAGE, &[("HTTP_PROXY", &proxy), ("ASK_CONFIG", &folder), ("ASK_IN_CLEAR", "yes")]).await
}

#[tokio::test]
async fn a_registry_without_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            // To the greeting of TLS it says in clear that it does not understand.
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await.unwrap();
        }
    });
    insta::assert_snapshot!(apart::ask(IMAGE, &[("HTTPS_PROXY", &proxy)]).await, @r"
    the registry registry.test:5000 does not speak TLS
    hint: give it TLS, or let the engine do without: insecure-registries with registry.test:5000 in its daemon.json
    ");
}

#[tokio::test]
async fn a_registry_is_asked_in_clear_by_whoever_wants_that() {
    let anywhere = "Bearer realm=\"http://registry.test:5001/token\"";
    for challenge in ["Basic realm=\"x\"", anywhere] {
        let fake = registry(challenge).await;
        assert_eq!(ask_in_clear(&fake).await, Digest::of(b"index").to_string());
    }
    // Another host may not have the password in clear.
    let fake = registry("Bearer realm=\"http://elsewhere.test/token\"").await;
    insta::assert_snapshot!(ask_in_clear(&fake).await, @"the registry registry.test:5000 gave an answer that makes no sense: its token service elsewhere.test is not reached over https");
    assert!(!fake.asked().contains("Basic"), "{}", fake.asked());
}
