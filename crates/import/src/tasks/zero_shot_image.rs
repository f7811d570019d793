//! `[zero_shot_image]`: CLIP and SigLIP as one graph.

use super::{Context, Section, is_float};
use crate::card::toml_string;
use crate::inspect::InspectError;

/// The section of a model of images and texts.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every task")]
pub(super) fn detect(context: &Context) -> Result<Option<Section>, InspectError> {
    if !context.takes_image || context.texts.text.is_none() {
        return Ok(None);
    }
    let outputs = context.tried.outputs.iter();
    let output = { outputs }.find(|spec| spec.name == "logits_per_image" && is_float(spec));
    let architecture = context.config.architecture.as_str();
    Ok(output.map(|output| {
        let is_siglip = architecture.starts_with("Siglip");
        let (activation, pads) = match is_siglip {
            true => ("sigmoid", "pad_to_max = true  # as the model was trained\n"),
            false => ("softmax", ""),
        };
        Section {
            text: format!(
                "# How the labels of a request are scored for an image.\n[zero_shot_image]\noutput = {}\n\
                 activation = \"{activation}\"  # softmax | sigmoid\n\
                 hypothesis_template = \"This is a photo of {{}}.\"\n{pads}\
                 # labels = \"labels.txt\"  # labels of requests that give none, one per line\n",
                toml_string(&output.name)
            ),
            labels: None,
            ..Section::default()
        }
    }))
}
