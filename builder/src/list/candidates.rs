//! Which images there may be: those that are saved, those that the records know, and those that the engine has with a
//! recipe of ours; each with the request that would make it again.

use std::collections::BTreeMap;

use domain::definition::Origin;
use domain::image::ImageRef;
use domain::recipe::{ImageKind, ImageRecipe, label};
use domain::record::Record;
use domain::remembered::Remembered;
use domain::request::{BuildRequest, Repositories, Wanted};
use domain::target::{Target, is_of_passage};
use engine::LocalImageSummary;
use home::{LoadError, Roots};

use super::rows::Seen;
use crate::remotes::chain;
use crate::select::{SelectError, saved, select_request};

/// An image, and how it would be made again.
pub(super) struct Candidate {
    pub(super) seen: Seen,
    pub(super) target: Result<Target, Verdict>,
}

/// Why nothing can be decided about an image.
pub(super) enum Verdict {
    /// What it was made from is gone.
    Orphaned(String),
    /// What it would be made from is wrong, or a rule excludes it.
    Refused(String),
    /// What it says of itself cannot be understood.
    Unreadable(String),
}

impl From<SelectError> for Verdict {
    fn from(error: SelectError) -> Self {
        match &error {
            SelectError::Load(LoadError::NotFound { kind, name, .. }) => {
                Self::Orphaned(format!("{kind} {name} is not defined"))
            }
            SelectError::Load(_) | SelectError::Target(_) | SelectError::SecretsUnused => Self::Refused(chain(&error)),
        }
    }
}

/// Where an image was seen.
#[derive(Default)]
struct Sighting {
    local: Option<LocalImageSummary>,
    record: Option<Record>,
}

impl Sighting {
    fn remembered(&self) -> Result<Remembered, Verdict> {
        let recipe = self.local.as_ref().map(|local| ImageRecipe::from_labels(&local.labels));
        let by_labels = match &recipe {
            Some(ImageRecipe::Known(known)) => Remembered::of_recipe(known),
            Some(ImageRecipe::None | ImageRecipe::OtherSchema(_)) | None => None,
        };
        by_labels.or_else(|| self.record.as_ref().and_then(Remembered::of_record)).ok_or_else(|| {
            Verdict::Unreadable(match recipe {
                Some(ImageRecipe::OtherSchema(schema)) => {
                    format!("its recipe is of schema {schema}, which this program does not read")
                }
                _ => "its labels do not say what it was made from".to_owned(),
            })
        })
    }

    fn seen(&self, image: &ImageRef) -> Seen {
        let label = |key| self.local.as_ref().and_then(|local| local.labels.get(key)).map(String::as_str);
        let recorded = self.record.as_ref();
        let remembered = self.remembered().ok();
        let kind = remembered.as_ref().map(|remembered| remembered.kind);
        Seen {
            image: image.clone(),
            kind: kind.or_else(|| label(label::KIND).and_then(ImageKind::parse)).unwrap_or(ImageKind::Final),
            version: label(label::AGENT_VERSION)
                .map(str::to_owned)
                .or_else(|| recorded.and_then(|record| record.version.as_ref()).map(ToString::to_string)),
            saved: None,
            remembered,
            local: self.local.clone(),
        }
    }
}

/// Everything that the engine and the records know, by name.
pub(super) struct Sightings<'a> {
    repositories: &'a Repositories,
    all: BTreeMap<ImageRef, Sighting>,
}

impl<'a> Sightings<'a> {
    /// Takes what was seen. Of the engine's images those count that a record knows, or that are in our repositories
    /// under a name that is to stay.
    pub(super) fn new(labelled: Vec<LocalImageSummary>, records: Vec<Record>, repositories: &'a Repositories) -> Self {
        let mut all: BTreeMap<ImageRef, Sighting> = BTreeMap::new();
        for record in records {
            let image = record.image.clone();
            all.entry(image).or_default().record = Some(record);
        }
        let ours = [&repositories.local, &repositories.extended, &repositories.custom_base];
        for local in labelled {
            for name in &local.names {
                if all.contains_key(name) || (ours.contains(&name.repository()) && !is_of_passage(name)) {
                    all.entry(name.clone()).or_default().local = Some(local.clone());
                }
            }
        }
        Self { repositories, all }
    }

