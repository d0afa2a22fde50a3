//! Turns a build that was decided on into one request to BuildKit. Pure.

use std::collections::BTreeMap;

use buildkit::config::ConfigChanges;
use buildkit::llb::{Platform, Proxies};
use buildkit::mount::{Mount, MountSource};
use buildkit::solve::{Part, Solve, Start, StartImage, Step};
use domain::definition::INSTALL_SCRIPT;
use domain::image::ImageRef;
use domain::plan::Build;
use domain::recipe::NOT_INHERITED;

/// The program that runs an install script: certificates, and the true end of its output.
const LAUNCHER: &str = include_str!("launch.sh");

/// Where everything that must not stay in the image is mounted. A mount point outside of `/dev` leaves an empty folder
/// in the layer on some engines.
const MOUNTS: &str = "/dev/aicage";

/// The session's name for the definition's folder.
pub(crate) const DEFINITION: &str = "definition";

/// The session's id for the company's certificates.
pub(crate) const CERTIFICATES: &str = "aicage-ca";

/// The version of this program, as labels, records and histories name it.
pub(crate) const BUILDER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a request needs besides the decision.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances {
    /// The proxies for the step.
    pub(crate) proxies: Proxies,
    /// The image's time, RFC 3339.
    pub(crate) created: String,
    /// Run every step again.
    pub(crate) no_cache: bool,
}

/// Returns the request that makes `build` under the name `image`.
pub(crate) fn lower(build: &Build, image: &ImageRef, circumstances: &Circumstances) -> Solve {
    let recipe = &build.recipe;
    let (agent, version) = (recipe.agent.to_string(), recipe.version.to_string());
    let step = Step {
        name: format!("install {agent} {version}"),
        arguments: ["/bin/sh", "-c", LAUNCHER, "aicage", &format!("{MOUNTS}/{DEFINITION}/{INSTALL_SCRIPT}")]
            .map(str::to_owned)
            .to_vec(),
        environment: variables([("AGENT", &agent), ("AICAGE_AGENT_VERSION", &version)]),
        mounts: vec![
            Mount { target: format!("{MOUNTS}/{DEFINITION}"), source: MountSource::Folder(DEFINITION.to_owned()) },
            Mount {
                target: format!("{MOUNTS}/ca.crt"),
                source: MountSource::OptionalSecret { id: CERTIFICATES.to_owned(), mode: 0o400 },
            },
        ],
        proxies: circumstances.proxies.clone(),
        history: format!("install {agent} {version}: {INSTALL_SCRIPT}"),
        ignore_cache: circumstances.no_cache,
    };
    let (os, architecture) = recipe.platform.split_once('/').unwrap_or(("linux", &recipe.platform));
    Solve {
        start: Start::Image(StartImage {
            reference: build.base.reference.to_string(),
            local_only: build.base.local_only,
            name: format!("base {}", recipe.base_image.familiar()),
        }),
        platform: Platform { os: os.to_owned(), architecture: architecture.to_owned() },
        changes: ConfigChanges {
            environment: variables([("AGENT", &agent), ("AICAGE_ENTRYPOINT_CMD", &agent)]),
            labels: recipe.labels(BUILDER_VERSION),
            labels_removed: NOT_INHERITED.map(str::to_owned).to_vec(),
            comment: format!("aicage-builder {BUILDER_VERSION}"),
            created: circumstances.created.clone(),
        },
        parts: vec![Part::Step(step)],
        images: vec![image.to_string()],
    }
}

