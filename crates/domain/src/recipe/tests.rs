use super::*;
use crate::files::{FileEntry, FileKind};

fn recipe() -> Recipe {
    let name = AgentName::parse("codex").unwrap();
    let version = AgentVersion::parse("1.4.0").unwrap();
    Recipe {
        ingredients: Ingredients {
            kind: ImageKind::Final,
            agent: Some(name.clone()),
            base_name: BaseName::parse("debian").unwrap(),
            title: Some("Codex".to_owned()),
            source: Some("https://example.org".to_owned()),
            layers: vec![Layer { kind: LayerKind::Agent { name, version }, files: FileSet::default() }],
            secrets: BTreeMap::new(),
            saved: None,
            platform: "linux/amd64".to_owned(),
        },
        base_image: "ghcr.io/acme/base:debian".parse().unwrap(),
        base: BaseIdentity::Manifest(Digest::of(b"base")),
    }
}

fn extension(name: &str, files: &str, how: ExtensionKind) -> Layer {
    let kind = FileKind::File { digest: Digest::of(files.as_bytes()) };
    let file = FileEntry { path: "scripts/01.sh".to_owned(), mode: 0o755, kind };
    let name = ExtensionName::parse(name).unwrap();
    Layer { kind: LayerKind::Extension { name, kind: how }, files: FileSet(vec![file]) }
}

fn extended(layers: Vec<Layer>) -> Recipe {
    let mut recipe = Recipe { base: BaseIdentity::Content(Digest::of(b"final")), ..recipe() };
    let ingredients = &mut recipe.ingredients;
    (ingredients.kind, ingredients.title, ingredients.source) = (ImageKind::Extended, None, None);
    ingredients.layers = layers;
    recipe
}

/// Returns the recipe with one ingredient changed.
fn with(change: impl FnOnce(&mut Ingredients)) -> Recipe {
    let mut recipe = recipe();
    change(&mut recipe.ingredients);
    recipe
}

#[test]
fn the_name_of_the_base_does_not_decide() {
    let elsewhere = Recipe { base_image: "localhost:5000/mirror:x".parse().unwrap(), ..recipe() };
    assert_eq!(elsewhere.hash(), recipe().hash());
}

#[test]
fn everything_that_is_in_the_image_decides() {
    let entry = FileEntry { path: "install.sh".to_owned(), mode: 0o755, kind: FileKind::Directory };
    let agent = |name: &str, version: &str| {
        let (name, version) = (AgentName::parse(name).unwrap(), AgentVersion::parse(version).unwrap());
        with(|recipe| {
            recipe.agent = Some(name.clone());
            recipe.layers[0].kind = LayerKind::Agent { name, version };
        })
    };
    let (act, gh) = (extension("act", "1", ExtensionKind::Scripts), extension("gh", "1", ExtensionKind::Scripts));
    let others = [
        recipe(),
        agent("other", "1.4.0"),
        agent("codex", "1.4.1"),
        with(|recipe| recipe.title = Some("Other".to_owned())),
        with(|recipe| recipe.source = Some("https://example.com".to_owned())),
        Recipe { base: BaseIdentity::Manifest(Digest::of(b"other")), ..recipe() },
        Recipe { base: BaseIdentity::Content(Digest::of(b"base")), ..recipe() },
        with(|recipe| recipe.layers[0].files = FileSet(vec![entry])),
        with(|recipe| recipe.platform = "linux/arm64".to_owned()),
        with(|recipe| (recipe.kind, recipe.layers[0].kind) = (ImageKind::Base, LayerKind::Dockerfile)),
        extended(vec![act.clone()]),
        extended(vec![extension("act", "2", ExtensionKind::Scripts)]),
        extended(vec![extension("act", "1", ExtensionKind::Dockerfile)]),
        extended(vec![act.clone(), gh.clone()]),
        extended(vec![gh, act]),
    ];
    let mut hashes: Vec<_> = others.iter().map(Recipe::hash).collect();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), others.len());
}

#[test]
fn secrets_do_not_decide() {
    let secret = with(|recipe| recipe.secrets = [("npm".to_owned(), Digest::of(b"salted"))].into());
    assert_eq!(secret.hash(), recipe().hash());
}

#[test]
fn the_hash_stays_what_it_was() {
    // An image built by an older program must not look changed; raise `Recipe::SCHEMA` when this has to move.
    insta::assert_snapshot!(recipe().hash(), @"sha256:b6e7e749c8633b3b3222e2b41578a4403506444ec2d37cd27bc51f6b4c7fce91");
}

