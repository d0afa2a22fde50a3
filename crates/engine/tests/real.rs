//! What real engines do: every version and both image stores that are supported, none left out.
//!
//! `make test` starts them and says in `AICAGE_TEST_…` variables where they are.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptions, ImportImageOptions, PushImageOptions, RemoveContainerOptions, RemoveImageOptions,
};
use bytes::{BufMut, Bytes, BytesMut};
use domain::credential::Credential;
use domain::digest::Digest;
use domain::image::ImageRef;
use engine::{Endpoint, Engine, EngineError, ImageStore, LocalImage, PullEvent, PullFailure};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make test`, or first `eval \"$(scripts/test-env)\"`"))
}

/// A real engine, with a second way to it for what the tests prepare.
struct Real {
    name: &'static str,
    store: ImageStore,
    engine: Engine,
    docker: Docker,
}

impl Real {
    fn new(name: &'static str, store: ImageStore) -> Self {
        let endpoint = Endpoint::find(Some(&variable(name))).unwrap();
        let Endpoint::Unix(path) = &endpoint;
        let docker = Docker::connect_with_unix(path.to_str().unwrap(), 60, bollard::API_DEFAULT_VERSION).unwrap();
        Self { name, store, engine: Engine::connect(&endpoint), docker }
    }

    fn all() -> [Self; 4] {
        [
            Self::new("AICAGE_TEST_DOCKER20", ImageStore::Graph),
            Self::new("AICAGE_TEST_DOCKER26", ImageStore::Graph),
            Self::new("AICAGE_TEST_DOCKER28", ImageStore::Graph),
            Self::new("AICAGE_TEST_DOCKER28_CONTAINERD", ImageStore::Containerd),
        ]
    }

    async fn load(&self, archive: Bytes) {
        let said: Vec<_> = self
            .docker
            .import_image(ImportImageOptions::default(), bollard::body_full(archive), None)
            .try_collect()
            .await
            .unwrap();
        let errors: Vec<_> = said.iter().filter_map(|line| line.error_detail.as_ref()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", self.name);
    }

    async fn save(&self, image: &ImageRef) -> Bytes {
        let saved: BytesMut = self
            .docker
            .export_image(&image.to_string())
            .try_fold(BytesMut::new(), async |mut whole, part| {
                whole.put(part);
                Ok(whole)
            })
            .await
            .unwrap();
        saved.freeze()
    }

    async fn push(&self, image: &ImageRef, credentials: Option<DockerCredentials>) {
        let options = PushImageOptions { tag: image.tag().map(str::to_owned), ..Default::default() };
        let repository = image.repository().to_string();
        let pushed: Vec<_> = self.docker.push_image(&repository, Some(options), credentials).collect().await;
        assert!(pushed.iter().all(Result::is_ok), "{}: {pushed:?}", self.name);
    }

    async fn pull(&self, image: &ImageRef, credential: Option<&Credential>) -> Vec<PullEvent> {
        let mut events = Vec::new();
        let pulled = self.engine.pull(image, credential, |event| events.push(event)).await;
        pulled.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        events
    }

    async fn image(&self, image: &ImageRef) -> LocalImage {
        let found = self.engine.image(image).await.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        found.unwrap_or_else(|| panic!("{}: no image {image}", self.name))
    }
}

/// Names an image that no other test, nor another run of this one, touches.
fn name(test: &str) -> ImageRef {
    format!("aicage-engine-test:{test}-{}", std::process::id()).parse().unwrap()
}

fn tar(folder: &Path) -> Bytes {
    let packed = Command::new("tar")
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "-c", "-C"])
        .arg(folder)
        .arg(".")
        .output()
        .unwrap();
    assert!(packed.status.success());
    packed.stdout.into()
}

/// Makes what `docker save` would give for an image of one layer with one file.
fn archive(image: &ImageRef, file: &str, config: Value) -> Bytes {
    archive_with(image, file, config, json!([{ "created": "2026-01-02T03:04:05Z", "created_by": "test" }]))
}

/// Makes the same with a history.
fn archive_with(image: &ImageRef, file: &str, config: Value, history: Value) -> Bytes {
    let layer = tempfile::tempdir().unwrap();
    std::fs::write(layer.path().join("file"), file).unwrap();
    let layer = tar(layer.path());
    let whole = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(whole.path().join(name), bytes).unwrap();
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer).to_string()] },
        "history": history,
    });
    put("layer.tar", &layer);
    put("config.json", config.to_string().as_bytes());
    let manifest = json!([{ "Config": "config.json", "RepoTags": [image.familiar()], "Layers": ["layer.tar"] }]);
    put("manifest.json", manifest.to_string().as_bytes());
    tar(whole.path())
}