fn variables<const N: usize>(pairs: [(&str, &String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use domain::digest::Digest;
    use domain::files::{FileEntry, FileKind, FileSet};
    use domain::name::{AgentName, BaseName};
    use domain::plan::BaseSource;
    use domain::recipe::{BaseIdentity, Recipe};
    use domain::record::VersionOrigin;
    use domain::version::AgentVersion;

    use super::*;

    fn build(base: BaseIdentity, reference: &str, local_only: bool) -> Build {
        let digest = Digest::of(b"install");
        let file = FileEntry { path: "install.sh".to_owned(), mode: 0o755, kind: FileKind::File { digest } };
        Build {
            recipe: Recipe {
                agent: AgentName::parse("codex").unwrap(),
                version: AgentVersion::parse("1.5.0").unwrap(),
                title: "Codex".to_owned(),
                source: "https://example.org/codex".to_owned(),
                base_name: BaseName::parse("debian").unwrap(),
                base_image: "ghcr.io/acme/base:debian".parse().unwrap(),
                base,
                files: FileSet(vec![file]),
                platform: "linux/arm64".to_owned(),
            },
            base: BaseSource { reference: reference.parse().unwrap(), local_only, identity: base },
            version_origin: VersionOrigin::Chosen,
        }
    }

    fn circumstances() -> Circumstances {
        let proxies = Proxies { http: "http://user:secret@proxy:3128".to_owned(), ..Proxies::default() };
        Circumstances { proxies, created: "2026-01-01T00:00:00Z".to_owned(), no_cache: false }
    }

    /// Writes a request as a person would read it; the launcher by its name.
    fn told(solve: &Solve) -> String {
        let (Start::Image(start), [Part::Step(step)]) = (&solve.start, solve.parts.as_slice()) else {
            panic!("{solve:?}");
        };
        let arguments: Vec<_> =
            step.arguments.iter().map(|argument| if argument == LAUNCHER { "LAUNCHER" } else { argument }).collect();
        let mut text = format!(
            "{} as {}\nfrom {} local_only={} as {:?}\nstep {:?}: {}\n",
            solve.images[0],
            solve.platform.architecture,
            start.reference,
            start.local_only,
            start.name,
            step.name,
            arguments.join(" ")
        );
        step.environment.iter().for_each(|(key, value)| text += &format!("  env {key}={value}\n"));
        step.mounts.iter().for_each(|mount| text += &format!("  mount {:?} at {}\n", mount.source, mount.target));
        solve.changes.environment.iter().for_each(|(key, value)| text += &format!("ENV {key}={value}\n"));
        solve.changes.labels.iter().for_each(|(key, value)| text += &format!("LABEL {key}={value}\n"));
        text + &format!("without {:?}\nhistory {:?}\n", solve.changes.labels_removed, step.history)
    }

    #[test]
    fn a_pinned_base_becomes_a_graph_of_one_step() {
        let digest = Digest::of(b"base");
        let build = build(BaseIdentity::Manifest(digest), &format!("ghcr.io/acme/base@{digest}"), false);
        let image = "aicage:codex-debian-staging".parse().unwrap();
        insta::assert_snapshot!(told(&lower(&build, &image, &circumstances())), @r#"
        docker.io/library/aicage:codex-debian-staging as arm64
        from ghcr.io/acme/base@sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2 local_only=false as "base ghcr.io/acme/base:debian"
        step "install codex 1.5.0": /bin/sh -c LAUNCHER aicage /dev/aicage/definition/install.sh
          env AGENT=codex
          env AICAGE_AGENT_VERSION=1.5.0
          mount Folder("definition") at /dev/aicage/definition
          mount OptionalSecret { id: "aicage-ca", mode: 256 } at /dev/aicage/ca.crt
        ENV AGENT=codex
        ENV AICAGE_ENTRYPOINT_CMD=codex
        LABEL dev.aicage.agent=codex
        LABEL dev.aicage.agent.version=1.5.0
        LABEL dev.aicage.base=debian
        LABEL dev.aicage.builder.version=0.1.0
        LABEL dev.aicage.recipe.base=sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2
        LABEL dev.aicage.recipe.files=sha256:31469010ea6cfc914b385c0ee85cb60405a61b313a9992a62791856da7e36b76
        LABEL dev.aicage.recipe.hash=sha256:e21db8d9aa44cf506914b55996841147a7e9c80e2d7f2a297c98d38df14083a8
        LABEL dev.aicage.recipe.platform=linux/arm64
        LABEL dev.aicage.recipe.schema=1
        LABEL org.opencontainers.image.base.digest=sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2
        LABEL org.opencontainers.image.base.name=ghcr.io/acme/base:debian
        LABEL org.opencontainers.image.source=https://example.org/codex
        LABEL org.opencontainers.image.title=Codex
        LABEL org.opencontainers.image.version=1.5.0
        without ["org.opencontainers.image.base.digest", "dev.aicage.extensions"]
        history "install codex 1.5.0: install.sh"
        "#);
    }

    #[test]
    fn a_local_base_is_taken_from_the_engine_and_has_no_manifest_label() {
        let build = build(BaseIdentity::Content(Digest::of(b"base")), "mine:1", true);
        let image = "aicage:codex-debian-staging".parse().unwrap();
        let solve = lower(&build, &image, &circumstances());
        assert!(told(&solve).contains("from docker.io/library/mine:1 local_only=true"));
        assert!(!solve.changes.labels.contains_key("org.opencontainers.image.base.digest"));
    }

    #[test]
    fn no_cache_and_proxies_change_nothing_but_themselves() {
        let build = build(BaseIdentity::Content(Digest::of(b"base")), "mine:1", true);
        let image = "aicage:codex-debian-staging".parse().unwrap();
        let mut plain = lower(&build, &image, &Circumstances { proxies: Proxies::default(), ..circumstances() });
        let special = lower(&build, &image, &Circumstances { no_cache: true, ..circumstances() });
        let ([Part::Step(step)], [Part::Step(other)]) = (plain.parts.as_mut_slice(), special.parts.as_slice()) else {
            panic!("{plain:?}");
        };
        step.ignore_cache = true;
        step.proxies = other.proxies.clone();
        assert_eq!(plain, special);
    }
}
