//! Adding an inspected model to the repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use infer_model_card::{InvalidModelName, ModelId, ModelName};

use crate::card::LABELS_FILE;
use crate::inspect::Found;

/// A model that was not added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The chosen name or the source's name is not a model name.
    #[error(transparent)]
    Name(#[from] InvalidModelName),
    /// The name begins with a dot, and the repository ignores hidden folders.
    #[error(
        "`{name}` begins with a dot, and the repository ignores hidden folders; choose another name with `--name`"
    )]
    Hidden {
        /// The model's name.
        name: ModelName,
    },
    /// The repository has a model of that name.
    #[error("`{}` already has a model `{id}`; remove it first, or choose another name with `--name`", repository.display())]
    Exists {
        /// The name, and the version if one was chosen.
        id: ModelId,
        /// The repository's folder.
        repository: PathBuf,
    },
    /// The model of that name has no versions.
    #[error(
        "model `{name}` in `{}` has no versions, so version `{version}` cannot be added; remove the model \
         first, or move its files into a folder named after their version",
        repository.display()
    )]
    NoVersions {
        /// The model's name.
        name: ModelName,
        /// The version.
        version: ModelName,
        /// The repository's folder.
        repository: PathBuf,
    },
    /// The graph's file or the files with its weights could not be read.
    #[error(transparent)]
    Onnx(#[from] infer_onnx::ExternalError),
    /// A file could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// Add a model to the repository under `name`, or under its source's name. With a version it goes into a
/// folder of that version inside the model's folder. Returns its id and folder.
///
/// # Errors
/// When the name is not valid or in use, or when a file cannot be written. Nothing is left behind then.
pub fn add(
    found: &Found,
    repository: &Path,
    name: Option<&str>,
    version: Option<&str>,
) -> Result<(ModelId, PathBuf), AddError> {
    let id = ModelId {
        name: ModelName::new(name.unwrap_or(&found.name))?,
        version: version.map(ModelName::new).transpose()?,
    };
    if let Some(hidden) = [Some(&id.name), id.version.as_ref()]
        .into_iter()
        .flatten()
        .find(|name| name.as_str().starts_with('.'))
    {
        return Err(AddError::Hidden {
            name: hidden.clone(),
        });
    }
    let model = repository.join(id.name.as_str());
    let folder = repository.join(id.to_string());
    if folder.exists() {
        return Err(AddError::Exists {
            id,
            repository: repository.to_owned(),
        });
    }
    if let Some(version) = &id.version
        && model.join("model.onnx").exists()
    {
        return Err(AddError::NoVersions {
            name: id.name.clone(),
            version: version.clone(),
            repository: repository.to_owned(),
        });
    }
    // The repository ignores hidden folders, so an interrupted addition never leaves half a model.
    let unfinished = repository.join(format!(".adding-{}", id.name));
    let written = write_all(found, &unfinished).and_then(|()| {
        let parent = folder.parent().unwrap_or(repository);
        fs::create_dir_all(parent)
            .and_then(|()| fs::rename(&unfinished, &folder))
            .map_err(|source| AddError::Write {
                path: folder.clone(),
                source,
            })
    });
    if written.is_err() {
        // Report the first failure, not this one.
        _ = fs::remove_dir_all(&unfinished);
    }
    written.map(|()| (id, folder))
}

fn write_all(found: &Found, folder: &Path) -> Result<(), AddError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| AddError::Write { path, source }
    };
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed(folder))?;
    }
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let onnx = folder.join("model.onnx");
    // One file in the form that every runtime reads, whatever the exporter wrote.
    let bytes = found.read_graph()?;
    fs::write(&onnx, bytes).map_err(failed(&onnx))?;
    let card = folder.join("model.toml");
    fs::write(&card, &found.card_text).map_err(failed(&card))?;
    let tokenizer = found.card.text.as_ref().map(|text| text.tokenizer.as_str());
    let files = [
        (Some(LABELS_FILE), &found.labels_text),
        (tokenizer, &found.tokenizer_text),
    ];
    for (file, text) in files {
        if let (Some(file), Some(text)) = (file, text) {
            let path = folder.join(file);
            fs::write(&path, text).map_err(failed(&path))?;
        }
    }
    Ok(())
}
