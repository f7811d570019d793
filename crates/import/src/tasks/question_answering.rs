//! `[question_answering]`: a `config.json` of an architecture that answers questions.

use super::{Context, Section};
use crate::inspect::InspectError;

/// The most tokens of a question with a part of its context, as in `QuestionAnsweringPipeline` of `transformers`.
const MAX_TOKENS: u32 = 384;

/// The section of a model that answers questions.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every task")]
pub(super) fn detect(context: &Context) -> Result<Option<Section>, InspectError> {
    if !context.has_head("ForQuestionAnswering") {
        return Ok(None);
    }
    // Nothing but their names tells the outputs apart.
    let names = ["start_logits", "end_logits"];
    let has = |name: &str| {
        let output = context.output(name, 2);
        output.is_some_and(|output| output.name == name)
    };
    if !names.into_iter().all(has) {
        let expected =
            "but the graph has no outputs `start_logits` and `end_logits` of shape [batch, tokens]";
        return Ok(context.without(expected));
    }
    Ok(Some(Section {
        text: "# How two outputs become the span of a context that answers a question.\n\
               [question_answering]\nstart = \"start_logits\"\nend = \"end_logits\"\n\
               max_answer_len = 15  # tokens\n\
               doc_stride = 128  # tokens that two parts of a longer context share\n\
               handle_impossible_answer = false  # whether there may be no answer\n"
            .to_owned(),
        max_tokens: Some(MAX_TOKENS),
        ..Section::default()
    }))
}
