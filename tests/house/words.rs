//! What a room may not speak of, and what none may.

use crate::tree::{File, assert_none, files, rust_files};

/// Words that would mean that something lives in the wrong room.
struct Ban {
    folder: &'static str,
    /// Found as whole words, in any case, in comments too.
    words: &'static [&'static str],
    /// Found anywhere in code, as written.
    calls: &'static [&'static str],
}

/// What a room may not use that knows the domain's images and credentials only; and it is silent.
const NOT_OF_IMAGES: &[&str] = &[
    "domain::definition",
    "domain::files",
    "domain::name",
    "domain::plan",
    "domain::recipe",
    "domain::record",
    "domain::request",
    "domain::target",
    "domain::version",
    "domain::world",
    "println!",
    "io::stdout",
    "io::stderr",
];

const BANS: [Ban; 6] = [
    Ban {
        folder: "crates/domain/src",
        words: &["tokio", "reqwest", "bollard"],
        calls: &[
            "std::fs",
            "std::env",
            "std::net",
            "std::process",
            "std::thread",
            "std::io",
            "SystemTime",
            "Instant::now",
            "Timestamp::now",
            "Zoned::now",
            "async fn",
            ".await",
            "println!",
        ],
    },
    Ban {
        folder: "crates/buildkit/src",
        words: &["agent", "agents", "extension", "extensions"],
        calls: &["std::env", "println!", "io::stdout", "io::stderr"],
    },
    Ban {
        folder: "crates/console/src",
        words: &[
            "agent",
            "agents",
            "extension",
            "extensions",
            "base",
            "bases",
            "image",
            "images",
            "dockerfile",
            "buildkit",
            "grpc",
            "llb",
            "oci",
            "manifest",
            "vertex",
            "layer",
            "layers",
        ],
        calls: &["std::env"],
    },
    Ban {
        folder: "crates/home/src",
        words: &["tokio", "reqwest", "bollard"],
        calls: &["std::env", "async fn", ".await"],
    },
    Ban { folder: "crates/registry/src", words: &[], calls: NOT_OF_IMAGES },
    Ban { folder: "crates/engine/src", words: &[], calls: NOT_OF_IMAGES },
];

/// Returns the part of a Rust file that is not its tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Returns the words of a line: `base_image` is one, `base-image` are two.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[test]
fn a_room_speaks_only_of_what_is_its_own() {
    let mut broken = Vec::new();
    for ban in &BANS {
        for file in rust_files(ban.folder).iter().filter(|file| !is_test(&file.path)) {
            for (at, line) in code(&file.text).lines().enumerate() {
                let place = format!("{}:{}", file.path, at + 1);
                let spoken =
                    words(line).filter(|word| ban.words.iter().any(|banned| banned.eq_ignore_ascii_case(word)));
                // `use tracing_subscriber::layer::…` is somebody else's word.
                let spoken = spoken.filter(|_| !line.trim_start().starts_with("use ") && !line.contains("::layer()"));
                broken.extend(spoken.map(|word| format!("{place}: {word}")));
                let is_comment = line.trim_start().starts_with("//");
                let called = ban.calls.iter().filter(|call| !is_comment && line.contains(**call));
                broken.extend(called.map(|call| format!("{place}: {call}")));
            }
        }
    }
    assert_none("words in the wrong room", &broken);
}

/// Texts that no file of the project may hold, cut in two so that this one does not.
const NOWHERE: [(&str, &str); 15] = [
    // Folders of the machine that something was written on.
    ("/wo", "rk/"),
    ("../sh", "ared"),
    ("/tmp/d", "ev/"),
    ("/tmp/bash", "_jobs"),
    // Hosts that packages come from: which one it is, is the user's configuration.
    ("registry.npm", "js.org"),
    ("npm", "js.com"),
    ("py", "pi.org"),
    ("python", "hosted.org"),
    ("crates", ".io"),
    ("golang", ".org"),
    ("deb.deb", "ian.org"),
    ("security.deb", "ian.org"),
    ("archive.ubu", "ntu.com"),
    ("ruby", "gems.org"),
    ("art", "ifactory"),
];

/// Files that cargo writes.
const WRITTEN_BY_CARGO: [&str; 1] = ["Cargo.lock"];

/// The one table of public places; everything else asks it or the user's configuration.
const TABLE_OF_PLACES: &str = "checker/src/sources/endpoints.rs";

#[test]
fn no_file_names_this_machine_or_a_host_of_packages() {
    let mut broken = Vec::new();
    let is_looked_at = |file: &&File| !WRITTEN_BY_CARGO.contains(&file.path.as_str()) && file.path != TABLE_OF_PLACES;
    for file in files("").iter().filter(is_looked_at) {
        for (at, line) in file.text.lines().enumerate() {
            let found = NOWHERE.iter().map(|(head, tail)| format!("{head}{tail}")).filter(|text| line.contains(text));
            broken.extend(found.map(|text| format!("{}:{}: {text}", file.path, at + 1)));
        }
    }
    assert_none("texts that belong nowhere", &broken);
}
