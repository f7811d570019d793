//! Requests whose task prepares them by itself: a detector needs the sizes of its images, a tagger the characters of its
//! texts.
//!
//! Every other request becomes the graph's inputs before its task sees it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::accepts::Accepts;
pub use super::encoded::{EncodedImage, EncodedSound};
pub use super::form::Form;
use super::images;
use super::sounds;
use super::text::{self, Texts};
use crate::http::error::{ApiError, quoted};
use crate::http::limits::Limits;
use crate::tensor::Tensor;
use crate::tensor::json::object::Object;

/// The content of a request, one entry for each item of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Encoded images.
    Images(Vec<EncodedImage>),
    /// Encoded sounds.
    Sounds(Vec<EncodedSound>),
    /// Texts.
    Texts(Vec<String>),
    /// Questions, each with its context.
    Questions(Vec<Question>),
    /// Queries, each with its documents.
    Queries(Vec<Query>),
}

/// A question about a context.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Question {
    /// The question.
    pub question: String,
    /// The text that has the answer.
    pub context: String,
}

/// Documents to be ranked for a query.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Query {
    /// The query.
    pub query: String,
    /// The documents.
    pub documents: Vec<String>,
}

/// The inputs of a graph as tensors, or the tokens of texts, of which several batches may be made.
pub type GraphInputs = (Vec<(String, Tensor)>, Option<Texts>);

impl Content {
    /// Check that texts are within their limits and not empty.
    ///
    /// # Errors
    /// 400 for an empty text and too many of them, 413 for a text over the limit.
    pub fn checked(self, limits: &Limits) -> Result<Self, ApiError> {
        match &self {
            Self::Images(_) | Self::Sounds(_) => {}
            Self::Texts(texts) => text::check("text", texts, limits)?,
            Self::Questions(questions) => {
                text::check(
                    "question",
                    questions.iter().map(|item| &item.question),
                    limits,
                )?;
                text::check(
                    "context",
                    questions.iter().map(|item| &item.context),
                    limits,
                )?;
            }
            Self::Queries(queries) => {
                text::check("query", queries.iter().map(|item| &item.query), limits)?;
                text::check(
                    "document",
                    queries.iter().flat_map(|item| &item.documents),
                    limits,
                )?;
            }
        }
        Ok(self)
    }

    /// The graph's inputs of this content, as far as they do not depend on the task: tensors, or the tokens of texts.
    ///
    /// # Errors
    /// Those of [`images::prepare`], [`sounds::prepare`] and [`text::encode`].
    pub fn to_inputs(&self, accepts: Accepts, limits: &Limits) -> Result<GraphInputs, ApiError> {
        let encode = |texts: &[Cow<str>], pairs: Option<&[Cow<str>]>| {
            let texts = text::encode(accepts, texts, pairs, limits)?;
            Ok((Vec::new(), Some(texts)))
        };
        fn borrowed<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<Cow<'a, str>> {
            texts.map(|text| Cow::Borrowed(text.as_str())).collect()
        }
        match self {
            Self::Images(images) => {
                let prepared = images::prepare(images, accepts, limits)?;
                Ok((prepared.inputs, None))
            }
            Self::Sounds(sounds) => Ok((sounds::prepare(sounds, accepts, limits)?, None)),
            Self::Texts(texts) => encode(&borrowed(texts.iter()), None),
            Self::Questions(questions) => encode(
                &borrowed(questions.iter().map(|item| &item.question)),
                Some(&borrowed(questions.iter().map(|item| &item.context))),
            ),
            Self::Queries(queries) => {
                let repeated = queries
                    .iter()
                    .flat_map(|item| item.documents.iter().map(|_| &item.query));
                let documents = queries.iter().flat_map(|item| &item.documents);
                encode(&borrowed(repeated), Some(&borrowed(documents)))
            }
        }
    }
}

