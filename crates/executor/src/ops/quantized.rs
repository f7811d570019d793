//! Quantized products and convolutions: INT32 sums, requantized if the output is quantized.

use std::borrow::Cow;

use super::composite::ChannelsLast;
use super::convolution::{Convolution, Plan};
use super::entry::{OperatorEntry, boxed, microsoft, onnx};
use super::quantize::{integers, nearest, saturated};
use crate::error::{Error, Result};
use crate::index;
use crate::operator::{Build, Inputs, Operator};
use crate::real::reals;
use crate::strided_copy::transposed;
use crate::tensor::{Tensor, element_count, filled, with_room};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("QLinearConv", qlinear_conv),
    onnx("QLinearMatMul", |_| boxed(QLinearMatMul)),
    microsoft("QGemm", |build| boxed(QGemm::read(build))),
    microsoft("QLinearAdd", |_| boxed(QLinearBinary(|a, b| a + b))),
    // ONNX's, for either layout of the images; the layout of the weights is ONNX's in both.
    microsoft("QLinearConv", |build| {
        Ok(ChannelsLast::of(qlinear_conv(build)?, build.attributes()))
    }),
    microsoft("QLinearGlobalAveragePool", global_average_pool),
    microsoft("QLinearMul", |_| boxed(QLinearBinary(|a, b| a * b))),
];

fn qlinear_conv(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(QLinearConv(Convolution::read(build)?))
}

fn global_average_pool(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let operator = boxed(QLinearGlobalAveragePool)?;
    Ok(ChannelsLast::of(operator, build.attributes()))
}

/// Reads a scale: per tensor, or one for each of `count` channels.
pub(super) fn scales(inputs: &Inputs<'_>, at: usize, count: usize) -> Result<Vec<f64>> {
    let found = reals::<f64>(inputs.required(at)?)?.into_owned();
    one_or_each(found, at, count)
}

pub(super) fn zeros(inputs: &Inputs<'_>, at: usize, count: usize) -> Result<Vec<i32>> {
    let found = inputs.get(at).map_or(Ok(vec![0]), integers)?;
    one_or_each(found, at, count)
}

fn one_or_each<T>(found: Vec<T>, at: usize, count: usize) -> Result<Vec<T>> {
    if found.len() == 1 || found.len() == count {
        return Ok(found);
    }
    Err(Error::input(format!(
        "input {at} has {} values, expected 1{}",
        found.len(),
        if count > 1 {
            format!(" or {count}")
        } else {
            String::new()
        }
    )))
}

/// The value at a position of a per-tensor or per-channel parameter.
pub(super) fn of<T: Copy>(all: &[T], at: usize) -> T {
    all[at % all.len()]
}

/// The INT32 sums of a convolution. The arguments are positions of the input, the weights and their zero points.
pub(super) fn convolved(
    plan: &Plan,
    inputs: &Inputs<'_>,
    (x, w, x_zero, w_zero): (usize, usize, usize, usize),
    bias: Option<&[i32]>,
) -> Result<Vec<i32>> {
    let channels = inputs.required(w)?.shape()[0];
    let x_zero = of(&zeros(inputs, x_zero, 1)?, 0);
    let w_zero = zeros(inputs, w_zero, channels)?;
    let mut input = integers(inputs.required(x)?)?;
    input
        .iter_mut()
        .for_each(|value| *value = value.wrapping_sub(x_zero));
    let mut weights = integers(inputs.required(w)?)?;
    if !weights.is_empty() {
        let each = weights.len() / channels;
        for (at, weights) in weights.chunks_exact_mut(each).enumerate() {
            weights
                .iter_mut()
                .for_each(|w| *w = w.wrapping_sub(of(&w_zero, at)));
        }
    }
    plan.run(&input, &weights, bias)
}

/// QLinearConv: a quantized convolution with a requantized output.
struct QLinearConv(Convolution);

impl Operator for QLinearConv {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let weights = inputs.required(3)?.shape();
        let plan = self.0.plan(inputs.required(0)?.shape(), weights)?;
        let channels = weights[0];
        let bias = match inputs.get(8) {
            None => None,
            Some(_) => {
                super::convolution::bias(&inputs, 8, channels)?;
                Some(inputs.elements::<i32>(8)?)
            }
        };
        let sums = convolved(&plan, &inputs, (0, 3, 2, 5), bias)?;
        let shape = plan.shape();
        let plane = element_count(&shape[2..])?;
        let (x, w, y) = (
            scales(&inputs, 1, 1)?,
            scales(&inputs, 4, channels)?,
            scales(&inputs, 6, 1)?,
        );
        let zero = i64::from(of(&zeros(&inputs, 7, 1)?, 0));
        let mut result = with_room(sums.len())?;
        for (at, &sum) in sums.iter().enumerate() {
            let factor = of(&x, 0) * of(&w, at / plane % channels) / of(&y, 0);
            result.push(nearest(f64::from(sum) * factor).saturating_add(zero));
        }
        Ok(vec![saturated(
            shape,
            &result,
            inputs.required(7)?.datatype(),
        )?])
    }
}

