//! `[depth]`: an output becomes one map per image, such as its depth.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::float_output;
use crate::{CardError, ModelCard};

/// How an output becomes a map of the size of the image as sent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DepthSpec {
    /// The output with one value per pixel, shape `[batch, height, width]` or `[batch, 1, height, width]`.
    pub output: String,
}

impl SectionKeys for DepthSpec {
    const KEYS: &'static [&'static str] = &["output"];
    const NAMES: &'static [TaskName] = &[TaskName("depth-estimation", Input::Image)];
}

impl Section for DepthSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        let place = "[depth] `output`";
        if card.image.is_none() {
            return Err(CardError::value(
                "[depth]",
                "needs the section `[image]`: a map has the size of an image",
            ));
        }
        let output = float_output(card, place, &self.output)?;
        let is_map = match output.shape.as_slice() {
            [_, _, _] => true,
            [_, channels, _, _] => matches!(channels, -1 | 1),
            _ => false,
        };
        if is_map {
            return Ok(());
        }
        Err(CardError::value(
            place,
            format!(
                "`{}` has shape {:?}, expected [batch, height, width] or [batch, 1, height, width]",
                output.name, output.shape
            ),
        ))
    }
}
