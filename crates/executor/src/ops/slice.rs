//! Concat, Slice and Split.

use super::entry::{LayoutRule, OperatorEntry, boxed, onnx};
use super::layout::sizes;
use crate::error::{Error, Result};
use crate::index::{axes, axis};
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::{signed_strides, strided_copy};
use crate::tensor::{Tensor, element_count, with_room};
use crate::with_element;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("Concat", concat).layout(LayoutRule::Concatenation),
    onnx("Slice", slice),
    onnx("Split", split).layout(LayoutRule::Split),
];

fn concat(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Concat {
        axis: match build.opset < 4 {
            true => attributes.int("axis", 1),
            false => attributes.required_int("axis")?,
        },
    })
}

fn slice(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    if build.opset >= 10 {
        return boxed(Slice { attributes: None });
    }
    let attributes = build.attributes();
    let ints = |name| attributes.ints(name).map(<[i64]>::to_vec);
    let required =
        |name| ints(name).ok_or_else(|| Error::graph(format!("the attribute `{name}` is missing")));
    boxed(Slice {
        attributes: Some((required("starts")?, required("ends")?, ints("axes"))),
    })
}

fn split(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    if build.opset < 2 && build.has_input(1) {
        return Err(Error::unsupported(
            "an input of lengths, which version 1 had, is not supported; expected the attribute `split`",
        ));
    }
    if build.opset >= 18 && build.has_input(1) && attributes.has("num_outputs") {
        return Err(Error::graph(
            "both the input of lengths and the attribute `num_outputs` are there, expected one of them",
        ));
    }
    boxed(Split {
        axis: attributes.int("axis", 0),
        lengths: match build.opset < 13 {
            true => attributes.sizes("split")?,
            false => None,
        },
        parts: match attributes.optional_int("num_outputs") {
            Some(count) => positive("num_outputs", count)?,
            None => build.output_count(),
        },
        outputs: build.output_count(),
        // Since version 18 the last part may be smaller.
        is_uneven: build.opset >= 18,
    })
}

/// Reads an attribute that must be positive.
fn positive(name: &str, value: i64) -> Result<usize> {
    usize::try_from(value)
        .ok()
        .filter(|&count| count > 0)
        .ok_or_else(|| {
            Error::graph(format!(
                "the attribute `{name}` is {value}, expected 1 or more"
            ))
        })
}

/// Concat: concatenates tensors along an axis.
struct Concat {
    axis: i64,
}

impl Operator for Concat {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let first = inputs.required(0)?;
        let at = axis(self.axis, first.rank())?;
        if inputs.len() == 1 {
            return Ok(vec![inputs.take(0)?]);
        }
        with_element!(first.datatype(), T => {
            let mut parts = Vec::with_capacity(inputs.len());
            let mut shape = first.shape().to_vec();
            shape[at] = 0;
            for position in 0..inputs.len() {
                let part = inputs.required(position)?;
                let same = part.rank() == shape.len()
                    && (0..shape.len()).all(|axis| axis == at || part.shape()[axis] == shape[axis]);
                if !same {
                    return Err(Error::input(format!(
                        "{:?} and {:?} cannot be concatenated along axis {at}",
                        first.shape(),
                        part.shape()
                    )));
                }
                shape[at] = shape[at].saturating_add(part.shape()[at]);
                let run = element_count(&part.shape()[at..])?;
                parts.push((inputs.elements::<T>(position)?, run));
            }
            let count = element_count(&shape)?;
            let mut to = with_room(count)?;
            // There may be too many empty parts to iterate over.
            let rows = match count {
                0 => 0,
                _ => element_count(&shape[..at])?,
            };
            for row in 0..rows {
                for (elements, run) in &parts {
                    to.extend_from_slice(&elements[row * run..(row + 1) * run]);
                }
            }
            Ok(vec![Tensor::of(&shape, to)?])
        })
    }
}

/// `starts`, `ends` and `axes` as attributes.
type Range = (Vec<i64>, Vec<i64>, Option<Vec<i64>>);

/// Slice: from `starts` to `ends` along some axes, with steps, which may be negative. All of them are inputs since version
/// 10.
struct Slice {
    attributes: Option<Range>,
}

