//! The activation functions that RNN, GRU and LSTM name in their attributes.

use crate::error::{Error, Result};
use crate::real::Real;

/// An activation function with its parameters.
#[derive(Clone, Copy)]
pub(super) struct Activation {
    function: Function,
    alpha: f64,
    beta: f64,
}

#[derive(Clone, Copy)]
enum Function {
    Affine,
    Elu,
    HardSigmoid,
    LeakyRelu,
    Relu,
    ScaledTanh,
    Sigmoid,
    Softplus,
    Softsign,
    Tanh,
    ThresholdedRelu,
}

impl Activation {
    /// Reads an activation by name. Functions with parameters take the next ones of `alphas` and `betas`.
    ///
    /// # Errors
    /// `Unsupported` for an unknown name.
    pub(super) fn read<'a>(
        name: &str,
        alphas: &mut impl Iterator<Item = &'a f32>,
        betas: &mut impl Iterator<Item = &'a f32>,
    ) -> Result<Self> {
        use Function::*;
        let (function, alpha, beta) = match name.to_ascii_lowercase().as_str() {
            "affine" => (Affine, Some(1.0), Some(0.0)),
            "elu" => (Elu, Some(1.0), None),
            "hardsigmoid" => (HardSigmoid, Some(0.2), Some(0.5)),
            "leakyrelu" => (LeakyRelu, Some(0.01), None),
            "relu" => (Relu, None, None),
            "scaledtanh" => (ScaledTanh, Some(1.0), Some(1.0)),
            "sigmoid" => (Sigmoid, None, None),
            "softplus" => (Softplus, None, None),
            "softsign" => (Softsign, None, None),
            "tanh" => (Tanh, None, None),
            "thresholdedrelu" => (ThresholdedRelu, Some(1.0), None),
            _ => {
                return Err(Error::unsupported(format!(
                    "the activation `{name}` is not supported"
                )));
            }
        };
        let value = |default: Option<f64>, given: &mut dyn Iterator<Item = &'a f32>| {
            default.map_or(0.0, |default| given.next().map_or(default, |&v| v.into()))
        };
        Ok(Self {
            function,
            alpha: value(alpha, alphas),
            beta: value(beta, betas),
        })
    }

    pub(super) fn is_sigmoid(self) -> bool {
        matches!(self.function, Function::Sigmoid)
    }

    pub(super) fn is_tanh(self) -> bool {
        matches!(self.function, Function::Tanh)
    }

    pub(super) fn apply<R: Real>(self, x: R) -> R {
        let (alpha, beta) = (R::of(self.alpha), R::of(self.beta));
        match self.function {
            Function::Affine => alpha * x + beta,
            Function::Elu if x < R::zero() => alpha * x.exp_m1(),
            Function::Elu => x,
            Function::HardSigmoid => (alpha * x + beta).max(R::zero()).min(R::one()),
            Function::LeakyRelu if x < R::zero() => alpha * x,
            Function::LeakyRelu => x,
            Function::Relu => x.max(R::zero()),
            Function::ScaledTanh => alpha * (beta * x).tanh(),
            Function::Sigmoid => (R::one() + (-x).exp()).recip(),
            Function::Softplus => x.max(R::zero()) + (-x.abs()).exp().ln_1p(),
            Function::Softsign => x / (R::one() + x.abs()),
            Function::Tanh => x.tanh(),
            Function::ThresholdedRelu if x > alpha => x,
            Function::ThresholdedRelu => R::zero(),
        }
    }
}
