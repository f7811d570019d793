//! Checks that an ONNX file is well-formed protobuf, before a library reads it.
//!
//! rten-onnx 0.27 never returns from a varint of ten bytes that all announce another. So this module first checks every
//! varint that rten-onnx would read, and the lengths around it (onnx.proto3; protobuf's encoding).

/// The deepest nesting of messages. A graph within a graph takes five.
const MAX_DEPTH: usize = 160;

/// The bytes of the longest varint.
const VARINT_BYTES: usize = 10;

/// The messages that rten-onnx reads.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    SequenceType,
    Shape,
    /// A message without nested messages or packed numbers.
    Flat,
}

/// The content of a field.
enum Content {
    Message(Message),
    /// Varints, one after another.
    Packed,
    Bytes,
}

impl Message {
    fn field(self, number: u64) -> Content {
        use Content::{Bytes, Packed};
        Content::Message(match (self, number) {
            (Self::Model, 7) => Self::Graph,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 5) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::ValueInfo,
            (Self::Node, 5) => Self::Attribute,
            (Self::Attribute, 5) => Self::Tensor,
            (Self::Attribute, 6) => Self::Graph,
            (Self::ValueInfo, 2) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::Type, 4) => Self::SequenceType,
            (Self::TensorType, 2) => Self::Shape,
            (Self::SequenceType, 1) => Self::Type,
            (Self::Model, 8 | 14) | (Self::Tensor, 13) | (Self::Shape, 1) => Self::Flat,
            (Self::Attribute, 8) | (Self::Tensor, 1 | 5 | 7 | 11) => return Packed,
            _ => return Bytes,
        })
    }
}

/// Check a file.
///
/// # Errors
/// The problem, in words.
pub(crate) fn check(file: &[u8]) -> Result<(), String> {
    message(file, Message::Model, 0)
}

fn message(mut bytes: &[u8], kind: Message, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("its messages are nested too deep".to_owned());
    }
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        match tag & 7 {
            0 => _ = varint(&mut bytes)?,
            1 => _ = take(&mut bytes, 8)?,
            5 => _ = take(&mut bytes, 4)?,
            2 => {
                let length = varint(&mut bytes)?;
                let mut content = take(&mut bytes, length)?;
                match kind.field(tag >> 3) {
                    Content::Message(kind) => message(content, kind, depth + 1)?,
                    Content::Packed => {
                        while !content.is_empty() {
                            varint(&mut content)?;
                        }
                    }
                    Content::Bytes => {}
                }
            }
            other => return Err(format!("it has a field of the unknown kind {other}")),
        }
    }
    Ok(())
}

/// The next `length` bytes.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], String> {
    let found = usize::try_from(length)
        .ok()
        .and_then(|length| bytes.split_at_checked(length));
    let Some((taken, rest)) = found else {
        return Err(format!(
            "a field of {length} bytes does not fit into the {} that are left",
            bytes.len()
        ));
    };
    *bytes = rest;
    Ok(taken)
}

/// Write a number.
pub(crate) fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Read a number.
pub(crate) fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0u64;
    for (at, &byte) in bytes.iter().take(VARINT_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at).min(63);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Ok(value);
        }
    }
    Err(match bytes.len() < VARINT_BYTES {
        true => "it ends within a number".to_owned(),
        false => "it has a number of more than ten bytes".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_protobuf_is_refused_in_words() {
        let endless = [0x80; 12];
        let graph = |inner: &[u8]| [&[0x3a, u8::try_from(inner.len()).unwrap()], inner].concat();
        let node =
            |inner: &[u8]| graph(&[&[0x0a, u8::try_from(inner.len()).unwrap()], inner].concat());
        let long = "it has a number of more than ten bytes";
        let cases: Vec<(Vec<u8>, Result<(), &str>)> = vec![
            (vec![], Ok(())),
            (vec![0x08, 0x07], Ok(())),
            (graph(&[]), Ok(())),
            (node(&[0x22, 1, b'x']), Ok(())),
            // A name may have any bytes.
            (node(&[&[0x1a, 12], &endless[..]].concat()), Ok(())),
            (endless.to_vec(), Err(long)),
            (graph(&endless), Err(long)),
            (node(&endless), Err(long)),
            (
                node(&[&[0x2a, 14, 0x42, 12], &endless[..]].concat()),
                Err(long),
            ),
            (vec![0x08], Err("it ends within a number")),
            (vec![0x08, 0x80], Err("it ends within a number")),
            (
                vec![0x3a, 9, 1],
                Err("a field of 9 bytes does not fit into the 1 that are left"),
            ),
            (vec![0x0b], Err("it has a field of the unknown kind 3")),
            (
                vec![0x09, 1],
                Err("a field of 8 bytes does not fit into the 1 that are left"),
            ),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .map(|(file, expected)| (check(&file), expected.map_err(str::to_owned), file))
            .filter(|(actual, expected, _)| actual != expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn no_depth_overflows_the_stack() {
        // A sequence of sequences of sequences …
        let mut kind: Vec<u8> = Vec::new();
        let wrap = |tag: u8, inner: &[u8]| {
            let mut length = inner.len();
            let mut bytes = vec![tag];
            while length > 0x7f {
                bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
                length >>= 7;
            }
            bytes.push(u8::try_from(length).unwrap());
            bytes.extend(inner);
            bytes
        };
        for _ in 0..10_000 {
            kind = wrap(0x22, &wrap(0x0a, &kind));
        }
        let file = wrap(0x3a, &wrap(0x5a, &wrap(0x12, &kind)));
        assert_eq!(
            check(&file),
            Err("its messages are nested too deep".to_owned())
        );
    }
}
