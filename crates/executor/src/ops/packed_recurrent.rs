//! RNN, GRU and LSTM in FP32 with ONNX's default activations, with packed weights, which may be quantized.
//!
//! The product of the inputs is computed for many steps at once. Each step then multiplies the states of the whole batch
//! by the recurrence weights, and adds the inputs' part.

use infer_kernels::quantization::DynamicParams;
use infer_kernels::recurrent;

use super::recurrent_gates::{Gates, Sums, Weights, stride};
use super::recurrent_sizes::{Cell, Kind, Sizes, checked};
use crate::buffer_pool::{give, scratch};
use crate::error::{Error, Result};
use crate::operator::{Inputs, Operator};
use crate::real::reals;
use crate::tensor::{Tensor, element_count, filled};

/// Rows of inputs that are multiplied at a time: enough for the packed weights to be read rarely, and few enough that
/// the results stay in the cache.
const ROWS: usize = 64;

/// The packed weights of one direction.
pub(super) struct Direction {
    /// All gates; without the hidden gate for GRU.
    pub(super) gates: Gates,
    /// GRU's hidden gate, whose product needs the reset gate first, or is reset itself.
    pub(super) candidate: Option<Gates>,
}

/// RNN, GRU and LSTM with packed weights. Inputs are those of ONNX, in FP32, but for weights and biases.
pub(super) struct PackedRecurrent {
    pub(super) cell: Cell,
    pub(super) directions: Vec<Direction>,
    /// The shapes of the weights, `[directions, gates * size, features]` and `[directions, gates * size, size]`.
    pub(super) shapes: [[usize; 3]; 2],
}

impl PackedRecurrent {
    /// Packs weights `[directions, gates * size, features]`, recurrence weights `[directions, gates * size, size]` and
    /// biases `[directions, 2 * gates * size]`. `None` for other shapes and datatypes than FP32.
    ///
    /// # Errors
    /// `Memory`.
    pub(super) fn of(
        cell: Cell,
        w: &Tensor,
        r: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Option<Self>> {
        let (count, gates) = (cell.directions.len(), cell.kind.gates());
        let (&[_, width, features], &[.., size]) = (w.shape(), r.shape()) else {
            return Ok(None);
        };
        let fits = size > 0
            && size.checked_mul(gates) == Some(width)
            && w.shape() == [count, width, features]
            && r.shape() == [count, width, size]
            && bias.is_none_or(|bias| bias.shape() == [count, 2 * width]);
        let (Ok(w), Ok(r), true) = (w.elements::<f32>(), r.elements::<f32>(), fits) else {
            return Ok(None);
        };
        let bias = match bias.map(Tensor::elements::<f32>) {
            None => None,
            Some(Ok(bias)) => Some(bias),
            Some(Err(_)) => return Ok(None),
        };
        let mut directions = Vec::new();
        for at in 0..count {
            let weights = Weights {
                w: &w[at * width * features..][..width * features],
                r: &r[at * width * size..][..width * size],
                bias: bias.map(|bias| &bias[at * 2 * width..][..2 * width]),
                features,
                size,
            };
            directions.push(match cell.kind {
                Kind::Rnn | Kind::Lstm => Direction {
                    gates: Gates::pack(&weights, 0..gates, false)?,
                    candidate: None,
                },
                Kind::Gru => Direction {
                    gates: Gates::pack(&weights, 0..2, false)?,
                    candidate: Some(Gates::pack(&weights, 2..3, cell.is_linear_before_reset)?),
                },
            });
        }
        Ok(Some(Self {
            cell,
            directions,
            shapes: [[count, width, features], [count, width, size]],
        }))
    }
}

/// One direction of a run.
struct Run<'a> {
    cell: &'a Cell,
    sizes: &'a Sizes,
    direction: usize,
    x: &'a [f32],
    /// The states `[batch, size]`.
    hidden: Vec<f32>,
    /// The cells `[batch, size]`; empty unless the layer is an LSTM.
    cells: Vec<f32>,
}

