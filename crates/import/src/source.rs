//! Finding a graph and its accompanying files.
//!
//! The layouts follow `optimum` (`exporters/onnx`, `onnxruntime/constants.py`) and the hub:
//! graphs at the root or in `onnx/`, their JSON files at the root or beside them.

use std::fs;
use std::path::{Path, PathBuf};

/// A model's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The graph; that of the images, if the model is exported as two graphs.
    pub onnx: PathBuf,
    /// The graph of the texts, if the model is exported as two.
    pub text_onnx: Option<PathBuf>,
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
    /// The graph's file is larger than an ONNX file can be.
    #[error(
        "`{}` has {:.1} GB, expected at most {:.1} GB, the limit of its format (protobuf)",
        path.display(),
        *bytes as f64 / 1e9,
        MAX_ONNX_BYTES as f64 / 1e9
    )]
    TooLarge {
        /// The graph's file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
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

/// The largest message of protobuf.
const MAX_ONNX_BYTES: u64 = (1 << 31) - 1;

/// The files beside a graph that are read.
const ACCOMPANYING: [&str; 11] = [
    "1_Pooling/config.json",
    "added_tokens.json",
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "preprocessor_config.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
];

/// The file stem of a graph without a variant.
const PLAIN: &str = "model";

/// The files of a source, relative to its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The graph, or that of the images.
    pub graph: PathBuf,
    /// The graph of the texts.
    pub text_graph: Option<PathBuf>,
    /// The accompanying files.
    pub accompanying: Vec<PathBuf>,
}

/// The file stems of a model of images and texts that is exported as two graphs.
const PAIR: (&str, &str) = ("vision_model", "text_model");

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
            check_size(&path)?;
            return Ok(Self {
                name: file_name(&path),
                onnx: path,
                text_onnx: None,
                folders: Vec::new(),
            });
        }
        let folders = [path.clone(), path.join("onnx")];
        let graphs = graphs(&folders)?;
        let (graph, text_graph) = pick(&path, &graphs, variant)?;
        check_size(&graph)?;
        text_graph.as_deref().map_or(Ok(()), check_size)?;
        let chosen = Chosen {
            graph,
            text_graph,
            accompanying: Vec::new(),
        };
        Ok(Self::chosen(&path, &chosen, &folder_name(&path)))
    }

    /// The graph and the accompanying files of a listing: paths relative to the root of `repository`, with `/`.
    ///
    /// # Errors
    /// As [`Source::find`].
    pub fn choose(
        repository: &str,
        paths: &[&str],
        variant: Option<&str>,
    ) -> Result<Chosen, SourceError> {
        let parent = |path: &Path| path.parent().map(Path::to_path_buf).unwrap_or_default();
        let is_graph = |path: &PathBuf| {
            path.extension()
                .is_some_and(|extension| extension == "onnx")
                && [Path::new(""), Path::new("onnx")].contains(&parent(path).as_path())
        };
        let mut graphs: Vec<PathBuf> = paths.iter().map(PathBuf::from).filter(is_graph).collect();
        graphs.sort_by_key(|path| (path.components().count(), path.clone()));
        let (graph, text_graph) = pick(Path::new(repository), &graphs, variant)?;
        let beside = parent(&graph);
        let is_read = |path: &PathBuf| {
            let is = |name: &str| *path == Path::new(name) || *path == beside.join(name);
            ACCOMPANYING.iter().any(|name| is(name))
        };
        let accompanying = paths.iter().map(PathBuf::from).filter(is_read);
        Ok(Chosen {
            accompanying: accompanying.collect(),
            graph,
            text_graph,
        })
    }

    /// The source of chosen graphs, with the accompanying files in `folder` and beside the graph. The paths of the graphs are
    /// absolute or, as [`Source::choose`] returns them, relative to `folder`.
    #[must_use]
    pub fn chosen(folder: &Path, chosen: &Chosen, name: &str) -> Self {
        let onnx = folder.join(&chosen.graph);
        let beside = onnx.parent().unwrap_or(folder).to_owned();
        Self {
            name: name.to_owned(),
            folders: vec![folder.to_owned(), beside],
            text_onnx: chosen.text_graph.as_ref().map(|graph| folder.join(graph)),
            onnx,
        }
    }

    /// The graph, and every accompanying file that may be read.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        let mut files = vec![self.onnx.clone()];
        files.extend(self.text_onnx.clone());
        for folder in &self.folders {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let paths = entries.map(|entry| entry.path());
            files.extend(paths.filter(|path| {
                let extension = path.extension().unwrap_or_default();
                path.is_file() && (extension == "json" || extension == "txt")
            }));
        }
        files[1..].sort();
        files.into_iter()
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

