//! The frontend's part of a solve: makes the graph of all parts and the config that goes with it.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use bollard_buildkit_proto::moby::buildkit::v1::frontend::{Result as FrontendResult, result};
use bollard_buildkit_proto::pb;
use tonic::Status;

use crate::config::{ConfigError, ImageConfig};
use crate::dockerfile::{Dockerfile, FRONTEND, STATE_INPUT, State, options};
use crate::gateway::Gateway;
use crate::llb::{Exec, Graph, Output};
use crate::rewrite::DamagedGraph;
use crate::solve::{Part, Solve, Start, Step};

/// Why a graph could not be made or solved.
pub(crate) enum ServeError {
    /// An image could not be looked at; the text says which.
    Look(String, Status),
    /// A Dockerfile's frontend failed; the text is the Dockerfile's name.
    Frontend(String, Status),
    Build(Status),
    /// What a Dockerfile made does not stand on what it must; the texts are its name and that image.
    Elsewhere(String, String),
    Config(ConfigError),
    Graph(DamagedGraph),
}

/// What a part came to in the graph.
#[derive(Debug, Default)]
pub(crate) struct Lowered {
    /// How many entries it added to the config's history.
    pub(crate) history: usize,
    /// The names of its vertices that make something, in the order of the graph: what is only fetched, an image or a
    /// folder, is looked at every time. Engines from 28 on tell of vertices under other digests than those of the
    /// graph, so that names are what the two have in common.
    pub(crate) vertices: Vec<String>,
    /// Those of them with which a Dockerfile copies files.
    pub(crate) copies: HashSet<String>,
}

/// What the start and the parts came to, in this order; known as soon as the graph is.
pub(crate) type Ledger = OnceLock<Vec<Lowered>>;

/// Plays the frontend: makes the graph, has it solved, returns the result with its config.
pub(crate) async fn serve(
    mut gateway: Gateway,
    solve: &Solve,
    session: &str,
    ledger: &Ledger,
) -> Result<(), ServeError> {
    let result = try_serve(&mut gateway, solve, session, ledger).await;
    match &result {
        Ok(()) => {}
        Err(ServeError::Look(_, status) | ServeError::Frontend(_, status) | ServeError::Build(status)) => {
            gateway.fail(status).await;
        }
        Err(ServeError::Elsewhere(name, image)) => {
            gateway.fail(&Status::invalid_argument(format!("{name} does not stand on {image}"))).await;
        }
        Err(ServeError::Config(error)) => gateway.fail(&Status::invalid_argument(error.to_string())).await,
        Err(ServeError::Graph(error)) => gateway.fail(&Status::internal(error.to_string())).await,
    }
    result
}

async fn try_serve(gateway: &mut Gateway, solve: &Solve, session: &str, ledger: &Ledger) -> Result<(), ServeError> {
    let mut making = Making {
        solve,
        graph: Graph::new(&solve.platform, session),
        // A file system without a config, until the start is known.
        root: None,
        config: ImageConfig::default(),
        lowered: Vec::new(),
        closed: 0,
    };
    match &solve.start {
        Start::Image(image) => {
            let doing = format!("look up {}", image.name);
            making.config = config(gateway, solve, &image.reference, image.local_only, &doing).await?;
            making.root = Some(making.graph.image(&image.reference, image.local_only, &image.name));
            making.close(making.config.history_length());
        }
        Start::Dockerfile(dockerfile) => {
            making.dockerfile(gateway, dockerfile, None).await?;
            let below = making.root.as_ref().and_then(|root| making.graph.image_below(root));
            let before = match below {
                None => 0,
                Some((reference, local_only)) => {
                    let doing = format!("look up {reference}");
                    config(gateway, solve, &reference, local_only, &doing).await?.history_length()
                }
            };
            making.close(before);
        }
    }
    for part in &solve.parts {
        let before = making.config.history_length();
        match part {
            Part::Step(step) => making.step(step),
            Part::Dockerfile { dockerfile, from } => making.dockerfile(gateway, dockerfile, Some(from)).await?,
        }
        making.close(before);
    }
    let Making { graph, root, mut config, lowered, .. } = making;
    ledger.set(lowered).expect("a solve is served once");
    let definition = root.map_or_else(pb::Definition::default, |root| graph.definition(&root));
    let result = gateway.solve(definition).await.map_err(ServeError::Build)?;
    config.change(&solve.changes);
    gateway.finish(result, config.to_bytes()).await.map_err(ServeError::Build)
}

