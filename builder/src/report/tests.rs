use std::path::PathBuf;

use domain::definition::{Agent, AgentMetadata, Extension, ExtensionKind, ExtensionMetadata, Origin};
use domain::digest::Digest;
use domain::files::FileSet;
use domain::name::{AgentName, BaseName, ExtensionName};
use domain::plan::plan;
use domain::request::{BaseChoice, BuildRequest, ExtensionChoice, Repositories, Wanted, WantedAgent};
use domain::target::Definitions;
use domain::version::AgentVersion;
use domain::world::{BaseFacts, ImageWorld, LocalBase, RecordFact, Remote, VersionFact};

use super::*;

/// Returns an agent with two extensions, none of which any engine has.
fn target() -> Target {
    let agent = Agent {
        name: AgentName::parse("codex").unwrap(),
        origin: Origin::Packaged,
        folder: PathBuf::from("/d/codex"),
        metadata_file: "agent.yml".to_owned(),
        metadata: AgentMetadata::parse(b"agent_full_name: C\nagent_homepage: h\n", "agent.yml").unwrap(),
    };
    let extension = |name: &str| Extension {
        name: ExtensionName::parse(name).unwrap(),
        folder: PathBuf::from("/d").join(name),
        metadata_file: "extension.yml".to_owned(),
        metadata: ExtensionMetadata::parse(b"name: ext\ndescription: text\n", "extension.yml").unwrap(),
        kind: ExtensionKind::Scripts,
    };
    let extensions = ["gh", "act"].map(extension).to_vec();
    let names = extensions.iter().map(|extension| extension.name.clone()).collect();
    let wanted = WantedAgent {
        agent: agent.name.clone(),
        base: BaseChoice::Named(BaseName::parse("debian").unwrap()),
        extensions: ExtensionChoice { names, first: false, image: None, saved: None },
    };
    let request = BuildRequest {
        wanted: Wanted::Agent(Box::new(wanted)),
        repositories: Repositories::default(),
        version: None,
        force: false,
        no_cache: false,
    };
    Target::select(&request, Definitions { agent: Some(agent), base: None, extensions }).unwrap()
}

fn world(target: &Target) -> World {
    let image = |wanted: &TargetImage| ImageWorld {
        image: None,
        beneath: BaseFacts {
            remote: Remote::Unreachable { reason: "no route".to_owned(), temporary: true },
            local: Some(LocalBase { content: Digest::of(b"base"), pulled_as: None }),
        },
        layers: wanted.layers().iter().map(|_| FileSet::default()).collect(),
        record: RecordFact::Missing,
        host_record_fits: false,
    };
    World {
        images: target.images.iter().map(image).collect(),
        version: VersionFact::Found(AgentVersion::parse("1.2.3").unwrap(), Venue::Host),
        secrets: BTreeMap::new(),
        platform: "linux/amd64".to_owned(),
    }
}

fn built(name: &str, layers: &[(&str, bool, u64)]) -> Built {
    let layer = |(name, ran, size): &(&str, bool, u64)| LayerBuilt {
        name: (*name).to_owned(),
        ran: *ran,
        size_bytes: (*size > 0).then_some(*size),
    };
    Built {
        image_id: format!("sha256:{name}"),
        log: PathBuf::from("/logs").join(name),
        replaced: name == "extended",
        layers: layers.iter().map(layer).collect(),
    }
}

