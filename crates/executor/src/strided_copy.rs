//! Copies of tensors with strides, in runs or by index maps, for any datatype.

use crate::error::{Error, Result};
use crate::index::{Walk, strides};
use crate::tensor::{Data, Element, Tensor, element_count, with_room};
use crate::with_element;

/// A position for which [`gather_axes`] writes the fill value.
pub const FILL: usize = usize::MAX;

/// Copies the elements at an offset plus multiples of the strides, for each position of `shape`. Strides count elements and
/// may be 0 or negative.
///
/// # Errors
/// `Memory` if the result does not fit into memory, `Input` if a position is outside the elements.
pub fn strided_copy(data: &Data, offset: usize, shape: &[usize], steps: &[isize]) -> Result<Data> {
    let count = element_count(shape)?;
    check_reach(data.len(), offset, shape, steps)?;
    with_element!(data.datatype(), T => {
        let from = T::slice(data).unwrap_or_default();
        let mut to = with_room::<T>(count)?;
        walk(from, offset, shape, steps, &mut to);
        Ok(T::wrap(to))
    })
}

/// Checks that every position is inside the elements.
fn check_reach(len: usize, offset: usize, shape: &[usize], steps: &[isize]) -> Result<()> {
    if shape.contains(&0) {
        return Ok(());
    }
    let (mut lowest, mut highest) = (offset as i128, offset as i128);
    for (&size, &step) in shape.iter().zip(steps) {
        let reach = (size as i128 - 1) * step as i128;
        lowest += reach.min(0);
        highest += reach.max(0);
    }
    if lowest < 0 || highest >= len as i128 {
        return Err(Error::input(format!(
            "a strided copy of shape {shape:?} reads outside a tensor of {len} elements"
        )));
    }
    Ok(())
}

fn walk<T: Element>(from: &[T], offset: usize, shape: &[usize], steps: &[isize], to: &mut Vec<T>) {
    let (shape, steps) = merged(shape, steps);
    let Some((&inner, outer)) = shape.split_last() else {
        to.extend(from.get(offset));
        return;
    };
    let (step, steps) = (steps[outer.len()], &steps[..outer.len()]);
    if inner == 0 {
        return;
    }
    let mut position = vec![0; outer.len()];
    let mut start = offset as isize;
    loop {
        let at = start as usize;
        match step {
            1 => to.extend_from_slice(&from[at..at + inner]),
            0 => to.extend(std::iter::repeat_n(from[at], inner)),
            _ => to.extend((0..inner).map(|i| from[(start + i as isize * step) as usize])),
        }
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            position[axis] += 1;
            if position[axis] < outer[axis] {
                start += steps[axis];
                break;
            }
            position[axis] = 0;
            start -= steps[axis] * (outer[axis] as isize - 1);
        }
    }
}

/// The same copy over fewer axes: without axes of size 1, and with contiguous axes merged.
fn merged(shape: &[usize], steps: &[isize]) -> (Vec<usize>, Vec<isize>) {
    if shape.contains(&0) {
        return (vec![0], vec![0]);
    }
    let mut result: (Vec<usize>, Vec<isize>) = Default::default();
    for (&size, &step) in shape.iter().zip(steps) {
        if size == 1 {
            continue;
        }
        match (result.0.last_mut(), result.1.last_mut()) {
            (Some(last), Some(before)) if *before == step * size as isize => {
                *last *= size;
                *before = step;
            }
            _ => {
                result.0.push(size);
                result.1.push(step);
            }
        }
    }
    result
}

/// The strides of a row-major tensor, as [`strided_copy`] takes them.
#[must_use]
pub fn signed_strides(shape: &[usize]) -> Vec<isize> {
    strides(shape).iter().map(|&step| step as isize).collect()
}

/// Permutes a tensor's axes: axis `i` of the result is axis `order[i]` of the tensor.
///
/// # Errors
/// `Memory` if the result does not fit into memory.
pub fn transposed(tensor: &Tensor, order: &[usize]) -> Result<Tensor> {
    let own = signed_strides(tensor.shape());
    let shape: Vec<usize> = order.iter().map(|&axis| tensor.shape()[axis]).collect();
    let steps: Vec<isize> = order.iter().map(|&axis| own[axis]).collect();
    let data = strided_copy(tensor.data(), 0, &shape, &steps)?;
    Tensor::new(shape, data)
}

/// Copies runs of `run` elements, one for each of `starts`.
///
/// # Errors
/// `Memory` if the result does not fit into memory, `Input` if a run ends outside the elements.
pub fn gather_runs(data: &Data, run: usize, starts: &[usize]) -> Result<Data> {
    let count = element_count(&[run, starts.len()])?;
    with_element!(data.datatype(), T => {
        let from = T::slice(data).unwrap_or_default();
        let mut to = with_room::<T>(count)?;
        for &start in starts {
            let found = start.checked_add(run).and_then(|end| from.get(start..end));
            to.extend_from_slice(found.ok_or_else(|| {
                Error::input(format!("there is no element {start} in {}", from.len()))
            })?);
        }
        Ok(T::wrap(to))
    })
}

