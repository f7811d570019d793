//! Cases as a model repository, to be served.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use infer_import::card::{self, Parts};
use infer_model_card::{ModelCard, TensorSpec};
use infer_nn::{Signature, TensorInfo};

use super::case::{Case, Tensor};

/// The model repository of one run.
///
/// Its models are mounted, not in the snapshot: a graph that the engine refuses is then refused where it is asked for,
/// and not the build of all others.
pub(super) struct Repository {
    pub(super) folder: PathBuf,
}

impl Repository {
    /// An empty one in place of what is there.
    pub(super) fn create(folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot empty `{}`", folder.display()))?;
        }
        make_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Add a case's graph, under the case's name.
    ///
    /// # Errors
    /// Outside for what cannot be written; inside why the graph can have no model card.
    pub(super) fn add(&self, name: &str, case: &Case, signature: &Signature) -> Result<Result<()>> {
        let card = match write_card(case, signature) {
            Ok(card) => card,
            Err(error) => return Ok(Err(error)),
        };
        let folder = self.folder.join(name);
        make_folder(&folder)?;
        for (file, bytes) in [("model.toml", card.as_bytes()), ("model.onnx", &case.onnx)] {
            let path = folder.join(file);
            fs::write(&path, bytes)
                .with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        Ok(Ok(()))
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))
}

fn write_card(case: &Case, signature: &Signature) -> Result<String> {
    let specs = |infos: &[TensorInfo], tensors: &[Tensor]| -> Result<Vec<TensorSpec>> {
        infos.iter().map(|info| spec(info, tensors)).collect()
    };
    let card = card::write(&Parts {
        version: "1".to_owned(),
        description: String::new(),
        inputs: specs(&signature.inputs, &case.inputs)?,
        outputs: specs(&signature.outputs, &case.outputs)?,
        image: None,
        classification: None,
        text: None,
        embedding: None,
    });
    let card = format!("placement = \"mount\"\n{card}");
    ModelCard::parse(&card)?;
    Ok(card)
}

/// As the graph declares it. Where it says nothing of the shape, the rank is the case's.
fn spec(info: &TensorInfo, tensors: &[Tensor]) -> Result<TensorSpec> {
    let rank = || {
        let tensor = tensors.iter().find(|tensor| tensor.name == info.name);
        tensor.map_or(0, |tensor| tensor.shape.len())
    };
    let sizes = info.sizes().unwrap_or_else(|| vec![-1; rank()]);
    Ok(TensorSpec {
        name: info.name.clone(),
        datatype: info
            .datatype
            .with_context(|| format!("tensor `{}` has no datatype that is known", info.name))?,
        // A card has no dimension of 0.
        shape: sizes
            .into_iter()
            .map(|size| if size == 0 { -1 } else { size })
            .collect(),
        example_shape: None,
    })
}
