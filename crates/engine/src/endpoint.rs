//! Where an engine is found.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Absence, EngineError};

/// Where engines listen when nobody says otherwise, the usual place first.
const DEFAULT_SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/docker.sock"];

/// The longest path of a socket, in bytes: `sun_path` of Linux has 108, of which the last is a zero (unix(7)).
const PATH_LIMIT_BYTES: usize = 107;

/// An address of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket on this machine.
    Unix(PathBuf),
}

impl Endpoint {
    /// Finds the engine: the one that `docker_host` (the value of `DOCKER_HOST`) names, else a socket at a usual place.
    ///
    /// An empty `docker_host` counts as none, as it does for the docker command. Nothing is connected.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] when `docker_host` names an engine in a way that is not known here,
    /// [`EngineError::TooLong`] when the system takes no such path, [`EngineError::Absent`] when it is not given and there is no socket at the usual places.
    pub fn find(docker_host: Option<&str>) -> Result<Self, EngineError> {
        Self::find_among(docker_host, &DEFAULT_SOCKETS)
    }

    fn find_among(docker_host: Option<&str>, sockets: &[&str]) -> Result<Self, EngineError> {
        let Some(host) = docker_host.map(str::trim).filter(|host| !host.is_empty()) else {
            // Where one may not be looked at, the first call tells that.
            let is_there = |socket: &&&str| Path::new(socket).try_exists().unwrap_or(true);
            let found = sockets.iter().find(is_there);
            return match found {
                Some(socket) => Ok(Self::Unix(PathBuf::from(socket))),
                None => Err(EngineError::Absent { endpoint: sockets.join(" or "), absence: Absence::NoSocket }),
            };
        };
        match host.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') && path.len() > PATH_LIMIT_BYTES => {
                Err(EngineError::TooLong { host: host.to_owned(), length: path.len(), limit: PATH_LIMIT_BYTES })
            }
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(PathBuf::from(path))),
            Some(("unix", _)) => Err(EngineError::Unsupported {
                host: host.to_owned(),
                scheme: "unix:// without an absolute path".to_owned(),
            }),
            Some((scheme, _)) => Err(EngineError::Unsupported { host: shown(host), scheme: format!("{scheme}://") }),
            None => Err(EngineError::Unsupported { host: shown(host), scheme: "no scheme".to_owned() }),
        }
    }
}

/// Returns an address without the user and password that may stand in front of its host.
fn shown(host: &str) -> String {
    match (host.find("://"), host.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}://…{}", &host[..scheme], &host[at..])
        }
        _ => host.to_owned(),
    }
}

/// Writes the address as `DOCKER_HOST` would hold it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_host_names_a_socket() {
        let endpoint = Endpoint::find(Some("unix:///tmp/x.sock")).unwrap();
        assert_eq!(endpoint, Endpoint::Unix(PathBuf::from("/tmp/x.sock")));
        assert_eq!(endpoint.to_string(), "unix:///tmp/x.sock");
    }

    #[test]
    fn the_first_usual_socket_that_is_there_is_taken() {
        let found = |host| Endpoint::find_among(host, &["/nowhere/docker.sock", "/dev/null"]).unwrap().to_string();
        assert_eq!(found(None), "unix:///dev/null");
        assert_eq!(found(Some("")), "unix:///dev/null");
    }

    #[test]
    fn no_socket_at_all_says_what_to_do() {
        let error = Endpoint::find_among(None, &["/nowhere/a.sock", "/nowhere/b.sock"]).unwrap_err();
        insta::assert_snapshot!(error, @"no Docker engine at /nowhere/a.sock or /nowhere/b.sock: there is no socket");
        insta::assert_snapshot!(error.advice().unwrap(), @"start the engine (for example: systemctl start docker), or set DOCKER_HOST to its socket");
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_told_before_it_is_tried() {
        let path = |bytes| format!("unix:///{}", "x".repeat(bytes - 1));
        assert!(Endpoint::find(Some(&path(PATH_LIMIT_BYTES))).is_ok());
        let error = Endpoint::find(Some(&path(PATH_LIMIT_BYTES + 1))).unwrap_err();
        insta::assert_snapshot!(error.to_string().replace(&"x".repeat(PATH_LIMIT_BYTES), "…"), @"DOCKER_HOST=unix:///… cannot be used: its path has 108 bytes, and a socket's has at most 107");
        insta::assert_snapshot!(error.advice().unwrap(), @"make a symbolic link to the socket, and set DOCKER_HOST to unix://LINK");
    }

    #[test]
    fn another_scheme_is_named_and_its_password_is_not() {
        let error = |host| Endpoint::find(Some(host)).unwrap_err();
        insta::assert_snapshot!(error("tcp://10.0.0.1:2375"), @"DOCKER_HOST=tcp://10.0.0.1:2375 cannot be used (tcp://): only unix:///path is supported");
        insta::assert_snapshot!(error("ssh://me:secret@box"), @"DOCKER_HOST=ssh://…@box cannot be used (ssh://): only unix:///path is supported");
        insta::assert_snapshot!(error("/var/run/docker.sock"), @"DOCKER_HOST=/var/run/docker.sock cannot be used (no scheme): only unix:///path is supported");
        insta::assert_snapshot!(error("unix://docker.sock"), @"DOCKER_HOST=unix://docker.sock cannot be used (unix:// without an absolute path): only unix:///path is supported");
    }
}
