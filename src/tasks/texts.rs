//! Running a model on texts.

use infer_model_card::ModelCard;

use super::pipeline::{Call, NamedTensors, Runner};
use crate::http::error::ApiError;
use crate::http::json::{ToJson, too_large};
use crate::http::limits::Limits;
use crate::http::timing::Phase;
use crate::input::text::batches::{append, batches};
use crate::input::text::{Encoder, Texts};

/// Postprocesses the outputs of one batch; gets the number of tokens in each of its texts.
type Postprocess<'a> = dyn FnMut(&[usize], &mut NamedTensors) -> Result<(), ApiError> + 'a;

/// Run a model on texts, a batch at a time, and concatenate the outputs.
///
/// `each` postprocesses the outputs of one batch and is given the number of tokens in each of its texts.
/// With `equal_width` all batches are padded to the longest text, so that outputs with one item per token
/// can be concatenated.
///
/// # Errors
/// 400 when the outputs of several batches cannot be concatenated, and whatever the runner or `each` returns.
pub(super) fn run(
    card: &ModelCard,
    texts: &Texts,
    equal_width: bool,
    runner: &mut dyn Runner,
    each: &mut Postprocess<'_>,
) -> Result<NamedTensors, ApiError> {
    let batches = runner
        .timing()
        .measure(Phase::Decode, || batches(texts, card, equal_width))?;
    let mut all = NamedTensors::new();
    for batch in batches {
        let mut outputs = runner.run(batch.inputs)?;
        runner.timing().measure(Phase::Encode, || {
            each(&batch.lengths, &mut outputs)?;
            append(&mut all, outputs)
        })?;
    }
    Ok(all)
}

/// The graph's outputs for a request of tensors or tokens, without predictions.
///
/// # Errors
/// Those of [`run`].
pub(super) fn outputs(call: Call, runner: &mut dyn Runner) -> Result<NamedTensors, ApiError> {
    match &call.inputs.texts {
        Some(texts) => run(call.card, texts, true, runner, &mut |_, _| Ok(())),
        None => runner.run(call.inputs.tensors),
    }
}

/// The model's tokenizer.
///
/// # Errors
/// 500 if there is none, which a card's check excludes.
pub(super) fn encoder<'a>(call: &Call<'a>) -> Result<&'a Encoder, ApiError> {
    let encoder = call.accepts.text;
    encoder.ok_or_else(|| ApiError::internal("the model has no tokenizer"))
}

/// Predictions of a task, if a request wants them.
pub(super) fn wanted<T: ToJson + 'static>(call: &Call, predictions: T) -> Option<Box<dyn ToJson>> {
    (call.wanted.predictions).then(|| Box::new(predictions) as Box<dyn ToJson>)
}

/// The bytes that predictions may still have, before they are written: many small texts may make many large predictions.
pub(super) struct Budget<'a> {
    left: u64,
    limits: &'a Limits,
}

impl<'a> Budget<'a> {
    pub fn new(limits: &'a Limits) -> Self {
        Self {
            left: limits.max_response_bytes,
            limits,
        }
    }

    /// Count the least bytes of a prediction.
    ///
    /// # Errors
    /// 413 if the response would exceed its limit.
    pub fn spend(&mut self, bytes: usize) -> Result<(), ApiError> {
        let left = self.left.checked_sub(bytes as u64);
        self.left = left.ok_or_else(|| too_large(self.limits))?;
        Ok(())
    }
}

/// The name of one of several texts, for messages: `the text`, or `text 3`.
pub(super) fn which(what: &str, index: usize, count: usize) -> String {
    match count {
        1 => format!("the {what}"),
        _ => format!("{what} {index}"),
    }
}

/// The error of a text that the tokenizer cannot encode.
pub(super) fn not_encoded(which: &str, reason: &str) -> ApiError {
    ApiError::invalid(format!("{which} cannot be encoded: {reason}"))
}