/// The INT32 sums of a matrix product over broadcast batches. Zero points are per tensor, or per row of the first and per
/// column of the second matrix.
pub(super) fn product(
    (a, b): (&Tensor, &Tensor),
    (a_zero, b_zero): (Option<&Tensor>, Option<&Tensor>),
) -> Result<(Vec<usize>, Vec<i32>)> {
    let wrong = || {
        Error::input(format!(
            "matrices of shapes {:?} and {:?} cannot be multiplied",
            a.shape(),
            b.shape()
        ))
    };
    let (mut left, mut right) = (a.shape().to_vec(), b.shape().to_vec());
    let (is_row, is_column) = (left.len() == 1, right.len() == 1);
    if is_row {
        left.insert(0, 1);
    }
    if is_column {
        right.push(1);
    }
    let (&[ref left_batch @ .., rows, inner], &[ref right_batch @ .., depth, columns]) =
        (&left[..], &right[..])
    else {
        return Err(wrong());
    };
    if inner != depth {
        return Err(wrong());
    }
    let batch = index::broadcast(&[left_batch, right_batch])?;
    let shifted = |tensor: &Tensor, zero: Option<&Tensor>, is_first: bool| -> Result<Vec<i32>> {
        let mut values = integers(tensor)?;
        let Some(zero) = zero else { return Ok(values) };
        let zero = integers(zero)?;
        let each = if is_first { rows } else { columns };
        if zero.len() != 1 && zero.len() != each {
            return Err(Error::unsupported(format!(
                "a zero point has {} values, expected 1 or {each}",
                zero.len()
            )));
        }
        for (at, value) in values.iter_mut().enumerate() {
            let place = if is_first {
                at / inner % rows
            } else {
                at % columns
            };
            *value = value.wrapping_sub(of(&zero, place));
        }
        Ok(values)
    };
    let mut shape = batch.clone();
    shape.extend([rows, columns]);
    let mut sums = filled(element_count(&shape)?, 0i32)?;
    if !sums.is_empty() && inner > 0 {
        let (x, y) = (shifted(a, a_zero, true)?, shifted(b, b_zero, false)?);
        let left_steps = index::broadcast_strides(left_batch, &batch);
        let right_steps = index::broadcast_strides(right_batch, &batch);
        let walk = index::Walk::new(&batch, [&left_steps, &right_steps]);
        for (sums, [left, right]) in sums.chunks_exact_mut(rows * columns).zip(walk) {
            let x = &x[left * rows * inner..][..rows * inner];
            let y = &y[right * inner * columns..][..inner * columns];
            for (sums, x) in sums.chunks_exact_mut(columns).zip(x.chunks_exact(inner)) {
                for (&x, y) in x.iter().zip(y.chunks_exact(columns)) {
                    for (sum, &y) in sums.iter_mut().zip(y) {
                        *sum = sum.wrapping_add(x.wrapping_mul(y));
                    }
                }
            }
        }
    }
    if is_column {
        shape.pop();
    }
    if is_row {
        shape.remove(batch.len());
    }
    Ok((shape, sums))
}

/// QLinearMatMul: a quantized matrix product with a requantized output.
struct QLinearMatMul;

impl Operator for QLinearMatMul {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (a, b) = (inputs.required(0)?, inputs.required(3)?);
        let (shape, sums) = product((a, b), (inputs.get(2), inputs.get(5)))?;
        let rows = if a.rank() < 2 {
            1
        } else {
            a.shape()[a.rank() - 2]
        };
        let columns = if b.rank() < 2 {
            1
        } else {
            b.shape()[b.rank() - 1]
        };
        let x = scales(&inputs, 1, rows)?;
        let w = scales(&inputs, 4, columns)?;
        let y = of(&scales(&inputs, 6, 1)?, 0);
        let zero = i64::from(of(&zeros(&inputs, 7, 1)?, 0));
        let mut result = with_room(sums.len())?;
        for (at, &sum) in sums.iter().enumerate() {
            let factor = of(&x, at / columns % rows) * of(&w, at % columns) / y;
            result.push(nearest(f64::from(sum) * factor).saturating_add(zero));
        }
        Ok(vec![saturated(
            shape,
            &result,
            inputs.required(7)?.datatype(),
        )?])
    }
}

/// ONNX Runtime's QGemm: the product of two quantized matrices plus a bias, which has the product's scale. The output is
/// requantized if it has a zero point, FP32 otherwise.
struct QGemm {
    alpha: f64,
    transposes: [bool; 2],
}

impl QGemm {
    fn read(build: &Build<'_>) -> Self {
        let attributes = build.attributes();
        Self {
            alpha: attributes.float("alpha", 1.0).into(),
            transposes: [
                attributes.flag("transA", false),
                attributes.flag("transB", false),
            ],
        }
    }
}

