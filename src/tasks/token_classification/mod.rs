//! Token classification: the entities in a text, each a span of characters with a label.

mod entities;

use infer_model_card::{AggregationStrategy, Labels, ModelCard, TokenClassificationSpec};
use serde_json::{Map, Value, json};

use super::parameters::{AGGREGATION_STRATEGY, IGNORE_LABELS, Kind, Parameter, STRIDE};
use super::parts::{self, Characters, Division, ItemPart};
use super::pipeline::{Call, Outcome, Pipeline, Runner, Schema};
use super::rows::Row;
use super::scores::{check_finite, softmax};
use super::texts::{self, not_encoded, which};
use crate::http::error::ApiError;
use crate::input::content::{Content, Form};
use crate::input::text::Encoder;
use crate::input::text::parts::{Place, WordRule};
use entities::{Entity, Token, entities, without_overlaps};

/// The most labels that a request may ignore.
const MAX_IGNORED: usize = 1000;

/// The pipeline of a model that labels tokens.
#[derive(Debug)]
pub(super) struct Tagger {
    spec: TokenClassificationSpec,
    /// Empty if the card names no label file.
    labels: Labels,
    /// The card's limit of tokens.
    max_tokens: u32,
}

/// The settings of one request.
struct Settings<'a> {
    strategy: AggregationStrategy,
    words: WordRule,
    encoder: &'a Encoder,
}

impl Tagger {
    pub(super) fn new(spec: TokenClassificationSpec, labels: Labels, card: &ModelCard) -> Self {
        Self {
            spec,
            labels,
            max_tokens: card.text.as_ref().map_or(0, |text| text.max_tokens),
        }
    }

    /// The entities of each text.
    fn tag(
        &self,
        call: &Call,
        sent: &[String],
        runner: &mut dyn Runner,
    ) -> Result<Outcome, ApiError> {
        let encoder = texts::encoder(call)?;
        let name = call.values.text(AGGREGATION_STRATEGY);
        let settings = Settings {
            strategy: AggregationStrategy::from_name(name)
                .unwrap_or(self.spec.aggregation_strategy),
            words: encoder.words(),
            encoder,
        };
        let text = |item: usize| sent.get(item).map_or("", String::as_str);
        let divide = |item: usize| {
            let which = which("text", item, sent.len());
            let piece = encoder
                .piece(text(item))
                .map_err(|reason| not_encoded(&which, &reason))?;
            let division = Division {
                piece: &piece,
                room: encoder.max_tokens().saturating_sub(encoder.special(false)),
                stride: call.values.integer(STRIDE),
                side: encoder.truncation_side(),
            };
            parts::divide(&division, item, &which, &|slice| encoder.join(slice, None))
        };
        let mut found: Vec<Found> = Vec::new();
        found.resize_with(sent.len(), Found::default);
        let mut characters: Option<(usize, Characters)> = None;
        let mut each = |part: &ItemPart, row: &Row| {
            let (true, Some(found)) = (call.wanted.predictions, found.get_mut(part.item)) else {
                return Ok(());
            };
            let (_, characters) = match &mut characters {
                Some(last) if last.0 == part.item => last,
                other => other.insert((part.item, Characters::new(text(part.item)))),
            };
            let tokens = self.tokens(part, row, characters, &settings)?;
            let entities = entities(&tokens, &self.labels, settings.strategy);
            found.parts += 1;
            found.entities.extend((part.first..).zip(entities));
            Ok(())
        };
        let outputs = parts::run(call, sent.len(), &divide, runner, &mut each)?;
        let ignored = call.values.texts(IGNORE_LABELS);
        let predictions: Vec<Vec<Entity>> = found
            .into_iter()
            .zip(sent)
            .map(|(found, text)| found.finish(text, settings.strategy, ignored))
            .collect();
        Ok(Outcome {
            predictions: texts::wanted(call, predictions),
            drawing: None,
            outputs,
        })
    }

    /// The tokens of a part with their scores, without the special ones.
    fn tokens(
        &self,
        part: &ItemPart,
        row: &Row,
        characters: &Characters,
        settings: &Settings,
    ) -> Result<Vec<Token>, ApiError> {
        let values = row.of_tokens(&self.spec.output)?;
        let mut tokens = Vec::with_capacity(part.part.places.len());
        for (index, (place, id)) in part
            .part
            .places
            .iter()
            .zip(&part.part.tokens.ids)
            .enumerate()
        {
            if place.text.is_none() {
                continue;
            }
            let mut scores = values.token(index)?;
            softmax(&mut scores);
            check_finite(&self.spec.output, "class", &scores)?;
            tokens.push(Token {
                scores,
                start: place.start,
                end: place.end,
                is_subword: settings.is_subword(*id, place, characters),
            });
        }
        Ok(tokens)
    }
}