impl Run<'_> {
    /// Computes all steps of a direction into `y`.
    fn compute(&mut self, weights: &Direction, y: &mut [f32]) -> Result<()> {
        let Sizes {
            batch, features, ..
        } = *self.sizes;
        let last = self.sizes.lengths.iter().copied().max().unwrap_or(0);
        if batch == 0 || last == 0 {
            return Ok(());
        }
        let together = (ROWS / batch).clamp(1, last);
        // ONNX Runtime quantizes the inputs of all steps with the same scale, those after the longest sequence left out.
        let params = weights.gates.is_quantized().then(|| {
            let rows = match self.sizes.is_batch_first {
                true => batch * self.sizes.steps,
                false => batch * last,
            };
            DynamicParams::of(&self.x[..rows * features])
        });
        let width = features.max(self.sizes.size);
        let mut gates = Sums::new(&weights.gates, batch, together, width)?;
        let candidate = weights.candidate.as_ref();
        let mut candidate = candidate
            .map(|candidate| Sums::new(candidate, batch, together, width))
            .transpose()?;
        let mut reset = match candidate {
            Some(_) if !self.cell.is_linear_before_reset => scratch(self.hidden.len())?,
            _ => Vec::new(),
        };
        // Sequences are the outer axis: a copy has steps as the outer one.
        let is_gathered = self.sizes.is_batch_first && batch > 1;
        let mut gathered = match is_gathered {
            true => scratch(element_count(&[together, batch, features])?)?,
            false => Vec::new(),
        };
        let is_reversed = self.cell.directions[self.direction];
        let blocks = last.div_ceil(together);
        for block in 0..blocks {
            let block = if is_reversed {
                blocks - 1 - block
            } else {
                block
            };
            let first = block * together;
            let count = together.min(last - first);
            let x = match is_gathered {
                true => self.gather(first, count, &mut gathered),
                false => &self.x[first * batch * features..][..count * batch * features],
            };
            gates.multiply_inputs(count * batch, x, params);
            if let Some(candidate) = &mut candidate {
                candidate.multiply_inputs(count * batch, x, params);
            }
            for step in 0..count {
                let step = if is_reversed { count - 1 - step } else { step };
                gates.multiply_states(batch, &self.hidden, Some(step));
                if let Some(candidate) = &mut candidate {
                    self.candidate(&gates, candidate, step, &mut reset);
                }
                self.step(&gates, candidate.as_ref(), step, first + step, y);
            }
        }
        gates.give();
        candidate.into_iter().for_each(Sums::give);
        for buffer in [reset, gathered] {
            give(Tensor::vector(buffer));
        }
        Ok(())
    }

    /// Copies the inputs of `count` steps from `first` on, with steps as the outer axis.
    fn gather<'b>(&self, first: usize, count: usize, to: &'b mut [f32]) -> &'b [f32] {
        let Sizes {
            steps,
            batch,
            features,
            ..
        } = *self.sizes;
        for sequence in 0..batch {
            for step in 0..count {
                let from = (sequence * steps + first + step) * features;
                to[(step * batch + sequence) * features..][..features]
                    .copy_from_slice(&self.x[from..][..features]);
            }
        }
        &to[..count * batch * features]
    }

    /// Computes the sums of GRU's hidden gate.
    fn candidate(
        &self,
        gates: &Sums<'_>,
        candidate: &mut Sums<'_>,
        step: usize,
        reset: &mut [f32],
    ) {
        let (batch, size) = (self.sizes.batch, self.sizes.size);
        if self.cell.is_linear_before_reset {
            candidate.multiply_states(batch, &self.hidden, None);
            return;
        }
        let stride = stride(size);
        let rows = gates.step.chunks_exact(gates.columns());
        let states = self.hidden.chunks_exact(size);
        for ((sums, hidden), reset) in rows.zip(states).zip(reset.chunks_exact_mut(size)) {
            recurrent::gru_reset(&sums[stride..], hidden, reset);
        }
        candidate.multiply_states(batch, reset, Some(step));
    }

    /// Updates the states of the sequences that have this step, and writes them to `y`.
    fn step(
        &mut self,
        gates: &Sums<'_>,
        candidate: Option<&Sums<'_>>,
        in_block: usize,
        step: usize,
        y: &mut [f32],
    ) {
        let size = self.sizes.size;
        let stride = stride(size);
        for (sequence, &length) in self.sizes.lengths.iter().enumerate() {
            // A reversed sequence begins at its last step.
            if step >= length {
                continue;
            }
            let hidden = &mut self.hidden[sequence * size..][..size];
            let sums = &gates.step[sequence * gates.columns()..][..gates.columns()];
            match (self.cell.kind, candidate) {
                (Kind::Lstm, _) => {
                    let cell = &mut self.cells[sequence * size..][..size];
                    recurrent::lstm(sums, stride, cell, hidden);
                }
                (Kind::Gru, Some(candidate)) => {
                    let row = sequence * candidate.columns();
                    let states = &candidate.step[row..];
                    match self.cell.is_linear_before_reset {
                        true => {
                            let inputs = &candidate.inputs(in_block)[row..];
                            recurrent::gru(sums, stride, inputs, Some(states), hidden);
                        }
                        false => recurrent::gru(sums, stride, states, None, hidden),
                    }
                }
                _ => recurrent::rnn(sums, hidden),
            }
            let to = self.sizes.output_row(self.direction, step, sequence);
            y[to * size..][..size].copy_from_slice(hidden);
        }
    }
}

