//! ONNX Runtime's quantized operators that compute on dequantized values: each input is dequantized to FP32, the operator of
//! ONNX's own set is computed, and its output is quantized. (ONNX Runtime's documentation of contributed operators.)

use super::composite::{ChannelsLast, inner, run};
use super::entry::{OperatorEntry, boxed, microsoft};
use super::quantize::{integers, nearest, saturated};
use super::quantized::{of, scales, zeros};
use super::{activation, logic, pooling, slice};
use crate::error::{Error, Result};
use crate::index;
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Tensor, element_count, filled, with_room};
use infer_tensor::Datatype;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    microsoft("QLinearAveragePool", |build| {
        let operator = unary(build, pooling::OPERATORS, "AveragePool", 19)?;
        Ok(ChannelsLast::of(operator, build.attributes()))
    }),
    microsoft("QLinearConcat", |build| {
        let inputs = build.input_count();
        if inputs < 5 || !(inputs - 2).is_multiple_of(3) {
            return Err(Error::graph(format!(
                "there are {inputs} inputs, expected 2, and 3 for each tensor"
            )));
        }
        boxed(QLinearConcat(inner(
            slice::OPERATORS,
            "Concat",
            13,
            build.attributes(),
            (inputs - 2) / 3,
        )?))
    }),
    microsoft("QLinearLeakyRelu", |build| {
        unary(build, activation::OPERATORS, "LeakyRelu", 16)
    }),
    microsoft("QLinearSigmoid", |build| {
        unary(build, activation::OPERATORS, "Sigmoid", 13)
    }),
    microsoft("QLinearSoftmax", qlinear_softmax),
    microsoft("QLinearWhere", |build| {
        boxed(QLinearWhere(inner(
            logic::OPERATORS,
            "Where",
            16,
            build.attributes(),
            3,
        )?))
    }),
];

/// Dequantizes an input with per-tensor parameters.
fn dequantized(inputs: &Inputs<'_>, [x, scale, zero]: [usize; 3]) -> Result<Tensor> {
    let input = inputs.required(x)?;
    let scale = of(&scales(inputs, scale, 1)?, 0) as f32;
    let zero = of(&zeros(inputs, zero, 1)?, 0);
    let values = integers(input)?;
    let mut result: Vec<f32> = with_room(values.len())?;
    result.extend(
        values
            .iter()
            .map(|value| value.wrapping_sub(zero) as f32 * scale),
    );
    Tensor::of(input.shape(), result)
}

/// Quantizes a tensor with per-tensor parameters.
fn quantized(
    tensor: &Tensor,
    inputs: &Inputs<'_>,
    [scale, zero]: [usize; 2],
    datatype: Datatype,
) -> Result<Tensor> {
    let scale = of(&scales(inputs, scale, 1)?, 0) as f32;
    let zero = of(&zeros(inputs, zero, 1)?, 0);
    let values = tensor.elements::<f32>()?;
    let mut result = with_room(values.len())?;
    let each = values.iter();
    result.extend(each.map(|&value| nearest(value / scale).saturating_add(zero.into())));
    saturated(tensor.shape().to_vec(), &result, datatype)
}

fn unary(
    build: &Build<'_>,
    rows: &'static [OperatorEntry],
    name: &str,
    opset: i64,
) -> Result<Box<dyn Operator>> {
    boxed(QLinearUnary(inner(
        rows,
        name,
        opset,
        build.attributes(),
        1,
    )?))
}

/// An operator of one tensor. The inputs are INT8 or UINT8 of the shapes that the operator takes, its scale and its zero
/// point, and those of the output, which has the input's datatype.
struct QLinearUnary(Box<dyn Operator>);

impl Operator for QLinearUnary {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let datatype = inputs.required(0)?.datatype();
        let input = dequantized(&inputs, [0, 1, 2])?;
        let output = run(&*self.0, vec![Some(input)])?;
        Ok(vec![quantized(&output, &inputs, [3, 4], datatype)?])
    }
}

