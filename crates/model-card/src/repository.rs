//! Reading a model repository from disk.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::{CardError, InvalidModelName, Labels, ModelCard, ModelName};

/// A model of the repository: where it is and what its card says. The graph itself stays on disk.
#[derive(Clone, Debug)]
pub struct Model {
    /// The folder's name.
    pub name: ModelName,
    /// The graph, `model.onnx`.
    pub onnx_path: PathBuf,
    /// Its size.
    pub onnx_bytes: u64,
    /// The text of `model.toml`, which the component reads again for its snapshot.
    pub card_text: String,
    /// The same, read and checked.
    pub card: ModelCard,
    /// The text of the label file that the card names, if it names one.
    pub labels_text: Option<String>,
}

impl Model {
    /// Whether the model goes into the engine's snapshot (else it is mounted).
    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        self.card.placement.is_snapshot(self.onnx_bytes)
    }
}

/// Why a model repository cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The repository itself, or a file of it, could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A folder whose name no request could have.
    #[error("`{}`: {source}", path.display())]
    Name {
        /// The folder.
        path: PathBuf,
        /// What is wrong with its name.
        source: InvalidModelName,
    },
    /// A folder without a graph.
    #[error("model `{model}` has no `model.onnx` in `{}`", folder.display())]
    NoGraph {
        /// The model's name.
        model: ModelName,
        /// Its folder.
        folder: PathBuf,
    },
    /// A card that cannot be used.
    #[error("`{}`: {source}", path.display())]
    Card {
        /// The card's file.
        path: PathBuf,
        /// What is wrong with it.
        source: CardError,
    },
}

/// Read every model of a repository, in the order of their names. Files, and folders whose names
/// begin with a dot, are passed over.
///
/// # Errors
/// At the first model that cannot be used: see [`RepositoryError`].
pub fn read_repository(dir: &Path) -> Result<Vec<Model>, RepositoryError> {
    let read_error = |source| RepositoryError::Read {
        path: dir.to_owned(),
        source,
    };
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            folders.push(path);
        }
    }
    folders.sort();
    folders.iter().map(|folder| read_model(folder)).collect()
}

fn read_model(folder: &Path) -> Result<Model, RepositoryError> {
    let folder_name = folder.file_name().unwrap_or_default().to_string_lossy();
    let name = ModelName::new(&folder_name).map_err(|source| RepositoryError::Name {
        path: folder.to_owned(),
        source,
    })?;
    let onnx_path = folder.join("model.onnx");
    let onnx_bytes = match fs::metadata(&onnx_path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => {
            return Err(RepositoryError::NoGraph {
                model: name,
                folder: folder.to_owned(),
            });
        }
    };
    let card_path = folder.join("model.toml");
    let card_text = read_text(&card_path)?;
    let card_error = |source| RepositoryError::Card {
        path: card_path.clone(),
        source,
    };
    let card = ModelCard::parse(&card_text).map_err(card_error)?;
    let labels_file = card
        .classification
        .as_ref()
        .and_then(|classification| classification.labels.clone());
    let labels_text = match labels_file {
        Some(file) => {
            let text = read_text(&folder.join(&file))?;
            Labels::parse(&text)
                .map_err(|source| card_error(CardError::Labels { file, source }))?;
            Some(text)
        }
        None => None,
    };
    Ok(Model {
        name,
        onnx_path,
        onnx_bytes,
        card_text,
        card,
        labels_text,
    })
}

fn read_text(path: &Path) -> Result<String, RepositoryError> {
    fs::read_to_string(path).map_err(|source| RepositoryError::Read {
        path: path.to_owned(),
        source,
    })
}
