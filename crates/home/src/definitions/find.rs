//! What is the same for every kind of definition: its folder, its metadata file, and what else there is.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use domain::definition::{DEFINITION_LIMIT_BYTES, Origin};

use super::error::{Kind, LoadError, unreadable};
use super::{Root, Roots};

/// How alike two names must be for one to be suggested for the other; clap suggests commands by the same measure.
const CLOSE_NAME: f64 = 0.7;

/// A definition's folder.
pub(super) struct Found {
    pub(super) folder: PathBuf,
    pub(super) origin: Origin,
    kind: Kind,
    name: String,
}

/// Returns the folder of `name` in the first root that has one. The folder may be a link.
///
/// # Errors
/// [`LoadError::Collision`] when that root has another of nearly the same name.
pub(super) fn find(roots: &Roots, kind: Kind, name: &str) -> Result<Option<Found>, LoadError> {
    for root in roots.of(kind) {
        let folder = root.folder.join(name);
        if is_folder(&folder)? {
            refuse_collision(root, kind, name)?;
            return Ok(Some(Found { folder, origin: root.origin, kind, name: name.to_owned() }));
        }
    }
    Ok(None)
}

/// Refuses a name that another one in the same folder turns into in lower case.
///
/// # Errors
/// [`LoadError::Collision`] with both names.
pub(super) fn refuse_collision_in(folder: &Path, kind: Kind, name: &str) -> Result<(), LoadError> {
    let root = Root { folder: folder.to_owned(), origin: Origin::User };
    let alike = |other: &String| other.eq_ignore_ascii_case(name) && other != name;
    match definitions_in(&root, kind)?.into_iter().find(alike) {
        Some(other) => Err(LoadError::Collision { kind, name: name.to_owned(), other, root: root.folder }),
        None => Ok(()),
    }
}

fn refuse_collision(root: &Root, kind: Kind, name: &str) -> Result<(), LoadError> {
    // On a file system that does not tell cases apart there is one folder under one of the names.
    let is_exact = definitions_in(root, kind)?.iter().any(|other| other == name);
    if is_exact { refuse_collision_in(&root.folder, kind, name) } else { Ok(()) }
}

/// Returns the error that says that no root has `name`, and what there is instead.
pub(super) fn not_found(roots: &Roots, kind: Kind, name: &str) -> LoadError {
    let mut available: Vec<_> = list(roots, kind).unwrap_or_default().into_iter().map(|(name, _)| name).collect();
    let likeness = |other: &String| strsim::jaro(&other.to_lowercase(), &name.to_lowercase());
    available.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    let alike = available.iter().take_while(|name| likeness(name) > CLOSE_NAME).count();
    available[alike..].sort();
    let looked = roots.of(kind).iter().map(|root| root.folder.clone()).collect();
    LoadError::NotFound { kind, name: name.to_owned(), looked, available, alike }
}

/// Returns the names of all definitions of a kind, each with the root that wins, sorted. None of them is read.
///
/// A folder whose name cannot be a definition's, such as a hidden one, is none.
///
/// # Errors
/// [`LoadError::Unreadable`] when a root exists and cannot be read.
pub(super) fn list(roots: &Roots, kind: Kind) -> Result<Vec<(String, Origin)>, LoadError> {
    let mut all = BTreeMap::new();
    for root in roots.of(kind) {
        for name in definitions_in(root, kind)? {
            all.entry(name).or_insert(root.origin);
        }
    }
    Ok(all.into_iter().collect())
}

fn definitions_in(root: &Root, kind: Kind) -> Result<Vec<String>, LoadError> {
    let entries = match fs::read_dir(&root.folder) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&root.folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable(&root.folder))?;
        // One that cannot be looked at is there all the same; loading it says what is wrong.
        if let Ok(name) = entry.file_name().into_string()
            && kind.accepts(&name)
            && is_folder(&entry.path()).unwrap_or(true)
        {
            names.push(name);
        }
    }
    Ok(names)
}

impl Found {
    /// Returns the first of `spellings` that is there.
    ///
    /// # Errors
    /// [`LoadError::FileMissing`], which calls the file `usual`, when none is.
    pub(super) fn metadata_file(
        &self,
        spellings: [&'static str; 2],
        usual: &'static str,
    ) -> Result<&'static str, LoadError> {
        let found = spellings.into_iter().find(|name| fs::symlink_metadata(self.folder.join(name)).is_ok());
        found.ok_or_else(|| self.missing(usual))
    }

    /// Says whether the definition has the file `name`, itself or as a link.
    ///
    /// # Errors
    /// [`LoadError::NotAFile`] when something else has its name.
    pub(super) fn has_file(&self, name: &str) -> Result<bool, LoadError> {
        let path = self.folder.join(name);
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => Ok(true),
            Ok(_) => Err(LoadError::NotAFile { path }),
            Err(error) if is_absence(&error) && fs::symlink_metadata(&path).is_err() => Ok(false),
            Err(error) => Err(unreadable(&path)(error)),
        }
    }

    /// Returns the error that says that the definition lacks `file`.
    pub(super) fn missing(&self, file: &'static str) -> LoadError {
        LoadError::FileMissing { kind: self.kind, name: self.name.clone(), file, folder: self.folder.clone() }
    }
}

/// Reads the metadata file `name` of the definition in `folder`; returns its bytes, and how mistakes name it.
///
/// # Errors
/// [`LoadError`] when it is not a small regular file within the folder.
pub(super) fn read_metadata(folder: &Path, name: &str) -> Result<(Vec<u8>, String), LoadError> {
    let path = folder.join(name);
    // Asked before opening, because opening a named pipe waits for its other end.
    if !fs::metadata(&path).map_err(unreadable(&path))?.is_file() {
        return Err(LoadError::NotAFile { path });
    }
    let target = fs::canonicalize(&path).map_err(unreadable(&path))?;
    if !target.starts_with(fs::canonicalize(folder).map_err(unreadable(folder))?) {
        return Err(LoadError::LinkOutside { path, target });
    }
    let mut bytes = Vec::new();
    File::open(&target)
        .and_then(|file| file.take(DEFINITION_LIMIT_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable(&path))?;
    if bytes.len() as u64 > DEFINITION_LIMIT_BYTES {
        return Err(LoadError::TooLarge { path });
    }
    let shown = path.display().to_string();
    Ok((bytes, shown))
}

/// Says whether `path` is a folder or a link to one. A link that leads nowhere is an error, not an absence: falling
/// back to another definition of the same name would hide it.
fn is_folder(path: &Path) -> Result<bool, LoadError> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if is_absence(&error) && fs::symlink_metadata(path).is_err() => Ok(false),
        Err(error) => Err(unreadable(path)(error)),
    }
}

pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
