//! Several images, each upon the one before: custom bases, published images, extensions.

use super::*;
use crate::definition::{Base, BaseMetadata, Extension, ExtensionKind, ExtensionMetadata};
use crate::name::{ExtensionName, ImageName};
use crate::target::{Ingredient, TargetImage};

pub(super) const BASE_YML: &str =
    "from_image: debian:trixie\nbase_image_distro: Debian\nbase_image_description: Mine\n";

pub(super) fn custom(name: &str, base_yml: &str) -> Base {
    Base {
        name: BaseName::parse(name).unwrap(),
        origin: Origin::User,
        folder: PathBuf::from("/definitions/base-images").join(name),
        metadata_file: "base.yml".to_owned(),
        metadata: BaseMetadata::parse(base_yml.as_bytes(), "base.yml").unwrap(),
        has_dockerfile: true,
    }
}

pub(super) fn extension(name: &str, kind: ExtensionKind) -> Extension {
    Extension {
        name: ExtensionName::parse(name).unwrap(),
        folder: PathBuf::from("/definitions/extensions").join(name),
        metadata_file: "extension.yml".to_owned(),
        metadata: ExtensionMetadata::parse(b"name: x\ndescription: x\n", "extension.yml").unwrap(),
        kind,
    }
}

pub(super) fn scripts(names: &[&str]) -> Vec<Extension> {
    names.iter().map(|name| extension(name, ExtensionKind::Scripts)).collect()
}

pub(super) fn wanted(definitions: Definitions, choice: ExtensionChoice) -> Target {
    let name = definitions.base.as_ref().map_or("debian", |base| base.name.as_str());
    let base = BaseChoice::Named(BaseName::parse(name).unwrap());
    let names = definitions.extensions.iter().map(|extension| extension.name.clone()).collect();
    let agent = definitions.agent.as_ref().unwrap().name.clone();
    let wanted = WantedAgent { agent, base, extensions: ExtensionChoice { names, ..choice } };
    let wanted = Wanted::Agent(Box::new(wanted));
    Target::select(&request(wanted), definitions).unwrap()
}

pub(super) fn codex() -> Option<Agent> {
    Some(agent("codex", AGENT_YML))
}

pub(super) fn published() -> Option<Agent> {
    Some(Agent { origin: Origin::Packaged, ..agent("codex", &format!("{AGENT_YML}build_local: false\n")) })
}

/// Returns a world in which nothing of `target` was built and every registry answers.
fn bare(target: &Target) -> World {
    let files = |layer: &Ingredient| match layer {
        Ingredient::Base(_) => FileSet(vec![file("Dockerfile", "FROM")]),
        Ingredient::Agent(_) => FileSet(vec![file("install.sh", "install")]),
        Ingredient::Extension(extension) => {
            FileSet(vec![file("scripts/01.sh", extension.name.as_str()), file("scripts/02.sh", "same")])
        }
    };
    let seen = |image: &TargetImage| {
        let remote = match &image.making {
            Making::Built { foundation: Foundation::Below, .. } => Remote::NotAsked,
            _ => Remote::Known(Digest::of(b"root 1")),
        };
        unbuilt(remote, image.layers().iter().map(files).collect())
    };
    World {
        images: target.images.iter().map(seen).collect(),
        version: VersionFact::Found(version("1.4.0"), Venue::Host),
        secrets: BTreeMap::new(),
        platform: "linux/amd64".to_owned(),
    }
}

pub(super) fn built(target: &Target) -> World {
    let world = bare(target);
    after(target, &world, &plan(target, &world).unwrap())
}

/// Returns what is decided first, after one fact was changed once all was built, and then again.
fn decided_in(target: &Target, change: impl FnOnce(&mut World)) -> String {
    let mut world = built(target);
    change(&mut world);
    let first = plan(target, &world);
    if let Ok(first) = &first {
        let second = plan(target, &after(target, &world, first)).unwrap();
        assert!(!second.has_work(), "{}", told(target, &Ok(second)));
    }
    told(target, &first)
}