    /// Returns the base that the agent of an image stands on, where that is known.
    fn base(&self, remembered: &Remembered) -> Option<ImageRef> {
        let beneath = remembered.beneath.as_ref();
        if !remembered.stands_on_final() {
            return beneath.cloned();
        }
        self.all.get(beneath?)?.remembered().ok()?.beneath
    }

    /// Chooses the images that would make `image` again.
    fn target(&self, image: &ImageRef, sighting: &Sighting, roots: &Roots) -> Result<Target, Verdict> {
        let remembered = sighting.remembered()?;
        if let Some(name) = &remembered.saved {
            home::load_saved_image(roots, name).map_err(SelectError::from)?;
            return Err(Verdict::Orphaned(format!("image {name} was saved with another name for its image")));
        }
        let base = self.base(&remembered);
        if let Some(base) = &base
            && remembered.agent.is_some()
            && remembered.is_custom(base, self.repositories)
        {
            let defined = home::load_base(roots, &remembered.base_name).map_err(SelectError::from)?;
            if defined.is_none_or(|base| base.origin != Origin::User) {
                return Err(SelectError::from(home::base_not_found(roots, &remembered.base_name)).into());
            }
        }
        let request = remembered.request(image, base.as_ref(), self.repositories);
        let target = select_request(&request, roots)?;
        let name = &target.top().image;
        if name == image {
            return Ok(target);
        }
        Err(Verdict::Orphaned(format!("the same choice is called {} now", name.familiar())))
    }
}

/// Finds every image that there is or should be, each once, ordered by kind and name.
///
/// # Errors
/// [`LoadError`] when it cannot be told which images are saved.
pub(super) fn gather(sightings: &Sightings<'_>, roots: &Roots) -> Result<Vec<Candidate>, LoadError> {
    let mut candidates = Vec::new();
    let mut taken = Vec::new();
    for name in home::list_saved_images(roots)? {
        let loaded = home::load_saved_image(roots, &name);
        let chosen = loaded.as_ref().ok().map(|image| Remembered::of_choice(&image.choice));
        let wanted = loaded.map(saved);
        let own_name = match &wanted {
            Ok(Wanted::Agent(wanted)) => wanted.extensions.own_name(sightings.repositories),
            Ok(Wanted::Base(_)) | Err(_) => None,
        };
        let usual = || sightings.repositories.extended.with_tag(&name.as_str().to_lowercase());
        // A name that is no tag is an error of the choice itself, which selecting tells.
        let Ok(image) = own_name.unwrap_or_else(usual) else { continue };
        let target = wanted.map_err(SelectError::from).and_then(|wanted| {
            let repositories = sightings.repositories.clone();
            let request = BuildRequest { wanted, repositories, version: None, force: false, no_cache: false };
            select_request(&request, roots)
        });
        let sighting = sightings.all.get(&image);
        let seen: Seen = sighting.map(|sighting| sighting.seen(&image)).unwrap_or_else(|| Seen::nothing(&image));
        let remembered = chosen.or(seen.remembered);
        let seen = Seen { saved: Some(name), kind: ImageKind::Extended, remembered, ..seen };
        candidates.push(Candidate { seen, target: target.map_err(Verdict::from) });
        taken.push(image);
    }
    let known: Vec<_> = sightings.all.keys().filter(|image| !taken.contains(image)).cloned().collect();
    for image in known {
        let sighting = &sightings.all[&image];
        let target = sightings.target(&image, sighting, roots);
        // Neither the image nor what it was made from is there: only a record is left of it.
        if sighting.local.is_none() && matches!(target, Err(Verdict::Orphaned(_))) {
            continue;
        }
        candidates.push(Candidate { seen: sighting.seen(&image), target });
    }
    candidates.sort_by_key(|candidate| (candidate.seen.kind, candidate.seen.image.familiar()));
    Ok(candidates)
}
