//! LinearAttention (ONNX version 27).

use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::real::{reals, rounded};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("LinearAttention", linear_attention)];

fn linear_attention(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let q_heads = attributes.required_count("q_num_heads")?;
    let kv_heads = attributes.required_count("kv_num_heads")?;
    if !q_heads.is_multiple_of(kv_heads) {
        return Err(Error::graph(format!(
            "`q_num_heads` is {q_heads}, expected a multiple of `kv_num_heads`, {kv_heads}"
        )));
    }
    let rule = attributes.string("update_rule", "gated_delta");
    let (is_gated, is_delta) = match rule {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => {
            return Err(Error::graph(format!(
                "the attribute `update_rule` is `{other}`, expected linear, gated, delta or gated_delta"
            )));
        }
    };
    for (name, position, is_wanted) in [("decay", 4, is_gated), ("beta", 5, is_delta)] {
        if build.has_input(position) != is_wanted {
            let expected = if is_wanted { "an" } else { "no" };
            return Err(Error::graph(format!(
                "the update rule `{rule}` has {expected} input `{name}`"
            )));
        }
    }
    boxed(LinearAttention {
        q_heads,
        kv_heads,
        scale: Some(attributes.float("scale", 0.0)).filter(|&scale| scale != 0.0),
    })
}

/// Linear attention: each key-value head has a state matrix `S` of `[key size, value size]`.
///
/// For each token, `S` is scaled by `exp(decay)` (gated rules). Then `key^T value` is added or, with the delta rules,
/// `beta key^T (value - key S)`. The output is `scale query S`.
struct LinearAttention {
    q_heads: usize,
    kv_heads: usize,
    /// The scale of outputs; `None` for the inverse square root of the key's size.
    scale: Option<f32>,
}

impl Operator for LinearAttention {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let [query, key, value] = [
            inputs.required(0)?,
            inputs.required(1)?,
            inputs.required(2)?,
        ];
        let (past, decay, beta) = (inputs.get(3), inputs.get(4), inputs.get(5));
        let &[batch, tokens, hidden] = query.shape() else {
            return Err(refused("query", query, "[batch, tokens, heads x size]"));
        };
        let size = split("query", query, hidden, self.q_heads)?;
        let value_size = match *value.shape() {
            [_, _, hidden] => split("value", value, hidden, self.kv_heads)?,
            _ => return Err(refused("value", value, "[batch, tokens, heads x size]")),
        };
        let heads = self.kv_heads;
        for (name, tensor, width) in [
            ("key", key, heads.saturating_mul(size)),
            ("value", value, heads.saturating_mul(value_size)),
        ] {
            if *tensor.shape() != [batch, tokens, width] {
                return Err(refused(
                    name,
                    tensor,
                    &format!("[{batch}, {tokens}, {width}]"),
                ));
            }
        }
        let place = [batch, tokens];
        let decay = decay.map(|decay| {
            Gate::new(
                "decay",
                decay,
                place,
                heads,
                [heads, heads.saturating_mul(size)],
            )
        });
        let beta = beta.map(|beta| Gate::new("beta", beta, place, heads, [heads, 1]));
        let (decay, beta) = (decay.transpose()?, beta.transpose()?);

