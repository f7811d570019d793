//! Shapes, strides, axes, broadcasting.

use crate::error::{Error, Result};

/// The strides, in elements, of a row-major tensor.
#[must_use]
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        // A tensor without elements may have sizes whose product nothing holds.
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// An axis as ONNX gives it, negative ones counted from the end.
///
/// # Errors
/// `Input` when there is no such axis.
pub fn axis(axis: i64, rank: usize) -> Result<usize> {
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let found = if axis < 0 { axis + signed } else { axis };
    usize::try_from(found)
        .ok()
        .filter(|&found| found < rank)
        .ok_or_else(|| Error::input(format!("there is no axis {axis} in {rank} dimensions")))
}

/// Several axes, each at most once, in ascending order.
///
/// # Errors
/// `Input` when there is no such axis or one comes twice.
pub fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut found = given
        .iter()
        .map(|&one| axis(one, rank))
        .collect::<Result<Vec<_>>>()?;
    found.sort_unstable();
    if found.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::input(format!("an axis comes twice in {given:?}")));
    }
    Ok(found)
}

/// The shape that all of these broadcast to (ONNX, Multidirectional Broadcasting).
///
/// # Errors
/// `Input` when two sizes differ and neither is 1.
pub fn broadcast(shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = vec![1; rank];
    for shape in shapes {
        let skipped = rank - shape.len();
        for (size, &came) in result[skipped..].iter_mut().zip(*shape) {
            if *size == 1 {
                *size = came;
            } else if came != 1 && came != *size {
                return Err(Error::input(format!(
                    "the shapes {shapes:?} cannot be broadcast to one"
                )));
            }
        }
    }
    Ok(result)
}

/// The strides that make a row-major tensor of `shape` look as large as `target`: 0 where it repeats.
/// `shape` must broadcast to `target`.
#[must_use]
pub fn broadcast_strides(shape: &[usize], target: &[usize]) -> Vec<usize> {
    let own = strides(shape);
    let skipped = target.len() - shape.len();
    let mut result = vec![0; target.len()];
    for (axis, (&size, &stride)) in shape.iter().zip(&own).enumerate() {
        if size != 1 {
            result[skipped + axis] = stride;
        }
    }
    result
}

/// Goes through all positions of a shape in row-major order, with an offset into each of several tensors
/// that have strides of their own.
pub struct Walk<'a, const N: usize> {
    shape: &'a [usize],
    strides: [&'a [usize]; N],
    position: Vec<usize>,
    offsets: [usize; N],
    left: usize,
}

impl<'a, const N: usize> Walk<'a, N> {
    /// From the first position; each of `strides` has a stride for each axis of `shape`, whose sizes have a
    /// product that a `usize` holds.
    #[must_use]
    pub fn new(shape: &'a [usize], strides: [&'a [usize]; N]) -> Self {
        Self {
            shape,
            strides,
            position: vec![0; shape.len()],
            offsets: [0; N],
            left: match shape.contains(&0) {
                true => 0,
                false => shape.iter().product(),
            },
        }
    }
}

impl<const N: usize> Iterator for Walk<'_, N> {
    type Item = [usize; N];

    fn next(&mut self) -> Option<[usize; N]> {
        self.left = self.left.checked_sub(1)?;
        let found = self.offsets;
        for axis in (0..self.shape.len()).rev() {
            self.position[axis] += 1;
            if self.position[axis] < self.shape[axis] {
                for (offset, strides) in self.offsets.iter_mut().zip(self.strides) {
                    *offset += strides[axis];
                }
                break;
            }
            self.position[axis] = 0;
            for (offset, strides) in self.offsets.iter_mut().zip(self.strides) {
                *offset -= strides[axis] * (self.shape[axis] - 1);
            }
        }
        Some(found)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
