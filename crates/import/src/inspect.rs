//! Inspecting a source: run its graph once and derive its card.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use infer_model_card::{Activation, CardError, LabelsError, ModelCard, Placement, TensorSpec};
use infer_onnx::{Description, ExternalError, Summary};

use crate::card::{self, Parts};
use crate::graph::{self, Engine, Memory, NotRun, Shapes, Trial, Values};
use crate::labels::{Config, ConfigError};
use crate::pair;
use crate::processor::ProcessorError;
use crate::sound::{Silero, audio};
use crate::source::Source;
use crate::table;
use crate::tasks;
use crate::tensors::image;
use crate::text::{self, TextError};
use crate::ultralytics::Ultralytics;

/// The user's settings for a source.
#[derive(Clone, Debug, Default)]
pub struct Options {
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
    /// Values of inputs in the trial, in order; they are repeated if there are fewer than elements.
    pub values: Values,
}

/// An inspected model, which can be added to the repository.
#[derive(Clone, Debug)]
pub struct Found {
    /// The path of the graph.
    pub onnx: PathBuf,
    /// The path of the graph of texts, if `onnx` is that of the images of a model that is exported as two.
    pub text_onnx: Option<PathBuf>,
    /// The graph's size in bytes.
    pub onnx_bytes: u64,
    /// The model's name at its source, with invalid characters replaced.
    pub name: String,
    /// The graph's producer, opsets and operators.
    pub summary: Summary,
    /// The time of one warm inference in the engine on this machine; `None` if none succeeded, or if the graph was not
    /// tried. A note explains it.
    pub warm: Option<std::time::Duration>,
    /// The memory in the WebAssembly engine, if the graph was tried there.
    pub memory: Option<Memory>,
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

impl Found {
    /// Read the graph as it is added: one file, in the form that every runtime reads.
    ///
    /// # Errors
    /// When a file cannot be read, or two graphs cannot be joined.
    pub fn read_graph(&self) -> Result<Vec<u8>, ExternalError> {
        let onnx = pair::read(&self.onnx, self.text_onnx.as_deref())?;
        let standard = infer_onnx::standard_form(onnx);
        let standard = standard.map_err(|reason| ExternalError::Graph {
            path: self.onnx.clone(),
            reason,
        })?;
        Ok(standard.onnx)
    }
}

/// A source that cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The engine does not support the graph.
    #[error("`{}` is not supported: {source}", path.display())]
    Graph {
        /// The graph's file.
        path: PathBuf,
        /// The engine's error.
        source: infer_tensor::Error,
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
    /// The files name a task, but the outputs are not those of the task.
    #[error("{what} needs {expected}; the graph has {outputs}")]
    UnfitOutputs {
        /// What names the task.
        what: String,
        /// The expected outputs.
        expected: &'static str,
        /// The outputs with their shapes.
        outputs: String,
    },
    /// The number of named columns differs from the input's.
    #[error("{names} columns are named, but input `{input}` has {width}")]
    Columns {
        /// The number of names.
        names: usize,
        /// The input's name.
        input: String,
        /// The number of its columns.
        width: usize,
    },
    /// The files of speech recognition do not say what its output means.
    #[error("the model recognizes speech, but {problem}")]
    Vocabulary {
        /// What is missing or wrong.
        problem: String,
    },
    /// The graph's file or the files with its weights could not be read.
    #[error(transparent)]
    Onnx(#[from] ExternalError),
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

/// Inspect a source: run its graph in the engine and derive its card. Nothing is written.
///
/// # Errors
/// At the first problem: see [`InspectError`].
pub fn inspect(
    source: Source,
    options: &Options,
    engine: &dyn Engine,
) -> Result<Found, InspectError> {
    let onnx = pair::read(&source.onnx, source.text_onnx.as_deref())?;
    let bytes = onnx.len() as u64;
    let description = infer_onnx::describe(&onnx).map_err(|source_error| InspectError::Graph {
        path: source.onnx.clone(),
        source: source_error,
    })?;
    let onnx = infer_onnx::standard_form(onnx)
        .map_err(|reason| ExternalError::Graph {
            path: source.onnx.clone(),
            reason,
        })?
        .onnx;
    derive(source, options, &description, bytes, Some((engine, onnx)))
}

/// Derive a card from a graph's declarations and the files beside it. The graph is not tried, since its weights are
/// elsewhere.
///
/// # Errors
/// At the first problem: see [`InspectError`].
pub fn inspect_declared(
    source: Source,
    options: &Options,
    description: &Description,
    onnx_bytes: u64,
) -> Result<Found, InspectError> {
    derive(source, options, description, onnx_bytes, None)
}

fn derive(
    source: Source,
    options: &Options,
    description: &Description,
    onnx_bytes: u64,
    trial: Option<(&dyn Engine, Vec<u8>)>,
) -> Result<Found, InspectError> {
    let failed = |error| InspectError::Graph {
        path: source.onnx.clone(),
        source: error,
    };
    let declared = graph::input_specs(&description.signature).map_err(failed)?;
    let ultralytics = Ultralytics::read(&description.summary.metadata);
    let config = match source.file("config.json") {
        Some(path) => Config::read(&read_text(&path)?)?,
        None => Config::default(),
    };
    let (audio, sound) = match options.image {
        None => audio(&source, &config, &declared)?,
        Some(_) => (None, None),
    };
    let of_sound = audio.is_some() || sound.is_some();
    let image = image(&source, options, ultralytics.as_ref(), of_sound, &declared)?;
    let outputs = description.signature.outputs.iter();
    let silero = match (&audio, &image) {
        (None, None) => Silero::find(&declared, outputs.map(|output| output.name.as_str())),
        _ => None,
    };
    let audio = audio.or_else(|| silero.and_then(|_| Silero::audio(&declared)));
    let mut shapes = options.shapes.clone();
    let mut values = options.values.clone();
    if let Some((audio, _, input)) = &audio {
        // A second of sound, or a window.
        let samples = silero.map_or(audio.rate_hz, |silero| Silero::WINDOW + silero.context);
        let fixed = |(size, declared): (u32, &i64)| u32::try_from(*declared).unwrap_or(size);
        let shape = audio.shape(samples).into_iter().zip(&input.shape);
        let shape: Vec<u32> = shape.map(fixed).collect();
        for name in [Some(&input.name), audio.attention_mask.as_ref()] {
            let Some(name) = name else { continue };
            shapes.entry(name.clone()).or_insert_with(|| shape.clone());
        }
        if silero.is_some() {
            let rate = vec![f64::from(Silero::RATE_HZ)];
            values.entry(Silero::RATE.to_owned()).or_insert(rate);
        }
    }
    if let Some((image, _, input)) = &image {
        // The section gives the size of preprocessed images.
        let sizes = image
            .least_shape(input)
            .map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        shapes
            .entry(input.name.clone())
            .or_insert_with(|| sizes.to_vec());
    }
    let known = Trial {
        description,
        shapes: &shapes,
        values: &values,
        image: (image.as_ref()).map(|(image, _, input)| (input.name.as_str(), image)),
    };
    let mut tried = match trial {
        Some((engine, onnx)) => graph::try_out(engine, onnx, known),
        None => graph::not_tried(known),
    }
    .map_err(failed)?;
    for spec in &mut tried.inputs {
        // The section `[image]` already gives this shape.
        let is_image = |(_, _, input): &(_, _, &TensorSpec)| input.name == spec.name;
        if image.as_ref().is_some_and(is_image) {
            spec.example_shape = None;
        }
    }
    let mut texts = match &audio {
        Some(_) => text::Found::default(),
        None => {
            let image = image.as_ref().map(|(_, _, input)| input.name.as_str());
            text::read(&source, &config, &tried.inputs, image)?
        }
    };
    let mut notes = description.notes.clone();
    notes.extend(tried.note.take());
    notes.extend(sound);
    notes.append(&mut texts.notes);
    notes.extend(tried.warm.as_ref().err().map(not_run_note));
    let is_large = |memory: Memory| memory.loaded_bytes > Placement::LOADED_LIMIT_BYTES;
    let is_mounted = Placement::Auto.is_snapshot(onnx_bytes) && tried.memory.is_some_and(is_large);
    if is_mounted || !Placement::Auto.is_snapshot(onnx_bytes) {
        notes.push(
            "the model is too large for the snapshot on some hosts, so each request reads it again; \
             `placement = \"snapshot\"` in `model.toml` makes it ready at once, if the host accepts an artifact \
             as large as the loaded model"
                .to_owned(),
        );
    }
    let table = match (&image, &audio, &texts.text) {
        (None, None, None) => table::read(&source, &tried.summary, &tried.inputs)?,
        _ => None,
    };
    let task = tasks::detect(&tasks::Context {
        options,
        config: &config,
        tried: &tried,
        ultralytics: ultralytics.as_ref(),
        takes_image: image.is_some(),
        takes_table: table.is_some(),
        takes_sound: audio.is_some(),
        source: &source,
        silero,
        name: &source.name,
        texts: &texts,
        class_labels: &description.class_labels,
    })?;
    notes.extend(task.note);
    if let (Some(text), Some(max_tokens)) = (&mut texts.text, task.max_tokens) {
        text.max_tokens = text.max_tokens.min(max_tokens);
    }
    let name = &source.name;
    let description = match config.architecture.as_str() {
        "" => name.clone(),
        architecture => format!("{name}, {architecture}"),
    };
    let parts = Parts {
        version: options.version.clone().unwrap_or_else(|| "1".to_owned()),
        description,
        inputs: tried.inputs,
        outputs: tried.outputs,
        is_mounted,
        memory: tried.memory,
        image: image.map(|(image, origin, _)| (image, origin)),
        audio: audio.map(|(audio, origin, _)| (audio, origin)),
        text: texts.text,
        table,
        task: task.text,
    };
    let card_text = card::write(&parts);
    Ok(Found {
        card: ModelCard::parse(&card_text)?,
        card_text,
        labels_text: task.labels,
        tokenizer_text: texts.tokenizer,
        notes,
        name: as_name(name),
        onnx: source.onnx,
        text_onnx: source.text_onnx,
        onnx_bytes,
        summary: tried.summary,
        warm: tried.warm.ok(),
        memory: tried.memory,
    })
}

/// Advice about a trial without an inference.
fn not_run_note(not_run: &NotRun) -> String {
    match not_run {
        NotRun::NotTried => "the graph was not run, since its weights are not here".to_owned(),
        NotRun::Sizes(error) => format!(
            "no inference succeeded: the graph has dynamic dimensions, and it fails with common sizes ({error}); \
             set the sizes with `--shape NAME=1,2,3`, which the readiness probe uses too"
        ),
        NotRun::Values(error) => format!(
            "no inference succeeded: the graph fails on the values of a trial ({error}); give it values with \
             `--try NAME=1,2`, or send it a request to see whether it is right"
        ),
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
