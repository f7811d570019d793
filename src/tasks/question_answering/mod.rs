//! Question answering: the span of a context that answers a question.

mod spans;

use infer_model_card::{ModelCard, QuestionAnsweringSpec, Side};
use serde_json::{Map, Value, json};

use super::parameters::{
    ALIGN_TO_WORDS, DOC_STRIDE, HANDLE_IMPOSSIBLE_ANSWER, Kind, MAX_ANSWER_LEN, MAX_SEQ_LEN,
    Parameter, TOP_K,
};
use super::parts::{self, Characters, Division, ItemPart};
use super::pipeline::{Call, Outcome, Pipeline, Runner, Schema};
use super::rows::{Row, padding_side};
use super::scores::check_finite;
use super::texts::{self, not_encoded, which};
use crate::http::error::ApiError;
use crate::input::content::{Content, Form, Question};
use spans::{Answer, Answers, Settings, probabilities, spans};

/// The most answers to one question.
const MAX_TOP_K: u32 = 100;

/// The pipeline of a model that answers questions.
#[derive(Debug)]
pub(super) struct Reader {
    spec: QuestionAnsweringSpec,
    /// The card's limit of tokens.
    max_tokens: u32,
}

impl Reader {
    pub(super) fn new(spec: QuestionAnsweringSpec, card: &ModelCard) -> Self {
        Self {
            spec,
            max_tokens: card.text.as_ref().map_or(1, |text| text.max_tokens),
        }
    }

    fn answer(
        &self,
        call: &Call,
        questions: &[Question],
        runner: &mut dyn Runner,
    ) -> Result<Outcome, ApiError> {
        for (what, is_empty) in [
            (
                "question",
                questions
                    .iter()
                    .position(|item| item.question.trim().is_empty()),
            ),
            (
                "context",
                questions
                    .iter()
                    .position(|item| item.context.trim().is_empty()),
            ),
        ] {
            if let Some(index) = is_empty {
                return Err(ApiError::invalid(format!(
                    "{} is empty, expected a text",
                    which(what, index, questions.len())
                ))
                .of_param(what));
            }
        }
        let values = call.values;
        let settings = Settings {
            top_k: values.integer(TOP_K),
            max_tokens: values.integer(MAX_ANSWER_LEN),
            may_be_none: values.flag(HANDLE_IMPOSSIBLE_ANSWER),
            aligns: values.flag(ALIGN_TO_WORDS),
            // A model that is padded at the left has the question behind the context.
            context: u8::from(padding_side(call.card) == Side::Right),
        };
        let divide = |item: usize| match questions.get(item) {
            Some(question) => self.divide(call, item, question, questions.len(), settings.context),
            None => Ok(Vec::new()),
        };
        let mut found: Vec<Answers> = Vec::new();
        found.resize_with(questions.len(), Answers::default);
        let mut context: Option<(usize, Characters)> = None;
        let mut each = |part: &ItemPart, row: &Row| {
            let (true, Some(found), Some(question)) = (
                call.wanted.predictions,
                found.get_mut(part.item),
                questions.get(part.item),
            ) else {
                return Ok(());
            };
            let (_, context) = match &mut context {
                Some(last) if last.0 == part.item => last,
                other => other.insert((part.item, Characters::new(&question.context))),
            };
            let part = &part.part;
            let of_output = |name: &str| {
                let mut values = row.of_tokens(name)?.all()?;
                probabilities(&mut values, part, settings.context);
                check_finite(name, "token", &values)?;
                Ok::<_, ApiError>(values)
            };
            let (start, end) = (of_output(&self.spec.start)?, of_output(&self.spec.end)?);
            found.add(
                spans(&start, &end, part, &settings),
                part,
                context,
                &settings,
            );
            Ok(())
        };
        let outputs = parts::run(call, questions.len(), &divide, runner, &mut each)?;
        let predictions: Vec<Vec<Answer>> = found
            .into_iter()
            .zip(questions)
            .map(|(found, question)| found.best(&Characters::new(&question.context), &settings))
            .collect();
        Ok(Outcome {
            predictions: texts::wanted(call, predictions),
            drawing: None,
            outputs,
        })
    }

