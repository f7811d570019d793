//! The model repository on disk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::{CardError, InvalidModelName, Labels, ModelCard, ModelId, ModelName};

/// A model of the repository: its files and its card. The graph itself stays on disk.
#[derive(Clone, Debug)]
pub struct Model {
    /// The folder's name, and the version's if the folder has several.
    pub id: ModelId,
    /// The graph, `model.onnx`; `None` if there are only OpenVINO's files.
    pub onnx_path: Option<PathBuf>,
    /// The graph in OpenVINO's format, `model.xml`, with `model.bin` beside it.
    pub openvino_ir: Option<PathBuf>,
    /// The size of `model.onnx` in bytes, or of OpenVINO's files if there is no `model.onnx`.
    pub graph_bytes: u64,
    /// The text of `model.toml`, which the component parses again for its snapshot.
    pub card_text: String,
    /// The parsed card.
    pub card: ModelCard,
    /// The text of the label file that the task names, if it names one.
    pub labels_text: Option<String>,
    /// The text of the tokenizer file, for models that take texts.
    pub tokenizer_text: Option<String>,
    /// The example request that the card names, if it names one.
    pub example: Option<Vec<u8>>,
}

impl Model {
    /// The version, a string as in the Open Inference Protocol: the folder's, else the card's.
    #[must_use]
    pub fn version(&self) -> &str {
        match &self.id.version {
            Some(version) => version.as_str(),
            None => &self.card.version,
        }
    }

    /// Whether the model goes into the engine's snapshot. Otherwise it is mounted.
    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        self.onnx_path.is_some() && self.card.placement.is_snapshot(self.graph_bytes)
    }
}

/// A model repository that is not valid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The repository or one of its files could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A folder's name is not a model name.
    #[error("`{}`: {source}", path.display())]
    Name {
        /// The folder.
        path: PathBuf,
        /// The reason.
        source: InvalidModelName,
    },
    /// A folder has a graph and also versions.
    #[error(
        "model `{model}` has both a `model.onnx` and the version `{version}` in `{}`; move `model.onnx` into \
         a version's folder, or remove the versions",
        folder.display()
    )]
    Both {
        /// The model's name.
        model: ModelName,
        /// The first version.
        version: ModelName,
        /// The model's folder.
        folder: PathBuf,
    },
    /// A folder has no graph.
    #[error("model `{model}` has no `model.onnx` in `{}`", folder.display())]
    NoGraph {
        /// The model's name.
        model: ModelName,
        /// The model's folder.
        folder: PathBuf,
    },
    /// A card is not valid.
    #[error("`{}`: {source}", path.display())]
    Card {
        /// The card's file.
        path: PathBuf,
        /// The reason.
        source: CardError,
    },
}

impl RepositoryError {
    /// The name of the folder that is at fault in the repository `dir`, if it is one.
    #[must_use]
    pub fn model(&self, dir: &Path) -> Option<String> {
        match self {
            Self::Both { model, .. } | Self::NoGraph { model, .. } => Some(model.to_string()),
            Self::Read { path, .. } | Self::Name { path, .. } | Self::Card { path, .. } => {
                let folder = path.strip_prefix(dir).ok()?.components().next()?;
                Some(folder.as_os_str().to_string_lossy().into_owned())
            }
        }
    }
}

/// Read every model of a repository, ordered by name and version. Files and hidden folders are ignored. A
/// model is `<name>/model.onnx`, or several versions, `<name>/<version>/model.onnx`. A graph in OpenVINO's
/// format, `model.xml` and `model.bin`, may stand beside `model.onnx` or replace it.
///
/// # Errors
/// At the first model that cannot be used: see [`RepositoryError`].
pub fn read_repository(dir: &Path) -> Result<Vec<Model>, RepositoryError> {
    read_repository_without(dir, &BTreeSet::new())
}

/// Read a repository like [`read_repository`], but not these models.
///
/// # Errors
/// At the first other model that cannot be used.
pub fn read_repository_without(
    dir: &Path,
    without: &BTreeSet<ModelName>,
) -> Result<Vec<Model>, RepositoryError> {
    let mut models = Vec::new();
    for folder in folders(dir)? {
        let name = name(&folder)?;
        if without.contains(&name) {
            continue;
        }
        let mut versions = Vec::new();
        for folder in folders(&folder)? {
            if has_graph(&folder) {
                versions.push((self::name(&folder)?, folder));
            }
        }
        match (has_graph(&folder), versions.first()) {
            (true, None) => models.push(read_model(&folder, name, None)?),
            (true, Some((version, _))) => {
                return Err(RepositoryError::Both {
                    model: name,
                    version: version.clone(),
                    folder,
                });
            }
            (false, None) => {
                return Err(RepositoryError::NoGraph {
                    model: name,
                    folder,
                });
            }
            (false, Some(_)) => {
                for (version, folder) in versions {
                    models.push(read_model(&folder, name.clone(), Some(version))?);
                }
            }
        }
    }
    models.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(models)
}

/// The folders in a folder, except hidden ones.
fn folders(dir: &Path) -> Result<Vec<PathBuf>, RepositoryError> {
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
    Ok(folders)
}

fn name(folder: &Path) -> Result<ModelName, RepositoryError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    ModelName::new(&name).map_err(|source| RepositoryError::Name {
        path: folder.to_owned(),
        source,
    })
}

fn has_graph(folder: &Path) -> bool {
    let has = |name| folder.join(name).is_file();
    has("model.onnx") || has("model.xml")
}

fn read_model(
    folder: &Path,
    name: ModelName,
    version: Option<ModelName>,
) -> Result<Model, RepositoryError> {
    let file = |name| Some(folder.join(name)).filter(|path| path.is_file());
    let onnx_path = file("model.onnx");
    let openvino_ir = file("model.xml");
    let graph_bytes = match (&onnx_path, &openvino_ir) {
        (Some(onnx), _) => size(onnx)?,
        (None, Some(xml)) => size(xml)? + size(&xml.with_extension("bin"))?,
        // `has_graph` found one of them.
        (None, None) => 0,
    };
    let card_path = folder.join("model.toml");
    let card_text = read_text(&card_path)?;
    let card_error = |source| RepositoryError::Card {
        path: card_path.clone(),
        source,
    };
    let card = ModelCard::parse(&card_text).map_err(card_error)?;
    let labels_file = card.task.labels_file().map(str::to_owned);
    let labels_text = match labels_file {
        Some(file) => {
            let text = read_text(&folder.join(&file))?;
            Labels::parse(&text)
                .map_err(|source| card_error(CardError::Labels { file, source }))?;
            Some(text)
        }
        None => None,
    };
    let tokenizer_text = card
        .text
        .as_ref()
        .map(|text| read_text(&folder.join(&text.tokenizer)))
        .transpose()?;
    let example = match &card.example {
        Some(file) => Some(read(&folder.join(file))?),
        None => None,
    };
    Ok(Model {
        tokenizer_text,
        example,
        id: ModelId { name, version },
        onnx_path,
        openvino_ir,
        graph_bytes,
        card_text,
        card,
        labels_text,
    })
}

fn size(path: &Path) -> Result<u64, RepositoryError> {
    let metadata = fs::metadata(path).map_err(|source| RepositoryError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(metadata.len())
}

fn read(path: &Path) -> Result<Vec<u8>, RepositoryError> {
    fs::read(path).map_err(|source| RepositoryError::Read {
        path: path.to_owned(),
        source,
    })
}

fn read_text(path: &Path) -> Result<String, RepositoryError> {
    fs::read_to_string(path).map_err(|source| RepositoryError::Read {
        path: path.to_owned(),
        source,
    })
}
