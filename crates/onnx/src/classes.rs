//! The labels of classes that a classifier of `ai.onnx.ml` has in its attributes.

use std::collections::BTreeMap;

use rten_onnx::onnx::{GraphProto, NodeProto};

/// The labels of the classes of each tensor of scores that a node of the graph makes of a classifier's result, or that a map
/// is made of.
pub(crate) fn labels(graph: &GraphProto) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for node in &graph.node {
        let Some(labels) = attribute(node) else {
            continue;
        };
        match node.op_type.as_deref() {
            Some("ZipMap") => {
                found.extend(node.input.first().map(|scores| (scores.clone(), labels)));
            }
            Some("LinearClassifier" | "SVMClassifier" | "TreeEnsembleClassifier") => {
                let Some(scores) = node.output.get(1) else {
                    continue;
                };
                // Nodes that pass the scores on, element by element.
                let mut names = vec![scores.as_str()];
                for _ in 0..graph.node.len().min(100) {
                    let next = graph.node.iter().find(|node| {
                        let passes_on = matches!(
                            node.op_type.as_deref(),
                            Some("Cast" | "Identity" | "Normalizer" | "Softmax" | "Sigmoid")
                        );
                        passes_on && node.input.first().map(String::as_str) == names.last().copied()
                    });
                    match next.and_then(|node| node.output.first()) {
                        Some(output) if !names.contains(&output.as_str()) => names.push(output),
                        _ => break,
                    }
                }
                for name in names {
                    found
                        .entry(name.to_owned())
                        .or_insert_with(|| labels.clone());
                }
            }
            _ => {}
        }
    }
    found
}

/// The labels in a node's attributes: texts, or numbers as texts.
fn attribute(node: &NodeProto) -> Option<Vec<String>> {
    let find = |names: &[&str]| {
        node.attribute
            .iter()
            .find(|attribute| names.contains(&attribute.name.as_deref().unwrap_or_default()))
    };
    let texts = find(&["classlabels_strings"]).map(|found| found.strings.clone());
    let numbers = find(&["classlabels_int64s", "classlabels_ints"])
        .map(|found| found.ints.iter().map(i64::to_string).collect());
    texts
        .filter(|labels| !labels.is_empty())
        .or(numbers)
        .filter(|labels: &Vec<String>| !labels.is_empty())
}