/// Calls `look` with what is told of the target before and after it was built.
fn told(is_built: bool, look: impl FnOnce(&Report<'_>)) {
    let target = target();
    let world = world(&target);
    let plan = plan(&target, &world).unwrap();
    let mut done = BTreeMap::new();
    if is_built {
        done.insert(0, built("final", &[("install codex 1.2.3", false, 0)]));
        done.insert(1, built("extended", &[("extension gh", false, 2048), ("extension act", true, 3_500_000)]));
    }
    look(&Report { target: &target, plan: &plan, world: &world, built: &done });
}

#[test]
fn a_plan_says_of_every_image_which_steps_are_ahead() {
    told(false, |report| {
        insta::assert_snapshot!(report.text(), @"
        aicage:codex-debian would be built
          because: image is missing
          step: install codex 1.2.3 on ghcr.io/aicage/aicage-image-base:debian
        aicage-extended:codex-debian-gh-act would be built
          because: image is missing
          step: extension gh
          step: extension act
        ");
    });
}

#[test]
fn a_build_says_of_every_step_whether_it_ran_and_what_it_added() {
    told(true, |report| {
        insta::assert_snapshot!(report.text(), @"
        aicage:codex-debian was built
          because: image is missing
          step: install codex 1.2.3 (cached)
          log: /logs/final
        aicage-extended:codex-debian-gh-act was built
          because: image is missing
          step: extension gh (cached, 2.05 kB)
          step: extension act (ran, 3.50 MB)
          the image before it is aicage-extended:codex-debian-gh-act-previous
          log: /logs/extended
        ");
    });
}

#[test]
fn the_document_is_of_the_image_that_was_asked_for_and_holds_the_others() {
    told(true, |report| {
        insta::assert_snapshot!(serde_json::to_string_pretty(&report.json("build")).unwrap(), @r#"
        {
          "agent": {
            "foundBy": "host",
            "name": "codex",
            "version": "1.2.3"
          },
          "base": {
            "identity": null,
            "image": "docker.io/library/aicage:codex-debian",
            "name": "debian"
          },
          "command": "build",
          "evidence": [],
          "image": "aicage-extended:codex-debian-gh-act",
          "imageId": "sha256:extended",
          "images": [
            {
              "agent": {
                "foundBy": "host",
                "name": "codex",
                "version": "1.2.3"
              },
              "base": {
                "identity": "content:sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2",
                "image": "ghcr.io/aicage/aicage-image-base:debian",
                "name": "debian"
              },
              "evidence": [],
              "image": "aicage:codex-debian",
              "imageId": "sha256:final",
              "kind": "final",
              "log": "/logs/final",
              "notices": [
                {
                  "base": "ghcr.io/aicage/aicage-image-base:debian",
                  "because": "no route",
                  "kind": "base_from_local_copy",
                  "text": "base ghcr.io/aicage/aicage-image-base:debian could not be checked, the engine's own copy is used: no route",
                  "what": "base"
                }
              ],
              "outcome": "built",
              "previous": null,
              "reasons": [
                {
                  "kind": "image_missing",
                  "text": "image is missing"
                }
              ],
              "steps": [
                {
                  "addedBytes": null,
                  "definition": "agent:codex",
                  "name": "install codex 1.2.3",
                  "ran": false,
                  "unchanged": false
                }
              ]
            },
            {
              "agent": {
                "foundBy": "host",
                "name": "codex",
                "version": "1.2.3"
              },
              "base": {
                "identity": null,
                "image": "docker.io/library/aicage:codex-debian",
                "name": "debian"
              },
              "evidence": [],
              "image": "aicage-extended:codex-debian-gh-act",
              "imageId": "sha256:extended",
              "kind": "extended",
              "log": "/logs/extended",
              "notices": [],
              "outcome": "built",
              "previous": "aicage-extended:codex-debian-gh-act-previous",
              "reasons": [
                {
                  "kind": "image_missing",
                  "text": "image is missing"
                }
              ],
              "steps": [
                {
                  "addedBytes": 2048,
                  "definition": "extension:gh",
                  "name": "extension gh",
                  "ran": false,
                  "unchanged": false
                },
                {
                  "addedBytes": 3500000,
                  "definition": "extension:act",
                  "name": "extension act",
                  "ran": true,
                  "unchanged": false
                }
              ]
            }
          ],
          "kind": "extended",
          "log": "/logs/extended",
          "notices": [
            {
              "base": "ghcr.io/aicage/aicage-image-base:debian",
              "because": "no route",
              "kind": "base_from_local_copy",
              "text": "base ghcr.io/aicage/aicage-image-base:debian could not be checked, the engine's own copy is used: no route",
              "what": "base"
            }
          ],
          "outcome": "built",
          "previous": "aicage-extended:codex-debian-gh-act-previous",
          "reasons": [
            {
              "kind": "image_missing",
              "text": "image is missing"
            }
          ],
          "schemaVersion": 1,
          "steps": [
            {
              "addedBytes": 2048,
              "definition": "extension:gh",
              "name": "extension gh",
              "ran": false,
              "unchanged": false
            },
            {
              "addedBytes": 3500000,
              "definition": "extension:act",
              "name": "extension act",
              "ran": true,
              "unchanged": false
            }
          ]
        }
        "#);
    });
}
