//! Attention (ONNX versions 23 to 25).

use super::attention_mask::Mask;
use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, reals, rounded};
use crate::tensor::{Tensor, element_count, filled, with_room};

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("Attention", attention)];

fn attention(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let window = |name: &str| match attributes.int(name, -1) {
        -1 => Ok(None),
        size @ 0.. => Ok(Some(size)),
        size => Err(Error::graph(format!(
            "the attribute `{name}` is {size}, expected at least -1"
        ))),
    };
    boxed(Attention {
        scale: attributes.optional_float("scale").map(f64::from),
        softcap: attributes.float("softcap", 0.0).into(),
        is_causal: attributes.flag("is_causal", false),
        q_heads: attributes.count("q_num_heads")?,
        kv_heads: attributes.count("kv_num_heads")?,
        output_mode: attributes.int("qk_matmul_output_mode", 0),
        wants_scores: build.has_output(3),
        left: window("left_window_size")?,
        right: window("right_window_size")?,
    })
}

/// Attention: softmax(Q K^T scale + mask) V, for each head.
struct Attention {
    scale: Option<f64>,
    softcap: f64,
    is_causal: bool,
    q_heads: Option<usize>,
    kv_heads: Option<usize>,
    output_mode: i64,
    wants_scores: bool,
    left: Option<i64>,
    right: Option<i64>,
}

/// A tensor as `[batch, heads, length, head size]`, with the strides of the first three axes.
#[derive(Clone, Copy)]
struct Heads {
    batch: usize,
    heads: usize,
    length: usize,
    size: usize,
    strides: [usize; 3],
}

impl Heads {
    fn of(shape: &[usize], heads: Option<usize>) -> Result<Self> {
        match (shape, heads) {
            (&[batch, heads, length, size], _) => Ok(Self {
                batch,
                heads,
                length,
                size,
                // Without elements the sizes may have a product that overflows.
                strides: [
                    heads.saturating_mul(length).saturating_mul(size),
                    length.saturating_mul(size),
                    size,
                ],
            }),
            (&[batch, length, hidden], Some(heads)) if hidden.is_multiple_of(heads) => Ok(Self {
                batch,
                heads,
                length,
                size: hidden / heads,
                strides: [length.saturating_mul(hidden), hidden / heads, hidden],
            }),
            _ => Err(Error::input(format!(
                "the shape {shape:?} cannot be split into {} heads",
                heads.map_or_else(
                    || "an unknown number of".to_owned(),
                    |heads| heads.to_string()
                )
            ))),
        }
    }

    fn at(&self, batch: usize, head: usize, place: usize) -> std::ops::Range<usize> {
        let [a, b, c] = self.strides;
        let start = batch * a + head * b + place * c;
        start..start + self.size
    }
}

/// Concatenates cached and new keys or values along the sequence, as `[batch, heads, length, head size]`.
fn joined<R: Real>(
    past: Option<&Tensor>,
    new: &Tensor,
    heads: Heads,
) -> Result<(Vec<usize>, Vec<R>)> {
    let before = match past {
        None => 0,
        Some(past) => match *past.shape() {
            [b, h, before, s] if (b, h, s) == (heads.batch, heads.heads, heads.size) => before,
            _ => {
                return Err(Error::input(format!(
                    "the cache has the shape {:?}, expected {} heads of {} in a batch of {}",
                    past.shape(),
                    heads.heads,
                    heads.size,
                    heads.batch
                )));
            }
        },
    };
    let total = before.saturating_add(heads.length);
    let shape = vec![heads.batch, heads.heads, total, heads.size];
    let mut result = with_room(element_count(&shape)?)?;
    if shape.contains(&0) {
        // Without elements the number of batches and heads may overflow.
        return Ok((shape, result));
    }
    let past = past.map(reals::<R>).transpose()?;
    let new = reals::<R>(new)?;
    for batch in 0..heads.batch {
        for head in 0..heads.heads {
            let block = before * heads.size;
            if let Some(past) = &past {
                let at = (batch * heads.heads + head) * block;
                result.extend_from_slice(&past[at..at + block]);
            }
            for place in 0..heads.length {
                result.extend_from_slice(&new[heads.at(batch, head, place)]);
            }
        }
    }
    Ok((shape, result))
}

