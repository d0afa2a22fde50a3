//! Definitions that are large: many files, a large file, many extensions, and names that are hard to carry.

use std::fs;
use std::process::Command;

use aicage_tests::{Engine, Ran, Story, on_every_engine, run};

on_every_engine!(
    ten_thousand_files_reach_every_kind_of_step,
    names_that_are_hard_to_carry_arrive_as_they_are,
    a_large_file_is_passed_on_and_not_held,
    twenty_extensions_are_one_image,
);

/// How many files a large definition has.
const FILES: usize = 10_000;

/// The size of a large file, in bytes.
const LARGE_BYTES: u64 = 300 * 1024 * 1024;

/// What the program may hold in memory while it sends that, in KiB: a third of it would show that it is held.
const MEMORY_LIMIT_KIB: u64 = 100 * 1024;

fn fill(folder: &std::path::Path, words: &str) {
    for number in 0..FILES {
        let folder = folder.join(format!("{:02}", number % 100));
        if number < 100 {
            fs::create_dir_all(&folder).unwrap();
        }
        fs::write(folder.join(number.to_string()), format!("{words} {number}\n")).unwrap();
    }
}

fn ten_thousand_files_reach_every_kind_of_step(engine: Engine) {
    let story = Story::new(engine);
    let count = |folder: &str, name: &str| format!("cat {folder}/many/*/* | sort | sha256sum > /opt/{name}");
    let (own, above) = (r#""$(dirname "$0")""#, r#""$(dirname "$0")"/.."#);
    story.define_base(
        "mine",
        "aicage-test-base:minbase",
        &format!("COPY many /srv/many\nRUN {}\n", count("/srv", "base")),
    );
    story.install(&format!("{}\n{}\n", aicage_tests::TOOL, count(own, "agent")));
    story.define_extension("lot", &format!("{}\n", count(above, "extension")));
    for folder in [story.custom("base-images/mine"), story.definition(""), story.custom("extensions/lot")] {
        fill(&folder.join("many"), &story.repository);
    }
    let command = |command: &str| {
        let mut program = story.bare(command);
        program.args(["--base", "mine", "--extension", "lot"]);
        program
    };
    run(&mut command("build")).expect(0);
    let image = format!("{}/extended:tool-mine-lot", story.repository);
    let sums = engine.run(&image, &["cat", "/opt/base", "/opt/agent", "/opt/extension"]);
    let expected =
        run(Command::new("sh").current_dir(story.definition("")).arg("-c").arg("cat many/*/* | sort | sha256sum"));
    assert_eq!(sums, expected.stdout.repeat(3));

    run(command("plan").arg("--exit-code")).expect(0);
    fs::write(story.custom("extensions/lot/many/07/4207"), "other\n").unwrap();
    let planned = run(command("plan").arg("--exit-code")).expect(4);
    assert!(planned.stdout.contains("because: extension lot: file many/07/4207 changed\n"), "{}", planned.stdout);
    assert_eq!(planned.stdout.matches("because: ").count(), 1, "{}", planned.stdout);
}

fn names_that_are_hard_to_carry_arrive_as_they_are(engine: Engine) {
    let story = Story::new(engine);
    let names = [
        "two words",
        "it's",
        "\"quoted\"",
        "\u{e4}\u{f6}\u{fc} \u{65e5}\u{672c} \u{1f980}",
        "new\nline",
        "-rf",
        "*",
        "a\\b",
        "$HOME",
        "`id`",
        "%41",
        "tab\t",
        "#",
        "~",
    ];
    let listed = "find names -type f -print0 | sort -z | xargs -0 sha256sum -z | base64 -w 0";
    story.define_base(
        "mine",
        "aicage-test-base:minbase",
        &format!("COPY names /opt/names\nRUN cd /opt && {listed} > /opt/base\n"),
    );
    story.install(&format!("{}\ncd \"$(dirname \"$0\")\"\n{listed} > /opt/agent\n", aicage_tests::TOOL));
    story.define_extension("odd", &format!("cd \"$(dirname \"$0\")/..\"\n{listed} > /opt/extension\n"));
    for folder in [story.custom("base-images/mine"), story.definition(""), story.custom("extensions/odd")] {
        for name in names {
            let inner = folder.join("names").join(name);
            fs::create_dir_all(&inner).unwrap();
            fs::write(inner.join(name), name).unwrap();
        }
    }
    let odd = ["2 two words.sh", "1 it's \"\u{e4}\".sh", "3 new\nline.sh", "-4.sh"];
    for name in odd {
        let script = format!(
            "#!/usr/bin/env bash\n# {}\necho '{}' >> /opt/order\n",
            story.repository,
            name.replace('\'', "'\\''")
        );
        fs::write(story.custom("extensions/odd/scripts").join(name), script).unwrap();
    }
    let mut command = story.bare("build");
    run(command.args(["--base", "mine", "--extension", "odd"])).expect(0);
    let image = format!("{}/extended:tool-mine-odd", story.repository);
    let expected = run(Command::new("sh")
        .current_dir(story.definition(""))
        .arg("-c")
        .arg(format!("export LC_ALL=C.UTF-8; {listed}")));
    for file in ["/opt/base", "/opt/agent", "/opt/extension"] {
        assert_eq!(engine.run(&image, &["cat", file]), expected.stdout, "{file}");
    }
    let order = engine.run(&image, &["cat", "/opt/order"]);
    assert_eq!(order, "-4.sh\n1 it's \"\u{e4}\".sh\n2 two words.sh\n3 new\nline.sh\n");
}

/// Runs a command and returns with what came of it how much memory it held at most, in KiB.
fn measured(command: &mut Command) -> (Ran, u64) {
    let mut watched = Command::new("python3");
    let watch = "import resource, subprocess, sys\n\
                 code = subprocess.call(sys.argv[1:])\n\
                 print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\n\
                 sys.exit(code)";
    watched.arg("-c").arg(watch).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => watched.env(name, value),
            None => watched.env_remove(name),
        };
    }
    let ran = run(&mut watched);
    let peak = ran.stderr.lines().last().unwrap().parse().unwrap();
    (ran, peak)
}