/// QLinearConcat: the inputs are the output's scale and zero point, then each tensor, its scale and its zero point. The
/// tensors are INT8 or UINT8, as is the output.
struct QLinearConcat(Box<dyn Operator>);

impl Operator for QLinearConcat {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let datatype = inputs.required(2)?.datatype();
        let tensors = (2..inputs.len())
            .step_by(3)
            .map(|at| dequantized(&inputs, [at, at + 1, at + 2]).map(Some))
            .collect::<Result<Vec<_>>>()?;
        let output = run(&*self.0, tensors)?;
        Ok(vec![quantized(&output, &inputs, [0, 1], datatype)?])
    }
}

/// QLinearWhere: elements of one INT8 or UINT8 tensor or another, by a BOOL tensor. The inputs are the condition, two tensors
/// with scale and zero point, and those of the output.
struct QLinearWhere(Box<dyn Operator>);

impl Operator for QLinearWhere {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let datatype = inputs.required(1)?.datatype();
        let condition = inputs.required(0)?.clone();
        let (x, y) = (
            dequantized(&inputs, [1, 2, 3])?,
            dequantized(&inputs, [4, 5, 6])?,
        );
        let output = run(&*self.0, vec![Some(condition), Some(x), Some(y)])?;
        Ok(vec![quantized(&output, &inputs, [7, 8], datatype)?])
    }
}

fn qlinear_softmax(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let opset = attributes.required_int("opset")?;
    if opset < 1 {
        return Err(Error::graph(format!(
            "the attribute `opset` is {opset}, expected at least 1"
        )));
    }
    let is_flat = opset < 13;
    boxed(QLinearSoftmax {
        axis: attributes.int("axis", if is_flat { 1 } else { -1 }),
        is_flat,
    })
}

/// QLinearSoftmax: softmax of an INT8 or UINT8 tensor over an axis, quantized to the same datatype. The inputs are those of
/// the other operators of one tensor.
///
/// As in ONNX Runtime, the powers of e are FP32, scaled to a sum that FP32 can represent, and the output's scale counts as
/// one over a whole number. Values that round up to more than the datatype's largest are saturated.
struct QLinearSoftmax {
    axis: i64,
    /// Whether the axes after `axis` are reduced too, as Softmax does before version 13.
    is_flat: bool,
}

impl Operator for QLinearSoftmax {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let shape = input.shape();
        let values = integers(input)?;
        let axis = index::axis(self.axis, shape.len())?;
        let (count, step) = match self.is_flat {
            true => (element_count(&shape[axis..])?, 1),
            false => (shape[axis], element_count(&shape[axis + 1..])?),
        };
        let scale = of(&scales(&inputs, 1, 1)?, 0);
        let factor = (1.0 / of(&scales(&inputs, 3, 1)?, 0) as f32).floor();
        let zero = i64::from(of(&zeros(&inputs, 4, 1)?, 0));
        let mut result = filled(values.len(), zero)?;
        if values.is_empty() {
            return Ok(vec![saturated(shape.to_vec(), &result, input.datatype())?]);
        }
        // The largest value becomes e to this power; 5 leaves room for the factor.
        let most = f64::from((f32::MAX / count as f32).ln()) - 5.0;
        let shift = most.max(0.0) / scale;
        let mut powers: Vec<f32> = with_room(256)?;
        powers.extend((0..256).map(|below| ((shift - f64::from(below)) * scale).exp() as f32));
        let power = |value: i32, most: i32| {
            let below = usize::try_from(most.wrapping_sub(value)).unwrap_or(usize::MAX);
            powers.get(below).copied().unwrap_or(0.0)
        };
        for start in 0..values.len() / count {
            let first = start / step * step * count + start % step;
            let places = || (first..).step_by(step).take(count);
            let most = places().map(|at| values[at]).max().unwrap_or(0);
            let sum: f32 = places().map(|at| power(values[at], most)).sum();
            for at in places() {
                let share = power(values[at], most) * factor / sum;
                result[at] = nearest(share).saturating_add(zero);
            }
        }
        Ok(vec![saturated(shape.to_vec(), &result, input.datatype())?])
    }
}
