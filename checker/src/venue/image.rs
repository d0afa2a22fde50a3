//! The image that scripts run in: which one, and whether the engine gets it from its registry.

use clap::ValueEnum;
use domain::credential::Credential;
use domain::image::ImageRef;
use engine::{Engine, EngineError, PullFailure};
use registry::{Registry, RegistryOptions};
use tokio::sync::OnceCell;

use super::Means;

/// Whether the engine pulls the image first. Words and meaning are those of `docker run --pull`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PullChoice {
    /// Pull it in every run.
    Always,
    /// Pull it when the engine does not have it.
    Missing,
    /// Never pull it.
    Never,
}

impl PullChoice {
    /// Returns what is done when nobody says: an image whose name begins with a registry is pulled when it is missing.
    ///
    /// A name without one is that of an image made here; Docker Hub may have another's of the same name.
    pub(crate) fn usual(image: &str) -> Self {
        let reference: Option<ImageRef> = image.parse().ok();
        let names_registry =
            |reference: ImageRef| image.starts_with(&format!("{}/", reference.repository().registry()));
        if reference.is_some_and(names_registry) { Self::Missing } else { Self::Never }
    }
}

/// The configured image.
#[derive(Debug)]
pub(crate) struct CheckerImage {
    name: String,
    pull: PullChoice,
    /// What came of pulling it in this run, at most once.
    pulled: OnceCell<Result<(), String>>,
}

/// Says why the image could not be pulled; the same for every agent of a run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct PullError(String);

impl CheckerImage {
    /// Takes the image that the user configured, a reference or an id.
    pub(crate) fn new(name: String, pull: PullChoice) -> Self {
        Self { name, pull, pulled: OnceCell::new() }
    }

    /// Returns what to call the image, after it was pulled if it is to be in every run.
    pub(super) async fn ready(&self, engine: &Engine, means: &Means) -> Result<String, PullError> {
        if self.pull == PullChoice::Always {
            self.pull(engine, means).await?;
        }
        Ok(self.name.clone())
    }

    /// Pulls an image that turned out to be missing. Returns whether it should be there now.
    pub(super) async fn fetch_missing(&self, engine: &Engine, means: &Means) -> Result<bool, PullError> {
        if self.pull != PullChoice::Missing {
            return Ok(false);
        }
        self.pull(engine, means).await.map(|()| true)
    }

    async fn pull(&self, engine: &Engine, means: &Means) -> Result<(), PullError> {
        let mut interrupted = means.interrupted.clone();
        let pulled = self.pulled.get_or_init(async || {
            let image: ImageRef =
                self.name.parse().map_err(|error| format!("{} cannot be pulled: {error}", self.name))?;
            let (credential, why_none) = match credential(&image, means).await {
                Ok(credential) => (credential, None),
                Err(why) => (None, Some(why)),
            };
            let pulled = engine.pull(&image, credential.as_ref(), drop).await;
            pulled.map_err(|error| match (&error, why_none) {
                (EngineError::NotPulled { failure: PullFailure::Denied, .. }, Some(why)) => format!("{error}; {why}"),
                _ => told(error.to_string(), error.advice()),
            })
        });
        tokio::select! {
            pulled = pulled => pulled.clone().map_err(PullError),
            _ = interrupted.wait_for(|yes| *yes) => Err(PullError("it was interrupted".to_owned())),
        }
    }
}

/// Looks up what the registry may be shown, as the docker command would.
async fn credential(image: &ImageRef, means: &Means) -> Result<Option<Credential>, String> {
    let environment = &means.environment;
    let docker_config = environment.path("DOCKER_CONFIG").or_else(|| environment.in_home(".docker"));
    let registry = Registry::new(RegistryOptions { docker_config, ..RegistryOptions::default() });
    let found = registry.credentials(image.repository().registry()).await;
    found.map_err(|error| told(error.to_string(), error.advice().as_deref()))
}

fn told(error: String, advice: Option<&str>) -> String {
    advice.map(|advice| format!("{error} ({advice})")).unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_image_with_its_registry_is_pulled_by_itself() {
        for image in ["aicage-builder:dev", "aicage/builder:dev", "sha256:0123", "A B", ""] {
            assert_eq!(PullChoice::usual(image), PullChoice::Never, "{image}");
        }
        for image in ["ghcr.io/aicage/aicage-builder", "docker.io/acme/x:1", "localhost/x", "127.0.0.1:5000/x:y"] {
            assert_eq!(PullChoice::usual(image), PullChoice::Missing, "{image}");
        }
    }
}