impl Operator for Slice {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (starts, ends, named, strides) = match &self.attributes {
            Some((starts, ends, axes)) => (starts.clone(), ends.clone(), axes.clone(), None),
            None => {
                let optional = |at| inputs.get(at).map(Tensor::to_i64).transpose();
                (
                    inputs.required(1)?.to_i64()?,
                    inputs.required(2)?.to_i64()?,
                    optional(3)?,
                    optional(4)?,
                )
            }
        };
        let input = inputs.required(0)?;
        let count = starts.len();
        let named = named.unwrap_or_else(|| (0..count).map(|axis| axis as i64).collect());
        let strides = strides.unwrap_or_else(|| vec![1; count]);
        if ends.len() != count || named.len() != count || strides.len() != count {
            return Err(Error::input(format!(
                "expected as many ends, axes and steps as starts, got {count} starts, {} ends, {} axes and {} steps",
                ends.len(),
                named.len(),
                strides.len()
            )));
        }
        axes(&named, input.rank())?;
        let mut shape = input.shape().to_vec();
        let mut walk = signed_strides(&shape);
        let mut offset = 0usize;
        for (at, &one) in named.iter().enumerate() {
            let axis = axis(one, input.rank())?;
            let (first, length) = range(starts[at], ends[at], strides[at], shape[axis])?;
            // The strides of an empty tensor may overflow, and its offset is unused.
            offset = first.wrapping_mul(walk[axis] as usize).wrapping_add(offset);
            shape[axis] = length;
            // A slice of one element takes no step, and the step may exceed any size.
            walk[axis] = match length {
                0 | 1 => 0,
                _ => walk[axis] * strides[at] as isize,
            };
        }
        if shape == input.shape() && walk == signed_strides(&shape) {
            return Ok(vec![inputs.take(0)?]);
        }
        if element_count(&shape)? == 0 {
            offset = 0;
        }
        let data = strided_copy(input.data(), offset, &shape, &walk)?;
        Ok(vec![Tensor::new(shape, data)?])
    }
}

/// The start and the length of a slice of an axis.
fn range(start: i64, end: i64, step: i64, size: usize) -> Result<(usize, usize)> {
    if step == 0 {
        return Err(Error::input("the step of a slice is 0"));
    }
    let size = i128::try_from(size).unwrap_or(i128::MAX);
    let (start, end, step) = (i128::from(start), i128::from(end), i128::from(step));
    let from_start = |at: i128| if at < 0 { at + size } else { at };
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let start = from_start(start).clamp(low.max(0), high.max(0));
    let end = from_start(end).clamp(low, high);
    let length = if step > 0 {
        (end - start + step - 1).div_euclid(step)
    } else {
        (start - end - step - 1).div_euclid(-step)
    };
    let as_usize = |value: i128| usize::try_from(value.max(0)).unwrap_or_default();
    Ok(match size {
        0 => (0, 0),
        _ => (as_usize(start), as_usize(length)),
    })
}

/// Split: splits along an axis into parts of the given lengths, or of equal ones.
struct Split {
    axis: i64,
    lengths: Option<Vec<usize>>,
    parts: usize,
    outputs: usize,
    is_uneven: bool,
}

impl Split {
    fn lengths(&self, size: usize, given: Option<Vec<usize>>) -> Result<Vec<usize>> {
        let parts = self.parts;
        if let Some(lengths) = given {
            let sum = lengths
                .iter()
                .try_fold(0usize, |sum, &length| sum.checked_add(length));
            if sum != Some(size) || lengths.len() < self.outputs {
                return Err(Error::input(format!(
                    "a size of {size} cannot be split into {lengths:?} for {} outputs",
                    self.outputs
                )));
            }
            return Ok(lengths);
        }
        if parts < self.outputs || (!size.is_multiple_of(parts.max(1)) && !self.is_uneven) {
            return Err(Error::input(format!(
                "a size of {size} cannot be split into {parts} parts"
            )));
        }
        let each = size.div_ceil(parts.max(1));
        // Only as many as there are outputs: a file may ask for any number of parts.
        Ok((0..self.outputs)
            .map(|part| each.min(size.saturating_sub(part.saturating_mul(each))))
            .collect())
    }
}

impl Operator for Split {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let at = axis(self.axis, input.rank())?;
        let given = match (&self.lengths, inputs.get(1)) {
            (Some(lengths), _) => Some(lengths.clone()),
            (None, Some(tensor)) => Some(sizes(tensor)?),
            (None, None) => None,
        };
        let walk = signed_strides(input.shape());
        let mut start = 0;
        let mut outputs = Vec::new();
        for length in self.lengths(input.shape()[at], given)? {
            let mut shape = input.shape().to_vec();
            shape[at] = length;
            // The strides of an empty tensor may overflow, and its offset is unused.
            let offset = match element_count(&shape)? {
                0 => 0,
                _ => start * walk[at] as usize,
            };
            let data = strided_copy(input.data(), offset, &shape, &walk)?;
            outputs.push(Tensor::new(shape, data)?);
            start += length;
        }
        Ok(outputs)
    }
}
