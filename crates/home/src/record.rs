//! This program's own records, one JSON document per image.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use domain::recipe::ImageKind;
use domain::record::Record;
use domain::world::RecordFact;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{DiskError, failed};
use crate::layout::{Home, ImageKey};
use crate::replace::Prepared;
use crate::time;

/// The shape of the documents that this program reads and writes.
const RECORD_FORMAT: u32 = 2;

/// The largest record that is read, in bytes. A definition of 10,000 files makes some 2 MB.
const RECORD_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// How many damaged files of one second are kept apart.
const DAMAGED_LIMIT: u32 = 1000;

#[derive(Serialize)]
struct Writing<'a> {
    format: u32,
    record: &'a Record,
}

#[derive(Deserialize)]
struct Reading {
    record: Record,
}

/// Only what must be known before the rest of a document may be understood.
#[derive(Deserialize)]
struct AnyFormat {
    format: serde_json::Value,
}

/// Reads the record of an image.
pub fn load_record(home: &Home, kind: ImageKind, key: &ImageKey) -> RecordFact {
    load(&home.record(kind, key))
}

/// Prepares the record of an image that is to take the place of the one before.
///
/// A file that cannot be read as a record is never overwritten: it is moved aside, and its new path returned.
///
/// # Errors
/// [`DiskError`] when the file cannot be written or a damaged one not be moved; what was there before is then still
/// there.
pub fn prepare_record(
    home: &Home,
    key: &ImageKey,
    record: &Record,
    now: Timestamp,
) -> Result<(Prepared, Option<PathBuf>), DiskError> {
    let path = home.record(record.kind, key);
    let document = Writing { format: RECORD_FORMAT, record };
    let mut bytes = serde_json::to_vec_pretty(&document).expect("a record has only text keys and finite values");
    bytes.push(b'\n');
    let prepared = Prepared::new(&path, bytes)?;
    let aside = match load(&path) {
        RecordFact::Damaged(_) => Some(move_aside(&path, now)?),
        RecordFact::Missing | RecordFact::Found(_) => None,
    };
    Ok((prepared, aside))
}

/// Returns every record, ordered by kind and file name; what cannot be read is told and never missing.
pub fn list_records(home: &Home) -> Vec<RecordFact> {
    let kinds = [ImageKind::Base, ImageKind::Final, ImageKind::Extended];
    kinds.iter().flat_map(|kind| records_in(&home.records(*kind))).collect()
}

fn records_in(folder: &Path) -> Vec<RecordFact> {
    let damaged = |error: io::Error| vec![RecordFact::Damaged(format!("{}: {error}", folder.display()))];
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => return damaged(error),
    };
    let mut paths = match entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>() {
        Ok(paths) => paths,
        Err(error) => return damaged(error),
    };
    // Beside the records are those that were set aside, and files of a run that is writing one.
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    paths.iter().map(|path| load(path)).filter(|fact| *fact != RecordFact::Missing).collect()
}

