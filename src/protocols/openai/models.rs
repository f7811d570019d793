//! The models in the form of OpenAI's API. The routes are V1's too, so the responses have the members of both.

use serde::Serialize;

/// A model in OpenAI's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OpenAiModel<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

impl<'a> OpenAiModel<'a> {
    /// A model of this service. An artifact has no dates, because equal models build equal artifacts, so `created` is 0.
    #[must_use]
    pub fn new(name: &'a str) -> Self {
        Self {
            id: name,
            object: "model",
            created: 0,
            owned_by: "infer",
        }
    }
}
