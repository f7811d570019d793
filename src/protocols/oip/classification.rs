//! Triton's classification extension: the best classes of an output as texts, instead of the tensor.

use std::cmp::Ordering;
use std::num::NonZeroUsize;

use half::{bf16, f16};
use infer_model_card::Labels;
use infer_tensor::Datatype;

use crate::catalog::Model;
use crate::tensor::{Tensor, elements};

/// The classes of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// `[batch, k]` if the output has a batch, else `[k]`.
    pub shape: Vec<u32>,
    /// `value:index`, or `value:index:label` if there is a label; best first. Values are those of the output, floats with
    /// six decimals.
    pub texts: Vec<String>,
}

/// The best `count` classes of an output, with labels if the model's task has labels for that output.
#[must_use]
pub fn classes(model: &Model, output: &str, tensor: &Tensor, count: NonZeroUsize) -> Classes {
    let no_labels = Labels::default();
    let labels = model.pipeline.labels(output).unwrap_or(&no_labels);
    let spec = model.card.outputs.iter().find(|spec| spec.name == output);
    let shape = spec.map_or(&[][..], |spec| &spec.shape);
    classify(tensor, shape, labels, count)
}

/// The best `count` classes of each item of the batch, or all if there are fewer; classes of equal value are in the order
/// of their numbers. If the card's `declared` shape begins with a free dimension, that is the batch; all other dimensions
/// are classes.
#[must_use]
fn classify(tensor: &Tensor, declared: &[i64], labels: &Labels, count: NonZeroUsize) -> Classes {
    let has_batch = declared.first() == Some(&-1) && !tensor.shape.is_empty();
    let batch = match tensor.shape.first() {
        Some(batch) if has_batch => *batch as usize,
        _ => 1,
    };
    let classes = elements(&tensor.shape)
        .and_then(|all| usize::try_from(all).ok())
        .and_then(|all| all.checked_div(batch))
        .unwrap_or_default();
    let top = Top {
        classes,
        shown: classes.min(count.get()),
        labels,
    };
    let texts = match tensor.datatype {
        Datatype::Fp32 => top.floats(tensor, |bytes| f32::from_le_bytes(bytes).into()),
        Datatype::Fp64 => top.floats(tensor, f64::from_le_bytes),
        Datatype::Fp16 => top.floats(tensor, |bytes| f16::from_le_bytes(bytes).into()),
        Datatype::Bf16 => top.floats(tensor, |bytes| bf16::from_le_bytes(bytes).into()),
        Datatype::Bool | Datatype::Uint8 => top.integers(tensor, u8::from_le_bytes),
        Datatype::Int8 => top.integers(tensor, i8::from_le_bytes),
        Datatype::Uint16 => top.integers(tensor, u16::from_le_bytes),
        Datatype::Int16 => top.integers(tensor, i16::from_le_bytes),
        Datatype::Uint32 => top.integers(tensor, u32::from_le_bytes),
        Datatype::Int32 => top.integers(tensor, i32::from_le_bytes),
        Datatype::Uint64 => top.integers(tensor, u64::from_le_bytes),
        Datatype::Int64 => top.integers(tensor, i64::from_le_bytes),
        // Cards cannot declare such an output.
        Datatype::Bytes => Vec::new(),
    };
    let size = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    let shape = if has_batch {
        vec![size(batch), size(top.shown)]
    } else {
        vec![size(top.shown)]
    };
    Classes { shape, texts }
}

struct Top<'a> {
    classes: usize,
    shown: usize,
    labels: &'a Labels,
}

impl Top<'_> {
    /// Six decimals, as C++'s `std::to_string` writes and clients of Triton read.
    fn floats<const N: usize>(
        &self,
        tensor: &Tensor,
        from_bytes: fn([u8; N]) -> f64,
    ) -> Vec<String> {
        // NaN is never the best.
        let rank = |value: f64| {
            if value.is_nan() {
                f64::NEG_INFINITY
            } else {
                value
            }
        };
        self.texts(
            tensor,
            from_bytes,
            |a, b| rank(*a).total_cmp(&rank(*b)),
            |value| format!("{value:.6}").to_lowercase(),
        )
    }

    fn integers<T: Ord + ToString, const N: usize>(
        &self,
        tensor: &Tensor,
        from_bytes: fn([u8; N]) -> T,
    ) -> Vec<String> {
        self.texts(tensor, from_bytes, T::cmp, T::to_string)
    }

    fn texts<T, const N: usize>(
        &self,
        tensor: &Tensor,
        from_bytes: fn([u8; N]) -> T,
        compare: impl Fn(&T, &T) -> Ordering,
        text: impl Fn(&T) -> String,
    ) -> Vec<String> {
        let (elements, _) = tensor.data.as_chunks::<N>();
        let values: Vec<T> = elements.iter().map(|bytes| from_bytes(*bytes)).collect();
        let mut texts = Vec::new();
        for row in values.chunks(self.classes.max(1)) {
            let mut order: Vec<usize> = (0..row.len()).collect();
            // The sort is stable, so equal values stay in the order of their classes.
            order.sort_by(|a, b| compare(&row[*b], &row[*a]));
            texts.extend(order.into_iter().take(self.shown).map(|index| {
                let value = text(&row[index]);
                self.labels.get(index).map_or_else(
                    || format!("{value}:{index}"),
                    |label| format!("{value}:{index}:{label}"),
                )
            }));
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[u32], values: &[f32]) -> Tensor {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        Tensor {
            datatype: Datatype::Fp32,
            shape: shape.to_vec(),
            data: bytes.collect(),
        }
    }

    #[test]
    fn texts_are_as_triton_has_them() {
        let labels = Labels::parse("cat\ndog").unwrap();
        let three = tensor(&[1, 3], &[0.25, -1.5, 1e-7]);
        struct Case<'a>(&'a Tensor, &'a [i64], usize, &'a [u32], &'a [&'a str]);
        let batch = tensor(&[2, 2], &[0.5, 0.5, f32::NAN, f32::NEG_INFINITY]);
        let integers = Tensor {
            datatype: Datatype::Int64,
            shape: vec![2],
            data: [i64::MIN, i64::MAX]
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        };
        let cases = [
            Case(
                &three,
                &[-1, 3],
                2,
                &[1, 2],
                &["0.250000:0:cat", "0.000000:2"],
            ),
            Case(&three, &[1, 3], 2, &[2], &["0.250000:0:cat", "0.000000:2"]),
            Case(
                &three,
                &[-1, 3],
                1_000_000_000,
                &[1, 3],
                &["0.250000:0:cat", "0.000000:2", "-1.500000:1:dog"],
            ),
            Case(
                &batch,
                &[-1, 2],
                1,
                &[2, 1],
                &["0.500000:0:cat", "nan:0:cat"],
            ),
            Case(
                &integers,
                &[2],
                2,
                &[2],
                &["9223372036854775807:1:dog", "-9223372036854775808:0:cat"],
            ),
            Case(&tensor(&[], &[2.0]), &[], 5, &[1], &["2.000000:0:cat"]),
            Case(&tensor(&[0, 2], &[]), &[-1, 2], 5, &[0, 0], &[]),
        ];
        let mut wrong = Vec::new();
        for Case(tensor, shape, count, expected_shape, expected) in cases {
            let count = NonZeroUsize::new(count).unwrap();
            let actual = classify(tensor, shape, &labels, count);
            if actual.shape != expected_shape || actual.texts != expected {
                wrong.push((actual, expected));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