fn load(path: &Path) -> RecordFact {
    let damaged = |why: String| RecordFact::Damaged(format!("{}: {why}", path.display()));
    match read(path) {
        Ok(bytes) => parse(&bytes).map_or_else(damaged, |record| RecordFact::Found(Box::new(record))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => RecordFact::Missing,
        Err(error) => damaged(error.to_string()),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(RECORD_LIMIT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > RECORD_LIMIT_BYTES {
        return Err(io::Error::other(format!("larger than {RECORD_LIMIT_BYTES} bytes")));
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Record, String> {
    let any: AnyFormat = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if any.format != RECORD_FORMAT {
        return Err(format!("format {} is not the one this program knows, {RECORD_FORMAT}", any.format));
    }
    let document: Reading = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(document.record)
}

fn move_aside(path: &Path, now: Timestamp) -> Result<PathBuf, DiskError> {
    let name = format!("{}.damaged-{}", path.file_name().unwrap_or_default().to_string_lossy(), time::file_stamp(now));
    let free = (1..DAMAGED_LIMIT)
        .map(|count| if count == 1 { name.clone() } else { format!("{name}-{count}") })
        .map(|name| path.with_file_name(name))
        .find(|aside| fs::symlink_metadata(aside).is_err())
        .unwrap_or_else(|| path.with_file_name(&name));
    fs::rename(path, &free).map_err(failed("move aside", path))?;
    Ok(free)
}

#[cfg(test)]
mod tests {
    use domain::digest::Digest;
    use domain::files::{FileEntry, FileKind, FileSet};
    use domain::name::{AgentName, BaseName};
    use domain::recipe::BaseIdentity;
    use domain::record::{RecordedLayer, VersionOrigin};
    use domain::version::{AgentVersion, Venue};

    use super::*;

    fn record() -> Record {
        let digest = Digest::of(b"x");
        Record {
            kind: ImageKind::Final,
            agent: Some(AgentName::parse("codex").unwrap()),
            base_name: BaseName::parse("debian").unwrap(),
            image: "aicage:codex-debian".parse().unwrap(),
            image_id: "sha256:1".to_owned(),
            recipe_hash: digest,
            version: Some(AgentVersion::parse("1.10").unwrap()),
            version_origin: Some(VersionOrigin::Found(Venue::Host)),
            base_image: "debian:bookworm".parse().unwrap(),
            base: BaseIdentity::Manifest(digest),
            layers: vec![RecordedLayer {
                key: "agent/codex".to_owned(),
                files: FileSet(vec![FileEntry {
                    path: "install.sh".to_owned(),
                    mode: 0o755,
                    kind: FileKind::File { digest },
                }]),
            }],
            built_at: "2026-11-21T07:00:00.000000+00:00".to_owned(),
            log: Some("logs/image/build/x.log".to_owned()),
            builder_version: "0.1.0".to_owned(),
        }
    }

    fn now() -> Timestamp {
        "2026-11-21T07:00:00Z".parse().unwrap()
    }

    fn settled() -> (tempfile::TempDir, Home, ImageKey) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("root"), folder.path().join("custom"));
        (folder, home, ImageKey::of(&record().image))
    }

    fn store(home: &Home, key: &ImageKey, record: &Record, now: Timestamp) -> Option<PathBuf> {
        let (prepared, aside) = prepare_record(home, key, record, now).unwrap();
        prepared.put().unwrap();
        aside
    }

    #[test]
    fn a_record_reads_back_as_written() {
        let (_folder, home, key) = settled();
        assert_eq!(load_record(&home, ImageKind::Final, &key), RecordFact::Missing);
        assert_eq!(store(&home, &key, &record(), now()), None);
        assert_eq!(load_record(&home, ImageKind::Final, &key), RecordFact::Found(Box::new(record())));
    }

    #[test]
    fn a_chosen_version_and_a_local_base_read_back_too() {
        let (_folder, home, key) = settled();
        let record = Record {
            version_origin: Some(VersionOrigin::Chosen),
            base: BaseIdentity::Content(Digest::of(b"y")),
            log: None,
            ..record()
        };
        store(&home, &key, &record, now());
        assert_eq!(load_record(&home, ImageKind::Final, &key), RecordFact::Found(Box::new(record)));
    }

    #[test]
    fn damage_is_said_aloud_and_kept() {
        let (_folder, home, key) = settled();
        let path = home.record(ImageKind::Final, &key);
        for (text, why) in [
            ("{\"format\": 2", "EOF while parsing an object at line 1 column 12"),
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{\"format\": 1, \"record\": {}}", "format 1 is not the one this program knows, 2"),
            ("{\"format\": \"1\"}", "format \"1\" is not the one this program knows, 2"),
            ("{\"format\": 2, \"record\": {}}", "missing field `kind` at line 1 column 26"),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            assert_eq!(
                load_record(&home, ImageKind::Final, &key),
                RecordFact::Damaged(format!("{}: {why}", path.display()))
            );
            let aside = store(&home, &key, &record(), now()).unwrap();
            assert_eq!(fs::read_to_string(aside).unwrap(), text);
            assert_eq!(load_record(&home, ImageKind::Final, &key), RecordFact::Found(Box::new(record())));
        }
        let mut names: Vec<_> = fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(key.as_str(), "KEY"))
            .collect();
        names.sort();
        insta::assert_snapshot!(names.join("\n"), @"
        KEY.json
        KEY.json.damaged-20261121T070000Z
        KEY.json.damaged-20261121T070000Z-2
        KEY.json.damaged-20261121T070000Z-3
        KEY.json.damaged-20261121T070000Z-4
        KEY.json.damaged-20261121T070000Z-5
        ");
    }

    #[test]
    fn a_folder_in_the_way_is_moved_aside() {
        let (_folder, home, key) = settled();
        fs::create_dir_all(home.record(ImageKind::Final, &key)).unwrap();
        assert!(matches!(load_record(&home, ImageKind::Final, &key), RecordFact::Damaged(_)));
        assert!(store(&home, &key, &record(), now()).unwrap().is_dir());
        assert!(matches!(load_record(&home, ImageKind::Final, &key), RecordFact::Found(_)));
    }

    #[test]
    fn every_torn_record_is_damaged_and_none_is_believed() {
        let (_folder, home, key) = settled();
        store(&home, &key, &record(), now());
        let whole = fs::read(home.record(ImageKind::Final, &key)).unwrap();
        for length in 0..whole.len() - 2 {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn all_records_are_listed_and_damage_among_them() {
        let (_folder, home, key) = settled();
        assert_eq!(list_records(&home), []);
        let extended = Record { kind: ImageKind::Extended, ..record() };
        store(&home, &key, &extended, now());
        store(&home, &key, &record(), now());
        let folder = home.records(ImageKind::Final);
        fs::write(folder.join("a.json"), "{").unwrap();
        fs::write(folder.join("b.json.damaged-1"), "{").unwrap();
        let listed = list_records(&home);
        assert!(matches!(&listed[0], RecordFact::Damaged(why) if why.contains("a.json")), "{listed:?}");
        let found = |record| RecordFact::Found(Box::new(record));
        assert_eq!(listed[1..], [found(record()), found(extended)]);
    }

    #[test]
    fn each_kind_of_image_has_records_of_its_own() {
        let (_folder, home, key) = settled();
        let record = Record { kind: ImageKind::Extended, ..record() };
        store(&home, &key, &record, now());
        assert_eq!(load_record(&home, ImageKind::Extended, &key), RecordFact::Found(Box::new(record)));
        assert_eq!(load_record(&home, ImageKind::Base, &key), RecordFact::Missing);
        assert_eq!(load_record(&home, ImageKind::Final, &key), RecordFact::Missing);
    }
}
