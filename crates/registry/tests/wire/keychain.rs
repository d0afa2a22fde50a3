//! Programs that keep credentials, found on the path as the docker command finds them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::apart;
use crate::fake::{Fake, found, http};

/// A registry that wants a password, and a config that says which program has it.
async fn with_program(script: &str) -> Fake {
    let fake = Fake::new(|_, request| match request.authorization.as_deref() {
        Some("Basic bWU6czNjcmV0") => found(),
        _ => http("401 Unauthorized", &[r#"WWW-Authenticate: Basic realm="x""#], ""),
    })
    .await;
    fake.configure(r#"{"auths":{"HOST":{}},"credsStore":"fake"}"#);
    let program = fake.folder.path().join("docker-credential-fake");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    fake
}

async fn ask(fake: &Fake, more: &[(&str, &str)]) -> String {
    let folder = fake.folder.path().display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let mut variables = vec![("PATH", path.as_str()), ("ASK_CONFIG", folder.as_str())];
    variables.extend_from_slice(more);
    let answer = apart::ask(&fake.image().to_string(), &variables).await;
    assert!(!answer.contains("s3cret"), "{answer}");
    answer.replace(&fake.host, "HOST")
}

#[tokio::test]
async fn a_program_is_asked_for_the_password_of_the_registry() {
    let script = r#"#!/bin/sh
        read server
        test "$1" = get && echo "$server" > "${0%/*}/asked" && echo '{"ServerURL":"x","Username":"me","Secret":"s3cret"}'"#;
    let fake = with_program(script).await;
    insta::assert_snapshot!(ask(&fake, &[]).await, @"sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6");
    assert_eq!(std::fs::read_to_string(fake.folder.path().join("asked")).unwrap().trim(), fake.host);
}

#[tokio::test]
async fn a_program_that_does_not_read_the_question_may_answer() {
    let fake = with_program("#!/bin/sh\nexec <&-; echo '{\"Username\":\"me\",\"Secret\":\"s3cret\"}'").await;
    insta::assert_snapshot!(ask(&fake, &[]).await, @"sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6");
}

#[tokio::test]
async fn a_program_that_has_none_leaves_the_question_anonymous() {
    let fake = with_program("#!/bin/sh\necho 'credentials not found in native keychain'; exit 1").await;
    insta::assert_snapshot!(ask(&fake, &[]).await, @r"
    the registry HOST denies access to acme/base; no credentials are configured for it
    hint: log in (docker login HOST), and check the name: some registries deny what they do not have
    ");
}

#[tokio::test]
async fn a_program_that_fails_is_quoted_but_for_its_secrets() {
    let fake = with_program("#!/bin/sh\necho 'error: password store is locked'; exit 3").await;
    insta::assert_snapshot!(ask(&fake, &[]).await, @r"
    docker-credential-fake did not give the credentials for HOST: error: password store is locked
    hint: try it: echo HOST | docker-credential-fake get
    ");
    let fake = with_program("#!/bin/sh\necho '{\"Username\":\"me\",\"Secret\":\"s3cret\"}'; exit 3").await;
    insta::assert_snapshot!(ask(&fake, &[]).await, @r"
    docker-credential-fake did not give the credentials for HOST: it ended with exit status: 3
    hint: try it: echo HOST | docker-credential-fake get
    ");
    let fake = with_program("#!/bin/sh\necho '{\"Secret\":\"s3cret\"}'").await;
    insta::assert_snapshot!(ask(&fake, &[]).await, @r"
    docker-credential-fake did not give the credentials for HOST: its answer has no Username and Secret
    hint: try it: echo HOST | docker-credential-fake get
    ");
}

/// A registry that gives everybody a token, and shows the image only to those whose token is `enough`.
async fn with_tokens(enough: &'static str) -> Fake {
    let fake = Fake::new(move |host, request| {
        let shown = request.authorization.as_deref();
        if request.line.starts_with("GET /token") {
            let token = if shown.is_some() { "own" } else { "anonymous" };
            return http("200 OK", &[], &format!(r#"{{"token":"{token}"}}"#));
        }
        match shown.and_then(|shown| shown.strip_prefix("Bearer ")) {
            Some(token) if token == enough => found(),
            _ => http("401 Unauthorized", &[&format!(r#"WWW-Authenticate: Bearer realm="http://{host}/token""#)], ""),
        }
    })
    .await;
    fake.configure(r#"{"auths":{"HOST":{}},"credsStore":"not-there"}"#);
    fake
}

#[tokio::test]
async fn what_is_public_needs_no_program() {
    let fake = with_tokens("anonymous").await;
    insta::assert_snapshot!(ask(&fake, &[]).await, @"sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6");
    fake.configure("{");
    insta::assert_snapshot!(ask(&fake, &[]).await, @"sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6");
    assert!(fake.asked().lines().all(|line| !line.contains("Basic")), "{}", fake.asked());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_where_credentials_are_needed() {
    let fake = with_tokens("own").await;
    insta::assert_snapshot!(ask(&fake, &[]).await, @r"
    the credentials for HOST are kept by docker-credential-not-there, which is not installed
    hint: install docker-credential-not-there, or take it out of credsStore and credHelpers in the docker config.json and log in again
    ");
    // What an earlier login left in the config is as good as it was.
    fake.configure(r#"{"auths":{"https://HOST/v1/":{"auth":"bWU6czNjcmV0"}},"credsStore":"not-there"}"#);
    insta::assert_snapshot!(ask(&fake, &[]).await, @"sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6");
}

#[tokio::test]
async fn a_program_goes_before_what_an_earlier_login_left() {
    let fake = with_program("#!/bin/sh\necho '{\"Username\":\"me\",\"Secret\":\"s3cret\"}'").await;
    // printf 'old:old' | base64
    fake.configure(r#"{"auths":{"HOST":{"auth":"b2xkOm9sZA=="}},"credsStore":"fake"}"#);
    insta::assert_snapshot!(ask(&fake, &[]).await, @"sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6");
}

#[tokio::test]
async fn a_program_that_hangs_is_ended() {
    let fake = with_program(
        "#!/bin/sh\necho $$ > \"${0%/*}/pid.new\"; mv \"${0%/*}/pid.new\" \"${0%/*}/pid\"; exec sleep 1000",
    )
    .await;
    insta::assert_snapshot!(ask(&fake, &[("ASK_KEYCHAIN_SECONDS", "1")]).await, @r"
    docker-credential-fake did not give the credentials for HOST: it did not answer within 1 s
    hint: try it: echo HOST | docker-credential-fake get
    ");
    let pid = std::fs::read_to_string(fake.folder.path().join("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).join("cwd").exists(), "{pid} still runs");
}
