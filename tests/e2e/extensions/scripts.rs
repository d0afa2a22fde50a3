//! Extensions made of scripts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use aicage_tests::{Engine, Story, on_every_engine, run};

on_every_engine!(
    scripts_of_every_kind_run_in_byte_order_and_nothing_of_them_stays,
    the_first_script_that_fails_is_the_last,
    extensions_are_found_in_both_layouts,
    the_images_own_variables_and_links_reach_the_steps_and_stay,
);

/// The scripts of one extension in the order of their bytes, which is nobody's alphabet, each with its text.
///
/// `NAME` stands for the script's own, which it appends to the list of those that ran.
const SCRIPTS: [(&str, &str); 8] = [
    ("10-ä.sh", "#!/usr/bin/env bash\n[[ $EXTENSION == kinds ]] && echo NAME >> /opt/order\n"),
    ("9 with space.sh", "#!/usr/bin/env bash\nset -e\r\necho NAME >> /opt/order\r\n"),
    // A shebang is not needed: what has none is for bash.
    ("B.sh", "words=(one NAME)\n[[ -n $BASH_VERSION ]] && echo \"${words[1]}\" >> /opt/order\n"),
    ("a'quoted'.sh", "#!/bin/sh\ntest -z \"$BASH_VERSION\" && echo \"NAME\" >> /opt/order\n"),
    ("b.sh", "#!/usr/bin/perl\r\nopen(my $f, '>>', '/opt/order'); print $f \"NAME\\n\";\r\n"),
    (
        "c.sh",
        "#!/usr/bin/env bash\ncat \"$(dirname \"$0\")/lib/words\" ../../opt/nothing 2> /dev/null >> /opt/order\ntrue\n",
    ),
    ("d.sh", "#!/usr/bin/env bash\n\"$(dirname \"$0\")/../tools/say\" NAME >> /opt/order\n"),
    // What is mounted can be written to, and that is thrown away.
    (
        "日本.sh",
        "#!/usr/bin/env bash\necho x > \"$(dirname \"$0\")/written\" && id -un >> /opt/order && echo \"$PWD\" >> /opt/order\n",
    ),
];

/// What the scripts have written down.
const ORDER: &str = "10-ä.sh\n9 with space.sh\nB.sh\na'quoted'.sh\nb.sh\nthe words\nsaid d.sh\nroot\n/\n";

fn scripts_of_every_kind_run_in_byte_order_and_nothing_of_them_stays(engine: Engine) {
    let story = Story::new(engine);
    story.define_extension("empty", "mkdir -p /opt\n");
    story.write_custom("extensions/kinds/extension.yml", "name: kinds\ndescription: Größe\n");
    for (name, text) in SCRIPTS {
        let path = format!("extensions/kinds/scripts/{name}");
        story.write_custom(&path, format!("{}\n# {}\n", text.replace("NAME", name), story.repository));
        let mode = if name.starts_with('9') { 0o755 } else { 0o600 };
        fs::set_permissions(story.custom(&path), fs::Permissions::from_mode(mode)).unwrap();
    }
    story.write_custom("extensions/kinds/scripts/lib/words", "the words\n");
    story.write_custom("extensions/kinds/tools/say", "#!/bin/sh\necho said \"$1\"\n");
    for unused in ["scripts/.hidden.sh", "scripts/lib/inner.sh", "scripts/plain", "scripts/folder.sh/x", "beside.sh"] {
        story.write_custom(&format!("extensions/kinds/{unused}"), format!("#!/bin/sh\necho {unused} >> /opt/order\n"));
    }
    let built = run(story.with("build", &["empty", "kinds"]).args(["--format", "json"])).expect(0);
    assert_eq!(built.steps_that_ran(), ["install tool 1.0.0", "extension empty", "extension kinds"]);
    let image = story.extended("empty-kinds");
    assert_eq!(engine.run(&image, &["cat", "/opt/order"]), ORDER);

    // One layer and one entry of the history for each, and in the image what the scripts made, alone.
    assert_eq!(engine.layers(&image).len(), engine.layers(&story.image()).len() + 2);
    let history = engine.history(&image);
    assert_eq!(
        (&history[0]["CreatedBy"], &history[1]["CreatedBy"]),
        (&"extension kinds".into(), &"extension empty".into())
    );
    let (below, made) = (engine.listing(&story.image()), engine.listing(&image));
    let new: Vec<_> = made.keys().filter(|path| !below.contains_key(*path)).collect();
    assert_eq!(new, ["opt/order"]);
    let changed: Vec<_> = below.iter().filter(|(path, what)| made.get(*path) != Some(what)).collect();
    assert!(changed.is_empty(), "{changed:?}");
    // Its entry point and its names are those of what is beneath; the extensions are written on it.
    let config = |image: &str| engine.image(image).unwrap()["Config"].clone();
    let (upper, lower) = (config(&image), config(&story.image()));
    for key in ["Env", "Cmd", "Entrypoint", "WorkingDir"] {
        assert_eq!(upper[key], lower[key], "{key}");
    }
    assert_eq!(upper["Labels"]["org.opencontainers.image.title"], "Tool");
}