        let state_shape = [batch, heads, size, value_size];
        let state_size = size.saturating_mul(value_size);
        let mut state = match past {
            None => filled(element_count(&state_shape)?, 0.0)?,
            Some(past) if *past.shape() == state_shape => reals::<f32>(past)?.into_owned(),
            Some(past) => return Err(refused("past_state", past, &format!("{state_shape:?}"))),
        };
        let state_datatype = past.map_or(query.datatype(), Tensor::datatype);
        let shape = vec![batch, tokens, self.q_heads.saturating_mul(value_size)];
        let mut output = filled(element_count(&shape)?, 0.0_f32)?;
        if !output.is_empty() {
            let [q, k, v] = [
                reals::<f32>(query)?,
                reals::<f32>(key)?,
                reals::<f32>(value)?,
            ];
            let scale = self.scale.unwrap_or_else(|| 1.0 / (size as f32).sqrt());
            let mut change = vec![0.0; value_size];
            for (place, head) in
                (0..batch * tokens).flat_map(|place| (0..heads).map(move |head| (place, head)))
            {
                let state =
                    &mut state[(place / tokens * heads + head) * state_size..][..state_size];
                let key = &k[(place * heads + head) * size..][..size];
                change.copy_from_slice(&v[(place * heads + head) * value_size..][..value_size]);
                if let Some(decay) = &decay {
                    for (at, row) in state.chunks_exact_mut(value_size).enumerate() {
                        let kept = decay.at(place, head, at).exp();
                        row.iter_mut().for_each(|state| *state *= kept);
                    }
                }
                if let Some(beta) = &beta {
                    for (row, &key) in state.chunks_exact(value_size).zip(key) {
                        for (change, state) in change.iter_mut().zip(row) {
                            *change -= state * key;
                        }
                    }
                    let rate = beta.at(place, head, 0);
                    change.iter_mut().for_each(|change| *change *= rate);
                }
                for (row, &key) in state.chunks_exact_mut(value_size).zip(key) {
                    for (state, change) in row.iter_mut().zip(&change) {
                        *state += key * change;
                    }
                }
                // Several query heads share a key-value head.
                let readers = self.q_heads / heads;
                for reader in head * readers..(head + 1) * readers {
                    let query = &q[(place * self.q_heads + reader) * size..][..size];
                    let output =
                        &mut output[(place * self.q_heads + reader) * value_size..][..value_size];
                    for (row, &query) in state.chunks_exact(value_size).zip(query) {
                        for (output, state) in output.iter_mut().zip(row) {
                            *output += query * state;
                        }
                    }
                    output.iter_mut().for_each(|output| *output *= scale);
                }
            }
        }
        Ok(vec![
            rounded(shape, output, query.datatype())?,
            rounded(state_shape.to_vec(), state, state_datatype)?,
        ])
    }
}

/// The decay or beta of each token: one value for all heads, one per head, or one per row of each head's state.
struct Gate {
    values: Vec<f32>,
    width: usize,
    heads: usize,
}

impl Gate {
    /// Checks that the tensor has one of the two widths per token.
    fn new(
        name: &str,
        tensor: &Tensor,
        [batch, tokens]: [usize; 2],
        heads: usize,
        widths: [usize; 2],
    ) -> Result<Self> {
        match *tensor.shape() {
            [b, t, width] if [b, t] == [batch, tokens] && widths.contains(&width) => Ok(Self {
                values: reals::<f32>(tensor)?.into_owned(),
                width,
                heads,
            }),
            _ => {
                let [one, other] = widths;
                let expected =
                    format!("[{batch}, {tokens}, {one}] or [{batch}, {tokens}, {other}]");
                Err(refused(name, tensor, &expected))
            }
        }
    }

    /// The value for a token, a head and a row of the head's state.
    fn at(&self, token: usize, head: usize, row: usize) -> f32 {
        let values = &self.values[token * self.width..][..self.width];
        match self.width {
            1 => values[0],
            width if width == self.heads => values[head],
            width => values[head * (width / self.heads) + row],
        }
    }
}

/// The size of a head.
fn split(name: &str, tensor: &Tensor, hidden: usize, heads: usize) -> Result<usize> {
    match hidden.is_multiple_of(heads) {
        true => Ok(hidden / heads),
        false => Err(refused(
            name,
            tensor,
            &format!("{heads} heads in the last dimension"),
        )),
    }
}

fn refused(name: &str, tensor: &Tensor, expected: &str) -> Error {
    Error::input(format!(
        "the shape of `{name}` is {:?}, expected {expected}",
        tensor.shape()
    ))
}
