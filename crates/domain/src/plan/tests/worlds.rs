//! What holds in every world: images built in one, damaged in some way, and looked at in another.

use proptest::prelude::*;

use super::*;

fn any_digest() -> impl Strategy<Value = Digest> {
    prop_oneof![Just(Digest::of(b"base 1")), Just(Digest::of(b"base 2"))]
}

fn any_remote() -> impl Strategy<Value = Remote> {
    prop_oneof![
        3 => any_digest().prop_map(Remote::Known),
        1 => Just(Remote::NotAsked),
        1 => Just(Remote::Absent),
        1 => Just(Remote::Denied("401".to_owned())),
        1 => any::<bool>().prop_map(|temporary| Remote::Unreachable { reason: "silence".to_owned(), temporary }),
    ]
}

fn any_base() -> impl Strategy<Value = BaseFacts> {
    let local = (any_digest(), prop::option::of(any_digest()));
    let local = prop::option::of(local.prop_map(|(content, pulled_as)| LocalBase { content, pulled_as }));
    (any_remote(), local).prop_map(|(remote, local)| BaseFacts { remote, local })
}

fn any_version() -> impl Strategy<Value = VersionFact> {
    let known = prop_oneof![Just(version("1.4.0")), Just(version("1.5.0"))];
    prop_oneof![
        3 => known.clone().prop_map(|version| VersionFact::Found(version, Venue::Host)),
        1 => known.prop_map(VersionFact::Chosen),
        1 => Just(no_version()),
    ]
}

fn any_files() -> impl Strategy<Value = FileSet> {
    let content = || prop::option::of(prop_oneof![Just("one"), Just("two")]);
    (content(), content(), any::<bool>()).prop_map(|(install, other, reversed)| {
        let mut files: Vec<_> = [("install.sh", install), ("other", other)]
            .into_iter()
            .filter_map(|(path, text)| Some(file(path, text?)))
            .collect();
        if reversed {
            files.reverse();
        }
        FileSet(files)
    })
}

fn any_target() -> impl Strategy<Value = Target> {
    let names = prop_oneof![3 => Just("codex"), 1 => Just("other")];
    let titles = prop_oneof![3 => Just("Codex"), 1 => Just("Codex CLI")];
    (names, titles, any::<bool>(), any::<bool>()).prop_map(|(name, title, force, no_cache)| {
        let agent_yml = format!("agent_full_name: {title}\nagent_homepage: https://example.org\n");
        let mut target = Target { force, no_cache, ..target(agent(name, &agent_yml)) };
        target.images[0].image = "aicage:codex-debian".parse().unwrap();
        target
    })
}

/// Worlds without an image: what was built in them, and then in another one, gives all those with one.
fn any_bare_world() -> impl Strategy<Value = World> {
    let platform = prop_oneof![3 => Just("linux/amd64"), 1 => Just("linux/arm64")];
    (any_base(), any_version(), any_files(), platform).prop_map(|(beneath, version, files, platform)| World {
        images: vec![ImageWorld { beneath, ..unbuilt(Remote::NotAsked, vec![files]) }],
        version,
        secrets: BTreeMap::new(),
        platform: platform.to_owned(),
    })
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Nothing,
    Labels(usize),
    Schema,
    Record,
    RecordLost,
    HostRecord,
    Id,
}

fn any_damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => Just(Damage::Nothing),
        1 => (0usize..14).prop_map(Damage::Labels),
        1 => Just(Damage::Schema),
        1 => Just(Damage::Record),
        1 => Just(Damage::RecordLost),
        1 => Just(Damage::HostRecord),
        1 => Just(Damage::Id),
    ]
}

/// An image built in one world, damaged in some way, and looked at in another.
fn any_world() -> impl Strategy<Value = World> {
    let earlier = (any_target(), any_bare_world(), any_damage());
    (prop::option::weighted(0.8, earlier), any_bare_world()).prop_map(|(earlier, mut world)| {
        let Some((target, before, damage)) = earlier else {
            return world;
        };
        let Ok(first) = plan(&target, &before) else {
            return world;
        };
        let mut labels = labels(&target, &before, &first);
        let built = after(&target, &before, &first).images.remove(0);
        let facts = &mut world.images[0];
        *facts = ImageWorld { beneath: facts.beneath.clone(), layers: facts.layers.clone(), ..built };
        let image = facts.image.as_mut().unwrap();
        match damage {
            Damage::Nothing => {}
            Damage::Labels(at) => {
                let key = labels.keys().nth(at).cloned().unwrap_or_default();
                labels.remove(&key);
            }
            Damage::Schema => drop(labels.insert(label::SCHEMA.to_owned(), "0".to_owned())),
            Damage::Record => facts.record = RecordFact::Damaged("torn".to_owned()),
            Damage::RecordLost => facts.record = RecordFact::Missing,
            Damage::HostRecord => facts.host_record_fits = false,
            Damage::Id => image.id = "sha256:other".to_owned(),
        }
        image.recipe = ImageRecipe::from_labels(&labels);
        world
    })
}

