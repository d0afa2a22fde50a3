//! The session: what the engine may ask the client for while it builds. Files, secrets, registry credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::Packet;
use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard_buildkit_proto::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::{FileSync, FileSyncServer};
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use futures_util::Stream;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::TokioExecutor;
use hyper_util::service::TowerToHyperService;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Request, Response, Status, Streaming};

use crate::connect::{BuildKit, CONNECTION_WINDOW_BYTES, ConnectError, upgrade};
use crate::context::Context;
use crate::dockerfile::CONTEXT;
use crate::endpoint::Endpoint;
use crate::filesync;

/// The methods that the engine may call. It does not call what is not announced.
const METHODS: [&str; 4] = [
    "/grpc.health.v1.Health/Check",
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
];

/// A user name and a secret for a registry; both empty to ask as nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RegistryCredentials {
    /// The user; empty together with an identity token as the secret.
    pub username: String,
    /// The password or identity token.
    pub secret: String,
}

impl fmt::Debug for RegistryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryCredentials").finish_non_exhaustive()
    }
}

/// The credentials for a registry, being looked for; an error's text is shown to the user.
pub type FoundCredentials = Pin<Box<dyn Future<Output = Result<RegistryCredentials, String>> + Send>>;

/// Finds the credentials for a registry's host.
pub type FindCredentials = dyn Fn(String) -> FoundCredentials + Send + Sync;

/// What a session serves.
#[derive(Clone)]
pub struct Services {
    /// Folders by the name under which a graph mounts them.
    pub contexts: BTreeMap<String, Arc<Context>>,
    /// Secrets by id.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Registry credentials.
    pub credentials: Arc<FindCredentials>,
    /// Says to the engine which earlier transfers of folders it may build on: the same key, the same folders.
    pub shared_key: String,
}

/// A running session. It ends when it is dropped.
pub struct Session {
    id: String,
    task: JoinHandle<()>,
}

impl Session {
    /// Opens a session under a new id and serves it in the background.
    ///
    /// # Errors
    /// [`ConnectError`] when the engine does not take it.
    pub async fn open(buildkit: &BuildKit, id: String, services: Services) -> Result<Self, ConnectError> {
        let Endpoint::DockerSocket(socket) = buildkit.endpoint();
        let mut headers = vec![
            ("X-Docker-Expose-Session-Uuid", id.clone()),
            ("X-Docker-Expose-Session-Name", "aicage".to_owned()),
            ("X-Docker-Expose-Session-Sharedkey", services.shared_key.clone()),
        ];
        headers.extend(METHODS.map(|method| ("X-Docker-Expose-Session-Grpc-Method", method.to_owned())));
        let io = upgrade(socket, "/session", &headers).await?;
        let served = Arc::new(Served(services));
        let routes = tonic::service::Routes::new(HealthServer::from_arc(served.clone()))
            .add_service(FileSyncServer::from_arc(served.clone()))
            .add_service(AuthServer::from_arc(served.clone()))
            .add_service(SecretsServer::from_arc(served))
            .prepare();
        let task = tokio::spawn(async move {
            let served = server().serve_connection(io, TowerToHyperService::new(routes)).await;
            if let Err(error) = served {
                tracing::debug!(%error, "session ended");
            }
        });
        Ok(Self { id, task })
    }

    /// Returns the id by which solves name this session.
    pub fn id(&self) -> &str {
        &self.id
    }
}

fn server() -> Builder<TokioExecutor> {
    let mut server = Builder::new(TokioExecutor::new());
    server.initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    server
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Served(Services);

#[async_trait::async_trait]
impl Health for Served {
    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("not served"))
    }

    type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("not served"))
    }
}

#[async_trait::async_trait]
impl FileSync for Served {
    type DiffCopyStream = Pin<Box<dyn Stream<Item = Result<Packet, Status>> + Send>>;

    async fn diff_copy(&self, request: Request<Streaming<Packet>>) -> Result<Response<Self::DiffCopyStream>, Status> {
        let name =
            request.metadata().get("dir-name").and_then(|name| name.to_str().ok()).unwrap_or_default().to_owned();
        let context = match self.0.contexts.get(&name) {
            Some(context) => context.clone(),
            None if name == CONTEXT => Arc::default(),
            None => return Err(Status::not_found(format!("no folder is named {name:?}"))),
        };
        let (packets, queue) = mpsc::channel(filesync::QUEUE_PACKETS);
        let paths = followed(request.metadata());
        tokio::spawn(filesync::send(context, paths, request.into_inner(), packets));
        Ok(Response::new(Box::pin(ReceiverStream::new(queue))))
    }

    type TarStreamStream = tokio_stream::Empty<Result<Packet, Status>>;

    async fn tar_stream(&self, _: Request<Streaming<Packet>>) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("not served"))
    }
}

/// Returns the paths that are enough for the engine; none if it wants everything.
///
/// Source: `session/filesync` of BuildKit. Values with other characters than ASCII are escaped, which a second header
/// says; before BuildKit 0.10 they come as they are.
fn followed(headers: &MetadataMap) -> Vec<String> {
    let is_escaped = headers.contains_key("followpaths-encoded");
    let path = |value: &AsciiMetadataValue| {
        let bytes = value.as_encoded_bytes();
        let bytes = if is_escaped {
            let spaced: Vec<u8> = bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
            percent_encoding::percent_decode(&spaced).collect()
        } else {
            bytes.to_vec()
        };
        String::from_utf8(bytes).ok()
    };
    // A path that cannot be read may be any: everything is sent.
    headers.get_all("followpaths").iter().map(path).collect::<Option<_>>().unwrap_or_default()
}

#[async_trait::async_trait]
impl Auth for Served {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        let found = (self.0.credentials)(host).await.map_err(Status::unauthenticated)?;
        Ok(Response::new(CredentialsResponse { username: found.username, secret: found.secret }))
    }

    // The engine asks for credentials and fetches the token itself when this is not served.
    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("not served"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("not served"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("not served"))
    }
}

#[async_trait::async_trait]
impl Secrets for Served {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        let data = self.0.secrets.get(&id).ok_or_else(|| Status::not_found(format!("no secret is named {id:?}")))?;
        Ok(Response::new(GetSecretResponse { data: data.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full, StreamBody};
    use hyper::body::{Frame, Incoming};
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::sync::Notify;
    use tokio_stream::StreamExt as _;

    use super::*;

    /// As many as a folder of 40,000 files makes the engine send at once.
    const FRAMES: usize = 40_000;

    #[tokio::test]
    async fn thousands_of_small_frames_may_wait_to_be_read() {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let all_sent = Arc::new(Notify::new());
        let may_read = all_sent.clone();
        let count = service_fn(move |request: http::Request<Incoming>| {
            let may_read = may_read.clone();
            async move {
                may_read.notified().await;
                let body = request.into_body().collect().await.map(|body| body.to_bytes().len());
                Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from(format!("{body:?}")))))
            }
        });
        tokio::spawn(server().serve_connection(TokioIo::new(far), count));
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near));
        let (mut client, connection) = handshake.await.unwrap();
        tokio::spawn(connection);

        let frames = tokio_stream::iter(0..FRAMES).map(move |number| {
            if number + 1 == FRAMES {
                all_sent.notify_one();
            }
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"0123456789")))
        });
        let request = http::Request::post("http://session").body(StreamBody::new(frames)).unwrap();
        let answer = client.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(answer, format!("Ok({})", FRAMES * 10));
    }
}
