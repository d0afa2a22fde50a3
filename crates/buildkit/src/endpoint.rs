//! Where a BuildKit is.

use std::path::PathBuf;

/// A way to reach a BuildKit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The BuildKit inside a Docker Engine, through two upgraded HTTP/1.1 requests on the engine's unix socket.
    ///
    /// This is how every engine up to API 1.52 offers it; later ones still do, but deprecate it.
    DockerSocket(PathBuf),
}

impl Endpoint {
    /// Returns the name of the exporter that puts an image into this BuildKit's image store.
    pub(crate) fn image_exporter(&self) -> &'static str {
        match self {
            // The only image exporter of an engine with graph drivers; with the containerd store `image` would name
            // the image in a form that the engine does not list.
            Self::DockerSocket(_) => "moby",
        }
    }
}
