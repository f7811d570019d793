//! Gathering elements by index.

use super::entry::{OperatorEntry, boxed, microsoft, ml, onnx};
use crate::error::{Error, Result};
use crate::index::{Walk, axis, strides};
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::gather_runs;
use crate::tensor::{Tensor, element_count, with_room};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    ml("ArrayFeatureExtractor", |_| boxed(ArrayFeatureExtractor)),
    onnx("Compress", compress),
    onnx("Gather", |build| {
        boxed(Gather {
            axis: axis_attribute(build),
        })
    }),
    onnx("GatherElements", gather_elements),
    onnx("GatherND", gather_nd),
    microsoft("GatherND", gather_nd),
];

fn gather_elements(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(GatherElements {
        axis: axis_attribute(build),
    })
}

fn axis_attribute(build: &Build<'_>) -> i64 {
    build.attributes().int("axis", 0)
}

fn compress(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Compress {
        axis: build.attributes().optional_int("axis"),
    })
}

fn gather_nd(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let batch = usize::try_from(build.attributes().int("batch_dims", 0))
        .map_err(|_| Error::graph("the attribute `batch_dims` is negative, expected 0 or more"))?;
    boxed(GatherNd { batch })
}

/// Resolves an index into an axis; a negative one counts from its end.
///
/// # Errors
/// `Input` if it is outside the axis.
pub(super) fn position(index: i64, size: usize) -> Result<usize> {
    let signed = i64::try_from(size).unwrap_or(i64::MAX);
    let found = if index < 0 { index + signed } else { index };
    usize::try_from(found)
        .ok()
        .filter(|&found| found < size)
        .ok_or_else(|| {
            Error::input(format!(
                "the index {index} is outside an axis of size {size}"
            ))
        })
}

/// Gather: copies the slices along an axis that the indices name.
struct Gather {
    axis: i64,
}

impl Operator for Gather {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (input, indices) = (inputs.required(0)?, inputs.required(1)?);
        let at = axis(self.axis, input.rank())?;
        Ok(vec![slices(input, at, indices)?])
    }
}

fn slices(input: &Tensor, at: usize, indices: &Tensor) -> Result<Tensor> {
    let (before, rest) = input.shape().split_at(at);
    let after = &rest[1..];
    let mut shape = before.to_vec();
    shape.extend_from_slice(indices.shape());
    shape.extend_from_slice(after);
    let size = rest[0];
    let positions = indices
        .to_i64()?
        .into_iter()
        .map(|index| position(index, size))
        .collect::<Result<Vec<_>>>()?;
    let mut starts = Vec::new();
    let mut run = 0;
    if element_count(&shape)? > 0 {
        run = element_count(after)?;
        let outer = element_count(before)?;
        starts = with_room(element_count(&[outer, positions.len()])?)?;
        for row in 0..outer {
            starts.extend(positions.iter().map(|at| (row * size + at) * run));
        }
    }
    Tensor::new(shape, gather_runs(input.data(), run, &starts)?)
}

/// GatherElements: for each position of the indices, the element at that position, with the index in place of the
/// position on `axis`.
struct GatherElements {
    axis: i64,
}

impl Operator for GatherElements {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (input, indices) = (inputs.required(0)?, inputs.required(1)?);
        let at = axis(self.axis, input.rank())?;
        let starts = element_offsets(input.shape(), at, indices)?;
        let data = gather_runs(input.data(), 1, &starts)?;
        Ok(vec![Tensor::new(indices.shape().to_vec(), data)?])
    }
}

/// For each position of the indices, the offset of the element at that position, with the index in place of the position on
/// `axis`.
pub(super) fn element_offsets(shape: &[usize], at: usize, indices: &Tensor) -> Result<Vec<usize>> {
    let fits = indices.rank() == shape.len()
        && (0..shape.len()).all(|axis| axis == at || indices.shape()[axis] <= shape[axis]);
    if !fits {
        return Err(Error::input(format!(
            "indices of shape {:?} do not match the shape {shape:?} along axis {at}",
            indices.shape()
        )));
    }
    if indices.is_empty() {
        return Ok(Vec::new());
    }
    let own = strides(shape);
    let mut walked = own.clone();
    walked[at] = 0;
    let mut offsets = with_room(indices.len())?;
    let walk = Walk::new(indices.shape(), [&walked]);
    for ([offset], index) in walk.zip(indices.to_i64()?) {
        offsets.push(offset + position(index, shape[at])? * own[at]);
    }
    Ok(offsets)
}