fn a_large_file_is_passed_on_and_not_held(engine: Engine) {
    let story = Story::new(engine);
    let large = r#""$(dirname "$0")"/../large"#;
    story.define_extension(
        "huge",
        &format!("test $(stat -c %s {large}) = {LARGE_BYTES}\ntail -c 12 {large} > /opt/end\n"),
    );
    let path = story.custom("extensions/huge/large");
    let mut large = fs::File::create(&path).unwrap();
    large.set_len(LARGE_BYTES - 12).unwrap();
    std::io::Seek::seek(&mut large, std::io::SeekFrom::End(0)).unwrap();
    std::io::Write::write_all(&mut large, b"the very end").unwrap();

    let (built, peak) = measured(&mut story.with("build", &["huge"]));
    built.expect(0);
    let image = story.extended("huge");
    assert_eq!(engine.run(&image, &["cat", "/opt/end"]), "the very end");
    assert!(peak < MEMORY_LIMIT_KIB, "{peak} KiB");
    // It was only mounted: nothing of it is in a layer.
    assert!(engine.image(&image).unwrap()["Size"].as_u64().unwrap() < LARGE_BYTES);
    let (again, peak) = measured(story.with("plan", &["huge"]).arg("--exit-code"));
    again.expect(0);
    assert!(peak < MEMORY_LIMIT_KIB, "{peak} KiB");
}

fn twenty_extensions_are_one_image(engine: Engine) {
    let story = Story::new(engine);
    let names: Vec<_> = (1..=20).map(|number| format!("e{number:02}")).collect();
    for (at, name) in names.iter().enumerate() {
        // Each third one is a Dockerfile, and each sees what those before it did.
        if at % 3 == 2 {
            story.define_dockerfile_extension(name, "ARG EXTENSION\nRUN echo $EXTENSION >> /opt/order\n");
        } else {
            story.define_extension(name, "echo $EXTENSION >> /opt/order\n");
        }
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let built = run(story.with("build", &names).args(["--format", "json"])).expect(0);
    let mut steps = vec!["install tool 1.0.0".to_owned()];
    steps.extend(names.iter().map(|name| format!("extension {name}")));
    assert_eq!(built.steps_that_ran(), steps);
    let image = story.extended(&names.join("-"));
    assert_eq!(engine.run(&image, &["cat", "/opt/order"]).split_whitespace().collect::<Vec<_>>(), names);
    run(story.with("plan", &names).arg("--exit-code")).expect(0);

    // The last one alone runs again.
    story.define_extension("e20", "echo again >> /opt/order\n");
    let built = run(story.with("build", &names).args(["--format", "json"])).expect(0);
    assert_eq!(built.steps_that_ran(), ["extension e20"]);
    let order = engine.run(&image, &["cat", "/opt/order"]);
    assert_eq!(order.split_whitespace().last(), Some("again"), "{order}");
    // What the engine needed on the way is gone: the final image, the extended one, and the one before it.
    let left: Vec<_> = engine.names().into_iter().filter(|name| name.contains(&story.repository)).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}
