//! Arithmetic on tensors that are broadcast to each other.

use super::entry::{LayoutRule, OperatorEntry, boxed, onnx};
use crate::broadcast::{combine, zip, zip_owned};
use crate::error::{Error, Result};
use crate::number::{Arithmetic, Integer, Number};
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Data, Element, Tensor, with_room};
use crate::{with_number, with_real};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("Add", |build| broadcasting(build, Operation::Add)).layout(LayoutRule::Binary),
    onnx("Div", |build| broadcasting(build, Operation::Div)).layout(LayoutRule::Binary),
    onnx("Max", |_| boxed(Extreme { largest: true })).layout(LayoutRule::Binary),
    onnx("Mean", |_| boxed(Sum { is_mean: true })),
    onnx("Min", |_| boxed(Extreme { largest: false })).layout(LayoutRule::Binary),
    onnx("Mod", modulo),
    onnx("Mul", |build| broadcasting(build, Operation::Mul)).layout(LayoutRule::Binary),
    onnx("Pow", |build| broadcasting(build, Pow)).layout(LayoutRule::Binary),
    onnx("Sub", |build| broadcasting(build, Operation::Sub)).layout(LayoutRule::Binary),
    onnx("Sum", |_| boxed(Sum { is_mean: false })),
];

/// Builds an operator whose two inputs are broadcast to each other. Before version 7 the attribute `axis` could ask for
/// another broadcasting rule, which is not supported.
pub(super) fn broadcasting(
    build: &Build<'_>,
    operator: impl Operator + 'static,
) -> Result<Box<dyn Operator>> {
    if build.opset < 7 && build.attributes().has("axis") {
        return Err(Error::unsupported(
            "the attribute `axis`, which broadcasting had before version 7, is not supported; convert the model to \
             version 7 or later",
        ));
    }
    boxed(operator)
}

fn modulo(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Mod {
        truncates: build.attributes().flag("fmod", false),
        floors_floats: build.opset >= 28,
    })
}

/// Add, Sub, Mul and Div of all number datatypes. Integers wrap, and their division truncates towards zero.
enum Operation {
    Add,
    Sub,
    Mul,
    Div,
}

impl Operator for Operation {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let datatype = inputs.required(0)?.datatype();
        // FP32 has a loop per operation, which the compiler vectorizes; every other datatype shares one loop.
        if datatype == f32::DATATYPE {
            return Ok(vec![match self {
                Self::Add => combine::<f32>(&mut inputs, |a, b| a + b),
                Self::Sub => combine::<f32>(&mut inputs, |a, b| a - b),
                Self::Mul => combine::<f32>(&mut inputs, |a, b| a * b),
                Self::Div => combine::<f32>(&mut inputs, |a, b| a / b),
            }?]);
        }
        with_number!(datatype, T => {
            if matches!(self, Self::Div) {
                no_zero::<T>(&inputs)?;
            }
            let function: fn(T, T) -> T = match self {
                Self::Add => |a, b| T::narrow(a.widen().plus(b.widen())),
                Self::Sub => |a, b| T::narrow(a.widen().minus(b.widen())),
                Self::Mul => |a, b| T::narrow(a.widen().times(b.widen())),
                Self::Div => |a, b| T::narrow(a.widen().over(b.widen()).unwrap_or(Arithmetic::ZERO)),
            };
            Ok(vec![combine::<T>(&mut inputs, function)?])
        })
    }
}

/// Rejects integer divisors of zero.
fn no_zero<T: Number>(inputs: &Inputs<'_>) -> Result<()> {
    if T::Wide::IS_INTEGER && inputs.elements::<T>(1)?.contains(&T::default()) {
        return Err(Error::input(format!(
            "the divisor of an integer division ({}) has a zero",
            T::DATATYPE
        )));
    }
    Ok(())
}

/// Mod: the remainder, with the divisor's sign, of integers (since version 28 of floats too). With `fmod` it has the
/// dividend's sign, for all number datatypes.
struct Mod {
    truncates: bool,
    floors_floats: bool,
}

impl Operator for Mod {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        with_number!(inputs.required(0)?.datatype(), T => {
            if !self.truncates && !self.floors_floats && !<T as Number>::Wide::IS_INTEGER {
                return Err(Error::graph(format!(
                    "the attribute `fmod` is 0, expected 1 for {}",
                    T::DATATYPE
                )));
            }
            no_zero::<T>(&inputs)?;
            let function: fn(T, T) -> T = match self.truncates {
                true => |a, b| T::narrow(a.widen().remainder(b.widen()).unwrap_or(Arithmetic::ZERO)),
                false => |a, b| {
                    let (zero, divisor) = (Arithmetic::ZERO, b.widen());
                    let left = a.widen().remainder(divisor).unwrap_or(zero);
                    T::narrow(match left != zero && (left < zero) != (divisor < zero) {
                        true => left.plus(divisor),
                        false => left,
                    })
                },
            };
            Ok(vec![combine::<T>(&mut inputs, function)?])
        })
    }
}

