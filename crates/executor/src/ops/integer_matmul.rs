//! Integer products: MatMulInteger, and ONNX Runtime's with FP32 outputs, MatMulIntegerToFloat and DynamicQuantizeMatMul.
//! (ONNX Runtime's documentation of contributed operators.)

use infer_kernels::quantization::DynamicParams;
use infer_tensor::Datatype;

use super::convolution::bias_of;
use super::entry::{OperatorEntry, boxed, microsoft, onnx};
use super::matmul::product;
use super::packed_integer::{PackedInteger, Rows};
use super::quantized::{self, of, scales};
use crate::broadcast::zip_owned;
use crate::buffer_pool::scratch;
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Tensor, with_room};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    microsoft("DynamicQuantizeMatMul", |build| {
        let b = constant(build, 1, 3);
        boxed(DynamicQuantizeMatMul { b })
    }),
    onnx("MatMulInteger", |build| {
        let b = constant(build, 1, 3);
        boxed(MatMulInteger { b })
    }),
    microsoft("MatMulIntegerToFloat", |build| {
        let b = constant(build, 1, 5);
        boxed(MatMulIntegerToFloat { b })
    }),
];

/// Packs the second matrix, and takes it and its zero point from the inputs, if both are constant.
fn constant(build: &mut Build<'_>, matrix: usize, zero: usize) -> Option<PackedInteger> {
    let has_zero = build.has_input(zero);
    if has_zero && build.constant(zero).is_none() {
        return None;
    }
    let packed = PackedInteger::of(build.constant(matrix)?, build.constant(zero))?;
    build.consumed.push(matrix);
    build.consumed.extend(has_zero.then_some(zero));
    Some(packed)
}

/// MatMulInteger: the INT32 product of INT8 or UINT8 matrices, minus their zero points.
struct MatMulInteger {
    b: Option<PackedInteger>,
}

impl Operator for MatMulInteger {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        if let Some(packed) = &self.b {
            let a = inputs.required(0)?;
            let (shape, rows) = (packed.shape(a)?, Rows::of(a, inputs.get(2))?);
            return Ok(vec![packed.product(&shape, &rows)?]);
        }
        let a = centered(inputs.required(0)?, inputs.get(2), true)?;
        let b = centered(inputs.required(1)?, inputs.get(3), false)?;
        Ok(vec![product::<i32>(&a, &b)?])
    }
}

/// Converts INT8 or UINT8 to INT32 and subtracts the zero point: per tensor, per row (left) or per column (right).
fn centered(tensor: &Tensor, zero: Option<&Tensor>, by_row: bool) -> Result<Tensor> {
    if let Some(zero) = zero.filter(|zero| zero.datatype() != tensor.datatype()) {
        return Err(Error::input(format!(
            "the zero point is {}, expected {} as the input",
            zero.datatype(),
            tensor.datatype()
        )));
    }
    let to_i32 = |tensor: &Tensor| match tensor.datatype() {
        Datatype::Int8 | Datatype::Uint8 => super::cast::cast(tensor.clone(), Datatype::Int32),
        other => Err(Error::unsupported(format!(
            "expected INT8 or UINT8, got {other}"
        ))),
    };
    let values = to_i32(tensor)?;
    let Some(zero) = zero else {
        return Ok(values);
    };
    let zero = to_i32(zero)?;
    let zero = match zero.shape() {
        // Per row: broadcast along the axis before the last.
        &[count] if by_row && count != 1 => zero.reshaped(vec![count, 1])?,
        _ => zero,
    };
    let shape = values.shape().to_vec();
    let centered = zip_owned::<i32>(values, &zero, i32::wrapping_sub)?;
    match centered.shape() == shape {
        true => Ok(centered),
        false => Err(Error::input(format!(
            "zero points of shape {:?} do not match the shape {shape:?}",
            zero.shape()
        ))),
    }
}

