//! RNN, GRU and LSTM.

use super::entry::{OperatorEntry, boxed, onnx};
use super::packed_recurrent::PackedRecurrent;
use super::recurrent_activation::Activation;
use super::recurrent_sizes::{Cell, Kind, Sizes, checked};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, common_datatype, reals, rounded};
use crate::tensor::{Tensor, element_count, filled};
use infer_tensor::Datatype;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("GRU", |build| recurrent(build, Kind::Gru)),
    onnx("LSTM", |build| recurrent(build, Kind::Lstm)),
    onnx("RNN", |build| recurrent(build, Kind::Rnn)),
];

fn recurrent(build: &mut Build<'_>, kind: Kind) -> Result<Box<dyn Operator>> {
    let recurrent = Recurrent::read(build, kind)?;
    if recurrent.has_kernel(build.has_input(7))
        && let (Some(w), Some(r)) = (build.constant(1), build.constant(2))
        && build.has_input(3) == build.constant(3).is_some()
        && let Some(packed) = PackedRecurrent::of(recurrent.cell(), w, r, build.constant(3))?
    {
        let weights = (1..4).filter(|&at| build.has_input(at));
        build.consumed = weights.collect();
        return boxed(packed);
    }
    boxed(recurrent)
}

/// RNN, GRU and LSTM: recurrent layers over sequences.
pub(super) struct Recurrent {
    kind: Kind,
    /// Whether each direction is reversed.
    directions: Vec<bool>,
    activations: Vec<Activation>,
    clip: Option<f64>,
    is_batch_first: bool,
    is_input_forget: bool,
    is_linear_before_reset: bool,
}

/// One direction's weights, transposed so that the weights of all gates are contiguous for each input.
struct Weights<R> {
    input: Vec<R>,
    hidden: Vec<R>,
    input_bias: Vec<R>,
    hidden_bias: Vec<R>,
    peepholes: Vec<R>,
}

fn transposed<R: Real>(values: &[R], rows: usize, columns: usize) -> Result<Vec<R>> {
    let mut result = filled(values.len(), R::zero())?;
    for row in 0..rows {
        for column in 0..columns {
            result[column * rows + row] = values[row * columns + column];
        }
    }
    Ok(result)
}

/// Adds the product of a vector and some columns of a matrix.
fn add_product<R: Real>(sums: &mut [R], vector: &[R], matrix: &[R], from: usize, width: usize) {
    for (&value, row) in vector.iter().zip(matrix.chunks_exact(width)) {
        let row = &row[from..from + sums.len()];
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, &weight)| *sum += value * weight);
    }
}

