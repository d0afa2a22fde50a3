//! What is done when a base, a registry or a version is out of reach.

use super::*;

#[test]
fn an_unreachable_base_keeps_the_image_with_a_notice() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].beneath = BaseFacts { remote: unreachable(), local: copy(Some(b"base 1")) };
    }), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since 2 definition files unchanged
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: no answer within 4 s
    ");
    insta::assert_snapshot!(decided(|_, world| world.images[0].beneath.remote = unreachable()), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: no answer within 4 s
    ");
}

#[test]
fn a_base_that_only_the_engine_has_is_compared_by_content_whatever_the_registry_does() {
    for remote in [unreachable(), Remote::Denied("401".to_owned())] {
        let on_content = |world: &mut World, content: &[u8]| {
            known(world).base = Some(BaseIdentity::Content(Digest::of(content)));
            world.images[0].beneath = BaseFacts { remote: remote.clone(), local: copy(None) };
        };
        assert!(decided(|_, world| on_content(world, b"content 1")).starts_with("keep aicage:codex-debian"));
        let text = decided(|_, world| on_content(world, b"content 0"));
        assert!(text.starts_with("build aicage:codex-debian\n  because base local content"), "{text}");
    }
}

#[test]
fn a_refused_base_keeps_the_image_with_a_notice() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].beneath = BaseFacts { remote: Remote::Denied("401".to_owned()), local: copy(None) };
    }), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since 2 definition files unchanged
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: 401
    ");
    insta::assert_snapshot!(decided(|_, world| world.images[0].beneath.remote = Remote::Denied("401".to_owned())), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: 401
    ");
}

#[test]
fn a_base_that_is_gone_keeps_the_image_with_a_notice() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].beneath.remote = Remote::Absent), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: the registry has no such image
    ");
    insta::assert_snapshot!(decided(|_, world| world.images[0].beneath.remote = Remote::NotAsked), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: the engine has no such image
    ");
}

#[test]
fn a_base_that_nobody_has_is_a_mistake_where_the_image_is_of_another() {
    insta::assert_snapshot!(decided(|target, world| {
        rebase(target, "ghcr.io/aicage/aicage-image-base:debain");
        world.images[0].beneath.remote = Remote::Absent;
    }), @"error: base image does not exist: ghcr.io/aicage/aicage-image-base:debain");
    // One that cannot be asked for may be there.
    insta::assert_snapshot!(decided(|target, world| {
        rebase(target, "ghcr.io/aicage/aicage-image-base:debain");
        world.images[0].beneath.remote = unreachable();
    }), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debain could not be checked, the image is kept: no answer within 4 s
    ");
}

#[test]
fn another_image_as_the_base_is_named() {
    insta::assert_snapshot!(decided(|target, world| {
        rebase(target, "registry.example/base:debian");
        world.images[0].beneath.remote = Remote::Known(Digest::of(b"other"));
    }), @"
    build aicage:codex-debian
      because base ghcr.io/aicage/aicage-image-base:debian -> registry.example/base:debian
      because base sha256:1e9bcb9dd6c0 -> sha256:d9298a10d1b0
      with 1.4.0 on registry.example/base@d9298a10d1b0
    ");
    insta::assert_snapshot!(decided(|target, _| rebase(target, "registry.example/base:debian")), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
    ");
}

#[test]
fn a_base_that_is_named_by_its_digest_is_said_to_be_pinned() {
    insta::assert_snapshot!(decided(|target, world| {
        let Remote::Known(digest) = world.images[0].beneath.remote else { panic!("a settled base is known") };
        rebase(target, &format!("ghcr.io/aicage/aicage-image-base@{digest}"));
    }), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is pinned to sha256:1e9bcb9dd6c0
      since 2 definition files unchanged
    ");
}

fn rebase(target: &mut Target, reference: &str) {
    let Making::Built { foundation, .. } = &mut target.images[0].making else { panic!("a final image is built") };
    *foundation = Foundation::Image(reference.parse().unwrap());
}

#[test]
fn an_unreachable_base_is_built_on_where_the_engine_has_a_copy() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
        world.images[0].beneath = BaseFacts { remote: unreachable(), local: copy(Some(b"base 1")) };
    }), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.5.0 (version.sh on the host)
      with 1.5.0 on ghcr.io/aicage/aicage-image-base:debian as the engine has it
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the engine's own copy is used: no answer within 4 s
    ");
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
        world.images[0].beneath = BaseFacts { remote: Remote::Denied("401".to_owned()), local: copy(None) };
    }), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.5.0 (version.sh on the host)
      because base sha256:1e9bcb9dd6c0 -> local content d1988cd30198
      with 1.5.0 on ghcr.io/aicage/aicage-image-base:debian as the engine has it
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the engine's own copy is used: 401
    ");
}

#[test]
fn an_unreachable_base_without_a_copy_postpones_the_update() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
        world.images[0].beneath.remote = unreachable();
    }), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: no answer within 4 s
    notice: not rebuilt, though there are reasons (agent version 1.4.0 -> 1.5.0 (version.sh on the host)): base image is not available: ghcr.io/aicage/aicage-image-base:debian: no answer within 4 s
    ");
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
        world.images[0].beneath.remote = Remote::Denied("401".to_owned());
    }), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: 401
    notice: not rebuilt, though there are reasons (agent version 1.4.0 -> 1.5.0 (version.sh on the host)): base image is not available: ghcr.io/aicage/aicage-image-base:debian: 401
    ");
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
        world.images[0].beneath.remote = Remote::Absent;
    }), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: the registry has no such image
    notice: not rebuilt, though there are reasons (agent version 1.4.0 -> 1.5.0 (version.sh on the host)): base image does not exist: ghcr.io/aicage/aicage-image-base:debian
    ");
}

