//! The table of models: filled before the snapshot, only read after it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::rc::Rc;

use infer_model_card::{
    CardError, InvalidModelName, Labels, LabelsError, ModelCard, ModelId, ModelName,
};

use crate::http::error::{ApiError, listed, quoted};
use crate::http::settings::{DEFAULT_MODEL, Settings};
use crate::input::image;
use crate::input::text::{Encoder, EncoderError};
use crate::protocols::oip::classification::{Classes, classify};
use crate::tensor::Tensor;
use crate::tensor::raw;

/// A model as a request sees it.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its name.
    pub name: ModelName,
    /// The same with its version where it has several: the name of its graph in wasi-nn.
    pub id: ModelId,
    /// What it takes and gives. The version is that of the folder where it has several.
    pub card: ModelCard,
    /// The labels of a classifier; empty when it has none.
    pub labels: Labels,
    /// The tokenizer of a model that takes texts.
    pub text: Option<Rc<Encoder>>,
    /// [`image::to_tensor`], for a model that takes images. A pointer, so that of a snapshot without such a model what
    /// decodes images is no part.
    pub image: Option<image::ToTensor>,
}

/// The texts of the files that a card names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files<'a> {
    /// One label a line.
    pub labels: Option<&'a str>,
    /// The tokenizer's, JSON.
    pub tokenizer: Option<&'a str>,
}

