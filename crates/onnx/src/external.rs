//! Weights in files beside the graph (ONNX, `docs/ExternalData.md`), read into the graph's own file.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::field;
use crate::message::{Message, Value};
use crate::outline::{self, MAX_DEPTH};
use crate::standard::standard_form;

/// The largest message of protobuf.
const MAX_BYTES: u64 = (1 << 31) - 1;

/// A graph whose weights could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExternalError {
    /// A file could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The graph's file is not protobuf.
    #[error("`{}` is not a readable ONNX file: {reason}", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// A file with weights is not beside the graph.
    #[error(
        "the weight `{tensor}` is in the file `{location}`, which is not beside `{}`: {source}; copy it there",
        path.display()
    )]
    Missing {
        /// The weight.
        tensor: String,
        /// The file's name, as the graph gives it.
        location: String,
        /// The graph's file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A location is not a path within the graph's folder.
    #[error("the weight `{tensor}` is in `{location}`, expected a path within the graph's folder")]
    Outside {
        /// The weight.
        tensor: String,
        /// The location.
        location: String,
    },
    /// An offset or a length is not a number, or is not within the file.
    #[error("the weight `{tensor}` has {reason} in `{location}`")]
    Range {
        /// The weight.
        tensor: String,
        /// The file's name.
        location: String,
        /// The problem.
        reason: String,
    },
    /// The whole model is larger than an ONNX file can be.
    #[error(
        "`{}` has more than {:.1} GB with its weights, expected at most that, the limit of its format (protobuf)",
        path.display(),
        MAX_BYTES as f64 / 1e9
    )]
    TooLarge {
        /// The graph's file.
        path: PathBuf,
    },
}

/// Read an ONNX file. The weights that it has in other files become part of it. Bytes that are not protobuf are returned as
/// they are.
///
/// # Errors
/// See [`ExternalError`].
pub fn read_file(path: &Path) -> Result<Vec<u8>, ExternalError> {
    let onnx = fs::read(path).map_err(|source| ExternalError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut weights = Weights {
        path,
        files: BTreeMap::new(),
        bytes: onnx.len() as u64,
    };
    let changed = change(&onnx, outline::Message::Model, 0, &mut |tensor| {
        weights.read_into(tensor)
    });
    match changed {
        Ok(changed) => Ok(changed.unwrap_or(onnx)),
        // The reader of the graph refuses it in words.
        Err(ExternalError::Graph { .. }) => Ok(onnx),
        Err(error) => Err(error),
    }
}

/// The files in which an ONNX file has weights, by their names relative to its folder.
///
/// # Errors
/// The problem of a file that is not protobuf, in words.
pub fn locations(onnx: &[u8]) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    let listed = change(onnx, outline::Message::Model, 0, &mut |tensor| {
        found.extend(entries(tensor)?.remove("location"));
        Ok(false)
    });
    listed.map(|_| found).map_err(|error: ListError| error.0)
}

/// Read an ONNX file with [`read_file`] and convert it to its standard form.
///
/// # Errors
/// See [`ExternalError`].
pub fn read_standard(path: &Path) -> Result<Vec<u8>, ExternalError> {
    standard_form(read_file(path)?)
        .map(|standard| standard.onnx)
        .map_err(|reason| ExternalError::Graph {
            path: path.to_owned(),
            reason,
        })
}

struct ListError(String);

