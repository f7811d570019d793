//! Softmax, LogSoftmax and Hardmax.

use infer_kernels::functions;

use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::Result;
use crate::index::axis;
use crate::number::{Arithmetic, Float, Real};
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::Rows;
use crate::tensor::{Element, Tensor, element_count, with_room};
use crate::with_real;

use super::reduce::sum;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("Hardmax", |build| build_softmax(build, Kind::Hardmax)),
    onnx("LogSoftmax", |build| build_softmax(build, Kind::LogSoftmax)),
    onnx("Softmax", |build| build_softmax(build, Kind::Softmax)),
];

fn build_softmax(build: &Build<'_>, kind: Kind) -> Result<Box<dyn Operator>> {
    // Before version 13 the axes from `axis` on count as one.
    let is_flat = build.opset < 13;
    boxed(Softmax {
        kind,
        axis: build.attributes().int("axis", if is_flat { 1 } else { -1 }),
        is_flat,
    })
}

#[derive(Clone, Copy)]
enum Kind {
    Softmax,
    LogSoftmax,
    Hardmax,
}

/// Softmax, LogSoftmax and Hardmax along an axis; before version 13 along that axis and all later ones as if they were one.
struct Softmax {
    kind: Kind,
    axis: i64,
    is_flat: bool,
}

impl Operator for Softmax {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        if self.is_flat {
            let shape = input.shape().to_vec();
            let at = match usize::try_from(self.axis) {
                Ok(at) if at == shape.len() => at,
                _ => axis(self.axis, shape.len())?,
            };
            let len = element_count(&shape[at..])?;
            return Ok(vec![self.rows(input, len)?]);
        }
        let at = axis(self.axis, input.rank())?;
        let len = input.shape()[at];
        let (order, rows) = Rows::along(input, at)?;
        Ok(vec![order.back(self.rows(rows, len)?)?])
    }
}

impl Softmax {
    fn rows(&self, input: Tensor, len: usize) -> Result<Tensor> {
        if input.is_empty() {
            return Ok(input);
        }
        if matches!(self.kind, Kind::Softmax) && input.datatype() == f32::DATATYPE {
            let shape = input.shape().to_vec();
            let mut elements = input.into_elements::<f32>()?;
            elements.chunks_exact_mut(len).for_each(functions::softmax);
            return Tensor::of(&shape, elements);
        }
        with_real!(input.datatype(), T => {
            let shape = input.shape().to_vec();
            let mut elements = input.into_elements::<T>()?;
            let mut scratch = with_room(len)?;
            for row in elements.chunks_exact_mut(len) {
                match self.kind {
                    Kind::Softmax => softmax(row, &mut scratch),
                    Kind::LogSoftmax => log_softmax(row),
                    Kind::Hardmax => hardmax(row),
                }
            }
            Tensor::of(&shape, elements)
        })
    }
}

fn largest<T: Real>(row: &[T]) -> T::Wide {
    row.iter()
        .fold(T::Wide::LOWEST, |found, x| found.larger(x.widen()))
}

fn softmax<T: Real>(row: &mut [T], powers: &mut Vec<T::Wide>) {
    let largest = largest(row);
    powers.clear();
    powers.extend(
        row.iter()
            .map(|x| num_traits::Float::exp(x.widen() - largest)),
    );
    let total = powers.iter().fold(T::Wide::ZERO, |sum, &x| sum + x);
    for (element, &power) in row.iter_mut().zip(powers.iter()) {
        *element = T::narrow(power / total);
    }
}

/// Computes the log-softmax of a row, in place.
pub(super) fn log_softmax<T: Real>(row: &mut [T]) {
    let largest = largest(row);
    let total = sum(row, |x| num_traits::Float::exp(x - largest));
    let logarithm = num_traits::Float::ln(total);
    for element in row {
        *element = T::narrow(element.widen() - largest - logarithm);
    }
}

/// Replaces the first largest element of a row by 1 and all others by 0.
fn hardmax<T: Real>(row: &mut [T]) {
    let mut found = 0;
    for at in 1..row.len() {
        if row[at] > row[found] {
            found = at;
        }
    }
    row.fill(T::default());
    row[found] = T::narrow(Float::of(1.0));
}
