//! The task of a model: which section of the card its files and outputs call for.
//!
//! Each task with a section is one file here; [`TASKS`] registers it. A model that fits none of them returns
//! its output tensors.

mod classification;
mod detection;
mod embedding;
mod fill_mask;
mod images;
mod question_answering;
mod ranking;
mod regression;
mod sounds;
mod sparse_embedding;
mod token_classification;
mod zero_shot;
mod zero_shot_image;

use std::collections::BTreeMap;

use infer_model_card::TensorSpec;
use infer_tensor::Datatype;

use crate::graph::Tried;
use crate::inspect::{InspectError, Options};
use crate::labels::Config;
use crate::sound::Silero;
use crate::source::Source;
use crate::text;
use crate::ultralytics::Ultralytics;

/// Every task, in the order in which they are tried.
const TASKS: [Detect; 16] = [
    sounds::voice_activity,
    sounds::transcription,
    detection::detect,
    images::segmentation,
    images::depth,
    zero_shot_image::detect,
    regression::detect,
    token_classification::detect,
    question_answering::detect,
    sparse_embedding::detect,
    fill_mask::detect,
    zero_shot::detect,
    ranking::detect,
    classification::detect,
    embedding::detect,
    images::embedding,
];

type Detect = fn(&Context) -> Result<Option<Section>, InspectError>;

/// Everything that is known about a model when its task is detected.
pub(crate) struct Context<'a> {
    pub source: &'a Source,
    pub options: &'a Options,
    pub config: &'a Config,
    pub tried: &'a Tried,
    /// The model's name at its source.
    pub name: &'a str,
    /// The metadata of an ONNX file of Ultralytics.
    pub ultralytics: Option<&'a Ultralytics>,
    /// Whether the card has a section `[image]`.
    pub takes_image: bool,
    /// Whether the card has a section `[table]`.
    pub takes_table: bool,
    /// The tokenizer and what the source's files say about texts.
    pub texts: &'a text::Found,
    /// Whether the card has a section `[audio]`.
    pub takes_sound: bool,
    /// The version of `silero-vad`, if the inputs and outputs are those of one.
    pub silero: Option<Silero>,
    /// The labels of each output whose scores come from a classifier with labels in the graph.
    pub class_labels: &'a BTreeMap<String, Vec<String>>,
}

/// A task's section of the card.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    /// The section in TOML, with comments.
    pub text: String,
    /// The text of the label file, for tasks that have labels.
    pub labels: Option<String>,
    /// The most tokens of a text that the task takes, if they are fewer than the model's.
    pub max_tokens: Option<u32>,
    /// A note for the user, such as why there is no section.
    pub note: Option<String>,
}

impl Context<'_> {
    /// Whether a graph has this architecture's head, and a text is its input.
    fn has_head(&self, suffix: &str) -> bool {
        self.texts.text.is_some() && self.config.architecture.ends_with(suffix)
    }

    /// Whether the user has asked for a classifier.
    fn asks_for_classes(&self) -> bool {
        self.options.labels.is_some() || self.options.activation.is_some()
    }

    /// The float output of a number of dimensions: of this name, else the only one.
    fn output(&self, name: &str, rank: usize) -> Option<&TensorSpec> {
        let fits = |spec: &&TensorSpec| is_float(spec) && spec.shape.len() == rank;
        let outputs = || self.tried.outputs.iter().filter(fits);
        let named = outputs().find(|spec| spec.name == name);
        named.or_else(|| outputs().next().filter(|_| outputs().count() == 1))
    }

    /// No section, and a note that says why.
    fn without(&self, expected: &str) -> Option<Section> {
        Some(Section {
            note: Some(format!(
                "`config.json` names the architecture `{}`, {expected}; so the model returns its output tensors",
                self.config.architecture
            )),
            ..Section::default()
        })
    }
}

/// Detect the task; the section is empty for a model that returns its output tensors.
pub(crate) fn detect(context: &Context) -> Result<Section, InspectError> {
    for detect in TASKS {
        if let Some(section) = detect(context)? {
            return Ok(section);
        }
    }
    Ok(Section::default())
}

/// Whether scores or vectors can be made of an output's elements.
fn is_float(spec: &TensorSpec) -> bool {
    matches!(spec.datatype, Datatype::Fp32 | Datatype::Fp16)
}
