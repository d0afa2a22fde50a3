//! Taking over a graph that a frontend made, changing its processes on the way.
//!
//! An operation names its inputs by the digests of their bytes. So one that changes changes all that stand on it, and
//! their metadata has to move along.

use std::collections::{BTreeMap, HashMap};

use bollard_buildkit_proto::pb;
use prost::Message as _;

use crate::dockerfile::{CONTEXT, Dockerfile};
use crate::llb::{Graph, NAME_KEY, Output, digest_of};
use crate::mount::Mount;

/// The programs that are known to take a script: what `RUN` in shell form starts, whatever `SHELL` says.
const SHELLS: [&str; 4] = ["sh", "bash", "dash", "ash"];

/// What every process of a Dockerfile gets that is run by a shell.
///
/// The image keeps no trace of it: the history is written before, and what is mounted under `/dev` leaves nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wrap {
    /// Arguments put in front of the process's own.
    pub prefix: Vec<String>,
    /// More mounts. A process that is not run as root cannot read secrets without the bits for it.
    pub mounts: Vec<Mount>,
    /// Variables that it gets beside its own; its own win.
    pub environment: BTreeMap<String, String>,
}

impl Wrap {
    fn apply(&self, graph: &mut Graph, inputs: &mut Vec<pb::Input>, exec: &mut pb::ExecOp) -> bool {
        let Some(meta) = exec.meta.as_mut().filter(|meta| is_shell(&meta.args)) else {
            return false;
        };
        meta.args.splice(0..0, self.prefix.iter().cloned());
        for (key, value) in &self.environment {
            let has = meta.env.iter().any(|line| line.split_once('=').is_some_and(|(name, _)| name == key));
            if !has {
                meta.env.push(format!("{key}={value}"));
            }
        }
        for mount in &self.mounts {
            let mount = mount.lower(|name| {
                let folder = graph.folder(name);
                inputs.push(pb::Input { digest: folder.digest, index: folder.index });
                inputs.len() as i64 - 1
            });
            exec.mounts.push(mount);
        }
        true
    }
}

fn is_shell(arguments: &[String]) -> bool {
    arguments.first().and_then(|program| program.rsplit('/').next()).is_some_and(|name| SHELLS.contains(&name))
}

/// Says that a graph is not one that BuildKit would take.
#[derive(Debug, thiserror::Error)]
#[error("the engine answered with a damaged graph: {0}")]
pub struct DamagedGraph(String);

