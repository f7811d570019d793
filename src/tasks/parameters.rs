//! Parameters of requests that belong to a task.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::http::error::{ApiError, listed, quoted};

/// The names of all tasks' parameters. A request for a model of another task is rejected if it sets one.
pub(crate) const NAMES: [&str; 29] = [
    TOP_K,
    THRESHOLD,
    IOU_THRESHOLD,
    MAX_DETECTIONS,
    AGGREGATION_STRATEGY,
    IGNORE_LABELS,
    STRIDE,
    LABELS,
    MULTI_LABEL,
    HYPOTHESIS_TEMPLATE,
    TARGETS,
    MAX_ANSWER_LEN,
    DOC_STRIDE,
    HANDLE_IMPOSSIBLE_ANSWER,
    TOP_N,
    RAW_SCORES,
    RETURN_DOCUMENTS,
    RETURN_TIMESTAMPS,
    MASK_THRESHOLD,
    ALIGN_TO_WORDS,
    MAX_SEQ_LEN,
    NORMALIZE,
    NEG_THRESHOLD,
    MIN_SPEECH_DURATION_MS,
    MIN_SILENCE_DURATION_MS,
    SPEECH_PAD_MS,
    MAX_SPEECH_DURATION_S,
    PROBABILITIES,
    FUNCTION_TO_APPLY,
];

/// The number of predictions in a response.
pub(crate) const TOP_K: &str = "top_k";
/// The least score of a prediction.
pub(crate) const THRESHOLD: &str = "threshold";
/// The overlap from which one of two boxes is left out.
pub(crate) const IOU_THRESHOLD: &str = "iou_threshold";
/// The most boxes of an image.
pub(crate) const MAX_DETECTIONS: &str = "max_detections";
/// How tokens become entities.
pub(crate) const AGGREGATION_STRATEGY: &str = "aggregation_strategy";
/// Labels that are left out.
pub(crate) const IGNORE_LABELS: &str = "ignore_labels";
/// The tokens that two parts of a long text share.
pub(crate) const STRIDE: &str = "stride";
/// The labels to choose from.
pub(crate) const LABELS: &str = "labels";
/// Whether several labels can be right.
pub(crate) const MULTI_LABEL: &str = "multi_label";
/// The sentence that a label is put into.
pub(crate) const HYPOTHESIS_TEMPLATE: &str = "hypothesis_template";
/// The words to choose from.
pub(crate) const TARGETS: &str = "targets";
/// The most tokens of an answer.
pub(crate) const MAX_ANSWER_LEN: &str = "max_answer_len";
/// The tokens that two parts of a long context share.
pub(crate) const DOC_STRIDE: &str = "doc_stride";
/// Whether there may be no answer.
pub(crate) const HANDLE_IMPOSSIBLE_ANSWER: &str = "handle_impossible_answer";
/// The number of documents in a response.
pub(crate) const TOP_N: &str = "top_n";
/// Whether scores are the model's values.
pub(crate) const RAW_SCORES: &str = "raw_scores";
/// Whether a response repeats the documents.
pub(crate) const RETURN_DOCUMENTS: &str = "return_documents";
/// Whether a transcription has the times of its words.
pub(crate) const RETURN_TIMESTAMPS: &str = "return_timestamps";
/// The least value of a pixel that belongs to a mask.
pub(crate) const MASK_THRESHOLD: &str = "mask_threshold";

/// Whether an answer consists of whole words.
pub(crate) const ALIGN_TO_WORDS: &str = "align_to_words";
/// The most tokens of a question with a part of its context.
pub(crate) const MAX_SEQ_LEN: &str = "max_seq_len";

/// Whether vectors have length 1.
pub(crate) const NORMALIZE: &str = "normalize";
/// The probability below which speech ends.
pub(crate) const NEG_THRESHOLD: &str = "neg_threshold";
/// The shortest speech.
pub(crate) const MIN_SPEECH_DURATION_MS: &str = "min_speech_duration_ms";
/// The shortest silence that ends speech.
pub(crate) const MIN_SILENCE_DURATION_MS: &str = "min_silence_duration_ms";
/// The time by which speech is extended.
pub(crate) const SPEECH_PAD_MS: &str = "speech_pad_ms";
/// The longest speech.
pub(crate) const MAX_SPEECH_DURATION_S: &str = "max_speech_duration_s";
/// Whether the probability of each window is returned.
pub(crate) const PROBABILITIES: &str = "probabilities";

/// The function that turns the values of classes into scores.
pub(crate) const FUNCTION_TO_APPLY: &str = "function_to_apply";

/// The most bytes of a text in a parameter.
const MAX_TEXT_BYTES: usize = 4096;

/// A parameter that a task declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The name in a query or in JSON.
    pub name: &'static str,
    /// One line for the OpenAPI document.
    pub description: &'static str,
    /// The type and the range.
    pub kind: Kind,
}