/// Softmax of a row of scores, in place; a row in which every key is excluded becomes zeros.
fn softmax<R: Real>(scores: &mut [R]) {
    let most = scores
        .iter()
        .fold(R::neg_infinity(), |most, &score| most.max(score));
    if most == R::neg_infinity() && !scores.iter().any(|score| score.is_nan()) {
        scores.fill(R::zero());
        return;
    }
    let mut sum = R::zero();
    for score in scores.iter_mut() {
        *score = (*score - most).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score = *score / sum);
}

impl Attention {
    fn compute<R: Real>(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>> {
        let (q, k, v) = (
            inputs.required(0)?,
            inputs.required(1)?,
            inputs.required(2)?,
        );
        let query = Heads::of(q.shape(), self.q_heads)?;
        let (key, value) = (
            Heads::of(k.shape(), self.kv_heads)?,
            Heads::of(v.shape(), self.kv_heads)?,
        );
        let groups = (key.batch, key.heads, key.length) == (value.batch, value.heads, value.length)
            && key.batch == query.batch
            && key.size == query.size
            && key.heads > 0
            && query.heads.is_multiple_of(key.heads);
        if !groups || q.rank() != k.rank() || k.rank() != v.rank() {
            return Err(Error::input(format!(
                "queries of shape {:?}, keys of shape {:?} and values of shape {:?} do not match",
                q.shape(),
                k.shape(),
                v.shape()
            )));
        }
        let (past_key, past_value) = (inputs.get(4), inputs.get(5));
        let valid = inputs.get(6).map(Tensor::to_i64).transpose()?;
        if past_key.is_some() != past_value.is_some() || (valid.is_some() && past_key.is_some()) {
            return Err(Error::input(
                "expected either both of `past_key` and `past_value` or `nonpad_kv_seqlen`",
            ));
        }
        let before = past_key.map_or(0, |past| past.shape().get(2).copied().unwrap_or(0));
        let (key_shape, keys) = joined::<R>(past_key, k, key)?;
        let (value_shape, values) = joined::<R>(past_value, v, value)?;
        let total = key_shape[2];
        if value_shape[2] != total {
            return Err(Error::input(format!(
                "there are {total} keys and {} values, expected as many of both",
                value_shape[2]
            )));
        }
        if let Some(valid) = &valid
            && valid.len() != query.batch
        {
            return Err(Error::input(format!(
                "`nonpad_kv_seqlen` has {} numbers, expected {}",
                valid.len(),
                query.batch
            )));
        }
        let score_shape = [query.batch, query.heads, query.length, total];
        let mask = inputs
            .get(3)
            .map(|mask| Mask::of(mask, score_shape))
            .transpose()?;
        let scale = self.scale.unwrap_or(1.0 / (query.size as f64).sqrt());
        let (scale, softcap) = (R::of(scale), R::of(self.softcap));
        let queries = reals::<R>(q)?;
        let mut shape = q.shape().to_vec();
        let output = match shape.len() {
            3 => {
                shape[2] = query.heads.saturating_mul(value.size);
                Heads::of(&shape, Some(query.heads))?
            }
            _ => {
                shape[3] = value.size;
                Heads::of(&shape, None)?
            }
        };
        let mut y = filled(element_count(&shape)?, R::zero())?;
        let kept = if self.wants_scores {
            element_count(&score_shape)?
        } else {
            0
        };
        let mut all_scores: Vec<R> = with_room(kept)?;
        // Without outputs the number of batches and heads may be too large to iterate over.
        let batches = if y.is_empty() && kept == 0 {
            0
        } else {
            query.batch
        };
        let mut columns = filled(element_count(&[query.size, total])?, R::zero())?;
        let (mut scores, mut bias) = (filled(total, R::zero())?, filled(total, R::zero())?);
        for batch in 0..batches {
            for head in 0..query.heads {
                let from = batch * key.heads + head / (query.heads / key.heads);
                let keys = &keys[from * total * query.size..][..total * query.size];
                let values = &values[from * total * value.size..][..total * value.size];
                // Keys are transposed, so that the inner loop is contiguous.
                for (at, &key) in keys.iter().enumerate() {
                    columns[at % query.size * total + at / query.size] = key;
                }
                for place in 0..query.length {
                    bias.fill(R::zero());
                    if let Some(mask) = &mask {
                        mask.fill(&mut bias, [batch, head, place]);
                    }
                    self.limit(
                        &mut bias,
                        place,
                        query.length,
                        before,
                        valid.as_ref().map(|v| v[batch]),
                    );
                    scores.fill(R::zero());
                    if total > 0 {
                        let row = &queries[query.at(batch, head, place)];
                        for (&q, column) in row.iter().zip(columns.chunks_exact(total)) {
                            let q = q * scale;
                            scores
                                .iter_mut()
                                .zip(column)
                                .for_each(|(sum, &k)| *sum += q * k);
                        }
                    }
                    let mut keep = |mode: i64, scores: &[R]| {
                        if self.wants_scores && self.output_mode == mode {
                            all_scores.extend_from_slice(scores);
                        }
                    };
                    keep(0, &scores);
                    if self.softcap > 0.0 {
                        let each = scores.iter_mut();
                        each.for_each(|score| *score = (*score / softcap).tanh() * softcap);
                    }
                    keep(1, &scores);
                    for (score, &bias) in scores.iter_mut().zip(&bias) {
                        // An excluded key stays excluded, whatever its score.
                        *score = if bias == R::neg_infinity() {
                            bias
                        } else {
                            *score + bias
                        };
                    }
                    keep(2, &scores);
                    softmax(&mut scores);
                    keep(3, &scores);
                    if value.size > 0 {
                        let y = &mut y[output.at(batch, head, place)];
                        for (&weight, row) in scores.iter().zip(values.chunks_exact(value.size)) {
                            // The value of an excluded key may be anything, even infinite.
                            if weight != R::zero() {
                                y.iter_mut().zip(row).for_each(|(y, &v)| *y += weight * v);
                            }
                        }
                    }
                }
            }
        }
        let datatype = q.datatype();
        let mut outputs = vec![
            rounded(shape, y, datatype)?,
            rounded(key_shape, keys, k.datatype())?,
            rounded(value_shape, values, v.datatype())?,
        ];
        if self.wants_scores {
            outputs.push(rounded(score_shape.to_vec(), all_scores, datatype)?);
        }
        Ok(outputs)
    }

    /// Excludes keys that come after the query (causal), outside its window, or in the padding.
    fn limit<R: Real>(
        &self,
        bias: &mut [R],
        place: usize,
        queries: usize,
        before: usize,
        valid: Option<i64>,
    ) {
        let signed = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        let offset = valid.map_or(signed(before), |valid| {
            valid.saturating_sub(signed(queries))
        });
        let place = signed(place).saturating_add(offset);
        for (key, bias) in bias.iter_mut().enumerate() {
            let key = signed(key);
            let is_hidden = (self.is_causal && key > place)
                || self
                    .left
                    .is_some_and(|left| place.saturating_sub(key) > left)
                || self
                    .right
                    .is_some_and(|right| key.saturating_sub(place) > right)
                || valid.is_some_and(|valid| key >= valid);
            if is_hidden {
                *bias = R::neg_infinity();
            }
        }
    }
}

impl Operator for Attention {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        if !(0..=3).contains(&self.output_mode) {
            return Err(Error::graph(format!(
                "the attribute `qk_matmul_output_mode` is {}, expected 0 to 3",
                self.output_mode
            )));
        }
        in_real!(inputs.required(0)?.datatype(), R => self.compute::<R>(&inputs))
    }
}
