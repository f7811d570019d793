//! An ONNX file without its weights, for what reads only declarations (onnx.proto3; protobuf's encoding).
//!
//! The weights of a tensor are fields of its message. They are skipped, not read: a model of 100 MB on a server costs the
//! hundred kilobytes of its nodes.

use std::borrow::Cow;
use std::io;

use crate::wire::{push_varint, varint};

/// Random access to a file.
pub trait ReadAt {
    /// The file's size in bytes.
    fn size(&self) -> u64;

    /// The `length` bytes at `offset`, which lie within the file.
    ///
    /// # Errors
    /// If they cannot be read.
    fn read_at(&mut self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>>;
}

impl ReadAt for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..)?.get(..length));
        bytes
            .map(Cow::Borrowed)
            .ok_or_else(|| broken("it ends too early"))
    }
}

/// Values of a tensor that are kept: sizes and axes, which are few.
const KEPT_BYTES: u64 = 1024;

/// A message up to this size is copied as it is.
const SMALL_BYTES: u64 = 4096;

/// The largest outline. The nodes of a network of ten thousand layers take about ten megabytes.
const MAX_OUTLINE_BYTES: usize = 256 << 20;

/// A field's tag and its length take two varints of at most ten bytes.
const HEAD_BYTES: usize = 20;

/// The deepest nesting of graphs.
pub(crate) const MAX_DEPTH: usize = 40;

/// The messages that can contain weights.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    Function,
}

impl Message {
    /// The message in a field, if it can contain weights.
    pub fn field(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::SparseTensor),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => {
                Some(Self::Tensor)
            }
            (Self::Node, 5) => Some(Self::Attribute),
            _ => None,
        }
    }
}

/// Copy a file's messages without the weights.
///
/// # Errors
/// The source's errors; `InvalidData` for a file that is not protobuf, whose nesting is too deep or whose nodes take more
/// than 256 MiB.
pub fn outline(source: &mut dyn ReadAt) -> io::Result<Vec<u8>> {
    let end = source.size();
    let mut outline = Vec::new();
    message(source, 0..end, Message::Model, 0, &mut outline)?;
    Ok(outline)
}

fn message(
    source: &mut dyn ReadAt,
    range: std::ops::Range<u64>,
    kind: Message,
    depth: usize,
    outline: &mut Vec<u8>,
) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(broken("its graphs are nested too deep"));
    }
    let mut at = range.start;
    while at < range.end {
        let left = range.end - at;
        let length = usize::try_from(left).map_or(HEAD_BYTES, |left| left.min(HEAD_BYTES));
        let head = source.read_at(at, length)?;
        let mut rest = &*head;
        let tag = varint(&mut rest).map_err(broken)?;
        let (payload, is_nested) = match tag & 7 {
            0 => {
                varint(&mut rest).map_err(broken)?;
                (0, false)
            }
            1 => (8, false),
            5 => (4, false),
            2 => (varint(&mut rest).map_err(broken)?, true),
            other => {
                return Err(broken(format!(
                    "it has a field of the unknown kind {other}"
                )));
            }
        };
        let head_bytes = (head.len() - rest.len()) as u64;
        let whole = head_bytes
            .checked_add(payload)
            .filter(|whole| *whole <= left)
            .ok_or_else(|| {
                broken(format!(
                    "a field of {payload} bytes does not fit into the {} that are left",
                    left.saturating_sub(head_bytes)
                ))
            })?;
        let field = at..at + whole;
        at += whole;
        let nested = is_nested.then(|| kind.field(tag >> 3)).flatten();
        // The names, sizes and datatype of a tensor are always kept.
        let is_weights = kind == Message::Tensor && matches!(tag >> 3, 4..=7 | 9..=11);
        match nested {
            _ if is_weights && payload > KEPT_BYTES => {}
            Some(nested) if payload > SMALL_BYTES => {
                let mut inner = Vec::new();
                let start = field.start + head_bytes;
                message(source, start..field.end, nested, depth + 1, &mut inner)?;
                push_varint(outline, tag);
                push_varint(outline, inner.len() as u64);
                outline.extend(inner);
            }
            _ => {
                let length = usize::try_from(whole).unwrap_or(usize::MAX);
                if length > MAX_OUTLINE_BYTES {
                    return Err(too_large());
                }
                outline.extend_from_slice(&source.read_at(field.start, length)?);
            }
        }
        if outline.len() > MAX_OUTLINE_BYTES {
            return Err(too_large());
        }
    }
    Ok(())
}

fn broken(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn too_large() -> io::Error {
    broken("its nodes take more than 256 MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u64, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_varint(&mut bytes, number << 3 | 2);
        push_varint(&mut bytes, content.len() as u64);
        bytes.extend(content);
        bytes
    }

    /// Counts the bytes that are read.
    struct Counting<'a>(&'a [u8], usize);

    impl ReadAt for Counting<'_> {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&mut self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
            self.1 += length;
            let start = usize::try_from(offset).unwrap();
            Ok(Cow::Borrowed(&self.0[start..start + length]))
        }
    }

    #[test]
    fn weights_are_skipped_wherever_they_are() {
        let weights = vec![7; 1_000_000];
        let tensor = |values: &[u8]| [field(8, b"name"), vec![0x10, 1], field(9, values)].concat();
        let stripped = [field(8, b"name"), vec![0x10, 1]].concat();
        let node = |tensor: &[u8]| field(1, &field(5, &field(5, tensor)));
        let in_graph = |content: &[u8]| field(7, &[field(2, b"graph"), content.to_vec()].concat());
        let rows = [
            (
                in_graph(&field(5, &tensor(&weights))),
                in_graph(&field(5, &stripped)),
            ),
            (
                in_graph(&node(&tensor(&weights))),
                in_graph(&node(&stripped)),
            ),
            (
                in_graph(&field(1, &field(5, &field(6, &node(&tensor(&weights)))))),
                in_graph(&field(1, &field(5, &field(6, &node(&stripped))))),
            ),
            (
                in_graph(&field(15, &field(1, &tensor(&weights)))),
                in_graph(&field(15, &field(1, &stripped))),
            ),
        ];
        let mut wrong = Vec::new();
        for (row, (file, expected)) in rows.into_iter().enumerate() {
            let mut source = Counting(&file, 0);
            let actual = outline(&mut source).unwrap();
            if actual != expected || source.1 > 1000 {
                wrong.push(format!("{row}: read {} bytes, got {actual:?}", source.1));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        // Few values are kept.
        let small = in_graph(&field(5, &tensor(&[1; 8])));
        assert_eq!(outline(&mut &*small).unwrap(), small);
    }

    #[test]
    fn what_is_not_protobuf_is_refused() {
        let mut deep = field(9, &[0; 5000]);
        for _ in 0..50 {
            deep = field(1, &field(5, &field(6, &deep)));
        }
        let rows: [(&[u8], &str); 5] = [
            (
                &[0x3a, 9, 1],
                "a field of 9 bytes does not fit into the 1 that are left",
            ),
            (&[0x08], "it ends within a number"),
            (&[0x80; 12], "it has a number of more than ten bytes"),
            (&[0x0b], "it has a field of the unknown kind 3"),
            (&field(7, &deep), "its graphs are nested too deep"),
        ];
        let mut wrong = Vec::new();
        for (mut file, expected) in rows {
            let actual = outline(&mut file).map_err(|error| error.to_string());
            if actual != Err(expected.to_owned()) {
                wrong.push(format!("expected {expected:?}, got {actual:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
