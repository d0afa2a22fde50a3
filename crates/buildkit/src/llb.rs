//! Low-level build definitions: the graph language of BuildKit, as far as this client speaks it.
//!
//! A graph is a list of operations in which each names its inputs by digest; the last one names the result. The bytes
//! of an operation are part of the cache key of everything above it, so they must not differ between two runs: all
//! maps in them are ordered.

use std::collections::BTreeMap;

use bollard_buildkit_proto::pb;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::mount::{Mount, NO_INPUT};

/// The operating system and processor that an operation is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// As Go names it: `linux`.
    pub os: String,
    /// As Go names it: `amd64`, `arm64`.
    pub architecture: String,
}

impl From<&Platform> for pb::Platform {
    fn from(platform: &Platform) -> Self {
        Self { os: platform.os.clone(), architecture: platform.architecture.clone(), ..Self::default() }
    }
}

/// Proxies for the processes of an exec. They are no part of the cache key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For http URLs.
    pub http: String,
    /// For https URLs.
    pub https: String,
    /// For ftp URLs.
    pub ftp: String,
    /// For all others; engines before BuildKit 0.10 do not know it.
    pub all: String,
    /// Hosts to be reached without a proxy.
    pub none: String,
}

/// One process to run on a root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exec {
    /// How progress names it.
    pub(crate) name: String,
    /// The program and its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its whole environment, `KEY=value`.
    pub(crate) environment: Vec<String>,
    /// The folder it starts in.
    pub(crate) working_folder: String,
    /// What is mounted.
    pub(crate) mounts: Vec<Mount>,
    /// The proxies.
    pub(crate) proxies: Proxies,
    /// Run it even when its result is known.
    pub(crate) ignore_cache: bool,
}

/// The key of an operation's name in its metadata.
pub(crate) const NAME_KEY: &str = "llb.customname";

/// A result of an operation, usable as input of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) digest: String,
    pub(crate) index: i64,
}

/// A graph under construction.
#[derive(Debug)]
pub(crate) struct Graph {
    platform: pb::Platform,
    session: String,
    operations: Vec<Vec<u8>>,
    /// The operations' digests, in the same order.
    digests: Vec<String>,
    metadata: BTreeMap<String, pb::OpMetadata>,
}

impl Graph {
    /// Starts a graph all of whose operations are for one platform and whose folders come from one session.
    pub(crate) fn new(platform: &Platform, session: &str) -> Self {
        Self {
            platform: platform.into(),
            session: session.to_owned(),
            operations: Vec::new(),
            digests: Vec::new(),
            metadata: BTreeMap::new(),
        }
    }

    /// Returns the digests of all operations, each behind those it stands on.
    pub(crate) fn digests(&self) -> &[String] {
        &self.digests
    }

    /// Returns the operation with this digest, if the graph has it.
    pub(crate) fn operation(&self, digest: &str) -> Option<pb::Op> {
        let index = self.digests.iter().position(|known| known == digest)?;
        pb::Op::decode(self.operations[index].as_slice()).ok()
    }

    /// Returns the name of the operation with this digest, if it was given one.
    pub(crate) fn name(&self, digest: &str) -> Option<&str> {
        self.metadata.get(digest)?.description.get(NAME_KEY).map(String::as_str)
    }

    /// Says whether the graph has an operation with this digest.
    pub(crate) fn has(&self, digest: &str) -> bool {
        self.metadata.contains_key(digest)
    }

    /// Adds an operation as its bytes and returns its digest.
    pub(crate) fn insert(&mut self, bytes: Vec<u8>, metadata: pb::OpMetadata) -> String {
        let digest = digest_of(&bytes);
        if self.metadata.insert(digest.clone(), metadata).is_none() {
            self.operations.push(bytes);
            self.digests.push(digest.clone());
        }
        digest
    }

    /// Adds an image's file system; `local_only` keeps the engine from asking a registry.
    pub(crate) fn image(&mut self, reference: &str, local_only: bool, name: &str) -> Output {
        let mut attributes = BTreeMap::new();
        if local_only {
            attributes.insert("image.resolvemode".to_owned(), "local".to_owned());
        }
        self.source(format!("docker-image://{reference}"), attributes, name)
    }

    /// Adds a folder of the session.
    pub(crate) fn folder(&mut self, folder: &str) -> Output {
        let attributes = BTreeMap::from([
            ("local.sharedkeyhint".to_owned(), folder.to_owned()),
            // Without it, two solves at once whose folders have one name are one vertex to the engine, and the second
            // gets the first one's files. It is no part of the cache key.
            ("local.session".to_owned(), self.session.clone()),
        ]);
        self.source(format!("local://{folder}"), attributes, &format!("load {folder}"))
    }

