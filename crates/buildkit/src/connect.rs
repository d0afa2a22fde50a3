//! Opening the two connections that a build needs: one for requests, one on which the engine calls back.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::frontend::llb_bridge_client::LlbBridgeClient;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint as GrpcEndpoint};

use crate::endpoint::Endpoint;

/// How long the engine may take to accept and upgrade a connection. Two upgrades take 1 to 2 ms on a healthy one.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The largest message taken from BuildKit, in bytes. It sends up to 16 MiB; the library's default is 4 MiB.
const ANSWER_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// How much may be on its way on a whole connection, in bytes: the most that HTTP/2 knows (RFC 9113, section 6.9.1).
///
/// The library ends a connection with `too_many_data_frames` when what small frames cost that nobody has read yet exceeds
/// half of this (h2, `DataFrameBudget`). BuildKit asks for thousands of files at once with a frame of some ten bytes for
/// each; so a client that was busy for a moment lost its session. Memory is bounded by the window of each stream.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;

/// Says why a BuildKit could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The socket is not there or refuses.
    #[error("cannot open {socket}")]
    Socket {
        /// The socket's path.
        socket: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing came in time.
    #[error("{socket} did not answer {path} within {} s", CONNECT_LIMIT.as_secs())]
    Silent {
        /// The socket's path.
        socket: String,
        /// The request.
        path: &'static str,
    },
    /// The engine answered something else than an upgrade.
    #[error("{socket} refused {path}: {status} {answer}")]
    Refused {
        /// The socket's path.
        socket: String,
        /// The request.
        path: &'static str,
        /// The HTTP status.
        status: StatusCode,
        /// The start of the answer's body.
        answer: String,
    },
    /// The connection broke while it was made.
    #[error("the connection to {socket} broke")]
    Broken {
        /// The socket's path.
        socket: String,
        /// What the library said.
        source: hyper::Error,
    },
    /// The gRPC connection could not be set up.
    #[error("no gRPC connection to BuildKit")]
    Grpc(#[source] tonic::transport::Error),
}

/// A connection to a BuildKit.
#[derive(Debug, Clone)]
pub struct BuildKit {
    endpoint: Endpoint,
    channel: Channel,
}

impl BuildKit {
    /// Connects for requests. Sessions make connections of their own.
    ///
    /// # Errors
    /// [`ConnectError`] when the endpoint is not there, refuses, or does not answer within ten seconds.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let Endpoint::DockerSocket(socket) = endpoint;
        let io = upgrade(socket, "/grpc", &[]).await?;
        // A channel would connect anew when the first connection ends; a hijacked one cannot be had twice.
        let once = Arc::new(Mutex::new(Some(io)));
        let connector = tower::service_fn(move |_| {
            let io = once.lock().ok().and_then(|mut io| io.take());
            async move {
                io.ok_or_else(|| {
                    std::io::Error::new(std::io::ErrorKind::NotConnected, "the engine closed the connection")
                })
            }
        });
        let channel = GrpcEndpoint::from_static("http://buildkit")
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .connect_with_connector(connector)
            .await
            .map_err(ConnectError::Grpc)?;
        Ok(Self { endpoint: endpoint.clone(), channel })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn control(&self) -> ControlClient<Channel> {
        ControlClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_LIMIT_BYTES)
    }

    pub(crate) fn gateway(&self) -> LlbBridgeClient<Channel> {
        LlbBridgeClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_LIMIT_BYTES)
    }
}

/// Sends `POST path` and returns the raw stream behind the upgrade that the engine answers with.
pub(crate) async fn upgrade(
    socket: &Path,
    path: &'static str,
    headers: &[(&'static str, String)],
) -> Result<Upgraded, ConnectError> {
    let name = || socket.display().to_string();
    let attempt = async {
        let stream =
            UnixStream::connect(socket).await.map_err(|source| ConnectError::Socket { socket: name(), source })?;
        let broken = |source| ConnectError::Broken { socket: name(), source };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Ends by itself when the upgraded stream is dropped.
        tokio::spawn(connection.with_upgrades());
        let mut request = Request::post(path)
            .header(header::HOST, "docker")
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "h2c");
        for (key, value) in headers {
            request = request.header(*key, value);
        }
        let request = request
            .body(Empty::<bytes::Bytes>::new())
            .expect("constant names and printable values make a valid request");
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let body = answer.into_body().collect().await.map_err(broken)?.to_bytes();
            let answer = String::from_utf8_lossy(&body[..body.len().min(300)]).trim().to_owned();
            return Err(ConnectError::Refused { socket: name(), path, status, answer });
        }
        hyper::upgrade::on(answer).await.map_err(broken)
    };
    tokio::time::timeout(CONNECT_LIMIT, attempt)
        .await
        .unwrap_or_else(|_| Err(ConnectError::Silent { socket: name(), path }))
}
