//! An image as the engine has it.

use std::collections::BTreeMap;

use bollard::models::ImageInspect;
use domain::digest::{Digest, Framed};
use domain::image::{ImageRef, Repository};

use crate::content;
use crate::error::EngineError;

/// What the content of an image is a digest of when the engine does not tell its layers.
const CONTENT_UNKNOWN: &str = "manifest of a local image 1";

/// How an engine keeps its images; what ids and digests mean depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageStore {
    /// The engine's own: an id is the digest of the image's config.
    Graph,
    /// containerd's: an id is the digest of the image's index or manifest.
    Containerd,
}

/// An image in an engine's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalImage {
    /// The engine's id of it; what it is a digest of depends on the store.
    pub id: String,
    /// The store it is in.
    pub store: ImageStore,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The digest of what it is: platform, layers and config. The same in every engine and store, but for an image of
    /// which the engine tells nothing else than its manifest's digest: then it is made of that.
    pub content: Digest,
    /// The addresses by which registries know it, as `repository@digest`; see [`LocalImage::pulled_as`].
    pub pulled_digests: Vec<ImageRef>,
    /// Its size as the engine counts it, in bytes; 0 where it does not tell. The stores count differently.
    pub size_bytes: u64,
    /// When it was made, RFC 3339, if it says so.
    pub created: Option<String>,
    /// All its names, as the engine writes them.
    pub repo_tags: Vec<String>,
}

impl LocalImage {
    /// Returns the digest of the index or manifest by which the engine knows the image in `repository`.
    ///
    /// On [`ImageStore::Graph`] that means it was pulled from there or pushed there. On [`ImageStore::Containerd`]
    /// every image has such a digest in the repository of each of its names, also one that was made here and that no
    /// registry has: engines up to API 1.52 say nothing that would tell the two apart.
    pub fn pulled_as(&self, repository: &Repository) -> Option<Digest> {
        self.pulled_digests.iter().find(|known| known.repository() == repository).and_then(ImageRef::digest)
    }

    /// Says whether an answer was not understood because it names no layers.
    pub(crate) fn is_without_layers(error: &EngineError) -> bool {
        // The words are serde's for the first key that `RootFS` must have.
        matches!(error, EngineError::Answer { reason, .. } if reason.starts_with("missing field `Type`"))
    }

    /// Takes what is known of an image in containerd's store when the engine does not tell its layers: the digest that
    /// is its id, under the name by which it was asked for. `None` when the id is no digest.
    pub(crate) fn without_layers(id: String, asked: &ImageRef) -> Option<Self> {
        let digest: Digest = id.parse().ok()?;
        Some(Self {
            id,
            store: ImageStore::Containerd,
            labels: BTreeMap::new(),
            content: Framed::new(CONTENT_UNKNOWN).field(digest.to_string()).finish(),
            pulled_digests: vec![asked.pinned(digest)],
            size_bytes: 0,
            created: None,
            repo_tags: asked.tag().map(|_| asked.familiar()).into_iter().collect(),
        })
    }

    /// Reads the engine's answer; what is wrong with it comes back as a text.
    pub(crate) fn read(inspected: ImageInspect) -> Result<Self, String> {
        let content = content::digest(&inspected)?;
        let id = inspected.id.filter(|id| !id.is_empty()).ok_or("it has no Id")?;
        let pulled_digests: Vec<ImageRef> =
            inspected.repo_digests.unwrap_or_default().iter().filter_map(|known| known.parse().ok()).collect();
        // Only containerd's store identifies an image by the digest under which a registry would have it.
        let is_id = |known: &ImageRef| known.digest().is_some_and(|digest| digest.to_string() == id);
        let store = if pulled_digests.iter().any(is_id) { ImageStore::Containerd } else { ImageStore::Graph };
        let labels = inspected.config.and_then(|config| config.labels).unwrap_or_default();
        Ok(Self {
            id,
            store,
            labels: labels.into_iter().collect(),
            content,
            pulled_digests,
            size_bytes: inspected.size.and_then(|size| size.try_into().ok()).unwrap_or_default(),
            created: inspected.created.filter(|created| !created.is_empty()),
            repo_tags: inspected.repo_tags.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, known: &[&str]) -> LocalImage {
        let layers = serde_json::json!({ "Type": "layers", "Layers": ["sha256:1"] });
        let inspected = serde_json::json!({ "Id": id, "RepoDigests": known, "RootFS": layers, "Os": "linux", "Architecture": "amd64" });
        LocalImage::read(serde_json::from_value(inspected).unwrap()).unwrap()
    }

    #[test]
    fn an_image_is_pulled_only_in_the_repository_it_came_from() {
        let digest = Digest::of(b"manifest");
        let image = image("sha256:1", &[&format!("debian@{digest}"), "<none>@<none>"]);
        assert_eq!(image.pulled_as(&"debian".parse().unwrap()), Some(digest));
        assert_eq!(image.pulled_as(&"ghcr.io/acme/debian".parse().unwrap()), None);
        assert_eq!(image.store, ImageStore::Graph);
    }

    #[test]
    fn an_image_known_by_its_manifest_is_in_containerds_store() {
        let digest = Digest::of(b"manifest");
        let image = image(&digest.to_string(), &[&format!("debian@{digest}")]);
        assert_eq!(image.store, ImageStore::Containerd);
    }
}
