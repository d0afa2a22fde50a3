//! The tables of `docs/updates.md`: every reason and every notice, as one fact that differs in a world of its own.

use strum::EnumCount as _;

use super::chains::{BASE_YML, built, codex, custom, extension, published, scripts, wanted};
use super::*;
use crate::definition::ExtensionKind;
use crate::name::ImageName;
use crate::target::{Ingredient, TargetImage};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/updates.md");

/// Set by `scripts/update-docs`, which writes the tables instead of comparing them.
const WRITE: &str = "AICAGE_WRITE_DOCS";

/// A change to a target, or to the world in which it was just built.
type Change = fn(&mut Target, &mut World);

/// Picks one kind of what a plan says.
type Pick<T> = fn(&T) -> bool;

/// Returns when a reason is given. A new one does not compile until it has its words.
fn when(reason: &Reason) -> &'static str {
    match reason {
        Reason::ImageMissing => "The engine has no image of that name.",
        Reason::NoRecipe => "Something else built the image: its labels hold no recipe.",
        Reason::RecipeSchemaChanged { .. } => {
            "The image was built by a version of this program that builds differently."
        }
        Reason::AgentVersionChanged { .. } => {
            "The newest version of the agent, or the one asked for, is not the image's; also when it is older."
        }
        Reason::BeneathRebuilt { .. } => {
            "The image beneath is built in the same run. Where no step ran there, as after a changed title, none runs here."
        }
        Reason::PublishedChanged { .. } => "The registry has another image under the name of a published one.",
        Reason::BeneathRenamed { what: Beneath::Root, .. } => {
            "`from_image` names another image, even one of the same content."
        }
        Reason::BeneathRenamed { .. } => "Another image was asked for as the base, and it has other content.",
        Reason::BaseChanged { what: Beneath::Root, .. } => "The registry has another root image under its name.",
        Reason::BaseChanged { what: Beneath::Base, .. } => {
            "The registry, or for a base without one the engine, has another base under its name."
        }
        Reason::BaseChanged { what: Beneath::Image, .. } => {
            "The image beneath was pulled anew, or something else built it in between."
        }
        Reason::SelectionChanged { .. } => {
            "The file of a named image lists another agent, base or extension, or another order."
        }
        Reason::FileChanged { extension: None, .. } | Reason::FilesChanged { extension: None } => {
            "A file of the base's or the agent's folder has other content or another mode, is new or is gone."
        }
        Reason::FileChanged { extension: Some(_), .. } | Reason::FilesChanged { extension: Some(_) } => {
            "The same of a file of an extension's folder."
        }
        Reason::SecretChanged { .. } => "A secret that is given has another value, or was not given to the last build.",
        Reason::MetadataChanged { .. } => {
            "`agent_full_name`, `agent_homepage` or `base_image_description` was changed, which stand on the image."
        }
        Reason::PlatformChanged { .. } => "The engine has another platform than the image.",
        Reason::RecipeChanged => "The recipe's digest differs and nothing above says why, as when labels were edited.",
        Reason::Forced => "`--force`; with `--no-cache` every step runs.",
    }
}

/// Returns when a notice is given. A new one does not compile until it has its words.
fn when_noticed(notice: &Notice) -> &'static str {
    match notice {
        Notice::BaseNotChecked { .. } => "The registry of the base, or of the root image, does not answer or refuses.",
        Notice::ImageNotChecked { .. } => "The same of a published image.",
        Notice::BaseFromLocalCopy { .. } => "The same, but there is a reason to build and the engine has a copy.",
        Notice::VersionNotChecked { .. } => "No look for the newest version succeeds; each attempt is named.",
        Notice::BeneathMissing { .. } => "The image beneath is missing and cannot be built.",
        Notice::UpdatePostponed { .. } => "There is a reason to build, and something that it needs is out of reach.",
        Notice::RecordMissing => "The image is current and the record of its build is gone. It is written again.",
        Notice::RecordDamaged { .. } => "The record cannot be read. It is moved aside and written again.",
    }
}