impl Graph {
    /// Takes over the operations of `definition` and returns its result, or nothing if that is empty.
    ///
    /// What the graph has already stays as it is. All else is named after `dockerfile`, and what a shell runs gets
    /// its wrap.
    pub(crate) fn absorb(
        &mut self,
        mut definition: pb::Definition,
        dockerfile: &Dockerfile,
    ) -> Result<Option<Output>, DamagedGraph> {
        let Some(last) = definition.def.pop() else {
            return Ok(None);
        };
        let mut moved: HashMap<String, String> = HashMap::new();
        let now = |moved: &HashMap<String, String>, digest: &str| {
            moved.get(digest).cloned().ok_or_else(|| DamagedGraph(format!("nothing in front of it is {digest}")))
        };
        for bytes in definition.def {
            let before = digest_of(&bytes);
            if self.has(&before) {
                moved.insert(before.clone(), before);
                continue;
            }
            let mut op = decode(&bytes)?;
            let mut changed = false;
            for input in &mut op.inputs {
                let digest = now(&moved, &input.digest)?;
                changed |= digest != input.digest;
                input.digest = digest;
            }
            changed |= match &mut op.op {
                Some(pb::op::Op::Exec(exec)) => dockerfile.wrap.apply(self, &mut op.inputs, exec),
                Some(pb::op::Op::Source(source)) => name_context(source, &dockerfile.context),
                _ => false,
            };
            let mut metadata = definition.metadata.remove(&before).unwrap_or_default();
            if let Some(own) = metadata.description.get_mut(NAME_KEY) {
                *own = format!("{}: {own}", dockerfile.name);
            }
            // What did not change is taken as it came: newer engines may say more than this client can read.
            let after = self.insert(if changed { op.encode_to_vec() } else { bytes }, metadata);
            moved.insert(before, after);
        }
        let Some(result) = decode(&last)?.inputs.into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(Output { digest: now(&moved, &result.digest)?, index: result.index }))
    }

    /// Returns the image whose file system `output` is made on, as its reference and whether only the engine's store
    /// is asked for it; nothing if it is made on an empty one or on something else.
    pub(crate) fn image_below(&self, output: &Output) -> Option<(String, bool)> {
        let lowest = std::iter::successors(Some(output.clone()), |output| self.below(output)).last()?;
        let pb::op::Op::Source(source) = self.operation(&lowest.digest)?.op? else {
            return None;
        };
        let reference = source.identifier.strip_prefix("docker-image://")?.to_owned();
        let local_only = source.attrs.get("image.resolvemode").is_some_and(|mode| mode == "local");
        Some((reference, local_only))
    }

    /// Says whether the file system of `output` is made on that of `other`, or is the same.
    pub(crate) fn stands_on(&self, output: &Output, other: &Output) -> bool {
        std::iter::successors(Some(output.clone()), |output| self.below(output)).any(|output| output == *other)
    }

    /// Returns the file system that the one of `output` is made from by one operation.
    fn below(&self, output: &Output) -> Option<Output> {
        let op = self.operation(&output.digest)?;
        let below = match op.op? {
            pb::op::Op::Exec(exec) => exec.mounts.iter().find(|mount| mount.output == output.index)?.input,
            pb::op::Op::File(file) => {
                let inputs = op.inputs.len() as i64;
                let mut target = file.actions.iter().find(|action| action.output == output.index)?.input;
                // A number behind the inputs is that of an action in front.
                while target >= inputs {
                    target = file.actions.get(usize::try_from(target - inputs).ok()?)?.input;
                }
                target
            }
            pb::op::Op::Merge(merge) => merge.inputs.first()?.input,
            pb::op::Op::Source(_) | pb::op::Op::Build(_) | pb::op::Op::Diff(_) => return None,
        };
        let input = op.inputs.get(usize::try_from(below).ok()?)?;
        Some(Output { digest: input.digest.clone(), index: input.index })
    }
}

/// Gives the context the folder's name.
fn name_context(source: &mut pb::SourceOp, folder: &str) -> bool {
    let found = source.identifier.strip_prefix("local://") == Some(CONTEXT) && folder != CONTEXT;
    if found {
        source.identifier = format!("local://{folder}");
        source.attrs.insert("local.sharedkeyhint".to_owned(), folder.to_owned());
    }
    found
}

