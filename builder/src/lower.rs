//! Turns a build that was decided on into one request to BuildKit. Pure.

use std::collections::BTreeMap;

use buildkit::config::ConfigChanges;
use buildkit::llb::{Mount, MountSource, Platform, Proxies};
use buildkit::solve::{BaseImage, Solve, Step};
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
            Mount { target: format!("{MOUNTS}/ca.crt"), source: MountSource::OptionalSecret(CERTIFICATES.to_owned()) },
        ],
        proxies: circumstances.proxies.clone(),
        ignore_cache: circumstances.no_cache,
    };
    let (os, architecture) = recipe.platform.split_once('/').unwrap_or(("linux", &recipe.platform));
    Solve {
        base: BaseImage {
            reference: build.base.reference.to_string(),
            local_only: build.base.local_only,
            name: format!("base {}", recipe.base_image.familiar()),
        },
        platform: Platform { os: os.to_owned(), architecture: architecture.to_owned() },
        changes: ConfigChanges {
            environment: variables([("AGENT", &agent), ("AICAGE_ENTRYPOINT_CMD", &agent)]),
            labels: recipe.labels(BUILDER_VERSION),
            labels_removed: NOT_INHERITED.map(str::to_owned).to_vec(),
            history: vec![format!("install {agent} {version}: {INSTALL_SCRIPT}")],
            comment: format!("aicage-builder {BUILDER_VERSION}"),
            created: circumstances.created.clone(),
        },
        steps: vec![step],
        image: image.to_string(),
    }
}

fn variables<const N: usize>(pairs: [(&str, &String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
}
