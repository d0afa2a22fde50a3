//! The identity of an image that no registry gives one: a digest over what a container gets from it.
//!
//! An id will not do: it is the digest of a config in one store and of a manifest in the other, and both hold dates and
//! the words of the engine that wrote them. What is digested here survives saving and loading between engines.

use bollard::models::{HealthConfig, ImageConfig, ImageInspect};
use domain::digest::{Digest, Framed};

/// What the digest is of; to be counted up whenever a field is added, so that old and new ones never meet.
const SUBJECT: &str = "local image content 1";

/// Returns the digest of platform, layers and config, or what is missing from them.
///
/// Engines and stores write a field that says nothing as null, as an empty value or not at all; these are one. The
/// order of layers, of the environment and of command words means something and counts; that of labels, ports and
/// volumes does not. Left out is what containers do not get: `Hostname`, `Image` and the like, `ArgsEscaped` (Windows).
pub(crate) fn digest(image: &ImageInspect) -> Result<Digest, String> {
    let layers = image.root_fs.as_ref().and_then(|root| root.layers.as_ref()).ok_or("it has no RootFS.Layers")?;
    let architecture = text(&image.architecture);
    let empty = ImageConfig::default();
    let config = image.config.as_ref().unwrap_or(&empty);
    let framed = Framed::new(SUBJECT)
        .field(text(&image.os))
        .field(architecture)
        .field(variant(architecture, text(&image.variant)));
    let framed = list(framed, "layers", layers);
    let framed = list(framed, "env", some(&config.env));
    let framed = list(framed, "cmd", some(&config.cmd));
    let framed = list(framed, "entrypoint", some(&config.entrypoint));
    let framed = framed.field("user").field(text(&config.user));
    let framed = framed.field("working dir").field(text(&config.working_dir));
    let framed = list(framed, "labels", &sorted_labels(config));
    let framed = list(framed, "exposed ports", &sorted(&config.exposed_ports));
    let framed = list(framed, "volumes", &sorted(&config.volumes));
    let framed = framed.field("stop signal").field(text(&config.stop_signal));
    let framed = list(framed, "shell", some(&config.shell));
    let framed = list(framed, "on build", some(&config.on_build));
    Ok(health(framed, config.healthcheck.as_ref()).finish())
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

fn some(values: &Option<Vec<String>>) -> &[String] {
    values.as_deref().unwrap_or_default()
}

fn sorted(values: &Option<Vec<String>>) -> Vec<String> {
    let mut values = some(values).to_vec();
    values.sort_unstable();
    values
}

/// Returns keys and values in turn, sorted by key.
fn sorted_labels(config: &ImageConfig) -> Vec<String> {
    let mut labels: Vec<_> = config.labels.iter().flatten().collect();
    labels.sort_unstable();
    labels.into_iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect()
}

/// Adds a list with its name and length in front, so that no item can pass for one of the next list.
fn list(framed: Framed, name: &str, items: &[String]) -> Framed {
    let framed = framed.field(name).field((items.len() as u64).to_le_bytes());
    items.iter().fold(framed, Framed::field)
}

/// Drops the variant that an architecture has anyway (containerd's `platforms.Normalize`): not every engine writes it.
fn variant<'a>(architecture: &str, variant: &'a str) -> &'a str {
    match (architecture, variant) {
        ("arm64", "v8" | "8") | ("amd64", "v1") => "",
        _ => variant,
    }
}

fn health(framed: Framed, check: Option<&HealthConfig>) -> Framed {
    let nothing = HealthConfig::default();
    let check = check.unwrap_or(&nothing);
    let framed = list(framed, "healthcheck", some(&check.test));
    [check.interval, check.timeout, check.start_period, check.start_interval, check.retries]
        .into_iter()
        .fold(framed, |framed, number| framed.field(number.unwrap_or_default().to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settled() -> Value {
        json!({
            "Os": "linux",
            "Architecture": "amd64",
            "RootFS": { "Type": "layers", "Layers": ["sha256:1", "sha256:2"] },
            "Config": {
                "Env": ["A=1", "B=2"],
                "Cmd": ["bash"],
                "Labels": { "a": "1", "b": "2" },
                "ExposedPorts": { "80/tcp": {}, "443/tcp": {} },
            },
        })
    }

    fn of(inspected: Value) -> Digest {
        digest(&serde_json::from_value(inspected).unwrap()).unwrap()
    }

    #[test]
    fn a_field_that_says_nothing_may_be_written_in_any_way() {
        let mut other = settled();
        other["Variant"] = json!("");
        other["Config"]["Entrypoint"] = json!(null);
        other["Config"]["OnBuild"] = json!([]);
        other["Config"]["Volumes"] = json!(null);
        other["Config"]["User"] = json!("");
        other["Config"]["Hostname"] = json!("0a1b2c");
        other["Config"]["Image"] = json!("sha256:3");
        other["Config"]["Healthcheck"] = json!({});
        other["Id"] = json!("sha256:4");
        other["Created"] = json!("2026-11-21T09:28:24Z");
        other["RepoTags"] = json!(["x:1"]);
        assert_eq!(of(other), of(settled()));
    }

    #[test]
    fn every_field_a_container_gets_counts() {
        let changes = [
            ("/Os", json!("windows")),
            ("/Architecture", json!("arm64")),
            ("/Variant", json!("v7")),
            ("/RootFS/Layers", json!(["sha256:2", "sha256:1"])),
            ("/Config/Env", json!(["B=2", "A=1"])),
            ("/Config/Cmd", json!(["bash", "-l"])),
            ("/Config/Entrypoint", json!(["bash"])),
            ("/Config/User", json!("me")),
            ("/Config/WorkingDir", json!("/src")),
            ("/Config/Labels", json!({ "a": "1", "b": "3" })),
            ("/Config/ExposedPorts", json!({ "80/tcp": {} })),
            ("/Config/Volumes", json!({ "/data": {} })),
            ("/Config/StopSignal", json!("SIGINT")),
            ("/Config/Shell", json!(["/bin/bash", "-c"])),
            ("/Config/OnBuild", json!(["RUN true"])),
            ("/Config/Healthcheck", json!({ "Test": ["NONE"] })),
            ("/Config/Healthcheck", json!({ "Interval": 1 })),
            ("/Config/Healthcheck", json!({ "Timeout": 1 })),
            ("/Config/Healthcheck", json!({ "StartPeriod": 1 })),
            ("/Config/Healthcheck", json!({ "StartInterval": 1 })),
            ("/Config/Healthcheck", json!({ "Retries": 1 })),
        ];
        let mut seen = vec![of(settled())];
        for (path, value) in changes {
            let mut other = settled();
            let (parent, key) = path.rsplit_once('/').unwrap();
            other.pointer_mut(parent).unwrap()[key] = value;
            let digest = of(other);
            assert!(!seen.contains(&digest), "{path} does not count");
            seen.push(digest);
        }
    }

    #[test]
    fn a_variant_that_goes_without_saying_does_not_count() {
        let mut arm = settled();
        arm["Architecture"] = json!("arm64");
        let mut said = arm.clone();
        said["Variant"] = json!("v8");
        assert_eq!(of(arm), of(said));
    }

    #[test]
    fn an_answer_without_layers_has_no_digest() {
        assert_eq!(digest(&ImageInspect::default()), Err("it has no RootFS.Layers".to_owned()));
    }
}