/// The type of a parameter, its range and its default.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// An integer from `min` to `max`.
    Integer {
        /// The smallest value.
        min: u32,
        /// The largest value.
        max: u32,
        /// The value if the request has none.
        default: u32,
    },
    /// A number from `min` to `max`.
    Number {
        /// The smallest value.
        min: f32,
        /// The largest value.
        max: f32,
        /// The value if the request has none; NaN for a parameter without a default.
        default: f32,
    },
    /// True or false.
    Flag {
        /// The value if the request has none.
        default: bool,
    },
    /// One of several words.
    Choice {
        /// The words.
        values: &'static [&'static str],
        /// The value if the request has none.
        default: &'static str,
    },
    /// A text.
    Text {
        /// The value if the request has none.
        default: String,
    },
    /// A list of texts: a list in JSON, separated by commas in a query.
    Texts {
        /// The fewest texts: 0 or 1.
        min: usize,
        /// The most texts.
        max: usize,
        /// The value if the request has none.
        default: Vec<String>,
    },
}

/// The value of a parameter in a request, as it came.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// In a query or in a field of a form.
    Text(String),
    /// In JSON.
    Json(Value),
}

impl Given {
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Json(value) => quoted(&value.to_string()),
        }
    }

    /// The value as one word: JSON's numbers and booleans as they are written.
    fn word(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Json(Value::String(text)) => Some(text.into()),
            Self::Json(value @ (Value::Number(_) | Value::Bool(_))) => {
                Some(value.to_string().into())
            }
            Self::Json(_) => None,
        }
    }
}

/// A parsed value.
#[derive(Clone, Debug, PartialEq)]
enum Parsed {
    Integer(u32),
    Number(f32),
    Flag(bool),
    Text(String),
    Texts(Vec<String>),
}

impl Kind {
    /// The value of a request that has none.
    fn default(&self) -> Parsed {
        match self {
            Self::Integer { default, .. } => Parsed::Integer(*default),
            Self::Number { default, .. } => Parsed::Number(*default),
            Self::Flag { default } => Parsed::Flag(*default),
            Self::Choice { default, .. } => Parsed::Text((*default).to_owned()),
            Self::Text { default } => Parsed::Text(default.clone()),
            Self::Texts { default, .. } => Parsed::Texts(default.clone()),
        }
    }

    /// The values that the parameter takes, for messages.
    fn expected(&self) -> String {
        match self {
            Self::Integer { min, max, .. } => format!("an integer from {min} to {max}"),
            Self::Number { min, max, .. } => format!("a number from {min} to {max}"),
            Self::Flag { .. } => "true or false".to_owned(),
            Self::Choice { values, .. } => listed(values.iter().copied(), "or"),
            Self::Text { .. } => format!("a text of at most {MAX_TEXT_BYTES} bytes"),
            Self::Texts { min, max, .. } => {
                format!(
                    "a list of {min} to {max} texts that are not empty, each of at most {MAX_TEXT_BYTES} bytes"
                )
            }
        }
    }

    fn parse(&self, given: &Given) -> Option<Parsed> {
        match self {
            Self::Integer { min, max, .. } => {
                let value = given.word()?.parse().ok()?;
                (*min..=*max)
                    .contains(&value)
                    .then_some(Parsed::Integer(value))
            }
            Self::Number { min, max, .. } => {
                let value = given.word()?.parse().ok()?;
                (*min..=*max)
                    .contains(&value)
                    .then_some(Parsed::Number(value))
            }
            Self::Flag { .. } => match &*given.word()? {
                "true" | "" => Some(Parsed::Flag(true)),
                "false" => Some(Parsed::Flag(false)),
                _ => None,
            },
            Self::Choice { values, .. } => {
                let word = given.word()?;
                let known = values.iter().find(|value| **value == word)?;
                Some(Parsed::Text((*known).to_owned()))
            }
            Self::Text { .. } => match given {
                Given::Text(text) | Given::Json(Value::String(text)) => {
                    (text.len() <= MAX_TEXT_BYTES).then(|| Parsed::Text(text.clone()))
                }
                Given::Json(_) => None,
            },
            Self::Texts { min, max, .. } => texts(given, *min..=*max).map(Parsed::Texts),
        }
    }
}

fn texts(given: &Given, count: RangeInclusive<usize>) -> Option<Vec<String>> {
    let texts: Vec<String> = match given {
        Given::Text(text) | Given::Json(Value::String(text)) if text.trim().is_empty() => {
            Vec::new()
        }
        Given::Text(text) | Given::Json(Value::String(text)) => {
            text.split(',').map(|text| text.trim().to_owned()).collect()
        }
        Given::Json(Value::Array(values)) => values
            .iter()
            .map(|value| Some(value.as_str()?.to_owned()))
            .collect::<Option<_>>()?,
        Given::Json(_) => return None,
    };
    let fits = |text: &String| !text.trim().is_empty() && text.len() <= MAX_TEXT_BYTES;
    (count.contains(&texts.len()) && texts.iter().all(fits)).then_some(texts)
}

