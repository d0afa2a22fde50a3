//! One engine and the calls that are made to it.

use std::future::Future;
use std::time::Duration;

use bollard::errors::Error as BollardError;
use bollard::query_parameters::{RemoveImageOptionsBuilder, TagImageOptionsBuilder};
use bollard::{API_DEFAULT_VERSION, Docker};
use domain::image::ImageRef;

use crate::endpoint::Endpoint;
use crate::error::{Absence, EngineError};
use crate::image::LocalImage;

/// How long an engine may take to answer a question.
///
/// Far above what a healthy engine needs (milliseconds): an engine that systemd starts on the first connection, or one
/// on a disk that a build keeps busy, answers after many seconds.
pub(crate) const LOOK_LIMIT: Duration = Duration::from_secs(15);

/// How long an engine may take to change something.
///
/// Removing the last name of an image deletes its layers before the answer comes.
pub(crate) const CHANGE_LIMIT: Duration = Duration::from_secs(60);

/// What an engine says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineVersion {
    /// Its own version, free text that distributions add to. Nothing is decided by it.
    pub version: String,
    /// The newest version of the Engine API that it speaks, as major and minor.
    pub api_version: (u32, u32),
    /// The platform it runs on, as `os/architecture`.
    pub platform: String,
}

/// An engine at its address. Every call connects anew, so calls may be made at once.
///
/// Calls carry no version of the API, as bollard 0.21 makes them: an engine answers in its own newest one, and there is
/// nothing to negotiate before the first call. What is read from the answers is there in every version since 1.41.
#[derive(Debug, Clone)]
pub struct Engine {
    endpoint: Endpoint,
}

impl Engine {
    /// Names the engine at `endpoint`. Nothing is connected yet.
    pub fn connect(endpoint: &Endpoint) -> Self {
        Self { endpoint: endpoint.clone() }
    }

    /// Asks the engine what it is. It takes some milliseconds to tell; the answer is worth keeping.
    ///
    /// # Errors
    /// [`EngineError::Absent`] when there is no engine, any other when it does not answer as it should.
    pub async fn version(&self) -> Result<EngineVersion, EngineError> {
        let docker = self.client()?;
        let call = "version";
        let asked = self.call(call, LOOK_LIMIT, docker.version()).await?;
        let missing = |what: &str| EngineError::Answer { call: call.to_owned(), reason: format!("it has no {what}") };
        let api = asked.api_version.ok_or_else(|| missing("ApiVersion"))?;
        let api_version = api
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
            .ok_or_else(|| missing(&format!("ApiVersion like 1.41 but {api:?}")))?;
        let os = asked.os.ok_or_else(|| missing("Os"))?;
        let architecture = asked.arch.ok_or_else(|| missing("Arch"))?;
        Ok(EngineVersion {
            version: asked.version.unwrap_or_default(),
            api_version,
            platform: format!("{os}/{architecture}"),
        })
    }

    /// Asks whether the engine is there, which takes it less than a millisecond to say.
    ///
    /// # Errors
    /// [`EngineError::Absent`] when there is no engine, any other when it does not answer as it should.
    pub async fn ping(&self) -> Result<(), EngineError> {
        self.call("ping", LOOK_LIMIT, self.client()?.ping()).await.map(drop)
    }