async fn config(
    gateway: &mut Gateway,
    solve: &Solve,
    reference: &str,
    local_only: bool,
    doing: &str,
) -> Result<ImageConfig, ServeError> {
    let config = gateway
        .config(reference, local_only, &solve.platform, doing)
        .await
        .map_err(|status| ServeError::Look(format!("look at {reference}"), status))?;
    ImageConfig::parse(&config).map_err(ServeError::Config)
}

/// A graph and its config, part by part.
struct Making<'a> {
    solve: &'a Solve,
    graph: Graph,
    root: Option<Output>,
    config: ImageConfig,
    lowered: Vec<Lowered>,
    /// How many operations belong to parts that are done.
    closed: usize,
}

impl Making<'_> {
    fn step(&mut self, step: &Step) {
        let exec = Exec {
            name: step.name.clone(),
            arguments: step.arguments.clone(),
            environment: self.config.environment_with(&step.environment),
            working_folder: self.config.working_folder(),
            mounts: step.mounts.clone(),
            proxies: step.proxies.clone(),
            ignore_cache: step.ignore_cache,
        };
        self.root = Some(self.graph.exec(self.root.as_ref(), &exec));
        self.config.add_history(&step.history, &self.solve.changes);
    }

    async fn dockerfile(
        &mut self,
        gateway: &mut Gateway,
        dockerfile: &Dockerfile,
        from: Option<&String>,
    ) -> Result<(), ServeError> {
        let failed = |status| ServeError::Frontend(dockerfile.name.clone(), status);
        let config = self.config.to_bytes();
        let state = from.map(|name| State { name, config: &config });
        let mut inputs = HashMap::new();
        if let (Some(_), Some(root)) = (&state, &self.root) {
            inputs.insert(STATE_INPUT.to_owned(), self.graph.definition(root));
        }
        let options = options(dockerfile, &self.solve.platform, state.as_ref());
        let mut result = gateway.frontend(FRONTEND, options, inputs).await.map_err(failed)?;
        let config = result.metadata.remove(crate::gateway::CONFIG_KEY).unwrap_or_else(|| b"{}".to_vec());
        self.config = ImageConfig::parse(&config).map_err(ServeError::Config)?;
        let definition = definition_of(result).map_err(failed)?;
        let before =
            std::mem::replace(&mut self.root, self.graph.absorb(definition, dockerfile).map_err(ServeError::Graph)?);
        match &dockerfile.upon {
            Some(image) if !self.stands_on(before.as_ref(), image) => {
                Err(ServeError::Elsewhere(dockerfile.name.clone(), image.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Says whether the file system is made on that of the parts in front, or where there are none, on an image.
    fn stands_on(&self, before: Option<&Output>, image: &str) -> bool {
        match (&self.root, before) {
            (None, _) => false,
            (Some(root), Some(before)) => self.graph.stands_on(root, before),
            (Some(root), None) => self.graph.image_below(root).is_some_and(|(found, _)| is_same_image(&found, image)),
        }
    }

    /// Ends a part, before which the history had this length.
    fn close(&mut self, history_before: usize) {
        let history = self.config.history_length().saturating_sub(history_before);
        let mut lowered = Lowered { history, ..Lowered::default() };
        for digest in &self.graph.digests()[self.closed..] {
            let Some(name) = self.graph.name(digest) else { continue };
            match self.graph.operation(digest).and_then(|operation| operation.op) {
                Some(pb::op::Op::Source(_)) => continue,
                Some(pb::op::Op::File(_)) => drop(lowered.copies.insert(name.to_owned())),
                _ => {}
            }
            lowered.vertices.push(name.to_owned());
        }
        self.closed = self.graph.digests().len();
        self.lowered.push(lowered);
    }
}

/// Compares two whole references. Older frontends add the digest of what they found to the one that they were given.
fn is_same_image(found: &str, wanted: &str) -> bool {
    match (found.split_once('@'), wanted.split_once('@')) {
        (Some((_, found)), Some((_, wanted))) => found == wanted,
        (Some((found, _)), None) => found == wanted,
        (None, _) => found == wanted,
    }
}

/// Returns the graph of a frontend's result; an empty one for an image without files.
fn definition_of(result: FrontendResult) -> Result<pb::Definition, Status> {
    match result.result {
        Some(result::Result::Ref(reference)) => Ok(reference.def.unwrap_or_default()),
        None => Ok(pb::Definition::default()),
        Some(_) => Err(Status::internal("the engine answered with a result of a kind that was not asked for")),
    }
}
