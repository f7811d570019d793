//! Inputs and outputs that no protocol carries, left out where the rest of the graph can do without them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Graph, MAX_DEPTH, subgraphs};
use crate::field;
use crate::message::Message;

/// Leave out what is not served, and the nodes that only that needs. Returns whether something was left out. A graph without
/// any output that is served stays as it is, so that its signature is refused in words.
///
/// # Errors
/// The problem, in words.
pub(super) fn leave_out(graph: &mut Graph<'_>, notes: &mut Vec<String>) -> Result<bool, String> {
    let inputs = unserved(graph, field::GRAPH_INPUT)?;
    let outputs = unserved(graph, field::GRAPH_OUTPUT)?;
    if inputs.is_empty() && outputs.is_empty() {
        return Ok(false);
    }
    let names = Names::of(graph)?;
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut found = Vec::new();
    for output in graph.rest.all(field::GRAPH_OUTPUT) {
        let name = Message::parse(output)?.text(field::VALUE_NAME).to_owned();
        let Some(kind) = outputs.get(&name) else {
            kept.push(output.to_vec());
            continue;
        };
        match map_source(graph, &names, &name)? {
            Some((tensor, classes)) => {
                found.push(format!(
                    "the output `{name}` is {kind}; the tensor `{tensor}`, of which it is made, is served in its place"
                ));
                kept.push(value_info(&tensor, classes));
            }
            None => found.push(format!(
                "the output `{name}` is {kind}, which is not served; it is left out"
            )),
        }
    }
    // A tensor that a map is made of may be an output already.
    let mut seen = BTreeSet::new();
    let mut outputs = Vec::new();
    for output in kept {
        let name = Message::parse(&output)?.text(field::VALUE_NAME).to_owned();
        if seen.insert(name) {
            outputs.push(output);
        }
    }
    let needed = names.needed(seen);
    let used: BTreeSet<&str> = needed
        .iter()
        .flat_map(|node| names.uses[*node].iter().map(String::as_str))
        .collect();
    if outputs.is_empty() || inputs.keys().any(|name| used.contains(name.as_str())) {
        return Ok(false);
    }
    for (name, kind) in &inputs {
        found.push(format!(
            "the input `{name}` is {kind}, which no output that is served needs; it is left out"
        ));
    }
    notes.extend(found);
    let mut at = 0;
    graph.nodes.retain(|_| {
        at += 1;
        needed.contains(&(at - 1))
    });
    graph.rest.remove(field::GRAPH_OUTPUT);
    for output in outputs {
        graph.rest.push(field::GRAPH_OUTPUT, output);
    }
    let mut kept = Vec::new();
    for input in graph.rest.all(field::GRAPH_INPUT) {
        if !inputs.contains_key(Message::parse(input)?.text(field::VALUE_NAME)) {
            kept.push(input.to_vec());
        }
    }
    graph.rest.remove(field::GRAPH_INPUT);
    for input in kept {
        graph.rest.push(field::GRAPH_INPUT, input);
    }
    Ok(true)
}

/// The inputs or outputs that are not served, with their kinds in words.
fn unserved(graph: &Graph<'_>, number: u64) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for value in graph.rest.all(number) {
        let value = Message::parse(value)?;
        let Some(kind) = value.bytes(field::VALUE_TYPE) else {
            continue;
        };
        if let Some(kind) = unserved_kind(&Message::parse(kind)?)? {
            found.insert(value.text(field::VALUE_NAME).to_owned(), kind);
        }
    }
    Ok(found)
}

/// The kind of a type that is not served (onnx.proto3, `TypeProto`); `None` for a tensor that wasi-nn can carry.
fn unserved_kind(kind: &Message<'_>) -> Result<Option<String>, String> {
    let Some(tensor) = kind.bytes(1) else {
        let kinds = [
            (4, "a sequence"),
            (5, "a map"),
            (8, "a sparse tensor"),
            (9, "an optional value"),
        ];
        let known = kinds.iter().find(|(number, _)| kind.has(*number));
        return Ok(known.map(|(_, words)| (*words).to_owned()));
    };
    let datatype = Message::parse(tensor)?.number(1);
    let names = [
        (3, "INT8"),
        (4, "UINT16"),
        (5, "INT16"),
        (8, "a tensor of strings"),
        (12, "UINT32"),
        (13, "UINT64"),
        (14, "COMPLEX64"),
        (15, "COMPLEX128"),
    ];
    let known = names.iter().find(|(number, _)| *number == datatype);
    Ok(match known {
        Some((_, name)) => Some((*name).to_owned()),
        None if datatype > 16 => Some("a tensor of less than 8 bits an element".to_owned()),
        None => None,
    })
}

