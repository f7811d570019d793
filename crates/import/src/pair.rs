//! Models of images and texts that are exported as two graphs, such as `vision_model.onnx` and `text_model.onnx` of CLIP.

use std::path::Path;

use infer_onnx::{ExternalError, Half, JOINED_OUTPUT, describe, join, read_file, standard_form};

/// The factor of CLIP's scores, which neither graph contains: the models were trained up to this limit.
const CLIP_SCALE: f32 = 100.0;

/// The outputs of CLIP's halves that are their vectors.
const IMAGE_OUTPUT: &str = "image_embeds";
const TEXT_OUTPUT: &str = "text_embeds";

/// Read the graph of a source: one file, or two that are joined.
///
/// # Errors
/// A file cannot be read, or the two graphs are not the halves of a CLIP model.
pub(crate) fn read(images: &Path, texts: Option<&Path>) -> Result<Vec<u8>, ExternalError> {
    let Some(texts) = texts else {
        return read_file(images);
    };
    let (image_onnx, text_onnx) = (half(images, IMAGE_OUTPUT)?, half(texts, TEXT_OUTPUT)?);
    let image_half = Half {
        onnx: &image_onnx,
        output: IMAGE_OUTPUT,
    };
    let text_half = Half {
        onnx: &text_onnx,
        output: TEXT_OUTPUT,
    };
    join(image_half, text_half, CLIP_SCALE).map_err(|reason| invalid(images, reason))
}

/// A graph in its standard form, which has this output.
fn half(path: &Path, expected: &str) -> Result<Vec<u8>, ExternalError> {
    let onnx = read_file(path)?;
    let onnx = standard_form(onnx)
        .map_err(|reason| invalid(path, reason))?
        .onnx;
    let described = describe(&onnx).map_err(|error| invalid(path, error.to_string()))?;
    let outputs = described.signature.outputs;
    if outputs.iter().all(|output| output.name != expected) {
        // SigLIP's halves have no such output; its scores need a scale and a bias that are in neither.
        return Err(invalid(
            path,
            format!(
                "it has no output `{expected}`, as the halves of CLIP have, and what makes scores of other models' vectors is \
                 in neither graph; export the model as one graph with the output `{JOINED_OUTPUT}`, or add one of the two \
                 with `--variant`"
            ),
        ));
    }
    Ok(onnx)
}

fn invalid(path: &Path, reason: String) -> ExternalError {
    ExternalError::Graph {
        path: path.to_owned(),
        reason,
    }
}
