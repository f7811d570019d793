//! `[segmentation]`, `[depth]` and `[image_embedding]`: models with one map or one vector as the answer to an image.

use infer_model_card::{Activation, TensorSpec};

use super::{Context, Section, is_float};
use crate::card::{LABELS_FILE, toml_string};
use crate::inspect::InspectError;
use crate::labels;
use crate::tensors::described;

/// The section of a model that segments images by classes, or removes their background.
pub(super) fn segmentation(context: &Context) -> Result<Option<Section>, InspectError> {
    let architecture = context.config.architecture.as_str();
    let outputs = &context.tried.outputs;
    let by_class = architecture.contains("ForSemanticSegmentation");
    if !by_class && !is_background_remover(architecture) {
        return Ok(None);
    }
    let output = maps(outputs)
        .next()
        .ok_or_else(|| InspectError::UnfitOutputs {
            what: format!("`{architecture}` in `config.json`"),
            expected: "an output of shape [batch, classes, height, width]",
            outputs: described(outputs),
        })?;
    let labels = match by_class {
        true => context.config.labels.clone(),
        false => Vec::new(),
    };
    let last = outputs.iter().position(|spec| spec.name == output.name);
    let last = last.and_then(|place| context.tried.summary.last_operators.get(place));
    let activation = match (by_class, last.map_or("", String::as_str)) {
        (_, "Softmax" | "Sigmoid") => Activation::None,
        (false, _)
            if STRETCHED
                .iter()
                .any(|name| architecture.eq_ignore_ascii_case(name)) =>
        {
            Activation::None
        }
        (true, _) => Activation::Softmax,
        (false, _) => Activation::Sigmoid,
    };
    let activation = match activation {
        Activation::None => "none",
        Activation::Softmax => "softmax",
        Activation::Sigmoid => "sigmoid",
    };
    let mut text = format!(
        "# How an output becomes masks of the size of the image as sent.\n[segmentation]\noutput = {}\n\
         activation = \"{activation}\"  # none | softmax | sigmoid\n",
        toml_string(&output.name)
    );
    if STRETCHED
        .iter()
        .any(|name| architecture.eq_ignore_ascii_case(name))
    {
        text += "stretch = true  # from the least and the greatest value to 0 and 1\n";
    }
    if !labels.is_empty() {
        text += &format!("labels = \"{LABELS_FILE}\"  # one label per line\n");
    }
    Ok(Some(Section {
        text,
        labels: (!labels.is_empty()).then(|| labels::to_text(&labels)),
        ..Section::default()
    }))
}

/// Background removers whose own code stretches the opacity of each image.
const STRETCHED: [&str; 3] = ["BriaRMBG", "ISNet", "U2Net"];

/// Whether an architecture computes the opacity of the foreground. These are models with code of their own, not of
/// `transformers`.
fn is_background_remover(architecture: &str) -> bool {
    ["BiRefNet", "BriaRMBG", "ISNet", "ModNet", "U2Net"]
        .iter()
        .any(|name| architecture.eq_ignore_ascii_case(name))
}

/// The section of a model that estimates depth.
pub(super) fn depth(context: &Context) -> Result<Option<Section>, InspectError> {
    let architecture = context.config.architecture.as_str();
    if !architecture.contains("ForDepthEstimation") {
        return Ok(None);
    }
    let outputs = &context.tried.outputs;
    let named = outputs.iter().find(|spec| spec.name == "predicted_depth");
    let output = named
        .filter(|spec| is_float(spec) && matches!(spec.shape.len(), 3 | 4))
        .ok_or_else(|| InspectError::UnfitOutputs {
            what: format!("`{architecture}` in `config.json`"),
            expected: "an output `predicted_depth` of shape [batch, height, width]",
            outputs: described(outputs),
        })?;
    Ok(Some(Section {
        text: format!(
            "# How an output becomes a map of the size of the image as sent.\n[depth]\noutput = {}\n",
            toml_string(&output.name)
        ),
        labels: None,
        ..Section::default()
    }))
}

/// The section of a model that embeds images.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every task")]
pub(super) fn embedding(context: &Context) -> Result<Option<Section>, InspectError> {
    let architecture = context.config.architecture.as_str();
    if context.texts.text.is_some() || !context.takes_image || !architecture.ends_with("Model") {
        return Ok(None);
    }
    let find = |names: &[&str], rank: usize| {
        let fits = |spec: &&TensorSpec| {
            names.contains(&spec.name.as_str()) && spec.shape.len() == rank && is_float(spec)
        };
        context.tried.outputs.iter().find(fits)
    };
    let pooled = find(&["image_embeds", "pooler_output"], 2);
    let tokens = find(&["last_hidden_state"], 3);
    let Some((output, pooling)) = pooled
        .map(|spec| (spec, "none"))
        .or(tokens.map(|spec| (spec, "cls")))
    else {
        return Ok(None);
    };
    // CLIP's vectors are compared by their angle.
    let normalize = output.name == "image_embeds";
    Ok(Some(Section {
        text: format!(
            "# How an output becomes one vector per image.\n[image_embedding]\noutput = {}\n\
             pooling = \"{pooling}\"  # mean | cls | none\nnormalize = {normalize}\n",
            toml_string(&output.name)
        ),
        labels: None,
        ..Section::default()
    }))
}

/// The outputs with one value for each place of an image.
fn maps(outputs: &[TensorSpec]) -> impl Iterator<Item = &TensorSpec> {
    outputs
        .iter()
        .filter(|spec| is_float(spec) && matches!(spec.shape.len(), 3 | 4))
}
