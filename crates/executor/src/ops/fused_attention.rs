//! ONNX Runtime's MultiHeadAttention and Attention, by that of ONNX's own set. (ONNX Runtime's documentation of contributed
//! operators.)

use rten_onnx::onnx::AttributeProto;

use super::composite::{float, inner, run};
use super::entry::{OperatorEntry, boxed, microsoft};
use super::{arithmetic, attention, matmul};
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::operator::{Build, Input, Inputs, Operator};
use crate::tensor::{Tensor, element_count, filled, with_room};
use crate::with_real;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    microsoft("Attention", fused_attention),
    microsoft("MultiHeadAttention", multi_head_attention),
];

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        i: Some(value),
        ..AttributeProto::default()
    }
}

/// The attention of ONNX's own set, and the additions around it.
struct Heads {
    attention: Box<dyn Operator>,
    add: Box<dyn Operator>,
    /// The summand of the scores of masked keys.
    masked: f32,
}

impl Heads {
    fn read(build: &Build<'_>) -> Result<Self> {
        let attributes = build.attributes();
        let heads = attributes.required_count("num_heads")?;
        let heads = i64::try_from(heads).unwrap_or(i64::MAX);
        let mut own = vec![
            int("q_num_heads", heads),
            int("kv_num_heads", heads),
            int("is_causal", attributes.int("unidirectional", 0)),
        ];
        // A scale of 0 means the default.
        own.extend(
            attributes
                .optional_float("scale")
                .filter(|&scale| scale != 0.0)
                .map(|scale| float("scale", scale)),
        );
        let own = Attributes::new(&own);
        Ok(Self {
            attention: inner(attention::OPERATORS, "Attention", 23, own, 6)?,
            add: inner(arithmetic::OPERATORS, "Add", 14, Attributes::new(&[]), 2)?,
            masked: attributes.float("mask_filter_value", -10_000.0),
        })
    }

    /// The summand of the scores: the bias, and the value of masked keys. The mask is INT32: `[batch, keys]`, 0 for a masked
    /// key, `[batch, queries, keys]`, or `[batch]`, the number of keys of each item.
    fn mask(
        &self,
        mask: Option<&Tensor>,
        bias: Option<&Tensor>,
        [batch, queries, keys]: [usize; 3],
    ) -> Result<Option<Tensor>> {
        let Some(mask) = mask else {
            return Ok(bias.cloned());
        };
        let values = mask.elements::<i32>()?;
        let rows = match mask.rank() {
            3 => queries,
            _ => 1,
        };
        let mut added = filled(element_count(&[batch, rows, keys])?, 0f32)?;
        match *mask.shape() {
            ref all if *all == [batch, keys] || *all == [batch, queries, keys] => {
                let each = added.iter_mut().zip(values);
                each.filter(|(_, mask)| **mask == 0)
                    .for_each(|(added, _)| *added = self.masked);
            }
            [rows] if rows == batch && keys > 0 => {
                for (row, &length) in added.chunks_exact_mut(keys).zip(values) {
                    let length = usize::try_from(length).unwrap_or(0).min(keys);
                    row[length..].fill(self.masked);
                }
            }
            _ => {
                return Err(Error::unsupported(format!(
                    "a mask of shape {:?} is not supported, expected [{batch}, {keys}], [{batch}, {queries}, {keys}] or [{batch}]",
                    mask.shape()
                )));
            }
        }
        let mut added = Tensor::of(&[batch, 1, rows, keys], added)?;
        if let Some(bias) = bias {
            added = super::cast::cast(added, bias.datatype())?;
            added = run(&*self.add, vec![Some(added), Some(bias.clone())])?;
        }
        Ok(Some(added))
    }

    fn attend(
        &self,
        [q, k, v]: [Tensor; 3],
        mask: Option<Tensor>,
        past: [Option<Tensor>; 2],
    ) -> Result<Vec<Tensor>> {
        let [past_key, past_value] = past;
        let inputs = vec![Some(q), Some(k), Some(v), mask, past_key, past_value];
        let inputs = inputs.into_iter().map(|input| input.map(Input::Owned));
        self.attention.run(Inputs::new(inputs.collect()))
    }
}

/// A part of the columns of a tensor's last axis.
fn columns(tensor: &Tensor, start: usize, count: usize) -> Result<Tensor> {
    let mut shape = tensor.shape().to_vec();
    // Without elements the sizes may have a sum that overflows.
    let end = start.saturating_add(count);
    let Some(last) = shape.last_mut().filter(|last| end <= **last) else {
        return Err(Error::input(format!(
            "the shape {:?} has too few columns, expected {end}",
            tensor.shape()
        )));
    };
    let width = std::mem::replace(last, count);
    with_real!(tensor.datatype(), T => {
        let mut result: Vec<T> = with_room(element_count(&shape)?)?;
        if width > 0 {
            for row in tensor.elements::<T>()?.chunks_exact(width) {
                result.extend_from_slice(&row[start..end]);
            }
        }
        Tensor::of(&shape, result)
    })
}