impl From<String> for ListError {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

/// Call `change` for each tensor of a message with weights elsewhere. Returns the message if a tensor changed.
fn change<E: From<String>>(
    bytes: &[u8],
    kind: outline::Message,
    depth: usize,
    tensor: &mut dyn FnMut(&mut Message<'_>) -> Result<bool, E>,
) -> Result<Option<Vec<u8>>, E> {
    if depth > MAX_DEPTH * 4 {
        return Err(E::from("its graphs are nested too deep".to_owned()));
    }
    let mut message = Message::parse(bytes)?;
    let mut is_changed = false;
    if kind == outline::Message::Tensor {
        is_changed = message.has(field::TENSOR_EXTERNAL_DATA) && tensor(&mut message)?;
    } else {
        for (number, value) in &mut message.fields {
            if let Value::Bytes(bytes) = value
                && let Some(inner) = kind.field(*number)
                && let Some(changed) = change(bytes, inner, depth + 1, tensor)?
            {
                *bytes = Cow::Owned(changed);
                is_changed = true;
            }
        }
    }
    Ok(is_changed.then(|| message.encode()))
}

/// The keys and values of a tensor's external data.
fn entries(tensor: &Message<'_>) -> Result<BTreeMap<String, String>, String> {
    tensor
        .all(field::TENSOR_EXTERNAL_DATA)
        .map(|entry| {
            let entry = Message::parse(entry)?;
            Ok((entry.text(1).to_owned(), entry.text(2).to_owned()))
        })
        .collect()
}

/// The files beside a graph.
struct Weights<'a> {
    path: &'a Path,
    files: BTreeMap<String, File>,
    /// The bytes of the graph with the weights so far.
    bytes: u64,
}

/// A message that is not protobuf, in a file that the caller knows.
impl From<String> for ExternalError {
    fn from(reason: String) -> Self {
        Self::Graph {
            path: PathBuf::new(),
            reason,
        }
    }
}

impl Weights<'_> {
    /// Read the values of a tensor into it.
    fn read_into(&mut self, tensor: &mut Message<'_>) -> Result<bool, ExternalError> {
        let entries = entries(tensor)?;
        let name = tensor.text(field::TENSOR_NAME).to_owned();
        let location = entries.get("location").cloned().unwrap_or_default();
        let components = Path::new(&location).components();
        let is_inside = !location.is_empty()
            && !location.contains('\\')
            && components
                .into_iter()
                .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_inside {
            return Err(ExternalError::Outside {
                tensor: name,
                location,
            });
        }
        let missing = |source| ExternalError::Missing {
            tensor: name.clone(),
            location: location.clone(),
            path: self.path.to_owned(),
            source,
        };
        let out_of_range = |reason: String| ExternalError::Range {
            tensor: name.clone(),
            location: location.clone(),
            reason,
        };
        if !self.files.contains_key(&location) {
            let folder = self.path.parent().unwrap_or(Path::new(""));
            let file = File::open(folder.join(&location)).map_err(missing)?;
            self.files.insert(location.clone(), file);
        }
        let Some(file) = self.files.get_mut(&location) else {
            return Ok(false);
        };
        let whole = file.metadata().map_err(missing)?;
        if !whole.is_file() {
            return Err(missing(io::Error::other("it is not a file")));
        }
        let number = |key: &str| match entries.get(key) {
            None => Ok(None),
            Some(text) => (text.parse::<u64>().map(Some))
                .map_err(|_| out_of_range(format!("the {key} `{text}`, expected a number,"))),
        };
        let offset = number("offset")?.unwrap_or(0);
        let left = whole.len().saturating_sub(offset);
        let length = number("length")?.unwrap_or(left);
        if length > left {
            return Err(out_of_range(format!(
                "{length} bytes at {offset}, expected at most the {} of the file",
                whole.len()
            )));
        }
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > MAX_BYTES {
            return Err(ExternalError::TooLarge {
                path: self.path.to_owned(),
            });
        }
        let mut values = Vec::new();
        file.seek(SeekFrom::Start(offset)).map_err(missing)?;
        file.take(length)
            .read_to_end(&mut values)
            .map_err(missing)?;
        tensor.remove(field::TENSOR_EXTERNAL_DATA);
        tensor.remove(field::TENSOR_DATA_LOCATION);
        tensor.remove(field::TENSOR_RAW_DATA);
        tensor.push(field::TENSOR_RAW_DATA, values);
        Ok(true)
    }
}