#[test]
fn labels_say_what_the_image_was_made_of() {
    let text: String = recipe().labels("0.1.0").iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    insta::assert_snapshot!(text, @"
    dev.aicage.agent=codex
    dev.aicage.agent.version=1.4.0
    dev.aicage.base=debian
    dev.aicage.builder.version=0.1.0
    dev.aicage.recipe.base=sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2
    dev.aicage.recipe.files=sha256:536d5665e8a7d195b6e0f6e5d4da9210be43abdafbdc90d3dfb52e408ec3e400
    dev.aicage.recipe.hash=sha256:b6e7e749c8633b3b3222e2b41578a4403506444ec2d37cd27bc51f6b4c7fce91
    dev.aicage.recipe.kind=final
    dev.aicage.recipe.platform=linux/amd64
    dev.aicage.recipe.schema=1
    org.opencontainers.image.base.digest=sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2
    org.opencontainers.image.base.name=ghcr.io/acme/base:debian
    org.opencontainers.image.source=https://example.org
    org.opencontainers.image.title=Codex
    org.opencontainers.image.version=1.4.0
    ");
}

#[test]
fn a_base_without_a_registry_has_no_manifest_to_name() {
    let labels = Recipe { base: BaseIdentity::Content(Digest::of(b"base")), ..recipe() }.labels("0.1.0");
    assert!(!labels.contains_key(label::OCI_BASE_DIGEST));
    assert!(labels[label::BASE].starts_with("content:sha256:"));
}

fn known(recipe: &Recipe) -> KnownRecipe {
    let ImageRecipe::Known(known) = ImageRecipe::from_labels(&recipe.labels("0.1.0")) else { panic!("no recipe") };
    assert_eq!(known.hash, recipe.hash().to_string());
    assert_eq!((known.kind, known.base), (recipe.ingredients.kind, Some(recipe.base)));
    assert_eq!(known.files, recipe.ingredients.files().to_string());
    *known
}

#[test]
fn a_recipe_reads_back_from_its_labels() {
    let known = known(&recipe());
    assert_eq!((known.agent.as_str(), known.base_name.as_str()), ("codex", "debian"));
    assert_eq!((known.version.as_str(), known.platform.as_str()), ("1.4.0", "linux/amd64"));
    assert_eq!((known.title.as_str(), known.source.as_str()), ("Codex", "https://example.org"));
    assert!(known.layers.is_empty() && known.secrets.is_empty() && known.saved.is_none());
}

#[test]
fn an_extended_image_names_each_layer() {
    let mut recipe =
        extended(vec![extension("act", "1", ExtensionKind::Scripts), extension("gh", "1", ExtensionKind::Dockerfile)]);
    recipe.ingredients.secrets.insert("npm".to_owned(), Digest::of(b"salted"));
    recipe.ingredients.saved = Some(ImageName::parse("work").unwrap());
    let labels = recipe.labels("0.1.0");
    assert_eq!(labels[label::EXTENSIONS], "act gh");
    assert!(!labels.contains_key(label::TITLE) && !labels.contains_key(label::AGENT_VERSION));
    let known = known(&recipe);
    assert_eq!(known.extensions(), ["act", "gh"]);
    assert_eq!(known.layers[1].1, recipe.ingredients.layers[1].files.digest().to_string());
    assert_eq!(known.secrets["npm"], Digest::of(b"salted").to_string());
    assert_eq!(known.saved.as_deref(), Some("work"));
}

#[test]
fn an_image_that_does_not_say_its_kind_is_a_final_one() {
    let mut labels = recipe().labels("0.1.0");
    labels.remove(label::KIND);
    assert!(matches!(ImageRecipe::from_labels(&labels), ImageRecipe::Known(known) if known.kind == ImageKind::Final));
    labels.insert(label::KIND.to_owned(), "other".to_owned());
    assert_eq!(ImageRecipe::from_labels(&labels), ImageRecipe::None);
}

#[test]
fn labels_of_another_schema_are_not_read() {
    let mut labels = recipe().labels("0.1.0");
    labels.insert(label::SCHEMA.to_owned(), "2".to_owned());
    assert_eq!(ImageRecipe::from_labels(&labels), ImageRecipe::OtherSchema("2".to_owned()));
    labels.remove(label::SCHEMA);
    assert_eq!(ImageRecipe::from_labels(&labels), ImageRecipe::None);
}

#[test]
fn a_damaged_base_label_is_an_unknown_base() {
    let mut labels = recipe().labels("0.1.0");
    labels.insert(label::BASE.to_owned(), "sha256:12".to_owned());
    let ImageRecipe::Known(known) = ImageRecipe::from_labels(&labels) else { panic!("no recipe") };
    assert_eq!(known.base, None);
}

#[test]
fn an_identity_reads_back_as_written() {
    for identity in [BaseIdentity::Manifest(Digest::of(b"x")), BaseIdentity::Content(Digest::of(b"x"))] {
        assert_eq!(BaseIdentity::parse(&identity.to_string()), Some(identity));
        let json = serde_json::to_string(&identity).unwrap();
        assert_eq!(serde_json::from_str::<BaseIdentity>(&json).unwrap(), identity);
    }
    assert_eq!(BaseIdentity::parse("content:x"), None);
    assert!(serde_json::from_str::<BaseIdentity>("\"x\"").is_err());
}
