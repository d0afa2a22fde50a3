//! What makes an image be built, and how it is known that nothing does.

use super::*;

#[test]
fn nothing_changed_means_nothing_to_do_and_says_how_that_is_known() {
    insta::assert_snapshot!(decided(|_, _| {}), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
    ");
}

#[test]
fn a_chosen_version_that_is_there_is_kept() {
    insta::assert_snapshot!(decided(|_, world| world.version = VersionFact::Chosen(version("1.4.0"))), @"
    keep aicage:codex-debian
      since version 1.4.0 is the chosen one
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
    ");
}

#[test]
fn a_single_file_is_counted_as_one() {
    let (target, mut world) = untouched();
    world.images[0].layers[0] = FileSet(vec![file("install.sh", "install")]);
    let first = plan(&target, &world).unwrap();
    let decision = told(&target, &plan(&target, &after(&target, &world, &first)));
    assert!(decision.contains("1 definition file unchanged"), "{decision}");
}

// Reasons.

#[test]
fn a_missing_image_is_built() {
    let (target, world) = untouched();
    insta::assert_snapshot!(told(&target, &plan(&target, &world)), @"
    build aicage:codex-debian
      because image is missing
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn an_image_without_a_recipe_is_rebuilt() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].image.as_mut().unwrap().recipe = ImageRecipe::None;
    }), @"
    build aicage:codex-debian
      because image carries no recipe
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn an_image_of_another_schema_is_rebuilt() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].image.as_mut().unwrap().recipe = ImageRecipe::OtherSchema("7".to_owned());
    }), @"
    build aicage:codex-debian
      because recipe schema 7 -> 1
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn another_version_is_installed() {
    insta::assert_snapshot!(decided(|_, world| {
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
    }), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.5.0 (version.sh on the host)
      with 1.5.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
    let found = VersionFact::Found(version("1.5.0"), Venue::Native(SourceKind::Npm));
    insta::assert_snapshot!(decided(|_, world| world.version = found.clone()), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.5.0 (npm)
      with 1.5.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
    insta::assert_snapshot!(decided(|_, world| world.version = VersionFact::Chosen(version("1.3.9"))), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.3.9 (chosen)
      with 1.3.9 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn a_version_that_was_known_before_is_told_and_not_installed() {
    let found_by = Venue::Native(SourceKind::Npm);
    let known = CachedVersion { version: version("1.5.0"), found_by, found_at: String::new(), age_seconds: 300 };
    insta::assert_snapshot!(decided(|_, world| {
        let VersionFact::Unknown { attempts, .. } = no_version() else { unreachable!() };
        world.version = VersionFact::Unknown { attempts, last_known: Some(known.clone()) };
    }), @"
    keep aicage:codex-debian
    notice: no newer version could be looked for, 1.4.0 is kept (cached: 1.5.0 was found 5 min ago (npm)); version.sh on the host: exit code 1
    ");
}

#[test]
fn a_changed_base_is_built_on() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].beneath.remote = Remote::Known(Digest::of(b"base 2"))), @"
    build aicage:codex-debian
      because base sha256:1e9bcb9dd6c0 -> sha256:caddd7716fba
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@caddd7716fba
    ");
}

#[test]
fn a_damaged_base_label_counts_as_another_base() {
    insta::assert_snapshot!(decided(|_, world| known(world).base = None), @"
    build aicage:codex-debian
      because base unknown -> sha256:1e9bcb9dd6c0
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn each_changed_file_is_named() {
    insta::assert_snapshot!(decided(|_, world| {
        let mut mode = file("version.sh", "version");
        mode.mode = 0o644;
        world.images[0].layers[0] = FileSet(vec![file("install.sh", "changed"), file("new.sh", ""), mode]);
    }), @"
    build aicage:codex-debian
      because file install.sh changed
      because file new.sh added
      because file version.sh changed its mode
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
    insta::assert_snapshot!(decided(|_, world| world.images[0].layers[0].0.truncate(1)), @"
    build aicage:codex-debian
      because file version.sh removed
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn without_a_record_changed_files_are_not_named() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].layers[0].0.truncate(1);
        world.images[0].record = RecordFact::Missing;
    }), @"
    build aicage:codex-debian
      because definition files changed (no record names them)
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn a_record_of_another_build_names_no_files() {
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].layers[0].0.truncate(1);
        let RecordFact::Found(record) = &mut world.images[0].record else { panic!("settled without a record") };
        record.recipe_hash = Digest::of(b"another build");
    }), @"
    build aicage:codex-debian
      because definition files changed (no record names them)
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn files_that_differ_in_order_only_are_still_a_reason() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].layers[0].0.reverse()), @"
    build aicage:codex-debian
      because definition files changed (no record names them)
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn changed_metadata_that_stands_on_the_image_rebuilds_it() {
    insta::assert_snapshot!(decided(|target, _| {
        let text = "agent_full_name: Codex CLI\nagent_homepage: https://example.org/cli\n";
        *target = self::target(agent("codex", text));
    }), @r#"
    build aicage:codex-debian
      because agent_full_name "Codex" -> "Codex CLI"
      because agent_homepage "https://example.org/codex" -> "https://example.org/cli"
      with (agent:codex) on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    "#);
}

#[test]
fn a_comment_in_the_metadata_changes_nothing() {
    let (before, world) = settled();
    let commented = format!("# ours\n{AGENT_YML}build_local: yes # built here\nbase_exclude: []\n");
    let target = target(agent("codex", &commented));
    assert_eq!(plan(&target, &world), plan(&before, &world));
    assert!(!plan(&target, &world).unwrap().has_work());
}

#[test]
fn another_platform_rebuilds() {
    insta::assert_snapshot!(decided(|_, world| world.platform = "linux/arm64".to_owned()), @"
    build aicage:codex-debian
      because platform linux/amd64 -> linux/arm64
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn a_recipe_that_differs_without_a_name_for_it_is_a_reason() {
    insta::assert_snapshot!(decided(|_, world| known(world).hash = Digest::of(b"other").to_string()), @"
    build aicage:codex-debian
      because recipe changed
      with 1.4.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn force_is_a_reason_beside_the_others() {
    insta::assert_snapshot!(decided(|target, _| target.force = true), @"
    build aicage:codex-debian
      because asked for with --force
      with (agent:codex) on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
    insta::assert_snapshot!(decided(|target, world| {
        target.force = true;
        world.version = VersionFact::Found(version("1.5.0"), Venue::Host);
    }), @"
    build aicage:codex-debian
      because agent version 1.4.0 -> 1.5.0 (version.sh on the host)
      because asked for with --force
      with 1.5.0 on ghcr.io/aicage/aicage-image-base@1e9bcb9dd6c0
    ");
}

#[test]
fn running_every_step_again_is_no_reason_by_itself() {
    let (target, world) = settled();
    let anew = Target { no_cache: true, ..target };
    assert!(!plan(&anew, &world).unwrap().has_work());
}

// The base out of reach.
