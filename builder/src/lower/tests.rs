use domain::digest::Digest;
use domain::files::{FileEntry, FileKind, FileSet};
use domain::name::{AgentName, BaseName, ExtensionName};
use domain::recipe::{BaseIdentity, ImageKind};
use domain::version::AgentVersion;

use super::*;

fn files(path: &str) -> FileSet {
    let kind = FileKind::File { digest: Digest::of(b"content") };
    FileSet(vec![FileEntry { path: path.to_owned(), mode: 0o755, kind }])
}

fn agent() -> Layer {
    let (name, version) = (AgentName::parse("codex").unwrap(), AgentVersion::parse("1.5.0").unwrap());
    Layer { kind: LayerKind::Agent { name, version }, files: files("install.sh") }
}

fn extension(name: &str, kind: ExtensionKind) -> Layer {
    let name = ExtensionName::parse(name).unwrap();
    Layer { kind: LayerKind::Extension { name, kind }, files: files("scripts/01.sh") }
}

fn scripts(name: &str) -> Layer {
    extension(name, ExtensionKind::Scripts)
}

fn dockerfile_of(name: &str) -> Layer {
    extension(name, ExtensionKind::Dockerfile)
}

fn recipe(kind: ImageKind, layers: Vec<Layer>) -> (Recipe, BaseSource) {
    let digest = Digest::of(b"base");
    let named: ImageRef = "ghcr.io/acme/base:debian".parse().unwrap();
    let source = BaseSource {
        reference: named.pinned(digest),
        named: named.clone(),
        local_only: false,
        identity: BaseIdentity::Manifest(digest),
    };
    let ingredients = Ingredients {
        kind,
        agent: (kind != ImageKind::Base).then(|| AgentName::parse("codex").unwrap()),
        base_name: BaseName::parse("debian").unwrap(),
        title: Some("Codex".to_owned()),
        source: Some("https://example.org/codex".to_owned()),
        layers,
        secrets: BTreeMap::new(),
        saved: None,
        platform: "linux/arm64".to_owned(),
    };
    (Recipe { ingredients, base_image: named, base: source.identity }, source)
}

fn circumstances() -> Circumstances {
    let proxies = Proxies { http: "http://user:secret@proxy:3128".to_owned(), ..Proxies::default() };
    Circumstances { proxies, created: "2026-01-01T00:00:00Z".to_owned(), no_cache: false, cache_mounts: false }
}

fn lowered(recipe: &(Recipe, BaseSource), chains: bool, circumstances: &Circumstances) -> Vec<Stage> {
    let staging: ImageRef = "x:staging".parse().unwrap();
    let between = ["x:staging-1", "x:staging-2", "x:staging-3"].map(|name| name.parse().unwrap()).to_vec();
    let places = Places { staging: &staging, between: (!chains).then_some(between) };
    lower(&recipe.0, &recipe.1, &places, circumstances)
}

/// Writes requests as a person would read them; our own programs by their names.
fn told(stages: &[Stage]) -> String {
    stages.iter().map(told_stage).collect()
}

fn told_stage(stage: &Stage) -> String {
    let solve = &stage.solve;
    let mut text = format!("{} for {}\n", solve.images.join(" "), solve.platform.architecture);
    match &solve.start {
        Start::Image(start) => text += &format!("from {:?} local_only={}\n", start.reference, start.local_only),
        Start::Dockerfile(dockerfile) => text += &told_dockerfile(dockerfile),
    }
    for part in &solve.parts {
        match part {
            Part::Step(step) => text += &told_step(step),
            Part::Dockerfile { dockerfile, from } => text += &format!("on {from}: {}", told_dockerfile(dockerfile)),
        }
    }
    solve.changes.environment.iter().for_each(|(key, value)| text += &format!("ENV {key}={value}\n"));
    text + &format!("layers {:?} {:?}\n", stage.start, stage.parts)
}

fn told_dockerfile(dockerfile: &Dockerfile) -> String {
    let Dockerfile { name, context, build_arguments, local_only, .. } = dockerfile;
    format!("Dockerfile {name:?} of {context} local_only={local_only} {build_arguments:?}\n")
}

fn told_step(step: &Step) -> String {
    let names = step.arguments.iter().map(|argument| match argument.as_str() {
        LAUNCHER => "LAUNCHER",
        SCRIPTS => "SCRIPTS",
        other => other,
    });
    let mut text = format!("step {:?}: {}\n", step.name, names.collect::<Vec<_>>().join(" "));
    step.environment.iter().for_each(|(key, value)| text += &format!("  env {key}={value}\n"));
    step.mounts.iter().for_each(|mount| text += &format!("  mount {:?} at {}\n", mount.source, mount.target));
    text
}

