//! A source is looked at as a whole: its graph is run once, and its card worked out.

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

/// What a user says of a source.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which of several graphs.
    pub variant: Option<String>,
    /// A label file, one label a line.
    pub labels: Option<PathBuf>,
    /// That images are taken, of this width and height, prepared as torchvision does for ImageNet.
    pub image: Option<(u32, u32)>,
    /// What turns the classes' values into scores.
    pub activation: Option<Activation>,
    /// The model's version, `1` if the user says none.
    pub version: Option<String>,
    /// Sizes of inputs, where the graph leaves them open.
    pub shapes: Shapes,
}

/// A model that can be added.
#[derive(Clone, Debug)]
pub struct Found {
    /// The graph's file.
    pub onnx: PathBuf,
    /// Its size.
    pub onnx_bytes: u64,
    /// What the model is called where it comes from, as far as that can be a name.
    pub name: String,
    /// Who wrote the graph, and of what it is made.
    pub summary: Summary,
    /// How long one inference takes once it is warm, natively on this machine; none where it could not be
    /// tried, of which there is a note then.
    pub warm: Option<std::time::Duration>,
    /// What the card is made of.
    parts: Parts,
    /// What goes into `model.toml`.
    pub card_text: String,
    /// The same, read.
    pub card: ModelCard,
    /// What goes into the label file.
    pub labels_text: Option<String>,
    /// What goes into the tokenizer's file.
    pub tokenizer_text: Option<String>,
    /// What a user should know of it.
    pub notes: Vec<String>,
}

/// Why a source cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// There is no graph to be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The engine cannot run the graph.
    #[error("`{}` cannot be used: {source}", path.display())]
    Graph {
        /// The graph's file.
        path: PathBuf,
        /// The engine's word.
        source: infer_engine::Error,
    },
    /// `config.json`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `preprocessor_config.json`.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// How texts are prepared.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The label file.
    #[error("`{}`: {source}", path.display())]
    Labels {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LabelsError,
    },
    /// As many labels as classes.
    #[error("there are {labels} labels, but output `{output}` has {classes} classes")]
    LabelCount {
        /// How many labels.
        labels: usize,
        /// The output.
        output: String,
        /// How many classes.
        classes: i64,
    },
    /// Images are to be taken, but no input could be one.
    #[error(
        "images need an input of shape [batch, channels, height, width] or [batch, height, width, \
         channels] with 1 or 3 channels; the graph has {inputs}"
    )]
    NoImageInput {
        /// The inputs with their shapes.
        inputs: String,
    },
    /// Classes are to be named, but no output could have them.
    #[error(
        "labels need an output of FP32 or FP16 with one value a class; the graph has {outputs}"
    )]
    NoClasses {
        /// The outputs with their shapes.
        outputs: String,
    },
    /// The parts contradict each other.
    #[error("the model card that follows from the files is not possible: {0}")]
    Card(#[from] CardError),
    /// A file that could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// Look at a source, run its graph once, and work out its card. Nothing is written.
///
/// # Errors
/// At the first thing that cannot be used, by name: see [`InspectError`].
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
        // How large images become is known then.
        let sizes = image
            .least_shape(input)
            .map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        shapes
            .entry(input.name.clone())
            .or_insert_with(|| sizes.to_vec());
    }
    let mut tried = graph::try_out(onnx, &shapes).map_err(failed)?;
    for spec in &mut tried.inputs {
        // What `[image]` says need not be said twice.
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
            "no inference was tried: the graph leaves sizes open, and with the usual ones it does not compute \
             ({error}); say them with `--shape NAME=1,2,3`, and readiness will try them too"
        ));
    }
    if !Placement::Auto.is_snapshot(onnx_bytes) {
        notes.push(
            "not every host would take it in the snapshot, so it is read again for each request; \
             `placement = \"snapshot\"` in `model.toml` makes it ready at once, where the host takes an \
             artifact of 1 to 2 times its size"
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
    /// Put into the card what runs the graph in the engine.
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

/// A folder's name as a model's: what a model's cannot have becomes a hyphen, and it is not hidden.
fn as_name(name: &str) -> String {
    name.trim_start_matches('.')
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '-',
        })
        .collect()
}
