//! The model of a request that needs an ability, such as embedding texts: the named one, the default one, or the only one.

use infer_model_card::{ClassificationSpec, Task};

use crate::catalog::{Model, Models};
use crate::http::error::{ApiError, listed, quoted};
use crate::http::settings::Settings;

/// What a model can do.
#[derive(Clone, Copy, Debug)]
pub struct Ability {
    /// Whether a model has the ability.
    pub has: fn(&Model) -> bool,
    /// What another model does, for messages: "model `m` …".
    lacks: &'static str,
    /// What the models do, for messages: "no model of this service …".
    does: &'static str,
}

impl Ability {
    /// Compute one vector for each text.
    pub const EMBEDS: Self = Self {
        has: Model::embeds,
        lacks: "computes no embeddings",
        does: "computes embeddings",
    };
    /// Compute one sparse vector for each text.
    pub const EMBEDS_SPARSELY: Self = Self {
        has: |model| matches!(model.card.task, Task::SparseEmbedding(_)),
        lacks: "computes no sparse embeddings",
        does: "computes sparse embeddings",
    };
    /// Classify texts or pairs of texts.
    pub const CLASSIFIES_TEXTS: Self = Self {
        has: |model| ranks(model) || model.text.is_some() && classification(model).is_some(),
        lacks: "classifies no texts",
        does: "classifies texts",
    };
    /// Give each document a score for a query.
    pub const RANKS: Self = Self {
        has: ranks,
        lacks: "ranks no texts",
        does: "ranks texts",
    };
    /// Detect objects in images.
    pub const DETECTS: Self = Self {
        has: |model| matches!(model.card.task, Task::Detection(_)),
        lacks: "detects no objects",
        does: "detects objects",
    };
    /// Have a tokenizer.
    pub const TAKES_TEXTS: Self = Self {
        has: |model| model.text.is_some(),
        lacks: "takes no texts",
        does: "takes texts",
    };
}

fn classification(model: &Model) -> Option<&ClassificationSpec> {
    match &model.card.task {
        Task::Classification(spec) => Some(spec),
        _ => None,
    }
}

/// A cross-encoder has a task of its own, or is a classifier of texts with one class.
fn ranks(model: &Model) -> bool {
    let has_one_class = |spec: &ClassificationSpec| {
        let output = model
            .card
            .outputs
            .iter()
            .find(|output| output.name == spec.output);
        output.is_some_and(|output| matches!(output.shape.as_slice(), [_] | [_, 1]))
    };
    matches!(model.card.task, Task::Ranking(_))
        || model.text.is_some() && classification(model).is_some_and(has_one_class)
}

impl Models {
    /// The names of the models with an ability, sorted.
    pub fn able(&self, ability: Ability) -> impl Iterator<Item = &str> {
        self.names()
            .filter(move |name| self.get(name).is_ok_and(ability.has))
    }

    /// The model that a request names, else the default model if it has the ability, else the only one that has it.
    /// `unnamed` says for messages that the request names none, such as "the JSON body has no `model`".
    ///
    /// # Errors
    /// 404 for an unknown name; 400 for a model without the ability, and if several have it or none.
    pub fn with_ability(
        &self,
        name: Option<&str>,
        ability: Ability,
        unnamed: &str,
        settings: &Settings,
    ) -> Result<&Model, ApiError> {
        let all: Vec<&str> = self.able(ability).collect();
        let default = settings
            .default_model
            .as_ref()
            .map(|name| name.as_str())
            .filter(|name| all.contains(name));
        let choices = || {
            if all.is_empty() {
                format!("no model of this service {}", ability.does)
            } else {
                format!("expected {}", listed(all.iter().copied(), "or"))
            }
        };
        match (name.or(default), all.as_slice()) {
            (Some(name), _) => {
                let model = self.get(name)?;
                if !(ability.has)(model) {
                    return Err(ApiError::invalid(format!(
                        "model {} {}; {}",
                        quoted(name),
                        ability.lacks,
                        choices()
                    ))
                    .of_param("model"));
                }
                Ok(model)
            }
            (None, [only]) => self.get(only),
            (None, _) => {
                Err(ApiError::invalid(format!("{unnamed}; {}", choices())).of_param("model"))
            }
        }
    }
}
