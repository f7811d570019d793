//! ONNX Runtime's integer products with FP32 outputs: MatMulIntegerToFloat and DynamicQuantizeMatMul. (ONNX Runtime's
//! documentation of contributed operators.)

use super::composite::inner;
use super::entry::{OperatorEntry, boxed, microsoft};
use super::quantize;
use super::quantized::{of, product, scales};
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::operator::{Input, Inputs, Operator};
use crate::tensor::{Tensor, with_room};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    microsoft("DynamicQuantizeMatMul", |_| {
        let rows = quantize::OPERATORS;
        let none = Attributes::new(&[]);
        boxed(DynamicQuantizeMatMul(inner(
            rows,
            "DynamicQuantizeLinear",
            11,
            none,
            1,
        )?))
    }),
    microsoft("MatMulIntegerToFloat", |_| boxed(MatMulIntegerToFloat)),
];

/// The product of `a`, which has a scale per tensor, and `b`, which has one per tensor or per column, plus a bias for each
/// column.
fn scaled_product(
    (a, b): (&Tensor, &Tensor),
    zeros: (Option<&Tensor>, Option<&Tensor>),
    (a_scale, b_scales): (f64, &[f64]),
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let (shape, sums) = product((a, b), zeros)?;
    let columns = match b.shape() {
        [.., columns] if b.rank() > 1 => *columns,
        _ => 1,
    };
    let bias = bias.map(|bias| {
        let values = bias.elements::<f32>()?;
        match bias.shape() == [columns] {
            true => Ok(values),
            false => Err(Error::input(format!(
                "the bias has the shape {:?}, expected [{columns}]",
                bias.shape()
            ))),
        }
    });
    let bias = bias.transpose()?;
    let mut result: Vec<f32> = with_room(sums.len())?;
    result.extend(sums.iter().enumerate().map(|(at, &sum)| {
        let column = at % columns;
        let scaled = f64::from(sum) * (a_scale * of(b_scales, column));
        scaled as f32 + bias.map_or(0.0, |bias| bias[column])
    }));
    Tensor::of(&shape, result)
}

fn columns(b: &Tensor) -> usize {
    match b.shape() {
        [_, .., columns] => *columns,
        _ => 1,
    }
}

/// MatMulIntegerToFloat: the product of INT8 or UINT8 matrices A and B, whose scales are inputs 2 and 3, their zero points 4
/// and 5, plus the bias 6; FP32. B may have a scale and a zero point for each column.
struct MatMulIntegerToFloat;

impl Operator for MatMulIntegerToFloat {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (a, b) = (inputs.required(0)?, inputs.required(1)?);
        let a_scale = of(&scales(&inputs, 2, 1)?, 0);
        let b_scales = scales(&inputs, 3, columns(b))?;
        Ok(vec![scaled_product(
            (a, b),
            (inputs.get(4), inputs.get(5)),
            (a_scale, &b_scales),
            inputs.get(6),
        )?])
    }
}

/// DynamicQuantizeMatMul: the product of FP32 A, quantized to UINT8 by its range, and INT8 or UINT8 B, whose scale is input 2,
/// its zero point 3, plus the bias 4; FP32. B may have a scale and a zero point for each column.
struct DynamicQuantizeMatMul(Box<dyn Operator>);

impl Operator for DynamicQuantizeMatMul {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let b = inputs.required(1)?;
        let a = Inputs::new(vec![Some(Input::Borrowed(inputs.required(0)?))]);
        let quantized = self.0.run(a)?;
        let [a, scale, zero] = &quantized[..] else {
            return Err(Error::graph("DynamicQuantizeLinear has no three outputs"));
        };
        let scale = scale.elements::<f32>()?.first().copied().unwrap_or(1.0);
        let b_scales = scales(&inputs, 2, columns(b))?;
        Ok(vec![scaled_product(
            (a, b),
            (Some(zero), inputs.get(3)),
            (scale.into(), &b_scales),
            inputs.get(4),
        )?])
    }
}