impl Parameter {
    /// The JSON Schema of a value.
    #[must_use]
    pub fn schema(&self) -> Value {
        match &self.kind {
            Kind::Integer { min, max, default } => {
                json!({ "type": "integer", "minimum": min, "maximum": max, "default": default })
            }
            Kind::Number { min, max, default } => {
                let mut schema = json!({ "type": "number", "minimum": min, "maximum": max });
                if !default.is_nan() {
                    schema["default"] = json!(default);
                }
                schema
            }
            Kind::Flag { default } => json!({ "type": "boolean", "default": default }),
            Kind::Choice { values, default } => json!({ "enum": values, "default": default }),
            Kind::Text { default } => {
                json!({ "type": "string", "maxLength": MAX_TEXT_BYTES, "default": default })
            }
            Kind::Texts { min, max, default } => {
                let mut schema = json!({
                    "type": "array",
                    "items": { "type": "string", "pattern": "[^\\s,]" },
                    "minItems": min,
                    "maxItems": max,
                });
                if default.len() >= *min {
                    schema["default"] = json!(default);
                }
                schema
            }
        }
    }

    fn parse(&self, given: Option<&Given>) -> Result<Parsed, ApiError> {
        let Some(given) = given.filter(|given| **given != Given::Json(Value::Null)) else {
            return Ok(self.kind.default());
        };
        self.kind.parse(given).ok_or_else(|| {
            ApiError::invalid(format!(
                "`{}` is {}, expected {}",
                self.name,
                given.shown(),
                self.kind.expected()
            ))
            .of_param(self.name)
        })
    }
}

/// The values of a task's parameters in one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(Vec<(&'static str, Parsed)>);

impl Values {
    /// Parse the values of the declared parameters; `lookup` returns the value of a parameter, if the request
    /// has it. A missing one has its default.
    ///
    /// # Errors
    /// 400 for a value that is out of range, for a parameter of another task, and whatever `lookup` returns.
    pub fn parse(
        declared: &[Parameter],
        model: &str,
        lookup: impl Fn(&str) -> Result<Option<Given>, ApiError>,
    ) -> Result<Self, ApiError> {
        for name in NAMES {
            let is_declared = declared.iter().any(|parameter| parameter.name == name);
            if !is_declared && lookup(name)?.is_some() {
                return Err(ApiError::invalid(format!(
                    "model `{model}` does not take `{name}`, which belongs to another task; leave it out"
                ))
                .of_param(name));
            }
        }
        let values = declared.iter().map(|parameter| {
            let given = lookup(parameter.name)?;
            Ok((parameter.name, parameter.parse(given.as_ref())?))
        });
        values.collect::<Result<_, _>>().map(Self)
    }

