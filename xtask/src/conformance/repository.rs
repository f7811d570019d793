//! A model repository of cases.
//!
//! The models are mounted rather than in the snapshot, so a graph that the engine refuses fails its own request and not
//! the build.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use infer_import::card::Parts;
use infer_model_card::{ModelCard, TensorSpec};
use infer_tensor::{Signature, TensorInfo};

use super::case::{Case, Tensor};

/// A case with a model card.
pub(super) struct Prepared {
    pub(super) name: String,
    pub(super) case: Case,
    pub(super) signature: Signature,
    card: String,
}

impl Prepared {
    /// Write the model's card.
    ///
    /// # Errors
    /// Why the graph cannot have a card.
    pub(super) fn new(name: &str, case: Case, signature: Signature) -> Result<Self> {
        Ok(Self {
            card: card(&case, &signature)?,
            name: name.to_owned(),
            case,
            signature,
        })
    }
}

/// Replace the content of the folder with the models.
pub(super) fn write(folder: &Path, models: &[Prepared]) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove `{}`", folder.display()))?;
    }
    for model in models {
        let folder = folder.join(&model.name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create `{}`", folder.display()))?;
        let files = [
            ("model.toml", model.card.as_bytes()),
            ("model.onnx", &model.case.onnx),
        ];
        for (file, bytes) in files {
            let path = folder.join(file);
            fs::write(&path, bytes)
                .with_context(|| format!("cannot write `{}`", path.display()))?;
        }
    }
    Ok(())
}

fn card(case: &Case, signature: &Signature) -> Result<String> {
    ensure!(
        !signature.inputs.is_empty(),
        "the graph has no input, and a model card has at least one"
    );
    let specs = |infos: &[TensorInfo], tensors: &[Tensor]| -> Result<Vec<TensorSpec>> {
        infos.iter().map(|info| spec(info, tensors)).collect()
    };
    let card = infer_import::card::write(&Parts {
        is_mounted: false,
        memory: None,
        version: "1".to_owned(),
        description: String::new(),
        inputs: specs(&signature.inputs, &case.inputs)?,
        outputs: specs(&signature.outputs, &case.outputs)?,
        image: None,
        audio: None,
        table: None,
        text: None,
        task: String::new(),
    });
    let card = format!("placement = \"mount\"\n{card}");
    ModelCard::parse(&card)?;
    Ok(card)
}

/// The tensor as the graph declares it; if it declares no shape, the rank is the case's.
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
            .with_context(|| format!("tensor `{}` has an unknown datatype", info.name))?,
        // A card has no dimension of 0.
        shape: sizes
            .into_iter()
            .map(|size| if size == 0 { -1 } else { size })
            .collect(),
        example_shape: None,
    })
}
