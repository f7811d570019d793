//! The inputs whose values are indices.

use std::collections::BTreeMap;

use rten_onnx::onnx::{GraphProto, NodeProto, TensorProto};

/// The inputs that a `Gather` from a weight takes as indices, with the size of the axis that they index. With several tables,
/// the smallest.
pub(crate) fn rows(graph: &GraphProto) -> BTreeMap<String, u64> {
    let mut rows = BTreeMap::new();
    for node in &graph.node {
        let tables: &[(usize, usize)] = match node.op_type.as_deref() {
            // (the table, the indices)
            Some("Gather" | "GatherBlockQuantized") => &[(0, 1)],
            // Its inputs are words, segments, and then their tables and the positions' one.
            Some("EmbedLayerNormalization") => &[(2, 0), (4, 1)],
            _ => continue,
        };
        for (table, indices) in tables {
            let (Some(table), Some(indices)) = (node.input.get(*table), node.input.get(*indices))
            else {
                continue;
            };
            let size = weight(graph, table).and_then(|weight| axis_size(weight, node));
            if let (Some(size), Some(input)) = (size, input(graph, indices)) {
                let least = rows.entry(input.to_owned()).or_insert(size);
                *least = size.min(*least);
            }
        }
    }
    rows
}

fn axis_size(weight: &TensorProto, node: &NodeProto) -> Option<u64> {
    let axis = node
        .attribute
        .iter()
        .find(|attribute| attribute.name.as_deref() == Some("axis"))
        .and_then(|attribute| attribute.i)
        .unwrap_or(0);
    let rank = i64::try_from(weight.dims.len()).ok()?;
    let axis = if axis < 0 { axis + rank } else { axis };
    let size = weight.dims.get(usize::try_from(axis).ok()?)?;
    u64::try_from(*size).ok().filter(|size| *size > 0)
}

/// Follow a tensor through nodes that keep its values, up to as many as the graph has.
fn origin<'a>(graph: &'a GraphProto, mut tensor: &'a str, kept_by: &[&str]) -> &'a str {
    for _ in &graph.node {
        let makes = |node: &&NodeProto| node.output.iter().any(|name| name == tensor);
        let node = graph.node.iter().find(makes);
        match node.filter(|node| kept_by.contains(&node.op_type.as_deref().unwrap_or_default())) {
            Some(NodeProto { input, .. }) if !input.is_empty() => tensor = &input[0],
            _ => break,
        }
    }
    tensor
}

/// The weight that a tensor's values come from, with its shape.
fn weight<'a>(graph: &'a GraphProto, tensor: &'a str) -> Option<&'a TensorProto> {
    let tensor = origin(graph, tensor, &["Cast", "DequantizeLinear", "Identity"]);
    let is_named = |weight: &&TensorProto| weight.name.as_deref() == Some(tensor);
    graph.initializer.iter().find(is_named)
}

/// The graph's input that a tensor's values come from.
fn input<'a>(graph: &'a GraphProto, tensor: &'a str) -> Option<&'a str> {
    let kept_by = [
        "Cast",
        "Flatten",
        "Identity",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
    ];
    let tensor = origin(graph, tensor, &kept_by);
    let is_named = |name: &Option<String>| name.as_deref() == Some(tensor);
    (graph.input.iter().any(|input| is_named(&input.name))
        && !graph
            .initializer
            .iter()
            .any(|weight| is_named(&weight.name)))
    .then_some(tensor)
}
