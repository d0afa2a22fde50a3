//! Registries of images and crates on the wire.

use crate::fixture::Fixture;
use crate::server::{Server, message, ok};

/// A server's address as registries are named.
fn name(server: &Server) -> String {
    server.url("").replace("http://", "")
}

#[test]
fn an_image_registry_that_wants_a_token_gets_one() {
    // Docker Registry v2, "Token Authentication": what it answers without and with a token.
    let tokens = Server::saying(ok(r#"{"token": "t0ken", "expires_in": 300}"#));
    let realm = tokens.url("/token");
    let registry = Server::start(move |asked, _| match asked.header("authorization") {
        Some("Bearer t0ken") => ok(r#"{"name": "acme/tool", "tags": ["v1.9.0", "v1.10.0", "latest"]}"#),
        _ => {
            let challenge =
                format!(r#"Bearer realm="{realm}",service="registry.example",scope="repository:acme/tool:pull""#);
            message("401 Unauthorized", &[("WWW-Authenticate", &challenge)], r#"{"errors": []}"#)
        }
    });
    let yaml = format!("source: oci-tag\nrepository: {}/acme/tool\nprefix: v\n", name(&registry));
    assert_eq!(Fixture::declaring(&yaml).ask(&["a"], &[]).everything(), "1.10.0\nexit 0");
    let asked = tokens.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/token?service=registry.example&scope=repository%3Aacme%2Ftool%3Apull");
}

#[test]
fn a_token_that_opens_nothing_is_said_to() {
    let tokens = Server::saying(ok(r#"{"access_token": "t0ken"}"#));
    let challenge = format!(r#"Bearer realm="{}",service="x""#, tokens.url("/token"));
    let registry = Server::saying(message("401 Unauthorized", &[("WWW-Authenticate", &challenge)], ""));
    let yaml = format!("source: oci-tag\nrepository: {}/acme/tool\n", name(&registry));
    let shown = Fixture::declaring(&yaml).ask(&["a"], &[]);
    insta::assert_snapshot!(registry.nameless(&shown.everything()), @r"
    error: no version of agent a was found
      caused by: oci-tag: [SERVER] refused the credentials, or wants some (401)
    exit 6
    ");
}

#[test]
fn a_real_registry_that_wants_a_password_is_said_to() {
    let registry = std::env::var("AICAGE_TEST_REGISTRY_AUTH")
        .unwrap_or_else(|_| panic!("AICAGE_TEST_REGISTRY_AUTH is not set: run `make test`"));
    let shown = Fixture::declaring(&format!("source: oci-tag\nrepository: {registry}/x\n")).ask(&["a"], &[]);
    assert!(
        shown.stderr.contains(&format!("{registry} refused the credentials, or wants some (401)")),
        "{}",
        shown.stderr
    );
}

#[test]
fn the_highest_tag_of_an_image_may_stand_on_a_later_page() {
    let registry = Server::start(|asked, _| match asked.path.as_str() {
        "/v2/acme/tool/tags/list?n=1000" => {
            let next = "</v2/acme/tool/tags/list?last=1.9.0&n=1000>; rel=\"next\"";
            message("200 OK", &[("Link", next)], r#"{"tags": ["1.9.0"]}"#)
        }
        "/v2/acme/tool/tags/list?last=1.9.0&n=1000" => ok(r#"{"tags": ["1.10.0", "1.2.0"]}"#),
        _ => message("404 Not Found", &[], "{}"),
    });
    let yaml = format!("source: oci-tag\nrepository: {}/acme/tool\n", name(&registry));
    assert_eq!(Fixture::declaring(&yaml).ask(&["a"], &[]).everything(), "1.10.0\nexit 0");
}

#[test]
fn a_list_of_tags_without_end_is_given_up() {
    let registry = Server::start(|_, before| {
        let next = format!("</v2/acme/tool/tags/list?last={before}>; rel=\"next\"");
        message("200 OK", &[("Link", &next)], r#"{"tags": ["1.0"]}"#)
    });
    let yaml = format!("source: oci-tag\nrepository: {}/acme/tool\n", name(&registry));
    let shown = Fixture::declaring(&yaml).ask(&["a"], &[]);
    assert!(shown.stderr.contains("more than 50 pages of tags"), "{}", shown.stderr);
    assert_eq!((shown.code, registry.asked().len()), (Some(6), 50));
}

#[test]
fn the_registry_of_the_users_cargo_is_asked() {
    // The Cargo book, "Registry Index", "JSON schema": one version a line.
    let index = Server::start(|asked, _| match asked.path.as_str() {
        "/index/so/me/some-tool" => ok(concat!(
            r#"{"name":"some-tool","vers":"1.9.0","deps":[],"cksum":"","features":{},"yanked":false}"#,
            "\n",
            r#"{"name":"some-tool","vers":"1.11.0","deps":[],"cksum":"","features":{},"yanked":true}"#,
            "\n",
            r#"{"name":"some-tool","vers":"1.10.0","deps":[],"cksum":"","features":{},"yanked":false}"#,
            "\n",
            r#"{"name":"some-tool","vers":"2.0.0-rc.1","deps":[],"cksum":"","features":{},"yanked":false}"#,
            "\n",
        )),
        _ => message("404 Not Found", &[], ""),
    });
    let yaml = "source: crates\npackage: Some-Tool\n";
    let fixture = Fixture::declaring(yaml);
    let cargo = fixture.path("home/.cargo");
    std::fs::create_dir_all(&cargo).unwrap();
    let configuration = format!(
        "[source.crates-io]\nreplace-with = \"own\"\n[source.own]\nregistry = \"sparse+{}\"\n",
        index.url("/index/")
    );
    std::fs::write(cargo.join("config.toml"), configuration).unwrap();
    assert_eq!(fixture.ask(&["a"], &[]).everything(), "1.10.0\nexit 0");
    fixture.declare("a", &format!("{yaml}include_prereleases: true\n"));
    assert_eq!(fixture.ask(&["a"], &[]).everything(), "2.0.0-rc.1\nexit 0");
    fixture.declare("a", "source: crates\npackage: other\n");
    let shown = fixture.ask(&["a"], &[]);
    assert!(shown.stderr.contains("/index/ot/he/other does not exist"), "{}", shown.stderr);
}
