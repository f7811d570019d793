//! Index arithmetic: shapes, strides, axes and broadcasting.

use crate::error::{Error, Result};

/// The strides, in elements, of a row-major tensor.
#[must_use]
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        // The sizes of an empty tensor may have a product that overflows.
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// Resolves an axis; a negative one counts from the end.
///
/// # Errors
/// `Input` if the tensor has no such axis.
pub fn axis(axis: i64, rank: usize) -> Result<usize> {
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let found = if axis < 0 { axis + signed } else { axis };
    usize::try_from(found)
        .ok()
        .filter(|&found| found < rank)
        .ok_or_else(|| Error::input(format!("there is no axis {axis} in {rank} dimensions")))
}

/// Resolves several axes and sorts them in ascending order.
///
/// # Errors
/// `Input` if the tensor has no such axis, or if an axis is repeated.
pub fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut found = given
        .iter()
        .map(|&one| axis(one, rank))
        .collect::<Result<Vec<_>>>()?;
    found.sort_unstable();
    if found.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::input(format!("an axis is repeated in {given:?}")));
    }
    Ok(found)
}

/// The shape that all of these broadcast to (multidirectional broadcasting, as ONNX and NumPy define it).
///
/// # Errors
/// `Input` if two sizes differ and neither is 1.
pub fn broadcast(shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = vec![1; rank];
    for shape in shapes {
        let skipped = rank - shape.len();
        for (size, &actual) in result[skipped..].iter_mut().zip(*shape) {
            if *size == 1 {
                *size = actual;
            } else if actual != 1 && actual != *size {
                return Err(Error::input(format!(
                    "the shapes {shapes:?} cannot be broadcast to each other"
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

/// An iterator over all positions of a shape in row-major order. Each item has an offset into each of `N` tensors, by
/// their own strides.
pub struct Walk<'a, const N: usize> {
    shape: &'a [usize],
    strides: [&'a [usize]; N],
    position: Vec<usize>,
    offsets: [usize; N],
    left: usize,
}

impl<'a, const N: usize> Walk<'a, N> {
    /// Starts at the first position. Each of `strides` has one stride per axis of `shape`, whose number of elements must
    /// fit a `usize`.
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
