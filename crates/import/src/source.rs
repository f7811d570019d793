//! Finding a graph and its accompanying files.
//!
//! The layouts follow `optimum` (`exporters/onnx`, `onnxruntime/constants.py`) and the hub:
//! graphs at the root or in `onnx/`, their JSON files at the root or beside them.

use std::fs;
use std::path::{Path, PathBuf};

/// A model's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The graph.
    pub onnx: PathBuf,
    /// The model's name at its source.
    pub name: String,
    /// The folders with its other files, in the order of search; empty for a lone graph file.
    folders: Vec<PathBuf>,
}

/// A source without a usable graph.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The source does not exist or cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The folder has no graph.
    #[error("`{}` has no `.onnx` file, and neither has its folder `onnx`", folder.display())]
    NoGraph {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder has several graphs, and none is called `model.onnx`.
    #[error("`{}` has several graphs; choose one with `--variant`: {}", folder.display(), variants.join(", "))]
    Several {
        /// The folder.
        folder: PathBuf,
        /// The values for `--variant`.
        variants: Vec<String>,
    },
    /// The folder does not have the requested variant.
    #[error("`{}` has no variant `{variant}`, only {}", folder.display(), variants.join(", "))]
    NoVariant {
        /// The requested variant.
        variant: String,
        /// The folder.
        folder: PathBuf,
        /// The variants in the folder.
        variants: Vec<String>,
    },
    /// The model consists of an encoder and a decoder.
    #[error(
        "`{}` is exported as several graphs ({}), like models that generate text; models of several graphs \
         are not supported",
        folder.display(),
        graphs.join(", ")
    )]
    SeveralGraphs {
        /// The folder.
        folder: PathBuf,
        /// The graphs' file names.
        graphs: Vec<String>,
    },
}

/// The file stem of a graph without a variant.
const PLAIN: &str = "model";

impl Source {
    /// Find the graph of a file or folder. `variant` is the part of the file's stem after `model_`
    /// (`quantized`, `fp16`), or the whole stem.
    ///
    /// # Errors
    /// When there is no graph, or when there are several and none is the default.
    pub fn find(path: &Path, variant: Option<&str>) -> Result<Self, SourceError> {
        let read_error = |source| SourceError::Read {
            path: path.to_owned(),
            source,
        };
        let path = path.canonicalize().map_err(read_error)?;
        if path.is_file() {
            return Ok(Self {
                name: file_name(&path),
                onnx: path,
                folders: Vec::new(),
            });
        }
        let folders = [path.clone(), path.join("onnx")];
        let graphs = graphs(&folders)?;
        let onnx = pick(&path, &graphs, variant)?;
        let beside = onnx.parent().unwrap_or(&path).to_owned();
        Ok(Self {
            name: folder_name(&path),
            folders: vec![path, beside],
            onnx,
        })
    }

    /// The path of an accompanying file, if it exists.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        self.folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    }
}

/// `resnet50.onnx` is `resnet50`; `bert/model.onnx` and `bert/onnx/model.onnx` are `bert`.
fn file_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if stem == PLAIN || stem.starts_with("model_") {
        return folder_name(path.parent().unwrap_or(path));
    }
    stem.into_owned()
}

fn folder_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match path.parent() {
        Some(parent) if name == "onnx" => folder_name(parent),
        _ => name.into_owned(),
    }
}

/// The graphs of all existing folders, ordered by name within each.
fn graphs(folders: &[PathBuf]) -> Result<Vec<PathBuf>, SourceError> {
    let mut graphs = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let read_error = |source| SourceError::Read {
            path: folder.clone(),
            source,
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(read_error)? {
            let path = entry.map_err(read_error)?.path();
            if path.is_file()
                && path
                    .extension()
                    .is_some_and(|extension| extension == "onnx")
            {
                found.push(path);
            }
        }
        found.sort();
        graphs.extend(found);
    }
    Ok(graphs)
}

fn pick(folder: &Path, graphs: &[PathBuf], variant: Option<&str>) -> Result<PathBuf, SourceError> {
    let stem = |path: &Path| {
        let stem = path.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    };
    let variants = || {
        graphs
            .iter()
            .map(|path| {
                let stem = stem(path);
                stem.strip_prefix("model_")
                    .map_or(stem.clone(), str::to_owned)
            })
            .collect()
    };
    if let Some(variant) = variant {
        let full = format!("model_{variant}");
        return graphs
            .iter()
            .find(|path| [variant, &full].contains(&stem(path).as_str()))
            .cloned()
            .ok_or_else(|| SourceError::NoVariant {
                variant: variant.to_owned(),
                folder: folder.to_owned(),
                variants: variants(),
            });
    }
    if let Some(plain) = graphs.iter().find(|path| stem(path) == PLAIN) {
        return Ok(plain.clone());
    }
    let takes_turns = |path: &&PathBuf| {
        let stem = stem(path);
        stem.starts_with("encoder_model") || stem.starts_with("decoder_")
    };
    let turns: Vec<String> = graphs
        .iter()
        .filter(takes_turns)
        .map(|path| format!("`{}.onnx`", stem(path)))
        .collect();
    if turns.len() > 1 {
        return Err(SourceError::SeveralGraphs {
            folder: folder.to_owned(),
            graphs: turns,
        });
    }
    match graphs {
        [] => Err(SourceError::NoGraph {
            folder: folder.to_owned(),
        }),
        [only] => Ok(only.clone()),
        _ => Err(SourceError::Several {
            folder: folder.to_owned(),
            variants: variants(),
        }),
    }
}
