//! The packed weights of a recurrent layer's gates, and their products.

use std::ops::Range;

use infer_kernels::gemm::{Clamp, Packed, gemm};
use infer_kernels::quantization::DynamicParams;
use infer_kernels::quantized::{QuantizedMatrix, QuantizedRows};

use super::quantized::of;
use crate::buffer_pool::{give, scratch};
use crate::error::Result;
use crate::tensor::{Tensor, element_count, too_large};

/// Values in a vector.
const LANES: usize = 4;
/// The kernel for a single row computes as many columns at a time.
const COLUMNS: usize = 32;

/// The weights of some gates, packed: those of the inputs with the bias, and those of the state.
pub(super) struct Gates {
    input: Matrix,
    hidden: Matrix,
}

/// A packed matrix.
enum Matrix {
    /// FP32, with the bias of each column.
    Real(Packed),
    /// INT8 or UINT8, with the scale and the bias of each column.
    Quantized {
        matrix: QuantizedMatrix,
        scales: Vec<f32>,
        bias: Option<Vec<f32>>,
    },
}

impl Matrix {
    fn columns(&self) -> usize {
        match self {
            Self::Real(packed) => packed.n(),
            Self::Quantized { matrix, .. } => matrix.n(),
        }
    }

    /// Multiplies rows, and adds the bias and `added`. A quantized matrix needs `params`, with which the rows are
    /// quantized, or finds its own; it has no bias if there is something to add.
    fn multiply(
        &self,
        rows: usize,
        x: &[f32],
        params: Option<DynamicParams>,
        added: Option<&[f32]>,
        (bytes, factors): (&mut [u8], &mut [f32]),
        to: &mut [f32],
    ) {
        match self {
            Self::Real(packed) => gemm(rows, x, packed, added, Clamp::NONE, to),
            Self::Quantized {
                matrix,
                scales,
                bias,
            } => {
                let params = params.unwrap_or_else(|| DynamicParams::of(x));
                let bytes = &mut bytes[..x.len()];
                params.quantize(x, bytes);
                for (factor, scale) in factors.iter_mut().zip(scales) {
                    *factor = params.scale * scale;
                }
                let zeros = &[params.zero.into()];
                let rows = QuantizedRows { bytes, zeros };
                matrix.multiply_scaled(rows, factors, added.or(bias.as_deref()), to);
            }
        }
    }
}

/// The distance between the sums of two gates: a multiple of a vector, so that the kernels load whole ones.
pub(super) fn stride(size: usize) -> usize {
    size.next_multiple_of(LANES)
}

/// The place of columns: gates of `size` units each, with padding.
struct Columns {
    gates: Range<usize>,
    size: usize,
    stride: usize,
}

impl Columns {
    fn new(gates: Range<usize>, size: usize) -> Self {
        let stride = stride(size);
        Self {
            gates,
            size,
            stride,
        }
    }

    fn count(&self) -> usize {
        (self.gates.len() * self.stride).next_multiple_of(COLUMNS)
    }

    /// The place of a column among those of all gates without padding; `None` for padding.
    fn place(&self, column: usize) -> Option<usize> {
        let (gate, unit) = (
            self.gates.start + column / self.stride,
            column % self.stride,
        );
        (gate < self.gates.end && unit < self.size).then_some(gate * self.size + unit)
    }
}

impl Gates {
    /// Packs gates of one direction. The biases of the state's weights become part of the input's, or stay apart.
    pub(super) fn pack(
        weights: &Weights<'_>,
        gates: Range<usize>,
        has_own_bias: bool,
    ) -> Result<Self> {
        let Weights {
            w,
            r,
            bias,
            features,
            size,
        } = *weights;
        let columns = Columns::new(gates, size);
        let n = columns.count();
        let weight = |matrix: &[f32], width: usize, k: usize, column: usize| {
            columns
                .place(column)
                .map_or(0.0, |row| matrix[row * width + k])
        };
        let half = bias.map_or(0, |bias| bias.len() / 2);
        let biases = |column: usize| {
            let of = bias.zip(columns.place(column));
            of.map_or([0.0; 2], |(bias, row)| [bias[row], bias[half + row]])
        };
        let input_bias = |column| match (biases(column), has_own_bias) {
            ([input, _], true) => input,
            ([input, hidden], false) => input + hidden,
        };
        let hidden_bias = |column| if has_own_bias { biases(column)[1] } else { 0.0 };
        let input = Packed::try_new(features, n, |k, n| weight(w, features, k, n), input_bias);
        let hidden = Packed::try_new(size, n, |k, n| weight(r, size, k, n), hidden_bias);
        Ok(Self {
            input: Matrix::Real(input.map_err(|_| too_large(&[features, n]))?),
            hidden: Matrix::Real(hidden.map_err(|_| too_large(&[size, n]))?),
        })
    }

