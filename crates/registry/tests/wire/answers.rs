//! Answers of every kind.

use std::time::Duration;

use domain::digest::Digest;
use registry::{Registry, RegistryError, RegistryOptions};

use crate::fake::{Fake, INDEX, Then, found, http, without_waiting};

async fn answering(status: &'static str, headers: &'static [&'static str], body: &'static str) -> Fake {
    Fake::new(move |_, request| http(status, headers, if request.line.starts_with("HEAD") { "" } else { body })).await
}

#[tokio::test]
async fn an_open_registry_is_asked_once() {
    let fake = Fake::new(|_, _| found()).await;
    assert_eq!(fake.ask().await.unwrap(), Digest::of(b"index"));
    insta::assert_snapshot!(fake.asked(), @"HEAD /v2/acme/base/manifests/1");
    insta::assert_snapshot!(fake.first().accept, @"application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json");
}

#[tokio::test]
async fn a_pinned_reference_is_its_own_answer() {
    let fake = Fake::new(|_, _| found()).await;
    let pinned = fake.image().pinned(Digest::of(b"other"));
    assert_eq!(Registry::new(RegistryOptions::default()).digest(&pinned).await.unwrap(), Digest::of(b"other"));
    assert_eq!(fake.asked(), "");
}

#[tokio::test]
async fn without_the_header_the_manifest_is_read() {
    let fake = Fake::new(|_, request| {
        let body = if request.line.starts_with("HEAD") { "" } else { "{\"schemaVersion\":2}" };
        http("200 OK", &[&format!("Content-Type: {INDEX}; charset=utf-8")], body)
    })
    .await;
    assert_eq!(fake.ask().await.unwrap(), Digest::of(b"{\"schemaVersion\":2}"));
    insta::assert_snapshot!(fake.asked(), @r"
    HEAD /v2/acme/base/manifests/1
    GET /v2/acme/base/manifests/1
    ");
}

#[tokio::test]
async fn a_registry_without_head_is_asked_for_the_manifest() {
    let fake = Fake::new(|_, request| match request.line.starts_with("HEAD") {
        true => http("405 Method Not Allowed", &[], ""),
        false => http("200 OK", &[&format!("Content-Type: {INDEX}")], "{}"),
    })
    .await;
    assert_eq!(fake.ask().await.unwrap(), Digest::of(b"{}"));
}

#[tokio::test]
async fn a_page_is_no_manifest() {
    let fake = answering("200 OK", &["Content-Type: text/html"], "<html>blocked by policy</html>").await;
    insta::assert_snapshot!(fake.failure().await, @r#"the registry HOST gave an answer that makes no sense: it is no manifest but "text/html""#);
}

#[tokio::test]
async fn a_manifest_under_another_digest_is_not_believed() {
    let fake = Fake::new(|_, request| match request.line.starts_with("HEAD") {
        true => http("200 OK", &[], ""),
        false => {
            let digest = format!("Docker-Content-Digest: {}", Digest::of(b"index"));
            http("200 OK", &[&format!("Content-Type: {INDEX}"), &digest], "{}")
        }
    })
    .await;
    insta::assert_snapshot!(fake.failure().await, @"the registry HOST gave an answer that makes no sense: it is called sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6 but is sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

#[tokio::test]
async fn a_digest_that_is_none_makes_no_sense() {
    let fake = answering("200 OK", &["Docker-Content-Digest: md5:1"], "").await;
    insta::assert_snapshot!(fake.failure().await, @r#"the registry HOST gave an answer that makes no sense: Docker-Content-Digest "md5:1" is no sha256 digest"#);
}

#[tokio::test]
async fn a_manifest_without_end_is_not_read() {
    let fake = Fake::new(|_, request| match request.line.starts_with("HEAD") {
        true => http("200 OK", &[], ""),
        false => http("200 OK", &[&format!("Content-Type: {INDEX}")], &" ".repeat(5 * 1024 * 1024)),
    })
    .await;
    insta::assert_snapshot!(fake.failure().await, @"the registry HOST gave an answer that makes no sense: it is longer than 4194304 bytes");
}

#[tokio::test]
async fn an_absent_image_is_absent() {
    let fake = answering("404 Not Found", &[], "").await;
    assert!(matches!(fake.ask().await, Err(RegistryError::Absent { .. })));
    insta::assert_snapshot!(fake.failure().await, @"the registry HOST has no image HOST/acme/base:1");
}

#[tokio::test]
async fn a_refusal_without_a_way_out_is_a_denial() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let fake = Fake::new(move |_, _| http(status, &[], "")).await;
        let expected = "the registry HOST denies access to acme/base; no credentials are configured for it";
        assert_eq!(fake.failure().await, expected);
    }
}

#[tokio::test]
async fn overload_and_breakage_pass() {
    let limited = answering("429 Too Many Requests", &["Retry-After: 60"], "").await;
    insta::assert_snapshot!(limited.failure().await, @"the registry HOST answered with status 429 Too Many Requests [temporary]");
    let broken = answering("503 Service Unavailable", &[], "").await;
    insta::assert_snapshot!(broken.failure().await, @"the registry HOST answered with status 503 Service Unavailable [temporary]");
    let odd = answering("418 I'm a teapot", &[], "").await;
    insta::assert_snapshot!(odd.failure().await, @"the registry HOST answered with status 418 I'm a teapot");
}

#[test]
fn a_registry_that_hangs_is_not_waited_for_for_ever() {
    let failure = without_waiting(async { Fake::new(|_, _| Then::Hang).await.failure().await });
    insta::assert_snapshot!(failure, @"the registry HOST did not answer within 4 s [temporary]");
}

#[test]
fn a_manifest_that_hangs_is_not_waited_for_for_ever() {
    let failure = without_waiting(async {
        let total_limit = Duration::from_secs(3);
        let fake = Fake::new(|_, _| Then::Hang).await;
        let options = RegistryOptions { total_limit, ..Default::default() };
        Registry::new(options).digest(&fake.image()).await.unwrap_err().to_string().replace(&fake.host, "HOST")
    });
    insta::assert_snapshot!(failure, @"the registry HOST did not answer within 3 s");
}

#[tokio::test]
async fn a_broken_connection_is_said() {
    let closing = Fake::new(|_, _| Then::Say(String::new())).await;
    insta::assert_snapshot!(closing.failure().await, @"the connection to the registry HOST broke: connection closed before message completed [temporary]");
    let babbling = Fake::new(|_, _| Then::Say("SSH-2.0-OpenSSH_9.2\r\n".to_owned())).await;
    insta::assert_snapshot!(babbling.failure().await, @"the connection to the registry HOST broke: invalid HTTP version parsed [temporary]");
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_unreachable() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let image = format!("{port}/acme/base:1").parse().unwrap();
    let error = Registry::new(RegistryOptions::default()).digest(&image).await.unwrap_err();
    assert!(!error.is_temporary());
    insta::assert_snapshot!(error.to_string().replace(&port.to_string(), "HOST"), @"the registry HOST cannot be reached: Connection refused (os error 111)");
}
