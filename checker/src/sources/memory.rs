//! Answers that servers gave with an `ETag`, kept so that the next question can be answered with "not modified".

use std::fs;
use std::path::PathBuf;

use domain::digest::{Digest, Framed};
use serde::{Deserialize, Serialize};

use super::request::Request;

/// The largest answer that is kept, in bytes.
const KEPT_LIMIT_BYTES: usize = 1024 * 1024;

/// An answer as it was given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// The server's name for this answer.
    pub(super) etag: String,
    /// The answer.
    pub(super) body: String,
    /// The address of the next page.
    pub(super) next: Option<String>,
}

/// Where answers are kept. Nothing depends on any of them being there.
#[derive(Debug, Default)]
pub(super) struct Memory {
    folder: Option<PathBuf>,
    is_writable: bool,
}

impl Memory {
    /// Keeps answers in `folder`; only reads what is there unless `is_writable`.
    pub(super) fn new(folder: PathBuf, is_writable: bool) -> Self {
        Self { folder: Some(folder), is_writable }
    }

    /// Returns the last answer to the question.
    pub(super) fn recall(&self, request: &Request) -> Option<Remembered> {
        let text = fs::read(self.path(request)?).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Keeps an answer, if it is a small text.
    pub(super) fn keep(&self, request: &Request, etag: String, body: &[u8], next: Option<String>) {
        let Some(path) = self.path(request).filter(|_| self.is_writable && body.len() <= KEPT_LIMIT_BYTES) else {
            return;
        };
        if let Ok(body) = String::from_utf8(body.to_vec())
            && let Ok(text) = serde_json::to_vec(&Remembered { etag, body, next })
        {
            // The next question is only slower when this fails.
            let _ = home::versions::replace(&path, &text);
        }
    }

    fn path(&self, request: &Request) -> Option<PathBuf> {
        // Whoever asks with other credentials may get another answer.
        let credentials = Digest::of(request.authorization.as_deref().unwrap_or_default().as_bytes()).to_string();
        let key = Framed::new("answer 1").field(&request.address).field(request.accept).field(credentials).finish();
        Some(self.folder.as_ref()?.join(format!("{}.json", key.hex())))
    }
}