/// Copies a tensor by an index map for each axis: position `p` of the result's axis reads position `maps[axis][p]`, or
/// the fill value (0 by default) for [`FILL`].
///
/// # Errors
/// `Memory` if the result does not fit into memory, `Input` if a position is outside its axis, `Unsupported` if the fill
/// value has another datatype.
pub fn gather_axes(
    tensor: &Tensor,
    maps: &[Vec<usize>],
    filling: Option<&Tensor>,
) -> Result<Tensor> {
    let shape: Vec<usize> = maps.iter().map(Vec::len).collect();
    let count = element_count(&shape)?;
    for (map, &size) in maps.iter().zip(tensor.shape()) {
        if let Some(&bad) = map.iter().find(|&&from| from != FILL && from >= size) {
            return Err(Error::input(format!(
                "there is no position {bad} in {size}"
            )));
        }
    }
    with_element!(tensor.datatype(), T => {
        let from = tensor.elements::<T>()?;
        let fill = match filling {
            Some(filling) => filling.elements::<T>()?.first().copied().unwrap_or_default(),
            None => T::default(),
        };
        let mut to = with_room::<T>(count)?;
        let Some((inner, outer)) = maps.split_last() else {
            to.extend_from_slice(from);
            return Tensor::new(shape, T::wrap(to));
        };
        let own = strides(tensor.shape());
        // Most rows are copies of a few runs: padding leaves a whole row as it is.
        let runs = runs(inner)?;
        let zeros = vec![0; outer.len()];
        let mut position = vec![0; outer.len()];
        // The walk only counts rows; the maps say where a row comes from.
        for _ in Walk::new(&shape[..outer.len()], [&zeros]) {
            let start = outer.iter().zip(&own).zip(&position).try_fold(0, |sum, ((map, stride), &at)| {
                (map[at] != FILL).then(|| sum + map[at] * stride)
            });
            match start {
                None => to.extend(std::iter::repeat_n(fill, inner.len())),
                Some(start) if runs.len() <= inner.len() / 4 => {
                    for &(first, count) in &runs {
                        match first {
                            FILL => to.extend(std::iter::repeat_n(fill, count)),
                            first => to.extend_from_slice(&from[start + first..][..count]),
                        }
                    }
                }
                Some(start) => to.extend(inner.iter().map(|&at| match at {
                    FILL => fill,
                    at => from[start + at],
                })),
            }
            for axis in (0..outer.len()).rev() {
                position[axis] += 1;
                if position[axis] < outer[axis].len() {
                    break;
                }
                position[axis] = 0;
            }
        }
        Tensor::new(shape, T::wrap(to))
    })
}

/// The runs of successive positions in a map, by their first position and their length; positions to fill are runs too.
///
/// # Errors
/// `Memory`.
fn runs(map: &[usize]) -> Result<Vec<(usize, usize)>> {
    let mut runs: Vec<(usize, usize)> = with_room(map.len())?;
    for &at in map {
        match runs.last_mut() {
            Some((FILL, count)) if at == FILL => *count += 1,
            Some((first, count)) if *first != FILL && at == *first + *count => *count += 1,
            _ => runs.push((at, 1)),
        }
    }
    Ok(runs)
}

/// A tensor as rows along one axis, which is transposed to the end.
pub struct Rows {
    order: Vec<usize>,
}

impl Rows {
    /// Transposes an axis to the end; the result's first part undoes that.
    ///
    /// # Errors
    /// `Memory` if the result does not fit into memory.
    pub fn along(tensor: Tensor, axis: usize) -> Result<(Self, Tensor)> {
        let rank = tensor.rank();
        let mut order: Vec<usize> = (0..rank).filter(|&other| other != axis).collect();
        order.push(axis);
        let tensor = match axis + 1 == rank {
            true => tensor,
            false => transposed(&tensor, &order)?,
        };
        Ok((Self { order }, tensor))
    }

    /// Transposes the axis back to its place; the rows may have another length by now.
    ///
    /// # Errors
    /// `Memory` if the result does not fit into memory.
    pub fn back(&self, tensor: Tensor) -> Result<Tensor> {
        if self.order.is_sorted() {
            return Ok(tensor);
        }
        let mut inverse = vec![0; self.order.len()];
        for (at, &axis) in self.order.iter().enumerate() {
            inverse[axis] = at;
        }
        transposed(&tensor, &inverse)
    }
}