    /// The question with each part of its context.
    fn divide(
        &self,
        call: &Call,
        item: usize,
        question: &Question,
        count: usize,
        context: u8,
    ) -> Result<Vec<ItemPart>, ApiError> {
        let encoder = texts::encoder(call)?;
        let name = which("question", item, count);
        let asked = encoder
            .piece(&question.question)
            .map_err(|reason| not_encoded(&name, &reason))?;
        let longest = self.spec.max_question_len as usize;
        if asked.len() > longest {
            return Err(ApiError::invalid(format!(
                "{name} has {} tokens, expected at most {longest}",
                asked.len()
            ))
            .of_param("question"));
        }
        let max_tokens = encoder.max_tokens().min(call.values.integer(MAX_SEQ_LEN));
        let used = encoder.special(true) + asked.len();
        let Some(room) = max_tokens.checked_sub(used).filter(|room| *room > 0) else {
            return Err(ApiError::invalid(format!(
                "{name} and the special tokens have {used} tokens, which leave no room for the context; expected fewer than \
                 {max_tokens}"
            ))
            .of_param("question"));
        };
        let which = which("context", item, count);
        let piece = encoder
            .piece(&question.context)
            .map_err(|reason| not_encoded(&which, &reason))?;
        let division = Division {
            piece: &piece,
            room,
            stride: call.values.integer(DOC_STRIDE),
            side: encoder.truncation_side(),
        };
        let asked = asked.whole();
        parts::divide(&division, item, &which, &|slice| match context {
            0 => encoder.join(slice, Some(&asked)),
            _ => encoder.join(&asked, Some(slice)),
        })
    }
}

impl Pipeline for Reader {
    fn parameters(&self) -> Vec<Parameter> {
        let integer = |name, description, min, max, default: u32| Parameter {
            name,
            description,
            kind: Kind::Integer {
                min,
                max,
                default: default.clamp(min, max),
            },
        };
        let flag = |name, description, default| Parameter {
            name,
            description,
            kind: Kind::Flag { default },
        };
        vec![
            integer(
                TOP_K,
                "The maximum number of answers, best first",
                1,
                MAX_TOP_K,
                self.spec.top_k,
            ),
            integer(
                MAX_ANSWER_LEN,
                "The maximum number of tokens of an answer",
                1,
                self.max_tokens,
                self.spec.max_answer_len,
            ),
            integer(
                DOC_STRIDE,
                "The number of tokens that two parts share of a context that is longer than the model",
                0,
                self.max_tokens,
                self.spec.doc_stride.min(self.max_tokens / 2),
            ),
            integer(
                MAX_SEQ_LEN,
                "The maximum number of tokens of a question with a part of its context",
                1,
                self.max_tokens,
                self.max_tokens,
            ),
            flag(
                HANDLE_IMPOSSIBLE_ANSWER,
                "Whether there may be no answer, which is an empty text",
                self.spec.handle_impossible_answer,
            ),
            flag(
                ALIGN_TO_WORDS,
                "Whether an answer consists of whole words",
                true,
            ),
        ]
    }

    fn form(&self) -> Form {
        Form::Questions
    }

    fn infer(&self, mut call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        match call.inputs.content.take() {
            Some(Content::Questions(questions)) => self.answer(&call, &questions, runner),
            _ => Ok(Outcome::tensors(texts::outputs(call, runner)?)),
        }
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "Answer",
            value: json!({
                "type": "object",
                "required": ["text", "score", "start", "end"],
                "additionalProperties": false,
                "properties": {
                    "text": { "type": "string", "description": "The context from `start` to `end`; empty for no answer" },
                    "score": { "type": "number" },
                    "start": {
                        "type": "integer",
                        "minimum": 0,
                        "description": "The first character of the context, counted in Unicode scalar values",
                    },
                    "end": { "type": "integer", "minimum": 0, "description": "The character after the last one" },
                },
                "examples": [{ "text": "in London", "score": 0.9981, "start": 11, "end": 20 }],
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        let facts =
            json!({ "start": self.spec.start, "end": self.spec.end, "top_k": self.spec.top_k });
        Map::from_iter([("question_answering".to_owned(), facts)])
    }
}