    fn source(&mut self, identifier: String, attrs: BTreeMap<String, String>, name: &str) -> Output {
        let source = pb::SourceOp { identifier, attrs };
        self.add(Vec::new(), pb::op::Op::Source(source), name, false)
    }

    /// Adds a process run on `root`, or on an empty file system, and returns the root file system that it leaves.
    pub(crate) fn exec(&mut self, root: Option<&Output>, exec: &Exec) -> Output {
        let mut inputs: Vec<Output> = root.cloned().into_iter().collect();
        let input = if root.is_some() { 0 } else { NO_INPUT };
        let mut mounts = vec![pb::Mount { input, dest: "/".to_owned(), output: 0, ..pb::Mount::default() }];
        for mount in &exec.mounts {
            mounts.push(mount.lower(|name| {
                inputs.push(self.folder(name));
                inputs.len() as i64 - 1
            }));
        }
        let proxies = &exec.proxies;
        let proxy_env = (*proxies != Proxies::default()).then(|| pb::ProxyEnv {
            http_proxy: proxies.http.clone(),
            https_proxy: proxies.https.clone(),
            ftp_proxy: proxies.ftp.clone(),
            no_proxy: proxies.none.clone(),
            all_proxy: proxies.all.clone(),
        });
        let meta = pb::Meta {
            args: exec.arguments.clone(),
            env: exec.environment.clone(),
            cwd: exec.working_folder.clone(),
            proxy_env,
            ..pb::Meta::default()
        };
        let operation = pb::ExecOp { meta: Some(meta), mounts, ..pb::ExecOp::default() };
        self.add(inputs, pb::op::Op::Exec(operation), &exec.name, exec.ignore_cache)
    }

    fn add(&mut self, inputs: Vec<Output>, op: pb::op::Op, name: &str, ignore_cache: bool) -> Output {
        let inputs = inputs.into_iter().map(|input| pb::Input { digest: input.digest, index: input.index }).collect();
        let op = pb::Op {
            inputs,
            op: Some(op),
            platform: Some(self.platform.clone()),
            constraints: Some(pb::WorkerConstraints::default()),
        };
        let description = BTreeMap::from([(NAME_KEY.to_owned(), name.to_owned())]);
        let metadata = pb::OpMetadata { ignore_cache, description, ..pb::OpMetadata::default() };
        Output { digest: self.insert(op.encode_to_vec(), metadata), index: 0 }
    }

    /// Returns the graph as BuildKit takes it, with `result` as its result.
    pub(crate) fn definition(&self, result: &Output) -> pb::Definition {
        let input = pb::Input { digest: result.digest.clone(), index: result.index };
        let last = pb::Op { inputs: vec![input], ..pb::Op::default() }.encode_to_vec();
        let mut metadata = self.metadata.clone();
        metadata.insert(digest_of(&last), pb::OpMetadata::default());
        let mut def = self.operations.clone();
        def.push(last);
        pb::Definition { def, metadata, source: None }
    }
}

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::MountSource;

    fn graph(environment: &str, proxies: Proxies) -> pb::Definition {
        let platform = Platform { os: "linux".to_owned(), architecture: "amd64".to_owned() };
        let mut graph = Graph::new(&platform, "session");
        let base = graph.image("docker.io/library/debian:bookworm", true, "base");
        let exec = Exec {
            name: "install".to_owned(),
            arguments: vec!["/bin/true".to_owned()],
            environment: vec![environment.to_owned()],
            working_folder: "/".to_owned(),
            mounts: vec![
                Mount { target: "/dev/x".to_owned(), source: MountSource::Folder("x".to_owned()) },
                Mount {
                    target: "/dev/y".to_owned(),
                    source: MountSource::OptionalSecret { id: "y".to_owned(), mode: 0o400 },
                },
            ],
            proxies,
            ignore_cache: false,
        };
        let result = graph.exec(Some(&base), &exec);
        graph.definition(&result)
    }

    #[test]
    fn the_same_graph_has_the_same_bytes() {
        assert_eq!(graph("A=1", Proxies::default()), graph("A=1", Proxies::default()));
        assert_ne!(graph("A=1", Proxies::default()).def, graph("A=2", Proxies::default()).def);
    }

    #[test]
    fn every_input_names_an_operation_in_front_of_it() {
        let definition = graph("A=1", Proxies::default());
        let mut seen = Vec::new();
        for bytes in &definition.def {
            let op = pb::Op::decode(bytes.as_slice()).unwrap();
            assert!(op.inputs.iter().all(|input| seen.contains(&input.digest)));
            seen.push(digest_of(bytes));
        }
        assert_eq!(seen.len(), 4);
        assert!(seen.iter().all(|digest| definition.metadata.contains_key(digest)));
    }
}
