//! Giving a new image its names, so that there is a usable one at every moment.

use std::collections::BTreeSet;

use console::failure::Failure;
use domain::recipe::label;
use domain::target::TargetImage;
use engine::{Engine, EngineError, LocalImage};
use futures_util::future::join_all;

use crate::failures;

/// Gives the image `image_id` the wanted names, and `current`, which has them, the previous name. Returns whether one was
/// replaced.
pub(crate) async fn switch(
    wanted: &TargetImage,
    image_id: &str,
    current: Option<LocalImage>,
    engine: &Engine,
) -> Result<bool, Failure> {
    let failed = |error: EngineError| failures::of_engine(&error);
    // The same layers at the same time are the same image: every name is right already.
    let is_current = current.as_ref().is_some_and(|current| current.id == image_id);
    let replaced = current.is_some() && !is_current;
    if let Some(current) = current.filter(|_| replaced) {
        // The image before the previous one must go, or it would stay for ever without a name; but not before the
        // previous name means another one, so that there is always one to go back to.
        match engine.tag(&wanted.previous().to_string(), &wanted.outgoing()).await {
            Ok(()) | Err(EngineError::NoImage { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
        engine.tag(&current.id, &wanted.previous()).await.map_err(failed)?;
    }
    if !is_current {
        engine.tag(image_id, &wanted.image).await.map_err(failed)?;
    }
    name_again(wanted, engine).await?;
    clear(wanted, engine).await;
    Ok(replaced)
}

/// Gives the image that has the wanted name its further names too.
pub(crate) async fn name_again(wanted: &TargetImage, engine: &Engine) -> Result<(), Failure> {
    for alias in &wanted.aliases {
        engine.tag(&wanted.image.to_string(), alias).await.map_err(|error| failures::of_engine(&error))?;
    }
    Ok(())
}

/// Takes away the names that an image has only on its way, also those that a killed run left behind.
///
/// Nothing depends on whether it can: a container may hold an image, and the next run tries again.
pub(crate) async fn clear(wanted: &TargetImage, engine: &Engine) {
    let names = [wanted.staging(), wanted.outgoing()].into_iter().chain(wanted.between());
    join_all(names.map(|name| async move { drop(engine.untag(&name).await) })).await;
}

/// Returns the images of one agent and base that have no name, by their ids; none where the engine cannot be asked.
pub(crate) async fn nameless(wanted: &TargetImage, engine: &Engine) -> BTreeSet<String> {
    let agent = wanted.agent.iter().map(|agent| format!("{}={agent}", label::AGENT));
    let labels: Vec<_> = agent.chain([format!("{}={}", label::BASE_NAME, wanted.base_name)]).collect();
    engine.nameless_images(&labels).await.unwrap_or_default().into_iter().map(|image| image.id).collect()
}

/// Takes away what a build that was killed left without any name: an engine that was storing its image when it died may name
/// it just before this build's image takes that name over.
///
/// What had no name `before` is somebody's: a nameless image made upon ours has our labels too. Like [`clear`], it need not
/// succeed: an image that a container uses stays.
pub(crate) async fn sweep(wanted: &TargetImage, before: &BTreeSet<String>, engine: &Engine) {
    let now = nameless(wanted, engine).await;
    join_all(now.difference(before).map(|id| async move { drop(engine.remove(id).await) })).await;
}
