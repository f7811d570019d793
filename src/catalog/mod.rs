//! The table of models, which is filled before the snapshot and read-only after it.

pub mod ability;
pub mod example;

use std::collections::BTreeMap;
use std::rc::Rc;

use infer_model_card::{
    CardError, InvalidModelName, Labels, LabelsError, ModelCard, ModelId, ModelName, Task,
};

use crate::http::error::{ApiError, listed, quoted};
use crate::http::settings::{DEFAULT_MODEL, Settings};
use crate::input::accepts::Accepts;
use crate::input::content::Form;
use crate::input::image;
use crate::input::sound;
use crate::input::table::{FromCsv, csv};
use crate::input::text::{Encoder, EncoderError};
use crate::tasks::{self, Pipeline};
use example::{Example, ExampleError};

/// A model.
#[derive(Clone, Debug)]
pub struct Model {
    /// The model's name.
    pub name: ModelName,
    /// The name, with the version if the model has several: the name of its graph in wasi:nn.
    pub id: ModelId,
    /// The model card. If the model has several versions, the card's version is that of its folder.
    pub card: ModelCard,
    /// The pipeline of the card's task. It is a pointer, so that a snapshot contains the code of its models' tasks only.
    pub pipeline: Rc<dyn Pipeline>,
    /// The tokenizer of a model that takes texts.
    pub text: Option<Rc<Encoder>>,
    /// [`image::to_tensor`], for a model that takes images. It is a pointer, so that a snapshot without such a model
    /// contains no image decoder.
    pub image: Option<image::ToTensor>,
    /// [`csv::to_inputs`], for a model that takes tables, for the same reason.
    pub csv: Option<FromCsv>,
    /// [`sound::to_tensor`], for a model that takes sounds; a pointer for the same reason.
    pub sound: Option<sound::ToTensor>,
    /// An example request, if the card names one.
    pub example: Option<Example>,
}

/// The contents of the files that a card names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files<'a> {
    /// The label file: one label on each line.
    pub labels: Option<&'a str>,
    /// The tokenizer's file, JSON.
    pub tokenizer: Option<&'a str>,
    /// The example request.
    pub example: Option<&'a [u8]>,
}

