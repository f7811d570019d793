//! Operators on sequences: CausalConvWithState and RotaryEmbedding.

use super::convolution::bias;
use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, into_reals, reals, rounded};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("CausalConvWithState", causal_conv_with_state),
    onnx("RotaryEmbedding", rotary_embedding),
];

fn causal_conv_with_state(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(CausalConvWithState {
        is_silu: match build.attributes().string("activation", "none") {
            "none" => false,
            "silu" | "swish" => true,
            other => {
                return Err(Error::graph(format!(
                    "the attribute `activation` is `{other}`, expected none, silu or swish"
                )));
            }
        },
    })
}

fn rotary_embedding(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let size = |name: &str| {
        usize::try_from(attributes.int(name, 0)).map_err(|_| {
            Error::graph(format!(
                "the attribute `{name}` is negative, expected 0 or more"
            ))
        })
    };
    boxed(RotaryEmbedding {
        is_interleaved: attributes.flag("interleaved", false),
        turned: size("rotary_embedding_dim")?,
        heads: size("num_heads")?,
    })
}

/// CausalConvWithState: a depthwise convolution over the past of a sequence. The second output is the state that the next
/// part of the sequence needs.
struct CausalConvWithState {
    is_silu: bool,
}

impl CausalConvWithState {
    fn compute<R: Real>(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>> {
        let (x, w) = (inputs.required(0)?, inputs.required(1)?);
        let (&[batch, channels, length], &[rows, 1, taps]) = (x.shape(), w.shape()) else {
            return Err(Error::input(format!(
                "an input of shape {:?} and weights of {:?} are not [batch, channels, length] and \
                 [channels, 1, taps]",
                x.shape(),
                w.shape()
            )));
        };
        let state_shape = vec![batch, channels, taps.saturating_sub(1)];
        let past = inputs.get(3);
        if rows != channels || taps == 0 || past.is_some_and(|past| past.shape() != state_shape) {
            return Err(Error::input(format!(
                "weights of shape {:?} and a state of shape {:?} do not match an input of shape {:?}",
                w.shape(),
                past.map(Tensor::shape),
                x.shape()
            )));
        }
        let bias = bias(inputs, 2, channels)?.map(reals::<R>).transpose()?;
        let past = past.map(reals::<R>).transpose()?;
        let (values, w) = (reals::<R>(x)?, reals::<R>(w)?);
        let mut output = filled(values.len(), R::zero())?;
        let mut state = filled(element_count(&state_shape)?, R::zero())?;
        let mut line = filled(taps - 1 + length, R::zero())?;
        for at in 0..batch * channels {
            let channel = at % channels;
            if let Some(past) = &past {
                line[..taps - 1].copy_from_slice(&past[at * (taps - 1)..][..taps - 1]);
            }
            line[taps - 1..].copy_from_slice(&values[at * length..][..length]);
            let sums = &mut output[at * length..][..length];
            sums.fill(bias.as_ref().map_or(R::zero(), |bias| bias[channel]));
            for (tap, &weight) in w[channel * taps..][..taps].iter().enumerate() {
                let seen = line[tap..].iter();
                sums.iter_mut()
                    .zip(seen)
                    .for_each(|(sum, &value)| *sum += value * weight);
            }
            if self.is_silu {
                sums.iter_mut()
                    .for_each(|v| *v = *v / (R::one() + (-*v).exp()));
            }
            state[at * (taps - 1)..][..taps - 1].copy_from_slice(&line[length..]);
        }
        let datatype = x.datatype();
        Ok(vec![
            rounded(x.shape().to_vec(), output, datatype)?,
            rounded(state_shape, state, datatype)?,
        ])
    }
}

impl Operator for CausalConvWithState {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        in_real!(inputs.required(0)?.datatype(), R => self.compute::<R>(&inputs))
    }
}

/// RotaryEmbedding: rotates pairs of values by an angle that depends on the position.
struct RotaryEmbedding {
    is_interleaved: bool,
    turned: usize,
    heads: usize,
}

impl RotaryEmbedding {
    fn compute<R: Real>(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let (datatype, shape) = (input.datatype(), input.shape().to_vec());
        // Batch, heads, length and head size, and the strides of a vector's position.
        let (batch, heads, length, size) = match shape[..] {
            [batch, heads, length, size] => (batch, heads, length, size),
            [batch, length, hidden] if self.heads > 0 && hidden.is_multiple_of(self.heads) => {
                (batch, self.heads, length, hidden / self.heads)
            }
            _ => {
                return Err(Error::input(format!(
                    "an input of shape {shape:?} cannot be split into {} heads",
                    self.heads
                )));
            }
        };
        let turned = if self.turned == 0 { size } else { self.turned };
        let half = turned / 2;
        if turned > size || !turned.is_multiple_of(2) {
            return Err(Error::input(format!(
                "{turned} of {size} values cannot be rotated in pairs"
            )));
        }
        let (cos, sin) = (inputs.required(1)?, inputs.required(2)?);
        let places = inputs.get(3).map(Tensor::to_i64).transpose()?;
        let rows = match (cos.shape(), &places) {
            (&[rows, width], Some(_)) if width == half => rows,
            (&[b, l, width], None) if (b, l, width) == (batch, length, half) => b * l,
            _ => {
                return Err(Error::input(format!(
                    "cosines of shape {:?} do not match an input of shape {shape:?}",
                    cos.shape()
                )));
            }
        };
        if sin.shape() != cos.shape() || places.as_ref().is_some_and(|p| p.len() != batch * length)
        {
            return Err(Error::input(format!(
                "sines of shape {:?} and the positions do not match cosines of shape {:?}",
                sin.shape(),
                cos.shape()
            )));
        }
        let (cos, sin) = (reals::<R>(cos)?, reals::<R>(sin)?);
        let is_whole = shape.len() == 4;
        let mut values = into_reals::<R>(input)?;
        if size > 0 {
            for (at, vector) in values.chunks_exact_mut(size).enumerate() {
                let place = match is_whole {
                    true => at / (heads * length) * length + at % length,
                    false => at / heads,
                };
                let row = match &places {
                    None => place,
                    Some(places) => usize::try_from(places[place])
                        .ok()
                        .filter(|&row| row < rows)
                        .ok_or_else(|| {
                            Error::input(format!(
                                "the position {} is outside {rows} rows",
                                places[place]
                            ))
                        })?,
                };
                for pair in 0..half {
                    let (first, second) = match self.is_interleaved {
                        true => (2 * pair, 2 * pair + 1),
                        false => (pair, pair + half),
                    };
                    let (a, b) = (vector[first], vector[second]);
                    let (cos, sin) = (cos[row * half + pair], sin[row * half + pair]);
                    vector[first] = cos * a - sin * b;
                    vector[second] = sin * a + cos * b;
                }
            }
        }
        Ok(vec![rounded(shape, values, datatype)?])
    }
}

impl Operator for RotaryEmbedding {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        in_real!(inputs.required(0)?.datatype(), R => self.compute::<R>(inputs))
    }
}
