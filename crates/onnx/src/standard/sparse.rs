//! Sparse tensors (onnx.proto3, `SparseTensorProto`) as dense ones.

use std::borrow::Cow;

use super::{Graph, change_subgraphs};
use crate::field;
use crate::message::{Message, Value};

const VALUES: u64 = 1;
const INDICES: u64 = 2;
const SIZES: u64 = 3;

/// The largest dense tensor that a sparse one may become: a file of a few bytes can declare any size.
const MAX_BYTES: usize = 1 << 30;

/// The kind of an attribute that is a tensor.
const TENSOR: u64 = 4;

/// Replace sparse initializers and the sparse values of Constant nodes. Returns whether there was one.
///
/// # Errors
/// The problem, in words.
pub(super) fn densify(graph: &mut Graph<'_>, has_weights: bool) -> Result<bool, String> {
    densify_at(graph, has_weights, 0)
}

fn densify_at(graph: &mut Graph<'_>, has_weights: bool, depth: usize) -> Result<bool, String> {
    if depth > super::MAX_DEPTH {
        return Err(format!(
            "its graphs are nested more than {} deep",
            super::MAX_DEPTH
        ));
    }
    let mut is_changed = false;
    for (number, value) in &mut graph.rest.fields {
        if let Value::Bytes(bytes) = value
            && *number == field::GRAPH_SPARSE
        {
            *bytes = Cow::Owned(dense(bytes, has_weights)?);
            *number = field::GRAPH_INITIALIZER;
            is_changed = true;
        }
    }
    for node in &mut graph.nodes {
        let message = Message::parse(node)?;
        if message.text(field::NODE_OPERATOR) == "Constant" {
            if let Some(changed) = constant(message, has_weights)? {
                *node = Cow::Owned(changed);
                is_changed = true;
            }
            continue;
        }
        let changed = change_subgraphs(node, &mut |bytes| {
            let mut graph = Graph::parse(&bytes)?;
            let is_changed = densify_at(&mut graph, has_weights, depth + 1)?;
            Ok(is_changed.then(|| graph.encode()))
        })?;
        if let Some(changed) = changed {
            *node = Cow::Owned(changed);
            is_changed = true;
        }
    }
    Ok(is_changed)
}

/// A Constant node whose value is sparse, with a dense one.
fn constant(mut node: Message<'_>, has_weights: bool) -> Result<Option<Vec<u8>>, String> {
    let mut is_changed = false;
    for (number, value) in &mut node.fields {
        let Value::Bytes(bytes) = value else {
            continue;
        };
        if *number != field::NODE_ATTRIBUTE {
            continue;
        }
        let attribute = Message::parse(bytes)?;
        if let Some(sparse) = attribute.bytes(field::ATTRIBUTE_SPARSE) {
            let mut changed = Message::default();
            changed.push_text(field::ATTRIBUTE_NAME, "value");
            changed.push(field::ATTRIBUTE_TENSOR, dense(sparse, has_weights)?);
            changed.push_number(field::ATTRIBUTE_KIND, TENSOR);
            let encoded = changed.encode();
            *bytes = Cow::Owned(encoded);
            is_changed = true;
        }
    }
    Ok(is_changed.then(|| node.encode()))
}

