//! Running a model on texts.

use infer_model_card::ModelCard;

use super::pipeline::{NamedTensors, Runner};
use crate::http::error::ApiError;
use crate::http::timing::Phase;
use crate::input::text::Texts;
use crate::input::text::batches::{append, batches};

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
