//! The files in which the host tool keeps what it knows of images, so that after a build of ours it finds nothing left
//! to do. Here are those of final images; beneath are those of bases and extended images.

mod base;
mod extended;

use std::fs;
use std::path::Path;

use domain::image::ImageRef;
use domain::name::{AgentName, BaseName};
use domain::recipe::BaseIdentity;
use domain::record::Record;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_saphyr::DoubleQuoted;

use crate::error::DiskError;
use crate::layout::Home;
use crate::replace::Prepared;

pub use base::{HostBase, base_fits, prepare_base};
pub use extended::{HostExtended, extended_fits, prepare_extended};

/// The largest file of the host tool's that is read, in bytes. Real ones have some 400.
const HOST_RECORD_LIMIT_BYTES: u64 = 64 * 1024;

/// The keys as the host tool writes them, in its order.
///
/// Every value is quoted: the host tool reads YAML 1.1, where a bare `1.10` is the number 1.1.
#[derive(Serialize)]
struct Written<'a> {
    agent: DoubleQuoted<&'a str>,
    agent_version: DoubleQuoted<&'a str>,
    base: DoubleQuoted<&'a str>,
    base_image: DoubleQuoted<&'a str>,
    built_at: DoubleQuoted<&'a str>,
    image_id: DoubleQuoted<&'a str>,
    image_ref: DoubleQuoted<&'a str>,
}

/// The keys that the host tool compares or names the image by.
#[derive(Deserialize)]
struct Read {
    agent: String,
    agent_version: String,
    base: String,
    image_id: String,
    image_ref: String,
}

/// Prepares the host tool's file for the image of `record`.
///
/// # Errors
/// [`DiskError`] when the file cannot be written; the one before is then still there.
pub fn prepare(home: &Home, record: &Record) -> Result<Prepared, DiskError> {
    let base_image = match record.base {
        BaseIdentity::Manifest(digest) => record.base_image.pinned(digest),
        BaseIdentity::Content(_) => record.base_image.clone(),
    };
    let (base_image, image_ref) = (base_image.familiar(), record.image.familiar());
    let agent = record.agent.as_ref().expect("a final image has an agent");
    let version = record.version.as_ref().expect("a final image has a version");
    let text = to_yaml(&Written {
        agent: DoubleQuoted(agent.as_str()),
        agent_version: DoubleQuoted(version.as_str()),
        base: DoubleQuoted(record.base_name.as_str()),
        base_image: DoubleQuoted(&base_image),
        built_at: DoubleQuoted(&record.built_at),
        image_id: DoubleQuoted(&record.image_id),
        image_ref: DoubleQuoted(&image_ref),
    });
    Prepared::new(&home.host_record(agent, &record.base_name), text.into_bytes())
}

fn to_yaml(written: &impl Serialize) -> String {
    serde_saphyr::to_string(written).expect("a struct of strings and lists of them is always YAML")
}

/// Reads one of the host tool's files; `None` when it is missing, damaged or large.
fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let small = fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= HOST_RECORD_LIMIT_BYTES);
    from_yaml(&small.then(|| fs::read_to_string(path).ok()).flatten()?)
}

/// Says whether the host tool's file makes it take the image `image_id` with `version` for current.
///
/// A file that is missing, damaged, or holds a value that YAML 1.1 does not read as text does not fit.
pub fn fits(home: &Home, agent: &AgentName, base: &BaseName, image: &ImageRef, image_id: &str, version: &str) -> bool {
    let Some(read) = read::<Read>(&home.host_record(agent, base)) else {
        return false;
    };
    read.agent == agent.as_str()
        && read.agent_version == version
        && read.base == base.as_str()
        && read.image_id == image_id
        && read.image_ref == image.familiar()
}

fn from_yaml<T: DeserializeOwned>(text: &str) -> Option<T> {
    let options = serde_saphyr::options! { no_schema: true };
    serde_saphyr::from_str_with_options(text, options).ok()
}

#[cfg(test)]
mod tests;
