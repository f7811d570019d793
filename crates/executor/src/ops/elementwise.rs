//! Elementwise operators of one tensor: mathematical functions, signs, bits and tests.

use infer_kernels::functions;

use super::entry::{LayoutRule, OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::number::{Arithmetic, Float, Integer, Number};
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Data, Element, Tensor, with_room};
use crate::{with_integer, with_number, with_real};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("Abs", |_| boxed(Numbers(Magnitude))).layout(LayoutRule::Unary),
    onnx("Acos", |_| boxed(Map(Acos))),
    onnx("Acosh", |_| boxed(Map(Acosh))),
    onnx("Asin", |_| boxed(Map(Asin))),
    onnx("Asinh", |_| boxed(Map(Asinh))),
    onnx("Atan", |_| boxed(Map(Atan))),
    onnx("Atanh", |_| boxed(Map(Atanh))),
    onnx("BitwiseNot", |_| boxed(BitwiseNot)),
    onnx("Ceil", |_| boxed(Map(Ceil))).layout(LayoutRule::Unary),
    onnx("Cos", |_| boxed(Map(Cos))).layout(LayoutRule::Unary),
    onnx("Cosh", |_| boxed(Map(Cosh))),
    onnx("Dropout", dropout),
    onnx("Erf", |_| boxed(Map(Erf))).layout(LayoutRule::Unary),
    onnx("Exp", |_| boxed(Map(Exp))).layout(LayoutRule::Unary),
    onnx("Floor", |_| boxed(Map(Floor))).layout(LayoutRule::Unary),
    onnx("Identity", |_| boxed(Identity)).layout(LayoutRule::Unary),
    onnx("IsInf", is_inf),
    onnx("IsNaN", is_nan),
    onnx("Log", |_| boxed(Map(Log))).layout(LayoutRule::Unary),
    onnx("Neg", |_| boxed(Numbers(Negate))).layout(LayoutRule::Unary),
    onnx("Not", |_| boxed(Not)),
    onnx("Reciprocal", |_| boxed(Map(Reciprocal))).layout(LayoutRule::Unary),
    onnx("Round", |_| boxed(Map(Round))).layout(LayoutRule::Unary),
    onnx("Sign", |_| boxed(Numbers(Sign))).layout(LayoutRule::Unary),
    onnx("Sin", |_| boxed(Map(Sin))).layout(LayoutRule::Unary),
    onnx("Sinh", |_| boxed(Map(Sinh))),
    onnx("Sqrt", |_| boxed(Map(Sqrt))).layout(LayoutRule::Unary),
    onnx("Tan", |_| boxed(Map(Tan))),
    onnx("Tanh", |_| boxed(Map(Tanh))).layout(LayoutRule::Unary),
];

fn dropout(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Dropout {
        // The mask is BOOL, as it is since version 10; versions 7 to 9 describe one of the input's datatype.
        mask: build.has_output(1),
        training: build.opset < 7 && build.attributes().int("is_test", 0) == 0,
    })
}

fn is_inf(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Test {
        nan: false,
        negative: attributes.flag("detect_negative", true),
        positive: attributes.flag("detect_positive", true),
    })
}

fn is_nan(_: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Test {
        nan: true,
        negative: false,
        positive: false,
    })
}

/// A function of one float.
pub(super) trait Function {
    /// The function's value at `x`.
    fn value<F: Float>(&self, x: F) -> F;

    /// Computes the function of each value with a kernel. Returns whether there is one.
    fn vectorized(&self, _: &mut [f32]) -> bool {
        false
    }
}

/// The operator that applies a function to each element, in place if the input is owned.
pub(super) struct Map<T>(pub T);

impl<T: Function> Operator for Map<T> {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        Ok(vec![map(input, &self.0)?])
    }
}

/// Applies a function to each element of a float tensor.
pub(super) fn map<F: Function>(mut input: Tensor, function: &F) -> Result<Tensor> {
    if input.datatype() == f32::DATATYPE {
        let shape = input.shape().to_vec();
        let mut elements = input.into_elements::<f32>()?;
        let is_done = function.vectorized(&mut elements);
        input = Tensor::of(&shape, elements)?;
        if is_done {
            return Ok(input);
        }
    }
    with_real!(input.datatype(), T => {
        in_place::<T>(input, |x| T::narrow(function.value(x.widen())))
    })
}

/// Replaces each element.
pub(super) fn in_place<T: Element>(input: Tensor, function: impl Fn(T) -> T) -> Result<Tensor> {
    let shape = input.shape().to_vec();
    let mut elements = input.into_elements::<T>()?;
    for element in &mut elements {
        *element = function(*element);
    }
    Tensor::new(shape, T::wrap(elements))
}

/// Applies a function whose result has another datatype to each element.
fn other<T: Element, U: Element>(input: &Tensor, function: impl Fn(T) -> U) -> Result<Tensor> {
    let elements = input.elements::<T>()?;
    let mut to = with_room(elements.len())?;
    to.extend(elements.iter().map(|&element| function(element)));
    Tensor::of(input.shape(), to)
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident: $x:ident => $value:expr $(, $vectorized:path)?;)*) => {
        $($(#[$doc])*
        struct $name;

        impl Function for $name {
            fn value<F: Float>(&self, $x: F) -> F {
                $value
            }

            $(fn vectorized(&self, values: &mut [f32]) -> bool {
                $vectorized(values);
                true
            })?
        })*
    };
}

