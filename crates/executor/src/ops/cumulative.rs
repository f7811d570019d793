//! Cumulative sums and products along an axis.

use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::index::axis;
use crate::number::{Arithmetic, Number};
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::Rows;
use crate::tensor::Tensor;
use crate::with_number;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("CumProd", |build| cumulative(build, true)),
    onnx("CumSum", |build| cumulative(build, false)),
];

fn cumulative(build: &Build<'_>, is_product: bool) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Cumulative {
        is_product,
        is_exclusive: attributes.flag("exclusive", false),
        is_reverse: attributes.flag("reverse", false),
    })
}

/// CumSum and CumProd: the sum or product of all elements up to each one along an axis; without the element itself if
/// `exclusive`, from the end if `reverse`.
struct Cumulative {
    is_product: bool,
    is_exclusive: bool,
    is_reverse: bool,
}

impl Operator for Cumulative {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let given = match inputs.required(1)?.to_i64()?[..] {
            [given] => given,
            ref other => {
                return Err(Error::input(format!(
                    "the axis has {} values, expected 1",
                    other.len()
                )));
            }
        };
        let input = inputs.take(0)?;
        let at = axis(given, input.rank())?;
        let len = input.shape()[at];
        if input.is_empty() {
            return Ok(vec![input]);
        }
        let (order, rows) = Rows::along(input, at)?;
        let shape = rows.shape().to_vec();
        with_number!(rows.datatype(), T => {
            let mut elements = rows.into_elements::<T>()?;
            for row in elements.chunks_exact_mut(len) {
                match self.is_reverse {
                    true => self.go(row.iter_mut().rev()),
                    false => self.go(row.iter_mut()),
                }
            }
            Ok(vec![order.back(Tensor::of(&shape, elements)?)?])
        })
    }
}

impl Cumulative {
    fn go<'a, T: Number>(&self, row: impl Iterator<Item = &'a mut T>) {
        let mut total = match self.is_product {
            true => T::Wide::ONE,
            false => T::Wide::ZERO,
        };
        for element in row {
            let before = total;
            let value = element.widen();
            total = match self.is_product {
                true => total.times(value),
                false => total.plus(value),
            };
            *element = T::narrow(if self.is_exclusive { before } else { total });
        }
    }
}
