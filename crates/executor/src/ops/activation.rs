//! Activation functions.

use infer_kernels::functions;

use super::elementwise::{Function, Map, in_place, map};
use super::entry::{LayoutRule, OperatorEntry, boxed, onnx};
use crate::broadcast::zip_owned;
use crate::error::{Error, Result};
use crate::number::{Arithmetic, Float, Number};
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Data, Tensor};
use crate::with_number;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("Celu", |build| {
        with_alpha(build, 1.0, |alpha| Celu { alpha })
    })
    .layout(LayoutRule::Unary),
    onnx("Clip", clip).layout(LayoutRule::Unary),
    onnx("Elu", |build| with_alpha(build, 1.0, |alpha| Elu { alpha })).layout(LayoutRule::Unary),
    onnx("Gelu", gelu).layout(LayoutRule::Unary),
    onnx("HardSigmoid", hard_sigmoid).layout(LayoutRule::Unary),
    onnx("HardSwish", |_| boxed(Map(HardSwish))).layout(LayoutRule::Unary),
    onnx("LeakyRelu", |build| {
        with_alpha(build, 0.01, |alpha| LeakyRelu { alpha })
    })
    .layout(LayoutRule::Unary),
    onnx("Mish", |_| boxed(Map(Mish))).layout(LayoutRule::Unary),
    onnx("PRelu", |_| boxed(PRelu)).layout(LayoutRule::Binary),
    onnx("Relu", |_| boxed(Relu)).layout(LayoutRule::Unary),
    onnx("Selu", selu).layout(LayoutRule::Unary),
    onnx("Shrink", shrink),
    onnx("Sigmoid", |_| boxed(Map(Sigmoid))).layout(LayoutRule::Unary),
    onnx("Softplus", |_| boxed(Map(Softplus))).layout(LayoutRule::Unary),
    onnx("Softsign", |_| boxed(Map(Softsign))).layout(LayoutRule::Unary),
    onnx("Swish", |build| {
        with_alpha(build, 1.0, |alpha| Swish { alpha })
    })
    .layout(LayoutRule::Unary),
    onnx("ThresholdedRelu", |build| {
        with_alpha(build, 1.0, |alpha| ThresholdedRelu { alpha })
    })
    .layout(LayoutRule::Unary),
];

fn alpha(build: &Build<'_>, default: f32) -> f32 {
    build.attributes().float("alpha", default)
}

fn with_alpha<F: Function + 'static>(
    build: &Build<'_>,
    default: f32,
    function: fn(f32) -> F,
) -> Result<Box<dyn Operator>> {
    boxed(Map(function(alpha(build, default))))
}

fn clip(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Clip {
        min: attributes.optional_float("min"),
        max: attributes.optional_float("max"),
        are_inputs: build.opset >= 11,
    })
}

fn gelu(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    match build.attributes().string("approximate", "none") {
        "none" => boxed(Map(Gelu)),
        "tanh" => boxed(Map(GeluTanh)),
        other => Err(Error::graph(format!(
            "the attribute `approximate` is `{other}`, expected `none` or `tanh`"
        ))),
    }
}

fn hard_sigmoid(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Map(HardSigmoid {
        alpha: alpha(build, 0.2),
        beta: build.attributes().float("beta", 0.5),
    }))
}

fn selu(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Map(Selu {
        alpha: alpha(build, 1.673_263_2),
        gamma: build.attributes().float("gamma", 1.050_701),
    }))
}

fn shrink(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Shrink(Shrunk {
        bias: attributes.float("bias", 0.0),
        lambda: attributes.float("lambd", 0.5),
    }))
}