/// A config that says something in every field that an image can have.
fn full_config() -> Value {
    json!({
        "Hostname": "0a1b2c3d",
        "User": "me:me",
        "Env": ["PATH=/usr/bin:/bin", "B=2", "A=1", "EMPTY="],
        "Cmd": ["bash", "-l"],
        "Entrypoint": ["/entrypoint.sh"],
        "WorkingDir": "/work",
        "Image": "sha256:b0a1b2",
        "ExposedPorts": { "8080/tcp": {}, "53/udp": {} },
        "Volumes": { "/z": {}, "/a": {} },
        "Labels": { "z": "1", "a": "", "org.opencontainers.image.title": "Ünï \"code\"" },
        "OnBuild": ["RUN true"],
        "StopSignal": "SIGINT",
        "Shell": ["/bin/bash", "-o", "pipefail", "-c"],
        "Healthcheck": { "Test": ["CMD", "true"], "Interval": 1_000_000_000, "Timeout": 2_000_000_000, "Retries": 3 },
    })
}

#[tokio::test]
async fn every_engine_says_what_it_is() {
    let mut seen = Vec::new();
    for real in Real::all() {
        let version = real.engine.version().await.unwrap();
        assert!(!version.version.is_empty());
        assert_eq!(version.platform, format!("linux/{}", architecture()));
        seen.push(version.api_version);
    }
    assert_eq!(seen, [(1, 41), (1, 45), (1, 51), (1, 51)]);
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

#[tokio::test]
async fn an_image_that_is_not_there_is_none() {
    for real in Real::all() {
        assert_eq!(real.engine.image(&name("absent")).await.unwrap(), None, "{}", real.name);
        let pinned = name("absent").pinned(Digest::of(b"nothing"));
        assert_eq!(real.engine.image(&pinned).await.unwrap(), None, "{}", real.name);
    }
}

#[tokio::test]
async fn an_imported_root_has_one_content_everywhere() {
    let root: ImageRef = "aicage-test-base:minbase".parse().unwrap();
    let mut contents = BTreeMap::new();
    for real in Real::all() {
        let image = real.image(&root).await;
        assert!(image.size_bytes > 1_000_000, "{}: {image:?}", real.name);
        assert!(image.repo_tags.contains(&root.familiar()), "{}: {image:?}", real.name);
        assert!(image.created.is_some_and(|created| created.starts_with("20")));
        contents.entry(image.content).or_insert_with(Vec::new).push(real.name);
    }
    assert_eq!(contents.len(), 1, "{contents:?}");
}

#[tokio::test]
async fn a_loaded_image_has_one_content_everywhere() {
    for (test, config) in [("full", full_config()), ("bare", json!({}))] {
        let image = name(test);
        let mut archive = archive(&image, "content", config.clone());
        let mut contents = Vec::new();
        // From engine to engine, as each saves it, and from the last back to the first.
        let all = Real::all();
        for real in all.iter().chain(&all[..1]) {
            real.load(archive).await;
            let loaded = real.image(&image).await;
            assert_eq!(loaded.store, real.store, "{}", real.name);
            let labels = config.get("Labels").cloned().unwrap_or_else(|| json!({}));
            assert_eq!(json!(loaded.labels), labels, "{}", real.name);
            contents.push(loaded.content);
            archive = real.save(&image).await;
            assert!(real.engine.untag(&image).await.unwrap(), "{}", real.name);
        }
        contents.dedup();
        assert_eq!(contents.len(), 1, "{test}: {contents:?}");
    }
}

#[tokio::test]
async fn other_bytes_are_another_content() {
    let image = name("bytes");
    for real in Real::all() {
        let mut contents = Vec::new();
        for (file, config) in [("one", json!({})), ("two", json!({})), ("two", json!({ "User": "me" }))] {
            real.load(archive(&image, file, config)).await;
            contents.push(real.image(&image).await.content);
        }
        contents.sort();
        contents.dedup();
        assert_eq!(contents.len(), 3, "{}", real.name);
        real.engine.untag(&image).await.unwrap();
    }
}

#[tokio::test]
async fn a_moved_tag_leaves_the_image_it_had() {
    let (new, current) = (name("new"), name("current"));
    let previous = current.with_tag_suffix("-previous").unwrap();
    for real in Real::all() {
        real.load(archive(&current, "first", json!({}))).await;
        let first = real.image(&current).await;
        real.load(archive(&new, "second", json!({}))).await;
        let second = real.image(&new).await;

        real.engine.tag(&first.id, &previous).await.unwrap();
        real.engine.tag(&new.to_string(), &current).await.unwrap();
        assert_eq!(real.image(&current).await.id, second.id, "{}", real.name);
        assert_eq!(real.image(&previous).await.id, first.id, "{}", real.name);

        assert!(real.engine.untag(&new).await.unwrap(), "{}", real.name);
        assert!(!real.engine.untag(&new).await.unwrap(), "{}", real.name);
        assert_eq!(real.image(&current).await.content, second.content, "{}", real.name);
        assert!(real.engine.untag(&current).await.unwrap(), "{}", real.name);
        assert!(real.engine.untag(&previous).await.unwrap(), "{}", real.name);
    }
}

#[tokio::test]
async fn the_last_name_of_an_image_in_use_stays() {
    let (image, other) = (name("used"), name("used-too"));
    for real in Real::all() {
        real.load(archive(&image, "used", json!({ "Cmd": ["/file"] }))).await;
        let config = ContainerCreateBody { image: Some(image.to_string()), ..Default::default() };
        let container = real.docker.create_container(None::<CreateContainerOptions>, config).await.unwrap().id;
        let error = real.engine.untag(&image).await.unwrap_err();
        assert!(matches!(error, EngineError::Refused { status: 409, .. }), "{}: {error:?}", real.name);
        // With another name the image stays anyway.
        real.engine.tag(&image.to_string(), &other).await.unwrap();
        assert!(real.engine.untag(&other).await.unwrap(), "{}", real.name);
        real.docker.remove_container(&container, None::<RemoveContainerOptions>).await.unwrap();
        assert!(real.engine.untag(&image).await.unwrap(), "{}", real.name);
    }
}

#[tokio::test]
async fn what_is_not_there_cannot_be_tagged() {
    for real in Real::all() {
        let error = real.engine.tag(&name("nothing").to_string(), &name("x")).await.unwrap_err();
        assert!(matches!(error, EngineError::NoImage { .. }), "{}: {error:?}", real.name);
        let error = real.engine.tag(&Digest::of(b"nothing").to_string(), &name("x")).await.unwrap_err();
        assert!(matches!(error, EngineError::NoImage { .. }), "{}: {error:?}", real.name);
    }
}

#[tokio::test]
async fn the_store_decides_what_a_never_pulled_image_is_known_by() {
    let image = name("local");
    for real in Real::all() {
        real.load(archive(&image, "local", json!({}))).await;
        let loaded = real.image(&image).await;
        // containerd's store keeps every image under the digest that a push would give it.
        let expected = match real.store {
            ImageStore::Graph => None,
            ImageStore::Containerd => Some(loaded.id.parse().unwrap()),
        };
        assert_eq!(loaded.pulled_as(image.repository()), expected, "{}", real.name);
        real.engine.untag(&image).await.unwrap();
    }
}

#[tokio::test]
async fn a_pulled_image_is_known_by_the_registrys_digest() {
    let registry = variable("AICAGE_TEST_REGISTRY");
    let other = "ghcr.io/acme/other".parse().unwrap();
    for real in Real::all() {
        let image: ImageRef =
            format!("{registry}/engine-test/{}:{}", real.name.to_lowercase(), std::process::id()).parse().unwrap();
        real.load(archive(&image, real.name, json!({}))).await;
        real.push(&image, None).await;
        let made = real.image(&image).await;
        real.engine.untag(&image).await.unwrap();
        assert_eq!(real.engine.image(&image).await.unwrap(), None, "{}", real.name);

        let events = real.pull(&image, None).await;
        let downloaded = |event: &PullEvent| event.total.is_some_and(|total| event.current <= Some(total));
        assert!(events.iter().all(|event| event.total.is_none() || downloaded(event)), "{}: {events:?}", real.name);
        let complete = events.iter().any(|event| event.status == "Pull complete" && event.id.is_some());
        assert!(complete, "{}: {events:?}", real.name);
        let back = real.image(&image).await;
        let digest = back.pulled_as(image.repository()).unwrap_or_else(|| panic!("{}: {back:?}", real.name));
        assert_eq!(back.pulled_as(&other), None);
        assert_eq!(back.content, made.content, "{}", real.name);
        assert_eq!(back.store, real.store, "{}", real.name);
        assert_eq!(real.image(&image.pinned(digest)).await.id, back.id, "{}", real.name);
        real.engine.untag(&image).await.unwrap();
    }
}

#[tokio::test]
async fn an_image_whose_layers_are_there_in_other_packing_is_pulled() {
    let image: ImageRef =
        format!("{}/engine-test/shared:{}", variable("AICAGE_TEST_REGISTRY"), std::process::id()).parse().unwrap();
    let engines = Real::all();
    engines[0].load(archive(&image, "shared", json!({}))).await;
    engines[0].push(&image, None).await;
    let here = name("shared");
    for real in engines {
        real.load(archive(&here, "shared", json!({}))).await;
        real.pull(&image, None).await;
        // It is known by its digest and can be used, whatever the engine tells about it.
        let found = real.image(&image).await;
        let digest = found.pulled_as(image.repository()).unwrap_or_else(|| panic!("{}: {found:?}", real.name));
        assert_eq!(real.image(&image.pinned(digest)).await.id, found.id, "{}", real.name);
        assert_eq!(found.store, real.store, "{}", real.name);
        let config = ContainerCreateBody {
            image: Some(image.to_string()),
            cmd: Some(vec!["/file".to_owned()]),
            ..Default::default()
        };
        let container = real.docker.create_container(None::<CreateContainerOptions>, config).await.unwrap().id;
        real.docker.remove_container(&container, None::<RemoveContainerOptions>).await.unwrap();
        for name in [&here, &image] {
            let _ = real.engine.untag(name).await;
        }
    }
}

/// Returns who may use the registry that wants a password.
fn tester(password: &str) -> Credential {
    Credential::Password { username: "tester".to_owned(), password: password.to_owned() }
}

#[tokio::test]
async fn a_registry_that_wants_a_password_is_shown_one() {
    let registry = variable("AICAGE_TEST_REGISTRY_AUTH");
    for real in Real::all() {
        let image: ImageRef =
            format!("{registry}/engine-test/{}:{}", real.name.to_lowercase(), std::process::id()).parse().unwrap();
        real.load(archive(&image, real.name, json!({}))).await;
        let credentials = DockerCredentials {
            username: Some("tester".to_owned()),
            password: Some("s3cret-pa55".to_owned()),
            ..DockerCredentials::default()
        };
        real.push(&image, Some(credentials)).await;
        let made = real.image(&image).await;
        real.engine.untag(&image).await.unwrap();
        for wrong in [None, Some(tester("wrong"))] {
            let error = real.engine.pull(&image, wrong.as_ref(), drop).await.unwrap_err();
            let denied = matches!(error, EngineError::NotPulled { failure: PullFailure::Denied, .. });
            assert!(denied && error.advice().is_some(), "{}: {error}", real.name);
            assert!(!error.to_string().contains("wrong"), "{error}");
        }
        let right = tester("s3cret-pa55");
        real.pull(&image, Some(&right)).await;
        let by_tag = real.image(&image).await;
        assert_eq!(by_tag.content, made.content, "{}", real.name);
        let pinned = image.pinned(by_tag.pulled_as(image.repository()).unwrap());
        real.engine.untag(&image).await.unwrap();
        real.pull(&pinned, Some(&right)).await;
        let by_digest = real.image(&pinned).await;
        assert_eq!(by_digest.id, by_tag.id, "{}", real.name);
        real.engine.untag(&pinned).await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_pulled_is_said_with_the_engines_words() {
    let absent = format!("{}/engine-test/none:none", variable("AICAGE_TEST_REGISTRY"));
    for real in Real::all() {
        for (image, expected) in [(absent.as_str(), PullFailure::Absent), ("127.0.0.1:1/x:x", PullFailure::Unreachable)]
        {
            match real.engine.pull(&image.parse().unwrap(), None, drop).await {
                Err(EngineError::NotPulled { failure, message, .. }) => assert_eq!(failure, expected, "{message}"),
                other => panic!("{}: {other:?}", real.name),
            }
        }
    }
}

/// Characters for which the two alphabets of base64 differ, at every place that they can have.
const HARD_PASSWORD: &str = "~~~~???>>>é";

#[tokio::test]
async fn a_password_of_any_characters_arrives() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let image: ImageRef = format!("{}/x:x", listener.local_addr().unwrap()).parse().unwrap();
    let shown = Arc::<Mutex<Vec<String>>>::default();
    let log = shown.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 16 * 1024];
            let length = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..length]).to_lowercase();
            log.lock()
                .unwrap()
                .extend(head.lines().filter(|line| line.starts_with("authorization: ")).map(str::to_owned));
            let challenge = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(challenge.as_bytes()).await;
        }
    });
    let basic = format!("authorization: basic {}", STANDARD.encode(format!("tester:{HARD_PASSWORD}"))).to_lowercase();
    for real in Real::all() {
        shown.lock().unwrap().clear();
        let denied = real.engine.pull(&image, Some(&tester(HARD_PASSWORD)), drop).await;
        assert!(denied.is_err(), "{}", real.name);
        assert!(shown.lock().unwrap().contains(&basic), "{}: {:?} {denied:?}", real.name, shown.lock().unwrap());
    }
}

