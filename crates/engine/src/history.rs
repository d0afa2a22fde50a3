//! What an image says about how it was made.

use bollard::models::ImageHistoryResponseItem;
use domain::image::ImageRef;

use crate::client::{Engine, LOOK_LIMIT};
use crate::error::EngineError;

/// One step of an image's making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// What was done, in the words of whoever made the image.
    pub created_by: String,
    /// What the step added to the image, in bytes as the engine counts them; 0 for a step without a layer.
    pub size_bytes: u64,
    /// What else was said about it; often nothing.
    pub comment: String,
}

impl HistoryEntry {
    fn read(item: ImageHistoryResponseItem) -> Self {
        let size_bytes = item.size.try_into().unwrap_or_default();
        Self { created_by: item.created_by, size_bytes, comment: item.comment }
    }
}

impl Engine {
    /// Returns the steps in which the image that `image` names now was made, the newest last, in one call.
    ///
    /// # Errors
    /// [`EngineError::NoImage`] when there is no such image, any other when the engine cannot be asked.
    pub async fn history(&self, image: &ImageRef) -> Result<Vec<HistoryEntry>, EngineError> {
        Ok(self.history_items(image).await?.into_iter().rev().map(HistoryEntry::read).collect())
    }

    /// Returns the id of an image as its history tells it, if it does.
    pub(crate) async fn id_by_history(&self, image: &ImageRef) -> Result<Option<String>, EngineError> {
        Ok(self.history_items(image).await?.into_iter().next().map(|newest| newest.id))
    }

    async fn history_items(&self, image: &ImageRef) -> Result<Vec<ImageHistoryResponseItem>, EngineError> {
        let docker = self.client()?;
        let call = format!("history of image {image}");
        match self.call(&call, LOOK_LIMIT, docker.image_history(&image.to_string())).await {
            Ok(items) => Ok(items),
            Err(EngineError::Refused { status: 404, .. }) => Err(EngineError::NoImage { image: image.to_string() }),
            Err(error) => Err(error),
        }
    }
}