// Two patterns, since a unit struct ends with a semicolon and a struct with fields does not.
macro_rules! function {
    ($(#[$doc:meta])* $name:ident: $x:ident => $value:expr $(, $vectorized:path)?) => {
        $(#[$doc])*
        struct $name;

        impl Function for $name {
            fn value<F: Float>(&self, $x: F) -> F {
                $value
            }

            $(fn vectorized(&self, values: &mut [f32]) -> bool {
                $vectorized(values);
                true
            })?
        }
    };
    ($(#[$doc:meta])* $name:ident { $($field:ident),* }: $x:ident => $value:expr) => {
        $(#[$doc])*
        struct $name {
            $($field: f32,)*
        }

        impl Function for $name {
            fn value<F: Float>(&self, $x: F) -> F {
                $(let $field = F::of(self.$field);)*
                $value
            }
        }
    };
}

function! {
    /// Celu: x if x >= 0, else alpha (e^(x / alpha) - 1).
    Celu { alpha }: x => if x < F::ZERO { alpha * (x / alpha).exp_m1() } else { x }
}
function! {
    /// Elu: x if x >= 0, else alpha (e^x - 1).
    Elu { alpha }: x => if x < F::ZERO { alpha * x.exp_m1() } else { x }
}
function! {
    /// Gelu: x times the normal distribution's cumulative probability of x.
    Gelu: x => {
        let half = F::constant(0.5);
        half * x * (F::ONE + (x * F::constant(std::f64::consts::FRAC_1_SQRT_2)).erf())
    }, functions::gelu
}
function! {
    /// Gelu with `approximate` = `tanh`.
    GeluTanh: x => {
        let inner = F::constant((2.0 / std::f64::consts::PI).sqrt())
            * (x + F::constant(0.044_715) * x * x * x);
        F::constant(0.5) * x * (F::ONE + inner.tanh())
    }
}
function! {
    /// HardSigmoid: alpha x + beta, clamped to 0..1.
    HardSigmoid { alpha, beta }: x => (alpha * x + beta).smaller(F::ONE).larger(F::ZERO)
}
function! {
    /// HardSwish: x HardSigmoid(x), with alpha = 1/6.
    HardSwish: x => x * (x / F::constant(6.0) + F::constant(0.5)).smaller(F::ONE).larger(F::ZERO)
}
function! {
    /// LeakyRelu: x if x >= 0, else alpha x.
    LeakyRelu { alpha }: x => if x < F::ZERO { alpha * x } else { x }
}
function! {
    /// Mish: x tanh(softplus(x)).
    Mish: x => x * Softplus.value(x).tanh()
}
function! {
    /// Selu: gamma Elu(x).
    Selu { alpha, gamma }: x => if x > F::ZERO {
        gamma * x
    } else {
        gamma * alpha * x.exp_m1()
    }
}
function! {
    /// Sigmoid: 1 / (1 + e^-x).
    Sigmoid: x => F::ONE / (F::ONE + (-x).exp()), functions::sigmoid
}
function! {
    /// Softplus: ln(e^x + 1), computed without overflow.
    Softplus: x => x.larger(F::ZERO) + (-x.abs()).exp().ln_1p()
}
function! {
    /// Softsign: x / (1 + |x|).
    Softsign: x => x / (F::ONE + x.abs())
}
/// Swish: x sigmoid(alpha x).
struct Swish {
    alpha: f32,
}

impl Function for Swish {
    fn value<F: Float>(&self, x: F) -> F {
        x / (F::ONE + (-(F::of(self.alpha) * x)).exp())
    }

    fn vectorized(&self, values: &mut [f32]) -> bool {
        functions::swish(values, self.alpha);
        true
    }
}

function! {
    /// ThresholdedRelu: x if x > alpha, else 0.
    ThresholdedRelu { alpha }: x => if x > alpha { x } else { F::ZERO }
}

/// Relu: max(x, 0), where NaN stays NaN. Supports integers too (ONNX since version 14).
struct Relu;

impl Operator for Relu {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        with_number!(input.datatype(), T => {
            let zero = T::default();
            Ok(vec![in_place::<T>(input, |x| if x < zero { zero } else { x })?])
        })
    }
}

/// PRelu: x if x >= 0, else slope x. The slope is broadcast to the input.
struct PRelu;

impl Operator for PRelu {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let slope = inputs.required(1)?;
        let shape = input.shape().to_vec();
        let result = with_number!(input.datatype(), T => {
            zip_owned::<T>(input, slope, |x, slope| {
                let wide = x.widen();
                // Unsigned values are never below zero, so that they never use the slope.
                match wide.partial_cmp(&Arithmetic::ZERO) == Some(std::cmp::Ordering::Less) {
                    true => T::narrow(wide.times(slope.widen())),
                    false => x,
                }
            })?
        });
        match result.shape() == shape {
            true => Ok(vec![result]),
            false => Err(Error::input(format!(
                "the slope cannot be broadcast to the input's shape {shape:?}"
            ))),
        }
    }
}

/// Shrink: 0 from -lambda to lambda, else x moved towards 0 by `bias`. Supports integers too.
struct Shrink(Shrunk);

struct Shrunk {
    bias: f32,
    lambda: f32,
}

impl Function for Shrunk {
    fn value<F: Float>(&self, x: F) -> F {
        let (bias, lambda) = (F::of(self.bias), F::of(self.lambda));
        if x < -lambda {
            x + bias
        } else if x > lambda {
            x - bias
        } else {
            F::ZERO
        }
    }
}

impl Operator for Shrink {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        if !matches!(
            input.data(),
            Data::F32(_) | Data::F64(_) | Data::F16(_) | Data::Bf16(_)
        ) {
            return with_number!(input.datatype(), T => Ok(vec![in_place::<T>(input, |x| {
                T::narrow(Arithmetic::of_f64(self.0.value(x.widen().to_f64())))
            })?]));
        }
        Ok(vec![map(input, &self.0)?])
    }
}

/// Clip: clamps to bounds, which are attributes before version 11 and inputs from then on.
struct Clip {
    min: Option<f32>,
    max: Option<f32>,
    are_inputs: bool,
}

impl Operator for Clip {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        with_number!(input.datatype(), T => {
            let bound = |position, attribute: Option<f32>| -> Result<Option<T>> {
                if !self.are_inputs {
                    return Ok(attribute.map(|value| T::narrow(Arithmetic::of_f64(value.into()))));
                }
                let Some(tensor) = inputs.get(position) else {
                    return Ok(None);
                };
                match tensor.elements::<T>()? {
                    [value] => Ok(Some(*value)),
                    other => Err(Error::input(format!(
                        "a bound has {} values, expected 1",
                        other.len()
                    ))),
                }
            };
            let (min, max) = (bound(1, self.min)?, bound(2, self.max)?);
            Ok(vec![in_place::<T>(input, |x| {
                let x = match min {
                    Some(min) if x < min => min,
                    _ => x,
                };
                match max {
                    Some(max) if x > max => max,
                    _ => x,
                }
            })?])
        })
    }
}
