//! What may lie in a definition's folder, and what may not.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use aicage_tests::Story;

use super::{all_refused, refused, refused_with, sound};

/// The folders whose content is sent, as seen from the story's.
const FOLDERS: [&str; 4] =
    ["definitions/agents/tool", "custom/base-images/mine", "custom/extensions/good", "custom/extensions/good/scripts"];

/// The files that are read before anything is sent.
const METADATA: [&str; 3] =
    ["definitions/agents/tool/agent.yml", "custom/base-images/mine/base.yml", "custom/extensions/good/extension.yml"];

fn pipe(path: &std::path::Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_link_out_of_a_definition_is_named_with_its_target() {
    for folder in FOLDERS {
        let up = "../".repeat(folder.matches('/').count());
        for target in ["/etc/passwd".to_owned(), "/".to_owned(), format!("{up}secret"), format!("a/../../{up}secret")] {
            let said = refused(|story| {
                fs::write(story.folder().join("secret"), "").unwrap();
                symlink(&target, story.folder().join(folder).join("link")).unwrap();
            });
            // One that stays within the definition is none of those.
            assert!(
                said.contains(&format!("symbolic link STORY/{folder}/link leads out of its folder, to {target}")),
                "{said}"
            );
        }
    }
}

#[test]
fn a_file_that_is_read_is_no_link_out_of_the_definition_either() {
    for file in METADATA {
        let said = refused(|story| {
            fs::rename(story.folder().join(file), story.folder().join("elsewhere")).unwrap();
            symlink(story.folder().join("elsewhere"), story.folder().join(file)).unwrap();
        });
        assert!(
            said.starts_with(&format!(
                "error: STORY/{file} is a link that leads out of its folder, to STORY/elsewhere"
            )),
            "{said}"
        );
    }
    for file in [
        "definitions/agents/tool/install.sh",
        "custom/base-images/mine/Dockerfile",
        "custom/base-images/mine/.dockerignore",
    ] {
        let said = refused(|story| {
            let _ = fs::remove_file(story.folder().join(file));
            fs::write(story.folder().join("elsewhere"), "FROM scratch\n").unwrap();
            symlink(story.folder().join("elsewhere"), story.folder().join(file)).unwrap();
        });
        assert!(said.contains(&format!("STORY/{file} leads out of its folder, to STORY/elsewhere")), "{said}");
    }
}

#[test]
fn a_link_that_leads_in_a_circle_is_an_error_where_it_must_be_read() {
    for file in METADATA.into_iter().chain([
        "definitions/agents/tool/install.sh",
        "custom/base-images/mine/Dockerfile",
        "custom/extensions/good/scripts",
    ]) {
        let said = refused(|story| {
            let path = story.folder().join(file);
            if path.is_dir() {
                fs::remove_dir_all(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            symlink("circle", &path).unwrap();
            symlink(path.file_name().unwrap(), path.with_file_name("circle")).unwrap();
        });
        assert!(
            said.contains(&format!("STORY/{file}")) && said.contains("Too many levels of symbolic links"),
            "{said}"
        );
    }
    for folder in ["definitions/agents/tool", "custom/base-images/mine", "custom/extensions/good"] {
        let said = refused(|story| {
            fs::remove_dir_all(story.folder().join(folder)).unwrap();
            symlink(story.folder().join(folder), story.folder().join(folder)).unwrap();
        });
        assert!(said.contains(&format!("STORY/{folder}")), "{said}");
    }
    // Nobody follows one that is only data.
    let story = sound();
    for folder in FOLDERS {
        symlink("circle", story.folder().join(folder).join("circle")).unwrap();
        symlink(".", story.folder().join(folder).join("here")).unwrap();
    }
    refused_with(&story, &["plan", "tool", "--base", "mine", "--extension", "good"], 69);
}

#[test]
fn what_is_no_file_is_not_opened() {
    for folder in FOLDERS {
        for make in [pipe as fn(&std::path::Path), |path| drop(UnixListener::bind(path).unwrap())] {
            let said = refused(|story| make(&story.folder().join(folder).join("special")));
            assert!(said.contains(&format!("STORY/{folder}/special is neither a file")), "{said}");
        }
    }
    for file in METADATA.into_iter().chain(["definitions/agents/tool/install.sh", "custom/base-images/mine/Dockerfile"])
    {
        for replace in [pipe as fn(&std::path::Path), |path| fs::create_dir(path).unwrap()] {
            let said = refused(|story| {
                fs::remove_file(story.folder().join(file)).unwrap();
                replace(&story.folder().join(file));
            });
            assert!(said.starts_with(&format!("error: STORY/{file} is not a regular file")), "{said}");
        }
    }
}

#[test]
fn a_definition_that_lacks_something_is_told_what() {
    let without = |path: &'static str| {
        move |story: &Story| {
            let path = story.folder().join(path);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    };
    let emptied = |path: &'static str| {
        move |story: &Story| {
            fs::remove_dir_all(story.folder().join(path)).unwrap();
            fs::create_dir(story.folder().join(path)).unwrap();
        }
    };
    all_refused(&[
        ("no agent", &without("definitions/agents/tool"), &["agent tool is not defined in ", "hint: "]),
        (
            "empty agent",
            &emptied("definitions/agents/tool"),
            &["agent tool has no agent.yml in STORY/definitions/agents/tool"],
        ),
        (
            "empty base",
            &emptied("custom/base-images/mine"),
            &["base mine has no base.yml in STORY/custom/base-images/mine"],
        ),
        (
            "empty extension",
            &emptied("custom/extensions/good"),
            &["extension good has no extension.yml in STORY/custom/"],
        ),
        (
            "no scripts",
            &without("custom/extensions/good/scripts"),
            &["extension good has no script in scripts/", "hint: "],
        ),
        (
            "empty scripts",
            &emptied("custom/extensions/good/scripts"),
            &["extension good has no script in scripts/", "hint: "],
        ),
        (
            "a bad pattern",
            &|story| story.write_custom("base-images/mine/.dockerignore", "a\n[\n"),
            &["cannot understand STORY/custom/base-images/mine/.dockerignore", "["],
        ),
    ]);
}

#[test]
fn folders_that_lie_too_deep_in_each_other_are_refused_by_name() {
    for folder in FOLDERS {
        let said = refused(|story| {
            fs::create_dir_all(story.folder().join(folder).join("d/".repeat(1500))).unwrap();
        });
        assert!(said.contains("holds folders that lie more than 200 deep in each other, at "), "{said}");
    }
}
