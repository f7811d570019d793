//! The pipeline of a task: its request, its result, and the trait that every task implements.

use std::fmt;

use infer_model_card::{Labels, ModelCard, TensorSpec};
use serde_json::{Map, Value};

use super::parameters::{Parameter, Values};
use crate::http::error::ApiError;
use crate::http::json::ToJson;
use crate::http::limits::Limits;
use crate::http::timing::Timing;
use crate::input::accepts::Accepts;
use crate::input::content::{Content, Form};
use crate::input::text::Texts;
use crate::tensor::Tensor;

/// Tensors by name.
pub type NamedTensors = Vec<(String, Tensor)>;

/// A task of one model, from decoded inputs to predictions.
pub trait Pipeline: fmt::Debug {
    /// The parameters of a request that the task takes, in addition to the protocols' own.
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// The form in which the task takes requests other than tensors.
    fn form(&self) -> Form {
        Form::Prepared
    }

    /// What the OpenAPI document says about requests in the task's form.
    fn hints(&self) -> Hints {
        Hints::default()
    }

    /// Whether the task can draw its predictions onto the image of a request.
    fn draws(&self) -> bool {
        false
    }

    /// Run the model, as often as the task needs, and postprocess its outputs.
    ///
    /// # Errors
    /// Whatever the runner returns; 400 for values that the response cannot hold.
    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError>;

    /// The labels of an output's classes, if the task knows them.
    fn labels(&self, _output: &str) -> Option<&Labels> {
        None
    }

    /// The file with the labels of an output's classes, as the card names it.
    fn labels_file(&self, _output: &str) -> Option<&str> {
        None
    }

    /// The JSON Schema of one prediction; `None` for a task whose response is tensors.
    fn schema(&self) -> Option<Schema> {
        None
    }

    /// The graph's outputs that every JSON response contains. JSON is impossible if one of them has a
    /// datatype that JSON cannot hold.
    fn response_outputs<'a>(&self, _card: &'a ModelCard) -> &'a [TensorSpec] {
        &[]
    }

    /// Members for the model's description in `/openapi.json`, which the playground page reads.
    fn description(&self) -> Map<String, Value>;
}

/// What the OpenAPI document says about requests of content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    /// A text that the task takes, if it does not take every one.
    pub text: Option<String>,
    /// The regular expression of a text that the task takes.
    pub pattern: Option<String>,
    /// A parameter that every request must have, with an example.
    pub required: Option<(&'static str, Value)>,
}

/// The JSON Schema of a prediction, a component of the OpenAPI document.
pub struct Schema {
    /// The component's name, unique among tasks.
    pub name: &'static str,
    /// The schema of one element of an item's list.
    pub value: Value,
}

/// One request to a pipeline.
pub struct Call<'a> {
    /// The model's card.
    pub card: &'a ModelCard,
    /// What prepares images and texts for the model.
    pub accepts: Accepts<'a>,
    /// The limits of the request.
    pub limits: &'a Limits,
    /// The decoded request.
    pub inputs: Inputs,
    /// The parts of the outcome that the protocol needs.
    pub wanted: Wanted,
    /// The request's parameters.
    pub values: &'a Values,
}

/// The decoded inputs of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Tensors in the card's order; empty for a request of texts.
    pub tensors: NamedTensors,
    /// Texts, in place of tensors.
    pub texts: Option<Texts>,
    /// Content in the task's form, in place of tensors.
    pub content: Option<Content>,
}

/// The parts of an outcome that a protocol needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whether to make predictions.
    pub predictions: bool,
    /// Whether to draw the predictions onto the first image, as PNG.
    pub drawing: bool,
    /// The outputs to return.
    pub outputs: Outputs,
}

impl Wanted {
    /// Predictions without outputs.
    #[must_use]
    pub const fn predictions() -> Self {
        Self {
            predictions: true,
            drawing: false,
            outputs: Outputs::Needed,
        }
    }

    /// Outputs without predictions.
    #[must_use]
    pub const fn tensors(outputs: Outputs) -> Self {
        Self {
            predictions: false,
            drawing: false,
            outputs,
        }
    }
}

/// A choice of outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// Only outputs that predictions are made of, or the task's own if it makes none.
    Needed,
    /// The outputs of a request that names none: the vectors of an embedding, else the graph's outputs.
    Default,
    /// All outputs, such as when a request names some.
    All,
}

/// The result of a pipeline.
pub struct Outcome {
    /// One list per item of the batch, best first; `None` if the task makes no predictions or none are
    /// wanted.
    pub predictions: Option<Box<dyn ToJson>>,
    /// The first image with the predictions drawn onto it, as a PNG file; `None` if it is not wanted.
    pub drawing: Option<Vec<u8>>,
    /// The outputs, the task's own first.
    pub outputs: NamedTensors,
}

impl Outcome {
    /// Outputs without predictions.
    #[must_use]
    pub fn tensors(outputs: NamedTensors) -> Self {
        Self {
            predictions: None,
            drawing: None,
            outputs,
        }
    }
}

/// Runs the graph of one model.
pub trait Runner {
    /// Run the graph once. The outputs have the card's order and datatypes.
    ///
    /// # Errors
    /// Whatever the backend returns; 500 if its outputs differ from the card.
    fn run(&mut self, inputs: NamedTensors) -> Result<NamedTensors, ApiError>;

    /// The durations of the request's phases; [`Runner::run`] measures its own.
    fn timing(&mut self) -> &mut Timing;
}

/// Find an output by name.
///
/// # Errors
/// 500 if the backend returned no such output.
pub(super) fn output<'a>(
    outputs: &'a [(String, Tensor)],
    name: &str,
) -> Result<&'a Tensor, ApiError> {
    outputs
        .iter()
        .find(|(output, _)| output == name)
        .map(|(_, tensor)| tensor)
        .ok_or_else(|| ApiError::internal(format!("the backend returned no output `{name}`")))
}