/// The tensor that a sequence of maps is made of, and its classes: the input of the node ZipMap of `ai.onnx.ml`.
fn map_source(
    graph: &Graph<'_>,
    names: &Names,
    output: &str,
) -> Result<Option<(String, usize)>, String> {
    let Some(maker) = names.makers.get(output) else {
        return Ok(None);
    };
    let node = Message::parse(&graph.nodes[*maker])?;
    if node.text(field::NODE_OPERATOR) != "ZipMap" {
        return Ok(None);
    }
    let mut classes = 0;
    for attribute in node.all(field::NODE_ATTRIBUTE) {
        let attribute = Message::parse(attribute)?;
        // STRINGS or INTS.
        classes = classes
            .max(attribute.all(9).count())
            .max(attribute.numbers(8)?.len());
    }
    let source = node.texts(field::NODE_INPUT).next().unwrap_or_default();
    Ok((!source.is_empty()).then(|| (source.to_owned(), classes)))
}

/// The declaration of an FP32 tensor of any number of rows.
fn value_info(name: &str, columns: usize) -> Vec<u8> {
    let wrap = |number, inner: Vec<u8>| {
        let mut message = Message::default();
        message.push(number, inner);
        message
    };
    let mut column = Message::default();
    if columns > 0 {
        column.push_number(1, columns as u64);
    }
    let mut shape = Message::default();
    shape.push(1, Vec::new());
    shape.push(1, column.encode());
    let mut tensor = Message::default();
    tensor.push_number(1, 1);
    tensor.push(2, shape.encode());
    let mut value = Message::default();
    value.push_text(field::VALUE_NAME, name);
    value.push(field::VALUE_TYPE, wrap(1, tensor.encode()).encode());
    value.encode()
}

/// The values that each node of a graph makes and uses.
struct Names {
    makers: BTreeMap<String, usize>,
    uses: Vec<Vec<String>>,
}

impl Names {
    fn of(graph: &Graph<'_>) -> Result<Self, String> {
        let mut makers = BTreeMap::new();
        let mut uses = Vec::with_capacity(graph.nodes.len());
        for (at, node) in graph.nodes.iter().enumerate() {
            let node = Message::parse(node)?;
            for output in node
                .texts(field::NODE_OUTPUT)
                .filter(|name| !name.is_empty())
            {
                makers.insert(output.to_owned(), at);
            }
            let mut used = Vec::new();
            used_names(&node, 0, &mut used)?;
            uses.push(used);
        }
        Ok(Self { makers, uses })
    }

    /// The nodes that these values need.
    fn needed(&self, values: BTreeSet<String>) -> BTreeSet<usize> {
        let mut needed = BTreeSet::new();
        let mut open: Vec<&str> = values.iter().map(String::as_str).collect();
        while let Some(value) = open.pop() {
            if let Some(maker) = self.makers.get(value)
                && needed.insert(*maker)
            {
                open.extend(self.uses[*maker].iter().map(String::as_str));
            }
        }
        needed
    }
}

/// Every name that a node and the graphs inside it use.
fn used_names(node: &Message<'_>, depth: usize, used: &mut Vec<String>) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("its graphs are nested more than {MAX_DEPTH} deep"));
    }
    used.extend(node.texts(field::NODE_INPUT).map(str::to_owned));
    for graph in subgraphs(node)? {
        let graph = Graph::parse(&graph)?;
        for node in &graph.nodes {
            used_names(&Message::parse(node)?, depth + 1, used)?;
        }
        for output in graph.rest.all(field::GRAPH_OUTPUT) {
            used.push(Message::parse(output)?.text(field::VALUE_NAME).to_owned());
        }
    }
    Ok(())
}
