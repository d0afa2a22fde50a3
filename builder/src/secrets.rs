//! Secrets that extensions may see: read, told apart by a salted digest, and kept out of everything that is shown.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use console::masking::credentials;
use domain::digest::{Digest, Framed};

/// The largest secret that the engines take, in bytes (BuildKit, `session/secrets`, `MaxSecretSize`).
pub(crate) const SECRET_LIMIT_BYTES: u64 = 500 * 1024;

/// A part of a line shorter than this, in bytes, is a word.
const PART_FROM_BYTES: usize = 8;

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

    /// Returns every text that may not be shown.
    pub(crate) fn texts(&self) -> Vec<Vec<u8>> {
        let lines = self.0.values().flat_map(|value| value.split(|byte| matches!(byte, b'\n' | b'\r')));
        let of_line = |line: &[u8]| match std::str::from_utf8(line) {
            Ok(line) => texts_of(line),
            Err(_) => vec![line.to_vec()],
        };
        lines.map(<[u8]>::trim_ascii).flat_map(of_line).collect()
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

/// Returns what may not be shown of one line of a secret: the line, what follows its first `=`, and its last word where that
/// is long, as in `//registry/:_authToken=…`, `machine x login y password …`, `token: …` and `"auth": "…"`.
fn texts_of(line: &str) -> Vec<Vec<u8>> {
    let is_between = |letter: char| letter.is_whitespace() || "=:\"',;{}[]()".contains(letter);
    let value = line.split_once('=').map(|(_, value)| value.trim_matches(is_between));
    let last = line.trim_end_matches(is_between).rsplit(is_between).next();
    let is_long = |text: &&str| text.len() >= PART_FROM_BYTES;
    let mut texts = vec![line.as_bytes().to_vec()];
    texts.extend(value.into_iter().chain(last).filter(is_long).map(|text| text.as_bytes().to_vec()));
    texts.extend(credentials(line));
    texts
}

#[cfg(test)]
mod tests {
    use std::fs;

    use console::masking::Hidden;

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
    fn the_token_within_a_line_is_hidden_as_the_line_is() {
        let shown = |secret: &str, text: &str| Hidden::new(secrets(&[secret]).texts()).mask(text);
        let npmrc = "//npm.example/:_authToken=npm_T0PSECRET=\nalways-auth=true\n";
        assert_eq!(shown(npmrc, "npm_T0PSECRET= npm_T0PSECRET npm.example true"), "***= *** npm.example true");
        assert_eq!(shown("machine npm.example login me password hunter2-long\n", "hunter2-long me"), "*** me");
        assert_eq!(shown("{\n  \"token\": \"abcdefgh\",\n}\n", "abcdefgh"), "***");
        assert_eq!(shown("https://me:hunter2@git.example\n", "hunter2 git.example"), "*** git.example");
        assert_eq!(shown("-----BEGIN\r\nc2VjcmV0\r\nabc\r\n", "c2VjcmV0 abc"), "*** abc");
    }
}