/// GatherND: copies slices by indices into several axes at once, after the batch axes.
struct GatherNd {
    batch: usize,
}

impl Operator for GatherNd {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (input, indices) = (inputs.required(0)?, inputs.required(1)?);
        let batch = self.batch;
        let depth = indices.shape().last().copied().unwrap_or(0);
        let fits = indices.rank() > batch
            && input.rank() >= batch.saturating_add(depth)
            && input.shape()[..batch] == indices.shape()[..batch]
            && indices.rank() > 0;
        if !fits {
            return Err(Error::input(format!(
                "indices of shape {:?} do not match the shape {:?} with `batch_dims` {batch}",
                indices.shape(),
                input.shape()
            )));
        }
        let mut shape = indices.shape()[..indices.rank() - 1].to_vec();
        shape.extend_from_slice(&input.shape()[batch + depth..]);
        if element_count(&shape)? == 0 {
            return Ok(vec![Tensor::new(
                shape,
                gather_runs(input.data(), 0, &[])?,
            )?]);
        }
        let items = element_count(&input.shape()[..batch])?;
        let stride = input.len() / items.max(1);
        let tuples = element_count(&indices.shape()[..indices.rank() - 1])?;
        let offsets = tuple_offsets(&input.shape()[batch..], indices, tuples)?;
        let each = tuples / items.max(1);
        let starts: Vec<usize> = offsets
            .iter()
            .enumerate()
            .map(|(at, offset)| at / each.max(1) * stride + offset)
            .collect();
        let run = element_count(&input.shape()[batch + depth..])?;
        Ok(vec![Tensor::new(
            shape,
            gather_runs(input.data(), run, &starts)?,
        )?])
    }
}

/// The offsets of slices named by index tuples, which are the last axis of `indices`.
pub(super) fn tuple_offsets(
    shape: &[usize],
    indices: &Tensor,
    tuples: usize,
) -> Result<Vec<usize>> {
    let depth = indices.shape().last().copied().unwrap_or(0);
    let own = strides(shape);
    let given = indices.to_i64()?;
    let mut offsets = with_room(tuples)?;
    for tuple in 0..tuples {
        let mut offset = 0;
        for (at, &index) in given[tuple * depth..(tuple + 1) * depth].iter().enumerate() {
            offset += position(index, shape[at])? * own[at];
        }
        offsets.push(offset);
    }
    Ok(offsets)
}

/// Compress: the slices along an axis (without one: the elements) for which a condition is true.
struct Compress {
    axis: Option<i64>,
}

impl Operator for Compress {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let condition = inputs.elements::<bool>(1)?;
        let chosen: Vec<i64> = (0i64..)
            .zip(condition)
            .filter_map(|(at, &chosen)| chosen.then_some(at))
            .collect();
        let chosen = Tensor::vector(chosen);
        Ok(vec![match self.axis {
            Some(one) => slices(input, axis(one, input.rank())?, &chosen)?,
            None => slices(&input.clone().reshaped(vec![input.len()])?, 0, &chosen)?,
        }])
    }
}

/// ArrayFeatureExtractor: the elements along the last axis that the indices name.
struct ArrayFeatureExtractor;

impl Operator for ArrayFeatureExtractor {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (input, indices) = (inputs.required(0)?, inputs.required(1)?);
        let Some(at) = input.rank().checked_sub(1) else {
            return Err(Error::input(
                "expected at least one axis of features, got a scalar",
            ));
        };
        let count = indices.len();
        let found = slices(input, at, &indices.clone().reshaped(vec![count])?)?;
        // The result of a vector is a matrix with one row.
        match at {
            0 => Ok(vec![found.reshaped(vec![1, count])?]),
            _ => Ok(vec![found]),
        }
    }
}