/// What brings each reason about.
const REASONS: [(Pick<Reason>, Change); 23] = [
    (|reason| matches!(reason, Reason::ImageMissing), |_, world| top(world).image = None),
    (|reason| matches!(reason, Reason::NoRecipe), |_, world| recipe(world, ImageRecipe::None)),
    (
        |reason| matches!(reason, Reason::RecipeSchemaChanged { .. }),
        |_, world| recipe(world, ImageRecipe::OtherSchema("0".to_owned())),
    ),
    (
        |reason| matches!(reason, Reason::AgentVersionChanged { .. }),
        |_, world| world.version = VersionFact::Found(version("1.5.0"), Venue::Native(SourceKind::Npm)),
    ),
    (
        |reason| matches!(reason, Reason::BeneathRenamed { what: Beneath::Root, .. }),
        |target, _| {
            let Making::Built { foundation, .. } = &mut target.images[0].making else { panic!("a base is built") };
            *foundation = Foundation::Image("debian:13".parse().unwrap());
        },
    ),
    (
        |reason| matches!(reason, Reason::BaseChanged { what: Beneath::Root, .. }),
        |_, world| world.images[0].beneath.remote = Remote::Known(Digest::of(b"root 2")),
    ),
    (
        |reason| matches!(reason, Reason::BaseChanged { what: Beneath::Base, .. }),
        |target, world| {
            *target = chain(target.images.len() == 2, None);
            *world = built(target);
            world.images[0].beneath.remote = Remote::Known(Digest::of(b"base 2"));
        },
    ),
    (
        |reason| matches!(reason, Reason::BaseChanged { what: Beneath::Image, .. }),
        |_, world| {
            let at = world.images.len() - 2;
            world.images[at].image.as_mut().unwrap().content = Digest::of(b"elsewhere");
        },
    ),
    (|reason| matches!(reason, Reason::BeneathRebuilt { .. }), |target, world| edit(target, world, "dockerfile")),
    (
        |reason| matches!(reason, Reason::PublishedChanged { .. }),
        |target, world| {
            *target = on_published();
            *world = built(target);
            world.images[0].beneath.remote = Remote::Known(Digest::of(b"newer"));
        },
    ),
    (|reason| matches!(reason, Reason::FileChanged { .. }), |target, world| edit(target, world, "dockerfile")),
    (|reason| matches!(reason, Reason::FileChanged { .. }), |target, world| edit(target, world, "agent:codex")),
    (
        |reason| matches!(reason, Reason::FilesChanged { .. }),
        |target, world| {
            edit(target, world, "agent:codex");
            world.images.iter_mut().for_each(|image| image.record = RecordFact::Missing);
        },
    ),
    (|reason| matches!(reason, Reason::FileChanged { .. }), |target, world| edit(target, world, "extension:act")),
    (|reason| matches!(reason, Reason::FileChanged { .. }), |target, world| edit(target, world, "extension:gh")),
    (
        |reason| matches!(reason, Reason::FilesChanged { .. }),
        |target, world| {
            edit(target, world, "extension:gh");
            top(world).record = RecordFact::Missing;
        },
    ),
    (
        |reason| matches!(reason, Reason::SelectionChanged { .. }),
        |target, world| {
            let Making::Built { layers, .. } = &mut target.images.last_mut().unwrap().making else {
                panic!("it is built")
            };
            layers.insert(2, Ingredient::Extension(extension("jq", ExtensionKind::Scripts)));
            top(world).layers.insert(2, FileSet(vec![file("scripts/01.sh", "jq")]));
        },
    ),
    (
        |reason| matches!(reason, Reason::SecretChanged { .. }),
        |_, world| world.secrets = [("npmrc".to_owned(), Digest::of(b"new"))].into(),
    ),
    (
        |reason| matches!(reason, Reason::MetadataChanged { .. }),
        |target, _| {
            for layer in target.images.iter_mut().flat_map(layers) {
                if let Ingredient::Agent(there) = layer {
                    *there = agent("codex", &AGENT_YML.replace("Codex", "Codex CLI"));
                }
            }
        },
    ),
    (
        |reason| matches!(reason, Reason::MetadataChanged { .. }),
        |target, _| {
            let base = custom("mine", &BASE_YML.replace("Mine", "Ours"));
            layers(&mut target.images[0])[0] = Ingredient::Base(base);
        },
    ),
    (|reason| matches!(reason, Reason::PlatformChanged { .. }), |_, world| world.platform = "linux/arm64".to_owned()),
    (|reason| matches!(reason, Reason::RecipeChanged), |_, world| known(world).hash = "edited".to_owned()),
    (|reason| matches!(reason, Reason::Forced), |target, _| target.force = true),
];