fn on_custom_base() -> Target {
    let definitions =
        Definitions { agent: codex(), base: Some(custom("mine", BASE_YML)), extensions: scripts(&["act", "gh"]) };
    wanted(definitions, ExtensionChoice::default())
}

fn with_extensions(names: &[&str], choice: ExtensionChoice) -> Target {
    wanted(Definitions { agent: codex(), base: None, extensions: scripts(names) }, choice)
}

fn change_file(world: &mut World, image: usize, layer: usize) {
    world.images[image].layers[layer].0[0] = file("scripts/01.sh", "changed");
}

#[test]
fn a_chain_is_built_from_the_bottom_up() {
    let target = on_custom_base();
    insta::assert_snapshot!(told(&target, &plan(&target, &bare(&target))), @"
    build aicage-image-base-custom:mine
      because image is missing
      with dockerfile on debian@2b53d21379ba
    build aicage:codex-mine
      because image is missing
      with 1.4.0 on what is built first
    build aicage-extended:codex-mine-act-gh
      because image is missing
      with extension:act extension:gh on what is built first
    ");
    insta::assert_snapshot!(decided_in(&target, |_| {}), @"
    keep aicage-image-base-custom:mine
      since root image is sha256:2b53d21379ba at its registry
      since 1 definition file unchanged
    keep aicage:codex-mine
      since version 1.4.0 is the newest (version.sh on the host)
      since base is local content d4ef4310cd06 in the engine
      since 1 definition file unchanged
    keep aicage-extended:codex-mine-act-gh
      since image beneath is local content b67c03446dfd in the engine
      since 4 definition files unchanged
    ");
}

#[test]
fn a_changed_root_image_renews_everything_above() {
    insta::assert_snapshot!(decided_in(&on_custom_base(), |world| {
        world.images[0].beneath.remote = Remote::Known(Digest::of(b"root 2"));
    }), @"
    build aicage-image-base-custom:mine
      because root image sha256:2b53d21379ba -> sha256:f4cee9432566
      with dockerfile on debian@f4cee9432566
    build aicage:codex-mine
      because aicage-image-base-custom:mine beneath it is built first
      with 1.4.0 on what is built first
    build aicage-extended:codex-mine-act-gh
      because aicage:codex-mine beneath it is built first
      with extension:act extension:gh on what is built first
    ");
}

#[test]
fn another_name_of_the_root_image_is_a_reason_though_its_content_is_the_same() {
    let before = built(&on_custom_base());
    let definitions = Definitions {
        agent: codex(),
        base: Some(custom("mine", &BASE_YML.replace("trixie", "13"))),
        extensions: scripts(&["act", "gh"]),
    };
    let target = wanted(definitions, ExtensionChoice::default());
    let decision = told(&target, &plan(&target, &before));
    assert!(
        decision.starts_with("build aicage-image-base-custom:mine\n  because root image debian:trixie -> debian:13\n"),
        "{decision}"
    );
}

#[test]
fn an_unreachable_root_image_keeps_the_base_and_says_so() {
    insta::assert_snapshot!(decided_in(&on_custom_base(), |world| world.images[0].beneath.remote = unreachable()), @"
    keep aicage-image-base-custom:mine
    notice: root image debian:trixie could not be checked, the image is kept: no answer within 4 s
    keep aicage:codex-mine
      since version 1.4.0 is the newest (version.sh on the host)
      since base is local content d4ef4310cd06 in the engine
      since 1 definition file unchanged
    keep aicage-extended:codex-mine-act-gh
      since image beneath is local content b67c03446dfd in the engine
      since 4 definition files unchanged
    ");
}

#[test]
fn a_file_of_the_base_renews_what_is_above_and_one_of_an_extension_does_not_touch_what_is_beneath() {
    insta::assert_snapshot!(decided_in(&on_custom_base(), |world| change_file(world, 0, 0)), @"
    build aicage-image-base-custom:mine
      because file Dockerfile removed
      because file scripts/01.sh added
      with dockerfile on debian@2b53d21379ba
    build aicage:codex-mine
      because aicage-image-base-custom:mine beneath it is built first
      with 1.4.0 on what is built first
    build aicage-extended:codex-mine-act-gh
      because aicage:codex-mine beneath it is built first
      with extension:act extension:gh on what is built first
    ");
    insta::assert_snapshot!(decided_in(&on_custom_base(), |world| change_file(world, 2, 1)), @"
    keep aicage-image-base-custom:mine
      since root image is sha256:2b53d21379ba at its registry
      since 1 definition file unchanged
    keep aicage:codex-mine
      since version 1.4.0 is the newest (version.sh on the host)
      since base is local content d4ef4310cd06 in the engine
      since 1 definition file unchanged
    build aicage-extended:codex-mine-act-gh
      because extension gh: file scripts/01.sh changed
      with (extension:act) extension:gh on aicage:codex-mine as the engine has it
    ");
    insta::assert_snapshot!(decided_in(&on_custom_base(), |world| {
        change_file(world, 2, 1);
        world.images[2].record = RecordFact::Missing;
    }), @"
    keep aicage-image-base-custom:mine
      since root image is sha256:2b53d21379ba at its registry
      since 1 definition file unchanged
    keep aicage:codex-mine
      since version 1.4.0 is the newest (version.sh on the host)
      since base is local content d4ef4310cd06 in the engine
      since 1 definition file unchanged
    build aicage-extended:codex-mine-act-gh
      because files of extension gh changed (no record names them)
      with (extension:act) extension:gh on aicage:codex-mine as the engine has it
    ");
}

#[test]
fn an_update_of_the_agent_runs_the_agent_and_what_is_above_it() {
    let target = with_extensions(&["act", "gh"], ExtensionChoice::default());
    insta::assert_snapshot!(decided_in(&target, |world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
    }), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.5.0 (version.sh on the host)
      with 1.5.0 on ghcr.io/aicage/aicage-image-base@2b53d21379ba
    build aicage-extended:codex-debian-act-gh
      because aicage:codex-debian beneath it is built first
      with extension:act extension:gh on what is built first
    ");
}

#[test]
fn with_the_extensions_beneath_a_change_of_the_agent_runs_one_step() {
    let target = with_extensions(&["act", "gh"], ExtensionChoice { first: true, ..ExtensionChoice::default() });
    insta::assert_snapshot!(decided_in(&target, |world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
    }), @"
    build aicage-extended:codex-debian-act-gh
      because agent version 1.4.0 -> 1.5.0 (version.sh on the host)
      with (extension:act) (extension:gh) 1.5.0 on ghcr.io/aicage/aicage-image-base@2b53d21379ba
    ");
    insta::assert_snapshot!(decided_in(&target, |world| world.images[0].layers[2].0[0] = file("install.sh", "changed")), @"
    build aicage-extended:codex-debian-act-gh
      because file install.sh changed
      with (extension:act) (extension:gh) 1.4.0 on ghcr.io/aicage/aicage-image-base@2b53d21379ba
    ");
    insta::assert_snapshot!(decided_in(&target, |_| {}), @"
    keep aicage-extended:codex-debian-act-gh
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:2b53d21379ba at its registry
      since 5 definition files unchanged
    ");
}

#[test]
fn a_change_that_installs_nothing_beneath_runs_nothing_above() {
    let mut target = on_custom_base();
    let world = built(&target);
    let Making::Built { layers, .. } = &mut target.images[1].making else { panic!() };
    layers[0] = Ingredient::Agent(agent("codex", &AGENT_YML.replace("Codex", "Codex CLI")));
    insta::assert_snapshot!(told(&target, &plan(&target, &world)), @r#"
    keep aicage-image-base-custom:mine
      since root image is sha256:2b53d21379ba at its registry
      since 1 definition file unchanged
    build aicage:codex-mine
      because agent_full_name "Codex" -> "Codex CLI"
      with (agent:codex) on aicage-image-base-custom:mine as the engine has it
    build aicage-extended:codex-mine-act-gh
      because aicage:codex-mine beneath it is built first
      with (extension:act) (extension:gh) on what is built first
    "#);
}

#[test]
fn an_image_rebuilt_by_somebody_else_renews_what_is_above() {
    let target = with_extensions(&["act"], ExtensionChoice::default());
    insta::assert_snapshot!(decided_in(&target, |world| {
        world.images[0].image.as_mut().unwrap().content = Digest::of(b"elsewhere");
    }), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:2b53d21379ba at its registry
      since 1 definition file unchanged
    build aicage-extended:codex-debian-act
      because image beneath local content ef63ab6c846f -> local content 7b1b763ee8f6
      with extension:act on aicage:codex-debian as the engine has it
    ");
}

#[test]
fn a_version_out_of_reach_keeps_the_whole_chain() {
    insta::assert_snapshot!(decided_in(&on_custom_base(), |world| world.version = no_version()), @"
    keep aicage-image-base-custom:mine
      since root image is sha256:2b53d21379ba at its registry
      since 1 definition file unchanged
    keep aicage:codex-mine
    notice: no newer version could be looked for, 1.4.0 is kept; version.sh on the host: exit code 1
    keep aicage-extended:codex-mine-act-gh
      since image beneath is local content b67c03446dfd in the engine
      since 4 definition files unchanged
    ");
}

#[test]
fn what_stands_on_an_image_that_cannot_be_had_is_kept() {
    let target = with_extensions(&["act"], ExtensionChoice::default());
    insta::assert_snapshot!(decided_in(&target, |world| {
        world.images[0].image = None;
        world.version = no_version();
    }), @"
    keep aicage-extended:codex-debian-act
    notice: what the image stands on cannot be had, the image is kept: no version of agent codex was found
    ");
    let mut forced = target.clone();
    forced.force = true;
    let mut world = built(&target);
    (world.images[0].image, world.version) = (None, no_version());
    assert!(matches!(plan(&forced, &world), Err(PlanError::VersionUnknown { .. })));
    (world.images[1].image, world.images[0].image) = (None, None);
    assert!(matches!(plan(&target, &world), Err(PlanError::VersionUnknown { .. })));
}

#[test]
fn a_published_image_is_pulled_when_it_is_newer_and_never_built() {
    let definitions = Definitions { agent: published(), base: None, extensions: scripts(&["act"]) };
    let target = wanted(definitions, ExtensionChoice::default());
    insta::assert_snapshot!(told(&target, &plan(&target, &bare(&target))), @"
    pull ghcr.io/aicage/aicage:codex-debian as 2b53d21379ba
      because image is missing
    build aicage-extended:codex-debian-act
      because image is missing
      with extension:act on ghcr.io/aicage/aicage@2b53d21379ba
    ");
    insta::assert_snapshot!(decided_in(&target, |_| {}), @"
    keep ghcr.io/aicage/aicage:codex-debian
      since it is sha256:2b53d21379ba at its registry
    keep aicage-extended:codex-debian-act
      since image beneath is sha256:2b53d21379ba at its registry
      since 2 definition files unchanged
    ");
    insta::assert_snapshot!(decided_in(&target, |world| {
        world.images[0].beneath.remote = Remote::Known(Digest::of(b"newer"));
    }), @"
    pull ghcr.io/aicage/aicage:codex-debian as 804f51f71254
      because published image sha256:2b53d21379ba -> sha256:804f51f71254
    build aicage-extended:codex-debian-act
      because image beneath sha256:2b53d21379ba -> sha256:804f51f71254
      with extension:act on ghcr.io/aicage/aicage@804f51f71254
    ");
    insta::assert_snapshot!(decided_in(&target, |world| world.images[0].beneath.remote = unreachable()), @"
    keep ghcr.io/aicage/aicage:codex-debian
    notice: ghcr.io/aicage/aicage:codex-debian could not be checked, the engine's copy is kept: no answer within 4 s
    keep aicage-extended:codex-debian-act
      since 2 definition files unchanged
    ");
    insta::assert_snapshot!(decided_in(&target, |world| {
        world.images[0].beneath = BaseFacts { remote: Remote::Absent, local: None };
        world.images[1].image = None;
    }), @"error: published image does not exist: ghcr.io/aicage/aicage:codex-debian");
}

#[test]
fn a_secret_is_a_reason_only_when_it_is_given_and_differs() {
    let target = with_extensions(&["act", "gh"], ExtensionChoice::default());
    let give = |world: &mut World, secret: &[u8]| world.secrets = [("npm".to_owned(), Digest::of(secret))].into();
    let mut first = bare(&target);
    give(&mut first, b"one");
    let mut world = after(&target, &first, &plan(&target, &first).unwrap());
    assert!(!plan(&target, &world).unwrap().has_work());
    give(&mut world, b"two");
    insta::assert_snapshot!(told(&target, &plan(&target, &world)), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:2b53d21379ba at its registry
      since 1 definition file unchanged
    build aicage-extended:codex-debian-act-gh
      because secret npm changed
      with extension:act extension:gh on aicage:codex-debian as the engine has it
    ");
    world.secrets.clear();
    assert!(!plan(&target, &world).unwrap().has_work());
}

#[test]
fn a_saved_choice_may_change_and_an_ad_hoc_name_may_not() {
    let saved = ExtensionChoice { saved: Some(ImageName::parse("work").unwrap()), ..ExtensionChoice::default() };
    let world = built(&with_extensions(&["act", "gh"], saved.clone()));
    let decision = |names: &[&str]| {
        let target = with_extensions(names, saved.clone());
        let mut now = bare(&target);
        now.images[0] = world.images[0].clone();
        (now.images[1].image, now.images[1].record) = (world.images[1].image.clone(), world.images[1].record.clone());
        told_step(&target, &plan(&target, &now).unwrap().steps[1]).join("\n")
    };
    insta::assert_snapshot!(decision(&["act"]), @"
    build aicage-extended:work
      because agent codex on base debian with act, gh -> agent codex on base debian with act
      with (extension:act) on aicage:codex-debian as the engine has it
    ");
    insta::assert_snapshot!(decision(&["gh", "act"]), @"
    build aicage-extended:work
      because agent codex on base debian with act, gh -> agent codex on base debian with gh, act
      with extension:gh extension:act on aicage:codex-debian as the engine has it
    ");
    insta::assert_snapshot!(decision(&["act", "gh", "jq"]), @"
    build aicage-extended:work
      because agent codex on base debian with act, gh -> agent codex on base debian with act, gh, jq
      with (extension:act) (extension:gh) extension:jq on aicage:codex-debian as the engine has it
    ");
    let target = with_extensions(&["a-b"], ExtensionChoice::default());
    let mut taken = bare(&target);
    let other = with_extensions(&["a", "b"], ExtensionChoice::default());
    taken.images[1].image = built(&other).images[1].image.clone();
    insta::assert_snapshot!(told(&target, &plan(&target, &taken)), @"error: the name aicage-extended:codex-debian-a-b is taken by agent codex on base debian with a, b");
}

#[test]
fn a_base_is_not_used_on_an_architecture_that_it_does_not_list() {
    let base = custom("mine", &format!("{BASE_YML}architectures: [arm64]\n"));
    let definitions = Definitions { agent: codex(), base: Some(base), extensions: Vec::new() };
    let target = wanted(definitions, ExtensionChoice::default());
    insta::assert_snapshot!(told(&target, &plan(&target, &bare(&target))), @"error: base mine is not for linux/amd64: architectures in /definitions/base-images/mine/base.yml lists arm64");
}

#[test]
fn a_missing_second_name_is_given_again() {
    insta::assert_snapshot!(decided_in(&on_custom_base(), |world| {
        world.images[0].image.as_mut().unwrap().has_aliases = false;
    }), @"
    keep aicage-image-base-custom:mine
      since root image is sha256:2b53d21379ba at its registry
      since 1 definition file unchanged
      and write the record anew
    keep aicage:codex-mine
      since version 1.4.0 is the newest (version.sh on the host)
      since base is local content d4ef4310cd06 in the engine
      since 1 definition file unchanged
    keep aicage-extended:codex-mine-act-gh
      since image beneath is local content b67c03446dfd in the engine
      since 4 definition files unchanged
    ");
}