    /// Packs all gates of one direction with quantized weights. `bias` has that of the inputs, then that of the states.
    /// `None` if the kernels do not take the weights' size.
    pub(super) fn quantized(
        [input, hidden]: [&QuantizedWeights<'_>; 2],
        bias: Option<&[f32]>,
        size: usize,
    ) -> Option<Self> {
        let columns = Columns::new(0..input.columns / size, size);
        let n = columns.count();
        let place = |column| columns.place(column);
        let pack = |weights: &QuantizedWeights<'_>, bias| {
            let weight =
                |k, column| place(column).map_or(0, |at| weights.at(k * weights.columns + at));
            let zero = |column| place(column).map_or(0, |at| weights.zero(at));
            let scale = |column| place(column).map_or(0.0, |at| of(weights.scales, at));
            Some(Matrix::Quantized {
                matrix: QuantizedMatrix::new(weights.rows, n, weight, zero)?,
                scales: (0..n).map(scale).collect(),
                bias,
            })
        };
        let bias = bias.map(|bias| {
            let (input, hidden) = bias.split_at(bias.len() / 2);
            let of = |column| place(column).map_or(0.0, |at| input[at] + hidden[at]);
            (0..n).map(of).collect()
        });
        Some(Self {
            input: pack(input, bias)?,
            hidden: pack(hidden, None)?,
        })
    }

    /// Whether the inputs and the states are quantized before they are multiplied.
    pub(super) fn is_quantized(&self) -> bool {
        matches!(self.input, Matrix::Quantized { .. })
    }
}

/// The weights of one direction, as in the file.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    pub(super) w: &'a [f32],
    pub(super) r: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) features: usize,
    pub(super) size: usize,
}

/// Quantized weights of one direction, `[rows, columns]`, with one scale and zero point, or with one for each column.
pub(super) struct QuantizedWeights<'a> {
    pub(super) bytes: Bytes<'a>,
    pub(super) scales: &'a [f32],
    pub(super) zeros: &'a [i32],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// INT8 or UINT8 weights.
#[derive(Clone, Copy)]
pub(super) enum Bytes<'a> {
    /// INT8.
    Signed(&'a [i8]),
    /// UINT8, which is packed as INT8: weights and zero points are smaller by 128.
    Unsigned(&'a [u8]),
}

impl QuantizedWeights<'_> {
    fn at(&self, at: usize) -> i8 {
        match self.bytes {
            Bytes::Signed(values) => values[at],
            Bytes::Unsigned(values) => (values[at] ^ 0x80).cast_signed(),
        }
    }

    fn zero(&self, column: usize) -> i32 {
        let offset = match self.bytes {
            Bytes::Signed(_) => 0,
            Bytes::Unsigned(_) => 128,
        };
        of(self.zeros, column) - offset
    }
}

/// The sums of some gates.
pub(super) struct Sums<'a> {
    gates: &'a Gates,
    /// The inputs' part, for some steps: `[steps, batch, columns]`.
    inputs: Vec<f32>,
    /// The sums of one step: `[batch, columns]`.
    pub(super) step: Vec<f32>,
    /// Rows and factors of quantized products.
    bytes: Vec<u8>,
    factors: Vec<f32>,
}

impl<'a> Sums<'a> {
    /// Sums for a batch, and for the inputs' part of so many steps. `width` is the larger of the numbers of features and of
    /// units.
    pub(super) fn new(gates: &'a Gates, batch: usize, steps: usize, width: usize) -> Result<Self> {
        let n = gates.input.columns();
        let mut sums = Self {
            gates,
            inputs: scratch(element_count(&[steps, batch, n])?)?,
            step: scratch(element_count(&[batch, n])?)?,
            bytes: Vec::new(),
            factors: Vec::new(),
        };
        if gates.is_quantized() {
            sums.bytes = scratch(element_count(&[steps, batch, width])?)?;
            sums.factors = scratch(n)?;
        }
        Ok(sums)
    }

    pub(super) fn columns(&self) -> usize {
        self.gates.input.columns()
    }

    /// Multiplies the inputs of some steps; quantized weights need the inputs' quantization.
    pub(super) fn multiply_inputs(
        &mut self,
        rows: usize,
        x: &[f32],
        params: Option<DynamicParams>,
    ) {
        let inputs = &mut self.inputs[..rows * self.gates.input.columns()];
        let work = (&mut self.bytes[..], &mut self.factors[..]);
        let weights = &self.gates.input;
        weights.multiply(rows, x, params, None, work, inputs);
    }

    /// The inputs' part of a step.
    pub(super) fn inputs(&self, step: usize) -> &[f32] {
        &self.inputs[step * self.step.len()..][..self.step.len()]
    }

    /// Multiplies the states, and adds the inputs' part of a step.
    pub(super) fn multiply_states(&mut self, batch: usize, states: &[f32], step: Option<usize>) {
        let count = self.step.len();
        let inputs = step.map(|step| &self.inputs[step * count..][..count]);
        let work = (&mut self.bytes[..], &mut self.factors[..]);
        let weights = &self.gates.hidden;
        weights.multiply(batch, states, None, inputs, work, &mut self.step);
    }

    /// Returns the memory to the buffer pool.
    pub(super) fn give(self) {
        for buffer in [self.inputs, self.step, self.factors] {
            give(Tensor::vector(buffer));
        }
        give(Tensor::vector(self.bytes));
    }
}
