//! What a real registry answers, with and without a password.
//!
//! `make test` starts both and says in `AICAGE_TEST_…` variables where they are.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use domain::credential::Credential;
use domain::digest::Digest;
use domain::image::ImageRef;
use registry::{Registry, RegistryError, RegistryOptions};
use reqwest::{Client, RequestBuilder};
use tempfile::TempDir;

/// The user of the registry with a password, as `scripts/test-env` makes it.
const USER: &str = "tester";
const PASSWORD: &str = "s3cret-pa55";

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make test`, or first `eval \"$(scripts/test-env)\"`"))
}

/// A real registry, with a way to put images into it.
struct Real {
    host: String,
    client: Client,
    repository: String,
}

impl Real {
    fn new(name: &str, test: &str) -> Self {
        // reqwest is told which cryptography to use by the process; the library under test has not run yet.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        Self { host: variable(name), client, repository: format!("registry-test/{test}-{}", std::process::id()) }
    }

    fn image(&self, tag: &str) -> ImageRef {
        format!("{}/{}:{tag}", self.host, self.repository).parse().unwrap()
    }

    async fn send(&self, request: RequestBuilder) -> reqwest::Response {
        request.basic_auth(USER, Some(PASSWORD)).send().await.unwrap().error_for_status().unwrap()
    }

    async fn put_blob(&self, bytes: &'static str) -> Digest {
        let digest = Digest::of(bytes.as_bytes());
        let uploads = format!("http://{}/v2/{}/blobs/uploads/", self.host, self.repository);
        let begun = self.send(self.client.post(uploads)).await;
        let mut location = begun.url().join(begun.headers()["location"].to_str().unwrap()).unwrap();
        location.query_pairs_mut().append_pair("digest", &digest.to_string());
        self.send(self.client.put(location).header("Content-Type", "application/octet-stream").body(bytes)).await;
        digest
    }

    async fn put_manifest(&self, tag: &str, kind: &str, manifest: String) -> Digest {
        let digest = Digest::of(manifest.as_bytes());
        let address = format!("http://{}/v2/{}/manifests/{tag}", self.host, self.repository);
        self.send(self.client.put(address).header("Content-Type", kind).body(manifest)).await;
        digest
    }

    /// Puts an image and an index of it there, in the words of OCI or of Docker, and returns their digests.
    async fn put(&self, [config_kind, manifest_kind, index_kind]: [&str; 3], tag: &str) -> [Digest; 2] {
        let config = self.put_blob("{}").await;
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{manifest_kind}","config":{{"mediaType":"{config_kind}","digest":"{config}","size":2}},"layers":[]}}"#
        );
        let size = manifest.len();
        let image = self.put_manifest(&format!("{tag}-image"), manifest_kind, manifest).await;
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{index_kind}","manifests":[{{"mediaType":"{manifest_kind}","digest":"{image}","size":{size},"platform":{{"architecture":"amd64","os":"linux"}}}}]}}"#
        );
        [image, self.put_manifest(&format!("{tag}-index"), index_kind, index).await]
    }
}

const OCI: [&str; 3] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];

const DOCKER: [&str; 3] = [
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// A folder with a docker config that has this password for `host`, as `docker login` writes it.
fn logged_in(host: &str, auth: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#);
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    folder
}

/// printf 'tester:s3cret-pa55' | base64
const RIGHT: &str = "dGVzdGVyOnMzY3JldC1wYTU1";
/// printf 'tester:wrong' | base64
const WRONG: &str = "dGVzdGVyOndyb25n";

fn with_config(folder: &TempDir) -> Registry {
    Registry::new(RegistryOptions { docker_config: Some(folder.path().to_owned()), ..Default::default() })
}

#[tokio::test]
async fn a_name_means_the_index_or_else_the_manifest() {
    let real = Real::new("AICAGE_TEST_REGISTRY", "kinds");
    let registry = Registry::new(RegistryOptions::default());
    for (kinds, tag) in [(OCI, "oci"), (DOCKER, "docker")] {
        let [image, index] = real.put(kinds, tag).await;
        assert_eq!(registry.digest(&real.image(&format!("{tag}-image"))).await.unwrap(), image);
        assert_eq!(registry.digest(&real.image(&format!("{tag}-index"))).await.unwrap(), index);
    }
}

#[tokio::test]
async fn a_name_that_moves_has_another_digest() {
    let real = Real::new("AICAGE_TEST_REGISTRY", "moves");
    let registry = Registry::new(RegistryOptions::default());
    real.put(OCI, "x").await;
    let first = registry.digest(&real.image("x-index")).await.unwrap();
    let empty = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, OCI[2]);
    let second = real.put_manifest("x-index", OCI[2], empty).await;
    assert_ne!(first, second);
    assert_eq!(registry.digest(&real.image("x-index")).await.unwrap(), second);
}

#[tokio::test]
async fn what_is_not_there_is_absent() {
    let real = Real::new("AICAGE_TEST_REGISTRY", "absent");
    let registry = Registry::new(RegistryOptions::default());
    for stage in ["no repository", "no tag"] {
        let error = registry.digest(&real.image("nothing")).await.unwrap_err();
        assert!(matches!(error, RegistryError::Absent { .. }), "{stage}: {error:?}");
        real.put(OCI, "x").await;
    }
}

#[tokio::test]
async fn the_right_password_opens() {
    let real = Real::new("AICAGE_TEST_REGISTRY_AUTH", "right");
    let [_, index] = real.put(OCI, "x").await;
    let folder = logged_in(&real.host, RIGHT);
    let registry = with_config(&folder);
    assert_eq!(registry.digest(&real.image("x-index")).await.unwrap(), index);
    let expected = Credential::Password { username: USER.to_owned(), password: PASSWORD.to_owned() };
    assert_eq!(registry.credentials(&real.host).await.unwrap(), Some(expected));
    assert!(matches!(registry.digest(&real.image("nothing")).await, Err(RegistryError::Absent { .. })));
}

#[tokio::test]
async fn the_wrong_password_and_none_are_denied() {
    let real = Real::new("AICAGE_TEST_REGISTRY_AUTH", "wrong");
    real.put(OCI, "x").await;
    let failure = async |registry: Registry| {
        let error = registry.digest(&real.image("x-index")).await.unwrap_err();
        error.to_string().replace(&real.host, "HOST").replace(&real.repository, "REPOSITORY")
    };
    let wrong = failure(with_config(&logged_in(&real.host, WRONG))).await;
    insta::assert_snapshot!(wrong, @"the registry HOST denies access to REPOSITORY with the configured credentials");
    let none = failure(Registry::new(RegistryOptions::default())).await;
    insta::assert_snapshot!(none, @"the registry HOST denies access to REPOSITORY; no credentials are configured for it");
}
