//! `[regression]`: an output becomes numbers.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::float_output;
use crate::{CardError, ModelCard};

/// How an output becomes the numbers of a record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RegressionSpec {
    /// The output with one value per target, shape `[batch, targets]` or `[batch]`; FP32 or FP16.
    pub output: String,
}

impl SectionKeys for RegressionSpec {
    const KEYS: &'static [&'static str] = &["output"];
    const NAMES: &'static [TaskName] = &[TaskName("tabular-regression", Input::Table)];
}

impl Section for RegressionSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        let output = float_output(card, "[regression] `output`", &self.output)?;
        if !matches!(output.shape.len(), 1 | 2) {
            return Err(CardError::value(
                "[regression] `output`",
                format!(
                    "`{}` has shape {:?}, expected [batch, targets]",
                    output.name, output.shape
                ),
            ));
        }
        Ok(())
    }
}