    /// The defaults of the declared parameters.
    #[must_use]
    pub fn defaults(declared: &[Parameter]) -> Self {
        let values = declared.iter();
        Self(
            values
                .map(|parameter| (parameter.name, parameter.kind.default()))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&Parsed> {
        let known = self.0.iter().find(|(known, _)| *known == name);
        known.map(|(_, value)| value)
    }

    /// An integer of the request, or its default; 0 for a parameter that the task has not declared.
    #[must_use]
    pub fn integer(&self, name: &str) -> usize {
        match self.get(name) {
            Some(Parsed::Integer(value)) => *value as usize,
            _ => 0,
        }
    }

    /// A number of the request, or its default; 0 for a parameter that the task has not declared.
    #[must_use]
    pub fn number(&self, name: &str) -> f32 {
        match self.get(name) {
            Some(Parsed::Number(value)) => *value,
            _ => 0.0,
        }
    }

    /// A flag of the request, or its default; false for a parameter that the task has not declared.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Parsed::Flag(true)))
    }

    /// A text or a choice of the request, or its default; empty for a parameter that the task has not declared.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Parsed::Text(text)) => text,
            _ => "",
        }
    }

    /// A list of texts of the request, or its default; empty for a parameter that the task has not declared.
    #[must_use]
    pub fn texts(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(Parsed::Texts(texts)) => texts,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(kind: Kind) -> Parameter {
        Parameter {
            name: TOP_K,
            description: "",
            kind,
        }
    }

    /// The value, or the status and the message.
    fn parsed(kind: &Kind, given: Option<Given>) -> Result<Parsed, (u16, String)> {
        let lookup = |name: &str| Ok(given.clone().filter(|_| name == TOP_K));
        let values = Values::parse(&[parameter(kind.clone())], "m", lookup);
        let values = values.map_err(|error| (error.kind().status(), error.to_string()))?;
        Ok(values.get(TOP_K).unwrap().clone())
    }

    #[test]
    fn a_value_has_the_type_and_the_range() {
        let integer = Kind::Integer {
            min: 1,
            max: 9,
            default: 5,
        };
        let number = Kind::Number {
            min: 0.0,
            max: 1.0,
            default: 0.25,
        };
        let flag = Kind::Flag { default: false };
        let choice = Kind::Choice {
            values: &["none", "simple"],
            default: "simple",
        };
        let list = Kind::Texts {
            min: 1,
            max: 3,
            default: Vec::new(),
        };
        let text = |text: &str| Some(Given::Text(text.to_owned()));
        let from_json = |value: Value| Some(Given::Json(value));
        let strings = |texts: &[&str]| {
            Ok(Parsed::Texts(
                texts.iter().map(|text| (*text).to_owned()).collect(),
            ))
        };
        let rows: Vec<(&Kind, Option<Given>, Result<Parsed, &str>)> = vec![
            (&integer, None, Ok(Parsed::Integer(5))),
            (&integer, text("1"), Ok(Parsed::Integer(1))),
            (&integer, text("9"), Ok(Parsed::Integer(9))),
            (&integer, from_json(json!(7)), Ok(Parsed::Integer(7))),
            (&integer, from_json(Value::Null), Ok(Parsed::Integer(5))),
            (&integer, text("0"), Err("`0`")),
            (&integer, text("10"), Err("`10`")),
            (&integer, text("-1"), Err("`-1`")),
            (&integer, text("1.0"), Err("`1.0`")),
            (&integer, text(""), Err("``")),
            (&integer, text("4294967296"), Err("`4294967296`")),
            (&integer, from_json(json!([1])), Err("`[1]`")),
            (&number, None, Ok(Parsed::Number(0.25))),
            (&number, text("1"), Ok(Parsed::Number(1.0))),
            (&number, text("5e-1"), Ok(Parsed::Number(0.5))),
            (&number, from_json(json!(0.5)), Ok(Parsed::Number(0.5))),
            (&number, text("2"), Err("`2`")),
            (&number, text("-0.1"), Err("`-0.1`")),
            (&number, text("a"), Err("`a`")),
            (&number, text("NaN"), Err("`NaN`")),
            (&number, text("inf"), Err("`inf`")),
            (&number, from_json(json!({})), Err("`{}`")),
            (&flag, None, Ok(Parsed::Flag(false))),
            (&flag, text(""), Ok(Parsed::Flag(true))),
            (&flag, from_json(json!(true)), Ok(Parsed::Flag(true))),
            (&flag, text("yes"), Err("`yes`")),
            (&flag, from_json(json!(1)), Err("`1`")),
            (&choice, None, Ok(Parsed::Text("simple".to_owned()))),
            (&choice, text("none"), Ok(Parsed::Text("none".to_owned()))),
            (&choice, text("None"), Err("`None`")),
            (&list, text("a, b"), strings(&["a", "b"])),
            (
                &list,
                from_json(json!(["a,b", "c"])),
                strings(&["a,b", "c"]),
            ),
            (&list, text(""), Err("``")),
            (&list, text("a,,b"), Err("`a,,b`")),
            (&list, text("a,b,c,d"), Err("`a,b,c,d`")),
            (&list, from_json(json!([])), Err("`[]`")),
            (&list, from_json(json!(["a", 1])), Err("`[\"a\",1]`")),
        ];
        let mut wrong = Vec::new();
        for (kind, given, expected) in rows {
            let actual = parsed(kind, given.clone());
            let expected = expected.map_err(|quoted| {
                let text = format!("`top_k` is {quoted}, expected {}", kind.expected());
                (400, text)
            });
            if actual != expected {
                wrong.push(format!("{given:?}: {actual:?}, expected {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_parameter_of_another_task_is_rejected() {
        let set = |name: &str| Ok((name == TOP_K).then(|| Given::Text("1".to_owned())));
        let error = Values::parse(&[], "m", set).unwrap_err();
        assert_eq!(error.kind().status(), 400);
        assert_eq!(
            error.to_string(),
            "model `m` does not take `top_k`, which belongs to another task; leave it out"
        );
        let values = Values::parse(&[], "m", |_| Ok(None)).unwrap();
        assert_eq!(values.integer(TOP_K), 0);
    }

    #[test]
    fn an_error_of_the_request_is_returned() {
        let failing = |_: &str| Err(ApiError::invalid("not percent-encoded"));
        let declared = [parameter(Kind::Flag { default: false })];
        for parameters in [&[][..], &declared] {
            let error = Values::parse(parameters, "m", failing).unwrap_err();
            assert_eq!(error.to_string(), "not percent-encoded");
        }
    }
}
