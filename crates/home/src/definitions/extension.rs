//! Extensions.

use std::fs;
use std::path::Path;

use domain::definition::{
    DOCKERFILE, EXTENSION_FILES, Extension, ExtensionKind, ExtensionMetadata, SCRIPT_SUFFIX, SCRIPTS_FOLDER,
};
use domain::name::ExtensionName;

use super::Roots;
use super::error::{Kind, LoadError, unreadable};
use super::find::{find, is_absence, not_found, read_metadata};

/// Loads the definition of one extension from the first root that has a folder of its name. The folder may be a link.
///
/// # Errors
/// [`LoadError`] when no root has it, the metadata is missing or wrong, or it would do nothing at all.
pub fn load_extension(roots: &Roots, extension: &ExtensionName) -> Result<Extension, LoadError> {
    let Some(found) = find(roots, Kind::Extension, extension.as_str())? else {
        return Err(not_found(roots, Kind::Extension, extension.as_str()));
    };
    let metadata_file = found.metadata_file(EXTENSION_FILES, EXTENSION_FILES[1])?;
    let (bytes, file) = read_metadata(&found.folder, metadata_file)?;
    let metadata = ExtensionMetadata::parse(&bytes, &file)?;
    let kind = if found.has_file(DOCKERFILE)? {
        ExtensionKind::Dockerfile
    } else if has_script(&found.folder.join(SCRIPTS_FOLDER))? {
        ExtensionKind::Scripts
    } else if metadata.shares.is_empty() {
        return Err(LoadError::Empty { name: extension.clone(), folder: found.folder });
    } else {
        ExtensionKind::SharesOnly
    };
    Ok(Extension {
        name: extension.clone(),
        folder: found.folder,
        metadata_file: metadata_file.to_owned(),
        metadata,
        kind,
    })
}

/// Says whether a folder has a script. A hidden file is none: the shell that runs them does not see it.
fn has_script(folder: &Path) -> Result<bool, LoadError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(false),
        Err(error) => return Err(unreadable(folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(unreadable(folder))?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.ends_with(SCRIPT_SUFFIX.as_bytes()) && !name.starts_with(b".") && entry.path().is_file() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::settled::{Settled, settled};
    use super::*;

    const GOOD: &str = "name: act\ndescription: Runs workflows\n";

    fn load(home: &Settled, extension: &str) -> Result<Extension, LoadError> {
        load_extension(&home.roots, &ExtensionName::parse(extension).unwrap())
    }

    fn mistake(home: &Settled, extension: &str) -> String {
        home.told(&load(home, extension).unwrap_err())
    }

    #[test]
    fn an_extension_is_found_in_every_layout() {
        for folder in ["custom/extensions", "root/custom/extensions", "root/custom/extension"] {
            let home = settled();
            home.write(&format!("{folder}/act/extension.yml"), GOOD);
            home.write(&format!("{folder}/act/scripts/01-act.sh"), "");
            assert_eq!(load(&home, "act").unwrap().folder, home.path(&format!("{folder}/act")));
        }
    }

    #[test]
    fn what_a_definition_holds_says_how_it_is_installed() {
        let home = settled();
        home.write("custom/extensions/act/extension.yml", GOOD);
        for nothing in ["scripts/README", "scripts/.hidden.sh", "scripts/folder.sh/x"] {
            home.write(&format!("custom/extensions/act/{nothing}"), "");
            insta::allow_duplicates! {
                insta::assert_snapshot!(mistake(&home, "act"), @"
                extension act has no script in scripts/, no Dockerfile and no shares in [HOME]/custom/extensions/act
                hint: put a script such as scripts/01-install.sh into it
                ");
            }
        }
        home.write("custom/extensions/act/extension.yml", &format!("{GOOD}shares: [~/.act]\n"));
        assert_eq!(load(&home, "act").unwrap().kind, ExtensionKind::SharesOnly);
        home.write("custom/extensions/act/scripts/01-act.sh", "");
        assert_eq!(load(&home, "act").unwrap().kind, ExtensionKind::Scripts);
        home.write("custom/extensions/act/Dockerfile", "");
        assert_eq!(load(&home, "act").unwrap().kind, ExtensionKind::Dockerfile);
    }

    #[test]
    fn an_unknown_extension_is_answered_with_the_places_and_the_names_there_are() {
        let home = settled();
        insta::assert_snapshot!(mistake(&home, "act"), @"
        extension act is not defined in [HOME]/custom/extensions, [HOME]/root/custom/extensions, [HOME]/root/custom/extension
        hint: there are no extensions in these folders
        ");
        home.write("custom/extensions/act/extension.yml", "[");
        insta::assert_snapshot!(mistake(&home, "actt"), @"
        extension actt is not defined in [HOME]/custom/extensions, [HOME]/root/custom/extensions, [HOME]/root/custom/extension
        hint: did you mean act?
        ");
    }

    #[test]
    fn the_metadata_must_be_the_definitions_own_file() {
        let home = settled();
        let folder = home.path("custom/extensions/act");
        fs::create_dir_all(&folder).unwrap();
        insta::assert_snapshot!(mistake(&home, "act"), @"extension act has no extension.yml in [HOME]/custom/extensions/act");
        home.write("elsewhere.yml", GOOD);
        for (target, told) in [("../../../elsewhere.yml", "leads out of its folder"), ("/dev/zero", "not a regular")] {
            symlink(target, folder.join("extension.yml")).unwrap();
            assert!(mistake(&home, "act").contains(told), "{target}");
            fs::remove_file(folder.join("extension.yml")).unwrap();
        }
        home.write("custom/extensions/act/meta/extension.yml", GOOD);
        home.write("custom/extensions/act/scripts/a.sh", "");
        symlink("meta/extension.yml", folder.join("extension.yml")).unwrap();
        symlink(&folder, home.path("custom/extensions/linked")).unwrap();
        assert!(load(&home, "act").is_ok() && load(&home, "linked").is_ok());
    }

    #[test]
    fn a_link_out_of_the_folder_is_named_with_its_target() {
        let home = settled();
        home.write("elsewhere.yml", GOOD);
        fs::create_dir_all(home.path("custom/extensions/act")).unwrap();
        symlink("../../../elsewhere.yml", home.path("custom/extensions/act/extension.yml")).unwrap();
        insta::assert_snapshot!(mistake(&home, "act"), @"
        [HOME]/custom/extensions/act/extension.yml is a link that leads out of its folder, to [HOME]/elsewhere.yml
        hint: put the file itself there
        ");
    }

    #[test]
    fn names_that_are_one_in_lower_case_are_refused() {
        let home = settled();
        home.write("custom/extensions/act/extension.yml", GOOD);
        home.write("custom/extensions/ACT/extension.yml", GOOD);
        insta::assert_snapshot!(mistake(&home, "act"), @"
        extensions act and ACT in [HOME]/custom/extensions differ only in case, and images are named in lower case
        hint: rename one of the two folders
        ");
    }
}
