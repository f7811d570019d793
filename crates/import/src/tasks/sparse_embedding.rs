//! `[sparse_embedding]`: a masked language model that `sentence-transformers` pools as SPLADE does.

use super::{Context, Section};
use crate::card::toml_string;
use crate::inspect::InspectError;

/// The section of a model that makes sparse vectors.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every task")]
pub(super) fn detect(context: &Context) -> Result<Option<Section>, InspectError> {
    if context.texts.text.is_none() || !context.texts.is_sparse {
        return Ok(None);
    }
    let has_pooled = |name: &str| {
        let output = context.output(name, 2);
        output.filter(|output| output.name == name)
    };
    // The graph may have the modules of `sentence-transformers` too.
    let output = has_pooled("sentence_embedding").or_else(|| {
        let output = context.output("logits", 3);
        output.filter(|output| output.name != "last_hidden_state")
    });
    let Some(output) = output else {
        let expected = "and `modules.json` the pooling of SPLADE, but the graph has no output `logits` of shape \
                        [batch, tokens, vocabulary]";
        return Ok(context.without(expected));
    };
    Ok(Some(Section {
        text: format!(
            "# How an output becomes one weight per entry of the vocabulary, of which few are not 0.\n\
             [sparse_embedding]\noutput = {}\n",
            toml_string(&output.name)
        ),
        ..Section::default()
    }))
}
