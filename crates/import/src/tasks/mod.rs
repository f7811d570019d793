//! The task of a model: which section of the card its files and outputs call for.
//!
//! Each task with a section is one file here; [`TASKS`] registers it. A model that fits none of them returns
//! its output tensors.

mod classification;
mod embedding;

use std::collections::BTreeMap;

use infer_model_card::{Pooling, TensorSpec};
use infer_tensor::Datatype;

use crate::graph::Tried;
use crate::inspect::{InspectError, Options};
use crate::labels::Config;

/// Every task, in the order in which they are tried.
const TASKS: [Detect; 2] = [classification::detect, embedding::detect];

type Detect = fn(&Context) -> Result<Option<Section>, InspectError>;

/// Everything that is known about a model when its task is detected.
pub(crate) struct Context<'a> {
    pub options: &'a Options,
    pub config: &'a Config,
    pub tried: &'a Tried,
    /// Whether the card has a section `[text]`.
    pub takes_text: bool,
    /// The pooling that the source's files name.
    pub pooling: Option<Pooling>,
    /// Whether vectors are normalized, if the source's files say it.
    pub normalizes: Option<bool>,
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
