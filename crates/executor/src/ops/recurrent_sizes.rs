//! What defines a recurrent layer, and the sizes of its inputs, checked.

use crate::error::{Error, Result};
use crate::operator::Inputs;
use crate::tensor::{Tensor, filled};

/// The kind of a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rnn,
    Gru,
    Lstm,
}

impl Kind {
    /// The number of gates.
    pub(super) fn gates(self) -> usize {
        match self {
            Self::Rnn => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }
}

/// The attributes that packed layers have.
#[derive(Clone)]
pub(super) struct Cell {
    pub(super) kind: Kind,
    /// Whether each direction is reversed.
    pub(super) directions: Vec<bool>,
    pub(super) is_batch_first: bool,
    pub(super) is_linear_before_reset: bool,
}

/// The sizes of a recurrent layer and its inputs.
pub(super) struct Sizes {
    pub(super) directions: usize,
    pub(super) steps: usize,
    pub(super) batch: usize,
    pub(super) features: usize,
    /// The number of hidden units, not zero.
    pub(super) size: usize,
    /// The number of steps of each sequence, at most `steps`.
    pub(super) lengths: Vec<usize>,
    pub(super) is_batch_first: bool,
}

impl Sizes {
    /// The shape of the output of all steps.
    pub(super) fn output(&self) -> Vec<usize> {
        match self.is_batch_first {
            true => vec![self.batch, self.steps, self.directions, self.size],
            false => vec![self.steps, self.directions, self.batch, self.size],
        }
    }

    /// The shape of the state, before the first and after the last step.
    pub(super) fn state(&self) -> [usize; 3] {
        match self.is_batch_first {
            true => [self.batch, self.directions, self.size],
            false => [self.directions, self.batch, self.size],
        }
    }

    /// Whether a sequence ends before the first step of a batch that has steps. ONNX Runtime's last states are then zero,
    /// whatever the initial ones.
    pub(super) fn is_empty(&self, sequence: usize) -> bool {
        self.steps > 0 && self.lengths[sequence] == 0
    }

    /// The row of a step of a sequence in the output of all steps.
    pub(super) fn output_row(&self, direction: usize, step: usize, sequence: usize) -> usize {
        match self.is_batch_first {
            true => (sequence * self.steps + step) * self.directions + direction,
            false => (step * self.directions + direction) * self.batch + sequence,
        }
    }

    /// The row of a sequence in the state.
    pub(super) fn state_row(&self, direction: usize, sequence: usize) -> usize {
        match self.is_batch_first {
            true => sequence * self.directions + direction,
            false => direction * self.batch + sequence,
        }
    }
}

fn expect(name: &str, actual: Option<&[usize]>, expected: &[usize]) -> Result<()> {
    match actual {
        Some(shape) if shape != expected => Err(Error::input(format!(
            "the {name} have the shape {shape:?}, expected {expected:?}"
        ))),
        _ => Ok(()),
    }
}

/// Checks the inputs of a layer, which are at ONNX's positions, against weights `[directions, gates * size, features]` and
/// recurrence weights `[directions, gates * size, size]`.
///
/// # Errors
/// `Input` for shapes that do not match and for sequence lengths out of range, `Memory`.
pub(super) fn checked(
    cell: &Cell,
    inputs: &Inputs<'_>,
    (w, r): (&[usize], &[usize]),
) -> Result<Sizes> {
    let (gates, directions) = (cell.kind.gates(), cell.directions.len());
    let x = inputs.required(0)?.shape();
    let (&[a, b, features], &[.., size]) = (x, r) else {
        return Err(Error::input(format!(
            "expected sequences with 3 axes, got the shape {x:?}"
        )));
    };
    let (steps, batch) = match cell.is_batch_first {
        true => (b, a),
        false => (a, b),
    };
    let width = gates
        .checked_mul(size)
        .filter(|width| *width <= usize::MAX / 2);
    let width = width.ok_or_else(|| Error::input("the state does not fit into memory"))?;
    let shape = |position: usize| inputs.get(position).map(Tensor::shape);
    expect("weights", Some(w), &[directions, width, features])?;
    expect("recurrence weights", Some(r), &[directions, width, size])?;
    expect("biases", shape(3), &[directions, 2 * width])?;
    expect("peepholes", shape(7), &[directions, 3 * size])?;
    let mut sizes = Sizes {
        directions,
        steps,
        batch,
        features,
        size,
        lengths: Vec::new(),
        is_batch_first: cell.is_batch_first,
    };
    let state = sizes.state();
    expect("initial states", shape(5), &state)?;
    expect("initial cells", shape(6), &state)?;
    sizes.lengths = match inputs.get(4) {
        None => filled(batch, steps)?,
        Some(lengths) => {
            expect("sequence lengths", Some(lengths.shape()), &[batch])?;
            let lengths = lengths.to_i64()?;
            let found = lengths.iter().map(|&length| {
                usize::try_from(length)
                    .ok()
                    .filter(|&length| length <= steps)
            });
            found.collect::<Option<_>>().ok_or_else(|| {
                Error::input(format!(
                    "the sequence lengths are {lengths:?}, expected 0 to {steps}"
                ))
            })?
        }
    };
    match size {
        0 => Err(Error::input(
            "the number of hidden units is 0, expected at least 1",
        )),
        _ => Ok(sizes),
    }
}
