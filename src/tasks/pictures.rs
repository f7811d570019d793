//! Running a model on images whose places in the input are known.

use super::pipeline::{Call, NamedTensors, Runner};
use crate::http::error::ApiError;
use crate::http::timing::Phase;
use crate::input::content::{Content, EncodedImage};
use crate::input::image::Placement;
use crate::input::images;
use infer_model_card::Layout;
use serde_json::{Value, json};

/// The images of a request, where each is in the input, and the graph's outputs.
pub(super) struct Pictures {
    /// The images as sent; none if the request has tensors.
    pub(super) images: Vec<EncodedImage>,
    /// One placement for each item of the batch.
    pub(super) placements: Vec<Placement>,
    /// The graph's outputs.
    pub(super) outputs: NamedTensors,
}

impl Pictures {
    /// Prepare the images of a request and run the graph. An image tensor counts as an image of its own size.
    ///
    /// # Errors
    /// Those of [`images::prepare`] and of the runner.
    pub(super) fn run(call: Call, runner: &mut dyn Runner) -> Result<Self, ApiError> {
        if let Some(Content::Images(images)) = call.inputs.content {
            let prepared = runner.timing().measure(Phase::Decode, || {
                images::prepare(&images, call.accepts, call.limits)
            })?;
            let outputs = runner.run(prepared.inputs)?;
            return Ok(Self {
                images,
                placements: prepared.placements,
                outputs,
            });
        }
        let placements = call
            .card
            .image_input()
            .and_then(|(image, spec)| {
                let tensors = &call.inputs.tensors;
                let (_, tensor) = tensors.iter().find(|(name, _)| *name == spec.name)?;
                let (batch, height, width) = match (image.layout, tensor.shape.as_slice()) {
                    (Layout::Nchw, [batch, _, height, width])
                    | (Layout::Nhwc, [batch, height, width, _]) => (*batch, *height, *width),
                    _ => return None,
                };
                Some(vec![Placement::of_input(width, height); batch as usize])
            })
            .unwrap_or_default();
        let outputs = runner.run(call.inputs.tensors)?;
        Ok(Self {
            images: Vec::new(),
            placements,
            outputs,
        })
    }
}

/// The JSON Schema of a PNG file in base64.
pub(super) fn png_schema(description: &str) -> Value {
    json!({
        "type": "string",
        "contentEncoding": "base64",
        "contentMediaType": "image/png",
        "description": description,
    })
}
