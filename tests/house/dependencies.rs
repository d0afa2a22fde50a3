//! Who depends on whom.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::tree::{assert_none, root};

/// A room, and which others it may use.
struct Room {
    folder: &'static str,
    may_use: &'static [&'static str],
}

/// The floor plan.
const ROOMS: [Room; 9] = [
    Room { folder: "crates/domain", may_use: &[] },
    Room { folder: "crates/buildkit", may_use: &[] },
    Room { folder: "crates/console", may_use: &[] },
    Room { folder: "crates/home", may_use: &["domain"] },
    Room { folder: "crates/registry", may_use: &["domain"] },
    Room { folder: "crates/engine", may_use: &["domain"] },
    Room { folder: "builder", may_use: &["domain", "home", "registry", "engine", "buildkit", "console"] },
    Room { folder: "checker", may_use: &["domain", "home", "registry", "engine", "console"] },
    Room { folder: "tests", may_use: &["domain", "home", "registry", "engine", "buildkit", "console"] },
];

/// Crates that speak a protocol, and the one room that speaks it with them.
const SPEAKERS: [(&str, &str); 6] = [
    ("bollard", "crates/engine"),
    ("bollard-buildkit-proto", "crates/buildkit"),
    ("tonic", "crates/buildkit"),
    ("tonic-health", "crates/buildkit"),
    ("prost", "crates/buildkit"),
    ("indicatif", "crates/console"),
];

/// The tests play both sides of every protocol.
const MAY_SPEAK_ANYTHING: &str = "tests";

/// What a dependency may say besides where its version stands.
const BESIDE_WORKSPACE: [&str; 4] = ["workspace", "features", "optional", "default-features"];

fn manifest(folder: &str) -> Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).expect("every room has a Cargo.toml");
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns every dependency in every table, for every target.
fn dependencies(manifest: &Table) -> Vec<(&String, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table).chain([manifest]);
    tables
        .flat_map(|table| ["dependencies", "dev-dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .filter_map(|kind| kind?.as_table())
        .flatten()
        .collect()
}

#[test]
fn every_member_of_the_workspace_is_a_room() {
    let folders = std::fs::read_dir(root().join("crates")).unwrap();
    let crates = folders.map(|entry| format!("crates/{}", entry.unwrap().file_name().to_str().unwrap()));
    let members: BTreeSet<_> = crates.chain(["builder", "checker", "tests"].map(str::to_owned)).collect();
    let rooms: BTreeSet<_> = ROOMS.iter().map(|room| room.folder.to_owned()).collect();
    assert_eq!(members, rooms, "a new room needs a place in the floor plan");
    let declared = manifest(".")["workspace"]["members"].clone();
    assert_eq!(declared, Value::from(vec!["builder", "checker", "crates/*", "tests"]));
}

#[test]
fn a_room_uses_only_the_rooms_beneath_it() {
    let ours: BTreeSet<_> = ROOMS.iter().filter_map(|room| room.folder.strip_prefix("crates/")).collect();
    let mut broken = Vec::new();
    for room in &ROOMS {
        for (name, _) in dependencies(&manifest(room.folder)) {
            if ours.contains(name.as_str()) && !room.may_use.contains(&name.as_str()) {
                broken.push(format!("{} uses {name}", room.folder));
            }
        }
    }
    assert_none("rooms that use what they may not", &broken);
}

#[test]
fn a_protocol_is_spoken_in_one_room() {
    let mut broken = Vec::new();
    for room in ROOMS.iter().filter(|room| room.folder != MAY_SPEAK_ANYTHING) {
        for (name, _) in dependencies(&manifest(room.folder)) {
            let speaker = SPEAKERS.iter().find(|(krate, _)| krate == name);
            broken.extend(
                speaker.filter(|(_, home)| *home != room.folder).map(|_| format!("{} uses {name}", room.folder)),
            );
        }
    }
    assert_none("crates outside of their room", &broken);
}

#[test]
fn versions_stand_in_the_workspace_only() {
    let mut broken = Vec::new();
    for room in &ROOMS {
        for (name, value) in dependencies(&manifest(room.folder)) {
            let is_from_workspace = value.as_table().is_some_and(|table| {
                table.get("workspace") == Some(&Value::Boolean(true))
                    && table.keys().all(|key| BESIDE_WORKSPACE.contains(&key.as_str()))
            });
            if !is_from_workspace {
                broken.push(format!("{}: {name}", room.folder));
            }
        }
    }
    assert_none("dependencies that do not take their version from the workspace", &broken);
}

#[test]
fn every_dependency_of_the_workspace_is_used() {
    let mut used = BTreeSet::new();
    for room in &ROOMS {
        used.extend(dependencies(&manifest(room.folder)).into_iter().map(|(name, _)| name.clone()));
    }
    let workspace = manifest(".");
    let declared = workspace["workspace"]["dependencies"].as_table().unwrap();
    let unused: Vec<_> = declared.keys().filter(|name| !used.contains(*name)).cloned().collect();
    assert_none("dependencies that no room uses", &unused);
}

#[test]
fn every_room_obeys_the_lints_of_the_workspace() {
    for room in &ROOMS {
        assert_eq!(manifest(room.folder)["lints"]["workspace"], Value::Boolean(true), "{}", room.folder);
    }
}
