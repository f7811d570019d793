//! `[question_answering]`: two outputs become the span of a context that answers a question.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::float_output;
use crate::{CardError, ModelCard};

/// How two outputs become the span of a context that answers a question.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct QuestionAnsweringSpec {
    /// The output with one value per token for the start of the answer, shape `[batch, tokens]`.
    #[serde(default = "default_start")]
    pub start: String,
    /// The output with one value per token for the end of the answer, shape `[batch, tokens]`.
    #[serde(default = "default_end")]
    pub end: String,
    /// The number of answers in a response, unless the request sets `top_k`.
    #[serde(default = "default_top_k")]
    pub top_k: u32,
    /// The most tokens of an answer, unless the request sets `max_answer_len`.
    #[serde(default = "default_max_answer_len")]
    pub max_answer_len: u32,
    /// The number of tokens that two parts of a longer context share, unless the request sets `doc_stride`.
    #[serde(default = "default_doc_stride")]
    pub doc_stride: u32,
    /// The most tokens of the question; longer ones are refused.
    #[serde(default = "default_max_question_len")]
    pub max_question_len: u32,
    /// Whether there may be no answer, unless the request sets `handle_impossible_answer`.
    #[serde(default)]
    pub handle_impossible_answer: bool,
}

fn default_start() -> String {
    "start_logits".to_owned()
}

fn default_end() -> String {
    "end_logits".to_owned()
}

fn default_top_k() -> u32 {
    1
}

fn default_max_answer_len() -> u32 {
    15
}

fn default_doc_stride() -> u32 {
    128
}

fn default_max_question_len() -> u32 {
    64
}

impl SectionKeys for QuestionAnsweringSpec {
    const KEYS: &'static [&'static str] = &[
        "doc_stride",
        "end",
        "handle_impossible_answer",
        "max_answer_len",
        "max_question_len",
        "start",
        "top_k",
    ];
    const NAMES: &'static [TaskName] = &[TaskName("question-answering", Input::Text)];
}

impl Section for QuestionAnsweringSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        let Some(text) = &card.text else {
            return Err(CardError::value(
                "[question_answering]",
                "needs the section `[text]`",
            ));
        };
        if !text.prompt.is_empty() {
            return Err(CardError::value(
                "[text] `prompt`",
                "does not go with `[question_answering]`, whose answers have places in the text as sent; leave it out",
            ));
        }
        for (key, name) in [("start", &self.start), ("end", &self.end)] {
            let place = format!("[question_answering] `{key}`");
            let output = float_output(card, &place, name)?;
            if output.shape.len() != 2 {
                return Err(CardError::value(
                    place,
                    format!(
                        "`{name}` has shape {:?}, expected [batch, tokens]",
                        output.shape
                    ),
                ));
            }
        }
        for (key, value) in [
            ("top_k", self.top_k),
            ("max_answer_len", self.max_answer_len),
            ("max_question_len", self.max_question_len),
        ] {
            if value == 0 {
                return Err(CardError::value(
                    format!("[question_answering] `{key}`"),
                    "expected 1 or more, got 0",
                ));
            }
        }
        Ok(())
    }
}
