//! Names that are taken, records that are missing or damaged, and the plan as programs read it.

use super::*;

#[test]
fn a_name_that_another_image_has_is_not_taken_from_it() {
    insta::assert_snapshot!(decided(|_, world| known(world).agent = "codex-debian".to_owned()), @"error: the name aicage:codex-debian is taken by agent codex-debian on base debian");
    insta::assert_snapshot!(decided(|target, world| {
        target.force = true;
        known(world).base_name = "Debian".to_owned();
    }), @"error: the name aicage:codex-debian is taken by agent codex on base Debian");
}

#[test]
fn a_missing_record_is_written_anew() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].record = RecordFact::Missing), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
      and write the record anew
    notice: there was no record of this image
    ");
}

#[test]
fn a_damaged_record_is_written_anew_and_said() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].record = RecordFact::Damaged("not JSON".to_owned())), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
      and write the record anew
    notice: the record of this image is damaged: not JSON
    ");
    insta::assert_snapshot!(decided(|_, world| {
        world.images[0].record = RecordFact::Damaged("not JSON".to_owned());
        world.version = no_version();
    }), @"
    keep aicage:codex-debian
    notice: the record of this image is damaged: not JSON
    notice: no newer version could be looked for, 1.4.0 is kept; version.sh on the host: exit code 1
    ");
}

#[test]
fn a_record_of_another_image_is_written_anew() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].image.as_mut().unwrap().id = "sha256:other".to_owned()), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
      and write the record anew
    ");
}

#[test]
fn a_host_record_that_does_not_fit_is_written_anew() {
    insta::assert_snapshot!(decided(|_, world| world.images[0].host_record_fits = false), @"
    keep aicage:codex-debian
      since version 1.4.0 is the newest (version.sh on the host)
      since base is sha256:1e9bcb9dd6c0 at its registry
      since 2 definition files unchanged
      and write the record anew
    ");
}

#[test]
fn a_record_is_repaired_with_what_stands_on_the_image() {
    let (target, mut world) = settled();
    world.images[0].record = RecordFact::Missing;
    world.images[0].beneath = BaseFacts { remote: unreachable(), local: copy(Some(b"base 2")) };
    let decision = plan(&target, &world).unwrap();
    let Action::Keep { repair: Some(repair), .. } = &decision.steps[0].action else { panic!("{decision:?}") };
    let recipe = repair.recipe(&footing(&target, &world, 0, repair));
    assert_eq!(recipe.hash().to_string(), known(&mut world).hash);
}

#[test]
fn a_plan_for_programs_names_its_kinds() {
    let (target, world) = untouched();
    let Action::Build { reasons, .. } = plan(&target, &world).unwrap().steps.remove(0).action else { panic!() };
    assert_eq!(serde_json::to_string(&reasons).unwrap(), r#"[{"kind":"image_missing"}]"#);
    let reason = Reason::AgentVersionChanged { from: "1".to_owned(), to: version("2"), found_by: Some(Venue::Host) };
    insta::assert_snapshot!(serde_json::to_string(&reason).unwrap(), @r#"{"kind":"agent_version_changed","from":"1","to":"2","foundBy":"host"}"#);
    let base = "ghcr.io/aicage/aicage-image-base:debian".parse().unwrap();
    let notice = Notice::BaseNotChecked { what: Beneath::Base, base, because: "silence".to_owned() };
    insta::assert_snapshot!(serde_json::to_string(&notice).unwrap(), @r#"{"kind":"base_not_checked","what":"base","base":"ghcr.io/aicage/aicage-image-base:debian","because":"silence"}"#);
}

#[test]
fn an_image_whose_labels_are_incomplete_is_rebuilt_rather_than_another_agents() {
    let (target, world) = untouched();
    let first = plan(&target, &world).unwrap();
    for missing in [label::AGENT, label::BASE_NAME, label::HASH] {
        let mut labels = labels(&target, &world, &first);
        labels.remove(missing);
        let decision = decided(|_, world| {
            world.images[0].image.as_mut().unwrap().recipe = ImageRecipe::from_labels(&labels);
        });
        assert!(decision.contains("because image carries no recipe"), "{missing}: {decision}");
    }
}
