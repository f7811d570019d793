//! `[zero_shot]`: a classifier whose labels are those of textual entailment, and no others.

use super::classification::{check_count, class_output};
use super::{Context, Section};
use crate::card::toml_string;
use crate::inspect::InspectError;
use crate::labels;

/// The section of a model of textual entailment. A user who sets labels or an activation wants a classifier.
///
/// # Errors
/// When the number of labels is not that of the classes.
pub(super) fn detect(context: &Context) -> Result<Option<Section>, InspectError> {
    let config = context.config;
    if !context.has_head("ForSequenceClassification") || context.asks_for_classes() {
        return Ok(None);
    }
    let Some((entailment, contradiction)) = classes(&config.labels) else {
        return Ok(None);
    };
    let (_, output) = class_output(&context.tried.outputs)?;
    if output.shape.len() != 2 {
        return Ok(None);
    }
    check_count(context, &labels::to_text(&config.labels), output)?;
    Ok(Some(Section {
        text: format!(
            "# How a model of textual entailment scores any labels, which a request gives. For the scores of its own classes,\n\
             # use the section `[classification]` instead: `infer add --activation softmax` writes it.\n\
             [zero_shot]\noutput = {}\n\
             entailment = {entailment}  # the class of entailment, from 0\n\
             contradiction = {contradiction}  # the class of contradiction\n\
             hypothesis_template = \"This example is {{}}.\"  # {{}} is the label\n\
             multi_label = false  # whether several labels can be right\n\
             # labels = \"labels.txt\"  # the labels of requests that give none, one per line\n",
            toml_string(&output.name)
        ),
        ..Section::default()
    }))
}

/// The classes of entailment and contradiction, if all labels are of textual entailment: with a neutral class, or without.
fn classes(labels: &[String]) -> Option<(usize, usize)> {
    let lower: Vec<String> = labels.iter().map(|label| label.to_lowercase()).collect();
    let find = |fits: &dyn Fn(&str) -> bool| {
        let mut places = lower.iter().enumerate().filter(|(_, label)| fits(label));
        let first = places.next().map(|(place, _)| place);
        first.filter(|_| places.next().is_none())
    };
    let entailment = find(&|label| label.starts_with("entail"))?;
    let contradiction = find(&|label| label.starts_with("contra"));
    match (lower.len(), contradiction) {
        (2, Some(contradiction)) => Some((entailment, contradiction)),
        // `not_entailment`
        (2, None) => {
            let not = find(&|label| label.starts_with("no") && label.contains("entail"))?;
            Some((entailment, not))
        }
        (3, Some(contradiction)) => {
            find(&|label| label.starts_with("neutral"))?;
            Some((entailment, contradiction))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_entailment() {
        type Row<'a> = (&'a [&'a str], Option<(usize, usize)>);
        let rows: [Row; 12] = [
            (&["contradiction", "neutral", "entailment"], Some((2, 0))),
            (&["ENTAILMENT", "NEUTRAL", "CONTRADICTION"], Some((0, 2))),
            (&["neutral", "entailment", "contradictory"], Some((1, 2))),
            (&["entailment", "not_entailment"], Some((0, 1))),
            (&["non-entailment", "entailment"], Some((1, 0))),
            (&["contradiction", "entailment"], Some((1, 0))),
            (&[], None),
            (&["entailment"], None),
            (&["entailment", "neutral"], None),
            (&["entailment", "entailed", "contradiction"], None),
            (&["contradiction", "positive", "entailment"], None),
            (&["contradiction", "neutral", "entailment", "other"], None),
        ];
        let wrong: Vec<_> = rows
            .into_iter()
            .filter_map(|(labels, expected)| {
                let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
                let actual = classes(&labels);
                (actual != expected).then_some((labels, actual))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
