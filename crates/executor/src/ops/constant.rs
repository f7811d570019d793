//! Operators that create tensors: Constant, ConstantOfShape, EyeLike, Range and Trilu.

use infer_tensor::Datatype;

use super::cast::{cast, datatype};
use super::entry::{OperatorEntry, boxed, microsoft, onnx};
use super::layout::sizes;
use crate::error::{Error, Result};
use crate::number::{Arithmetic, Number};
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Tensor, element_count, filled, with_room};
use crate::tensor_proto;
use crate::{with_element, with_number};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("Constant", |build| boxed(Constant(constant(build)?))),
    onnx("ConstantOfShape", constant_of_shape),
    onnx("EyeLike", eye_like),
    onnx("Range", |_| boxed(Range)),
    onnx("Trilu", trilu),
    microsoft("Range", |_| boxed(Range)),
    microsoft("Trilu", trilu),
];

fn constant_of_shape(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let value = match build.attributes().tensor("value") {
        Some(value) => tensor_proto::tensor(value.clone())?,
        None => Tensor::scalar(0f32),
    };
    if value.len() != 1 {
        return Err(Error::graph(format!(
            "the attribute `value` has {} elements, expected 1",
            value.len()
        )));
    }
    boxed(ConstantOfShape { value })
}

fn eye_like(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(EyeLike {
        datatype: attributes.optional_int("dtype").map(datatype).transpose()?,
        diagonal: attributes.int("k", 0),
    })
}

fn trilu(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Trilu {
        is_upper: build.attributes().flag("upper", true),
    })
}

/// Constant: a tensor from the file. String and sparse tensors are not supported.
struct Constant(Tensor);

impl Operator for Constant {
    fn run(&self, _: Inputs<'_>) -> Result<Vec<Tensor>> {
        Ok(vec![self.0.clone()])
    }
}

fn constant(build: &Build<'_>) -> Result<Tensor> {
    let attributes = build.attributes();
    if let Some(tensor) = attributes.tensor("value") {
        tensor_proto::tensor(tensor.clone())
    } else if let Some(value) = attributes.optional_float("value_float") {
        Ok(Tensor::scalar(value))
    } else if let Some(values) = attributes.floats("value_floats") {
        Ok(Tensor::vector(values.to_vec()))
    } else if let Some(value) = attributes.optional_int("value_int") {
        Ok(Tensor::scalar(value))
    } else if let Some(values) = attributes.ints("value_ints") {
        Ok(Tensor::vector(values.to_vec()))
    } else {
        for name in ["value_string", "value_strings", "sparse_value"] {
            if attributes.has(name) {
                return Err(Error::unsupported(format!(
                    "the attribute `{name}` is not supported"
                )));
            }
        }
        Err(Error::graph("the attribute `value` is missing"))
    }
}

/// ConstantOfShape: a tensor of the given shape, all of one value.
struct ConstantOfShape {
    value: Tensor,
}

impl Operator for ConstantOfShape {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let shape = sizes(inputs.required(0)?)?;
        let count = element_count(&shape)?;
        with_element!(self.value.datatype(), T => {
            let value = self.value.elements::<T>()?.first().copied().unwrap_or_default();
            Ok(vec![Tensor::of(&shape, filled(count, value)?)?])
        })
    }
}

/// EyeLike: ones on a diagonal, zeros elsewhere.
struct EyeLike {
    datatype: Option<Datatype>,
    diagonal: i64,
}

impl Operator for EyeLike {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let &[rows, columns] = input.shape() else {
            return Err(Error::input(format!(
                "expected a matrix, got the shape {:?}",
                input.shape()
            )));
        };
        let count = input.len();
        let mut ones = filled(count, false)?;
        if count > 0 {
            for row in 0..rows {
                let column = (row as i64).checked_add(self.diagonal);
                let column = column.and_then(|column| usize::try_from(column).ok());
                if let Some(column) = column.filter(|&column| column < columns) {
                    ones[row * columns + column] = true;
                }
            }
        }
        let eye = Tensor::of(&[rows, columns], ones)?;
        let to = self.datatype.unwrap_or(input.datatype());
        Ok(vec![cast(eye, to)?])
    }
}

