//! Operators that read a shape, or give the same elements another one.

use super::entry::{OperatorEntry, boxed, microsoft, onnx};
use crate::error::{Error, Result};
use crate::index::{axes, axis};
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::Tensor;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("Flatten", flatten),
    onnx("Reshape", reshape),
    onnx("Shape", shape),
    onnx("Size", |_| boxed(Size)),
    onnx("Squeeze", squeeze),
    onnx("Unsqueeze", unsqueeze),
    // Unsqueeze with one axis, a scalar.
    microsoft("ExpandDims", |_| boxed(Unsqueeze { axes: None })),
];

fn squeeze(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Squeeze {
        axes: attribute_axes(build),
    })
}

fn unsqueeze(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Unsqueeze {
        axes: attribute_axes(build),
    })
}

/// The axes of Squeeze and Unsqueeze, which are an attribute before version 13 and an input from then on.
fn attribute_axes(build: &Build<'_>) -> Option<Vec<i64>> {
    match build.opset < 13 {
        true => build.attributes().ints("axes").map(<[i64]>::to_vec),
        false => None,
    }
}

fn flatten(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Flatten {
        axis: build.attributes().int("axis", 1),
    })
}

fn reshape(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Reshape {
        shape: match build.opset < 5 {
            true => Some(attributes.ints("shape").unwrap_or_default().to_vec()),
            false => None,
        },
        allow_zero: attributes.flag("allowzero", false),
    })
}

fn shape(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Shape {
        start: attributes.int("start", 0),
        end: attributes.optional_int("end"),
    })
}

fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Shape: the shape as a tensor; since version 15 of the axes from `start` to `end`.
struct Shape {
    start: i64,
    end: Option<i64>,
}

impl Operator for Shape {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let shape = inputs.required(0)?.shape();
        let rank = signed(shape.len());
        // Both are clamped to the range, as ONNX specifies.
        let position = |given: i64| {
            let from_start = if given < 0 { given + rank } else { given };
            usize::try_from(from_start.clamp(0, rank)).unwrap_or_default()
        };
        let (start, end) = (position(self.start), position(self.end.unwrap_or(rank)));
        let sizes = shape.get(start..end).unwrap_or_default();
        Ok(vec![Tensor::vector(
            sizes.iter().map(|&size| signed(size)).collect(),
        )])
    }
}

/// Size: the number of elements.
struct Size;

impl Operator for Size {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        Ok(vec![Tensor::scalar(signed(inputs.required(0)?.len()))])
    }
}

/// Reshape: -1 is inferred, 0 copies the input's size; with `allowzero` (since version 14) 0 is 0.
struct Reshape {
    /// The shape, if it is an attribute (before version 5).
    shape: Option<Vec<i64>>,
    allow_zero: bool,
}

impl Operator for Reshape {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let asked = match &self.shape {
            Some(shape) => shape.clone(),
            None => inputs.required(1)?.to_i64()?,
        };
        let input = inputs.take(0)?;
        let shape = self.resolve(&asked, input.shape(), input.len())?;
        Ok(vec![input.reshaped(shape)?])
    }
}

impl Reshape {
    fn resolve(&self, asked: &[i64], from: &[usize], count: usize) -> Result<Vec<usize>> {
        let wrong =
            |why: &str| Error::input(format!("{from:?} cannot be reshaped to {asked:?}: {why}"));
        let mut shape = Vec::with_capacity(asked.len());
        let mut inferred = None;
        for (at, &size) in asked.iter().enumerate() {
            shape.push(match size {
                -1 if inferred.is_some() => return Err(wrong("-1 is repeated")),
                -1 if self.allow_zero && asked.contains(&0) => {
                    return Err(wrong("it has both 0 and -1 with `allowzero`"));
                }
                -1 => {
                    inferred = Some(at);
                    1
                }
                0 if !self.allow_zero => *from
                    .get(at)
                    .ok_or_else(|| wrong("a 0 copies a size that the input does not have"))?,
                size => {
                    usize::try_from(size).map_err(|_| wrong("expected sizes of -1, 0 or more"))?
                }
            });
        }
        if let Some(at) = inferred {
            let known = crate::tensor::element_count(&shape)?;
            if known == 0 || !count.is_multiple_of(known) {
                return Err(wrong("no size for -1 gives the same number of elements"));
            }
            shape[at] = count / known;
        }
        Ok(shape)
    }
}

/// Flatten: reshapes to a matrix; the axes before `axis` become its rows, the others its columns.
struct Flatten {
    axis: i64,
}

impl Operator for Flatten {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let rank = input.rank();
        let at = match usize::try_from(self.axis) {
            // `axis` may equal the rank.
            Ok(at) if at == rank => rank,
            _ => axis(self.axis, rank)?,
        };
        let (before, after) = input.shape().split_at(at);
        // The sizes of an empty tensor may have a product that overflows on one side.
        let product = |sizes: &[usize]| crate::tensor::element_count(sizes);
        let shape = vec![product(before)?, product(after)?];
        Ok(vec![input.reshaped(shape)?])
    }
}

/// The axes of an operator, from the attribute or (since version 13) the input.
fn given(attribute: &Option<Vec<i64>>, inputs: &Inputs<'_>) -> Result<Option<Vec<i64>>> {
    match (attribute, inputs.get(1)) {
        (Some(axes), _) => Ok(Some(axes.clone())),
        (None, Some(input)) => input.to_i64().map(Some),
        (None, None) => Ok(None),
    }
}

/// Squeeze: removes axes of size 1, all or the given ones.
struct Squeeze {
    axes: Option<Vec<i64>>,
}

impl Operator for Squeeze {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let named = given(&self.axes, &inputs)?;
        let input = inputs.take(0)?;
        let shape = input.shape();
        let removed = match named {
            Some(named) => axes(&named, shape.len())?,
            None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
        };
        if let Some(&axis) = removed.iter().find(|&&axis| shape[axis] != 1) {
            return Err(Error::input(format!(
                "axis {axis} of {shape:?} cannot be squeezed, expected the size 1"
            )));
        }
        let left = (0..shape.len())
            .filter(|axis| !removed.contains(axis))
            .map(|axis| shape[axis])
            .collect();
        Ok(vec![input.reshaped(left)?])
    }
}

/// Unsqueeze: inserts axes of size 1 at the given positions of the result.
struct Unsqueeze {
    axes: Option<Vec<i64>>,
}

impl Operator for Unsqueeze {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let named =
            given(&self.axes, &inputs)?.ok_or_else(|| Error::graph("the axes are missing"))?;
        let input = inputs.take(0)?;
        let added = axes(&named, input.rank() + named.len())?;
        let mut shape = input.shape().to_vec();
        for axis in added {
            shape.insert(axis, 1);
        }
        Ok(vec![input.reshaped(shape)?])
    }
}
