//! A frontend of our own: the part that BuildKit asks for a result while a solve waits.
//!
//! An image's config reaches every exporter only as part of a frontend's result; as an attribute of the exporter the
//! engines with graph drivers ignore it. The gateway's calls run on the ordinary connection and name the solve in a
//! header.

use std::collections::HashMap;

use bollard_buildkit_proto::google::rpc;
use bollard_buildkit_proto::moby::buildkit::v1::frontend::llb_bridge_client::LlbBridgeClient;
use bollard_buildkit_proto::moby::buildkit::v1::frontend::{
    ResolveImageConfigRequest, Result as FrontendResult, ReturnRequest, SolveRequest,
};
use bollard_buildkit_proto::pb;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::llb::Platform;

/// The header that names the solve a gateway call belongs to (BuildKit, `control/gateway`).
const BUILD_ID_HEADER: &str = "buildkit-controlapi-buildid";

/// The key of an image's config in a frontend's result (BuildKit, `exporter/containerimage/exptypes`).
pub(crate) const CONFIG_KEY: &str = "containerimage.config";

pub(crate) struct Gateway {
    client: LlbBridgeClient<Channel>,
    build_id: AsciiMetadataValue,
}

impl Gateway {
    pub(crate) fn new(client: LlbBridgeClient<Channel>, build_id: &str) -> Self {
        let build_id = AsciiMetadataValue::try_from(build_id).expect("ids are made of hex digits");
        Self { client, build_id }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert(BUILD_ID_HEADER, self.build_id.clone());
        request
    }

    /// Returns the bytes of an image's config.
    pub(crate) async fn config(
        &mut self,
        reference: &str,
        local_only: bool,
        platform: &Platform,
        name: &str,
    ) -> Result<Vec<u8>, Status> {
        let request = self.request(ResolveImageConfigRequest {
            r#ref: reference.to_owned(),
            platform: Some(platform.into()),
            resolve_mode: if local_only { "local" } else { "default" }.to_owned(),
            log_name: name.to_owned(),
            ..ResolveImageConfigRequest::default()
        });
        Ok(self.client.resolve_image_config(request).await?.into_inner().config)
    }

    /// Has a graph solved, as lazily as the engine likes.
    pub(crate) async fn solve(&mut self, definition: pb::Definition) -> Result<FrontendResult, Status> {
        self.ask(SolveRequest { definition: Some(definition), ..SolveRequest::default() }).await
    }

    /// Has one of the engine's frontends make a graph.
    pub(crate) async fn frontend(
        &mut self,
        frontend: &str,
        options: HashMap<String, String>,
        inputs: HashMap<String, pb::Definition>,
    ) -> Result<FrontendResult, Status> {
        self.ask(SolveRequest {
            frontend: frontend.to_owned(),
            frontend_opt: options,
            frontend_inputs: inputs,
            ..SolveRequest::default()
        })
        .await
    }

    async fn ask(&mut self, request: SolveRequest) -> Result<FrontendResult, Status> {
        let request = self.request(SolveRequest { allow_result_return: true, allow_result_array_ref: true, ..request });
        let answer = self.client.solve(request).await?.into_inner();
        answer.result.ok_or_else(|| Status::internal("the engine answered a solve without a result"))
    }

    /// Gives the solve its result: an image with this config.
    pub(crate) async fn finish(&mut self, mut result: FrontendResult, config: Vec<u8>) -> Result<(), Status> {
        result.metadata.insert(CONFIG_KEY.to_owned(), config);
        let request = self.request(ReturnRequest { result: Some(result), error: None });
        self.client.r#return(request).await.map(|_| ())
    }

    /// Ends the solve with an error; without it, the solve would wait until the connection closes.
    pub(crate) async fn fail(&mut self, error: &Status) {
        let error = rpc::Status { code: error.code().into(), message: error.message().to_owned(), details: Vec::new() };
        let request = self.request(ReturnRequest { result: None, error: Some(error) });
        if let Err(error) = self.client.r#return(request).await {
            tracing::debug!(%error, "the engine did not take the failure");
        }
    }
}
