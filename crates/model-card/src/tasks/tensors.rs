//! The task of a card without a task section: the output tensors are the response.

use super::Section;
use crate::{CardError, ModelCard};

/// The implicit, empty section of a model that returns its output tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TensorsSpec;

impl Section for TensorsSpec {
    fn check(&self, _: &ModelCard) -> Result<(), CardError> {
        Ok(())
    }
}