/// Why a model is not taken into the table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddModelError {
    /// The name.
    #[error(transparent)]
    Name(#[from] InvalidModelName),
    /// The card.
    #[error("`model.toml`: {0}")]
    Card(#[from] CardError),
    /// The label file.
    #[error("the label file: {0}")]
    Labels(#[from] LabelsError),
    /// The tokenizer's file.
    #[error("the tokenizer's file: {0}")]
    Tokenizer(#[from] EncoderError),
    /// The card names a tokenizer's file, but there is none.
    #[error("`model.toml` names the tokenizer `{file}`, but it did not come with the model")]
    NoTokenizer {
        /// As the card has it.
        file: String,
    },
    /// There is one of that name.
    #[error("there are two models `{id}`")]
    Twice {
        /// The name, with its version if it has one.
        id: ModelId,
    },
}

/// All models, in the order of their names and versions.
#[derive(Clone, Debug, Default)]
pub struct Models(BTreeMap<ModelId, Model>);

impl Models {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Read a card and the files that it names, and keep them; `id` is `name` or `name/version`.
    ///
    /// # Errors
    /// When the name, the card or a file cannot be used.
    pub fn add(&mut self, id: &str, card: &str, files: Files) -> Result<(), AddModelError> {
        let id = ModelId::new(id)?;
        let mut card = ModelCard::parse(card)?;
        if let Some(version) = &id.version {
            version.as_str().clone_into(&mut card.version);
        }
        let text = match (card.text_input(), files.tokenizer) {
            (Some((spec, input)), Some(json)) => {
                let fixed = input.shape.get(1).copied().map(u32::try_from);
                let fixed = fixed.and_then(Result::ok);
                Some(Rc::new(Encoder::new(json, spec, fixed)?))
            }
            (Some((spec, _)), None) => {
                return Err(AddModelError::NoTokenizer {
                    file: spec.tokenizer.clone(),
                });
            }
            (None, _) => None,
        };
        let labels = files.labels.map(Labels::parse).transpose()?;
        if self.0.contains_key(&id) {
            return Err(AddModelError::Twice { id });
        }
        let image = card.image_input().map(|_| image::to_tensor as _);
        let model = Model {
            name: id.name.clone(),
            id: id.clone(),
            card,
            labels: labels.unwrap_or_default(),
            text,
            image,
        };
        self.0.insert(id, model);
        Ok(())
    }

    /// The names, sorted, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut last = None;
        self.0
            .keys()
            .map(|id| id.name.as_str())
            .filter(move |name| last.replace(*name) != Some(*name))
    }

    /// Every version of the model of that name, the last one last.
    pub fn versions(&self, name: &str) -> impl DoubleEndedIterator<Item = &Model> {
        self.0
            .values()
            .filter(move |model| model.name.as_str() == name)
    }

    /// The last version of the model of that name, which comes from a request: looked up, never used
    /// as a path.
    ///
    /// # Errors
    /// 404, with the names that there are.
    pub fn get(&self, name: &str) -> Result<&Model, ApiError> {
        self.versions(name).next_back().ok_or_else(|| {
            ApiError::not_found(format!(
                "there is no model {}; there are: {}",
                quoted(name),
                self.listed()
            ))
        })
    }

    /// The model of that name, in that version if one is given, else in the last; both come from a
    /// request.
    ///
    /// # Errors
    /// 404, with what there is.
    pub fn get_version(&self, name: &str, version: Option<&str>) -> Result<&Model, ApiError> {
        let latest = self.get(name)?;
        let Some(version) = version else {
            return Ok(latest);
        };
        self.versions(name)
            .find(|model| model.card.version == version)
            .ok_or_else(|| {
                let versions = self.versions(name).map(|model| model.card.version.as_str());
                ApiError::not_found(format!(
                    "model `{name}` has no version {}; it has {}",
                    quoted(version),
                    listed(versions, "and")
                ))
            })
    }

    /// All models, each version of them.
    pub fn all(&self) -> impl Iterator<Item = &Model> {
        self.0.values()
    }

    /// The model of a request that names none: that of the settings, else the only one.
    ///
    /// # Errors
    /// 400 when there are several, naming them; 500 when the settings name one that is not there.
    pub fn default(&self, settings: &Settings) -> Result<&Model, ApiError> {
        if let Some(name) = &settings.default_model {
            return self.get(name.as_str()).map_err(|_| {
                ApiError::internal(format!(
                    "the environment variable `{DEFAULT_MODEL}` names the model `{name}`, but there \
                     are: {}",
                    self.listed()
                ))
            });
        }
        let mut names = self.names();
        match (names.next(), names.next()) {
            (Some(only), None) => self.get(only),
            (None, _) => Err(ApiError::not_found("there is no model")),
            (Some(_), Some(_)) => Err(ApiError::invalid(format!(
                "the request names no model; send it to `/infer/{{model}}` with one of: {}",
                self.listed()
            ))),
        }
    }

    fn listed(&self) -> String {
        listed(self.names(), "and")
    }
}

impl Model {
    /// The media types of the bodies that this model takes, for messages.
    #[must_use]
    pub fn media_types(&self) -> Vec<&'static str> {
        let mut types = Vec::new();
        if self.takes_images() {
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
        if raw::is_possible(&self.card) {
            types.push("application/octet-stream");
        }
        types
    }

    /// The best `count` classes of one of its outputs, with the labels if it is the one that the card
    /// classifies.
    #[must_use]
    pub fn classes(&self, output: &str, tensor: &Tensor, count: NonZeroUsize) -> Classes {
        let no_labels = Labels::default();
        let labels = match &self.card.classification {
            Some(spec) if spec.output == output => &self.labels,
            _ => &no_labels,
        };
        let spec = self.card.outputs.iter().find(|spec| spec.name == output);
        let shape = spec.map_or(&[][..], |spec| &spec.shape);
        classify(tensor, shape, labels, count)
    }

    /// Whether one image is all that the model needs.
    #[must_use]
    pub fn takes_images(&self) -> bool {
        self.card.image.is_some() && self.card.inputs.len() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "[[input]]\nname = 'x'\ndatatype = 'FP32'\nshape = [-1, 2]\n\
                        [[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = [-1]\n";

    fn table(names: &[&str]) -> Models {
        let mut models = Models::new();
        for name in names {
            models.add(name, CARD, Files::default()).unwrap();
        }
        models
    }

    #[test]
    fn the_default_model() {
        struct Case {
            models: &'static [&'static str],
            setting: Option<&'static str>,
            expected: Result<&'static str, (u16, &'static str)>,
        }
        let case = |models, setting, expected| Case {
            models,
            setting,
            expected,
        };
        let cases = [
            case(&["a"], None, Ok("a")),
            case(&["a", "b"], Some("b"), Ok("b")),
            case(
                &["b", "a"],
                None,
                Err((
                    400,
                    "the request names no model; send it to `/infer/{model}` with one of: `a` and `b`",
                )),
            ),
            case(&[], None, Err((404, "there is no model"))),
            case(
                &["a"],
                Some("b"),
                Err((
                    500,
                    "the environment variable `INFER_DEFAULT_MODEL` names the model `b`, but there \
                     are: `a`",
                )),
            ),
        ];
        let mut wrong = Vec::new();
        for case in cases {
            let settings = Settings {
                default_model: case.setting.map(|name| ModelName::new(name).unwrap()),
                ..Settings::default()
            };
            let models = table(case.models);
            let came = models
                .default(&settings)
                .map(|model| model.name.to_string())
                .map_err(|error| (error.kind().status(), error.to_string()));
            let expected = case
                .expected
                .map(str::to_owned)
                .map_err(|(status, message)| (status, message.to_owned()));
            if came != expected {
                wrong.push((case.models, came));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn what_cannot_be_a_model_is_refused() {
        let mut models = table(&["a"]);
        assert!(models.add("a", CARD, Files::default()).is_err(), "twice");
        assert!(models.add("../a", CARD, Files::default()).is_err(), "name");
        assert!(
            models.add("b", "version = 1", Files::default()).is_err(),
            "card"
        );
        let files = Files {
            labels: Some(""),
            ..Files::default()
        };
        assert!(models.add("b", CARD, files).is_err(), "labels");
        assert_eq!(models.names().collect::<Vec<_>>(), ["a"]);
    }
}