#[tokio::test]
async fn a_history_ends_with_the_newest_step() {
    let image = name("history");
    let created = "2026-01-02T03:04:05Z";
    let history = json!([
        { "created": created, "created_by": "first" },
        { "created": created, "created_by": "second", "empty_layer": true, "comment": "a comment" },
    ]);
    for real in Real::all() {
        let file = "x".repeat(100_000);
        real.load(archive_with(&image, &file, json!({}), history.clone())).await;
        let entries = real.engine.history(&image).await.unwrap();
        let words: Vec<_> = entries.iter().map(|entry| (entry.created_by.as_str(), entry.comment.as_str())).collect();
        assert_eq!(words, [("first", ""), ("second", "a comment")], "{}", real.name);
        assert!(entries[0].size_bytes >= 100_000, "{}: {entries:?}", real.name);
        assert_eq!(entries[1].size_bytes, 0, "{}", real.name);
        real.engine.untag(&image).await.unwrap();
        let error = real.engine.history(&image).await.unwrap_err();
        assert!(matches!(error, EngineError::NoImage { .. }), "{}: {error:?}", real.name);
    }
}

#[tokio::test]
async fn images_are_listed_by_label() {
    let (first, second, other) = (name("listed"), name("listed-too"), name("unlisted"));
    let label = format!("aicage.test.{}", std::process::id());
    let labelled = |value: &str| json!({ "Labels": BTreeMap::from([(&label, value)]) });
    for real in Real::all() {
        real.load(archive(&first, "listed", labelled("one"))).await;
        real.load(archive(&other, "unlisted", json!({}))).await;
        real.engine.tag(&first.to_string(), &second).await.unwrap();
        let inspected = real.image(&first).await;
        let listed = real.engine.images(&label).await.unwrap();
        assert_eq!(listed.len(), 1, "{}: {listed:?}", real.name);
        assert_eq!(listed[0].names, [first.clone(), second.clone()], "{}", real.name);
        assert_eq!((&listed[0].id, &listed[0].labels), (&inspected.id, &inspected.labels), "{}", real.name);
        // containerd's store adds here what it has unpacked.
        let unpacked = listed[0].size_bytes - inspected.size_bytes;
        assert_eq!(unpacked > 0, real.store == ImageStore::Containerd, "{}: {unpacked}", real.name);
        assert_eq!(listed[0].created, 1_767_323_045, "{}", real.name);
        for image in [&first, &second, &other] {
            real.engine.untag(image).await.unwrap();
        }
        assert_eq!(real.engine.images(&label).await.unwrap(), [], "{}", real.name);
    }
}

#[tokio::test]
async fn an_image_whose_name_went_to_another_is_listed_without_one() {
    let image = name("nameless");
    let label = format!("aicage.test.nameless.{}", std::process::id());
    let config = |value: &str| json!({ "Labels": BTreeMap::from([(&label, value)]) });
    for real in Real::all() {
        for value in ["old", "new"] {
            real.load(archive(&image, value, config(value))).await;
        }
        let listed = real.engine.images(&label).await.unwrap();
        let seen: Vec<_> = listed.iter().map(|image| (image.labels[&label].as_str(), image.names.len())).collect();
        assert!(seen.contains(&("new", 1)), "{}: {seen:?}", real.name);
        assert!(seen.iter().all(|image| [("new", 1), ("old", 0)].contains(image)), "{}: {seen:?}", real.name);
        for image in listed {
            let removed = real.docker.remove_image(&image.id, None::<RemoveImageOptions>, None).await;
            assert!(removed.is_ok(), "{}: {removed:?}", real.name);
        }
    }
}
