//! What a model accepts.

use infer_model_card::{ImageSpec, ModelCard, TensorSpec};

use super::form::Form;
use super::image::ToTensor;
use super::sound;
use super::table::FromCsv;
use super::text::encoder::Encoder;
use crate::tensor::raw;

/// The inputs of a model, and what prepares images, sounds and texts for them.
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
    /// The reader of CSV files of a model that takes tables.
    pub csv: Option<FromCsv>,
    /// The preparation of sounds of a model that takes sounds.
    pub sound: Option<sound::ToTensor>,
    /// The form in which the task takes requests other than tensors.
    pub form: Form,
}

impl Accepts<'_> {
    /// Whether an image alone is a complete request.
    #[must_use]
    pub fn images(&self) -> bool {
        let has_mask = |image: &ImageSpec| image.mask.is_some();
        let filled = 1 + usize::from(self.card.image.as_ref().is_some_and(has_mask));
        // A task that prepares images by itself fills the inputs of texts too.
        let text = self
            .card
            .text
            .as_ref()
            .filter(|_| self.form == Form::Images);
        let is_open =
            |input: &&TensorSpec| text.is_none_or(|text| text.role(&input.name).is_none());
        self.card.image.is_some() && self.card.inputs.iter().filter(is_open).count() == filled
    }

    /// Whether a sound alone is a complete request. A task that takes sounds fills the other inputs itself.
    #[must_use]
    pub fn sounds(&self) -> bool {
        self.sound.is_some()
            && self.card.audio.as_ref().is_some_and(|audio| {
                let inputs = 1 + usize::from(audio.attention_mask.is_some());
                self.form == Form::Sounds || self.card.inputs.len() == inputs
            })
    }

    /// Whether a text alone is a complete request.
    #[must_use]
    pub fn texts(&self) -> bool {
        self.text.is_some() && matches!(self.form, Form::Prepared | Form::Texts)
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
        if self.sounds() {
            types.extend([
                "audio/wav",
                "audio/flac",
                "audio/mpeg",
                "audio/ogg",
                "multipart/form-data",
            ]);
        }
        if self.texts() {
            types.push("text/plain");
        }
        if self.csv.is_some() {
            types.push("text/csv");
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
