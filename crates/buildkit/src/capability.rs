//! What an engine can do, asked of the engine itself: versions say little, distributions build their own.

use std::collections::HashMap;

use bollard_buildkit_proto::moby::buildkit::v1::SolveRequest;
use tonic::Status;

use crate::connect::BuildKit;
use crate::dockerfile::FRONTEND;
use crate::failure::{SolveError, failure};
use crate::gateway::Gateway;
use crate::progress::Observer;
use crate::session::Session;

/// What the Dockerfile frontend calls its ability to take other results under an image's name (BuildKit from 0.10 on).
const NAMED_CONTEXTS: &str = "moby.buildkit.frontend.contexts";

/// The name of a folder that no session serves.
const NO_FOLDER: &str = "aicage-no-folder";

impl BuildKit {
    /// Says whether a Dockerfile can stand on what a graph made, within one solve.
    ///
    /// Engines up to 20.10 cannot: there, what is below must become an image with a name first. `id` is one that no
    /// other solve has.
    ///
    /// # Errors
    /// [`SolveError`] when the engine does not answer the question.
    pub async fn chains_dockerfiles(&self, session: &Session, id: &str) -> Result<bool, SolveError> {
        let request = SolveRequest {
            r#ref: id.to_owned(),
            session: session.id().to_owned(),
            internal: true,
            ..SolveRequest::default()
        };
        let mut control = self.control();
        let mut gateway = Gateway::new(self.gateway(), id);
        let asking = async {
            let options = HashMap::from([
                // Held against what the frontend can do before it looks for its Dockerfile, which is not there.
                ("frontend.caps".to_owned(), NAMED_CONTEXTS.to_owned()),
                ("dockerfilekey".to_owned(), NO_FOLDER.to_owned()),
            ]);
            let answer = gateway.frontend(FRONTEND, options, HashMap::new()).await;
            // A solve of which nothing is wanted may end in any way.
            gateway.fail(&Status::cancelled("it was only a question")).await;
            answer
        };
        let (_, answer) = tokio::join!(control.solve(request), asking);
        match answer {
            Ok(_) => Ok(true),
            Err(status) if status.message().contains(NAMED_CONTEXTS) => Ok(false),
            // It went on to ask our session, which said so.
            Err(status) if status.message().contains(NO_FOLDER) => Ok(true),
            Err(status) => Err(failure(&Observer::new(false), &[], None, status)),
        }
    }
}