/// The product of `a`, which has a scale per tensor, and `b`, which has one per tensor or per column, plus a bias for each
/// column.
fn scaled_product(
    (a, b): (&Tensor, &Tensor),
    zeros: (Option<&Tensor>, Option<&Tensor>),
    (a_scale, b_scales): (f32, &[f32]),
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let (shape, sums) = quantized::product((a, b), zeros)?;
    let columns = columns(b);
    let bias = bias_of(bias, columns)?
        .map(Tensor::elements::<f32>)
        .transpose()?;
    let mut result: Vec<f32> = with_room(sums.len())?;
    result.extend(sums.iter().enumerate().map(|(at, &sum)| {
        let column = at % columns;
        let scaled = sum as f32 * (a_scale * of(b_scales, column));
        scaled + bias.map_or(0.0, |bias| bias[column])
    }));
    Tensor::of(&shape, result)
}

fn columns(b: &Tensor) -> usize {
    match b.shape() {
        [_, .., columns] => *columns,
        _ => 1,
    }
}

/// Reads the scales of a matrix with that many columns: one, or one for each column.
fn fp32_scales(inputs: &Inputs<'_>, at: usize, columns: usize) -> Result<Vec<f32>> {
    let scales = scales(inputs, at, columns)?;
    Ok(scales.into_iter().map(|scale| scale as f32).collect())
}

/// MatMulIntegerToFloat: the product of INT8 or UINT8 matrices A and B, whose scales are inputs 2 and 3, their zero points 4
/// and 5, plus the bias 6; FP32. B may have a scale and a zero point for each column.
struct MatMulIntegerToFloat {
    b: Option<PackedInteger>,
}

impl Operator for MatMulIntegerToFloat {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let a = inputs.required(0)?;
        let a_scale = of(&fp32_scales(&inputs, 2, 1)?, 0);
        let bias = inputs.get(6);
        if let Some(packed) = &self.b {
            let b_scales = fp32_scales(&inputs, 3, packed.columns())?;
            let (shape, rows) = (packed.shape(a)?, Rows::of(a, inputs.get(4))?);
            return Ok(vec![packed.scaled(
                &shape,
                &rows,
                (a_scale, &b_scales),
                bias,
            )?]);
        }
        let b = inputs.required(1)?;
        let b_scales = fp32_scales(&inputs, 3, columns(b))?;
        let zeros = (inputs.get(4), inputs.get(5));
        Ok(vec![scaled_product(
            (a, b),
            zeros,
            (a_scale, &b_scales),
            bias,
        )?])
    }
}

/// DynamicQuantizeMatMul: the product of FP32 A, quantized to UINT8 by its range, and INT8 or UINT8 B, whose scale is input 2,
/// its zero point 3, plus the bias 4; FP32. B may have a scale and a zero point for each column.
struct DynamicQuantizeMatMul {
    b: Option<PackedInteger>,
}

impl Operator for DynamicQuantizeMatMul {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let a = inputs.required(0)?;
        let values = inputs.elements::<f32>(0)?;
        if let Some(packed) = &self.b {
            let b_scales = fp32_scales(&inputs, 2, packed.columns())?;
            let shape = packed.shape(a)?;
            let (rows, a_scale) = Rows::quantized(values)?;
            let bias = inputs.get(4);
            return Ok(vec![packed.scaled(
                &shape,
                &rows,
                (a_scale, &b_scales),
                bias,
            )?]);
        }
        let b = inputs.required(1)?;
        let params = DynamicParams::of(values);
        let mut bytes = scratch(values.len())?;
        params.quantize(values, &mut bytes);
        let (a, zero) = (Tensor::of(a.shape(), bytes)?, Tensor::scalar(params.zero));
        let b_scales = fp32_scales(&inputs, 2, columns(b))?;
        Ok(vec![scaled_product(
            (&a, b),
            (Some(&zero), inputs.get(3)),
            (params.scale, &b_scales),
            inputs.get(4),
        )?])
    }
}