/// Pow: the result has the base's datatype; the exponent may have another.
struct Pow;

impl Operator for Pow {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let exponent = inputs.required(1)?;
        let base = inputs.required(0)?;
        if let (Data::F32(_), Data::F32(exponents)) = (base.data(), exponent.data()) {
            // Networks mostly use squares, cubes and square roots.
            return Ok(vec![match exponents[..] {
                [2.0] => combine::<f32>(&mut inputs, |x, _| x * x),
                [3.0] => combine::<f32>(&mut inputs, |x, _| x * x * x),
                [0.5] => combine::<f32>(&mut inputs, |x, _| x.powf(0.5)),
                _ => combine::<f32>(&mut inputs, f32::powf),
            }?]);
        }
        let result = match base.data() {
            Data::F32(_) | Data::F64(_) | Data::F16(_) | Data::Bf16(_) => {
                let exponent = to_f64(exponent)?;
                with_real!(base.datatype(), T => zip(base, &exponent, |x: T, y: f64| {
                    let x = x.widen();
                    T::narrow(Arithmetic::of_f64(x.to_f64().powf(y)))
                }))
            }
            _ => integer_power(base, exponent),
        };
        Ok(vec![result?])
    }
}

fn integer_power(base: &Tensor, exponent: &Tensor) -> Result<Tensor> {
    if let Data::F32(_) | Data::F64(_) | Data::F16(_) | Data::Bf16(_) = exponent.data() {
        let exponent = to_f64(exponent)?;
        return crate::with_integer!(base.datatype(), T => zip(base, &exponent, |x: T, y: f64| {
            T::of_f64(x.to_f64().powf(y))
        }));
    }
    crate::with_integer!(base.datatype(), T => {
        crate::with_integer!(exponent.datatype(), U => zip(base, exponent, |x: T, y: U| {
            match unsigned(y) {
                Some(y) => x.power(y),
                // The reciprocal of the power truncates to -1, 0 or 1; a base of 0 is undefined in C.
                None => T::of_f64(x.to_f64().powf(y.to_f64())),
            }
        }))
    })
}

/// The value as an unsigned integer; `None` if it is negative.
fn unsigned(value: impl TryInto<u64>) -> Option<u64> {
    value.try_into().ok()
}

fn to_f64(tensor: &Tensor) -> Result<Tensor> {
    let mut to = with_room(tensor.len())?;
    with_number!(tensor.datatype(), T => {
        to.extend(tensor.elements::<T>()?.iter().map(|x| x.widen().to_f64()));
    });
    Tensor::of(tensor.shape(), to)
}

/// Max and Min of any number of tensors; NaN if any of the values is NaN.
struct Extreme {
    largest: bool,
}

impl Operator for Extreme {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let mut result = inputs.take(0)?;
        with_number!(result.datatype(), T => {
            // Two loops, so that the compiler sees what each computes.
            for position in 1..inputs.len() {
                let other = inputs.required(position)?;
                result = match self.largest {
                    true => zip_owned::<T>(result, other, |a, b| {
                        T::narrow(a.widen().larger(b.widen()))
                    })?,
                    false => zip_owned::<T>(result, other, |a, b| {
                        T::narrow(a.widen().smaller(b.widen()))
                    })?,
                };
            }
            Ok(vec![result])
        })
    }
}

/// Sum and Mean of any number of tensors.
struct Sum {
    is_mean: bool,
}

impl Operator for Sum {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let first = inputs.take(0)?;
        let count = inputs.len();
        with_real!(first.datatype(), T => {
            let mut sum = widened::<T>(first)?;
            for position in 1..count {
                let next = widened::<T>(inputs.take(position)?)?;
                sum = zip_owned::<<T as Number>::Wide>(sum, &next, Arithmetic::plus)?;
            }
            let shape = sum.shape().to_vec();
            let mut elements = sum.into_elements::<<T as Number>::Wide>()?;
            if self.is_mean {
                let count = <T as Number>::Wide::of_f64(count as f64);
                for element in &mut elements {
                    let sum = *element;
                    *element = sum / count;
                }
            }
            Ok(vec![narrowed::<T>(&shape, elements)?])
        })
    }
}

/// Converts a tensor to the datatype that it is computed in.
pub(super) fn widened<T: Number>(tensor: Tensor) -> Result<Tensor> {
    if T::DATATYPE == T::Wide::DATATYPE {
        tensor.elements::<T>()?;
        return Ok(tensor);
    }
    let mut to = with_room(tensor.len())?;
    to.extend(tensor.elements::<T>()?.iter().map(|x| x.widen()));
    Tensor::of(tensor.shape(), to)
}

/// Rounds results to a tensor's datatype.
pub(super) fn narrowed<T: Number>(shape: &[usize], elements: Vec<T::Wide>) -> Result<Tensor> {
    if T::DATATYPE == T::Wide::DATATYPE {
        return Tensor::of(shape, elements);
    }
    let mut to = with_room(elements.len())?;
    to.extend(elements.into_iter().map(T::narrow));
    Tensor::of(shape, to)
}