/// Range: values from a start to a limit (exclusive), a step apart. In `com.microsoft` the step may be omitted and is then 1;
/// ONNX requires it, but a file without it has no other meaning.
struct Range;

impl Operator for Range {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        with_number!(inputs.required(0)?.datatype(), T => {
            let one = |at| match inputs.elements::<T>(at)? {
                [value] => Ok(value.widen()),
                other => Err(Error::input(format!(
                    "input {at} has {} values, expected 1",
                    other.len()
                ))),
            };
            let (start, limit, step) = (
                one(0)?,
                one(1)?,
                match inputs.get(2) {
                    Some(_) => one(2)?,
                    None => Arithmetic::of_f64(1.0),
                },
            );
            if step == <T as Number>::Wide::ZERO || step.not_a_number() {
                return Err(Error::input("the step of the range is 0 or NaN"));
            }
            let count = steps(start, limit, step)?;
            let mut to = with_room(count)?;
            if <T as Number>::Wide::IS_INTEGER {
                let mut next = start;
                for _ in 0..count {
                    to.push(T::narrow(next));
                    next = next.plus(step);
                }
            } else {
                to.extend((0..count).map(|at| {
                    T::narrow(start.plus(step.times(Arithmetic::of_f64(at as f64))))
                }));
            }
            Ok(vec![Tensor::vector(to)])
        })
    }
}

/// The number of steps from a start to a limit.
fn steps<A: Arithmetic>(start: A, limit: A, step: A) -> Result<usize> {
    let count = if A::IS_INTEGER {
        let (start, limit, step) = (start.to_i128(), limit.to_i128(), step.to_i128());
        // The quotient rounded up, for either sign.
        let way = limit - start;
        let count = way / step + i128::from(way % step != 0 && (way < 0) == (step < 0));
        usize::try_from(count.max(0)).ok()
    } else {
        let count = ((limit.to_f64() - start.to_f64()) / step.to_f64()).ceil();
        (!count.is_nan() && count <= MAX_STEPS).then_some(count.max(0.0) as usize)
    };
    let count =
        count.ok_or_else(|| Error::input("the range has more values than a tensor can have"))?;
    element_count(&[count])
}

/// More elements than a tensor can have.
const MAX_STEPS: f64 = 4e9;

/// Trilu: the upper or lower triangle of each matrix, zeros elsewhere.
struct Trilu {
    is_upper: bool,
}

impl Operator for Trilu {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let diagonal = match inputs.get(1) {
            None => 0,
            Some(tensor) => match tensor.to_i64()?[..] {
                [diagonal] => diagonal,
                ref other => {
                    return Err(Error::input(format!(
                        "the diagonal has {} values, expected 1",
                        other.len()
                    )));
                }
            },
        };
        let input = inputs.take(0)?;
        let shape = input.shape().to_vec();
        let [.., rows, columns] = shape[..] else {
            return Err(Error::input(format!(
                "expected at least two axes, got the shape {shape:?}"
            )));
        };
        with_element!(input.datatype(), T => {
            let mut elements = input.into_elements::<T>()?;
            if columns > 0 {
                for (row, values) in elements.chunks_exact_mut(columns).enumerate() {
                    // The row's first column on or above the diagonal.
                    let first = ((row % rows) as i64).saturating_add(diagonal);
                    let zeros = match self.is_upper {
                        true => 0..usize::try_from(first).unwrap_or(0).min(columns),
                        false => {
                            usize::try_from(first.saturating_add(1)).unwrap_or(0).min(columns)
                                ..columns
                        }
                    };
                    values[zeros].fill(T::default());
                }
            }
            Ok(vec![Tensor::of(&shape, elements)?])
        })
    }
}