/// The rows of one direction in a state of all directions.
fn state(sizes: &Sizes, direction: usize, initial: Option<&[f32]>) -> Result<Vec<f32>> {
    let Sizes { batch, size, .. } = *sizes;
    let mut state = filled(element_count(&[batch, size])?, 0.0)?;
    if let Some(initial) = initial {
        for (sequence, state) in state.chunks_exact_mut(size).enumerate() {
            let from = sizes.state_row(direction, sequence) * size;
            state.copy_from_slice(&initial[from..][..size]);
        }
    }
    Ok(state)
}

/// Writes the rows of one direction to a state of all directions.
fn put(sizes: &Sizes, direction: usize, state: &[f32], to: &mut [f32]) {
    let size = sizes.size;
    for (sequence, state) in state.chunks_exact(size).enumerate() {
        let at = sizes.state_row(direction, sequence) * size;
        match sizes.is_empty(sequence) {
            true => to[at..][..size].fill(0.0),
            false => to[at..][..size].copy_from_slice(state),
        }
    }
}

impl Operator for PackedRecurrent {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let [w, r] = &self.shapes;
        let sizes = checked(&self.cell, &inputs, (w, r))?;
        let x = inputs.required(0)?;
        let x = x.elements::<f32>().map_err(|_| {
            Error::input(format!(
                "input 0 is {}, expected FP32 as the weights",
                x.datatype()
            ))
        })?;
        let is_lstm = self.cell.kind == Kind::Lstm;
        let count = element_count(&sizes.output())?;
        // Steps after a sequence's end stay zero.
        let mut y = match sizes.lengths.iter().all(|&length| length == sizes.steps) {
            true => scratch(count)?,
            false => filled(count, 0.0)?,
        };
        let initial = [5, 6].map(|at| inputs.get(at).map(reals::<f32>).transpose());
        let [initial_hidden, initial_cells] = initial;
        let (initial_hidden, initial_cells) = (initial_hidden?, initial_cells?);
        let count = element_count(&sizes.state())?;
        let mut hidden = filled(count, 0.0)?;
        let mut cells = filled(if is_lstm { count } else { 0 }, 0.0)?;
        for (direction, weights) in self.directions.iter().enumerate() {
            let mut run = Run {
                cell: &self.cell,
                sizes: &sizes,
                direction,
                x,
                hidden: state(&sizes, direction, initial_hidden.as_deref())?,
                cells: match is_lstm {
                    true => state(&sizes, direction, initial_cells.as_deref())?,
                    false => Vec::new(),
                },
            };
            run.compute(weights, &mut y)?;
            put(&sizes, direction, &run.hidden, &mut hidden);
            put(&sizes, direction, &run.cells, &mut cells);
        }
        let mut outputs = vec![
            Tensor::of(&sizes.output(), y)?,
            Tensor::of(&sizes.state(), hidden)?,
        ];
        if is_lstm {
            outputs.push(Tensor::of(&sizes.state(), cells)?);
        }
        Ok(outputs)
    }
}