/// What brings each notice about.
const NOTICES: [(Pick<Notice>, Change); 8] = [
    (
        |notice| matches!(notice, Notice::BaseNotChecked { .. }),
        |_, world| world.images[0].beneath.remote = unreachable(),
    ),
    (
        |notice| matches!(notice, Notice::ImageNotChecked { .. }),
        |target, world| {
            *target = on_published();
            *world = built(target);
            world.images[0].beneath.remote = unreachable();
        },
    ),
    (
        |notice| matches!(notice, Notice::BaseFromLocalCopy { .. }),
        |target, world| {
            edit(target, world, "dockerfile");
            world.images[0].beneath = BaseFacts { remote: unreachable(), local: copy(Some(b"root 1")) };
        },
    ),
    (|notice| matches!(notice, Notice::VersionNotChecked { .. }), |_, world| world.version = no_version()),
    (
        |notice| matches!(notice, Notice::BeneathMissing { .. }),
        |_, world| {
            world.version = no_version();
            world.images[1].image = None;
        },
    ),
    (
        |notice| matches!(notice, Notice::UpdatePostponed { .. }),
        |target, world| {
            edit(target, world, "agent:codex");
            world.version = no_version();
        },
    ),
    (|notice| matches!(notice, Notice::RecordMissing), |_, world| top(world).record = RecordFact::Missing),
    (
        |notice| matches!(notice, Notice::RecordDamaged { .. }),
        |_, world| top(world).record = RecordFact::Damaged("….json: expected value at line 1 column 1".to_owned()),
    ),
];

/// Returns an agent with the extensions `act` and `gh`, saved as `daily`, on a custom base or a published one.
fn chain(extensions_first: bool, base: Option<&str>) -> Target {
    let base = base.map(|base_yml| custom("mine", base_yml));
    let definitions = Definitions { agent: codex(), base, extensions: scripts(&["act", "gh"]) };
    let saved = Some(ImageName::parse("daily").unwrap());
    wanted(definitions, ExtensionChoice { first: extensions_first, saved, ..ExtensionChoice::default() })
}

fn on_published() -> Target {
    let definitions = Definitions { agent: published(), base: None, extensions: scripts(&["act", "gh"]) };
    wanted(definitions, ExtensionChoice::default())
}

fn top(world: &mut World) -> &mut ImageWorld {
    world.images.last_mut().unwrap()
}

fn recipe(world: &mut World, recipe: ImageRecipe) {
    top(world).image.as_mut().unwrap().recipe = recipe;
}

fn layers(image: &mut TargetImage) -> &mut [Ingredient] {
    match &mut image.making {
        Making::Built { layers, .. } => layers,
        Making::Published => &mut [],
    }
}

/// Changes the first file of a definition.
fn edit(target: &Target, world: &mut World, definition: &str) {
    for (image, seen) in target.images.iter().zip(&mut world.images) {
        for (layer, files) in image.layers().iter().zip(&mut seen.layers) {
            let is_it = match layer {
                Ingredient::Base(_) => definition == "dockerfile",
                Ingredient::Agent(agent) => definition == format!("agent:{}", agent.name),
                Ingredient::Extension(extension) => definition == format!("extension:{}", extension.name),
            };
            if is_it {
                files.0[0] = file(&files.0[0].path.clone(), "changed");
            }
        }
    }
}

