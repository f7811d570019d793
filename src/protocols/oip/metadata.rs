//! Metadata of the server and of models, and Triton's model configuration.

use infer_model_card::{Layout, ModelCard, TensorSpec};
use serde::Serialize;

use crate::catalog::{Model, Models};
use crate::http::error::ApiError;
use crate::http::json;
use crate::http::response::Response;
use crate::http::settings::Settings;

/// The platform, as the Open Inference Protocol names it.
const PLATFORM: &str = "onnx_onnxv1";

/// The supported extensions of Triton.
const EXTENSIONS: [&str; 4] = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
];

/// `GET /v2`
///
/// # Errors
/// None.
pub fn server() -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Server {
        name: &'static str,
        version: &'static str,
        extensions: [&'static str; 4],
    }
    json::response(&Server {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        extensions: EXTENSIONS,
    })
}

/// `GET /v2/models/{model}`
///
/// # Errors
/// None.
pub fn model(model: &Model, models: &Models) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Metadata<'a> {
        name: &'a str,
        versions: Vec<&'a str>,
        platform: &'static str,
        inputs: Vec<TensorMetadata<'a>>,
        outputs: Vec<TensorMetadata<'a>>,
    }
    #[derive(Serialize)]
    struct TensorMetadata<'a> {
        name: &'a str,
        datatype: &'static str,
        shape: &'a [i64],
    }
    fn tensors(specs: &[TensorSpec]) -> Vec<TensorMetadata<'_>> {
        specs
            .iter()
            .map(|spec| TensorMetadata {
                name: &spec.name,
                datatype: spec.datatype.name(),
                shape: &spec.shape,
            })
            .collect()
    }
    json::response(&Metadata {
        name: model.name.as_str(),
        versions: models
            .versions(model.name.as_str())
            .map(|model| model.card.version.as_str())
            .collect(),
        platform: PLATFORM,
        inputs: tensors(&model.card.inputs),
        outputs: tensors(&model.card.outputs),
    })
}

/// `GET /v2/models/{model}/config`: Triton's `ModelConfig` as JSON, with the members that apply.
///
/// # Errors
/// None.
pub fn config(model: &Model, settings: &Settings) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Config<'a> {
        name: &'a str,
        platform: &'static str,
        backend: &'static str,
        version_policy: VersionPolicy,
        max_batch_size: u64,
        input: Vec<Input<'a>>,
        output: Vec<Output<'a>>,
        default_model_filename: &'static str,
    }
    #[derive(Serialize)]
    struct VersionPolicy {
        latest: Latest,
    }
    #[derive(Serialize)]
    struct Latest {
        num_versions: u32,
    }
    #[derive(Serialize)]
    struct Input<'a> {
        name: &'a str,
        data_type: String,
        format: &'static str,
        dims: &'a [i64],
    }
    #[derive(Serialize)]
    struct Output<'a> {
        name: &'a str,
        data_type: String,
        dims: &'a [i64],
        #[serde(skip_serializing_if = "Option::is_none")]
        label_filename: Option<&'a str>,
    }
    let card = &model.card;
    let max_batch_size = max_batch_size(card, settings);
    // Triton's `dims` omit the batch of a model that has one.
    let dims = |spec: &'_ TensorSpec| usize::from(max_batch_size > 0).min(spec.shape.len());
    let data_type = |spec: &TensorSpec| format!("TYPE_{}", spec.datatype);
    let image_input = card.image_input();
    json::response(&Config {
        name: model.name.as_str(),
        platform: PLATFORM,
        backend: "wasi-nn",
        version_policy: VersionPolicy {
            latest: Latest { num_versions: 1 },
        },
        max_batch_size,
        input: card
            .inputs
            .iter()
            .map(|spec| Input {
                name: &spec.name,
                data_type: data_type(spec),
                format: match image_input {
                    Some((image, input)) if input.name == spec.name => match image.layout {
                        Layout::Nchw => "FORMAT_NCHW",
                        Layout::Nhwc => "FORMAT_NHWC",
                    },
                    _ => "FORMAT_NONE",
                },
                dims: &spec.shape[dims(spec)..],
            })
            .collect(),
        output: card
            .outputs
            .iter()
            .map(|spec| Output {
                name: &spec.name,
                data_type: data_type(spec),
                dims: &spec.shape[dims(spec)..],
                label_filename: model.pipeline.labels_file(&spec.name),
            })
            .collect(),
        default_model_filename: "model.onnx",
    })
}

/// The number of items for which a body of raw tensors has room; 0 for a model without a batch. A model has a batch if the
/// first dimension of every input and output is free.
fn max_batch_size(card: &ModelCard, settings: &Settings) -> u64 {
    let has_batch = card
        .inputs
        .iter()
        .chain(&card.outputs)
        .all(|spec| spec.shape.first() == Some(&-1));
    if !has_batch {
        return 0;
    }
    let item: u64 = card
        .inputs
        .iter()
        .map(|spec| {
            let sizes = spec.shape.iter().skip(1);
            let elements = sizes.fold(1_u64, |all, size| {
                all.saturating_mul(u64::try_from(*size).unwrap_or(1))
            });
            elements.saturating_mul(spec.datatype.element_bytes().unwrap_or(1) as u64)
        })
        .fold(0, u64::saturating_add);
    // Triton's field has 31 bits.
    let most = i32::MAX.unsigned_abs().into();
    settings
        .limits
        .max_body_bytes
        .checked_div(item)
        .unwrap_or(1)
        .clamp(1, most)
}
