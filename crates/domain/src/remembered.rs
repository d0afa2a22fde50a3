//! What an image that was built says of itself, as the request that would make it again.

use crate::definition::ImageChoice;
use crate::image::{ImageRef, Repository};
use crate::name::{AgentName, BaseName, ExtensionName, ImageName};
use crate::recipe::{ImageKind, KnownRecipe, LayerKey};
use crate::record::Record;
use crate::request::{BaseChoice, BuildRequest, ExtensionChoice, Repositories, Wanted, WantedAgent};

/// The choice that an image was built from, by its labels or its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// What the image is.
    pub kind: ImageKind,
    /// The agent in it.
    pub agent: Option<AgentName>,
    /// The base's name in tags.
    pub base_name: BaseName,
    /// The image that it stands on, if that is still known.
    pub beneath: Option<ImageRef>,
    /// The extensions, in order.
    pub extensions: Vec<ExtensionName>,
    /// Whether they are beneath the agent.
    pub extensions_first: bool,
    /// The name under which the choice was saved, by the labels; nothing else says.
    pub saved: Option<ImageName>,
}

impl Remembered {
    /// Reads what an image's labels say; `None` when they hold no names that definitions could have.
    pub fn of_recipe(known: &KnownRecipe) -> Option<Self> {
        let agent = match known.agent.as_str() {
            "" => None,
            name => Some(AgentName::parse(name).ok()?),
        };
        let keys = known.layers.iter().map(|(key, _)| key.as_str());
        let (extensions, extensions_first) = extensions(keys)?;
        Some(Self {
            kind: known.kind,
            agent,
            base_name: BaseName::parse(&known.base_name).ok()?,
            beneath: known.base_image.parse().ok(),
            extensions,
            extensions_first,
            saved: known.saved.as_deref().and_then(|name| ImageName::parse(name).ok()),
        })
    }

    /// Reads what a record says; `None` when it holds no names that definitions could have.
    pub fn of_record(record: &Record) -> Option<Self> {
        let keys = match record.kind {
            ImageKind::Extended => record.layers.as_slice(),
            ImageKind::Base | ImageKind::Final => &[],
        };
        let (extensions, extensions_first) = extensions(keys.iter().map(|layer| layer.key.as_str()))?;
        Some(Self {
            kind: record.kind,
            agent: record.agent.clone(),
            base_name: record.base_name.clone(),
            beneath: Some(record.base_image.clone()),
            extensions,
            extensions_first,
            saved: None,
        })
    }

    /// Takes what a saved choice says.
    pub fn of_choice(choice: &ImageChoice) -> Self {
        Self {
            kind: ImageKind::Extended,
            agent: Some(choice.agent.clone()),
            base_name: choice.base.clone(),
            beneath: None,
            extensions: choice.extensions.clone(),
            extensions_first: choice.extensions_first,
            saved: None,
        }
    }

    /// Says whether the image beneath is one of this program's, too.
    pub fn stands_on_final(&self) -> bool {
        self.kind == ImageKind::Extended && !self.extensions_first
    }

    /// Returns the request that makes the image `image`, which was not saved, again.
    ///
    /// `base` is the base that its agent stands on, where that is known. `repositories` are those of today; an image
    /// that is in another one stays there.
    pub fn request(&self, image: &ImageRef, base: Option<&ImageRef>, repositories: &Repositories) -> BuildRequest {
        let mut repositories = repositories.clone();
        let repository = image.repository().clone();
        let wanted = match (self.kind, &self.agent) {
            (ImageKind::Base, _) | (_, None) => {
                repositories.custom_base = repository;
                Wanted::Base(self.base_name.clone())
            }
            (kind, Some(agent)) => {
                let base = self.base(base, &repositories);
                self.place(kind, repository, &mut repositories);
                let extensions = ExtensionChoice {
                    names: self.extensions.clone(),
                    first: self.extensions_first,
                    image: None,
                    saved: None,
                };
                Wanted::Agent(Box::new(WantedAgent { agent: agent.clone(), base, extensions }))
            }
        };
        BuildRequest { wanted, repositories, version: None, force: false, no_cache: false }
    }

    fn place(&self, kind: ImageKind, repository: Repository, repositories: &mut Repositories) {
        if kind == ImageKind::Final {
            repositories.local = repository;
            return;
        }
        repositories.extended = repository;
        if let Some(beneath) = self.beneath.as_ref().filter(|_| self.stands_on_final())
            && *beneath.repository() != repositories.published
        {
            repositories.local = beneath.repository().clone();
        }
    }

    fn base(&self, base: Option<&ImageRef>, repositories: &Repositories) -> BaseChoice {
        let name = self.base_name.clone();
        match base {
            Some(image) if !self.is_custom(image, repositories) && !self.is_in(&repositories.base, image) => {
                BaseChoice::NamedImage(name, image.clone())
            }
            Some(_) | None => BaseChoice::Named(name),
        }
    }