/// Reads a matrix, and transposes it if asked to.
fn matrix(tensor: &Tensor, transposes: bool) -> Result<Cow<'_, Tensor>> {
    match (tensor.rank(), transposes) {
        (2, false) => Ok(Cow::Borrowed(tensor)),
        (2, true) => Ok(Cow::Owned(transposed(tensor, &[1, 0])?)),
        _ => Err(Error::input(format!(
            "expected a matrix, got the shape {:?}",
            tensor.shape()
        ))),
    }
}

impl Operator for QGemm {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let a = matrix(inputs.required(0)?, self.transposes[0])?;
        let b = matrix(inputs.required(3)?, self.transposes[1])?;
        let (shape, mut sums) = product((&a, &b), (inputs.get(2), inputs.get(5)))?;
        let columns = b.shape()[1];
        if let Some(bias) = inputs.get(6) {
            let wrong = || {
                Error::input(format!(
                    "a bias of shape {:?} cannot be broadcast to {shape:?}",
                    bias.shape()
                ))
            };
            if index::broadcast(&[bias.shape(), &shape]).map_err(|_| wrong())? != shape {
                return Err(wrong());
            }
            let steps = index::broadcast_strides(bias.shape(), &shape);
            let bias = inputs.elements::<i32>(6)?;
            for (sum, [at]) in sums.iter_mut().zip(index::Walk::new(&shape, [&steps])) {
                *sum = sum.wrapping_add(bias[at]);
            }
        }
        let x = of(&scales(&inputs, 1, 1)?, 0) * self.alpha;
        let w = scales(&inputs, 4, columns)?;
        let Some(zero) = inputs.get(8) else {
            let mut result: Vec<f32> = with_room(sums.len())?;
            let each = sums.iter().enumerate();
            result
                .extend(each.map(|(at, &sum)| (f64::from(sum) * x * of(&w, at % columns)) as f32));
            return Ok(vec![Tensor::of(&shape, result)?]);
        };
        let datatype = zero.datatype();
        let y = of(&scales(&inputs, 7, 1)?, 0);
        let zero = i64::from(of(&zeros(&inputs, 8, 1)?, 0));
        let mut result = with_room(sums.len())?;
        for (at, &sum) in sums.iter().enumerate() {
            let factor = x * of(&w, at % columns) / y;
            result.push(nearest(f64::from(sum) * factor).saturating_add(zero));
        }
        Ok(vec![saturated(shape, &result, datatype)?])
    }
}

/// ONNX Runtime's QLinearAdd and QLinearMul: the operation on dequantized values, requantized.
struct QLinearBinary(fn(f64, f64) -> f64);

impl Operator for QLinearBinary {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (a, b) = (inputs.required(0)?, inputs.required(3)?);
        let shape = index::broadcast(&[a.shape(), b.shape()])?;
        let one = |scale, zero| -> Result<(f64, i32)> {
            Ok((
                of(&scales(&inputs, scale, 1)?, 0),
                of(&zeros(&inputs, zero, 1)?, 0),
            ))
        };
        let ((a_scale, a_zero), (b_scale, b_zero), (scale, zero)) =
            (one(1, 2)?, one(4, 5)?, one(6, 7)?);
        let (left, right) = (integers(a)?, integers(b)?);
        let mut result = with_room(element_count(&shape)?)?;
        let steps = [
            index::broadcast_strides(a.shape(), &shape),
            index::broadcast_strides(b.shape(), &shape),
        ];
        for [x, y] in index::Walk::new(&shape, [&steps[0], &steps[1]]) {
            let x = (f64::from(left[x]) - f64::from(a_zero)) * a_scale;
            let y = (f64::from(right[y]) - f64::from(b_zero)) * b_scale;
            result.push(nearest((self.0)(x, y) / scale).saturating_add(zero.into()));
        }
        Ok(vec![saturated(shape, &result, a.datatype())?])
    }
}

/// ONNX Runtime's QLinearGlobalAveragePool: the mean of each channel, requantized.
struct QLinearGlobalAveragePool;

impl Operator for QLinearGlobalAveragePool {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let (batch, channels, values) = super::window::spatial(input.shape())?;
        let plane = element_count(values)?;
        let mut shape = vec![batch, channels];
        shape.resize(input.rank(), 1);
        if plane == 0 {
            return Err(Error::input("a channel has no values to average"));
        }
        let x_zero = i64::from(of(&zeros(&inputs, 2, 1)?, 0));
        let zero = i64::from(of(&zeros(&inputs, 4, 1)?, 0));
        let factor = of(&scales(&inputs, 1, 1)?, 0) / of(&scales(&inputs, 3, 1)?, 0);
        let numbers = integers(input)?;
        let means = numbers.chunks_exact(plane).map(|plane| {
            let sum: i64 = plane.iter().map(|&value| i64::from(value) - x_zero).sum();
            nearest(sum as f64 / plane.len() as f64 * factor).saturating_add(zero)
        });
        Ok(vec![saturated(
            shape,
            &means.collect::<Vec<_>>(),
            input.datatype(),
        )?])
    }
}
