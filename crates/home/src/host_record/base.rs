//! What the host tool keeps of a base that was built here.

use domain::definition::WrittenRef;
use domain::digest::Digest;
use domain::image::ImageRef;
use domain::name::BaseName;
use serde::{Deserialize, Serialize};
use serde_saphyr::DoubleQuoted;

use super::{read, to_yaml};
use crate::error::DiskError;
use crate::layout::Home;
use crate::replace::Prepared;

/// What the host tool wants to know of a base.
#[derive(Debug, Clone, Copy)]
pub struct HostBase<'a> {
    /// The base.
    pub base: &'a BaseName,
    /// The image's name.
    pub image: &'a ImageRef,
    /// The root image as the definition has it; the host tool compares the texts.
    pub from_image: &'a WrittenRef,
    /// The root image's digest at its registry, if it is known.
    pub from_image_digest: Option<Digest>,
}

/// The keys as the host tool writes them, in its order; quoted as those of final images are.
#[derive(Serialize)]
struct Written<'a> {
    base: DoubleQuoted<&'a str>,
    built_at: DoubleQuoted<&'a str>,
    from_image: DoubleQuoted<&'a str>,
    from_image_digest: DoubleQuoted<&'a str>,
    image_ref: DoubleQuoted<&'a str>,
}

/// The keys that the host tool compares.
#[derive(Deserialize)]
struct Read {
    from_image: String,
    from_image_digest: String,
}

/// Prepares the host tool's file for a base that was built at `built_at`.
///
/// # Errors
/// [`DiskError`] when the file cannot be written; the one before is then still there.
pub fn prepare_base(home: &Home, base: &HostBase<'_>, built_at: &str) -> Result<Prepared, DiskError> {
    let digest = base.from_image_digest.map(|digest| digest.to_string()).unwrap_or_default();
    let text = to_yaml(&Written {
        base: DoubleQuoted(base.base.as_str()),
        built_at: DoubleQuoted(built_at),
        from_image: DoubleQuoted(base.from_image.as_str()),
        from_image_digest: DoubleQuoted(&digest),
        image_ref: DoubleQuoted(&base.image.familiar()),
    });
    Prepared::new(&home.host_base_record(base.base), text.into_bytes())
}

/// Says whether the host tool's file makes it take the base for current.
///
/// Without a digest that is known now, the one in the file may be any, as the host tool has it.
pub fn base_fits(home: &Home, base: &HostBase<'_>) -> bool {
    read::<Read>(&home.host_base_record(base.base)).is_some_and(|read| {
        read.from_image == base.from_image.as_str()
            && base.from_image_digest.is_none_or(|digest| read.from_image_digest == digest.to_string())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn fits_after(write: impl Fn(&Home, &HostBase<'_>), now: Option<Digest>, from_image: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("root"), folder.path().join("custom"));
        let (name, image) = (BaseName::parse("mine").unwrap(), "aicage-image-base:mine".parse().unwrap());
        let was: WrittenRef = "debian:12".parse::<ImageRef>().unwrap().into();
        let is: WrittenRef = from_image.parse::<ImageRef>().unwrap().into();
        let base = HostBase { base: &name, image: &image, from_image: &was, from_image_digest: Some(Digest::of(b"1")) };
        write(&home, &base);
        base_fits(&home, &HostBase { from_image: &is, from_image_digest: now, ..base })
    }

    fn store(home: &Home, base: &HostBase<'_>) {
        prepare_base(home, base, "2026-11-21T07:00:00.000000+00:00").unwrap().put().unwrap();
    }

    #[test]
    fn every_value_is_quoted_and_every_key_in_order() {
        let write = |home: &Home, base: &HostBase<'_>| {
            let base = HostBase { from_image_digest: None, ..*base };
            store(home, &base);
            insta::assert_snapshot!(fs::read_to_string(home.host_base_record(base.base)).unwrap(), @r#"
            base: "mine"
            built_at: "2026-11-21T07:00:00.000000+00:00"
            from_image: "debian:12"
            from_image_digest: ""
            image_ref: "aicage-image-base:mine"
            "#);
        };
        assert!(fits_after(write, None, "debian:12"));
    }

    #[test]
    fn it_fits_its_root_image_and_no_other() {
        assert!(fits_after(store, Some(Digest::of(b"1")), "debian:12"));
        assert!(fits_after(store, None, "debian:12"));
        assert!(!fits_after(store, Some(Digest::of(b"2")), "debian:12"));
        assert!(!fits_after(store, Some(Digest::of(b"1")), "debian:13"));
    }

    #[test]
    fn what_cannot_be_read_does_not_fit() {
        assert!(!fits_after(|_, _| {}, None, "debian:12"));
        for text in ["", "from_image: [", "from_image: debian:12\n", "from_image: debian:12\nfrom_image_digest: 1.0\n"]
        {
            let write = |home: &Home, base: &HostBase<'_>| {
                store(home, base);
                fs::write(home.host_base_record(base.base), text).unwrap();
            };
            assert!(!fits_after(write, None, "debian:12"), "{text}");
        }
    }
}
