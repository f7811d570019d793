//! `[fill_mask]`: a `config.json` of a masked language model, whose tokenizer has a mask.

use super::{Context, Section};
use crate::card::toml_string;
use crate::inspect::InspectError;

/// The section of a masked language model; `None` if the graph returns hidden states in place of tokens.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every task")]
pub(super) fn detect(context: &Context) -> Result<Option<Section>, InspectError> {
    // `sentence-transformers` or the user make something else of it.
    if !context.has_head("ForMaskedLM") || context.texts.pooling.is_some() {
        return Ok(None);
    }
    let output = context.output("logits", 3);
    let Some(output) = output.filter(|output| output.name == "logits") else {
        return Ok(None);
    };
    let Some(mask) = &context.texts.mask_token else {
        let expected = "but neither `tokenizer_config.json` has a `mask_token` that the tokenizer knows, nor `tokenizer.json` a \
                        special token `[MASK]` or `<mask>`";
        return Ok(context.without(expected));
    };
    Ok(Some(Section {
        text: format!(
            "# How an output becomes the words for a mask in a text.\n\
             [fill_mask]\noutput = {}\nmask_token = {}  # stands for a missing word\ntop_k = 5\n",
            toml_string(&output.name),
            toml_string(mask)
        ),
        ..Section::default()
    }))
}
