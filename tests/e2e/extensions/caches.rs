//! What package managers download is kept for later builds, and is in no layer.
//!
//! Real packages of Debian, npm and PyPI, through whatever network the machine has.

use aicage_tests::{Engine, Ran, Story, on_every_engine, run};

on_every_engine!(downloads_are_kept_and_in_no_layer, a_users_own_cache_wins);

/// One extension for each package manager, and one with a Dockerfile.
const EXTENSIONS: [&str; 4] = ["apt", "npm", "pip", "dockerfile"];

/// How often a build is tried that fetches nothing.
const EDITIONS: usize = 4;

/// Defines the extensions; `edition` makes every step another one.
fn define(story: &Story, edition: &str) {
    let npm = |package: &str| format!("npm install -g --no-fund --no-audit --loglevel http {package}");
    let pip = |package: &str| {
        format!("pip install --break-system-packages --disable-pip-version-check --root-user-action ignore {package}")
    };
    let apt = "apt-get update -q\napt-get install -y -q --no-install-recommends hello";
    let look = "ls /dev/aicage/cache > /opt/caches || true";
    story.define_extension("apt", &format!(": {edition}\n{look}\n{apt}\n"));
    story.define_extension("npm", &format!(": {edition}\n{}\n", npm("is-number@7.0.0")));
    // Of what is on PyPI as source alone pip keeps the wheel that it makes. Whether it keeps what it downloads is for the
    // server to say, and a company's mirror may say nothing.
    story.define_extension("pip", &format!(": {edition}\n{}\n", pip("docopt==0.6.2")));
    let both = format!("RUN : {edition}; {} && {}\n", npm("is-odd@3.0.1"), pip("termcolor==1.1.0"));
    story.define_dockerfile_extension("dockerfile", &both);
}

fn build(story: &Story, edition: &str, more: &[&str]) -> Ran {
    define(story, edition);
    run(story.with("build", &EXTENSIONS).args(["--ca-cert", "system", "--progress", "plain"]).args(more)).expect(0)
}

/// Returns the packages that came over the network rather than from a cache, by each manager's own words.
fn fetched(ran: &Ran) -> Vec<&'static str> {
    let says = |all: &[&str]| ran.stderr.lines().any(|line| all.iter().all(|words| line.contains(words)));
    let npm =
        |package| says(&["npm http fetch", package, ".tgz"]) && !says(&["npm http cache", package, ".tgz", "hit"]);
    let packages = [
        ("hello", says(&["Need to get "]) && !says(&["Need to get 0 B/"])),
        ("is-number", npm("is-number-7.0.0")),
        ("docopt", says(&["Downloading docopt"])),
        ("is-odd", npm("is-odd-3.0.1")),
        ("termcolor", says(&["Downloading termcolor"])),
    ];
    packages.into_iter().filter(|(_, fetched)| *fetched).map(|(name, _)| name).collect()
}

fn downloads_are_kept_and_in_no_layer(engine: Engine) {
    let mut story = Story::new(engine);
    story.base_image = "aicage-test-base:node".to_owned();
    // Of the first build nothing is known: another story may have fetched the same. Nor of the others while another
    // one runs with --no-cache, which empties the caches of the engine.
    build(&story, "first", &[]);
    let again = (0..EDITIONS).map(|at| build(&story, &format!("again {at}"), &[]));
    let fetched_again: Vec<_> = again.map(|ran| fetched(&ran)).take_while(|fetched| !fetched.is_empty()).collect();
    assert!(fetched_again.len() < EDITIONS, "{fetched_again:?}");
    let image = story.extended("apt-npm-pip-dockerfile");
    assert_eq!(engine.run(&image, &["hello"]).trim(), "Hello, world!");
    assert_eq!(engine.run(&image, &["cat", "/opt/caches"]), "apt\ncargo\nnpm\npip\n");
    let versions = "import importlib.metadata as m; print(m.version('docopt'), m.version('termcolor'))";
    assert_eq!(engine.run(&image, &["python3", "-c", versions]).trim(), "0.6.2 1.1.0");
    let (below, made) = (engine.listing(&story.base_image), engine.listing(&image));
    let new = made.keys().filter(|path| !below.contains_key(*path));
    let traces = ["_cacache", "cache/apt/archives/", ".cache", ".npm", "dev/aicage", "lib/apt/lists/", ".deb", ".whl"];
    let found: Vec<_> = new.filter(|path| traces.iter().any(|trace| path.contains(trace))).collect();
    assert!(found.is_empty(), "{found:?}");

    let without = build(&story, "last", &["--no-cache-mounts"]);
    assert_eq!(fetched(&without), ["hello", "is-number", "docopt", "is-odd", "termcolor"], "{}", without.stderr);
    assert_eq!(engine.run(&image, &["cat", "/opt/caches"]), "");
}

fn a_users_own_cache_wins(engine: Engine) {
    let mut story = Story::new(engine);
    let bases = format!("{}/own", story.repository);
    let own = ["ENV npm_config_cache=/opt/npm PIP_CACHE_DIR=/opt/pip"];
    engine.make(&story.base_image, "mkdir -p /opt/npm /opt/pip", &own, &bases, "1");
    story.base_image = format!("{bases}:1");
    let say = "(echo \"$npm_config_cache\"; echo \"$PIP_CACHE_DIR\")";
    story.define_extension("said", &format!("{say} > /opt/script\n"));
    story.define_dockerfile_extension("told", &format!("RUN {say} > /opt/dockerfile\n"));
    story.extend(&["said", "told"]).expect(0);
    let read = engine.run(&story.extended("said-told"), &["cat", "/opt/script", "/opt/dockerfile"]);
    assert_eq!(read, "/opt/npm\n/opt/pip\n/opt/npm\n/opt/pip\n");
}
