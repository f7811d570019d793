//! ONNX Runtime's operators on tokens: EmbedLayerNormalization and NGramRepeatBlock. (ONNX Runtime's documentation of
//! contributed operators.)

use rten_onnx::onnx::AttributeProto;

use super::composite::{float, inner, run};
use super::entry::{OperatorEntry, boxed, microsoft};
use super::gather::position;
use super::layer_normalization;
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, reals, rounded};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    microsoft("EmbedLayerNormalization", embed_layer_normalization),
    microsoft("NGramRepeatBlock", ngram_repeat_block),
];

fn embed_layer_normalization(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let own: [AttributeProto; 1] = [float("epsilon", attributes.float("epsilon", 1e-12))];
    boxed(EmbedLayerNormalization {
        norm: inner(
            layer_normalization::OPERATORS,
            "LayerNormalization",
            17,
            Attributes::new(&own),
            3,
        )?,
        counts_mask: attributes.int("mask_index_type", 1) != 0,
    })
}

/// EmbedLayerNormalization: the sums of the embeddings of words, positions and segments, normalized. The inputs are the ids
/// of words and, if there are any, of segments, INT32 `[batch, length]`; the three embeddings `[ids, hidden]`; the scale and
/// the bias `[hidden]`; a mask, INT32 `[batch, length]`; and positions, INT32 `[batch, length]` or `[1, length]`, by default
/// in ascending order. The outputs are the normalized sums, `[batch, length, hidden]`, the number of ones in each row of
/// the mask, INT32 `[batch]` (zeros without a mask or with a `mask_index_type` of 0), and the sums.
struct EmbedLayerNormalization {
    norm: Box<dyn Operator>,
    counts_mask: bool,
}

/// Adds the rows of an embedding with the given ids to `sums`.
fn add_rows<R: Real>(
    sums: &mut [R],
    table: &Tensor,
    hidden: usize,
    ids: impl Iterator<Item = i64>,
) -> Result<()> {
    let &[rows, columns] = table.shape() else {
        return Err(Error::input(format!(
            "an embedding has the shape {:?}, expected [ids, {hidden}]",
            table.shape()
        )));
    };
    if columns != hidden {
        return Err(Error::input(format!(
            "an embedding has the shape {:?}, expected [ids, {hidden}]",
            table.shape()
        )));
    }
    let values = reals::<R>(table)?;
    if hidden == 0 {
        return Ok(());
    }
    for (sums, id) in sums.chunks_exact_mut(hidden).zip(ids) {
        if id < 0 {
            return Err(Error::input(format!("the id {id} is negative")));
        }
        let row = &values[position(id, rows)? * hidden..][..hidden];
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, &value)| *sum += value);
    }
    Ok(())
}

/// Rejects an input whose shape is none of those.
fn check_shape(name: &str, tensor: &Tensor, expected: &[&[usize]]) -> Result<()> {
    if expected.contains(&tensor.shape()) {
        return Ok(());
    }
    Err(Error::input(format!(
        "the {name} have the shape {:?}, expected {:?}",
        tensor.shape(),
        expected[0]
    )))
}

impl Operator for EmbedLayerNormalization {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let ids = inputs.required(0)?;
        let shape = ids.shape();
        let &[batch, length] = shape else {
            return Err(Error::input(format!(
                "the ids have the shape {shape:?}, expected [batch, length]"
            )));
        };
        let words = inputs.required(2)?;
        let hidden = words.shape().last().copied().unwrap_or(0);
        let datatype = words.datatype();
        let count = element_count(&[batch, length, hidden])?;
        let sums = in_real!(datatype, R => {
            let mut sums = filled(count, R::default())?;
            let ids = inputs.elements::<i32>(0)?;
            add_rows(&mut sums, words, hidden, ids.iter().map(|&id| id.into()))?;
            let table = inputs.required(3)?;
            match inputs.get(8) {
                Some(given) => {
                    check_shape("positions", given, &[shape, &[1, length]])?;
                    let given = inputs.elements::<i32>(8)?.iter().cycle();
                    add_rows(&mut sums, table, hidden, given.map(|&at| at.into()))?;
                }
                None if length > 0 => {
                    let length = i64::try_from(length).unwrap_or(i64::MAX);
                    add_rows(&mut sums, table, hidden, (0..length).cycle())?;
                }
                None => {}
            }
            if let (Some(given), Some(table)) = (inputs.get(1), inputs.get(4)) {
                check_shape("segments", given, &[shape])?;
                let given = inputs.elements::<i32>(1)?.iter();
                add_rows(&mut sums, table, hidden, given.map(|&at| at.into()))?;
            }
            rounded(vec![batch, length, hidden], sums, datatype)?
        });
        let mut counts = filled(batch, 0i32)?;
        if let Some(mask) = inputs.get(7).filter(|_| self.counts_mask) {
            check_shape("values of the mask", mask, &[shape])?;
            if length > 0 {
                let rows = inputs.elements::<i32>(7)?.chunks_exact(length);
                for (count, row) in counts.iter_mut().zip(rows) {
                    let ones = row.iter().filter(|&&value| value == 1).count();
                    *count = i32::try_from(ones).unwrap_or(i32::MAX);
                }
            }
        }
        let (scale, bias) = (inputs.required(5)?.clone(), inputs.required(6)?.clone());
        let normalized = run(
            &*self.norm,
            vec![Some(sums.clone()), Some(scale), Some(bias)],
        )?;
        Ok(vec![normalized, Tensor::vector(counts), sums])
    }
}

fn ngram_repeat_block(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let size = build.attributes().required_count("ngram_size")?;
    if size == 0 {
        return Err(Error::graph(
            "the attribute `ngram_size` is 0, expected at least 1",
        ));
    }
    boxed(NgramRepeatBlock { size })
}

/// NGramRepeatBlock: the scores `[batch, vocabulary]`, FP32, of the next token after `[batch, length]`, INT64; negative
/// infinity for a token that would repeat a sequence of `ngram_size` tokens.
struct NgramRepeatBlock {
    size: usize,
}

impl Operator for NgramRepeatBlock {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let scores = inputs.take(1)?;
        let shape = scores.shape().to_vec();
        let (&[batch, length], &[rows, vocabulary]) = (inputs.required(0)?.shape(), &*shape) else {
            return Err(not_tokens(inputs.required(0)?, &shape));
        };
        if batch != rows {
            return Err(not_tokens(inputs.required(0)?, &shape));
        }
        let mut scores = scores.into_elements::<f32>()?;
        let tokens = inputs.elements::<i64>(0)?;
        if length >= self.size && vocabulary > 0 {
            let each = tokens.chunks_exact(length);
            for (tokens, scores) in each.zip(scores.chunks_exact_mut(vocabulary)) {
                let last = &tokens[length - (self.size - 1)..];
                for ngram in tokens.windows(self.size) {
                    if let [before @ .., token] = ngram
                        && before == last
                    {
                        if *token < 0 {
                            return Err(Error::input(format!("the token {token} is negative")));
                        }
                        scores[position(*token, vocabulary)?] = f32::NEG_INFINITY;
                    }
                }
            }
        }
        Ok(vec![Tensor::new(shape, crate::tensor::Data::F32(scores))?])
    }
}

fn not_tokens(tokens: &Tensor, scores: &[usize]) -> Error {
    Error::input(format!(
        "tokens of shape {:?} and scores of shape {scores:?} are not [batch, length] and [batch, vocabulary]",
        tokens.shape()
    ))
}