impl Settings<'_> {
    /// Whether a token continues a word. Where tokens have no prefix for that, it does if there is no space at its beginning
    /// or before it.
    fn is_subword(&self, id: u32, place: &Place, characters: &Characters) -> bool {
        if matches!(
            self.strategy,
            AggregationStrategy::None | AggregationStrategy::Simple
        ) {
            return false;
        }
        if Some(id) == self.words.unknown {
            return false;
        }
        if self.words.has_prefix {
            let length = self.encoder.token(id).chars().count();
            return length != place.end.saturating_sub(place.start);
        }
        place.start > 0
            && !characters
                .slice(place.start - 1, place.start + 1)
                .contains(' ')
    }
}

/// The entities of one text, part by part.
#[derive(Default)]
struct Found {
    parts: usize,
    /// Each with the place of its token in the text, if each token is an entity.
    entities: Vec<(usize, Entity)>,
}

impl Found {
    /// Leave out what two parts have twice and what is ignored, and add the entities' texts.
    fn finish(
        mut self,
        text: &str,
        strategy: AggregationStrategy,
        ignored: &[String],
    ) -> Vec<Entity> {
        let is_wanted = |entity: &Entity| !ignored.contains(&entity.label);
        if strategy == AggregationStrategy::None {
            // Of a token in two parts, the greater score. Tokens may have no characters, or share them.
            self.entities
                .sort_by(|(place, entity), (other_place, other)| {
                    place
                        .cmp(other_place)
                        .then(other.score.total_cmp(&entity.score))
                });
            self.entities.dedup_by_key(|(place, _)| *place);
        }
        let all = self.entities.into_iter().map(|(_, entity)| entity);
        let mut entities: Vec<Entity> = all.filter(is_wanted).collect();
        if self.parts > 1 && strategy != AggregationStrategy::None {
            entities = without_overlaps(entities);
        }
        let characters = Characters::new(text);
        for entity in &mut entities {
            entity.text = characters.slice(entity.start, entity.end).to_owned();
        }
        entities
    }
}

impl Pipeline for Tagger {
    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter {
                name: AGGREGATION_STRATEGY,
                description: "How tokens become entities: each token is one (`none`), or neighbors of one label are \
                              one; then a word has the label of its first token, of its mean scores or of its greatest \
                              score, or its tokens may have several (`simple`)",
                kind: Kind::Choice {
                    values: &AggregationStrategy::NAMES,
                    default: self.spec.aggregation_strategy.name(),
                },
            },
            Parameter {
                name: IGNORE_LABELS,
                description: "Labels that are left out",
                kind: Kind::Texts {
                    min: 0,
                    max: MAX_IGNORED,
                    default: self.spec.ignore_labels.clone(),
                },
            },
            Parameter {
                name: STRIDE,
                description: "The number of tokens that two parts share of a text that is longer than the model",
                kind: Kind::Integer {
                    min: 0,
                    max: self.max_tokens,
                    default: self.spec.stride.min(self.max_tokens / 2),
                },
            },
        ]
    }

    fn form(&self) -> Form {
        Form::Texts
    }

    fn infer(&self, mut call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        match call.inputs.content.take() {
            Some(Content::Texts(sent)) => self.tag(&call, &sent, runner),
            _ => Ok(Outcome::tensors(texts::outputs(call, runner)?)),
        }
    }

    fn labels(&self, output: &str) -> Option<&Labels> {
        (output == self.spec.output).then_some(&self.labels)
    }

    fn labels_file(&self, output: &str) -> Option<&str> {
        let file = self.spec.labels.as_deref();
        file.filter(|_| output == self.spec.output)
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "Entity",
            value: json!({
                "type": "object",
                "required": ["label", "score", "start", "end", "text"],
                "additionalProperties": false,
                "properties": {
                    "label": { "type": "string" },
                    "score": { "type": "number" },
                    "start": {
                        "type": "integer",
                        "minimum": 0,
                        "description": "The first character, counted in Unicode scalar values",
                    },
                    "end": { "type": "integer", "minimum": 0, "description": "The character after the last one" },
                    "text": { "type": "string", "description": "The text from `start` to `end`" },
                },
                "examples": [{ "label": "PER", "score": 0.9981, "start": 11, "end": 23, "text": "Ada Lovelace" }],
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        let facts = json!({
            "output": self.spec.output,
            "labels": self.labels.len(),
            "aggregation_strategy": self.spec.aggregation_strategy.name(),
        });
        Map::from_iter([("token_classification".to_owned(), facts)])
    }
}
