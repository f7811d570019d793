//! `[ranking]`: a classifier of one class that its files call a cross-encoder or a reranker.

use super::classification::class_output;
use super::{Context, Section};
use crate::card::toml_string;
use crate::inspect::InspectError;

/// Parts of the names of models that rank.
const NAMES: [&str; 3] = ["rerank", "cross-encoder", "ms-marco"];

/// The section of a cross-encoder. A user who sets labels or an activation wants a classifier.
///
/// # Errors
/// When no output can have the score.
pub(super) fn detect(context: &Context) -> Result<Option<Section>, InspectError> {
    let config = context.config;
    if !context.has_head("ForSequenceClassification") || context.asks_for_classes() {
        return Ok(None);
    }
    // An embedding model has no such head.
    let function = config
        .cross_encoder
        .as_ref()
        .or(context.texts.cross_encoder.as_ref());
    let is_named = NAMES.into_iter().any(|name| {
        let is_in = |text: &str| text.to_lowercase().contains(name);
        is_in(&config.base) || is_in(context.name)
    });
    let is_cross_encoder = function.is_some() || context.texts.kind == "CrossEncoder";
    if !is_named && !is_cross_encoder {
        return Ok(None);
    }
    let (_, output) = class_output(&context.tried.outputs)?;
    let is_one = match output.shape.as_slice() {
        [_] | [_, 1] => true,
        [_, -1] => config.labels.len() == 1,
        _ => false,
    };
    if !is_one {
        return Ok(None);
    }
    // `torch.nn.modules.linear.Identity`
    let name = function.map(|function| function.rsplit('.').next().unwrap_or_default());
    let activation = match name {
        None | Some("" | "Sigmoid") => "sigmoid",
        Some("Identity") => "none",
        Some(other) => {
            let expected = format!(
                "and `sentence-transformers` applies `{other}` to its scores, which is not supported; expected `Sigmoid` or \
                 `Identity`"
            );
            return Ok(context.without(&expected));
        }
    };
    Ok(Some(Section {
        text: format!(
            "# How an output becomes the score of a document for a query.\n\
             [ranking]\noutput = {}\nactivation = \"{activation}\"  # sigmoid | none\n",
            toml_string(&output.name)
        ),
        ..Section::default()
    }))
}
