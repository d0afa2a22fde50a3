//! What a process sees besides its root file system.

use bollard_buildkit_proto::pb;

/// How a cache is shared by processes that use it at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// All use it at once; for tools that lock what they write.
    Shared,
    /// A second user gets a cache of its own.
    Private,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A folder that the session serves under this name. Writable for the process; what it writes is thrown away.
    Folder(String),
    /// A secret that the session serves under this id. When it has none of that id, the process does not start. Its
    /// content is no part of the cache key.
    Secret {
        /// The id.
        id: String,
        /// The permission bits; it belongs to root.
        mode: u32,
    },
    /// As [`MountSource::Secret`], but nothing is mounted when the session has none of that id.
    OptionalSecret {
        /// The id.
        id: String,
        /// The permission bits; it belongs to root.
        mode: u32,
    },
    /// A folder that the engine keeps between builds and shares among all that name this id. It belongs to root and
    /// begins empty; the engine may empty it at any time between two builds. It is no part of the result.
    Cache {
        /// The id; one for everything that uses the engine, so it should tell whose it is.
        id: String,
        /// What happens to two users at once.
        sharing: Sharing,
    },
}

/// One mount of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where. Outside of `/dev`, an empty folder stays in the result on some engines.
    pub target: String,
    /// What.
    pub source: MountSource,
}

impl Mount {
    /// Returns the mount as BuildKit takes it; `folder` makes a folder's name into the number of an input.
    pub(crate) fn lower(&self, folder: impl FnOnce(&str) -> i64) -> pb::Mount {
        let plain = |mount_type: pb::MountType| pb::Mount {
            input: NO_INPUT,
            dest: self.target.clone(),
            output: NO_OUTPUT,
            mount_type: mount_type.into(),
            ..pb::Mount::default()
        };
        let secret = |id: &String, mode, optional| pb::Mount {
            secret_opt: Some(pb::SecretOpt { id: id.clone(), uid: 0, gid: 0, mode, optional }),
            ..plain(pb::MountType::Secret)
        };
        match &self.source {
            MountSource::Folder(name) => pb::Mount { input: folder(name), ..plain(pb::MountType::Bind) },
            MountSource::Secret { id, mode } => secret(id, *mode, false),
            MountSource::OptionalSecret { id, mode } => secret(id, *mode, true),
            MountSource::Cache { id, sharing } => {
                let sharing = match sharing {
                    Sharing::Shared => pb::CacheSharingOpt::Shared,
                    Sharing::Private => pb::CacheSharingOpt::Private,
                };
                let cache_opt = Some(pb::CacheOpt { id: id.clone(), sharing: sharing.into() });
                pb::Mount { cache_opt, ..plain(pb::MountType::Cache) }
            }
        }
    }
}

/// `pb.Empty`: the mount stands on no input.
pub(crate) const NO_INPUT: i64 = -1;
/// `pb.SkipOutput`: what is written to the mount is thrown away.
const NO_OUTPUT: i64 = -1;
