//! Where the graph is, and what lies beside it.
//!
//! The layouts are those of `optimum` (`exporters/onnx`, `onnxruntime/constants.py`) and of the hub:
//! graphs at the root or in `onnx/`, their JSON files at the root or beside them.

use std::fs;
use std::path::{Path, PathBuf};

/// A model's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The graph.
    pub onnx: PathBuf,
    /// What the model is called there.
    pub name: String,
    /// Where its other files are looked for, in this order; nowhere for a graph that comes alone.
    folders: Vec<PathBuf>,
}

/// Why there is no graph to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing there, or not readable.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A folder without a graph.
    #[error("there is no `.onnx` file in `{}` or its folder `onnx`", folder.display())]
    NoGraph {
        /// The folder.
        folder: PathBuf,
    },
    /// Several, none of which is the one.
    #[error("`{}` has several graphs, pick one with `--variant`: {}", folder.display(), variants.join(", "))]
    Several {
        /// The folder.
        folder: PathBuf,
        /// What `--variant` takes.
        variants: Vec<String>,
    },
    /// The variant that was asked for is not there.
    #[error("there is no variant `{variant}` in `{}`; there are: {}", folder.display(), variants.join(", "))]
    NoVariant {
        /// As asked for.
        variant: String,
        /// The folder.
        folder: PathBuf,
        /// What there is.
        variants: Vec<String>,
    },
    /// An encoder and a decoder, which take turns.
    #[error(
        "`{}` is exported as several graphs that take turns ({}), as models that write text are; this \
         service runs one graph a request",
        folder.display(),
        graphs.join(", ")
    )]
    SeveralGraphs {
        /// The folder.
        folder: PathBuf,
        /// Their file names.
        graphs: Vec<String>,
    },
}

/// What a graph is called when it has no variant.
const PLAIN: &str = "model";

impl Source {
    /// Find the graph of a file or folder; `variant` is what follows `model_` in the name of its file
    /// (`quantized`, `fp16`), or all of the name.
    ///
    /// # Errors
    /// When there is none, or it is not clear which.
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

    /// Another of its files, if it is there.
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

/// Every graph of the folders that are there, in the order of their names.
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