#[test]
fn an_agent_is_one_step_on_a_pinned_base() {
    let stages = lowered(&recipe(ImageKind::Final, vec![agent()]), true, &circumstances());
    insta::assert_snapshot!(told(&stages), @r#"
    docker.io/library/x:staging for arm64
    from "ghcr.io/acme/base@sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2" local_only=false
    step "install codex 1.5.0": /bin/sh -c LAUNCHER aicage /dev/aicage/definition/install.sh
      env AGENT=codex
      env AICAGE_AGENT_VERSION=1.5.0
      mount OptionalSecret { id: ".aicage-ca", mode: 292 } at /dev/aicage/ca.crt
      mount Folder("definition") at /dev/aicage/definition
    ENV AGENT=codex
    ENV AICAGE_ENTRYPOINT_CMD=codex
    layers None [Some(0)]
    "#);
    assert!(stages[0].solve.changes.labels.contains_key("dev.aicage.recipe.hash"));
}

#[test]
fn extensions_may_be_beneath_the_agent() {
    let layers = vec![scripts("act"), scripts("gh"), agent()];
    insta::assert_snapshot!(told(&lowered(&recipe(ImageKind::Extended, layers), true, &circumstances())), @r#"
    docker.io/library/x:staging for arm64
    from "ghcr.io/acme/base@sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2" local_only=false
    step "extension act": /bin/sh -c LAUNCHER aicage /bin/sh -c SCRIPTS aicage /dev/aicage/extension/scripts
      env EXTENSION=act
      mount OptionalSecret { id: ".aicage-ca", mode: 292 } at /dev/aicage/ca.crt
      mount Folder("extension-act") at /dev/aicage/extension
    step "extension gh": /bin/sh -c LAUNCHER aicage /bin/sh -c SCRIPTS aicage /dev/aicage/extension/scripts
      env EXTENSION=gh
      mount OptionalSecret { id: ".aicage-ca", mode: 292 } at /dev/aicage/ca.crt
      mount Folder("extension-gh") at /dev/aicage/extension
    step "install codex 1.5.0": /bin/sh -c LAUNCHER aicage /dev/aicage/definition/install.sh
      env AGENT=codex
      env AICAGE_AGENT_VERSION=1.5.0
      mount OptionalSecret { id: ".aicage-ca", mode: 292 } at /dev/aicage/ca.crt
      mount Folder("definition") at /dev/aicage/definition
    ENV AGENT=codex
    ENV AICAGE_ENTRYPOINT_CMD=codex
    layers None [Some(0), Some(1), Some(2)]
    "#);
}

#[test]
fn a_custom_base_is_its_dockerfile() {
    let layer = Layer { kind: LayerKind::Dockerfile, files: files("Dockerfile") };
    insta::assert_snapshot!(told(&lowered(&recipe(ImageKind::Base, vec![layer]), true, &circumstances())), @r#"
    docker.io/library/x:staging for arm64
    Dockerfile "base" of base local_only=false {"FROM_IMAGE": "ghcr.io/acme/base@sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2"}
    layers Some(0) []
    "#);
}

#[test]
fn a_dockerfile_stands_on_what_is_beneath_it_in_one_request_where_the_engine_can() {
    let recipe = recipe(ImageKind::Extended, vec![scripts("act"), dockerfile_of("gh"), scripts("jq")]);
    insta::assert_snapshot!(told(&lowered(&recipe, true, &circumstances())), @r#"
    docker.io/library/x:staging for arm64
    from "ghcr.io/acme/base@sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2" local_only=false
    step "extension act": /bin/sh -c LAUNCHER aicage /bin/sh -c SCRIPTS aicage /dev/aicage/extension/scripts
      env EXTENSION=act
      mount OptionalSecret { id: ".aicage-ca", mode: 292 } at /dev/aicage/ca.crt
      mount Folder("extension-act") at /dev/aicage/extension
    on ghcr.io/acme/base:debian: Dockerfile "extension gh" of extension-gh local_only=false {"BASE_IMAGE": "ghcr.io/acme/base:debian", "EXTENSION": "gh"}
    step "extension jq": /bin/sh -c LAUNCHER aicage /bin/sh -c SCRIPTS aicage /dev/aicage/extension/scripts
      env EXTENSION=jq
      mount OptionalSecret { id: ".aicage-ca", mode: 292 } at /dev/aicage/ca.crt
      mount Folder("extension-jq") at /dev/aicage/extension
    layers None [Some(0), Some(1), Some(2)]
    "#);
}

#[test]
fn elsewhere_a_dockerfile_needs_an_image_for_a_moment() {
    let recipe =
        recipe(ImageKind::Extended, vec![scripts("act"), dockerfile_of("gh"), dockerfile_of("jq"), scripts("x")]);
    insta::assert_snapshot!(told(&lowered(&recipe, false, &circumstances())), @r#"
    docker.io/library/x:staging-1 for arm64
    from "ghcr.io/acme/base@sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2" local_only=false
    step "extension act": /bin/sh -c LAUNCHER aicage /bin/sh -c SCRIPTS aicage /dev/aicage/extension/scripts
      env EXTENSION=act
      mount OptionalSecret { id: ".aicage-ca", mode: 292 } at /dev/aicage/ca.crt
      mount Folder("extension-act") at /dev/aicage/extension
    layers None [Some(0)]
    docker.io/library/x:staging-2 for arm64
    Dockerfile "extension gh" of extension-gh local_only=true {"BASE_IMAGE": "x:staging-1", "EXTENSION": "gh"}
    layers Some(1) []
    docker.io/library/x:staging for arm64
    Dockerfile "extension jq" of extension-jq local_only=true {"BASE_IMAGE": "x:staging-2", "EXTENSION": "jq"}
    step "extension x": /bin/sh -c LAUNCHER aicage /bin/sh -c SCRIPTS aicage /dev/aicage/extension/scripts
      env EXTENSION=x
      mount OptionalSecret { id: ".aicage-ca", mode: 292 } at /dev/aicage/ca.crt
      mount Folder("extension-x") at /dev/aicage/extension
    layers Some(2) [Some(3)]
    "#);
}

#[test]
fn a_dockerfile_at_the_bottom_needs_none() {
    let recipe = recipe(ImageKind::Extended, vec![dockerfile_of("gh"), scripts("act")]);
    assert_eq!(lowered(&recipe, false, &circumstances()).len(), 1);
}

#[test]
fn shares_alone_make_no_step() {
    let recipe = recipe(ImageKind::Extended, vec![extension("x", ExtensionKind::SharesOnly)]);
    assert!(lowered(&recipe, true, &circumstances())[0].solve.parts.is_empty());
}

#[test]
fn a_secret_is_mounted_and_its_digest_makes_another_step() {
    let mut one = recipe(ImageKind::Extended, vec![scripts("act")]);
    one.0.ingredients.secrets = [("npm".to_owned(), Digest::of(b"1"))].into();
    let first = lowered(&one, true, &circumstances());
    insta::assert_snapshot!(told(&first), @r#"
    docker.io/library/x:staging for arm64
    from "ghcr.io/acme/base@sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2" local_only=false
    step "extension act": /bin/sh -c LAUNCHER aicage /bin/sh -c SCRIPTS aicage /dev/aicage/extension/scripts
      env AICAGE_SECRETS=/dev/aicage/secrets
      env AICAGE_SECRETS_DIGEST=65e58baee6c41f15b8d74952168573b695e8529fe6af5f75a07409f4e3a0c4a8
      env EXTENSION=act
      mount OptionalSecret { id: ".aicage-ca", mode: 292 } at /dev/aicage/ca.crt
      mount Folder("extension-act") at /dev/aicage/extension
      mount Secret { id: "npm", mode: 256 } at /dev/aicage/secrets/npm
    layers None [Some(0)]
    "#);
    one.0.ingredients.secrets = [("npm".to_owned(), Digest::of(b"2"))].into();
    assert_ne!(told(&first), told(&lowered(&one, true, &circumstances())));
}

#[test]
fn caches_are_mounted_unless_they_are_not_wanted() {
    let with = Circumstances { cache_mounts: true, ..circumstances() };
    let text = told(&lowered(&recipe(ImageKind::Final, vec![agent()]), true, &with));
    assert_eq!(text.matches("mount Cache").count(), CACHES.len(), "{text}");
}

#[test]
fn no_cache_and_proxies_change_nothing_but_themselves() {
    let recipe = recipe(ImageKind::Final, vec![agent()]);
    let special = lowered(&recipe, true, &Circumstances { no_cache: true, ..circumstances() }).remove(0);
    let plain = Circumstances { proxies: Proxies::default(), ..circumstances() };
    let mut plain = lowered(&recipe, true, &plain).remove(0);
    plain.solve.ignore_cache();
    let (Part::Step(plain_step), Part::Step(step)) = (&mut plain.solve.parts[0], &special.solve.parts[0]) else {
        panic!()
    };
    plain_step.proxies = step.proxies.clone();
    assert_eq!(plain, special);
}
