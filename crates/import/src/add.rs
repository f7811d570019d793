//! What was looked at is put into the repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use infer_model_card::{InvalidModelName, ModelId, ModelName};

use crate::card::LABELS_FILE;
use crate::inspect::Found;

/// Why a model was not added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The name that was chosen, or that the source has.
    #[error(transparent)]
    Name(#[from] InvalidModelName),
    /// The repository passes such folders over.
    #[error(
        "`{name}` begins with a dot, and such folders are passed over; choose another name with `--name`"
    )]
    Hidden {
        /// The name.
        name: ModelName,
    },
    /// There is one.
    #[error("there is a model `{id}` in `{}`; remove it first, or choose a name with `--name`", repository.display())]
    Exists {
        /// The name, and the version if one was chosen.
        id: ModelId,
        /// Where.
        repository: PathBuf,
    },
    /// A version is to stand beside a graph that has none.
    #[error(
        "model `{name}` in `{}` has no versions, so `{version}` cannot stand beside it; remove it first, \
         or move its files into a folder of their own, named for their version",
        repository.display()
    )]
    NoVersions {
        /// The model.
        name: ModelName,
        /// The version.
        version: ModelName,
        /// Where.
        repository: PathBuf,
    },
    /// A file that could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// Put a model into the repository under that name, its own when there is none; returns its folder. With
/// a version it goes into a folder of that version's below the model's.
///
/// # Errors
/// When the name is none or taken, or a file cannot be written: nothing is left behind then.
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
    // Folders that begin with a dot are no models: an addition that breaks off is never half a model.
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
        // The first failure is the one to tell.
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
    fs::copy(&found.onnx, &onnx).map_err(failed(&onnx))?;
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
