//! Activations that gate another tensor: SwiGLU.

use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Inputs, Operator};
use crate::real::{Real, common_datatype, reals, rounded};
use crate::tensor::{Tensor, with_room};

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("SwiGLU", |build| {
    boxed(SwiGlu {
        alpha: build.attributes().float("alpha", 1.0).into(),
    })
})];

/// SwiGLU: `a * sigmoid(alpha * a) * b`, of two tensors of one shape (Shazeer, arXiv:2002.05202).
struct SwiGlu {
    alpha: f64,
}

impl SwiGlu {
    fn compute<R: Real>(&self, inputs: &Inputs<'_>) -> Result<Tensor> {
        let datatype = common_datatype(inputs, &[1])?;
        let (a, b) = (inputs.required(0)?, inputs.required(1)?);
        if a.shape() != b.shape() {
            return Err(Error::input(format!(
                "the gate has the shape {:?}, and the values have {:?}",
                a.shape(),
                b.shape()
            )));
        }
        let shape = a.shape().to_vec();
        let (a, b) = (reals::<R>(a)?, reals::<R>(b)?);
        let mut result = with_room(a.len())?;
        let alpha = R::of(self.alpha);
        result.extend(a.iter().zip(b.iter()).map(|(&a, &b)| {
            let gate = a / (R::one() + (-alpha * a).exp());
            gate * b
        }));
        rounded(shape, result, datatype)
    }
}

impl Operator for SwiGlu {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        in_real!(inputs.required(0)?.datatype(), R => Ok(vec![self.compute::<R>(&inputs)?]))
    }
}
