//! One question to a server: what is asked, with which credentials, over which way.

use std::path::PathBuf;

/// One GET request. Two that are equal are made once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Request {
    /// The whole address.
    pub(super) address: String,
    /// What kind of answer is wanted (`Accept`).
    pub(super) accept: &'static str,
    /// The value of `Authorization`, which is never shown.
    pub(super) authorization: Option<String>,
    /// How to get there.
    pub(super) way: Way,
}

impl Request {
    /// Asks for `address` without credentials, the usual way.
    pub(super) fn new(address: String, accept: &'static str) -> Self {
        Self { address, accept, authorization: None, way: Way::default() }
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("address", &self.address).finish_non_exhaustive()
    }
}

/// How a server is reached, where a tool's configuration says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Way {
    /// Files of certificates to trust besides the system's.
    pub(super) ca_files: Vec<PathBuf>,
    /// The proxy, in the place of the environment's.
    pub(super) proxy: Option<String>,
    /// The hosts that are reached without that proxy.
    pub(super) no_proxy: Option<String>,
}
