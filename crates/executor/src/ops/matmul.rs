//! Matrix products and determinants, for every rank and datatype.

use std::cell::RefCell;

use infer_kernels::gemm::{Clamp, Packed, ROWS, gemm};

use super::arithmetic::narrowed;
use super::entry::{OperatorEntry, boxed, onnx};
use crate::broadcast::zip_owned;
use crate::buffer_pool::scratch;
use crate::error::{Error, Result};
use crate::index::{Walk, broadcast, broadcast_strides};
use crate::number::{Arithmetic, Float, Number};
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::transposed;
use crate::tensor::Element;
use crate::tensor::{Tensor, element_count, filled, too_large, with_room};
use crate::{with_number, with_real};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("Det", |_| boxed(Det)),
    onnx("Gemm", build_gemm),
    onnx("MatMul", |_| boxed(MatMul)),
];

fn build_gemm(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Gemm {
        alpha: attributes.float("alpha", 1.0),
        beta: attributes.float("beta", 1.0),
        turns_a: attributes.flag("transA", false),
        turns_b: attributes.flag("transB", false),
    })
}

/// Adds the product of row-major matrices of m by k and k by n to an m by n matrix. The inner loop runs along rows of the
/// second matrix and of the result, which are contiguous.
pub(super) fn multiply_add<A: Arithmetic>(a: &[A], b: &[A], k: usize, n: usize, to: &mut [A]) {
    if n == 0 || k == 0 {
        return;
    }
    for (row, to) in a.chunks_exact(k).zip(to.chunks_exact_mut(n)) {
        for (&x, b) in row.iter().zip(b.chunks_exact(n)) {
            for (sum, &y) in to.iter_mut().zip(b) {
                *sum = sum.plus(x.times(y));
            }
        }
    }
}

/// Multiplies two tensors of matrices, as NumPy's `matmul` does: axes before the last two are broadcast, and a vector
/// counts as a row on the left or a column on the right.
///
/// # Errors
/// `Input` if the shapes do not match, `Memory`.
pub(super) fn product<A: Arithmetic>(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let wrong = || {
        Error::input(format!(
            "matrices of shape {:?} and {:?} cannot be multiplied",
            a.shape(),
            b.shape()
        ))
    };
    let (left, right) = (matrix(a.shape(), true), matrix(b.shape(), false));
    let (Some((a_outer, m, k)), Some((b_outer, inner, n))) = (left, right) else {
        return Err(wrong());
    };
    if k != inner {
        return Err(wrong());
    }
    let outer = broadcast(&[a_outer, b_outer])?;
    let mut shape = outer.clone();
    shape.extend((a.rank() > 1).then_some(m));
    shape.extend((b.rank() > 1).then_some(n));
    let count = element_count(&shape)?;
    let (a_strides, b_strides) = (
        broadcast_strides(a_outer, &outer),
        broadcast_strides(b_outer, &outer),
    );
    let matrices = Walk::new(&outer, [&a_strides, &b_strides]);
    if m >= ROWS && k > 0 && count > 0 && A::DATATYPE == f32::DATATYPE {
        let sides = (a.elements()?, b.elements()?);
        return Tensor::of(&shape, products(matrices, sides, [m, k, n], count)?);
    }
    let mut to = filled(count, A::ZERO)?;
    if !to.is_empty() && k > 0 {
        let (a_elements, b_elements) = (a.elements::<A>()?, b.elements::<A>()?);
        for ([at, bt], to) in matrices.zip(to.chunks_exact_mut(m * n)) {
            let a = &a_elements[at * m * k..(at + 1) * m * k];
            let b = &b_elements[bt * k * n..(bt + 1) * k * n];
            multiply_add(a, b, k, n, to);
        }
    }
    Tensor::of(&shape, to)
}

thread_local! {
    /// The matrix that was packed last; the next one reuses its memory.
    static PACKED: RefCell<Packed> = RefCell::default();
}

/// Multiplies FP32 matrices with the packed kernel; packs each right-hand matrix first.
fn products(
    matrices: Walk<'_, 2>,
    (a, b): (&[f32], &[f32]),
    [m, k, n]: [usize; 3],
    count: usize,
) -> Result<Vec<f32>> {
    let mut to = scratch(count)?;
    PACKED.with_borrow_mut(|packed| -> Result<()> {
        let mut last = None;
        for ([at, bt], to) in matrices.zip(to.chunks_exact_mut(m * n)) {
            if last.replace(bt) != Some(bt) {
                packed
                    .repack(k, n, &b[bt * k * n..(bt + 1) * k * n])
                    .map_err(|_| too_large(&[k, n]))?;
            }
            let a = &a[at * m * k..(at + 1) * m * k];
            gemm(m, a, packed, None, Clamp::NONE, to);
        }
        Ok(())
    })?;
    Ok(to)
}

/// Splits a shape into batch axes, rows and columns. A vector is a row on the left and a column on the right.
fn matrix(shape: &[usize], is_left: bool) -> Option<(&[usize], usize, usize)> {
    match shape {
        [] => None,
        [size] if is_left => Some((&[], 1, *size)),
        [size] => Some((&[], *size, 1)),
        [outer @ .., rows, columns] => Some((outer, *rows, *columns)),
    }
}