    /// Says whether `base`, on which the image's agent stands, is a custom base, which must be defined.
    pub fn is_custom(&self, base: &ImageRef, repositories: &Repositories) -> bool {
        self.is_in(&repositories.custom_base, base) || self.is_in(&repositories.custom_base_alias, base)
    }

    /// Says whether `base` is what the base's name means in `repository`.
    fn is_in(&self, repository: &Repository, base: &ImageRef) -> bool {
        repository.with_tag(self.base_name.as_str()).is_ok_and(|named| named == *base)
    }
}

/// Returns the extensions among the keys of layers, and whether the agent is upon them.
fn extensions<'a>(keys: impl Iterator<Item = &'a str>) -> Option<(Vec<ExtensionName>, bool)> {
    let (mut names, mut first) = (Vec::new(), false);
    for key in keys {
        match LayerKey::of_named(key) {
            Some(LayerKey::Extension(name)) => names.push(ExtensionName::parse(name).ok()?),
            Some(LayerKey::Agent(_)) => first = true,
            Some(LayerKey::Dockerfile) | None => {}
        }
    }
    Some((names, first))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::recipe::{ImageRecipe, label};

    fn remembered(labels: &[(&str, &str)]) -> Remembered {
        let always = [(label::SCHEMA, "1"), (label::HASH, "sha256:1"), (label::BASE_NAME, "debian")];
        let labels: BTreeMap<_, _> =
            always.iter().chain(labels).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let ImageRecipe::Known(known) = ImageRecipe::from_labels(&labels) else { panic!("{labels:?}") };
        Remembered::of_recipe(&known).unwrap()
    }

    fn request(remembered: &Remembered, image: &str, base: Option<&str>) -> (WantedAgent, Repositories) {
        let base = base.map(|base| base.parse().unwrap());
        let request = remembered.request(&image.parse().unwrap(), base.as_ref(), &Repositories::default());
        let Wanted::Agent(wanted) = request.wanted else { panic!("{:?}", request.wanted) };
        (*wanted, request.repositories)
    }

    #[test]
    fn a_base_by_its_name_is_asked_for_by_it_and_any_other_by_its_reference() {
        let image = remembered(&[(label::AGENT, "codex")]);
        let base = |base: &str| request(&image, "aicage:codex-debian", Some(base)).0.base;
        let named = BaseChoice::Named(BaseName::parse("debian").unwrap());
        for by_name in
            ["ghcr.io/aicage/aicage-image-base:debian", "aicage-image-base-custom:debian", "aicage-image-base:debian"]
        {
            assert_eq!(base(by_name), named);
        }
        assert_eq!(request(&image, "aicage:codex-debian", None).0.base, named);
        let other = BaseChoice::NamedImage(BaseName::parse("debian").unwrap(), "debian:12".parse().unwrap());
        assert_eq!(base("debian:12"), other);
    }

    #[test]
    fn extensions_keep_their_order_and_their_side_of_the_agent() {
        let layers = "extension:gh=sha256:1 extension:act=sha256:2";
        let labels = [(label::KIND, "extended"), (label::AGENT, "codex"), (label::OCI_BASE_NAME, "mine:codex-debian")];
        let upon = remembered(&[labels.as_slice(), &[(label::LAYERS, layers)]].concat());
        let (wanted, repositories) = request(&upon, "extended:codex-debian-gh-act", Some("debian:12"));
        let names = wanted.extensions.names.iter().map(ExtensionName::as_str);
        assert_eq!(names.collect::<Vec<_>>(), ["gh", "act"]);
        assert!(!wanted.extensions.first);
        assert_eq!(
            (repositories.extended.familiar(), repositories.local.familiar()),
            ("extended".into(), "mine".into())
        );

        let layers = format!("{layers} agent:codex=sha256:3");
        let beneath = remembered(&[labels.as_slice(), &[(label::LAYERS, layers.as_str())]].concat());
        let (wanted, repositories) = request(&beneath, "extended:codex-debian-gh-act", None);
        assert!(wanted.extensions.first && !beneath.stands_on_final());
        assert_eq!(repositories.local, Repositories::default().local);
    }

    #[test]
    fn a_custom_base_is_asked_for_alone() {
        let base = remembered(&[(label::KIND, "base")]);
        let request = base.request(&"bases:debian".parse().unwrap(), None, &Repositories::default());
        assert_eq!(request.wanted, Wanted::Base(BaseName::parse("debian").unwrap()));
        assert_eq!(request.repositories.custom_base.familiar(), "bases");
    }

    #[test]
    fn labels_with_impossible_names_are_nothing_to_ask_for() {
        let labels = [(label::SCHEMA, "1"), (label::HASH, "x"), (label::BASE_NAME, "../x"), (label::AGENT, "codex")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let ImageRecipe::Known(known) = ImageRecipe::from_labels(&labels) else { panic!("{labels:?}") };
        assert_eq!(Remembered::of_recipe(&known), None);
    }
}
