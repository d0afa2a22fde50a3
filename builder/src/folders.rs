//! The folders of definitions, as they would be sent: walked and hashed once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use buildkit::context::{Context, ContextError, ContextRules, DockerfileContext, EntryKind, RunnableScripts};
use domain::definition::{BASE_FILES, EXTENSION_FILES, ExtensionKind, METADATA_FILES, SCRIPTS_FOLDER};
use domain::digest::Digest;
use domain::files::{FileEntry, FileKind, FileSet};
use domain::target::{Ingredient, TargetImage};
use futures_util::future::try_join_all;

use crate::once::OncePer;

/// Says that a definition's folder cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("the definition of {definition} cannot be used")]
pub(crate) struct FolderError {
    definition: String,
    source: ContextError,
}

/// The folders that a layer's steps see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folders {
    /// The definition's folder, unless nothing of it is used.
    pub(crate) context: Option<Arc<Context>>,
    /// The folder as the place of a Dockerfile, where the layer has one.
    pub(crate) dockerfile: Option<Arc<Context>>,
}

impl Folders {
    /// Returns the files that the layer's steps see, each once.
    pub(crate) fn files(&self) -> FileSet {
        let entry = |entry: &buildkit::context::Entry| FileEntry {
            path: entry.path.clone(),
            mode: entry.mode,
            kind: match &entry.kind {
                EntryKind::Directory => FileKind::Directory,
                EntryKind::File { digest, .. } => FileKind::File { digest: Digest::from_bytes(*digest) },
                EntryKind::Symlink { target } => FileKind::Symlink { target: target.clone() },
            },
        };
        let mut files: Vec<_> = self.context.iter().flat_map(|context| context.entries()).map(entry).collect();
        // The Dockerfile counts also where it is no part of the context.
        for beside in self.dockerfile.iter().flat_map(|dockerfile| dockerfile.entries()) {
            if !files.iter().any(|file| file.path == beside.path) {
                files.push(entry(beside));
            }
        }
        FileSet(files)
    }
}

/// What walks found, each folder walked once.
#[derive(Default)]
pub(crate) struct Walks(OncePer<PathBuf, Folders>);

impl Walks {
    /// Returns the folders of every definition that goes into an image, those beneath first.
    ///
    /// # Errors
    /// [`FolderError`] when one of them cannot be sent.
    pub(crate) async fn of(&self, wanted: &TargetImage) -> Result<Vec<Folders>, FolderError> {
        try_join_all(wanted.layers().iter().map(|layer| self.layer(layer))).await
    }

    async fn layer(&self, layer: &Ingredient) -> Result<Folders, FolderError> {
        let folder = match layer {
            Ingredient::Base(base) => &base.folder,
            Ingredient::Agent(agent) => &agent.folder,
            Ingredient::Extension(extension) => &extension.folder,
        };
        self.0.of(folder).get_or_try_init(|| walk(layer)).await.cloned()
    }
}

async fn walk(layer: &Ingredient) -> Result<Folders, FolderError> {
    let (definition, folder, metadata, kind) = match layer {
        Ingredient::Base(base) => (format!("base {}", base.name), &base.folder, BASE_FILES.as_slice(), Use::Dockerfile),
        Ingredient::Agent(agent) => (agent.name.to_string(), &agent.folder, METADATA_FILES.as_slice(), Use::Agent),
        Ingredient::Extension(extension) => {
            let kind = match extension.kind {
                ExtensionKind::Scripts => Use::Scripts,
                ExtensionKind::Dockerfile => Use::Dockerfile,
                ExtensionKind::SharesOnly => Use::Nothing,
            };
            (format!("extension {}", extension.name), &extension.folder, EXTENSION_FILES.as_slice(), kind)
        }
    };
    let folder = folder.clone();
    let leave_out: Vec<_> = metadata.iter().map(|name| (*name).to_owned()).collect();
    let walked = tokio::task::spawn_blocking(move || walk_folder(&folder, leave_out, kind)).await;
    walked.expect("walking a folder does not panic").map_err(|source| FolderError { definition, source })
}

/// How a definition's folder is used.
#[derive(Debug, Clone, Copy)]
enum Use {
    Agent,
    Scripts,
    Dockerfile,
    Nothing,
}

fn walk_folder(folder: &Path, leave_out: Vec<String>, kind: Use) -> Result<Folders, ContextError> {
    let runnable_scripts = match kind {
        Use::Agent => RunnableScripts::TopLevel,
        Use::Scripts => RunnableScripts::Folder(SCRIPTS_FOLDER.to_owned()),
        Use::Dockerfile => {
            let DockerfileContext { context, dockerfile } = DockerfileContext::walk(folder, &leave_out)?;
            return Ok(Folders { context: Some(Arc::new(context)), dockerfile: Some(Arc::new(dockerfile)) });
        }
        Use::Nothing => return Ok(Folders::default()),
    };
    let context = Context::walk(folder, &ContextRules { leave_out, runnable_scripts })?;
    Ok(Folders { context: Some(Arc::new(context)), dockerfile: None })
}

#[cfg(test)]
mod tests {
    use domain::definition::{Agent, AgentMetadata, Origin};
    use domain::name::{AgentName, BaseName};
    use domain::recipe::ImageKind;
    use domain::target::{Foundation, Making};

    use super::*;

    fn image(folder: &Path) -> TargetImage {
        let agent = Agent {
            name: AgentName::parse("codex").unwrap(),
            origin: Origin::Packaged,
            folder: folder.to_owned(),
            metadata_file: "agent.yml".to_owned(),
            metadata: AgentMetadata::parse(b"agent_full_name: C\nagent_homepage: h\n", "agent.yml").unwrap(),
        };
        TargetImage {
            kind: ImageKind::Final,
            agent: Some(agent.name.clone()),
            base_name: BaseName::parse("debian").unwrap(),
            saved: None,
            image: "aicage:codex-debian".parse().unwrap(),
            aliases: Vec::new(),
            making: Making::Built { foundation: Foundation::Below, layers: vec![Ingredient::Agent(agent)] },
        }
    }

    #[tokio::test]
    async fn a_folder_of_many_images_is_walked_once_and_anew_when_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path());
        let write = |text: &str| std::fs::write(folder.path().join("install.sh"), text).unwrap();
        let walks = Walks::default();
        write("one");
        let first = walks.of(&image).await.unwrap()[0].files();
        write("two");
        assert_eq!(walks.of(&image).await.unwrap()[0].files(), first);
        assert_ne!(Walks::default().of(&image).await.unwrap()[0].files(), first);
    }

    #[tokio::test]
    async fn a_folder_that_could_not_be_walked_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path());
        let walks = Walks::default();
        std::os::unix::fs::symlink("/outside", folder.path().join("install.sh")).unwrap();
        let error = walks.of(&image).await.unwrap_err();
        assert_eq!(error.to_string(), "the definition of codex cannot be used");
        std::fs::remove_file(folder.path().join("install.sh")).unwrap();
        assert!(walks.of(&image).await.is_ok());
    }
}