/// Converts a tensor to the datatype that it is computed in; `None` if it has that already.
fn wide<T: Number>(tensor: &Tensor) -> Result<Option<Tensor>> {
    let elements = tensor.elements::<T>()?;
    if T::DATATYPE == T::Wide::DATATYPE {
        return Ok(None);
    }
    let mut to = with_room(elements.len())?;
    to.extend(elements.iter().map(|x| x.widen()));
    Tensor::of(tensor.shape(), to).map(Some)
}

/// MatMul: the product of matrices, batches of them, or vectors.
struct MatMul;

impl Operator for MatMul {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (a, b) = (inputs.required(0)?, inputs.required(1)?);
        with_number!(a.datatype(), T => {
            let (left, right) = (wide::<T>(a)?, wide::<T>(b)?);
            let (a, b) = (left.as_ref().unwrap_or(a), right.as_ref().unwrap_or(b));
            let found = product::<<T as Number>::Wide>(a, b)?;
            let shape = found.shape().to_vec();
            Ok(vec![narrowed::<T>(&shape, found.into_elements()?)?])
        })
    }
}

/// Gemm: alpha A B + beta C. A and B may be transposed; C is broadcast to the product.
struct Gemm {
    alpha: f32,
    beta: f32,
    turns_a: bool,
    turns_b: bool,
}

impl Operator for Gemm {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (a, b) = (inputs.required(0)?, inputs.required(1)?);
        if a.rank() != 2 || b.rank() != 2 {
            return Err(Error::input(format!(
                "expected two matrices, got tensors of shape {:?} and {:?}",
                a.shape(),
                b.shape()
            )));
        }
        let turned = |tensor: &Tensor, turns: bool| match turns {
            true => transposed(tensor, &[1, 0]).map(Some),
            false => Ok(None),
        };
        let (left, right) = (turned(a, self.turns_a)?, turned(b, self.turns_b)?);
        let (a, b) = (left.as_ref().unwrap_or(a), right.as_ref().unwrap_or(b));
        with_number!(a.datatype(), T => {
            let (left, right) = (wide::<T>(a)?, wide::<T>(b)?);
            let (a, b) = (left.as_ref().unwrap_or(a), right.as_ref().unwrap_or(b));
            let found = scaled::<<T as Number>::Wide>(product::<<T as Number>::Wide>(a, b)?, self.alpha)?;
            let shape = found.shape().to_vec();
            let sum = match inputs.get(2) {
                None => found,
                Some(c) => {
                    let c = match wide::<T>(c)? {
                        Some(c) => c,
                        None => c.clone(),
                    };
                    let c = scaled::<<T as Number>::Wide>(c, self.beta)?;
                    zip_owned::<<T as Number>::Wide>(found, &c, Arithmetic::plus)?
                }
            };
            if sum.shape() != shape {
                return Err(Error::input(format!(
                    "input 2 cannot be broadcast to the product's shape {shape:?}"
                )));
            }
            Ok(vec![narrowed::<T>(&shape, sum.into_elements()?)?])
        })
    }
}

fn scaled<A: Arithmetic>(tensor: Tensor, factor: f32) -> Result<Tensor> {
    if factor == 1.0 {
        return Ok(tensor);
    }
    if A::IS_INTEGER && factor.fract() != 0.0 {
        return Err(Error::unsupported(format!(
            "a factor of {factor} is not supported for {}, expected an integer",
            A::DATATYPE
        )));
    }
    let factor = A::of_f64(factor.into());
    super::elementwise::in_place::<A>(tensor, |x| x.times(factor))
}

/// Det: the determinant of each matrix.
struct Det;

impl Operator for Det {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let &[ref outer @ .., rows, columns] = input.shape() else {
            return Err(Error::input(format!(
                "expected square matrices, got the shape {:?}",
                input.shape()
            )));
        };
        if rows != columns {
            return Err(Error::input(format!(
                "expected square matrices, got {rows} rows and {columns} columns"
            )));
        }
        with_real!(input.datatype(), T => {
            let elements = input.elements::<T>()?;
            let count = element_count(outer)?;
            let mut to = with_room(count)?;
            // Without matrices their sizes may have a product that overflows.
            let size = match count {
                0 => 0,
                _ => element_count(&[rows, columns])?,
            };
            let mut matrix = with_room(size)?;
            for at in 0..count {
                matrix.clear();
                let own = &elements[at * rows * rows..(at + 1) * rows * rows];
                matrix.extend(own.iter().map(|x| x.widen()));
                to.push(T::narrow(determinant(&mut matrix, rows)));
            }
            Ok(vec![Tensor::of(outer, to)?])
        })
    }
}

/// The determinant by Gaussian elimination with partial pivoting.
fn determinant<F: Float>(matrix: &mut [F], size: usize) -> F {
    let mut product = F::ONE;
    for column in 0..size {
        let mut pivot = column;
        for row in column + 1..size {
            if matrix[row * size + column].magnitude() > matrix[pivot * size + column].magnitude() {
                pivot = row;
            }
        }
        let value = matrix[pivot * size + column];
        if value == F::ZERO {
            return F::ZERO;
        }
        if pivot != column {
            for at in column..size {
                matrix.swap(pivot * size + at, column * size + at);
            }
            product = -product;
        }
        product = product * value;
        for row in column + 1..size {
            let factor = matrix[row * size + column] / value;
            for at in column..size {
                let above = matrix[column * size + at];
                let element = &mut matrix[row * size + at];
                *element = *element - factor * above;
            }
        }
    }
    product
}
