//! DynamicQuantizeLSTM: an LSTM with quantized weights, whose inputs and states are quantized by their range before each
//! product. (ONNX Runtime's documentation of contributed operators.)

use super::entry::{OperatorEntry, boxed, microsoft};
use super::packed_recurrent::{Direction, PackedRecurrent};
use super::quantize::integers;
use super::recurrent::Recurrent;
use super::recurrent_gates::{Bytes, Gates, QuantizedWeights};
use super::recurrent_sizes::{Cell, Kind};
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Data, Tensor};

pub(super) const OPERATORS: &[OperatorEntry] =
    &[microsoft("DynamicQuantizeLSTM", dynamic_quantize_lstm)];

/// The positions of weights: the matrix, its scale and its zero point.
const POSITIONS: [[usize; 3]; 2] = [[1, 8, 9], [2, 10, 11]];
/// The number of gates.
const GATES: usize = 4;

fn dynamic_quantize_lstm(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let recurrent = Recurrent::read(build, Kind::Lstm)?;
    if !recurrent.has_kernel(build.has_input(7)) {
        return Err(Error::unsupported(
            "activations other than Sigmoid, Tanh and Tanh, peepholes and the attributes `clip` and `input_forget` are not \
             supported",
        ));
    }
    let cell = recurrent.cell();
    let present: Vec<usize> = (POSITIONS.into_iter().flatten().chain([3]))
        .filter(|&at| build.has_input(at))
        .collect();
    let mut packed = None;
    if present.iter().all(|&at| build.constant(at).is_some()) {
        // Weights that do not fit are an error when the operator runs.
        packed = pack(&cell, |at| build.constant(at)).ok();
    }
    if packed.is_some() {
        build.consumed = present;
    }
    boxed(DynamicQuantizeLstm { cell, packed })
}

/// DynamicQuantizeLSTM: the inputs and outputs are those of ONNX's LSTM, but weights are INT8 or UINT8,
/// `[directions, features, 4 * size]` and `[directions, size, 4 * size]`. Their scales and zero points are `[directions]` or
/// `[directions, 4 * size]`. All else is FP32.
struct DynamicQuantizeLstm {
    cell: Cell,
    packed: Option<PackedRecurrent>,
}

impl Operator for DynamicQuantizeLstm {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        match &self.packed {
            Some(packed) => packed.run(inputs),
            None => pack(&self.cell, |at| inputs.get(at))?.run(inputs),
        }
    }
}

/// Weights of all directions.
struct Quantized<'a> {
    tensor: &'a Tensor,
    scales: &'a [f32],
    zeros: Vec<i32>,
}

impl<'a> Quantized<'a> {
    /// Reads weights `[directions, rows, columns]`; rows are as many as there are.
    fn read(
        [at, scale_at, zero_at]: [usize; 3],
        input: &impl Fn(usize) -> Option<&'a Tensor>,
        [directions, columns]: [usize; 2],
    ) -> Result<Self> {
        let tensor = required(at, input)?;
        let &[count, rows, width] = tensor.shape() else {
            return Err(wrong(at, tensor, &[directions, 1, columns]));
        };
        if [count, width] != [directions, columns] {
            return Err(wrong(at, tensor, &[directions, rows, columns]));
        }
        let scale = required(scale_at, input)?;
        let fits = |tensor: &Tensor| {
            tensor.shape() == [directions] || tensor.shape() == [directions, columns]
        };
        if !fits(scale) {
            return Err(wrong(scale_at, scale, &[directions, columns]));
        }
        let zeros = match input(zero_at) {
            None => vec![0; directions],
            Some(zero) if zero.datatype() != tensor.datatype() => {
                return Err(Error::input(format!(
                    "the zero point is {}, expected {} as the weights",
                    zero.datatype(),
                    tensor.datatype()
                )));
            }
            Some(zero) if fits(zero) => integers(zero)?,
            Some(zero) => return Err(wrong(zero_at, zero, &[directions, columns])),
        };
        Ok(Self {
            tensor,
            scales: scale.elements()?,
            zeros,
        })
    }

    fn rows(&self) -> usize {
        self.tensor.shape()[1]
    }

    /// The weights of one direction.
    fn direction(&self, at: usize) -> Result<QuantizedWeights<'_>> {
        let &[directions, rows, columns] = self.tensor.shape() else {
            return Err(Error::graph("weights have no three axes"));
        };
        let own = at * rows * columns..(at + 1) * rows * columns;
        let scales = self.scales.len() / directions;
        let zeros = self.zeros.len() / directions;
        Ok(QuantizedWeights {
            bytes: match self.tensor.data() {
                Data::I8(values) => Bytes::Signed(&values[own]),
                Data::U8(values) => Bytes::Unsigned(&values[own]),
                other => {
                    return Err(Error::unsupported(format!(
                        "expected INT8 or UINT8, got {}",
                        other.datatype()
                    )));
                }
            },
            scales: &self.scales[at * scales..][..scales],
            zeros: &self.zeros[at * zeros..][..zeros],
            rows,
            columns,
        })
    }
}

fn required<'a>(at: usize, input: &impl Fn(usize) -> Option<&'a Tensor>) -> Result<&'a Tensor> {
    input(at).ok_or_else(|| Error::graph(format!("input {at} is missing")))
}

fn wrong(at: usize, tensor: &Tensor, expected: &[usize]) -> Error {
    Error::input(format!(
        "input {at} has the shape {:?}, expected {expected:?}",
        tensor.shape()
    ))
}

/// Packs the weights among the inputs.
///
/// # Errors
/// `Input` for shapes and zero points that do not match, `Unsupported` for other datatypes than INT8 and UINT8 and for sizes
/// that the kernels do not take, `Graph` for missing inputs.
fn pack<'a>(cell: &Cell, input: impl Fn(usize) -> Option<&'a Tensor>) -> Result<PackedRecurrent> {
    let count = cell.directions.len();
    let r = required(2, &input)?;
    let &[_, size, _] = r.shape() else {
        return Err(wrong(2, r, &[count, 1, GATES]));
    };
    let width = GATES
        .checked_mul(size)
        .filter(|&width| width > 0 && width <= usize::MAX / 2)
        .ok_or_else(|| wrong(2, r, &[count, 1, GATES]))?;
    let [w, r] = POSITIONS.map(|positions| Quantized::read(positions, &input, [count, width]));
    let (w, r) = (w?, r?);
    let bias = input(3).map(|bias| match bias.shape() == [count, 2 * width] {
        true => bias.elements::<f32>(),
        false => Err(wrong(3, bias, &[count, 2 * width])),
    });
    let bias = bias.transpose()?;
    let mut directions = Vec::new();
    for at in 0..count {
        let bias = bias.map(|bias| &bias[at * 2 * width..][..2 * width]);
        let weights = [&w.direction(at)?, &r.direction(at)?];
        let gates = Gates::quantized(weights, bias, size).ok_or_else(|| {
            Error::unsupported(format!(
                "weights of {} features and {size} units are not supported, expected 1 to 32768",
                w.rows()
            ))
        })?;
        directions.push(Direction {
            gates,
            candidate: None,
        });
    }
    Ok(PackedRecurrent {
        cell: cell.clone(),
        directions,
        shapes: [[count, width, w.rows()], [count, width, size]],
    })
}