#[test]
fn an_unreachable_base_is_an_error_where_no_image_may_be_kept() {
    insta::assert_snapshot!(decided(|target, world| {
        target.force = true;
        world.images[0].beneath.remote = unreachable();
    }), @"error: base image is not available: ghcr.io/aicage/aicage-image-base:debian: no answer within 4 s");
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].image = None;
        world.images[0].beneath.remote = unreachable();
    }), @"error: base image is not available: ghcr.io/aicage/aicage-image-base:debian: no answer within 4 s");
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].image = None;
        world.images[0].beneath.remote = Remote::Denied("401".to_owned());
    }), @"error: base image is not available: ghcr.io/aicage/aicage-image-base:debian: 401");
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].image = None;
        world.images[0].beneath.remote = Remote::Absent;
    }), @"error: base image does not exist: ghcr.io/aicage/aicage-image-base:debian");
}

#[test]
fn force_builds_on_the_engines_copy_of_an_unreachable_base() {
    insta::assert_snapshot!(decided(|target, world| {
        target.force = true;
        world.images[0].beneath = BaseFacts { remote: unreachable(), local: copy(Some(b"base 1")) };
    }), @"
    build aicage:codex-debian
      because asked for with --force
      with (agent:codex) on ghcr.io/aicage/aicage-image-base:debian as the engine has it
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the engine's own copy is used: no answer within 4 s
    ");
}

#[test]
fn what_was_built_without_the_registry_is_current_when_the_registry_says_the_same() {
    let (target, mut world) = untouched();
    world.images[0].beneath = BaseFacts { remote: unreachable(), local: copy(Some(b"base 1")) };
    let first = plan(&target, &world).unwrap();
    let mut later = after(&target, &world, &first);
    later.images[0].beneath.remote = Remote::Known(Digest::of(b"base 1"));
    assert!(!plan(&target, &later).unwrap().has_work());
    later.images[0].beneath.remote = Remote::Known(Digest::of(b"base 2"));
    assert!(plan(&target, &later).unwrap().has_work());
}

#[test]
fn whether_trying_again_helps_is_handed_on() {
    let (target, mut world) = untouched();
    for temporary in [true, false] {
        world.images[0].beneath.remote = Remote::Unreachable { reason: "x".to_owned(), temporary };
        let error = plan(&target, &world).unwrap_err();
        assert!(matches!(error, PlanError::Unreachable { temporary: said, .. } if said == temporary));
    }
}

// A base without a registry.

#[test]
fn a_local_base_is_known_by_its_content() {
    let (target, mut world) = untouched();
    for remote in [Remote::NotAsked, Remote::Absent] {
        world.images[0].beneath = BaseFacts { remote, local: copy(None) };
        let first = plan(&target, &world).unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(told(&target, &Ok(first.clone())), @"
            build aicage:codex-debian
              because image is missing
              with 1.4.0 on ghcr.io/aicage/aicage-image-base:debian as the engine has it
            ");
        }
        let second = told(&target, &plan(&target, &after(&target, &world, &first)));
        insta::allow_duplicates! {
            insta::assert_snapshot!(second, @"
            keep aicage:codex-debian
              since version 1.4.0 is the newest (version.sh on the host)
              since base is local content d1988cd30198 in the engine
              since 2 definition files unchanged
            ");
        }
    }
}

#[test]
fn a_local_base_that_changed_is_built_on() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].beneath = BaseFacts { remote: Remote::NotAsked, local: copy(None) };
    }), @"
    build aicage:codex-debian
      because base sha256:1e9bcb9dd6c0 -> local content d1988cd30198
      with 1.4.0 on ghcr.io/aicage/aicage-image-base:debian as the engine has it
    ");
}

// The version out of reach.

#[test]
fn an_unknown_version_keeps_the_image_with_a_notice() {
    insta::assert_snapshot!(decided(|_, world| world.version = no_version()), @"
    keep aicage:codex-debian
    notice: no newer version could be looked for, 1.4.0 is kept; version.sh on the host: exit code 1
    ");
}

#[test]
fn an_unknown_version_postpones_what_else_changed() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = no_version();
        world.images[0].beneath.remote = Remote::Known(Digest::of(b"base 2"));
    }), @"
    keep aicage:codex-debian
    notice: no newer version could be looked for, 1.4.0 is kept; version.sh on the host: exit code 1
    notice: not rebuilt, though there are reasons (base sha256:1e9bcb9dd6c0 -> sha256:caddd7716fba): the version to install is not known
    ");
    insta::assert_snapshot!(decided(|_, world| {
        world.version = no_version();
        world.images[0].image.as_mut().unwrap().recipe = ImageRecipe::None;
    }), @"
    keep aicage:codex-debian
    notice: no version could be looked for, the image is kept; version.sh on the host: exit code 1
    notice: not rebuilt, though there are reasons (image carries no recipe): the version to install is not known
    ");
}

#[test]
fn with_neither_version_nor_base_both_are_said() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = no_version();
        world.images[0].beneath.remote = unreachable();
    }), @"
    keep aicage:codex-debian
    notice: base ghcr.io/aicage/aicage-image-base:debian could not be checked, the image is kept: no answer within 4 s
    notice: no newer version could be looked for, 1.4.0 is kept; version.sh on the host: exit code 1
    ");
}

#[test]
fn an_unknown_version_is_an_error_where_no_image_may_be_kept() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = no_version();
        world.images[0].image = None;
    }), @"error: no version of agent codex was found (1 attempts)");
    insta::assert_snapshot!(decided(|target, world| {
        world.version = no_version();
        target.force = true;
    }), @"error: no version of agent codex was found (1 attempts)");
}

// Names and records.