/// The dense tensor of a sparse one, under the name of its values.
fn dense(sparse: &[u8], has_weights: bool) -> Result<Vec<u8>, String> {
    let sparse = Message::parse(sparse)?;
    let values = Message::parse(sparse.bytes(VALUES).unwrap_or_default())?;
    let name = values.text(field::TENSOR_NAME);
    let failed = |reason: String| format!("its sparse tensor `{name}` {reason}");
    let indices = Message::parse(sparse.bytes(INDICES).unwrap_or_default())?;
    let sizes = sparse.numbers(SIZES)?;
    let shape: Option<Vec<usize>> = sizes
        .iter()
        .map(|size| usize::try_from(*size).ok())
        .collect();
    let shape = shape.ok_or_else(|| failed("has a negative size".to_owned()))?;
    let datatype = values.number(field::TENSOR_DATATYPE);
    let width = values_of::element_bytes(datatype).ok_or_else(|| {
        failed(format!(
            "has values of the datatype {datatype}, expected numbers"
        ))
    })?;
    let count = shape
        .iter()
        .try_fold(1usize, |all, size| all.checked_mul(*size));
    let bytes = count.and_then(|count| count.checked_mul(width));
    let bytes = bytes.filter(|bytes| *bytes <= MAX_BYTES).ok_or_else(|| {
        failed(format!(
            "has the shape {shape:?}, expected at most {MAX_BYTES} bytes"
        ))
    })?;
    let mut tensor = Message::default();
    for size in sizes {
        tensor.push_number(field::TENSOR_SIZES, size);
    }
    tensor.push_number(field::TENSOR_DATATYPE, datatype);
    tensor.push_text(field::TENSOR_NAME, name);
    if !has_weights {
        return Ok(tensor.encode());
    }
    let raw = values_of::raw(&values, datatype).map_err(&failed)?;
    let places = values_of::raw(&indices, 7).map_err(&failed)?;
    let (places, _) = places.as_chunks::<8>();
    let places: Vec<i64> = places
        .iter()
        .map(|place| i64::from_le_bytes(*place))
        .collect();
    let stored = raw.len() / width;
    let by_axis = indices.numbers(field::TENSOR_SIZES)?.len() == 2;
    let each = if by_axis { shape.len() } else { 1 };
    if places.len() != stored * each {
        return Err(failed(format!(
            "has {stored} values and {} indices, expected {}",
            places.len(),
            stored * each
        )));
    }
    let mut whole = vec![0; bytes];
    for (at, value) in raw.chunks_exact(width).enumerate() {
        let place = &places[at * each..][..each];
        let linear = match by_axis {
            false => place.first().and_then(|place| usize::try_from(*place).ok()),
            true => place
                .iter()
                .zip(&shape)
                .try_fold(0usize, |all, (index, size)| {
                    let index = usize::try_from(*index).ok().filter(|index| index < size)?;
                    Some(all * size + index)
                }),
        };
        let slot = linear
            .and_then(|linear| linear.checked_mul(width))
            .and_then(|start| whole.get_mut(start..)?.get_mut(..width));
        let slot = slot.ok_or_else(|| {
            failed(format!(
                "has a value at {place:?}, outside its shape {shape:?}"
            ))
        })?;
        slot.copy_from_slice(value);
    }
    tensor.push(field::TENSOR_RAW_DATA, whole);
    Ok(tensor.encode())
}

/// The values of a tensor's message.
mod values_of {
    use crate::field;
    use crate::message::{Message, Value};

    /// The bytes of an element; `None` for strings, complex numbers and types of less than a byte.
    pub fn element_bytes(datatype: u64) -> Option<usize> {
        Some(match datatype {
            2 | 3 | 9 => 1,
            4 | 5 | 10 | 16 => 2,
            1 | 6 | 12 => 4,
            7 | 11 | 13 => 8,
            _ => return None,
        })
    }

    /// The values as little-endian bytes, from `raw_data` or the field of their datatype.
    ///
    /// # Errors
    /// The problem, in words.
    pub fn raw(tensor: &Message<'_>, datatype: u64) -> Result<Vec<u8>, String> {
        if let Some(raw) = tensor.bytes(field::TENSOR_RAW_DATA) {
            return Ok(raw.to_vec());
        }
        let width = element_bytes(datatype).unwrap_or(1);
        let number = match datatype {
            1 => 4,
            11 => 10,
            7 => 7,
            12 | 13 => 11,
            _ => 5,
        };
        let mut bytes = Vec::new();
        if matches!(datatype, 1 | 11) {
            for (found, value) in &tensor.fields {
                match value {
                    Value::Bytes(packed) if *found == number => bytes.extend(&**packed),
                    Value::Four(value) | Value::Eight(value) if *found == number => {
                        bytes.extend(*value);
                    }
                    _ => {}
                }
            }
        } else {
            for value in tensor.numbers(number)? {
                bytes.extend(&value.to_le_bytes()[..width]);
            }
        }
        match bytes.len() % width {
            0 => Ok(bytes),
            _ => Err("has a number of bytes that is not that of whole values".to_owned()),
        }
    }
}
