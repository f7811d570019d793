//! Quantization to integers of 8 and 16 bits with scale and zero point, and dequantization.

use infer_kernels::quantization::DynamicParams;
use infer_tensor::Datatype;

use super::entry::{OperatorEntry, boxed, microsoft, onnx};
use crate::buffer_pool::scratch;
use crate::error::{Error, Result};
use crate::in_real;
use crate::index;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, reals, rounded};
use crate::tensor::{Data, Tensor, element_count, filled, with_room};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("DequantizeLinear", dequantize_linear),
    microsoft("DequantizeLinear", dequantize_linear),
    onnx("DynamicQuantizeLinear", |_| boxed(DynamicQuantizeLinear)),
    microsoft("DynamicQuantizeLinear", |_| boxed(DynamicQuantizeLinear)),
    onnx("QuantizeLinear", quantize_linear),
    microsoft("QuantizeLinear", quantize_linear),
];

fn layout(build: &Build<'_>) -> Result<Layout> {
    let attributes = build.attributes();
    Ok(Layout {
        axis: attributes.int("axis", 1),
        block: usize::try_from(attributes.int("block_size", 0)).map_err(|_| {
            Error::graph("the attribute `block_size` is negative, expected 0 or more")
        })?,
    })
}

fn dequantize_linear(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(DequantizeLinear {
        layout: layout(build)?,
    })
}

fn quantize_linear(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(QuantizeLinear {
        layout: layout(build)?,
        datatype: match build.attributes().int("output_dtype", 0) {
            0 => None,
            2 => Some(Datatype::Uint8),
            3 => Some(Datatype::Int8),
            4 => Some(Datatype::Uint16),
            5 => Some(Datatype::Int16),
            other => {
                return Err(Error::unsupported(format!(
                    "the attribute `output_dtype` is {other}, which is not supported, expected 2 (UINT8), 3 (INT8), \
                     4 (UINT16) or 5 (INT16)"
                )));
            }
        },
    })
}

/// Converts a quantized tensor to INT32.
///
/// # Errors
/// `Unsupported` for other datatypes than integers of up to 32 bits.
pub fn integers(tensor: &Tensor) -> Result<Vec<i32>> {
    fn all<T: Copy + Into<i32>>(values: &[T]) -> Result<Vec<i32>> {
        let mut result = with_room(values.len())?;
        result.extend(values.iter().map(|&value| value.into()));
        Ok(result)
    }
    match tensor.data() {
        Data::I8(values) => all(values),
        Data::U8(values) => all(values),
        Data::I16(values) => all(values),
        Data::U16(values) => all(values),
        Data::I32(values) => all(values),
        other => Err(Error::unsupported(format!(
            "expected a quantized tensor (integers of 8, 16 or 32 bits), got {}",
            other.datatype()
        ))),
    }
}

/// Makes a quantized tensor from rounded values, saturated to the datatype's range.
///
/// # Errors
/// `Unsupported` for other datatypes than integers of 8 and 16 bits.
pub fn saturated(shape: Vec<usize>, values: &[i64], datatype: Datatype) -> Result<Tensor> {
    macro_rules! to {
        ($variant:ident, $type:ty) => {{
            let mut result = with_room(values.len())?;
            let (least, most) = (i64::from(<$type>::MIN), i64::from(<$type>::MAX));
            result.extend(
                values
                    .iter()
                    .map(|&value| value.clamp(least, most) as $type),
            );
            Data::$variant(result)
        }};
    }
    let data = match datatype {
        Datatype::Int8 => to!(I8, i8),
        Datatype::Uint8 => to!(U8, u8),
        Datatype::Int16 => to!(I16, i16),
        Datatype::Uint16 => to!(U16, u16),
        other => {
            return Err(Error::unsupported(format!(
                "quantizing to {other} is not supported, expected integers of 8 or 16 bits"
            )));
        }
    };
    Tensor::new(shape, data)
}

/// The granularity of scales: per tensor, per position on an axis (per-channel), or per block on it.
struct Layout {
    axis: i64,
    block: usize,
}

impl Layout {
    /// Maps a tensor of `shape` to its scales, in runs of values that share one.
    fn strides(&self, shape: &[usize], scale: &Tensor) -> Result<([usize; 3], [usize; 3], usize)> {
        let wrong = || {
            Error::input(format!(
                "a scale of shape {:?} does not match the shape {shape:?} on axis {} in blocks of {}",
                scale.shape(),
                self.axis,
                self.block
            ))
        };
        if self.block == 0 && scale.len() == 1 && scale.rank() <= 1 {
            return Ok(([1, 1, element_count(shape)?], [0; 3], 1));
        }
        let axis = index::axis(self.axis, shape.len())?;
        let (outer, inner) = (
            element_count(&shape[..axis])?,
            element_count(&shape[axis + 1..])?,
        );
        let size = shape[axis];
        let three = [outer, size, inner];
        if self.block == 0 {
            return match scale.shape() == [size] {
                true => Ok((three, [0, 1, 0], 1)),
                false => Err(wrong()),
            };
        }
        let mut expected = shape.to_vec();
        expected[axis] = size.div_ceil(self.block);
        if scale.shape() != expected {
            return Err(wrong());
        }
        Ok((
            three,
            [element_count(&expected[axis..])?, inner, 1],
            self.block,
        ))
    }

