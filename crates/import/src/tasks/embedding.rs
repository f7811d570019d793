//! `[embedding]`: a text model without a head, or one that `sentence-transformers` pools.

use infer_model_card::{Pooling, TensorSpec};

use super::{Context, Section, is_float};
use crate::card::toml_string;
use crate::inspect::InspectError;

/// The section of a model that embeds texts; `None` for a model with another head.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every task")]
pub(super) fn detect(context: &Context) -> Result<Option<Section>, InspectError> {
    if context.texts.text.is_none() {
        return Ok(None);
    }
    // Without a word on it, vectors of length 1 suit every measure of similarity.
    let normalizes = context.texts.normalizes.unwrap_or(true);
    let find = |names: &[&str], rank: usize| {
        context
            .tried
            .outputs
            .iter()
            .find(|spec| names.contains(&spec.name.as_str()) && spec.shape.len() == rank)
            .filter(|spec| is_float(spec))
    };
    // The output of a `sentence-transformers` model that optimum exported.
    if let Some(pooled) = find(&["sentence_embedding"], 2) {
        return Ok(Some(section(pooled, Pooling::None, normalizes)));
    }
    let Some(tokens) = find(&["last_hidden_state", "token_embeddings"], 3) else {
        return Ok(None);
    };
    // `BertModel`, but not `BertForMaskedLM`.
    let architecture = &context.config.architecture;
    let has_no_head = architecture.is_empty() || architecture.ends_with("Model");
    Ok((has_no_head || context.texts.pooling.is_some()).then(|| {
        section(
            tokens,
            context.texts.pooling.unwrap_or_default(),
            normalizes,
        )
    }))
}

fn section(output: &TensorSpec, pooling: Pooling, normalizes: bool) -> Section {
    let pooling = match pooling {
        Pooling::Mean => "mean",
        Pooling::Cls => "cls",
        Pooling::Max => "max",
        Pooling::Last => "last",
        Pooling::None => "none",
    };
    Section {
        text: format!(
            "# How an output becomes one vector per text, the response of `/infer` and `/v1/embeddings`.\n\
             [embedding]\noutput = {}\npooling = \"{pooling}\"  # mean | cls | max | last | none\n\
             normalize = {normalizes}\n",
            toml_string(&output.name)
        ),
        ..Section::default()
    }
}
