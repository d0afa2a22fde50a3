//! A home for tests.

use std::fs;
use std::path::PathBuf;

use super::{LoadError, Roots};
use crate::layout::Home;

/// A home without any definitions.
pub(super) struct Settled {
    folder: tempfile::TempDir,
    pub(super) home: Home,
    pub(super) roots: Roots,
}

pub(super) fn settled() -> Settled {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path().join("root"), folder.path().join("custom"));
    let roots = Roots::new(&home, Some(&folder.path().join("packaged")));
    Settled { folder, home, roots }
}

impl Settled {
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Returns what a person is told.
    pub(super) fn told(&self, error: &LoadError) -> String {
        let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        (error.to_string() + &hint).replace(self.folder.path().to_str().unwrap(), "[HOME]")
    }
}
