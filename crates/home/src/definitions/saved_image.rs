//! Extended images that were saved under a name.

use std::fs;
use std::path::{Path, PathBuf};

use domain::definition::{IMAGE_FILES, ImageChoice, SavedImage};
use domain::name::ImageName;

use super::Roots;
use super::error::{Kind, LoadError};
use super::find::{find, list, not_found, read_metadata, refuse_collision_in};
use crate::error::DiskError;
use crate::layout::Home;
use crate::replace::{create_file, replace_file};

/// Says why an image was not saved. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The name is taken by an image of another choice, or by a file that cannot be read.
    #[error("image {name} is saved already, as {}", path.display())]
    Taken {
        /// The image.
        name: ImageName,
        /// The file that is there.
        path: PathBuf,
    },
    /// Another saved image's name differs only in case.
    #[error(transparent)]
    Collision(LoadError),
    /// The file cannot be written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Loads one saved image from the first root that has a folder of its name. The folder may be a link.
///
/// The last root is where the host tool keeps what was chosen in it, by the tags of the images.
///
/// # Errors
/// [`LoadError`] when no root has it, or its file is missing or wrong.
pub fn load_saved_image(roots: &Roots, image: &ImageName) -> Result<SavedImage, LoadError> {
    let Some(found) = find(roots, Kind::Image, image.as_str())? else {
        return Err(not_found(roots, Kind::Image, image.as_str()));
    };
    let file = found.metadata_file(IMAGE_FILES, IMAGE_FILES[0])?;
    let (bytes, shown) = read_metadata(&found.folder, file)?;
    let choice = ImageChoice::parse(&bytes, &shown)?;
    Ok(SavedImage { name: image.clone(), file: found.folder.join(file), choice })
}

/// Returns every saved image that has a folder, by name. None of them is read.
///
/// # Errors
/// [`LoadError::Unreadable`] when a root exists and cannot be read.
pub fn list_saved_images(roots: &Roots) -> Result<Vec<ImageName>, LoadError> {
    let all = list(roots, Kind::Image)?.into_iter();
    Ok(all.filter_map(|(name, _)| ImageName::parse(&name).ok()).collect())
}

/// Saves a choice under a name among the user's own and returns its file. The same choice may be saved again.
///
/// Another choice of that name is overwritten only with `replace`.
///
/// # Errors
/// [`SaveError`], and what was there before is then still there.
pub fn store_saved_image(
    home: &Home,
    image: &ImageName,
    choice: &ImageChoice,
    replace: bool,
) -> Result<PathBuf, SaveError> {
    let path = home.saved_image(image);
    let folder = path.parent().unwrap_or(Path::new("."));
    let root = folder.parent().unwrap_or(Path::new("."));
    refuse_collision_in(root, Kind::Image, image.as_str()).map_err(SaveError::Collision)?;
    let text = choice.to_yaml();
    if replace {
        replace_file(&path, text.as_bytes())?;
        return Ok(path);
    }
    // The other spelling would lie there unseen behind the new file.
    let there = IMAGE_FILES.map(|name| folder.join(name));
    let there = there.into_iter().find(|path| fs::symlink_metadata(path).is_ok());
    if there.is_none() && create_file(&path, text.as_bytes())? {
        return Ok(path);
    }
    let there = there.unwrap_or_else(|| path.clone());
    let name = there.file_name().unwrap_or_default().to_string_lossy();
    let saved = read_metadata(folder, &name).and_then(|(bytes, shown)| Ok(ImageChoice::parse(&bytes, &shown)?));
    if saved.is_ok_and(|saved| saved == *choice) {
        return Ok(there);
    }
    Err(SaveError::Taken { name: image.clone(), path: there })
}

#[cfg(test)]
mod tests {
    use super::super::settled::{Settled, settled};
    use super::*;

    const GOOD: &str = "agent: codex\nbase: debian\nextensions: [act]\n";

    fn name(image: &str) -> ImageName {
        ImageName::parse(image).unwrap()
    }

