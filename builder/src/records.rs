//! What is written down about an image: this program's record, and the file that the host tool reads.

use std::path::Path;

use domain::definition::Extension;
use domain::digest::Digest;
use domain::name::ExtensionName;
use domain::plan::Build;
use domain::recipe::{BaseIdentity, ImageKind, ImageRecipe, Recipe};
use domain::record::{Record, RecordedLayer};
use domain::target::{Foundation, Ingredient, Making, Target, TargetImage};
use domain::world::{ImageFacts, Remote};
use home::host_record::{self, HostBase, HostExtended};
use home::{DiskError, Home, ImageKey, Prepared};
use jiff::Timestamp;

use crate::lower::BUILDER_VERSION;

/// Prepares our record and the host tool's about the target's image `index`, to be put in their places in this order.
pub(crate) fn prepare(
    target: &Target,
    index: usize,
    made: (&Build, &Recipe),
    image_id: &str,
    log: Option<&Path>,
    home: &Home,
) -> Result<Vec<Prepared>, DiskError> {
    let (wanted, now, (build, recipe)) = (&target.images[index], Timestamp::now(), made);
    let ingredients = &recipe.ingredients;
    let layers = ingredients.layers.iter();
    let record = Record {
        kind: wanted.kind,
        agent: wanted.agent.clone(),
        base_name: wanted.base_name.clone(),
        image: wanted.image.clone(),
        image_id: image_id.to_owned(),
        recipe_hash: recipe.hash(),
        version: ingredients.version().cloned(),
        version_origin: build.version_origin,
        base_image: recipe.base_image.clone(),
        base: recipe.base,
        layers: layers.map(|layer| RecordedLayer { key: layer.kind.key(), files: layer.files.clone() }).collect(),
        built_at: home::time::built_at(now),
        log: log.map(|log| home.relative(log).display().to_string()),
        builder_version: BUILDER_VERSION.to_owned(),
    };
    let (ours, set_aside) = home::record::prepare_record(home, &ImageKey::of(&wanted.image), &record, now)?;
    if let Some(path) = set_aside {
        tracing::warn!("a damaged record was kept as {}", path.display());
    }
    let hosts = match wanted.kind {
        ImageKind::Final => Some(host_record::prepare(home, &record)?),
        ImageKind::Base => {
            let digest = match recipe.base {
                BaseIdentity::Manifest(digest) => Some(digest),
                BaseIdentity::Content(_) => None,
            };
            let prepare = |base| host_record::prepare_base(home, &base, &record.built_at);
            host_base(wanted, digest).map(prepare).transpose()?
        }
        ImageKind::Extended => match HostView::of(target, index)? {
            Some(host) => host_record::prepare_extended(home, &host.record(wanted), &record.built_at)?,
            None => None,
        },
    };
    Ok([ours].into_iter().chain(hosts).collect())
}

/// Puts what was prepared in its place.
pub(crate) fn put(prepared: Vec<Prepared>) -> Result<(), DiskError> {
    prepared.into_iter().try_for_each(|file| file.put().map(drop))
}

/// Says whether the host tool's own file makes it take `image` for current, or cannot be made to.
pub(crate) fn host_record_fits(target: &Target, index: usize, image: &ImageFacts, root: &Remote, home: &Home) -> bool {
    let wanted = &target.images[index];
    let ImageRecipe::Known(known) = &image.recipe else { return false };
    match (wanted.kind, &wanted.agent) {
        (ImageKind::Final, Some(agent)) => {
            host_record::fits(home, agent, &wanted.base_name, &wanted.image, &image.id, &known.version)
        }
        (ImageKind::Base, _) => {
            let digest = match root {
                Remote::Known(digest) => Some(*digest),
                _ => None,
            };
            host_base(wanted, digest).is_none_or(|base| host_record::base_fits(home, &base))
        }
        (ImageKind::Extended | ImageKind::Final, _) => match HostView::of(target, index) {
            Ok(Some(host)) => host_record::extended_fits(home, &host.record(wanted)),
            Ok(None) => true,
            Err(_) => false,
        },
    }
}

fn host_base(wanted: &TargetImage, digest: Option<Digest>) -> Option<HostBase<'_>> {
    let base = wanted.layers().iter().find_map(|layer| match layer {
        Ingredient::Base(base) => Some(base),
        Ingredient::Agent(_) | Ingredient::Extension(_) => None,
    })?;
    // The host tool knows a custom base by its second name.
    let image = wanted.aliases.first().unwrap_or(&wanted.image);
    Some(HostBase { base: &base.name, image, from_image: &base.metadata.from_image, from_image_digest: digest })
}

/// An extended image as the host tool sees it.
struct HostView<'a> {
    beneath: &'a TargetImage,
    names: Vec<ExtensionName>,
    hash: String,
}

impl<'a> HostView<'a> {
    /// Returns nothing where the extensions are beneath the agent: the host tool knows no such image.
    fn of(target: &'a Target, index: usize) -> Result<Option<Self>, DiskError> {
        let wanted = &target.images[index];
        let Making::Built { foundation: Foundation::Below, layers } = &wanted.making else { return Ok(None) };
        if wanted.installs().is_some() {
            return Ok(None);
        }
        let extension = |layer: &Ingredient| match layer {
            Ingredient::Extension(extension) => Some(extension.clone()),
            Ingredient::Base(_) | Ingredient::Agent(_) => None,
        };
        let extensions: Vec<Extension> = layers.iter().filter_map(extension).collect();
        let names = extensions.iter().map(|extension| extension.name.clone()).collect();
        Ok(Some(Self { beneath: &target.images[index - 1], names, hash: home::extension_hash(&extensions)? }))
    }

    fn record(&'a self, wanted: &'a TargetImage) -> HostExtended<'a> {
        HostExtended {
            agent: wanted.agent.as_ref().expect("an extended image has an agent"),
            base: &wanted.base_name,
            image: &wanted.image,
            final_image: &self.beneath.image,
            extensions: &self.names,
            extension_hash: &self.hash,
        }
    }
}