/// The members of a JSON body that hold content, each one value or a list of them.
#[derive(Clone, Copy, Default)]
pub struct Members<'a> {
    /// Texts.
    pub text: Option<&'a RawValue>,
    /// Questions.
    pub question: Option<&'a RawValue>,
    /// The contexts of the questions.
    pub context: Option<&'a RawValue>,
    /// A query.
    pub query: Option<&'a RawValue>,
    /// The documents of the query.
    pub documents: Option<&'a RawValue>,
}

/// Read the content of a JSON body; `None` if it has none of the members of the form.
///
/// # Errors
/// 400 for a value of the wrong type, and for a missing member; the errors of [`Content::checked`].
pub fn from_members(
    members: Members,
    form: Form,
    limits: &Limits,
) -> Result<Option<Content>, ApiError> {
    let owned = |name: &'static str, json: &RawValue| {
        let texts = text::from_json(name, json)?;
        Ok::<Vec<String>, ApiError>(texts.into_iter().map(Cow::into_owned).collect())
    };
    let missing = |has: &str, lacks: &'static str| {
        ApiError::invalid(format!(
            "the JSON body has `{has}` and no `{lacks}`, expected both"
        ))
        .of_param(lacks)
    };
    let content = match form {
        Form::Prepared | Form::Images | Form::Sounds => return Ok(None),
        Form::Texts => match members.text {
            Some(texts) => Content::Texts(owned("text", texts)?),
            None => return Ok(None),
        },
        Form::Questions => match (members.question, members.context) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(missing("question", "context")),
            (None, Some(_)) => return Err(missing("context", "question")),
            (Some(questions), Some(contexts)) => {
                let questions = owned("question", questions)?;
                let mut contexts = owned("context", contexts)?;
                // Several questions about one context.
                if let ([context], true) = (contexts.as_slice(), questions.len() > 1) {
                    contexts = vec![context.clone(); questions.len()];
                }
                if questions.len() != contexts.len() {
                    return Err(ApiError::invalid(format!(
                        "`question` has {} and `context` {}, expected as many, or one context",
                        questions.len(),
                        contexts.len()
                    )));
                }
                let pairs = questions.into_iter().zip(contexts);
                Content::Questions(
                    pairs
                        .map(|(question, context)| Question { question, context })
                        .collect(),
                )
            }
        },
        Form::Queries => match (members.query, members.documents) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(missing("query", "documents")),
            (None, Some(_)) => return Err(missing("documents", "query")),
            (Some(query), Some(documents)) => {
                let text = serde_json::from_str(query.get()).map_err(|_| {
                    ApiError::invalid(format!(
                        "`query` is {}, expected a text",
                        quoted(query.get())
                    ))
                    .of_param("query")
                })?;
                Content::Queries(vec![Query {
                    query: text,
                    documents: owned("documents", documents)?,
                }])
            }
        },
    };
    content.checked(limits).map(Some)
}

/// Read a list with one value for each item; `None` if its values are not of the form, such as the numbers of tensors.
/// Images and sounds are read elsewhere.
///
/// # Errors
/// Those of [`Content::checked`].
pub fn from_instances(
    json: &RawValue,
    form: Form,
    limits: &Limits,
) -> Result<Option<Content>, ApiError> {
    fn list<T: for<'a> Deserialize<'a>>(json: &RawValue) -> Option<Vec<T>> {
        let items: Vec<Object<T>> = serde_json::from_str(json.get()).ok()?;
        (!items.is_empty()).then(|| items.into_iter().map(|Object(item)| item).collect())
    }
    let content = match form {
        Form::Prepared | Form::Images | Form::Sounds => None,
        Form::Texts => serde_json::from_str::<Vec<String>>(json.get())
            .ok()
            .filter(|texts| !texts.is_empty())
            .map(Content::Texts),
        Form::Questions => list(json).map(Content::Questions),
        Form::Queries => list(json).map(Content::Queries),
    };
    content.map(|content| content.checked(limits)).transpose()
}
