//! What a graph's tensors mean: which input is an image, which output has the classes, or the vectors.

use infer_model_card::{
    Activation, Channels, Crop, Datatype, EmbeddingSpec, Filter, ImageSpec, Layout, Pooling,
    ResizeMode, TensorSpec,
};

use crate::card::Classification;
use crate::graph::Tried;
use crate::inspect::{InspectError, Options, read_text};
use crate::labels::{self, Config};
use crate::processor;
use crate::source::Source;

/// The first input that could be an image, with its layout and number of channels.
fn image_input(inputs: &[TensorSpec]) -> Option<(&TensorSpec, Layout, i64)> {
    inputs.iter().find_map(|spec| {
        let is_pixels = matches!(
            spec.datatype,
            Datatype::Fp32 | Datatype::Fp16 | Datatype::Uint8
        );
        match spec.shape.as_slice() {
            [_, channels @ (1 | 3), _, _] if is_pixels => Some((spec, Layout::Nchw, *channels)),
            [_, _, _, channels @ (1 | 3)] if is_pixels => Some((spec, Layout::Nhwc, *channels)),
            // Optimum leaves the channels free as well.
            [_, -1, _, _] if is_pixels => Some((spec, Layout::Nchw, 3)),
            _ => None,
        }
    })
}

/// How images are prepared, where that is known from, and for which input.
type Image<'a> = Option<(ImageSpec, String, &'a TensorSpec)>;

pub(crate) fn image<'a>(
    source: &Source,
    options: &Options,
    inputs: &'a [TensorSpec],
) -> Result<Image<'a>, InspectError> {
    let preprocessor = source.file("preprocessor_config.json");
    if options.image.is_none() && preprocessor.is_none() {
        return Ok(None);
    }
    let (spec, layout, channels) =
        image_input(inputs).ok_or_else(|| InspectError::NoImageInput {
            inputs: described(inputs),
        })?;
    let (mut image, origin) = match (options.image, &preprocessor) {
        (Some(size), _) => (
            imagenet(size, layout, channels),
            "As torchvision does it for ImageNet: check it.".to_owned(),
        ),
        (None, Some(path)) => (
            processor::read(&read_text(path)?, layout)?,
            "From preprocessor_config.json.".to_owned(),
        ),
        (None, None) => return Ok(None),
    };
    image.input = (inputs.len() > 1).then(|| spec.name.clone());
    Ok(Some((image, origin, spec)))
}

/// torchvision's `ImageClassification` preset: `Resize(size / 0.875)`, `CenterCrop(size)`, ImageNet's
/// mean and deviation. Gray images have no such preset: they are stretched and scaled to 0 to 1.
fn imagenet((width, height): (u32, u32), layout: Layout, channels: i64) -> ImageSpec {
    let is_color = channels == 3;
    let is_square = width == height;
    ImageSpec {
        input: None,
        width,
        height,
        resize: if is_color && is_square {
            ResizeMode::ShortestEdge
        } else {
            ResizeMode::Stretch
        },
        shortest_edge: (is_color && is_square).then(|| (f64::from(width) / 0.875).round() as u32),
        resize_width: None,
        resize_height: None,
        crop: Crop::Torchvision,
        filter: Filter::Bilinear,
        channels: if is_color {
            Channels::Rgb
        } else {
            Channels::Gray
        },
        layout,
        scale: 1.0 / 255.0,
        mean: if is_color {
            vec![0.485, 0.456, 0.406]
        } else {
            vec![0.0]
        },
        std: if is_color {
            vec![0.229, 0.224, 0.225]
        } else {
            vec![1.0]
        },
    }
}

/// The output of which one vector a text is made, and how; of a model that was made for something else,
/// none.
pub(crate) fn embedding(
    config: &Config,
    pooling: Option<Pooling>,
    outputs: &[TensorSpec],
) -> Option<EmbeddingSpec> {
    // `BertModel`, but not `BertForMaskedLM`.
    let has_no_head = config.architecture.is_empty() || config.architecture.ends_with("Model");
    let find = |names: &[&str], rank: usize| {
        outputs
            .iter()
            .find(|spec| names.contains(&spec.name.as_str()) && spec.shape.len() == rank)
            .filter(|spec| matches!(spec.datatype, Datatype::Fp32 | Datatype::Fp16))
    };
    let spec = |output: &TensorSpec, pooling| EmbeddingSpec {
        output: output.name.clone(),
        pooling,
        normalize: true,
    };
    // As optimum exports a folder of `sentence-transformers`.
    if let Some(pooled) = find(&["sentence_embedding"], 2) {
        return Some(spec(pooled, Pooling::None));
    }
    let tokens = find(&["last_hidden_state", "token_embeddings"], 3)?;
    (has_no_head || pooling.is_some()).then(|| spec(tokens, pooling.unwrap_or_default()))
}

fn described(specs: &[TensorSpec]) -> String {
    let described: Vec<String> = specs
        .iter()
        .map(|spec| format!("`{}` ({} {:?})", spec.name, spec.datatype, spec.shape))
        .collect();
    described.join(", ")
}

pub(crate) fn classification(
    options: &Options,
    config: &Config,
    tried: &Tried,
) -> Result<(Option<Classification>, Option<String>), InspectError> {
    let text = match &options.labels {
        Some(path) => Some(read_text(path)?),
        None if config.is_classifier && !config.labels.is_empty() => {
            Some(labels::to_text(&config.labels))
        }
        None => None,
    };
    if text.is_none() && options.activation.is_none() && !config.is_classifier {
        return Ok((None, None));
    }
    let outputs = &tried.outputs;
    let is_classes = |(_, spec): &(usize, &TensorSpec)| {
        matches!(spec.datatype, Datatype::Fp32 | Datatype::Fp16) && !spec.shape.is_empty()
    };
    let (place, output) = outputs
        .iter()
        .enumerate()
        .filter(is_classes)
        .max_by_key(|(place, spec)| (spec.name == "logits", std::cmp::Reverse(*place)))
        .ok_or_else(|| InspectError::NoClasses {
            outputs: described(outputs),
        })?;
    if let Some(text) = &text {
        let path = options
            .labels
            .clone()
            .unwrap_or_else(|| "config.json".into());
        let count = labels::count(text).map_err(|source| InspectError::Labels { path, source })?;
        let classes = output.shape.last().copied().unwrap_or(-1);
        if classes != -1 && usize::try_from(classes) != Ok(count) {
            return Err(InspectError::LabelCount {
                labels: count,
                output: output.name.clone(),
                classes,
            });
        }
    }
    let last_operator = tried.summary.last_operators.get(place);
    let last_operator = last_operator.map_or("", String::as_str);
    let classification = Classification {
        output: output.name.clone(),
        activation: options.activation.unwrap_or(match last_operator {
            // The graph has done it.
            "Softmax" | "Sigmoid" => Activation::None,
            _ => config.activation,
        }),
        has_labels: text.is_some(),
    };
    Ok((Some(classification), text))
}
