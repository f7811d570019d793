//! The standard form of a graph: what every runtime reads, made of what exporters write.
//!
//! Functions of the model are inlined, sparse tensors become dense, and inputs and outputs that no protocol carries (maps,
//! sequences, strings, optional values) are left out where the rest of the graph can do without them.

mod functions;
mod outputs;
mod sparse;

use std::borrow::Cow;

use crate::field;
use crate::message::{Message, Value};

/// Bytes of an encoded message: of the file, or new.
type Encoded<'a> = Cow<'a, [u8]>;

/// The deepest nesting of graphs and of functions' calls.
const MAX_DEPTH: usize = 32;

/// A graph in its standard form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standard {
    /// The file's bytes. They are the given ones if nothing had to change.
    pub onnx: Vec<u8>,
    /// A sentence for each input and output that was left out or replaced.
    pub notes: Vec<String>,
}

/// Convert a file to its standard form. Weights in other files stay there.
///
/// # Errors
/// The problem, in words: bytes that are not an ONNX file, a function that calls itself, is nested too deep or uses another
/// version of an operator set than its model, or a sparse tensor whose values are not within it.
pub fn standard_form(onnx: Vec<u8>) -> Result<Standard, String> {
    convert(onnx, true)
}

/// Convert a file without its weights ([`crate::outline()`]) to its standard form.
///
/// # Errors
/// As [`standard_form`].
pub(crate) fn standard_outline(outline: Vec<u8>) -> Result<Standard, String> {
    convert(outline, false)
}

fn convert(onnx: Vec<u8>, has_weights: bool) -> Result<Standard, String> {
    let changed = {
        let mut model = Message::parse(&onnx)?;
        let mut notes = Vec::new();
        change(&mut model, has_weights, &mut notes)?.then(|| (model.encode(), notes))
    };
    Ok(match changed {
        Some((onnx, notes)) => Standard { onnx, notes },
        None => Standard {
            onnx,
            notes: Vec::new(),
        },
    })
}

/// Change a model to its standard form. Returns whether that took a change.
fn change(
    model: &mut Message<'_>,
    has_weights: bool,
    notes: &mut Vec<String>,
) -> Result<bool, String> {
    // Nothing is copied here: a graph is as large as its weights.
    let graph = model.fields.iter().rev().find_map(|field| match field {
        (field::MODEL_GRAPH, Value::Bytes(Cow::Borrowed(bytes))) => Some(*bytes),
        _ => None,
    });
    let Some(bytes) = graph else {
        return Ok(false);
    };
    let mut graph = Graph::parse(bytes)?;
    let mut is_changed = functions::inline(model, &mut graph)?;
    is_changed |= sparse::densify(&mut graph, has_weights)?;
    is_changed |= outputs::leave_out(&mut graph, notes)?;
    if is_changed {
        let encoded = graph.encode();
        model.remove(field::MODEL_FUNCTION);
        model.remove(field::MODEL_GRAPH);
        model.push(field::MODEL_GRAPH, encoded);
    }
    Ok(is_changed)
}

/// A graph, with its nodes apart from its other fields.
struct Graph<'a> {
    nodes: Vec<Encoded<'a>>,
    rest: Message<'a>,
}

impl<'a> Graph<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let mut rest = Message::parse(bytes)?;
        let mut nodes = Vec::new();
        rest.fields.retain_mut(|(number, value)| match value {
            Value::Bytes(bytes) if *number == field::GRAPH_NODE => {
                nodes.push(std::mem::take(bytes));
                false
            }
            _ => true,
        });
        Ok(Self { nodes, rest })
    }

    fn encode(self) -> Vec<u8> {
        let Self { nodes, rest } = self;
        let mut whole = Message::default();
        for node in nodes {
            whole.push(field::GRAPH_NODE, node);
        }
        whole.fields.extend(rest.fields);
        whole.encode()
    }
}

/// The graphs among the attributes of a node.
fn subgraphs(node: &Message<'_>) -> Result<Vec<Vec<u8>>, String> {
    let mut graphs = Vec::new();
    for attribute in node.all(field::NODE_ATTRIBUTE) {
        let attribute = Message::parse(attribute)?;
        for number in [field::ATTRIBUTE_GRAPH, field::ATTRIBUTE_GRAPHS] {
            graphs.extend(attribute.all(number).map(<[u8]>::to_vec));
        }
    }
    Ok(graphs)
}

/// Change every graph inside a node. Returns the node if one changed.
fn change_subgraphs(
    node: &[u8],
    change: &mut dyn FnMut(Vec<u8>) -> Result<Option<Vec<u8>>, String>,
) -> Result<Option<Vec<u8>>, String> {
    let mut message = Message::parse(node)?;
    let mut is_changed = false;
    for (number, value) in &mut message.fields {
        let Value::Bytes(bytes) = value else {
            continue;
        };
        if *number != field::NODE_ATTRIBUTE {
            continue;
        }
        let mut attribute = Message::parse(bytes)?;
        let mut is_other = false;
        for (number, value) in &mut attribute.fields {
            if let Value::Bytes(graph) = value
                && [field::ATTRIBUTE_GRAPH, field::ATTRIBUTE_GRAPHS].contains(number)
                && let Some(changed) = change(graph.to_vec())?
            {
                *graph = Cow::Owned(changed);
                is_other = true;
            }
        }
        if is_other {
            let encoded = attribute.encode();
            *bytes = Cow::Owned(encoded);
            is_changed = true;
        }
    }
    Ok(is_changed.then(|| message.encode()))
}
