//! `[segmentation]`: an output becomes one mask per class, or the mask of the foreground.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::{check_file_name, float_output};
use crate::{Activation, CardError, ModelCard};

/// How an output becomes masks of the size of the image as sent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SegmentationSpec {
    /// The output with one value per class and pixel, shape `[batch, classes, height, width]`; a background remover
    /// has one class, or a shape without it.
    pub output: String,
    /// What the values are. With `softmax` each pixel belongs to the class with the greatest value. With `sigmoid` and
    /// `none` the values of the only class are the foreground's opacity.
    #[serde(default)]
    pub activation: Activation,
    /// A file in the model's folder with one label per line.
    #[serde(default)]
    pub labels: Option<String>,
    /// Whether the values of the only class are stretched from their minimum and maximum to 0 and 1, as for U²-Net and RMBG.
    #[serde(default)]
    pub stretch: bool,
}

impl SectionKeys for SegmentationSpec {
    const KEYS: &'static [&'static str] = &["activation", "labels", "output", "stretch"];
    const NAMES: &'static [TaskName] = &[TaskName("image-segmentation", Input::Image)];
}

impl Section for SegmentationSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        let place = |key: &str| format!("[segmentation] `{key}`");
        if card.image.is_none() {
            return Err(CardError::value(
                "[segmentation]",
                "needs the section `[image]`: masks have the size of an image",
            ));
        }
        let output = float_output(card, &place("output"), &self.output)?;
        if !(3..=4).contains(&output.shape.len()) {
            return Err(CardError::value(
                place("output"),
                format!(
                    "`{}` has shape {:?}, expected [batch, classes, height, width]",
                    output.name, output.shape
                ),
            ));
        }
        match &self.labels {
            Some(file) => check_file_name(&place("labels"), file),
            None => Ok(()),
        }
    }

    fn labels_file(&self) -> Option<&str> {
        self.labels.as_deref()
    }
}
