//! What earlier looks for versions found.

use std::path::Path;

use domain::version::{AgentVersion, Venue};
use serde::{Deserialize, Serialize};

use crate::error::DiskError;
use crate::replace::replace_file;

/// The shape that this program writes; files of another one count as none.
const FORMAT: u32 = 1;

/// A version that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundVersion {
    /// The version.
    pub version: AgentVersion,
    /// Where it was found.
    pub found_by: Venue,
    /// When, RFC 3339.
    pub found_at: String,
    /// A digest of everything that the answer depended on; another one means another question.
    pub question: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    #[serde(flatten)]
    found: FoundVersion,
}

/// Reads what was found last. What cannot be read was not found.
pub fn load_found(path: &Path) -> Option<FoundVersion> {
    let document: Document = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (document.format == FORMAT).then_some(document.found)
}

/// Writes what was found.
///
/// # Errors
/// [`DiskError`] when it cannot be written.
pub fn store_found(path: &Path, found: &FoundVersion) -> Result<(), DiskError> {
    let document = Document { format: FORMAT, found: found.clone() };
    let text = serde_json::to_vec(&document).expect("texts and numbers can be written as JSON");
    replace(path, &text)
}

/// Puts `bytes` in the place of a file of answers, whole.
///
/// # Errors
/// [`DiskError`] when it cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    replace_file(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_is_loaded_and_damage_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x/codex.json");
        assert_eq!(load_found(&path), None);
        let version = AgentVersion::parse("1.4.0").unwrap();
        let (found_at, question) = ("2026-11-21T07:00:00Z".to_owned(), "q".to_owned());
        let found = FoundVersion { version, found_by: Venue::Host, found_at, question };
        store_found(&path, &found).unwrap();
        assert_eq!(load_found(&path), Some(found));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(load_found(&path), None);
    }
}
