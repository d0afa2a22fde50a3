//! A number of this home's own that goes into the digests of secrets, so that they say nothing elsewhere.
//!
//! A digest of a password alone can be guessed by digesting likely passwords; with the salt nobody can who does not have
//! it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::{DiskError, failed};
use crate::layout::Home;
use crate::replace::create_file_with;

/// How long a salt is, in bytes: as long as the digests that it goes into.
const SALT_BYTES: usize = 32;

/// The salt's mode: it is nobody else's.
const SALT_MODE: u32 = 0o600;

/// Returns the salt of this home, which is made by whoever asks first and stays the same from then on.
///
/// # Errors
/// [`DiskError`] when it cannot be made or read, or the file holds something else. It is not overwritten then: every
/// step with a secret would run again.
pub fn salt(home: &Home) -> Result<[u8; SALT_BYTES], DiskError> {
    let path = home.salt();
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let salt = random(&path)?;
            // Of several who make one at the same time, the first one's is everybody's.
            create_file_with(&path, &salt, SALT_MODE)?;
            read(&path).map_err(failed("read", &path))
        }
        salt => salt.map_err(failed("read", &path)),
    }
}

/// Returns the salt of this home for a look that changes nothing. Where none was made yet it is one that nobody has: no
/// digest made with it equals one that was written down.
///
/// # Errors
/// [`DiskError`] when it cannot be read, or the file holds something else.
pub fn salt_to_look(home: &Home) -> Result<[u8; SALT_BYTES], DiskError> {
    let path = home.salt();
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => random(&path),
        salt => salt.map_err(failed("read", &path)),
    }
}

fn random(path: &Path) -> Result<[u8; SALT_BYTES], DiskError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| failed("make", path)(error.into()))?;
    Ok(salt)
}

fn read(path: &Path) -> io::Result<[u8; SALT_BYTES]> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(SALT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let wrong = |_| io::Error::other(format!("it does not hold {SALT_BYTES} bytes; remove it to get a new one"));
    bytes.try_into().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn settled() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("root"), folder.path().join("custom"));
        (folder, home)
    }

    #[test]
    fn it_stays_the_same_and_is_nobody_elses() {
        let ((_one, home), (_two, other)) = (settled(), settled());
        let first = salt(&home).unwrap();
        assert_eq!(salt(&home).unwrap(), first);
        assert_ne!(salt(&other).unwrap(), first);
        assert_eq!(fs::metadata(home.salt()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.salt().parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_look_makes_none() {
        let (_folder, home) = settled();
        assert_ne!(salt_to_look(&home).unwrap(), salt_to_look(&home).unwrap());
        assert!(!home.root().exists());
        let made = salt(&home).unwrap();
        assert_eq!(salt_to_look(&home).unwrap(), made);
    }

    #[test]
    fn all_who_make_it_at_once_get_the_same() {
        let (_folder, home) = settled();
        let salts: Vec<_> = std::thread::scope(|scope| {
            let started = [(); 8].map(|()| scope.spawn(|| salt(&home).unwrap()));
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(salts.iter().all(|other| *other == salts[0]));
    }

    #[test]
    fn something_else_in_its_place_is_said_and_kept() {
        let (_folder, home) = settled();
        salt(&home).unwrap();
        for text in ["", "short", "this text has more than the thirty-two bytes"] {
            fs::write(home.salt(), text).unwrap();
            let error = salt(&home).unwrap_err();
            assert_eq!(error.source.to_string(), "it does not hold 32 bytes; remove it to get a new one");
            assert_eq!(fs::read_to_string(home.salt()).unwrap(), text);
        }
        fs::remove_file(home.salt()).unwrap();
        fs::create_dir(home.salt()).unwrap();
        assert_eq!(salt(&home).unwrap_err().source.to_string(), "it is not a regular file");
    }
}
