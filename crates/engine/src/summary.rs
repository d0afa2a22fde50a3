//! Which images an engine has.

use std::collections::{BTreeMap, HashMap};

use bollard::models::ImageSummary;
use bollard::query_parameters::ListImagesOptionsBuilder;
use domain::image::ImageRef;

use crate::client::{Engine, LOOK_LIMIT};
use crate::error::EngineError;

/// What a list of images says of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalImageSummary {
    /// All its names; none when others have taken them over.
    pub names: Vec<ImageRef>,
    /// The engine's id of it.
    pub id: String,
    /// Its size as the engine counts it, in bytes. containerd's store counts what it keeps packed and what it has
    /// unpacked, so this is more there than [`crate::LocalImage::size_bytes`].
    pub size_bytes: u64,
    /// When it was made, in seconds since 1970 began, UTC.
    pub created: i64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl LocalImageSummary {
    fn read(summary: ImageSummary) -> Self {
        // An image without a name is `<none>:<none>` to some engines, which is no reference.
        let mut names: Vec<ImageRef> = summary.repo_tags.iter().filter_map(|name| name.parse().ok()).collect();
        names.sort();
        Self {
            names,
            id: summary.id,
            size_bytes: summary.size.try_into().unwrap_or_default(),
            created: summary.created,
            labels: summary.labels.into_iter().collect(),
        }
    }
}

impl Engine {
    /// Returns the images that have the label `label` with any value, ordered by their names, in one call.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot be asked.
    pub async fn images(&self, label: &str) -> Result<Vec<LocalImageSummary>, EngineError> {
        self.images_where(&HashMap::from([("label", vec![label])])).await
    }

    /// Returns the images without any name that have all of these labels, each as `KEY=VALUE`.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot be asked.
    pub async fn nameless_images(&self, labels: &[String]) -> Result<Vec<LocalImageSummary>, EngineError> {
        let labels = labels.iter().map(String::as_str).collect();
        self.images_where(&HashMap::from([("label", labels), ("dangling", vec!["true"])])).await
    }

    async fn images_where(&self, filters: &HashMap<&str, Vec<&str>>) -> Result<Vec<LocalImageSummary>, EngineError> {
        let docker = self.client()?;
        let options = ListImagesOptionsBuilder::new().filters(filters).build();
        let listed = self.call("list images", LOOK_LIMIT, docker.list_images(Some(options))).await?;
        let mut images: Vec<_> = listed.into_iter().map(LocalImageSummary::read).collect();
        images.sort_by(|a, b| (&a.names, &a.id).cmp(&(&b.names, &b.id)));
        Ok(images)
    }
}
