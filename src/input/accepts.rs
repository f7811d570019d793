//! What a model accepts.

use infer_model_card::ModelCard;

use super::image::ToTensor;
use super::text::encoder::Encoder;
use crate::tensor::raw;

/// The inputs of a model, and what prepares images and texts for them.
#[derive(Clone, Copy, Debug)]
pub struct Accepts<'a> {
    /// The model's name, for messages.
    pub model: &'a str,
    /// The model's card.
    pub card: &'a ModelCard,
    /// The tokenizer of a model that takes texts.
    pub text: Option<&'a Encoder>,
    /// The image preparation of a model that takes images.
    pub image: Option<ToTensor>,
}

impl Accepts<'_> {
    /// Whether an image alone is a complete request.
    #[must_use]
    pub fn images(&self) -> bool {
        self.card.image.is_some() && self.card.inputs.len() == 1
    }

    /// The media types of the bodies that the model takes.
    #[must_use]
    pub fn media_types(&self) -> Vec<&'static str> {
        let mut types = Vec::new();
        if self.images() {
            types.extend([
                "image/jpeg",
                "image/png",
                "image/webp",
                "image/gif",
                "image/bmp",
                "multipart/form-data",
            ]);
        }
        if self.text.is_some() {
            types.push("text/plain");
        }
        types.push("application/json");
        if self.card.inputs.len() == 1 {
            types.push("application/x-npy");
        }
        if raw::is_possible(self.card) {
            types.push("application/octet-stream");
        }
        types
    }
}
