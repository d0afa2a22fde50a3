use std::path::PathBuf;

use super::*;
use crate::definition::{AgentMetadata, BaseMetadata, ExtensionKind, ExtensionMetadata};
use crate::name::ExtensionName;
use crate::request::WantedAgent;

fn agent(name: &str, excluded: &str) -> Agent {
    let text = format!("agent_full_name: A\nagent_homepage: x\nbase_exclude: [{excluded}]\n");
    Agent {
        name: AgentName::parse(name).unwrap(),
        origin: Origin::User,
        folder: PathBuf::from("/definitions/agents").join(name),
        metadata_file: "agent.yml".to_owned(),
        metadata: AgentMetadata::parse(text.as_bytes(), "agent.yml").unwrap(),
    }
}

fn custom(name: &str, distro: &str) -> Base {
    let text = format!("from_image: debian:trixie\nbase_image_distro: {distro}\nbase_image_description: Mine\n");
    Base {
        name: BaseName::parse(name).unwrap(),
        origin: Origin::User,
        folder: PathBuf::from("/definitions/base-images").join(name),
        metadata_file: "base.yml".to_owned(),
        metadata: BaseMetadata::parse(text.as_bytes(), "base.yml").unwrap(),
        has_dockerfile: true,
    }
}

fn extensions(names: &[&str]) -> Vec<Extension> {
    let extension = |name: &&str| Extension {
        name: ExtensionName::parse(name).unwrap(),
        folder: PathBuf::from("/definitions/extensions").join(name),
        metadata_file: "extension.yml".to_owned(),
        metadata: ExtensionMetadata::parse(b"name: x\ndescription: x\n", "extension.yml").unwrap(),
        kind: ExtensionKind::Scripts,
    };
    names.iter().map(extension).collect()
}

fn request(wanted: Wanted) -> BuildRequest {
    BuildRequest { wanted, repositories: Repositories::default(), version: None, force: false, no_cache: false }
}

fn selected_of(definitions: Definitions, base: BaseChoice, choice: ExtensionChoice) -> Result<Target, TargetError> {
    let names = definitions.extensions.iter().map(|extension| extension.name.clone()).collect();
    let agent = definitions.agent.as_ref().unwrap().name.clone();
    Target::select(
        &request(Wanted::Agent(Box::new(WantedAgent { agent, base, extensions: ExtensionChoice { names, ..choice } }))),
        definitions,
    )
}

fn selected(agent: Agent, base: BaseChoice) -> Result<Target, TargetError> {
    selected_of(Definitions { agent: Some(agent), ..Definitions::default() }, base, ExtensionChoice::default())
}

/// Returns the chain as a person would draw it.
fn chain(selected: Result<Target, TargetError>) -> String {
    let told = |image: &TargetImage| {
        let mut names = vec![image.image.familiar()];
        names.extend(image.aliases.iter().map(ImageRef::familiar));
        let on = match &image.making {
            Making::Published => " is published".to_owned(),
            Making::Built { foundation: Foundation::Image(image), .. } => format!(" on {}", image.familiar()),
            Making::Built { foundation: Foundation::Below, .. } => " on that".to_owned(),
        };
        format!("{}{on}: {}\n", names.join(" = "), image.told())
    };
    match selected {
        Ok(target) => target.images.iter().map(told).collect(),
        Err(error) => error.to_string(),
    }
}

fn named(name: &str) -> BaseChoice {
    BaseChoice::Named(BaseName::parse(name).unwrap())
}

fn image(reference: &str) -> BaseChoice {
    BaseChoice::Image(reference.parse().unwrap())
}