    fn choice(base: &str) -> ImageChoice {
        ImageChoice::parse(GOOD.replace("debian", base).as_bytes(), "x").unwrap()
    }

    fn load(home: &Settled, image: &str) -> Result<SavedImage, LoadError> {
        load_saved_image(&home.roots, &name(image))
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn an_image_is_found_in_every_layout_also_the_host_tools_own() {
        let home = settled();
        for (folder, file, base) in [
            ("root/state/image-extended/state", "image-extended.yml", "a"),
            ("root/custom/image-extended", "image-extended.yaml", "b"),
            ("custom/image-extended", "image-extended.yml", "c"),
        ] {
            home.write(&format!("{folder}/dev/{file}"), &GOOD.replace("debian", base));
            assert_eq!(load(&home, "dev").unwrap().choice.base.as_str(), base);
        }
        assert_eq!(list_saved_images(&home.roots).unwrap(), [name("dev")]);
        insta::assert_snapshot!(home.told(&load(&home, "devv").unwrap_err()), @"
        image devv is not defined in [HOME]/custom/image-extended, [HOME]/root/custom/image-extended, [HOME]/root/state/image-extended/state
        hint: did you mean dev?
        ");
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let home = settled();
        let path = store_saved_image(&home.home, &name("dev"), &choice("debian"), false).unwrap();
        assert_eq!(path, home.path("custom/image-extended/dev/image-extended.yml"));
        assert_eq!(
            load(&home, "dev").unwrap(),
            SavedImage { name: name("dev"), file: path.clone(), choice: choice("debian") }
        );
        assert_eq!(files(path.parent().unwrap()), ["image-extended.yml"]);
    }

    #[test]
    fn another_choice_is_replaced_only_when_that_was_said() {
        let home = settled();
        let save = |base, replace| store_saved_image(&home.home, &name("dev"), &choice(base), replace);
        let path = save("debian", false).unwrap();
        assert_eq!(save("debian", false).unwrap(), path);
        let error = save("alpine", false).unwrap_err();
        insta::assert_snapshot!(error.to_string().replace(home.path("").to_str().unwrap(), "[HOME]/"), @"image dev is saved already, as [HOME]/custom/image-extended/dev/image-extended.yml");
        assert_eq!(load(&home, "dev").unwrap().choice, choice("debian"));
        assert_eq!(save("alpine", true).unwrap(), path);
        assert_eq!(load(&home, "dev").unwrap().choice, choice("alpine"));
        for there in ["[", ""] {
            fs::write(&path, there).unwrap();
            assert!(matches!(save("alpine", false), Err(SaveError::Taken { .. })));
            assert_eq!(fs::read_to_string(&path).unwrap(), there);
        }
    }

    #[test]
    fn the_other_spelling_takes_a_name_too() {
        let home = settled();
        home.write("custom/image-extended/dev/image-extended.yaml", GOOD);
        let error = store_saved_image(&home.home, &name("dev"), &choice("alpine"), false).unwrap_err();
        assert!(matches!(error, SaveError::Taken { path, .. } if path.ends_with("image-extended.yaml")));
    }

    #[test]
    fn a_name_that_differs_only_in_case_is_refused_and_nothing_written() {
        let home = settled();
        home.write("custom/image-extended/Dev/image-extended.yml", GOOD);
        let error = store_saved_image(&home.home, &name("dev"), &choice("debian"), true).unwrap_err();
        assert!(matches!(error, SaveError::Collision(LoadError::Collision { .. })), "{error:?}");
        assert_eq!(files(&home.path("custom/image-extended")), ["Dev"]);
    }

    #[test]
    fn of_two_at_once_one_is_saved() {
        let home = settled();
        let saved: Vec<_> = std::thread::scope(|scope| {
            let save = |base| store_saved_image(&home.home, &name("dev"), &choice(base), false).is_ok();
            let started = ["a", "b", "c", "d"].map(|base| scope.spawn(move || save(base)));
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(saved.iter().filter(|saved| **saved).count(), 1);
    }
}