fn is_of_another_base(target: &Target, world: &World) -> bool {
    let Making::Built { foundation: Foundation::Image(base), .. } = &target.images[0].making else { return false };
    let is_absent = matches!(world.images[0].beneath.remote, Remote::Absent | Remote::NotAsked);
    match world.images[0].image.as_ref().map(|image| &image.recipe) {
        Some(ImageRecipe::Known(known)) => is_absent && known.base_image != base.to_string(),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn after_a_build_there_is_nothing_to_do(target in any_target(), world in any_world()) {
        let Ok(first) = plan(&target, &world) else { return Ok(()) };
        let settled = after(&target, &world, &first);
        let unforced = Target { force: false, ..target };
        let second = plan(&unforced, &settled).unwrap();
        let both = [&first, &second].map(|plan| told(&unforced, &Ok(plan.clone())));
        prop_assert!(!second.has_work(), "{}\n{}", both[0], both[1]);
        if !first.has_work() { return Ok(()) }
        let is_complete = matches!(&second.steps[0].action, Action::Keep { evidence, repair: None } if !evidence.is_empty());
        prop_assert!(is_complete, "{second:?}");
    }

    #[test]
    fn after_a_repair_there_is_nothing_to_repair(target in any_target(), world in any_world()) {
        let Ok(first) = plan(&target, &world) else { return Ok(()) };
        let Action::Keep { repair: Some(_), .. } = &first.steps[0].action else { return Ok(()) };
        let repaired = after(&target, &world, &first);
        let second = plan(&target, &repaired).unwrap();
        prop_assert!(matches!(&second.steps[0].action, Action::Keep { repair: None, .. }), "{second:?}");
    }

    #[test]
    fn a_plan_depends_on_nothing_else_and_never_builds_without_a_reason(target in any_target(), world in any_world()) {
        let decision = plan(&target, &world);
        prop_assert_eq!(&decision, &plan(&target.clone(), &world.clone()));
        if let Ok(BuildPlan { steps }) = decision {
            prop_assert_eq!(steps.len(), 1);
            if let Action::Build { reasons, .. } = &steps[0].action {
                prop_assert!(!reasons.is_empty());
            }
        }
    }

    #[test]
    fn an_image_is_kept_or_replaced_but_never_forgotten(target in any_target(), world in any_world()) {
        match plan(&target, &world) {
            Ok(plan) => {
                let may_be_kept = world.images[0].image.is_some() && !target.force;
                prop_assert!(plan.has_work() || may_be_kept);
                // "Could not look" is never silently "up to date".
                if let Action::Keep { evidence, .. } = &plan.steps[0].action {
                    prop_assert!(!evidence.is_empty() || plan.notices().next().is_some(), "{plan:?}");
                }
            }
            Err(PlanError::NameTaken { .. }) => prop_assert!(world.images[0].image.is_some()),
            // Only where nobody has what was asked for, and the image there was made of something else.
            Err(PlanError::Absent { .. }) if is_of_another_base(&target, &world) => {}
            Err(_) => prop_assert!(world.images[0].image.is_none() || target.force),
        }
    }

    #[test]
    fn a_difference_in_what_was_observed_is_never_overlooked(target in any_target(), world in any_world()) {
        let Ok(decision) = plan(&target, &world) else { return Ok(()) };
        let Some(ImageRecipe::Known(known)) = world.images[0].image.as_ref().map(|image| &image.recipe) else { return Ok(()) };
        let version_differs = match &world.version {
            VersionFact::Chosen(version) | VersionFact::Found(version, _) => known.version != version.as_str(),
            VersionFact::Unknown { .. } | VersionFact::NotAsked => false,
        };
        let differs = version_differs
            || known.files != world.images[0].layers[0].digest().to_string()
            || known.platform != world.platform
            || matches!(world.images[0].beneath.remote, Remote::Known(digest) if known.base != Some(BaseIdentity::Manifest(digest)));
        let postponed = decision.notices().any(|notice| matches!(notice, Notice::UpdatePostponed { .. }));
        prop_assert!(!differs || decision.has_work() || postponed, "{}", told(&target, &Ok(decision.clone())));
    }
}
