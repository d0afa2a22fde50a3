//! Bases.

use domain::definition::{BASE_FILES, Base, BaseMetadata, DOCKERFILE, Origin};
use domain::name::BaseName;

use super::Roots;
use super::error::{Kind, LoadError};
use super::find::{find, not_found, read_metadata};

/// Loads the definition of one base from the first root that has a folder of its name; `None` when no root has one: a
/// published base needs none here.
///
/// The whole definition comes from there, also when a later root has one of the same name. The folder may be a link.
///
/// # Errors
/// [`LoadError`] when the metadata is missing or wrong, or a base of the user's own has no `Dockerfile`.
pub fn load_base(roots: &Roots, base: &BaseName) -> Result<Option<Base>, LoadError> {
    let Some(found) = find(roots, Kind::Base, base.as_str())? else { return Ok(None) };
    let metadata_file = found.metadata_file(BASE_FILES, BASE_FILES[1])?;
    let (bytes, file) = read_metadata(&found.folder, metadata_file)?;
    let metadata = BaseMetadata::parse(&bytes, &file)?;
    let has_dockerfile = found.has_file(DOCKERFILE)?;
    if found.origin == Origin::User && !has_dockerfile {
        return Err(found.missing(DOCKERFILE));
    }
    Ok(Some(Base {
        name: base.clone(),
        origin: found.origin,
        folder: found.folder,
        metadata_file: metadata_file.to_owned(),
        metadata,
        has_dockerfile,
    }))
}

/// Returns the error that says that `base` is not defined anywhere, and which bases are; for where one must be.
pub fn base_not_found(roots: &Roots, base: &BaseName) -> LoadError {
    not_found(roots, Kind::Base, base.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::settled::{Settled, settled};
    use super::*;

    const GOOD: &str = "from_image: debian\nbase_image_distro: Debian\nbase_image_description: Stable\n";

    fn load(home: &Settled, base: &str) -> Result<Option<Base>, LoadError> {
        load_base(&home.roots, &BaseName::parse(base).unwrap())
    }

    fn with_base(folder: &str) -> Settled {
        let home = settled();
        home.write(&format!("{folder}/base.yml"), GOOD);
        home.write(&format!("{folder}/Dockerfile"), "ARG FROM_IMAGE\nFROM ${FROM_IMAGE}\n");
        home
    }

    #[test]
    fn a_base_is_found_in_every_layout_and_the_users_own_wins() {
        let home = settled();
        assert_eq!(load(&home, "mine").unwrap(), None);
        for (folder, distro, origin) in [
            ("packaged/base-build/bases/mine", "A", Origin::Packaged),
            ("packaged/bases/mine", "B", Origin::Packaged),
            ("root/custom/image-base/mine", "C", Origin::User),
            ("custom/base-images/mine", "D", Origin::User),
        ] {
            home.write(&format!("{folder}/base.yml"), &GOOD.replace("Debian", distro));
            home.write(&format!("{folder}/Dockerfile"), "");
            let base = load(&home, "mine").unwrap().unwrap();
            assert_eq!((base.metadata.base_image_distro.as_str(), base.origin), (distro, origin));
        }
    }

    #[test]
    fn the_longer_spelling_of_the_metadata_file_wins() {
        let home = with_base("custom/base-images/mine");
        assert_eq!(load(&home, "mine").unwrap().unwrap().metadata_file, "base.yml");
        home.write("custom/base-images/mine/base.yaml", GOOD);
        assert_eq!(load(&home, "mine").unwrap().unwrap().metadata_file, "base.yaml");
    }

    #[test]
    fn only_the_users_own_must_have_a_dockerfile() {
        let home = settled();
        home.write("custom/base-images/mine/base.yml", GOOD);
        home.write("packaged/bases/published/base.yml", GOOD);
        insta::assert_snapshot!(home.told(&load(&home, "mine").unwrap_err()), @"base mine has no Dockerfile in [HOME]/custom/base-images/mine");
        assert!(!load(&home, "published").unwrap().unwrap().has_dockerfile);
        home.write("custom/base-images/mine/Dockerfile/x", "");
        insta::assert_snapshot!(home.told(&load(&home, "mine").unwrap_err()), @"[HOME]/custom/base-images/mine/Dockerfile is not a regular file");
    }

    #[test]
    fn a_mistake_names_the_users_own_file_although_a_packaged_one_is_right() {
        let home = with_base("packaged/bases/mine");
        home.write("custom/base-images/mine/base.yml", "from_image: debian\n");
        insta::assert_snapshot!(home.told(&load(&home, "mine").unwrap_err()), @"[HOME]/custom/base-images/mine/base.yml:1:1: missing field `base_image_distro`");
    }

    #[test]
    fn names_that_are_one_in_lower_case_are_refused_when_asked_for() {
        let home = with_base("custom/base-images/mine");
        home.write("custom/base-images/Mine/base.yml", GOOD);
        home.write("custom/base-images/other/base.yml", GOOD);
        home.write("custom/base-images/other/Dockerfile", "");
        home.write("packaged/bases/OTHER/base.yml", GOOD);
        insta::assert_snapshot!(home.told(&load(&home, "mine").unwrap_err()), @"
        bases mine and Mine in [HOME]/custom/base-images differ only in case, and images are named in lower case
        hint: rename one of the two folders
        ");
        assert!(load(&home, "Mine").is_err());
        assert!(load(&home, "other").is_ok());
    }

    #[test]
    fn who_needs_a_base_is_told_which_there_are() {
        let home = with_base("custom/base-images/debian-dev");
        let base = BaseName::parse("debian-def").unwrap();
        insta::assert_snapshot!(home.told(&base_not_found(&home.roots, &base)), @"
        base debian-def is not defined in [HOME]/custom/base-images, [HOME]/root/custom/image-base, [HOME]/packaged/bases, [HOME]/packaged/base-build/bases
        hint: did you mean debian-dev?
        ");
    }
}