fn decode(bytes: &[u8]) -> Result<pb::Op, DamagedGraph> {
    pb::Op::decode(bytes).map_err(|error| DamagedGraph(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llb::{Exec, Platform, Proxies};
    use crate::mount::MountSource;

    fn graph() -> Graph {
        Graph::new(&Platform { os: "linux".to_owned(), architecture: "amd64".to_owned() }, "session")
    }

    fn exec(arguments: &[&str]) -> Exec {
        Exec {
            name: arguments.join(" "),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: vec!["OWN=own".to_owned()],
            working_folder: "/".to_owned(),
            mounts: Vec::new(),
            proxies: Proxies::default(),
            ignore_cache: false,
        }
    }

    fn dockerfile() -> Dockerfile {
        let wrap = Wrap {
            prefix: vec!["/launcher".to_owned()],
            mounts: vec![Mount { target: "/dev/f".to_owned(), source: MountSource::Folder("f".to_owned()) }],
            environment: BTreeMap::from([("OWN", "not"), ("MORE", "more")].map(|(k, v)| (k.to_owned(), v.to_owned()))),
        };
        Dockerfile { name: "d".to_owned(), context: "files".to_owned(), wrap, ..Dockerfile::default() }
    }

    /// Writes what each operation is, with its inputs by their places.
    fn told(graph: &Graph) -> String {
        let place = |digest: &str| graph.digests().iter().position(|known| known == digest).unwrap();
        let line = |digest: &String| {
            let op = graph.operation(digest).unwrap();
            let inputs: Vec<_> = op.inputs.iter().map(|input| place(&input.digest)).collect();
            let what = match op.op.unwrap() {
                pb::op::Op::Source(source) => source.identifier,
                pb::op::Op::Exec(exec) => {
                    let meta = exec.meta.unwrap();
                    let mounts: Vec<_> = exec.mounts.iter().map(|mount| (&*mount.dest, mount.input)).collect();
                    format!("{:?} {:?} {mounts:?}", meta.args, meta.env)
                }
                _ => panic!("not made here"),
            };
            format!("{} {inputs:?} {what}\n", graph.name(digest).unwrap())
        };
        graph.digests().iter().map(line).collect()
    }

    #[test]
    fn shells_are_wrapped_and_what_stands_on_them_moves_along() {
        let mut theirs = graph();
        let base = theirs.image("docker.io/library/debian:bookworm", true, "FROM debian");
        let first = theirs.exec(Some(&base), &exec(&["/bin/sh", "-c", "one"]));
        let result = theirs.exec(Some(&first), &exec(&["/bin/ls"]));
        let mut ours = graph();
        let taken = ours.absorb(theirs.definition(&result), &dockerfile()).unwrap().unwrap();
        insta::assert_snapshot!(told(&ours), @r#"
        d: FROM debian [] docker-image://docker.io/library/debian:bookworm
        load f [] local://f
        d: /bin/sh -c one [0, 1] ["/launcher", "/bin/sh", "-c", "one"] ["OWN=own", "MORE=more"] [("/", 0), ("/dev/f", 1)]
        d: /bin/ls [2] ["/bin/ls"] ["OWN=own"] [("/", 0)]
        "#);
        assert_eq!(ours.image_below(&taken), Some(("docker.io/library/debian:bookworm".to_owned(), true)));
        let bottom = Output { digest: ours.digests()[0].clone(), index: 0 };
        let folder = Output { digest: ours.digests()[1].clone(), index: 0 };
        assert!(ours.stands_on(&taken, &bottom) && ours.stands_on(&taken, &taken));
        assert!(!ours.stands_on(&taken, &folder) && !ours.stands_on(&bottom, &taken));

        let before = ours.digests().len();
        let again = ours.absorb(ours.definition(&taken), &dockerfile()).unwrap().unwrap();
        assert_eq!((again, ours.digests().len()), (taken, before));
    }

    #[test]
    fn the_context_gets_the_name_of_its_folder() {
        let mut theirs = graph();
        let context = theirs.folder("context");
        let mut ours = graph();
        ours.absorb(theirs.definition(&context), &dockerfile()).unwrap();
        assert_eq!(told(&ours), "d: load context [] local://files\n");
    }

    #[test]
    fn an_empty_graph_has_no_result_and_a_damaged_one_is_refused() {
        assert_eq!(graph().absorb(pb::Definition::default(), &dockerfile()).unwrap(), None);
        let mut theirs = graph();
        let base = theirs.image("docker.io/library/debian:bookworm", true, "FROM debian");
        let mut definition = theirs.definition(&base);
        definition.def.remove(0);
        assert!(graph().absorb(definition, &dockerfile()).is_err());
        let noise = pb::Definition { def: vec![vec![0xff; 3], vec![0xff; 3]], ..pb::Definition::default() };
        assert!(graph().absorb(noise, &dockerfile()).is_err());
    }

    #[test]
    fn a_shell_is_known_by_its_name() {
        let is = |program: &str| is_shell(&[program.to_owned()]);
        assert!(is("/bin/sh") && is("bash") && is("/usr/bin/dash") && is("/bin/ash"));
        assert!(!is("/bin/ls") && !is("/bin/sh/x") && !is("pwsh") && !is_shell(&[]));
    }
}
