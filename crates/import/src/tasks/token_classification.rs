//! `[token_classification]`: a `config.json` of an architecture that labels tokens.

use super::classification::check_count;
use super::{Context, Section};
use crate::card::{LABELS_FILE, toml_string};
use crate::inspect::{InspectError, read_text};
use crate::labels;

/// The section of a model that labels tokens, with the labels of its classes.
///
/// # Errors
/// When the number of labels is not that of the classes.
pub(super) fn detect(context: &Context) -> Result<Option<Section>, InspectError> {
    if !context.has_head("ForTokenClassification") {
        return Ok(None);
    }
    let Some(output) = context.output("logits", 3) else {
        let expected = "but the graph has no output `logits` of shape [batch, tokens, classes]";
        return Ok(context.without(expected));
    };
    let labels = match &context.options.labels {
        Some(path) => Some(read_text(path)?),
        None if context.config.labels.is_empty() => None,
        None => Some(labels::to_text(&context.config.labels)),
    };
    if let Some(labels) = &labels {
        check_count(context, labels, output)?;
    }
    let file = match labels {
        Some(_) => format!("labels = \"{LABELS_FILE}\"  # one label per line\n"),
        None => String::new(),
    };
    Ok(Some(Section {
        text: format!(
            "# How an output becomes entities: spans of a text with a label.\n\
             [token_classification]\noutput = {}\n{file}\
             aggregation_strategy = \"simple\"  # none | simple | first | average | max\n\
             ignore_labels = [\"O\"]\n\
             stride = 32  # tokens that two parts of a longer text share\n",
            toml_string(&output.name)
        ),
        labels,
        ..Section::default()
    }))
}
