//! Inspecting a source: run its graph once and derive its card.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use infer_engine::onnx::Summary;
use infer_model_card::{
    Activation, CardError, LabelsError, ModelCard, Placement, RuntimeChoice, TensorSpec,
};

use crate::card::{self, Parts};
use crate::graph::{self, Shapes};
use crate::labels::{Config, ConfigError};
use crate::processor::ProcessorError;
use crate::source::{Source, SourceError};
use crate::tasks;
use crate::tensors::image;
use crate::text::{self, TextError};

/// The user's settings for a source.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The variant, if the source has several graphs.
    pub variant: Option<String>,
    /// A label file with one label per line.
    pub labels: Option<PathBuf>,
    /// The width and height of images, which are preprocessed like torchvision's for ImageNet.
    pub image: Option<(u32, u32)>,
    /// The function that turns the classes' values into scores.
    pub activation: Option<Activation>,
    /// The model's version; `1` by default.
    pub version: Option<String>,
    /// Sizes of inputs with dynamic dimensions.
    pub shapes: Shapes,
}

/// An inspected model, which can be added to the repository.
#[derive(Clone, Debug)]
pub struct Found {
    /// The path of the graph.
    pub onnx: PathBuf,
    /// The graph's size in bytes.
    pub onnx_bytes: u64,
    /// The model's name at its source, with invalid characters replaced.
    pub name: String,
    /// The graph's producer, opsets and operators.
    pub summary: Summary,
    /// The time of one warm inference, natively on this machine; `None` if none succeeded, which a note explains.
    pub warm: Option<std::time::Duration>,
    /// The contents of the card.
    parts: Parts,
    /// The text of `model.toml`.
    pub card_text: String,
    /// The parsed card.
    pub card: ModelCard,
    /// The text of the label file.
    pub labels_text: Option<String>,
    /// The text of the tokenizer's file.
    pub tokenizer_text: Option<String>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// A source that cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The source has no usable graph.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The engine does not support the graph.
    #[error("`{}` is not supported: {source}", path.display())]
    Graph {
        /// The graph's file.
        path: PathBuf,
        /// The engine's error.
        source: infer_engine::Error,
    },
    /// `config.json` is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `preprocessor_config.json` is not supported.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// The tokenizer or the pooling is not supported.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The label file is not valid.
    #[error("`{}`: {source}", path.display())]
    Labels {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: LabelsError,
    },
    /// The number of labels differs from the number of classes.
    #[error("{labels} labels were given, but output `{output}` has {classes} classes")]
    LabelCount {
        /// The number of labels.
        labels: usize,
        /// The output's name.
        output: String,
        /// The number of classes.
        classes: i64,
    },
    /// The model should take images, but no input can be one.
    #[error(
        "images need an input of shape [batch, channels, height, width] or [batch, height, width, \
         channels] with 1 or 3 channels; the graph has {inputs}"
    )]
    NoImageInput {
        /// The inputs with their shapes.
        inputs: String,
    },
    /// The model should classify, but no output can have classes.
    #[error(
        "labels need an output of FP32 or FP16 with one value per class; the graph has {outputs}"
    )]
    NoClasses {
        /// The outputs with their shapes.
        outputs: String,
    },
    /// The files contradict each other.
    #[error("the source's files lead to an invalid model card: {0}")]
    Card(#[from] CardError),
    /// A file could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// Inspect a source: run its graph once and derive its card. Nothing is written.
///
/// # Errors
/// At the first problem: see [`InspectError`].
pub fn inspect(path: &Path, options: &Options) -> Result<Found, InspectError> {
    let source = Source::find(path, options.variant.as_deref())?;
    let onnx = fs::read(&source.onnx).map_err(|error| read_error(&source.onnx, error))?;
    let onnx_bytes = onnx.len() as u64;
    let failed = |error| InspectError::Graph {
        path: source.onnx.clone(),
        source: error,
    };
    let declared = graph::declared_inputs(&onnx).map_err(failed)?;
    let image = image(&source, options, &declared)?;
    let mut shapes = options.shapes.clone();
    if let Some((image, _, input)) = &image {
        // The section gives the size of preprocessed images.
        let sizes = image
            .least_shape(input)
            .map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        shapes
            .entry(input.name.clone())
            .or_insert_with(|| sizes.to_vec());
    }
    let mut tried = graph::try_out(onnx, &shapes).map_err(failed)?;
    for spec in &mut tried.inputs {
        // The section `[image]` already gives this shape.
        let is_image = |(_, _, input): &(_, _, &TensorSpec)| input.name == spec.name;
        if image.as_ref().is_some_and(is_image) {
            spec.example_shape = None;
        }
    }
    let config = match source.file("config.json") {
        Some(path) => Config::read(&read_text(&path)?)?,
        None => Config::default(),
    };
    let texts = text::read(&source, &config, &tried.inputs)?;
    let mut notes = texts.notes;
    if let Err(error) = &tried.warm {
        notes.push(format!(
            "no inference succeeded: the graph has dynamic dimensions, and it fails with common sizes ({error}); \
             set the sizes with `--shape NAME=1,2,3`, which the readiness probe uses too"
        ));
    }
    if !Placement::Auto.is_snapshot(onnx_bytes) {
        notes.push(
            "the model is too large for the snapshot on some hosts, so each request reads it again; \
             `placement = \"snapshot\"` in `model.toml` makes it ready at once, if the host accepts an artifact \
             of 1 to 2 times its size"
                .to_owned(),
        );
    }
    let task = tasks::detect(&tasks::Context {
        options,
        config: &config,
        tried: &tried,
        takes_text: texts.text.is_some(),
        pooling: texts.pooling,
    })?;
    let description = match config.architecture.as_str() {
        "" => source.name.clone(),
        architecture => format!("{}, {architecture}", source.name),
    };
    let parts = Parts {
        version: options.version.clone().unwrap_or_else(|| "1".to_owned()),
        description,
        runtime: tried.runtime,
        inputs: tried.inputs,
        outputs: tried.outputs,
        image: image.map(|(image, origin, _)| (image, origin)),
        text: texts.text,
        task: task.text,
    };
    let card_text = card::write(&parts);
    Ok(Found {
        parts,
        card: ModelCard::parse(&card_text)?,
        card_text,
        labels_text: task.labels,
        tokenizer_text: texts.tokenizer,
        notes,
        onnx: source.onnx,
        onnx_bytes,
        name: as_name(&source.name),
        summary: tried.summary,
        warm: tried.warm.ok(),
    })
}

impl Found {
    /// Set the runtime in the card.
    pub fn set_runtime(&mut self, runtime: RuntimeChoice) {
        self.parts.runtime = runtime;
        self.card_text = card::write(&self.parts);
        self.card.runtime = runtime;
    }
}

fn read_error(path: &Path, source: io::Error) -> InspectError {
    InspectError::Read {
        path: path.to_owned(),
        source,
    }
}

pub(crate) fn read_text(path: &Path) -> Result<String, InspectError> {
    fs::read_to_string(path).map_err(|error| read_error(path, error))
}

/// Convert a folder's name to a model's: invalid characters become hyphens, and leading dots are removed.
fn as_name(name: &str) -> String {
    name.trim_start_matches('.')
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '-',
        })
        .collect()
}
