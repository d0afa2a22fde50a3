//! The image that a request means, with all its names.

use crate::definition::Agent;
use crate::image::{ImageRef, ReferenceError, Repository};
use crate::name::{BaseName, NameError};
use crate::request::{BaseChoice, BuildRequest, Repositories};
use crate::version::AgentVersion;

/// The tag's ending under which the image that was replaced stays.
pub const PREVIOUS_SUFFIX: &str = "-previous";

/// The tag's ending under which the image before the replaced one waits until it can go.
pub const OUTGOING_SUFFIX: &str = "-outgoing";

/// The tag's ending under which a new image waits until it takes its name.
pub const STAGING_SUFFIX: &str = "-staging";

/// One image to make current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The agent's definition.
    pub agent: Agent,
    /// The base's name in tags and records.
    pub base_name: BaseName,
    /// The base's image as the user named it.
    pub base_image: ImageRef,
    /// The image's own name.
    pub image: ImageRef,
    /// The name of the image it replaced.
    pub previous: ImageRef,
    /// The name that the image before that one has until the new one is in its place.
    pub outgoing: ImageRef,
    /// The name it has while it is not yet the current one.
    pub staging: ImageRef,
    /// The version that the user chose.
    pub chosen_version: Option<AgentVersion>,
    /// Build even when nothing changed.
    pub force: bool,
    /// Run every step again.
    pub no_cache: bool,
}

/// Says why a request means no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The agent's definition excludes the base.
    #[error("agent {agent} does not run on base {base}: base_exclude in {file} names it")]
    Excluded {
        /// The agent.
        agent: String,
        /// The base.
        base: String,
        /// The file with the rule.
        file: String,
    },
    /// The base's image has no tag from which its name could be taken.
    #[error("the base image {0} has no tag to name it by")]
    Unnamed(String),
    /// The base's name cannot stand in a tag.
    #[error("the base has no usable name")]
    Name(#[from] NameError),
    /// The image's name would be no valid reference.
    #[error("the image cannot be named")]
    Image(#[from] ReferenceError),
}

impl Target {
    /// Chooses the image that `request` means for `agent`.
    ///
    /// # Errors
    /// [`TargetError`] when the agent excludes the base or no valid name can be formed.
    pub fn select(request: &BuildRequest, agent: Agent) -> Result<Self, TargetError> {
        let (base_name, base_image) = match &request.base {
            BaseChoice::Named(name) => (name.clone(), request.repositories.base.with_tag(name.as_str())?),
            BaseChoice::NamedImage(name, image) => (name.clone(), image.clone()),
            BaseChoice::Image(image) => (derived_name(image, &request.repositories)?, image.clone()),
        };
        let excluded =
            agent.metadata.base_exclude.iter().any(|rule| rule.as_str().eq_ignore_ascii_case(base_name.as_str()));
        if excluded {
            return Err(TargetError::Excluded {
                agent: agent.name.to_string(),
                base: base_name.to_string(),
                file: agent.folder.join(&agent.metadata_file).display().to_string(),
            });
        }
        let image = final_image(&request.repositories.local, agent.name.as_str(), &base_name)?;
        Ok(Self {
            previous: image.with_tag_suffix(PREVIOUS_SUFFIX)?,
            outgoing: image.with_tag_suffix(OUTGOING_SUFFIX)?,
            staging: image.with_tag_suffix(STAGING_SUFFIX)?,
            image,
            base_name,
            base_image,
            agent,
            chosen_version: request.version.clone(),
            force: request.force,
            no_cache: request.no_cache,
        })
    }
}

/// Names a final image by the host tool's rule: agent and base joined by `-`, in lower case.
fn final_image(local: &Repository, agent: &str, base: &BaseName) -> Result<ImageRef, ReferenceError> {
    local.with_tag(&format!("{agent}-{base}").to_lowercase())
}

/// Names a base after its image: the tag within a repository of bases, else the repository's last part and the tag.
///
/// `ghcr.io/aicage/aicage-image-base:debian` is `debian`, `node:22` is `node-22`, `alpine` is
/// `alpine-latest`.
fn derived_name(image: &ImageRef, repositories: &Repositories) -> Result<BaseName, TargetError> {
    let tag = image.tag().ok_or_else(|| TargetError::Unnamed(image.familiar()))?;
    let last_part = |repository: &Repository| repository.path().rsplit('/').next().unwrap_or_default().to_owned();
    let last = last_part(image.repository());
    let is_repository_of_bases = last == last_part(&repositories.base) || last.starts_with("aicage-image-base");
    let name = match tag {
        _ if is_repository_of_bases => tag.to_owned(),
        _ => format!("{last}-{tag}"),
    };
    Ok(BaseName::parse(&name)?)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::definition::{AgentMetadata, Origin};
    use crate::name::AgentName;

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

    fn selected(agent: Agent, base: BaseChoice) -> Result<Target, TargetError> {
        let request = BuildRequest {
            agent: agent.name.clone(),
            base,
            repositories: Repositories {
                local: Repositories::DEFAULT_LOCAL.parse().unwrap(),
                base: Repositories::DEFAULT_BASE.parse().unwrap(),
            },
            version: None,
            force: false,
            no_cache: false,
        };
        Target::select(&request, agent)
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
                format!("{} on {} = {}", target.image.familiar(), target.base_name, target.base_image.familiar())
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
        assert_eq!(target.previous.familiar(), "aicage:codex-debian-previous");
        assert_eq!(target.outgoing.familiar(), "aicage:codex-debian-outgoing");
        assert_eq!(target.staging.familiar(), "aicage:codex-debian-staging");
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
}
