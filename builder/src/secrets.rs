//! Secrets that extensions may see: read, told apart by a salted digest, and kept out of everything that is shown.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use domain::digest::{Digest, Framed};

/// The largest secret that the engines take, in bytes (BuildKit, `session/secrets`).
const SECRET_LIMIT_BYTES: u64 = 500 * 1024;

/// A text shorter than this, in bytes, stands in too much output by chance to be hidden.
const HIDDEN_FROM_BYTES: usize = 4;

/// What stands in the place of a secret.
const MASK: &[u8] = b"***";

/// Where a secret is, as `--secret` names it; buildx's spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretSource {
    /// The name by which steps find it.
    pub(crate) id: String,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Variable(String),
    /// The variable of the same name, else the file of the same name.
    Id,
}

impl FromStr for SecretSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut id, mut place, mut kind) = (None, None, None);
        for pair in text.split(',') {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("{pair:?} is not KEY=VALUE; write id=NAME,src=FILE"))?;
            match key {
                "id" => id = Some(value.to_owned()),
                "src" | "source" => place = Some(Place::File(PathBuf::from(value))),
                "env" => place = Some(Place::Variable(value.to_owned())),
                "type" if matches!(value, "file" | "env") => kind = Some(value.to_owned()),
                "type" => return Err(format!("there is no secret of type {value:?}; it is file or env")),
                _ => return Err(format!("a secret has no {key:?}; it has id, src, env and type")),
            }
        }
        let id = id.ok_or("the secret has no id; write id=NAME,src=FILE")?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if id.is_empty() || id.starts_with('.') || !id.bytes().all(fits) {
            return Err(format!(
                "the id {id:?} may hold only letters, digits, '_', '.' and '-', and not begin with '.'"
            ));
        }
        let place = match (place, kind.as_deref()) {
            // With a type, `src` names whatever that type has.
            (Some(Place::File(source)), Some("env")) => Place::Variable(source.display().to_string()),
            (Some(place), _) => place,
            (None, Some("env")) => Place::Variable(id.clone()),
            (None, Some(_)) => Place::File(PathBuf::from(&id)),
            (None, None) => Place::Id,
        };
        Ok(Self { id, place })
    }
}

/// Says why a secret cannot be had. The text holds nothing of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("secret {id}: {} cannot be read: {why}", path.display())]
    Unreadable { id: String, path: PathBuf, why: std::io::Error },
    #[error("secret {id}: there is neither a variable nor a file of that name; write id={id},src=FILE or env=VARIABLE")]
    Nowhere { id: String },
    #[error("secret {id}: the variable {variable} is not set")]
    Unset { id: String, variable: String },
    #[error("secret {id} is larger than {SECRET_LIMIT_BYTES} bytes")]
    TooLarge { id: String },
    #[error("secret {id} is given twice")]
    Twice { id: String },
}

/// Secrets by id. Its text for debugging holds none of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secrets(pub(crate) BTreeMap<String, Vec<u8>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// Reads every secret that is named.
    pub(crate) fn read(
        sources: &[SecretSource],
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SecretError> {
        let mut secrets = BTreeMap::new();
        for source in sources {
            let value = read(source, variable)?;
            if secrets.insert(source.id.clone(), value).is_some() {
                return Err(SecretError::Twice { id: source.id.clone() });
            }
        }
        Ok(Self(secrets))
    }

    /// Returns a digest of each that says nothing to whoever does not know `salt`.
    pub(crate) fn digests(&self, salt: &[u8]) -> BTreeMap<String, Digest> {
        let digest = |(id, value): (&String, &Vec<u8>)| {
            (id.clone(), Framed::new("secret").field(salt).field(id).field(value).finish())
        };
        self.0.iter().map(digest).collect()
    }
}