    /// Looks for the image that `image` names now, in one call.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot be asked. That it has no such image is `None`.
    pub async fn image(&self, image: &ImageRef) -> Result<Option<LocalImage>, EngineError> {
        let docker = self.client()?;
        let call = format!("inspect image {image}");
        match self.call(&call, LOOK_LIMIT, docker.inspect_image(&image.to_string())).await {
            Ok(inspected) => {
                LocalImage::read(inspected).map(Some).map_err(|reason| EngineError::Answer { call, reason })
            }
            Err(EngineError::Refused { status: 404, .. }) => Ok(None),
            // containerd's store leaves out layers that it has in another packing, and says nothing of such an image but
            // its name (seen on 28.5). Can go when engines say more.
            Err(error @ EngineError::Answer { .. }) if LocalImage::is_without_layers(&error) => {
                let id = self.id_by_history(image).await?;
                id.and_then(|id| LocalImage::without_layers(id, image)).map(Some).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the image `source`, an id or a reference, the name `to`. An image that had the name loses it and stays.
    ///
    /// # Errors
    /// [`EngineError::NoImage`] when there is no `source`, [`EngineError::NoTag`] when `to` has no tag.
    pub async fn tag(&self, source: &str, to: &ImageRef) -> Result<(), EngineError> {
        let tag = to.tag().ok_or_else(|| EngineError::NoTag { image: to.to_string() })?;
        let docker = self.client()?;
        let options = TagImageOptionsBuilder::new().repo(&to.repository().to_string()).tag(tag).build();
        let call = format!("tag {source} as {to}");
        match self.call(&call, CHANGE_LIMIT, docker.tag_image(source, Some(options))).await {
            Err(EngineError::Refused { status: 404, .. }) => Err(EngineError::NoImage { image: source.to_owned() }),
            other => other,
        }
    }

    /// Takes the name `image` away; an image without any other name is deleted with it, the images beneath it are not.
    ///
    /// Returns whether there was such a name.
    ///
    /// # Errors
    /// [`EngineError::Refused`] with status 409 when it is the last name of an image that a container uses.
    pub async fn untag(&self, image: &ImageRef) -> Result<bool, EngineError> {
        let docker = self.client()?;
        let options = RemoveImageOptionsBuilder::new().force(false).noprune(true).build();
        let call = format!("remove name {image}");
        match self.call(&call, CHANGE_LIMIT, docker.remove_image(&image.to_string(), Some(options), None)).await {
            Ok(_) => Ok(true),
            Err(EngineError::Refused { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes an image away that has no name, by its id; the images beneath it stay.
    ///
    /// # Errors
    /// [`EngineError::Refused`] with status 409 when a container uses it or it has got a name.
    pub async fn remove(&self, id: &str) -> Result<(), EngineError> {
        let docker = self.client()?;
        let options = RemoveImageOptionsBuilder::new().force(false).noprune(true).build();
        let call = format!("remove image {id}");
        self.call(&call, CHANGE_LIMIT, docker.remove_image(id, Some(options), None)).await.map(drop)
    }

    /// Returns the id of the image that a container was made from, if there is such a container.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot be asked.
    pub async fn image_of_container(&self, container: &str) -> Result<Option<String>, EngineError> {
        let docker = self.client()?;
        let asked = docker.inspect_container(container, None);
        match self.call("inspect container", LOOK_LIMIT, asked).await {
            Ok(inspected) => Ok(inspected.image),
            Err(EngineError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn client(&self) -> Result<Docker, EngineError> {
        let Endpoint::Unix(path) = &self.endpoint;
        let endpoint = self.endpoint.to_string();
        let absent = |absence| EngineError::Absent { endpoint: endpoint.clone(), absence };
        // The library says of everything but a socket that it is not there, or that nobody listens.
        if let Some(absence) = Absence::of(path) {
            return Err(absent(absence));
        }
        let path = path.to_str().ok_or_else(|| absent(Absence::NoSocket))?;
        Docker::connect_with_unix(path, CHANGE_LIMIT.as_secs(), API_DEFAULT_VERSION)
            .map_err(|error| EngineError::of(error, "connect", &endpoint))
    }

    /// Waits for an answer, at most for `limit`. bollard's own limit ends where the body of the answer begins.
    pub(crate) async fn call<T>(
        &self,
        call: &str,
        limit: Duration,
        answer: impl Future<Output = Result<T, BollardError>>,
    ) -> Result<T, EngineError> {
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|error| self.failed(error, call)),
            Err(_) => Err(EngineError::NoAnswer { call: call.to_owned(), limit }),
        }
    }

    pub(crate) fn failed(&self, error: BollardError, call: &str) -> EngineError {
        EngineError::of(error, call, &self.endpoint.to_string())
    }
}
