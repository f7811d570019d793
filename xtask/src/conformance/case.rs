//! Cases on disk: a folder with a graph, `case.json`, and a file per tensor.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use infer_model_card::ModelName;
use infer_tensor::Datatype;
use serde::Deserialize;

/// A case: a graph, its inputs, and the expected outputs.
pub(super) struct Case {
    /// The bytes of `model.onnx`.
    pub(super) onnx: Vec<u8>,
    pub(super) inputs: Vec<Tensor>,
    pub(super) outputs: Vec<Tensor>,
}

/// A named tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) datatype: Datatype,
    pub(super) shape: Vec<u64>,
    /// Row-major, little-endian.
    pub(super) data: Vec<u8>,
}

/// `case.json`
#[derive(Deserialize)]
struct File {
    inputs: Vec<Entry>,
    outputs: Vec<Entry>,
}

/// A tensor in `case.json`.
#[derive(Deserialize)]
struct Entry {
    name: String,
    /// NumPy's name of the datatype.
    dtype: String,
    shape: Vec<u64>,
    /// In the case's folder.
    file: String,
}

/// The folders of cases in name order; hidden folders are skipped.
pub(super) fn folders(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let unreadable = || format!("cannot read `{}`", dir.display());
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') {
            folders.push((name.into_owned(), path));
        }
    }
    folders.sort();
    if folders.is_empty() {
        bail!(
            "`{}` has no case: expected folders with `model.onnx` and `case.json`",
            dir.display()
        );
    }
    Ok(folders)
}

impl Case {
    /// Read a case; errors have file names relative to the folder.
    pub(super) fn read(name: &str, folder: &Path) -> Result<Self> {
        // The case's name becomes the model's.
        ModelName::new(name)?;
        let file: File = serde_json::from_slice(&read(folder, "case.json")?)
            .context("`case.json` does not describe a case")?;
        let tensors = |entries: Vec<Entry>| -> Result<Vec<Tensor>> {
            entries
                .into_iter()
                .map(|entry| tensor(folder, entry))
                .collect()
        };
        Ok(Self {
            onnx: read(folder, "model.onnx")?,
            inputs: tensors(file.inputs)?,
            outputs: tensors(file.outputs)?,
        })
    }
}

fn read(folder: &Path, file: &str) -> Result<Vec<u8>> {
    fs::read(folder.join(file)).with_context(|| format!("cannot read `{file}`"))
}

fn tensor(folder: &Path, entry: Entry) -> Result<Tensor> {
    let Entry {
        name,
        dtype,
        shape,
        file,
    } = entry;
    let (datatype, size) = Datatype::from_numpy_name(&dtype)
        .and_then(|datatype| Some((datatype, datatype.element_bytes()?)))
        .with_context(|| {
            let known = Datatype::ALL.into_iter().filter_map(Datatype::numpy_name);
            format!(
                "the dtype of `{name}` is `{dtype}`, expected one of {}",
                known.collect::<Vec<_>>().join(", ")
            )
        })?;
    let data = read(folder, &file)?;
    let expected = shape
        .iter()
        .try_fold(size as u64, |bytes, size| bytes.checked_mul(*size));
    ensure!(
        expected == Some(data.len() as u64),
        "`{file}` has {} bytes, which do not fit {dtype} of shape {shape:?}",
        data.len()
    );
    Ok(Tensor {
        name,
        datatype,
        shape,
        data,
    })
}
