//! Names that lead elsewhere, or to another image than the one that was meant.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use aicage_tests::{Story, run};

use super::{all_refused, refused, refused_with, sound};

const HOSTILE: [&str; 8] = ["../x", "/etc", "..", ".hidden", "a/b", "a b", "a\nb", "ä"];

#[test]
fn a_name_on_the_command_line_leads_nowhere_else() {
    let story = sound();
    for name in HOSTILE {
        for arguments in [
            ["build", name, "--base", "mine"].as_slice(),
            &["build", "tool", "--base", name],
            &["build", "tool", "--base", "mine", "--extension", name],
            &["build", "--image", name],
        ] {
            let said = refused_with(&story, arguments, 2);
            assert!(said.contains("may hold only letters, digits"), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn a_name_in_a_file_leads_nowhere_else() {
    for (text, place, words) in [
        ("agent: ../tool\nbase: mine\nextensions: [good]\n", "1:8", "agent name"),
        ("agent: tool\nbase: /etc\nextensions: [good]\n", "2:7", "base name"),
        ("agent: tool\nbase: mine\nextensions: [good, ../good]\n", "3:20", "extension name"),
        ("agent: tool\nbase: mine\nimage_ref: ../x:y\nextensions: [good]\n", "3:12", "image reference"),
    ] {
        let story = sound();
        story.write_custom("image-extended/daily/image-extended.yml", text);
        let said = refused_with(&story, &["build", "--image", "daily"], 3);
        let file = "STORY/custom/image-extended/daily/image-extended.yml";
        assert!(said.starts_with(&format!("error: {file}:{place}: ")) && said.contains(words), "{text}: {said}");
    }
    for root in ["../../etc/passwd", "/etc/passwd", "file:///etc", "a b", "debian:bookworm@sha256:12", "-x"] {
        let said = refused(|story| story.define_base("mine", &format!("'{root}'"), ""));
        assert!(said.starts_with("error: STORY/custom/base-images/mine/base.yml:1:13: image reference "), "{said}");
    }
}

#[test]
fn names_that_are_one_in_lower_case_are_both_named() {
    let copied = |root: &'static str, one: &'static str, other: &'static str| {
        move |story: &Story| {
            let root = story.folder().join(root);
            fs::create_dir(root.join(other)).unwrap();
            for entry in fs::read_dir(root.join(one)).unwrap() {
                let entry = entry.unwrap();
                if entry.path().is_file() {
                    fs::copy(entry.path(), root.join(other).join(entry.file_name())).unwrap();
                }
            }
        }
    };
    let hint = "hint: rename one of the two folders";
    all_refused(&[
        (
            "agents",
            &copied("definitions/agents", "tool", "Tool"),
            &["agents tool and Tool in STORY/definitions/agents", hint],
        ),
        (
            "bases",
            &copied("custom/base-images", "mine", "MINE"),
            &["bases mine and MINE in STORY/custom/base-images", hint],
        ),
        (
            "extensions",
            &copied("custom/extensions", "good", "gOOd"),
            &["extensions good and gOOd in STORY/custom/extensions", hint],
        ),
    ]);
}

#[test]
fn a_name_that_is_no_text_is_refused_where_it_is_used_and_harms_nobody_beside() {
    let no_text = OsStr::from_bytes(b"\xff\xfe");
    for folder in ["definitions/agents/tool", "custom/base-images/mine", "custom/extensions/good/scripts"] {
        let said = refused(|story| fs::write(story.folder().join(folder).join(no_text), "").unwrap());
        assert!(said.contains("is not UTF-8 text") && said.contains(&format!("STORY/{folder}/")), "{said}");
    }
    let story = sound();
    for folder in ["definitions/agents", "custom/base-images", "custom/extensions"] {
        fs::create_dir(story.folder().join(folder).join(no_text)).unwrap();
        fs::create_dir(story.folder().join(folder).join("no name")).unwrap();
    }
    refused_with(&story, &["plan", "tool", "--base", "mine", "--extension", "good"], 69);
}

#[test]
fn a_tag_that_would_be_too_long_is_told_with_what_helps() {
    let story = sound();
    let names: Vec<_> = (1..=20).map(|number| format!("extension-{number:02}")).collect();
    let mut arguments = vec!["build", "tool", "--base", "mine"];
    for name in &names {
        story.define_extension(name, "true\n");
        arguments.extend(["--extension", name]);
    }
    let said = refused_with(&story, &arguments, 3);
    assert!(said.contains("128"), "{said}");
    assert!(said.contains("hint: ") && said.contains("aicage-builder save"), "{said}");

    // What is advised helps.
    let mut save = story.program();
    save.args(["save", "daily"]).args(&arguments[1..]);
    run(save.arg("--home").arg(story.home()).arg("--custom").arg(story.custom(""))).expect(0);
    refused_with(&story, &["plan", "--image", "daily"], 69);
}