fn multi_head_attention(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    for position in [8, 9] {
        if build.has_input(position) {
            return Err(Error::unsupported(format!(
                "input {position} is not supported, expected it to be omitted"
            )));
        }
    }
    boxed(MultiHeadAttention(Heads::read(build)?))
}

/// MultiHeadAttention: queries, keys and values `[batch, length, heads * size]` of floats, an optional bias of all three one
/// after the other, a mask of the keys (input 4), a bias of the scores that broadcasts to `[batch, heads, queries, keys]`
/// (5), and past keys and values `[batch, heads, length, size]` (6 and 7). The outputs are `[batch, queries, heads * size]`
/// and the present keys and values. Packed queries, keys and values are not supported.
struct MultiHeadAttention(Heads);

impl Operator for MultiHeadAttention {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let mut tensors = Vec::with_capacity(3);
        for position in 0..3 {
            let tensor = inputs.take(position)?;
            if tensor.rank() != 3 {
                return Err(Error::unsupported(format!(
                    "input {position} has the shape {:?}, which is not supported, expected [batch, length, heads * size]",
                    tensor.shape()
                )));
            }
            tensors.push(tensor);
        }
        if let Some(bias) = inputs.get(3) {
            let mut start = 0;
            for tensor in &mut tensors {
                let count = tensor.shape()[2];
                let own = columns(bias, start, count)?;
                start = start.saturating_add(count);
                *tensor = run(&*self.0.add, vec![Some(tensor.clone()), Some(own)])?;
            }
        }
        let past = |at: usize| inputs.get(at).and_then(|past| past.shape().get(2).copied());
        let keys = tensors[1].shape()[1].saturating_add(past(6).unwrap_or(0));
        let (batch, queries) = (tensors[0].shape()[0], tensors[0].shape()[1]);
        let mask = self
            .0
            .mask(inputs.get(4), inputs.get(5), [batch, queries, keys])?;
        let past = [inputs.get(6).cloned(), inputs.get(7).cloned()];
        let tensors = <[Tensor; 3]>::try_from(tensors);
        let tensors = tensors.map_err(|_| Error::graph("expected three inputs"))?;
        self.0.attend(tensors, mask, past)
    }
}

fn fused_attention(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    for (position, name) in [(4, "past"), (6, "past_sequence_length")] {
        if build.has_input(position) {
            return Err(Error::unsupported(format!(
                "input {position} (`{name}`) is not supported, expected it to be omitted"
            )));
        }
    }
    for name in ["qkv_hidden_sizes", "do_rotary"] {
        if attributes.has(name) && (name != "do_rotary" || attributes.flag(name, false)) {
            return Err(Error::unsupported(format!(
                "the attribute `{name}` is not supported"
            )));
        }
    }
    if build.has_output(1) {
        return Err(Error::unsupported(
            "output 1 (`present`) is not supported, expected it to be unused",
        ));
    }
    boxed(FusedAttention {
        heads: Heads::read(build)?,
        matmul: inner(matmul::OPERATORS, "MatMul", 13, Attributes::new(&[]), 2)?,
    })
}

/// Attention of `com.microsoft`: the product of the input `[batch, length, hidden]` and the weights `[hidden, 3 * size]` plus a
/// bias gives queries, keys and values; then MultiHeadAttention, with a mask of the keys (input 3) and a bias of the scores
/// (5). The output is `[batch, length, size]`.
struct FusedAttention {
    heads: Heads,
    matmul: Box<dyn Operator>,
}

impl Operator for FusedAttention {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let (&[batch, length, _], &[_, width]) = (input.shape(), inputs.required(1)?.shape())
        else {
            return Err(Error::input(format!(
                "an input of shape {:?} and weights of shape {:?} are not [batch, length, hidden] and [hidden, 3 * size]",
                input.shape(),
                inputs.required(1)?.shape()
            )));
        };
        if !width.is_multiple_of(3) {
            return Err(Error::input(format!(
                "the weights have {width} columns, expected a multiple of 3"
            )));
        }
        let weights = inputs.required(1)?.clone();
        let mut all = run(&*self.matmul, vec![Some(input), Some(weights)])?;
        if let Some(bias) = inputs.get(2) {
            if bias.shape() != [width] {
                return Err(Error::input(format!(
                    "the bias has the shape {:?}, expected [{width}]",
                    bias.shape()
                )));
            }
            all = run(&*self.heads.add, vec![Some(all), Some(bias.clone())])?;
        }
        let size = width / 3;
        let part = |at: usize| columns(&all, at * size, size);
        let tensors = [part(0)?, part(1)?, part(2)?];
        let mask = (inputs.get(3), inputs.get(5));
        let mask = self.heads.mask(mask.0, mask.1, [batch, length, length])?;
        let outputs = self.heads.attend(tensors, mask, [None, None])?;
        Ok(outputs.into_iter().take(1).collect())
    }
}
