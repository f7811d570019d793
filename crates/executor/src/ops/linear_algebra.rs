//! ONNX Runtime's operators of linear algebra: CDist and Inverse. (ONNX Runtime's documentation of contributed operators.)

use super::entry::{OperatorEntry, boxed, microsoft};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, common_datatype, into_reals, reals, rounded};
use crate::tensor::{Tensor, element_count, filled, with_room};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    microsoft("CDist", cdist),
    microsoft("Inverse", |_| boxed(Inverse)),
];

fn cdist(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Distances {
        is_squared: match build.attributes().string("metric", "sqeuclidean") {
            "sqeuclidean" => true,
            "euclidean" => false,
            other => {
                return Err(Error::graph(format!(
                    "the attribute `metric` is `{other}`, expected `euclidean` or `sqeuclidean`"
                )));
            }
        },
    })
}

/// CDist: the distances of each row of `[M, K]` from each row of `[N, K]`, `[M, N]`, or their squares. Floats.
struct Distances {
    is_squared: bool,
}

impl Operator for Distances {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let datatype = common_datatype(&inputs, &[1])?;
        let (a, b) = (inputs.required(0)?, inputs.required(1)?);
        let (&[rows, size], &[columns, other]) = (a.shape(), b.shape()) else {
            return Err(not_rows(a, b));
        };
        if size != other {
            return Err(not_rows(a, b));
        }
        in_real!(datatype, R => {
            let (a, b) = (reals::<R>(a)?, reals::<R>(b)?);
            let mut result = filled(element_count(&[rows, columns])?, R::default())?;
            if size > 0 && columns > 0 {
                let each = result.chunks_exact_mut(columns).zip(a.chunks_exact(size));
                for (row, a) in each {
                    for (distance, b) in row.iter_mut().zip(b.chunks_exact(size)) {
                        let differences = a.iter().zip(b).map(|(&a, &b)| a - b);
                        let sum = differences.fold(R::default(), |sum, d| sum + d * d);
                        *distance = if self.is_squared { sum } else { sum.sqrt() };
                    }
                }
            }
            Ok(vec![rounded(vec![rows, columns], result, datatype)?])
        })
    }
}

fn not_rows(a: &Tensor, b: &Tensor) -> Error {
    Error::input(format!(
        "inputs of shapes {:?} and {:?} are not rows of the same length, [M, K] and [N, K]",
        a.shape(),
        b.shape()
    ))
}

/// Inverse: the inverse of each square matrix on the last two axes. Floats. A singular matrix has no inverse: its result has
/// infinities and NaNs.
struct Inverse;

impl Operator for Inverse {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let (shape, datatype) = (input.shape().to_vec(), input.datatype());
        let &[.., size, columns] = shape.as_slice() else {
            return Err(not_square(&shape));
        };
        if size != columns {
            return Err(not_square(&shape));
        }
        in_real!(datatype, R => {
            let mut values = into_reals::<R>(input)?;
            if !values.is_empty() {
                let mut rest = with_room(size * size)?;
                for matrix in values.chunks_exact_mut(size * size) {
                    rest.clear();
                    rest.extend_from_slice(matrix);
                    invert(&mut rest, matrix, size);
                }
            }
            Ok(vec![rounded(shape, values, datatype)?])
        })
    }
}

fn not_square(shape: &[usize]) -> Error {
    Error::input(format!(
        "expected square matrices, [..., N, N], got the shape {shape:?}"
    ))
}

/// Gauss-Jordan elimination: turns `rest` into the identity, and with the same steps the identity into the result.
fn invert<R: Real>(rest: &mut [R], result: &mut [R], size: usize) {
    result.fill(R::zero());
    for at in 0..size {
        result[at * size + at] = R::one();
    }
    for column in 0..size {
        // The largest pivot loses the fewest digits.
        let pivot = (column..size).fold(column, |best, row| {
            let is_larger = rest[row * size + column].abs() > rest[best * size + column].abs();
            if is_larger { row } else { best }
        });
        let inverse = rest[pivot * size + column].recip();
        for matrix in [&mut *rest, &mut *result] {
            for at in 0..size {
                matrix.swap(pivot * size + at, column * size + at);
                matrix[column * size + at] *= inverse;
            }
        }
        for row in (0..size).filter(|&row| row != column) {
            let factor = rest[row * size + column];
            for matrix in [&mut *rest, &mut *result] {
                for at in 0..size {
                    let product = factor * matrix[column * size + at];
                    matrix[row * size + at] = matrix[row * size + at] - product;
                }
            }
        }
    }
}