fn the_first_script_that_fails_is_the_last(engine: Engine) {
    let story = Story::new(engine);
    let write = |script: &str, lines: &str| {
        let path = format!("extensions/poor/scripts/{script}");
        story.write_custom(&path, format!("#!/usr/bin/env bash\n# {}\n{lines}", story.repository));
    };
    story.define_extension("good", "echo good > /opt/good\n");
    story.write_custom("extensions/poor/extension.yml", "name: poor\ndescription: x\n");
    write("10-first.sh", "echo first is here\n");
    write("20-second one.sh", "echo out of luck >&2; exit 23\n");
    write("30-third.sh", "echo third is here\n");
    let ran = story.extend(&["good", "poor"]).expect(5);
    let image = story.extended("good-poor");
    let error = format!("error: {image} was not built: step failed with exit code 23: extension poor\n");
    assert!(ran.stderr.contains(&error), "{}", ran.stderr);
    let shown: Vec<_> = ran.stderr.lines().filter_map(|line| line.strip_prefix("  | ")).collect();
    let expected = [
        "--- 10-first.sh",
        "first is here",
        "--- 20-second one.sh",
        "out of luck",
        "20-second one.sh failed with exit code 23",
    ];
    assert_eq!(shown, expected);
    let log = ran.log();
    assert!(log.contains("\nout of luck\n") && !log.contains("third is here"), "{log}");
    assert!(ran.stderr.ends_with(&format!("log: {}\n", ran.log_path().display())), "{}", ran.stderr);

    // What was complete before it is kept and used; of the rest nothing is.
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 1.0.0");
    assert!(engine.image(&image).is_none());
    let document = run(story.with("build", &["good", "poor"]).args(["--format", "json"])).expect(5).json();
    assert_eq!((&document["error"]["exitCode"], &document["error"]["kind"]), (&5.into(), &"stepFailed".into()));
    assert_eq!(document["error"]["details"], expected.join("\n"));
    write("20-second one.sh", "echo second is here\n");
    let built = run(story.with("build", &["good", "poor"]).args(["--format", "json"])).expect(0);
    assert_eq!(built.steps_that_ran(), ["extension poor"], "{}", built.stdout);

    // A failure later on changes nothing of what there is.
    let (id, records) = (engine.id(&image), story.home_files());
    let state = |files: &[(PathBuf, Vec<u8>)]| -> Vec<_> {
        files
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|end| end == "json" || end == "yml"))
            .cloned()
            .collect()
    };
    let records: Vec<_> =
        state(&records).into_iter().filter(|(path, _)| !path.to_string_lossy().contains("version")).collect();
    assert!(records.len() >= 4, "{records:?}");
    write("30-third.sh", "exit 1\n");
    story.extend(&["good", "poor"]).expect(5);
    assert_eq!(engine.id(&image), id);
    let after: Vec<_> = state(&story.home_files())
        .into_iter()
        .filter(|(path, _)| !path.to_string_lossy().contains("version"))
        .collect();
    assert_eq!(after, records);
}

fn extensions_are_found_in_both_layouts(engine: Engine) {
    let story = Story::new(engine);
    let write = |folder: PathBuf, name: &str, words: &str| {
        fs::create_dir_all(folder.join(name).join("scripts")).unwrap();
        fs::write(folder.join(name).join("extension.yaml"), format!("name: {name}\ndescription: x\n")).unwrap();
        let script = format!("# {}\necho {words} > /opt/{name}\n", story.repository);
        fs::write(folder.join(name).join("scripts/10.sh"), script).unwrap();
    };
    write(story.home().join("custom/extension"), "seed", "seed");
    write(story.home().join("custom/extensions"), "old", "old");
    write(story.custom("extensions"), "new", "new");
    // One that is in both is taken from where the host tool of today has it.
    write(story.home().join("custom/extension"), "new", "not this one");
    story.extend(&["seed", "old", "new"]).expect(0);
    let words = engine.run(&story.extended("seed-old-new"), &["cat", "/opt/seed", "/opt/old", "/opt/new"]);
    assert_eq!(words, "seed\nold\nnew\n");
}

fn the_images_own_variables_and_links_reach_the_steps_and_stay(engine: Engine) {
    let mut story = Story::new(engine);
    let bases = format!("{}/own", story.repository);
    let own = "fresh=1 before= made=/made lists= crates=own name=own code=own folder=own script=own first=own d=own";
    let make = "mkdir -p /made /opt/registry /root/.cargo && touch /opt/registry/kept && ln -s /opt/registry /root/.cargo/registry";
    engine.make(
        &story.base_image,
        make,
        &[&format!("ENV {}", own.replace("before= ", "").replace("lists= ", ""))],
        &bases,
        "x",
    );
    story.base_image = format!("{bases}:x");
    let look = "echo $fresh $made $crates $name $code $folder $script $first $d";
    story.define_extension("one", &format!("{look} > /opt/one\n"));
    story.write_custom("extensions/one/scripts/20-more.sh", format!("#!/bin/sh\n{look} > /opt/more\n"));
    let arguments = own.split(' ').map(|pair| format!("ARG {pair}\n")).collect::<String>();
    story.define_dockerfile_extension("two", &format!("{arguments}RUN {look} > /opt/two\n"));
    for more in [&["--force", "--no-cache-mounts"][..], &["--force"]] {
        run(story.with("build", &["one", "two"]).args(more)).expect(0);
        let image = story.extended("one-two");
        for path in ["/opt/one", "/opt/more", "/opt/two"] {
            let seen = engine.run(&image, &["cat", path]);
            assert_eq!(seen, "1 /made own own own own own own own\n", "{path} {more:?}");
        }
        let left = engine.run(&image, &["sh", "-c", "ls -d /made /bin/sh /etc/apt /root/.cargo/registry/kept"]);
        assert_eq!(left.lines().count(), 4, "{left}");
    }
}