/// An error in a model that is added to the table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddModelError {
    /// The name is invalid.
    #[error(transparent)]
    Name(#[from] InvalidModelName),
    /// The card is invalid.
    #[error("`model.toml`: {0}")]
    Card(#[from] CardError),
    /// The label file is invalid.
    #[error("the label file: {0}")]
    Labels(#[from] LabelsError),
    /// The tokenizer's file is invalid.
    #[error("the tokenizer's file: {0}")]
    Tokenizer(#[from] EncoderError),
    /// The file of the tokenizer is missing.
    #[error(
        "`model.toml` names the tokenizer `{file}`, which is missing; put it beside `model.toml`"
    )]
    NoTokenizer {
        /// The file that the card names.
        file: String,
    },
    /// The example is no request of the model.
    #[error("the example: {0}")]
    Example(#[from] ExampleError),
    /// The table has a model of that name.
    #[error("there are two models `{id}`")]
    Twice {
        /// The name, with the version if it has one.
        id: ModelId,
    },
}

/// The table of models, ordered by name and version.
#[derive(Clone, Debug, Default)]
pub struct Models(BTreeMap<ModelId, Model>);

impl Models {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Add a model; `id` is `name` or `name/version`.
    ///
    /// # Errors
    /// The name, the card or a file is invalid, or the table has the model already.
    pub fn add(&mut self, id: &str, card: &str, files: Files) -> Result<(), AddModelError> {
        let id = ModelId::new(id)?;
        let mut card = ModelCard::parse(card)?;
        if let Some(version) = &id.version {
            version.as_str().clone_into(&mut card.version);
        }
        let labels = files
            .labels
            .map(Labels::parse)
            .transpose()?
            .unwrap_or_default();
        let pipeline = tasks::pipeline(&card, labels);
        let text = match (card.text_input(), files.tokenizer) {
            (Some((spec, input)), Some(json)) => {
                let fixed = input.shape.get(1).copied().map(u32::try_from);
                let fixed = fixed.and_then(Result::ok);
                Some(Rc::new(match pipeline.form() {
                    Form::Images | Form::Sounds => Encoder::new(json, spec, fixed)?,
                    // `/tokenize` and `/decode` need the places of every other model's tokens.
                    Form::Prepared | Form::Texts | Form::Questions | Form::Queries => {
                        Encoder::with_places(json, spec, fixed)?
                    }
                }))
            }
            (Some((spec, _)), None) => {
                return Err(AddModelError::NoTokenizer {
                    file: spec.tokenizer.clone(),
                });
            }
            (None, _) => None,
        };
        if self.0.contains_key(&id) {
            return Err(AddModelError::Twice { id });
        }
        let image = card.image_input().map(|_| image::to_tensor as _);
        let csv = card.table.as_ref().map(|_| csv::to_inputs as _);
        let sound = card.audio_input().map(|_| sound::to_tensor as _);
        let mut model = Model {
            name: id.name.clone(),
            id: id.clone(),
            pipeline,
            card,
            text,
            image,
            csv,
            sound,
            example: None,
        };
        if let Some(bytes) = files.example {
            model.example = Some(Example::new(bytes, model.accepts())?);
        }
        self.0.insert(id, model);
        Ok(())
    }

    /// The names of the models, sorted, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut last = None;
        self.0
            .keys()
            .map(|id| id.name.as_str())
            .filter(move |name| last.replace(*name) != Some(*name))
    }

    /// The versions of a model, the latest one last.
    pub fn versions(&self, name: &str) -> impl DoubleEndedIterator<Item = &Model> {
        self.0
            .values()
            .filter(move |model| model.name.as_str() == name)
    }

    /// The latest version of a model. The name comes from a request, and is never used as a file path.
    ///
    /// # Errors
    /// 404, with the names of the models.
    pub fn get(&self, name: &str) -> Result<&Model, ApiError> {
        self.versions(name).next_back().ok_or_else(|| {
            ApiError::not_found(format!(
                "there is no model {}; there are: {}",
                quoted(name),
                self.listed()
            ))
            .of_param("model")
            .with_code("model_not_found")
        })
    }

    /// A version of a model, or its latest one. Name and version come from a request.
    ///
    /// # Errors
    /// 404, with the names of the models, or the versions of the model.
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

    /// Every version of every model.
    pub fn all(&self) -> impl Iterator<Item = &Model> {
        self.0.values()
    }

    /// The model of a request that names none: the default model of the settings, else the only one.
    ///
    /// # Errors
    /// 400 if there are several, with their names; 500 if the settings name an unknown model.
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
    /// Whether the model's task is embedding.
    #[must_use]
    pub fn embeds(&self) -> bool {
        matches!(self.card.task, Task::Embedding(_))
    }

    /// What the model accepts.
    #[must_use]
    pub fn accepts(&self) -> Accepts<'_> {
        Accepts {
            model: self.name.as_str(),
            card: &self.card,
            text: self.text.as_deref(),
            image: self.image,
            csv: self.csv,
            sound: self.sound,
            form: self.pipeline.form(),
        }
    }

    /// Whether an image alone is a complete request.
    #[must_use]
    pub fn takes_images(&self) -> bool {
        self.accepts().images()
    }

    /// Whether a sound alone is a complete request.
    #[must_use]
    pub fn takes_sounds(&self) -> bool {
        self.accepts().sounds()
    }

    /// The media types of the bodies that the model takes.
    #[must_use]
    pub fn media_types(&self) -> Vec<&'static str> {
        self.accepts().media_types()
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
            let actual = models
                .default(&settings)
                .map(|model| model.name.to_string())
                .map_err(|error| (error.kind().status(), error.to_string()));
            let expected = case
                .expected
                .map(str::to_owned)
                .map_err(|(status, message)| (status, message.to_owned()));
            if actual != expected {
                wrong.push((case.models, actual));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn invalid_models_are_refused() {
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