    /// Calls `visit` with the offset of each value and the offset of its scale.
    fn each(
        &self,
        shape: &[usize],
        scale: &Tensor,
        mut visit: impl FnMut(usize, usize),
    ) -> Result<()> {
        let ([outer, size, inner], strides, block) = self.strides(shape, scale)?;
        // Without elements the number of rows may be too large to iterate over.
        if shape.contains(&0) {
            return Ok(());
        }
        let mut at = 0;
        for a in 0..outer {
            for b in 0..size {
                let row = a * strides[0] + b / block * strides[1];
                for c in 0..inner {
                    visit(at, row + c * strides[2]);
                    at += 1;
                }
            }
        }
        Ok(())
    }
}

fn zero_points(inputs: &Inputs<'_>, at: usize, scale: &Tensor) -> Result<Option<Vec<i32>>> {
    match inputs.get(at) {
        None => Ok(None),
        Some(zero) if zero.len() == scale.len() => integers(zero).map(Some),
        Some(zero) => Err(Error::input(format!(
            "the zero point has the shape {:?}, expected the scale's, {:?}",
            zero.shape(),
            scale.shape()
        ))),
    }
}

/// QuantizeLinear: saturate(round(x / scale) + zero point), with halves rounded to even.
struct QuantizeLinear {
    layout: Layout,
    datatype: Option<Datatype>,
}

impl Operator for QuantizeLinear {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (input, scale) = (inputs.required(0)?, inputs.required(1)?);
        let zero = zero_points(&inputs, 2, scale)?;
        let datatype = match (inputs.get(2), self.datatype) {
            (Some(zero), Some(asked)) if zero.datatype() != asked => {
                return Err(Error::input(format!(
                    "the zero point is {}, expected {asked} as the attribute `output_dtype`",
                    zero.datatype()
                )));
            }
            (Some(zero), _) => zero.datatype(),
            (None, asked) => asked.unwrap_or(Datatype::Uint8),
        };
        // Only FP64 represents every INT32 exactly.
        let wide = match input.data() {
            Data::I32(values) => {
                let mut wide: Vec<f64> = with_room(values.len())?;
                wide.extend(values.iter().map(|&value| f64::from(value)));
                Some(Tensor::of(input.shape(), wide)?)
            }
            _ => None,
        };
        let wide = wide.as_ref().unwrap_or(input);
        let mut result = filled(input.len(), 0i64)?;
        in_real!(wide.datatype(), R => {
            let (values, scales) = (reals::<R>(wide)?, reals::<R>(scale)?);
            self.layout.each(input.shape(), scale, |at, of| {
                let zero = zero.as_ref().map_or(0, |zero| zero[of]);
                result[at] = nearest(values[at] / scales[of]).saturating_add(zero.into());
            })?;
        });
        Ok(vec![saturated(input.shape().to_vec(), &result, datatype)?])
    }
}

/// Rounds to the nearest integer, halves to even. NaN becomes 0; values out of range saturate.
pub fn nearest<R: Real>(value: R) -> i64 {
    value.wide().round_ties_even() as i64
}

/// DequantizeLinear: (x - zero point) scale.
struct DequantizeLinear {
    layout: Layout,
}

impl Operator for DequantizeLinear {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (input, scale) = (inputs.required(0)?, inputs.required(1)?);
        let zero = zero_points(&inputs, 2, scale)?;
        if let Some(zero) = inputs.get(2)
            && zero.datatype() != input.datatype()
        {
            return Err(Error::input(format!(
                "the zero point is {}, expected {} as the input",
                zero.datatype(),
                input.datatype()
            )));
        }
        let values = integers(input)?;
        let datatype = scale.datatype();
        in_real!(datatype, R => {
            let scales = reals::<R>(scale)?;
            let mut result = filled(values.len(), R::default())?;
            self.layout.each(input.shape(), scale, |at, of| {
                let zero = zero.as_ref().map_or(0, |zero| zero[of]);
                let value = i64::from(values[at]) - i64::from(zero);
                result[at] = R::of(value as f64) * scales[of];
            })?;
            Ok(vec![rounded(input.shape().to_vec(), result, datatype)?])
        })
    }
}

/// DynamicQuantizeLinear: quantizes to UINT8 with a scale and zero point computed from the values' range.
struct DynamicQuantizeLinear;

impl Operator for DynamicQuantizeLinear {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let values = inputs.elements::<f32>(0)?;
        let params = DynamicParams::of(values);
        let mut bytes = scratch(values.len())?;
        params.quantize(values, &mut bytes);
        Ok(vec![
            Tensor::of(inputs.required(0)?.shape(), bytes)?,
            Tensor::scalar(params.scale),
            Tensor::scalar(params.zero),
        ])
    }
}
