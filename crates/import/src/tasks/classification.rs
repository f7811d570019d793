//! `[classification]`: a label file, an activation, a classifier's `config.json`, or a classifier of `ai.onnx.ml`.

use std::cmp::Reverse;

use infer_model_card::{Activation, TensorSpec};

use super::{Context, Section, is_float};
use crate::card::{LABELS_FILE, toml_string};
use crate::inspect::{InspectError, read_text};
use crate::labels;
use crate::tensors::described;

/// The section of a classifier, with the labels of its classes.
///
/// # Errors
/// When no output can have classes, or their number is not that of the labels.
pub(super) fn detect(context: &Context) -> Result<Option<Section>, InspectError> {
    let (options, config) = (context.options, context.config);
    // The graph of a classifier of Ultralytics computes the scores.
    let from_metadata = context
        .ultralytics
        .filter(|file| file.task == "classify" && !file.labels.is_empty());
    if options.labels.is_none()
        && options.activation.is_none()
        && let Some(section) = with_labels_in_the_graph(context)
    {
        return Ok(Some(section));
    }
    let labels = match &options.labels {
        Some(path) => Some(read_text(path)?),
        None if config.is_classifier && !config.labels.is_empty() => {
            Some(labels::to_text(&config.labels))
        }
        None => None,
    };
    let labels = labels.or_else(|| from_metadata.map(|file| labels::to_text(&file.labels)));
    if labels.is_none() && options.activation.is_none() && !config.is_classifier {
        return Ok(None);
    }
    let (place, output) = class_output(&context.tried.outputs)?;
    if let Some(labels) = &labels {
        check_count(context, labels, output)?;
    }
    let last_operator = context.tried.summary.last_operators.get(place);
    let activation = options
        .activation
        .unwrap_or(match last_operator.map_or("", String::as_str) {
            // The graph computes the scores.
            "Softmax" | "Sigmoid" => Activation::None,
            _ if from_metadata.is_some() => Activation::None,
            // So do classifiers of `ai.onnx.ml`.
            _ if context.class_labels.contains_key(&output.name) => Activation::None,
            _ => config.activation,
        });
    Ok(Some(Section {
        text: section(&output.name, activation, labels.is_some()),
        labels,
        ..Section::default()
    }))
}

/// The section of a graph that computes scores with a classifier which has the labels.
fn with_labels_in_the_graph(context: &Context) -> Option<Section> {
    let (output, labels) = context.tried.outputs.iter().find_map(|spec| {
        let labels = context.class_labels.get(&spec.name)?;
        (is_float(spec) && spec.shape.len() == 2).then_some((spec, labels))
    })?;
    let classes = output.shape.last().copied().unwrap_or(-1);
    if classes != -1 && usize::try_from(classes) != Ok(labels.len()) {
        return None;
    }
    // A label file has one label a line.
    let is_line = |label: &String| !label.trim().is_empty() && !label.contains(['\n', '\r']);
    let labels = labels.iter().all(is_line).then(|| labels::to_text(labels));
    Some(Section {
        text: section(&output.name, Activation::None, labels.is_some()),
        labels,
        ..Section::default()
    })
}

/// The output with the classes and its position: `logits`, else the first that can have classes.
pub(super) fn class_output(outputs: &[TensorSpec]) -> Result<(usize, &TensorSpec), InspectError> {
    outputs
        .iter()
        .enumerate()
        .filter(|(_, spec)| is_float(spec) && !spec.shape.is_empty())
        .max_by_key(|(place, spec)| (spec.name == "logits", Reverse(*place)))
        .ok_or_else(|| InspectError::NoClasses {
            outputs: described(outputs),
        })
}

/// Check that there is a label for each class of an output.
pub(super) fn check_count(
    context: &Context,
    labels: &str,
    output: &TensorSpec,
) -> Result<(), InspectError> {
    let count = labels::count(labels).map_err(|source| InspectError::Labels {
        path: context
            .options
            .labels
            .clone()
            .unwrap_or_else(|| "config.json".into()),
        source,
    })?;
    let classes = output.shape.last().copied().unwrap_or(-1);
    if classes != -1 && usize::try_from(classes) != Ok(count) {
        return Err(InspectError::LabelCount {
            labels: count,
            output: output.name.clone(),
            classes,
        });
    }
    Ok(())
}

fn section(output: &str, activation: Activation, has_labels: bool) -> String {
    let output = toml_string(output);
    let activation = match activation {
        Activation::None => "none",
        Activation::Softmax => "softmax",
        Activation::Sigmoid => "sigmoid",
    };
    let labels = if has_labels {
        format!("labels = \"{LABELS_FILE}\"  # one label per line\n")
    } else {
        String::new()
    };
    format!(
        "# How an output becomes labels and scores.\n[classification]\noutput = {output}\n\
         activation = \"{activation}\"  # none | softmax | sigmoid\n{labels}top_k = 5\n"
    )
}