impl Recurrent {
    /// Reads the attributes.
    ///
    /// # Errors
    /// `Graph` for values that ONNX's specification does not allow, `Unsupported` for an unknown activation.
    pub(super) fn read(build: &Build<'_>, kind: Kind) -> Result<Self> {
        let attributes = build.attributes();
        let directions = match attributes.string("direction", "forward") {
            "forward" => vec![false],
            "reverse" => vec![true],
            "bidirectional" => vec![false, true],
            other => {
                return Err(Error::graph(format!(
                    "the attribute `direction` is `{other}`, expected forward, reverse or bidirectional"
                )));
            }
        };
        let defaults: &[&str] = match kind {
            Kind::Rnn => &["Tanh"],
            Kind::Gru => &["Sigmoid", "Tanh"],
            Kind::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        };
        let expected = defaults.len() * directions.len();
        let names: Vec<String> = match attributes.strings("activations") {
            Some(names) if !names.is_empty() => names.to_vec(),
            _ => defaults
                .repeat(directions.len())
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
        };
        if names.len() != expected {
            return Err(Error::graph(format!(
                "the attribute `activations` has {} names, expected {expected}",
                names.len()
            )));
        }
        let mut alphas = attributes
            .floats("activation_alpha")
            .unwrap_or_default()
            .iter();
        let mut betas = attributes
            .floats("activation_beta")
            .unwrap_or_default()
            .iter();
        let activations = names
            .iter()
            .map(|name| Activation::read(name, &mut alphas, &mut betas))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            kind,
            directions,
            activations,
            clip: attributes.optional_float("clip").map(f64::from),
            is_batch_first: attributes.flag("layout", false),
            is_input_forget: attributes.flag("input_forget", false),
            is_linear_before_reset: attributes.flag("linear_before_reset", false),
        })
    }

    /// Whether the layer has ONNX's default activations and nothing else that the kernels lack.
    pub(super) fn has_kernel(&self, has_peepholes: bool) -> bool {
        let each = self.activations.len() / self.directions.len();
        let mut directions = self.activations.chunks_exact(each);
        directions.all(|functions| match functions {
            [tanh] => tanh.is_tanh(),
            [sigmoid, tanh @ ..] => sigmoid.is_sigmoid() && tanh.iter().all(|f| f.is_tanh()),
            [] => false,
        }) && self.clip.is_none()
            && !self.is_input_forget
            && !has_peepholes
    }

    pub(super) fn cell(&self) -> Cell {
        Cell {
            kind: self.kind,
            directions: self.directions.clone(),
            is_batch_first: self.is_batch_first,
            is_linear_before_reset: self.is_linear_before_reset,
        }
    }

    fn clipped<R: Real>(&self, value: R) -> R {
        match self.clip {
            Some(clip) => value.max(R::of(-clip)).min(R::of(clip)),
            None => value,
        }
    }

    /// Computes one step of one sequence.
    fn step<R: Real>(
        &self,
        weights: &Weights<R>,
        functions: &[Activation],
        x: &[R],
        h: &mut [R],
        c: &mut [R],
    ) -> Result<()> {
        let size = h.len();
        let width = self.kind.gates() * size;
        let mut inputs = weights.input_bias.clone();
        add_product(&mut inputs, x, &weights.input, 0, width);
        let mut hiddens = weights.hidden_bias.clone();
        // With `linear_before_reset`, GRU resets the hidden gate's product instead of the state that it multiplies.
        let at_once = match self.kind {
            Kind::Gru if !self.is_linear_before_reset => 2 * size,
            _ => width,
        };
        add_product(&mut hiddens[..at_once], h, &weights.hidden, 0, width);
        let f = |at: usize, value: R| functions[at].apply(self.clipped(value));
        match self.kind {
            Kind::Rnn => {
                for at in 0..size {
                    h[at] = f(0, inputs[at] + hiddens[at]);
                }
            }
            Kind::Gru => {
                let reset: Vec<R> = (size..2 * size)
                    .map(|at| f(0, inputs[at] + hiddens[at]))
                    .collect();
                if !self.is_linear_before_reset {
                    let seen: Vec<R> = reset.iter().zip(&*h).map(|(&r, &h)| r * h).collect();
                    add_product(
                        &mut hiddens[2 * size..],
                        &seen,
                        &weights.hidden,
                        2 * size,
                        width,
                    );
                }
                for at in 0..size {
                    let z = f(0, inputs[at] + hiddens[at]);
                    let hidden = hiddens[2 * size + at];
                    let hidden = if self.is_linear_before_reset {
                        reset[at] * hidden
                    } else {
                        hidden
                    };
                    let new = f(1, inputs[2 * size + at] + hidden);
                    h[at] = (R::one() - z) * new + z * h[at];
                }
            }
            Kind::Lstm => {
                let p = &weights.peepholes;
                for at in 0..size {
                    let gate = |gate: usize| inputs[gate * size + at] + hiddens[gate * size + at];
                    let i = f(0, gate(0) + p[at] * c[at]);
                    let forget = match self.is_input_forget {
                        true => R::one() - i,
                        false => f(0, gate(2) + p[2 * size + at] * c[at]),
                    };
                    c[at] = forget * c[at] + i * f(1, gate(3));
                    let o = f(0, gate(1) + p[size + at] * c[at]);
                    h[at] = o * functions[2].apply(c[at]);
                }
            }
        }
        Ok(())
    }

    fn compute<R: Real>(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>> {
        let datatype = common_datatype(inputs, &[1, 2, 3])?;
        let (x, w, r) = (
            inputs.required(0)?,
            inputs.required(1)?,
            inputs.required(2)?,
        );
        let directions = self.directions.len();
        let sizes = checked(&self.cell(), inputs, (w.shape(), r.shape()))?;
        let Sizes {
            steps,
            batch,
            features,
            size,
            ..
        } = sizes;
        let width = self.kind.gates() * size;
        let (shape, state) = (sizes.output(), sizes.state());
        let mut y = filled(element_count(&shape)?, R::zero())?;
        let initial = |position: usize| -> Result<Vec<R>> {
            match inputs.get(position) {
                Some(tensor) => Ok(reals::<R>(tensor)?.into_owned()),
                None => filled(element_count(&state)?, R::zero()),
            }
        };
        let is_lstm = self.kind == Kind::Lstm;
        let mut hidden = initial(5)?;
        let mut cells = if is_lstm {
            initial(6)?
        } else {
            filled(hidden.len(), R::zero())?
        };
        let (x, w, r) = (reals::<R>(x)?, reals::<R>(w)?, reals::<R>(r)?);
        let bias = inputs.get(3).map(reals::<R>).transpose()?;
        let peepholes = inputs
            .get(7)
            .filter(|_| is_lstm)
            .map(reals::<R>)
            .transpose()?;
        for (direction, &reversed) in self.directions.iter().enumerate() {
            let part = |all: Option<&[R]>, from: usize, count: usize| match all {
                Some(all) => Ok(all[from..from + count].to_vec()),
                None => filled(count, R::zero()),
            };
            let weights = Weights {
                input: transposed(
                    &w[direction * width * features..][..width * features],
                    width,
                    features,
                )?,
                hidden: transposed(&r[direction * width * size..][..width * size], width, size)?,
                input_bias: part(bias.as_deref(), direction * 2 * width, width)?,
                hidden_bias: part(bias.as_deref(), direction * 2 * width + width, width)?,
                peepholes: part(peepholes.as_deref(), direction * 3 * size, 3 * size)?,
            };
            let each = self.activations.len() / directions;
            let functions = &self.activations[direction * each..][..each];
            for (sequence, &length) in sizes.lengths.iter().enumerate() {
                let at = sizes.state_row(direction, sequence) * size;
                let h = &mut hidden[at..at + size];
                let c = &mut cells[at..at + size];
                if sizes.is_empty(sequence) {
                    h.fill(R::zero());
                    c.fill(R::zero());
                }
                for step in 0..length {
                    let step = if reversed { length - 1 - step } else { step };
                    let from = match self.is_batch_first {
                        true => sequence * steps + step,
                        false => step * batch + sequence,
                    };
                    let to = sizes.output_row(direction, step, sequence);
                    let x = &x[from * features..][..features];
                    self.step(&weights, functions, x, h, c)?;
                    y[to * size..][..size].copy_from_slice(h);
                }
            }
        }
        let mut outputs = vec![
            rounded(shape, y, datatype)?,
            rounded(state.to_vec(), hidden, datatype)?,
        ];
        if is_lstm {
            outputs.push(rounded(state.to_vec(), cells, datatype)?);
        }
        Ok(outputs)
    }
}

impl Operator for Recurrent {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let datatype = common_datatype(&inputs, &[1, 2, 3])?;
        if datatype == Datatype::Fp32 && self.has_kernel(inputs.get(7).is_some()) {
            let (w, r) = (inputs.required(1)?, inputs.required(2)?);
            if let Some(packed) = PackedRecurrent::of(self.cell(), w, r, inputs.get(3))? {
                return packed.run(inputs);
            }
        }
        in_real!(inputs.required(0)?.datatype(), R => self.compute::<R>(&inputs))
    }
}