functions! {
    /// Acos: arc cosine, in radians.
    Acos: x => x.acos();
    /// Acosh: inverse hyperbolic cosine.
    Acosh: x => x.acosh();
    /// Asin: arc sine, in radians.
    Asin: x => x.asin();
    /// Asinh: inverse hyperbolic sine.
    Asinh: x => x.asinh();
    /// Atan: arc tangent, in radians.
    Atan: x => x.atan();
    /// Atanh: inverse hyperbolic tangent.
    Atanh: x => x.atanh();
    /// Ceil: rounds up to an integer.
    Ceil: x => x.ceil();
    /// Cos: cosine of an angle in radians.
    Cos: x => x.cos();
    /// Cosh: hyperbolic cosine.
    Cosh: x => x.cosh();
    /// Erf: the error function.
    Erf: x => x.erf(), functions::erf;
    /// Exp: e^x.
    Exp: x => x.exp(), functions::exp;
    /// Floor: rounds down to an integer.
    Floor: x => x.floor();
    /// Log: natural logarithm.
    Log: x => x.ln();
    /// Reciprocal: 1 / x.
    Reciprocal: x => F::ONE / x;
    /// Round: rounds to the nearest integer, halves to even.
    Round: x => x.round_half_even();
    /// Sin: sine of an angle in radians.
    Sin: x => x.sin();
    /// Sinh: hyperbolic sine.
    Sinh: x => x.sinh();
    /// Sqrt: square root.
    Sqrt: x => x.sqrt();
    /// Tan: tangent of an angle in radians.
    Tan: x => x.tan();
    /// Tanh: hyperbolic tangent.
    Tanh: x => x.tanh(), functions::tanh;
}

/// Identity: the input itself.
struct Identity;

impl Operator for Identity {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        Ok(vec![inputs.take(0)?])
    }
}

/// A function of one number, of any number datatype.
trait NumberFunction {
    fn value<A: Arithmetic>(&self, x: A) -> A;
}

/// The operator that applies a function to each element of a number datatype.
struct Numbers<T>(T);

impl<F: NumberFunction> Operator for Numbers<F> {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        with_number!(input.datatype(), T => {
            Ok(vec![in_place::<T>(input, |x| T::narrow(self.0.value(x.widen())))?])
        })
    }
}

/// Abs: absolute value; that of the lowest integer wraps to itself.
struct Magnitude;

impl NumberFunction for Magnitude {
    fn value<A: Arithmetic>(&self, x: A) -> A {
        x.magnitude()
    }
}

/// Neg: -x.
struct Negate;

impl NumberFunction for Negate {
    fn value<A: Arithmetic>(&self, x: A) -> A {
        match A::IS_INTEGER {
            true => A::ZERO.minus(x),
            // 0 - 0 would lose the sign of a float zero.
            false => x.times(A::ZERO.minus(A::ONE)),
        }
    }
}

/// Sign: -1, 0 or 1; NaN stays.
struct Sign;

impl NumberFunction for Sign {
    fn value<A: Arithmetic>(&self, x: A) -> A {
        if x > A::ZERO {
            A::ONE
        } else if x < A::ZERO {
            A::ZERO.minus(A::ONE)
        } else {
            x
        }
    }
}

/// Not: logical negation of BOOL.
struct Not;

impl Operator for Not {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        Ok(vec![in_place::<bool>(inputs.take(0)?, |x| !x)?])
    }
}

/// BitwiseNot: inverts the bits of integers.
struct BitwiseNot;

impl Operator for BitwiseNot {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        with_integer!(input.datatype(), T => {
            Ok(vec![in_place::<T>(input, Integer::bits_not)?])
        })
    }
}

/// IsNaN and IsInf: whether each element is NaN, or infinite with one of the signs.
struct Test {
    nan: bool,
    negative: bool,
    positive: bool,
}

impl Operator for Test {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        with_real!(input.datatype(), T => {
            Ok(vec![other(input, |x: T| {
                let x = x.widen();
                (self.nan && x.not_a_number())
                    || (self.negative && x == Arithmetic::LOWEST)
                    || (self.positive && x == Arithmetic::HIGHEST)
            })?])
        })
    }
}

/// Dropout for inference: the input itself. Training mode (an input since version 12) is supported only with a ratio of 0,
/// which drops nothing.
struct Dropout {
    mask: bool,
    training: bool,
}

impl Dropout {
    fn drops(&self, inputs: &Inputs<'_>) -> Result<bool> {
        let ratio = match inputs.get(1).map(|tensor| tensor.data()) {
            Some(Data::F32(ratio)) => ratio.first().copied().unwrap_or(0.5),
            Some(Data::F64(ratio)) => ratio.first().map_or(0.5, |&ratio| ratio as f32),
            Some(Data::F16(ratio)) => ratio.first().map_or(0.5, |ratio| ratio.to_f32()),
            Some(Data::Bf16(ratio)) => ratio.first().map_or(0.5, |ratio| ratio.to_f32()),
            Some(other) => {
                return Err(Error::unsupported(format!(
                    "the ratio has the datatype {}, which is not supported, expected real numbers",
                    other.datatype()
                )));
            }
            None => 0.5,
        };
        let training = match inputs.get(2) {
            Some(tensor) => tensor
                .elements::<bool>()?
                .first()
                .copied()
                .unwrap_or_default(),
            None => self.training,
        };
        Ok(training && ratio != 0.0)
    }
}

impl Operator for Dropout {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        if self.drops(&inputs)? {
            return Err(Error::unsupported(
                "training (dropping values) is not supported, expected `training_mode` to be false",
            ));
        }
        let input = inputs.take(0)?;
        let mask = match self.mask {
            false => None,
            true => Some(Tensor::of(
                input.shape(),
                crate::tensor::filled(input.len(), true)?,
            )?),
        };
        Ok([Some(input), mask].into_iter().flatten().collect())
    }
}
