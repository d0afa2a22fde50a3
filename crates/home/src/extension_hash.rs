//! The digest by which the host tool knows the content of extensions, computed as it does, bit for bit.
//!
//! It covers less than a build depends on; this program decides by digests of its own.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use domain::definition::{DOCKERFILE, Extension, SCRIPT_SUFFIX, SCRIPTS_FOLDER};
use domain::digest::Digest;
use sha2::{Digest as _, Sha256};

use crate::error::{DiskError, failed};

/// How much of a file is read at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Returns the host tool's digest of `extensions` in the order in which they were chosen, as 64 hex digits.
///
/// For each it digests the definition file, the `Dockerfile` if there is one, and `scripts/*.sh`, hidden ones too, in
/// the order of their names; each file as its name and its content.
///
/// # Errors
/// [`DiskError`] when one of them cannot be read.
pub fn extension_hash(extensions: &[Extension]) -> Result<String, DiskError> {
    let mut all = Sha256::new();
    for extension in extensions {
        all.update(extension.name.as_str());
        all.update(hash_one(extension)?);
    }
    Ok(hex(all))
}

fn hash_one(extension: &Extension) -> Result<String, DiskError> {
    let mut hash = Sha256::new();
    add(&mut hash, &extension.folder.join(&extension.metadata_file))?;
    let dockerfile = extension.folder.join(DOCKERFILE);
    if dockerfile.is_file() {
        add(&mut hash, &dockerfile)?;
    }
    for script in scripts(&extension.folder.join(SCRIPTS_FOLDER))? {
        add(&mut hash, &script)?;
    }
    Ok(hex(hash))
}

fn scripts(folder: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed("read", folder)(error)),
    };
    let mut scripts = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("read", folder))?;
        if entry.file_name().as_encoded_bytes().ends_with(SCRIPT_SUFFIX.as_bytes()) && entry.path().is_file() {
            scripts.push(entry.path());
        }
    }
    scripts.sort();
    Ok(scripts)
}

fn add(hash: &mut Sha256, path: &Path) -> Result<(), DiskError> {
    hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
    let mut file = File::open(path).map_err(failed("read", path))?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => hash.update(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed("read", path)(error)),
        }
    }
}

fn hex(hash: Sha256) -> String {
    Digest::from_bytes(hash.finalize().into()).hex()
}

#[cfg(test)]
mod tests {
    use domain::definition::{ExtensionKind, ExtensionMetadata};
    use domain::name::ExtensionName;

    use super::*;

    const METADATA: &str = "name: act\ndescription: Runs workflows\n";

    fn extension(folder: &Path, name: &str, files: &[(&str, &str)]) -> Extension {
        let folder = folder.join(name);
        for (path, text) in [("extension.yml", METADATA)].iter().chain(files) {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Extension {
            name: ExtensionName::parse(name).unwrap(),
            folder,
            metadata_file: "extension.yml".to_owned(),
            metadata: ExtensionMetadata::parse(METADATA.as_bytes(), "").unwrap(),
            kind: ExtensionKind::Scripts,
        }
    }

    fn sha256(text: &str) -> String {
        Digest::of(text.as_bytes()).hex()
    }

    #[test]
    fn names_and_contents_follow_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("scripts/b.sh", "B"),
            ("scripts/.a.sh", "A"),
            ("scripts/c.txt", "C"),
            ("scripts/d.sh/e.sh", "E"),
            ("Dockerfile", "FROM x"),
        ];
        let act = extension(folder.path(), "act", &files);
        let gh = extension(folder.path(), "gh", &[]);
        let of_act = sha256(&format!("extension.yml{METADATA}DockerfileFROM x.a.shAb.shB"));
        let of_gh = sha256(&format!("extension.yml{METADATA}"));
        assert_eq!(extension_hash(&[act, gh]).unwrap(), sha256(&format!("act{of_act}gh{of_gh}")));
    }

    #[test]
    fn large_files_count_to_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let large = "x".repeat(3 * CHUNK_BYTES + 1);
        let act = extension(folder.path(), "act", &[("scripts/a.sh", &large)]);
        let of_act = sha256(&format!("extension.yml{METADATA}a.sh{large}"));
        assert_eq!(extension_hash(&[act]).unwrap(), sha256(&format!("act{of_act}")));
    }
}