fn decide(extensions_first: bool, change: Change) -> BuildPlan {
    let mut target = chain(extensions_first, Some(BASE_YML));
    let mut world = built(&target);
    change(&mut target, &mut world);
    plan(&target, &world).unwrap()
}

fn reasons(step: &Step) -> &[Reason] {
    match &step.action {
        Action::Build { reasons, .. } | Action::Pull { reasons, .. } => reasons,
        Action::Keep { .. } => &[],
    }
}

fn running(step: &Step) -> Vec<String> {
    let name = |layer: &Layer| match &layer.kind {
        LayerKind::Dockerfile => "base".to_owned(),
        LayerKind::Agent { .. } => "agent".to_owned(),
        LayerKind::Extension { name, .. } => name.to_string(),
    };
    match &step.action {
        Action::Keep { .. } => Vec::new(),
        Action::Pull { .. } => vec!["pull".to_owned()],
        Action::Build { build, .. } => build.ingredients.layers.iter().skip(build.unchanged).map(name).collect(),
    }
}

/// Returns the first reason that `is_it`, and what runs from its image upwards; nothing when none is.
fn found(plan: &BuildPlan, is_it: Pick<Reason>) -> Option<(&Reason, String)> {
    let at = plan.steps.iter().position(|step| reasons(step).iter().any(is_it))?;
    let reason = reasons(&plan.steps[at]).iter().find(|reason| is_it(reason))?;
    let running: Vec<_> = plan.steps[at..].iter().flat_map(running).collect();
    Some((reason, if running.is_empty() { "none".to_owned() } else { running.join(", ") }))
}

fn reasons_table() -> String {
    let mut table =
        "| what it says | when | steps that run | with `--extensions-first` |\n| --- | --- | --- | --- |\n".to_owned();
    let mut seen = std::collections::HashSet::new();
    for (is_it, change) in REASONS {
        let plans = [decide(false, change), decide(true, change)];
        let (reason, usual) = found(&plans[0], is_it).expect("the change is a reason");
        let first = found(&plans[1], is_it).map_or("–".to_owned(), |(_, first)| first);
        table += &format!("| `{reason}` | {} | {usual} | {first} |\n", when(reason));
        seen.insert(std::mem::discriminant(reason));
    }
    assert_eq!(seen.len(), Reason::COUNT, "a reason has no row");
    table
}

fn notices_table() -> String {
    let mut table = "| what it says | when | the image |\n| --- | --- | --- |\n".to_owned();
    let mut seen = std::collections::HashSet::new();
    for (is_it, change) in NOTICES {
        let plan = decide(false, change);
        let mut all = plan.steps.iter().flat_map(|step| step.notices.iter().map(move |notice| (step, notice)));
        let (step, notice) = all.find(|(_, notice)| is_it(notice)).expect("the change is noticed");
        let outcome = match &step.action {
            Action::Keep { .. } if notice.leaves_doubt() => "is kept as it is",
            Action::Keep { .. } => "is up to date",
            Action::Pull { .. } => "is pulled",
            Action::Build { .. } => "is built",
        };
        table += &format!("| `{notice}` | {} | {outcome} |\n", when_noticed(notice));
        seen.insert(std::mem::discriminant(notice));
    }
    assert_eq!(seen.len(), Notice::COUNT, "a notice has no row");
    table
}

/// Returns `document` with `table` between the markers of `name`.
fn with_table(document: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("\n<!-- end of {name} -->"));
    let (before, rest) = document.split_once(&begin).unwrap_or_else(|| panic!("{begin} is missing"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{end} is missing"));
    format!("{before}{begin}\n{table}{end}{after}")
}

#[test]
fn the_reasons_are_documented_as_they_are() {
    let documented = std::fs::read_to_string(DOCUMENT).unwrap();
    let made = with_table(&documented, "reasons", &reasons_table());
    let made = with_table(&made, "notices", &notices_table());
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(DOCUMENT, made).unwrap();
    } else {
        assert!(made == documented, "docs/updates.md is out of date: run scripts/update-docs");
    }
}
