//! YAML that is too much, or not what it says.

use aicage_tests::Story;

use super::{refused, refused_with, sound};

/// Each file that is read, with what must be in it.
const FILES: [(&str, &str); 4] = [
    ("definitions/agents/tool/agent.yml", "agent_full_name: Tool\nagent_homepage: x\n"),
    ("custom/base-images/mine/base.yml", "from_image: a\nbase_image_distro: b\nbase_image_description: c\n"),
    ("custom/extensions/good/extension.yml", "name: a\ndescription: b\n"),
    ("custom/image-extended/daily/image-extended.yml", "agent: tool\nbase: mine\nextensions: [good]\n"),
];

fn said_of(file: &str, bytes: &[u8]) -> String {
    let story = sound();
    let path = story.folder().join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    if file.contains("image-extended") {
        refused_with(&story, &["build", "--image", "daily"], 3)
    } else {
        refused_with(&story, &["build", "tool", "--base", "mine", "--extension", "good"], 3)
    }
}

/// Nine lists of nine, each of nine of the one before: some four hundred million words.
fn bomb(key: &str) -> String {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..9 {
        let nine = vec![format!("*a{}", level - 1); 9].join(", ");
        text += &format!("a{level}: &a{level} [{nine}]\n");
    }
    format!("{text}{key}: *a8\n")
}

#[test]
fn a_text_that_grows_when_it_is_read_does_not() {
    for (file, good) in FILES {
        for text in [
            bomb("name"),
            format!("{good}{}", bomb("agent_full_name")),
            format!("{good}shares: {}\n", "[".repeat(100_000)),
            format!("{good}shares: {}1{}\n", "[".repeat(5_000), "]".repeat(5_000)),
            format!("{good}{}: x\n", "x".repeat(100_000)),
            format!("{good}a: &a [*a]\n"),
            format!("{good}<<: *nobody\n"),
            "- ".repeat(50_000),
            "a: ".repeat(50_000),
            "&a ".repeat(50_000),
            format!("{}x: y\n", "---\n".repeat(20_000)),
        ] {
            let said = said_of(file, text.as_bytes());
            assert!(said.starts_with(&format!("error: STORY/{file}:")), "{said}");
            assert!(said.len() < 4_000, "{} bytes are said: {}…", said.len(), &said[..2_000]);
        }
    }
}

#[test]
fn a_text_that_is_too_long_is_not_read() {
    for (file, good) in FILES {
        let said = said_of(file, format!("{good}# {}\n", "x".repeat(300_000)).as_bytes());
        assert!(said.contains(&format!("error: STORY/{file} is larger than 262144 bytes")), "{said}");
    }
    // One of which nobody could read the end.
    let said = refused(|story| {
        let file = std::fs::File::create(story.folder().join(FILES[1].0)).unwrap();
        file.set_len(1 << 40).unwrap();
    });
    assert!(said.contains("is larger than 262144 bytes"), "{said}");
}

#[test]
fn a_mistake_has_file_line_and_column_in_every_file() {
    let second = |line: &str| line.lines().nth(1).unwrap().split(':').next().unwrap().to_owned();
    for (file, good) in FILES {
        let lines = good.lines().count();
        for (text, place, words) in [
            (format!("{good}colour: red\n"), format!("{}:1", lines + 1), "unknown field `colour`"),
            (format!("{good}{good}"), format!("{}:1", lines + 1), "duplicate mapping key"),
            (format!("{good}{}: y\n", second(good)), format!("{}:1", lines + 1), "duplicate mapping key"),
            (format!("{good}\tx: y\n"), String::new(), ""),
            ("just words\n".to_owned(), "1:1".to_owned(), ""),
            ("- a\n- b\n".to_owned(), "1:1".to_owned(), ""),
            (String::new(), "1:1".to_owned(), "the file says nothing; write its keys, or remove it"),
            ("x: !!python/object/apply:os.system [id]\n".to_owned(), "1:1".to_owned(), "unknown field"),
            (good.replacen(": ", ": [", 1), String::new(), ""),
        ] {
            let said = said_of(file, text.as_bytes());
            assert!(
                said.starts_with(&format!("error: STORY/{file}:{place}")) && said.contains(words),
                "{text}: {said}"
            );
        }
        for bytes in [b"a: \xff\n".as_slice(), b"\xff\xfea\0:\0 \0b\0", b"a: \0\n", b"a: \x1b[31mred\n"] {
            let said = said_of(file, bytes);
            assert!(said.starts_with(&format!("error: STORY/{file}:1:")), "{said}");
            // What somebody wrote into a file must not change what a terminal shows.
            assert!(!said.contains('\x1b') && !said.contains('\0'), "{said:?}");
        }
    }
}

#[test]
fn a_mark_of_the_byte_order_is_no_mistake() {
    let story = sound();
    for (file, good) in FILES.iter().take(3) {
        std::fs::write(story.folder().join(file), format!("\u{feff}{good}").replace('\n', "\r\n")).unwrap();
    }
    let plan = |story: &Story| refused_with(story, &["plan", "tool", "--base", "mine", "--extension", "good"], 69);
    plan(&story);
}
