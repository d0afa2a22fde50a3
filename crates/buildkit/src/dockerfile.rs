//! A Dockerfile as part of a solve: what is asked of BuildKit's own frontend for it.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::llb::{Platform, Proxies};
use crate::rewrite::Wrap;

/// The name of the frontend, which is part of every BuildKit.
pub(crate) const FRONTEND: &str = "dockerfile.v0";

/// What the frontend calls every context, whatever it is told. In the graph it gets the name of its folder afterwards;
/// what the frontend itself looks for in it, its ignore file, is applied already and need not be found.
pub(crate) const CONTEXT: &str = "context";

/// The frontend's name for the result of the parts in front.
pub(crate) const STATE_INPUT: &str = "state";

/// A Dockerfile with its context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// What stands in front of the names of its vertices in progress and errors.
    pub name: String,
    /// The session's folder that is its context.
    pub context: String,
    /// The session's folder that holds the file itself, as `Dockerfile`.
    pub dockerfile: String,
    /// Values of its `ARG`s.
    pub build_arguments: BTreeMap<String, String>,
    /// The image that its result must be made on, as a whole reference with its registry; `None` where any will do.
    pub upon: Option<String>,
    /// Whether the engine must take the images that it names from its own store, without asking a registry.
    pub local_only: bool,
    /// Proxies for its processes; they are no part of the cache key.
    pub proxies: Proxies,
    /// What its processes get beside.
    pub wrap: Wrap,
    /// Run everything even when its result is known.
    pub ignore_cache: bool,
}

/// The result of the parts in front of a Dockerfile.
pub(crate) struct State<'a> {
    /// The image reference under which a `FROM` finds it.
    pub(crate) name: &'a str,
    /// The image's config.
    pub(crate) config: &'a [u8],
}

/// Returns the options with which the frontend is called.
///
/// Source: `frontend/dockerui/config.go` and `namedcontext.go` of BuildKit.
pub(crate) fn options(
    dockerfile: &Dockerfile,
    platform: &Platform,
    state: Option<&State<'_>>,
) -> HashMap<String, String> {
    let mut options = HashMap::from([
        ("platform".to_owned(), format!("{}/{}", platform.os, platform.architecture)),
        ("dockerfilekey".to_owned(), dockerfile.dockerfile.clone()),
    ]);
    if dockerfile.local_only {
        options.insert("image-resolve-mode".to_owned(), "local".to_owned());
    }
    if dockerfile.ignore_cache {
        // Empty means all stages.
        options.insert("no-cache".to_owned(), String::new());
    }
    let proxies = &dockerfile.proxies;
    let proxies = [
        ("HTTP_PROXY", &proxies.http),
        ("HTTPS_PROXY", &proxies.https),
        ("FTP_PROXY", &proxies.ftp),
        ("ALL_PROXY", &proxies.all),
        ("NO_PROXY", &proxies.none),
    ];
    let proxies = proxies.into_iter().filter(|(_, value)| !value.is_empty());
    options.extend(proxies.map(|(name, value)| (format!("build-arg:{name}"), value.clone())));
    let arguments = dockerfile.build_arguments.iter();
    options.extend(arguments.map(|(name, value)| (format!("build-arg:{name}"), value.clone())));
    if let Some(state) = state {
        options.insert(format!("context:{}", familiar(state.name)), format!("input:{STATE_INPUT}"));
        let metadata = json!({ "containerimage.config": STANDARD.encode(state.config) });
        options.insert(format!("input-metadata:{STATE_INPUT}"), metadata.to_string());
    }
    options
}

/// Returns the spelling of a reference under which the frontend looks a named context up.
fn familiar(reference: &str) -> &str {
    let reference = reference.strip_prefix("docker.io/").unwrap_or(reference);
    let reference = reference.strip_prefix("library/").unwrap_or(reference);
    reference.strip_suffix(":latest").unwrap_or(reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_found_under_the_short_spelling() {
        for (given, found) in [
            ("docker.io/library/aicage:codex-debian", "aicage:codex-debian"),
            ("aicage", "aicage"),
            ("aicage:latest", "aicage"),
            ("docker.io/acme/x:1", "acme/x:1"),
            ("ghcr.io/acme/x:latest", "ghcr.io/acme/x"),
        ] {
            assert_eq!(familiar(given), found);
        }
    }

    #[test]
    fn options_say_what_the_dockerfile_gets() {
        let dockerfile = Dockerfile {
            name: "d".to_owned(),
            context: "files".to_owned(),
            dockerfile: "definition".to_owned(),
            build_arguments: BTreeMap::from([("BASE_IMAGE".to_owned(), "x:1".to_owned())]),
            upon: None,
            local_only: true,
            proxies: Proxies { http: "http://proxy".to_owned(), ..Proxies::default() },
            wrap: Wrap::default(),
            ignore_cache: true,
        };
        let platform = Platform { os: "linux".to_owned(), architecture: "arm64".to_owned() };
        let state = State { name: "x:1", config: b"{}" };
        let mut lines: Vec<_> = options(&dockerfile, &platform, Some(&state)).into_iter().collect();
        lines.sort();
        let lines: Vec<_> = lines.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        build-arg:BASE_IMAGE=x:1
        build-arg:HTTP_PROXY=http://proxy
        context:x:1=input:state
        dockerfilekey=definition
        image-resolve-mode=local
        input-metadata:state={"containerimage.config":"e30="}
        no-cache=
        platform=linux/arm64
        "#);
    }
}