fn check_size(path: &Path) -> Result<(), SourceError> {
    let metadata = path.metadata().map_err(|source| SourceError::Read {
        path: path.to_owned(),
        source,
    })?;
    check_bytes(path, metadata.len())
}

/// Check the size of a graph's file, which may still be on a server.
///
/// # Errors
/// [`SourceError::TooLarge`] for a file that is larger than an ONNX file can be.
pub fn check_bytes(path: &Path, bytes: u64) -> Result<(), SourceError> {
    match bytes > MAX_ONNX_BYTES {
        true => Err(SourceError::TooLarge {
            path: path.to_owned(),
            bytes,
        }),
        false => Ok(()),
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

/// The graph, and that of the texts if the graph is that of the images of a pair.
fn pick(
    folder: &Path,
    graphs: &[PathBuf],
    variant: Option<&str>,
) -> Result<(PathBuf, Option<PathBuf>), SourceError> {
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
            .map(|graph| (graph.clone(), None))
            .ok_or_else(|| SourceError::NoVariant {
                variant: variant.to_owned(),
                folder: folder.to_owned(),
                variants: variants(),
            });
    }
    if let Some(plain) = graphs.iter().find(|path| stem(path) == PLAIN) {
        return Ok((plain.clone(), None));
    }
    let named = |name: &str| graphs.iter().find(|path| stem(path) == name).cloned();
    if let (Some(images), Some(texts)) = (named(PAIR.0), named(PAIR.1))
        && images.parent() == texts.parent()
    {
        return Ok((images, Some(texts)));
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
        [only] => Ok((only.clone(), None)),
        _ => Err(SourceError::Several {
            folder: folder.to_owned(),
            variants: variants(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_of_a_listing_is_chosen() {
        type Case<'a> = (
            &'a [&'a str],
            Option<&'a str>,
            Result<(&'a str, Option<&'a str>), &'a str>,
        );
        let cases: [Case; 7] = [
            (
                &["model.onnx", "text_model.onnx", "vision_model.onnx"],
                None,
                Ok(("model.onnx", None)),
            ),
            (
                &[
                    "onnx/text_model.onnx",
                    "onnx/vision_model.onnx",
                    "onnx/vision_model_fp16.onnx",
                ],
                None,
                Ok(("onnx/vision_model.onnx", Some("onnx/text_model.onnx"))),
            ),
            (
                &["text_model.onnx", "vision_model.onnx"],
                Some("vision_model"),
                Ok(("vision_model.onnx", None)),
            ),
            (
                &["vision_model.onnx"],
                None,
                Ok(("vision_model.onnx", None)),
            ),
            (
                &["text_model.onnx", "onnx/vision_model.onnx"],
                None,
                Err("has several graphs"),
            ),
            (&["a.onnx", "b.onnx"], None, Err("has several graphs")),
            (&["a.txt"], None, Err("has no `.onnx` file")),
        ];
        let mut wrong = Vec::new();
        for (paths, variant, expected) in cases {
            let chosen = Source::choose("r", paths, variant);
            let is_right = match (&chosen, expected) {
                (Ok(chosen), Ok((graph, texts))) => {
                    chosen.graph == Path::new(graph)
                        && chosen.text_graph.as_deref() == texts.map(Path::new)
                }
                (Err(error), Err(part)) => error.to_string().contains(part),
                _ => false,
            };
            if !is_right {
                wrong.push(format!("{paths:?}: {chosen:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