/// Returns the names of the image and of its base, or the mistake.
fn names(agent_name: &str, base: BaseChoice) -> String {
    match selected(agent(agent_name, ""), base) {
        Ok(target) => {
            let image = target.top();
            let Making::Built { foundation: Foundation::Image(base), .. } = &image.making else { panic!("{image:?}") };
            format!("{} on {} = {}", image.image.familiar(), image.base_name, base.familiar())
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_named_base_is_a_tag_in_the_repository_of_bases() {
    insta::assert_snapshot!(names("codex", named("debian")), @"aicage:codex-debian on debian = ghcr.io/aicage/aicage-image-base:debian");
}

#[test]
fn an_image_gives_its_base_a_name() {
    insta::assert_snapshot!(names("codex", image("ghcr.io/aicage/aicage-image-base:debian")), @"aicage:codex-debian on debian = ghcr.io/aicage/aicage-image-base:debian");
    insta::assert_snapshot!(names("codex", image("localhost:5000/mine/aicage-image-base:fedora")), @"aicage:codex-fedora on fedora = localhost:5000/mine/aicage-image-base:fedora");
    insta::assert_snapshot!(names("codex", image("aicage-image-base-custom:mine")), @"aicage:codex-mine on mine = aicage-image-base-custom:mine");
    insta::assert_snapshot!(names("codex", image("node:22")), @"aicage:codex-node-22 on node-22 = node:22");
    insta::assert_snapshot!(names("codex", image("ghcr.io/acme/base:ubuntu-24.04")), @"aicage:codex-base-ubuntu-24.04 on base-ubuntu-24.04 = ghcr.io/acme/base:ubuntu-24.04");
    insta::assert_snapshot!(names("codex", image("alpine")), @"aicage:codex-alpine-latest on alpine-latest = alpine:latest");
}

#[test]
fn a_base_may_have_a_name_of_its_own() {
    let choice = BaseChoice::NamedImage(BaseName::parse("mine").unwrap(), "node:22".parse().unwrap());
    insta::assert_snapshot!(names("codex", choice), @"aicage:codex-mine on mine = node:22");
}

#[test]
fn an_image_is_named_in_lower_case() {
    insta::assert_snapshot!(names("Codex", named("Debian")), @"aicage:codex-debian on Debian = ghcr.io/aicage/aicage-image-base:Debian");
}

#[test]
fn a_base_known_by_digest_alone_has_no_name() {
    let digest = crate::digest::Digest::of(b"x");
    let mistake = names("codex", image(&format!("debian@{digest}")));
    assert!(mistake.starts_with("the base image debian@sha256:"), "{mistake}");
    assert!(mistake.ends_with("has no tag to name it by"), "{mistake}");
}

#[test]
fn an_excluded_base_is_refused_in_any_case_with_the_file_that_says_so() {
    for (rule, base) in [("debian", "debian"), ("DEBIAN", "debian"), ("alpine, debian", "Debian")] {
        let mistake = selected(agent("codex", rule), named(base)).unwrap_err();
        assert!(
            mistake.to_string().ends_with(
                "does not run on base {base}: base_exclude in /definitions/agents/codex/agent.yml names it"
                    .replace("{base}", base)
                    .as_str()
            ),
            "{mistake}"
        );
    }
    assert!(selected(agent("codex", "deb, debian-12"), named("debian")).is_ok());
}

#[test]
fn an_exclusion_holds_for_the_name_an_image_gives_its_base() {
    let excluded = |base| matches!(selected(agent("codex", "node-22"), base), Err(TargetError::Excluded { .. }));
    assert!(excluded(image("node:22")));
    assert!(!excluded(image("node:23")));
}

#[test]
fn the_image_before_and_the_one_to_come_have_names_beside_it() {
    let target = selected(agent("codex", ""), named("debian")).unwrap();
    assert_eq!(target.top().previous().familiar(), "aicage:codex-debian-previous");
    assert_eq!(target.top().outgoing().familiar(), "aicage:codex-debian-outgoing");
    assert_eq!(target.top().staging().familiar(), "aicage:codex-debian-staging");
}

#[test]
fn a_tag_must_have_room_for_those_names() {
    let agent_name = "a".repeat(60);
    let longest = crate::image::TAG_LIMIT_BYTES - PREVIOUS_SUFFIX.len() - agent_name.len() - 1;
    assert!(selected(agent(&agent_name, ""), named(&"b".repeat(longest))).is_ok());
    let mistake = selected(agent(&agent_name, ""), named(&"b".repeat(longest + 1))).unwrap_err();
    assert!(matches!(mistake, TargetError::Image(ReferenceError::Tag(_))), "{mistake:?}");
}

#[test]
fn a_tag_that_is_no_name_is_refused() {
    let longest = "x".repeat(crate::image::TAG_LIMIT_BYTES);
    let mistake = selected(agent("codex", ""), image(&format!("debian:{longest}"))).unwrap_err();
    assert!(matches!(mistake, TargetError::Name(NameError::TooLong { .. })), "{mistake:?}");
}

fn ours(name: &str) -> Definitions {
    Definitions { agent: Some(agent(name, "")), base: None, extensions: extensions(&["act", "gh"]) }
}

#[test]
fn extensions_are_put_upon_the_final_image_in_the_users_order() {
    insta::assert_snapshot!(chain(selected_of(ours("codex"), named("Debian"), ExtensionChoice::default())), @"
    aicage:codex-debian on ghcr.io/aicage/aicage-image-base:Debian: agent codex on base Debian
    aicage-extended:codex-debian-act-gh on that: agent codex on base Debian with act, gh
    ");
    let reversed = Definitions { extensions: extensions(&["gh", "act"]), ..ours("codex") };
    insta::assert_snapshot!(chain(selected_of(reversed, named("Debian"), ExtensionChoice::default())), @"
    aicage:codex-debian on ghcr.io/aicage/aicage-image-base:Debian: agent codex on base Debian
    aicage-extended:codex-debian-gh-act on that: agent codex on base Debian with gh, act
    ");
}

#[test]
fn extensions_that_come_first_need_no_final_image() {
    let first = ExtensionChoice { first: true, ..ExtensionChoice::default() };
    insta::assert_snapshot!(chain(selected_of(ours("codex"), named("debian"), first.clone())), @"aicage-extended:codex-debian-act-gh on ghcr.io/aicage/aicage-image-base:debian: agent codex on base debian with act, gh");
    let definitions = Definitions { base: Some(custom("mine", "Debian")), ..ours("codex") };
    insta::assert_snapshot!(chain(selected_of(definitions, named("mine"), first)), @"
    aicage-image-base-custom:mine = aicage-image-base:mine on debian:trixie: base mine
    aicage-extended:codex-mine-act-gh on that: agent codex on base mine with act, gh
    ");
}

#[test]
fn a_saved_image_is_called_by_its_own_name() {
    let saved = |image: Option<&str>| ExtensionChoice {
        image: image.map(|image| image.parse().unwrap()),
        saved: Some(ImageName::parse("Work").unwrap()),
        ..ExtensionChoice::default()
    };
    insta::assert_snapshot!(chain(selected_of(ours("codex"), named("debian"), saved(None))), @"
    aicage:codex-debian on ghcr.io/aicage/aicage-image-base:debian: agent codex on base debian
    aicage-extended:work on that: agent codex on base debian with act, gh
    ");
    insta::assert_snapshot!(chain(selected_of(ours("codex"), named("debian"), saved(Some("mine:1")))), @"
    aicage:codex-debian on ghcr.io/aicage/aicage-image-base:debian: agent codex on base debian
    mine:1 on that: agent codex on base debian with act, gh
    ");
}

#[test]
fn a_custom_base_is_beneath_and_has_two_names() {
    let definitions = || Definitions { base: Some(custom("Mine", "Debian")), ..ours("codex") };
    insta::assert_snapshot!(chain(selected_of(definitions(), named("Mine"), ExtensionChoice::default())), @"
    aicage-image-base-custom:Mine = aicage-image-base:Mine on debian:trixie: base Mine
    aicage:codex-mine on that: agent codex on base Mine
    aicage-extended:codex-mine-act-gh on that: agent codex on base Mine with act, gh
    ");
    let base = Wanted::Base(BaseName::parse("Mine").unwrap());
    insta::assert_snapshot!(chain(Target::select(&request(base.clone()), definitions())), @"aicage-image-base-custom:Mine = aicage-image-base:Mine on debian:trixie: base Mine");
    insta::assert_snapshot!(chain(Target::select(&request(base), ours("codex"))), @"base Mine is not built here: there is no definition with a Dockerfile of that name");
}

#[test]
fn a_custom_base_does_not_stand_on_itself() {
    for root in ["aicage-image-base-custom:mine", "docker.io/library/aicage-image-base:mine"] {
        let text = format!("from_image: {root}\nbase_image_distro: a\nbase_image_description: b\n");
        let metadata = BaseMetadata::parse(text.as_bytes(), "base.yml").unwrap();
        let base = Some(Base { metadata, ..custom("mine", "Debian") });
        let wanted = Wanted::Base(BaseName::parse("mine").unwrap());
        let mistake = Target::select(&request(wanted), Definitions { base, ..ours("codex") }).unwrap_err();
        assert!(matches!(mistake, TargetError::OnItself { .. }), "{mistake:?}");
    }
}

#[test]
fn only_a_packaged_agent_on_a_published_base_is_pulled() {
    let text = "agent_full_name: A\nagent_homepage: x\nbuild_local: false\n";
    let published = |origin| Agent {
        origin,
        metadata: AgentMetadata::parse(text.as_bytes(), "agent.yml").unwrap(),
        ..agent("codex", "")
    };
    let definitions = |origin, base| Definitions { agent: Some(published(origin)), base, ..ours("codex") };
    let chain = |origin, base: Option<Base>, choice| {
        chain(selected_of(definitions(origin, base), choice, ExtensionChoice::default()))
    };
    insta::assert_snapshot!(chain(Origin::Packaged, None, named("debian")), @"
    ghcr.io/aicage/aicage:codex-debian is published: agent codex on base debian
    aicage-extended:codex-debian-act-gh on that: agent codex on base debian with act, gh
    ");
    assert!(!chain(Origin::User, None, named("debian")).contains("published"));
    assert!(!chain(Origin::Packaged, Some(custom("mine", "x")), named("mine")).contains("published"));
    assert!(!chain(Origin::Packaged, None, image("node:22")).contains("published"));
    let packaged_base = Base { origin: Origin::Packaged, ..custom("debian", "Debian") };
    assert!(chain(Origin::Packaged, Some(packaged_base), named("debian")).contains("published"));
}

#[test]
fn no_version_is_chosen_of_what_is_pulled() {
    let text = "agent_full_name: A\nagent_homepage: x\nbuild_local: false\n";
    let metadata = AgentMetadata::parse(text.as_bytes(), "agent.yml").unwrap();
    let pulled = Agent { origin: Origin::Packaged, metadata, ..agent("codex", "") };
    let definitions = Definitions { agent: Some(pulled), ..ours("codex") };
    let selected = |first| {
        let names = definitions.extensions.iter().map(|extension| extension.name.clone()).collect();
        let extensions = ExtensionChoice { names, first, ..ExtensionChoice::default() };
        let wanted = WantedAgent { agent: AgentName::parse("codex").unwrap(), base: named("debian"), extensions };
        let version = Some(AgentVersion::parse("1.4.0").unwrap());
        let request = BuildRequest { version, ..request(Wanted::Agent(Box::new(wanted))) };
        Target::select(&request, definitions.clone())
    };
    insta::assert_snapshot!(selected(false).unwrap_err(), @"version 1.4.0 of agent codex cannot be chosen: the image is pulled as it is published");
    assert!(selected(true).is_ok(), "there is no published image with the extensions beneath");
}

#[test]
fn an_excluded_distribution_is_refused_with_both_files() {
    let text = "agent_full_name: A\nagent_homepage: x\nbase_distro_exclude: [alpine, DEBIAN]\n";
    let metadata = AgentMetadata::parse(text.as_bytes(), "agent.yml").unwrap();
    let agent = Some(Agent { metadata, ..agent("codex", "") });
    let with =
        |distro| Definitions { agent: agent.clone(), base: Some(custom("mine", distro)), extensions: Vec::new() };
    insta::assert_snapshot!(chain(selected_of(with("Debian"), named("mine"), ExtensionChoice::default())), @"agent codex does not run on base mine: base_distro_exclude in /definitions/agents/codex/agent.yml names Debian, and /definitions/base-images/mine/base.yml says that the base is one");
    assert!(selected_of(with("Ubuntu"), named("mine"), ExtensionChoice::default()).is_ok());
}

#[test]
fn an_extension_is_asked_for_once() {
    let definitions = Definitions { extensions: extensions(&["act", "gh", "act"]), ..ours("codex") };
    insta::assert_snapshot!(chain(selected_of(definitions, named("debian"), ExtensionChoice::default())), @"extension act is asked for twice");
}

#[test]
fn names_of_passage_are_told_from_those_that_stay() {
    let passes = |tag: &str| is_of_passage(&format!("aicage:{tag}").parse().unwrap());
    assert!(["a-previous", "a-outgoing", "a-staging", "a-staging-12"].into_iter().all(passes));
    assert!(!["a", "a-debian-12", "a-staging-x", "previous"].into_iter().any(passes));
}
