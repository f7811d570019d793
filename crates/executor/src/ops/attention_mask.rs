//! The mask of Attention.

use crate::error::{Error, Result};
use crate::index;
use crate::real::{Real, reals};
use crate::tensor::{Tensor, with_room};

/// The mask that is added to scores, broadcast to `[batch, heads, queries, keys]`; negative infinity excludes a key.
pub(super) struct Mask<R> {
    values: Vec<R>,
    strides: [usize; 4],
    length: usize,
}

impl<R: Real> Mask<R> {
    /// Reads a mask: BOOL (true keeps a key), or floats to add to scores of `shape`.
    ///
    /// # Errors
    /// `Input` if it cannot be broadcast to `shape`, `Memory`.
    pub(super) fn of(tensor: &Tensor, shape: [usize; 4]) -> Result<Self> {
        let own = tensor.shape();
        let length = own.last().copied().unwrap_or(0);
        let mut target = shape;
        target[3] = length;
        let wrong = || {
            Error::input(format!(
                "the mask has the shape {own:?}, which cannot be broadcast to {shape:?}"
            ))
        };
        if own.is_empty() || own.len() > 4 || length > shape[3] {
            return Err(wrong());
        }
        if index::broadcast(&[own, &target]).map_err(|_| wrong())? != target {
            return Err(wrong());
        }
        let strides = index::broadcast_strides(own, &target);
        let values = match tensor.elements::<bool>() {
            Ok(looked_at) => {
                let mut values = with_room(looked_at.len())?;
                let each = looked_at.iter();
                values.extend(each.map(|&yes| if yes { R::zero() } else { R::neg_infinity() }));
                values
            }
            Err(_) => reals::<R>(tensor)?.into_owned(),
        };
        Ok(Self {
            values,
            strides: [strides[0], strides[1], strides[2], strides[3]],
            length,
        })
    }

    /// Writes the mask of one query; keys past the mask's end are excluded.
    pub(super) fn fill(&self, row: &mut [R], at: [usize; 3]) {
        let start: usize = at
            .iter()
            .zip(&self.strides)
            .map(|(at, stride)| at * stride)
            .sum();
        for (key, bias) in row.iter_mut().enumerate() {
            *bias = match key < self.length {
                true => self.values[start + key * self.strides[3]],
                false => R::neg_infinity(),
            };
        }
    }
}
