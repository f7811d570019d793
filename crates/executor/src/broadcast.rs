//! Elementwise functions of tensors that are broadcast to each other, in contiguous runs without index arithmetic.

use crate::error::Result;
use crate::index::{Walk, broadcast, broadcast_strides};
use crate::operator::Inputs;
use crate::tensor::{Element, Tensor, element_count, with_room};

/// `N` tensors broadcast to one shape, as runs along its last axes.
pub struct Runs<const N: usize> {
    outer: Vec<usize>,
    outer_steps: [Vec<usize>; N],
    /// The number of elements of a run.
    pub len: usize,
    /// The stride within a run, for each tensor: 0 or 1.
    pub steps: [usize; N],
}

impl<const N: usize> Runs<N> {
    /// Runs over tensors of these shapes, all of which must broadcast to the target.
    #[must_use]
    pub fn new(shapes: [&[usize]; N], target: &[usize]) -> Self {
        let all = shapes.map(|shape| broadcast_strides(shape, target));
        let mut sizes: Vec<usize> = Vec::new();
        let mut steps: [Vec<usize>; N] = std::array::from_fn(|_| Vec::new());
        for (axis, &size) in target.iter().enumerate() {
            if size == 1 {
                continue;
            }
            // An axis that is contiguous with the one before it in all tensors is merged with it.
            let goes_on = steps
                .iter()
                .zip(&all)
                .all(|(steps, all)| steps.last() == Some(&all[axis].saturating_mul(size)));
            match sizes.last_mut().filter(|_| goes_on) {
                Some(last) => {
                    *last = last.saturating_mul(size);
                    for (steps, all) in steps.iter_mut().zip(&all) {
                        steps.pop();
                        steps.push(all[axis]);
                    }
                }
                None => {
                    sizes.push(size);
                    for (steps, all) in steps.iter_mut().zip(&all) {
                        steps.push(all[axis]);
                    }
                }
            }
        }
        let len = sizes.pop().unwrap_or(1);
        let inner = std::array::from_fn(|at| steps[at].pop().unwrap_or(1));
        Self {
            outer: sizes,
            outer_steps: steps,
            len,
            steps: inner,
        }
    }

    /// The offset of each run in each tensor, in order.
    pub fn starts(&self) -> Walk<'_, N> {
        Walk::new(
            &self.outer,
            std::array::from_fn(|at| self.outer_steps[at].as_slice()),
        )
    }
}

/// Applies a function to each pair of elements of two tensors that are broadcast to each other.
///
/// # Errors
/// `Input` if they cannot be broadcast, `Unsupported` for another datatype, `Memory`.
pub fn zip<A: Element, B: Element, U: Element>(
    a: &Tensor,
    b: &Tensor,
    function: impl Fn(A, B) -> U,
) -> Result<Tensor> {
    let shape = broadcast(&[a.shape(), b.shape()])?;
    let count = element_count(&shape)?;
    let (left, right) = (a.elements::<A>()?, b.elements::<B>()?);
    let mut to = with_room(count)?;
    if count > 0 {
        let runs = Runs::new([a.shape(), b.shape()], &shape);
        for [at, bt] in runs.starts() {
            match runs.steps {
                [0, _] => {
                    let x = left[at];
                    to.extend(right[bt..bt + runs.len].iter().map(|&y| function(x, y)));
                }
                [_, 0] => {
                    let y = right[bt];
                    to.extend(left[at..at + runs.len].iter().map(|&x| function(x, y)));
                }
                _ => {
                    let pairs = left[at..at + runs.len].iter().zip(&right[bt..]);
                    to.extend(pairs.map(|(&x, &y)| function(x, y)));
                }
            }
        }
    }
    Tensor::of(&shape, to)
}

/// As [`zip`] for the first two inputs, in place if one of them is owned and has the result's shape.
///
/// # Errors
/// As [`zip`].
pub fn combine<T: Element>(
    inputs: &mut Inputs<'_>,
    function: impl Fn(T, T) -> T,
) -> Result<Tensor> {
    let (a, b) = (inputs.required(0)?, inputs.required(1)?);
    let shape = broadcast(&[a.shape(), b.shape()])?;
    a.elements::<T>()?;
    b.elements::<T>()?;
    if inputs.is_owned(0) && a.shape() == shape {
        let a = inputs.take(0)?;
        into_first(a, inputs.required(1)?, function)
    } else if inputs.is_owned(1) && b.shape() == shape {
        let b = inputs.take(1)?;
        into_first(b, inputs.required(0)?, |y, x| function(x, y))
    } else {
        zip(a, b, function)
    }
}

/// As [`zip`], in place in the first tensor, to whose shape the second one must broadcast.
fn into_first<T: Element>(a: Tensor, b: &Tensor, function: impl Fn(T, T) -> T) -> Result<Tensor> {
    let shape = a.shape().to_vec();
    let mut left = a.into_elements::<T>()?;
    let right = b.elements::<T>()?;
    if !left.is_empty() {
        let runs = Runs::new([&shape, b.shape()], &shape);
        for [at, bt] in runs.starts() {
            let run = &mut left[at..at + runs.len];
            match runs.steps {
                [_, 0] => {
                    let y = right[bt];
                    run.iter_mut().for_each(|x| *x = function(*x, y));
                }
                _ => {
                    let pairs = run.iter_mut().zip(&right[bt..]);
                    pairs.for_each(|(x, &y)| *x = function(*x, y));
                }
            }
        }
    }
    Tensor::of(&shape, left)
}

/// As [`zip`], in place in the first tensor if it has the result's shape.
///
/// # Errors
/// As [`zip`].
pub fn zip_owned<T: Element>(
    a: Tensor,
    b: &Tensor,
    function: impl Fn(T, T) -> T,
) -> Result<Tensor> {
    a.elements::<T>()?;
    match broadcast(&[a.shape(), b.shape()])? == a.shape() {
        true => into_first(a, b, function),
        false => zip(&a, b, function),
    }
}