fn read(source: &SecretSource, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Vec<u8>, SecretError> {
    let id = source.id.clone();
    let file = |path: &PathBuf| {
        let failed = |why| SecretError::Unreadable { id: id.clone(), path: path.clone(), why };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        // It need not be a regular file, so what it says of its length means nothing.
        file.take(SECRET_LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    };
    let set = |name: &str| variable(name).map(|value| value.into_encoded_bytes());
    let value = match &source.place {
        Place::File(path) => file(path)?,
        Place::Variable(name) => {
            set(name).ok_or_else(|| SecretError::Unset { id: id.clone(), variable: name.clone() })?
        }
        Place::Id => match set(&source.id) {
            Some(value) => value,
            None if !Path::new(&source.id).exists() => return Err(SecretError::Nowhere { id }),
            None => file(&PathBuf::from(&source.id))?,
        },
    };
    if value.len() as u64 > SECRET_LIMIT_BYTES {
        return Err(SecretError::TooLarge { id });
    }
    Ok(value)
}

/// Hides secrets in output that comes in pieces.
#[derive(Default)]
pub(crate) struct Masker {
    hidden: Vec<Vec<u8>>,
    /// The end of each stream that may be the beginning of a secret.
    kept: BTreeMap<String, Vec<u8>>,
}

impl Masker {
    /// Hides every line of each secret.
    pub(crate) fn new(secrets: &Secrets) -> Self {
        let lines = secrets.0.values().flat_map(|value| value.split(|byte| *byte == b'\n' || *byte == b'\r'));
        let mut hidden: Vec<_> =
            lines.map(<[u8]>::trim_ascii).filter(|line| line.len() >= HIDDEN_FROM_BYTES).map(<[u8]>::to_vec).collect();
        // Of two of which one begins with the other, the longer one is hidden whole.
        hidden.sort_by_key(|line| std::cmp::Reverse(line.len()));
        Self { hidden, kept: BTreeMap::new() }
    }

    /// Says whether there is anything to hide.
    pub(crate) fn hides(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// Returns the streams of which something was kept back.
    pub(crate) fn streams(&self) -> Vec<String> {
        self.kept.iter().filter(|(_, kept)| !kept.is_empty()).map(|(stream, _)| stream.clone()).collect()
    }

    /// Returns what can be shown of `stream` now that `bytes` came.
    pub(crate) fn take(&mut self, stream: &str, bytes: &[u8]) -> Vec<u8> {
        if !self.hides() {
            return bytes.to_vec();
        }
        let mut all = self.kept.remove(stream).unwrap_or_default();
        all.extend_from_slice(bytes);
        let (shown, kept) = self.scan(&all, true);
        let kept = kept.to_vec();
        self.kept.insert(stream.to_owned(), kept);
        shown
    }

    /// Returns what was kept back of `stream`, which has ended.
    pub(crate) fn end(&mut self, stream: &str) -> Vec<u8> {
        self.kept.remove(stream).map(|kept| self.masked(&kept)).unwrap_or_default()
    }

    /// Returns `bytes` without the secrets in them.
    pub(crate) fn masked(&self, bytes: &[u8]) -> Vec<u8> {
        self.scan(bytes, false).0
    }

    /// Returns what can be shown of `bytes`, and the end that must wait because more may follow.
    fn scan<'a>(&self, bytes: &'a [u8], more_may_follow: bool) -> (Vec<u8>, &'a [u8]) {
        let mut shown = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            let is_cut = |line: &Vec<u8>| rest.len() < line.len() && line.starts_with(rest);
            if more_may_follow && self.hidden.iter().any(is_cut) {
                break;
            }
            match self.hidden.iter().find(|line| rest.starts_with(line)) {
                Some(line) => {
                    shown.extend_from_slice(MASK);
                    rest = &rest[line.len()..];
                }
                None => {
                    shown.push(*first);
                    rest = behind;
                }
            }
        }
        (shown, rest)
    }

    /// Returns `text` without the secrets in it.
    pub(crate) fn masked_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.masked(text.as_bytes())).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn source(text: &str) -> Result<SecretSource, String> {
        text.parse()
    }

    fn secrets(values: &[&str]) -> Secrets {
        let numbered = values.iter().enumerate();
        Secrets(numbered.map(|(at, value)| (format!("s{at}"), value.as_bytes().to_vec())).collect())
    }

    #[test]
    fn a_secret_is_named_as_buildx_has_it() {
        let place = |text| source(text).unwrap().place;
        assert_eq!(place("id=npm,src=/x/.npmrc"), Place::File("/x/.npmrc".into()));
        assert_eq!(place("id=npm,source=token"), Place::File("token".into()));
        assert_eq!(place("id=npm,env=NPM_TOKEN"), Place::Variable("NPM_TOKEN".to_owned()));
        assert_eq!(place("type=env,id=NPM_TOKEN"), Place::Variable("NPM_TOKEN".to_owned()));
        assert_eq!(place("type=env,id=npm,src=NPM_TOKEN"), Place::Variable("NPM_TOKEN".to_owned()));
        assert_eq!(place("id=npm"), Place::Id);
    }

    #[test]
    fn a_mistake_in_a_secret_is_told() {
        insta::assert_snapshot!(source("npm").unwrap_err(), @r#""npm" is not KEY=VALUE; write id=NAME,src=FILE"#);
        insta::assert_snapshot!(source("src=x").unwrap_err(), @"the secret has no id; write id=NAME,src=FILE");
        insta::assert_snapshot!(source("id=../x,src=y").unwrap_err(), @r#"the id "../x" may hold only letters, digits, '_', '.' and '-', and not begin with '.'"#);
        insta::assert_snapshot!(source("id=x,type=vault").unwrap_err(), @r#"there is no secret of type "vault"; it is file or env"#);
        insta::assert_snapshot!(source("id=x,mode=0400").unwrap_err(), @r#"a secret has no "mode"; it has id, src, env and type"#);
    }

    #[test]
    fn a_secret_is_read_from_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "from a file").unwrap();
        let variable = |name: &str| (name == "TOKEN").then(|| OsString::from("from a variable"));
        let read = |text: &str| Secrets::read(&[source(text).unwrap()], &variable);
        let value = |text: &str| read(text).unwrap().0.into_values().next().unwrap();
        assert_eq!(value(&format!("id=a,src={}", path.display())), b"from a file");
        assert_eq!(value("id=a,env=TOKEN"), b"from a variable");
        assert_eq!(value("id=TOKEN"), b"from a variable");
        assert!(matches!(read("id=a,env=OTHER"), Err(SecretError::Unset { .. })));
        assert!(matches!(read("id=a,src=/nowhere/at/all"), Err(SecretError::Unreadable { .. })));
        assert!(matches!(read("id=nowhere-at-all"), Err(SecretError::Nowhere { .. })));
        assert!(matches!(read("id=a,src=/dev/zero"), Err(SecretError::TooLarge { .. })));
        fs::write(&path, vec![b'x'; SECRET_LIMIT_BYTES as usize + 1]).unwrap();
        assert!(matches!(read(&format!("id=a,src={}", path.display())), Err(SecretError::TooLarge { .. })));
        let twice = [source("id=TOKEN").unwrap(), source("id=TOKEN").unwrap()];
        assert!(matches!(Secrets::read(&twice, &variable), Err(SecretError::Twice { .. })));
    }

    #[test]
    fn a_digest_depends_on_the_salt_and_the_id() {
        let secrets = secrets(&["same", "same"]);
        let (one, two) = (secrets.digests(b"1"), secrets.digests(b"2"));
        assert!(one["s0"] != one["s1"] && one["s0"] != two["s0"]);
        assert_eq!(one, secrets.digests(b"1"));
        assert!(!format!("{secrets:?}").contains("same"));
    }

    #[test]
    fn a_secret_is_hidden_however_the_output_is_cut() {
        let masker = || Masker::new(&secrets(&["s3cret-token\n", "s3cret", "abc"]));
        let text = b"before s3cret-token s3cret abc s3cre";
        for cut in 0..text.len() {
            let mut masker = masker();
            let mut shown = masker.take("x", &text[..cut]);
            assert!(masker.take("y", b"other ").starts_with(b"other"));
            shown.extend(masker.take("x", &text[cut..]));
            shown.extend(masker.end("x"));
            let shown = String::from_utf8(shown).unwrap();
            assert!(!shown.contains("s3cret") && !shown.contains("-tok"), "{cut}: {shown}");
            assert!(shown.starts_with("before ***") && shown.ends_with(" abc s3cre"), "{cut}: {shown}");
        }
        assert_eq!(masker().masked_text("a s3cret-token b"), "a *** b");
    }

    #[test]
    fn without_secrets_everything_is_shown_at_once() {
        assert_eq!(Masker::default().take("x", b"abc"), b"abc");
    }
}
