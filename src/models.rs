//! The table of models: filled before the snapshot, only read after it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use infer_model_card::{CardError, InvalidModelName, Labels, LabelsError, ModelCard, ModelName};

use crate::error::{ApiError, listed, quoted};
use crate::oip::classification::{Classes, classify};
use crate::raw;
use crate::settings::{DEFAULT_MODEL, Settings};
use crate::tensor::Tensor;

/// A model as a request sees it.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its name, also that of its graph in wasi-nn.
    pub name: ModelName,
    /// What it takes and gives.
    pub card: ModelCard,
    /// The labels of a classifier; empty when it has none.
    pub labels: Labels,
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
    /// There is one of that name.
    #[error("there are two models `{name}`")]
    Twice {
        /// The name.
        name: ModelName,
    },
}

/// All models, in the order of their names.
#[derive(Clone, Debug, Default)]
pub struct Models(BTreeMap<String, Model>);

impl Models {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Read a card and its labels and keep them.
    ///
    /// # Errors
    /// When the name, the card or the labels cannot be used.
    pub fn add(
        &mut self,
        name: &str,
        card: &str,
        labels: Option<&str>,
    ) -> Result<(), AddModelError> {
        let model = Model {
            name: ModelName::new(name)?,
            card: ModelCard::parse(card)?,
            labels: labels.map(Labels::parse).transpose()?.unwrap_or_default(),
        };
        if self.0.contains_key(name) {
            return Err(AddModelError::Twice { name: model.name });
        }
        self.0.insert(name.to_owned(), model);
        Ok(())
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The model of that name, which comes from a request: looked up, never used as a path.
    ///
    /// # Errors
    /// 404, with the names that there are.
    pub fn get(&self, name: &str) -> Result<&Model, ApiError> {
        self.0.get(name).ok_or_else(|| {
            ApiError::not_found(format!(
                "there is no model {}; there are: {}",
                quoted(name),
                self.listed()
            ))
        })
    }

    /// The model of that name and, if one is given, version; both come from a request.
    ///
    /// # Errors
    /// 404, with what there is.
    pub fn get_version(&self, name: &str, version: Option<&str>) -> Result<&Model, ApiError> {
        let model = self.get(name)?;
        match version {
            Some(version) if version != model.card.version => Err(ApiError::not_found(format!(
                "model `{name}` has no version {}; it has `{}`",
                quoted(version),
                model.card.version
            ))),
            _ => Ok(model),
        }
    }

    /// All models, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &Model> {
        self.0.values()
    }

    /// The model of a request that names none: that of the settings, else the only one.
    ///
    /// # Errors
    /// 400 when there are several, naming them; 500 when the settings name one that is not there.
    pub fn default(&self, settings: &Settings) -> Result<&Model, ApiError> {
        if let Some(name) = &settings.default_model {
            return self.0.get(name.as_str()).ok_or_else(|| {
                ApiError::internal(format!(
                    "the environment variable `{DEFAULT_MODEL}` names the model `{name}`, but there \
                     are: {}",
                    self.listed()
                ))
            });
        }
        let mut all = self.0.values();
        match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
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
            models.add(name, CARD, None).unwrap();
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
        assert!(models.add("a", CARD, None).is_err(), "twice");
        assert!(models.add("../a", CARD, None).is_err(), "name");
        assert!(models.add("b", "version = 1", None).is_err(), "card");
        assert!(models.add("b", CARD, Some("")).is_err(), "labels");
        assert_eq!(models.names().collect::<Vec<_>>(), ["a"]);
    }
}
