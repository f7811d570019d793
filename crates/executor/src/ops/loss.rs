//! Loss functions.

use super::entry::{OperatorEntry, boxed, onnx};
use super::softmax::log_softmax;
use crate::error::{Error, Result};
use crate::number::{Arithmetic, Real};
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::Rows;
use crate::tensor::{Tensor, element_count, with_room};
use crate::with_real;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("NegativeLogLikelihoodLoss", |build| loss(build, false)),
    onnx("SoftmaxCrossEntropyLoss", |build| loss(build, true)),
];

fn loss(build: &Build<'_>, from_scores: bool) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Loss {
        from_scores,
        ignored: attributes.optional_int("ignore_index"),
        reduction: match attributes.string("reduction", "mean") {
            "mean" => Reduction::Mean,
            "none" => Reduction::None,
            "sum" => Reduction::Sum,
            other => {
                return Err(Error::graph(format!(
                    "the attribute `reduction` is `{other}`, expected `mean`, `none` or `sum`"
                )));
            }
        },
    })
}

enum Reduction {
    Mean,
    None,
    Sum,
}

/// NegativeLogLikelihoodLoss of log-probabilities, and SoftmaxCrossEntropyLoss of scores, whose second output is the
/// log-probabilities. The classes are the second axis.
struct Loss {
    from_scores: bool,
    /// The label that is left out of the loss.
    ignored: Option<i64>,
    reduction: Reduction,
}

impl Operator for Loss {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let labels = inputs.required(1)?;
        let fits = input.rank() >= 2
            && labels.rank() + 1 == input.rank()
            && labels.shape()[0] == input.shape()[0]
            && labels.shape()[1..] == input.shape()[2..];
        if !fits {
            return Err(Error::input(format!(
                "labels of shape {:?} do not match scores of shape {:?}, whose second axis is the classes",
                labels.shape(),
                input.shape()
            )));
        }
        let classes = input.shape()[1];
        with_real!(input.datatype(), T => {
            let weights = match inputs.get(2) {
                Some(tensor) => Some(inputs.elements::<T>(2)?).filter(|_| tensor.rank() == 1),
                None => None,
            };
            if inputs.get(2).is_some() && weights.is_none_or(|weights| weights.len() != classes) {
                return Err(Error::input(format!("expected one weight for each of {classes} classes")));
            }
            let (order, rows) = Rows::along(input, 1)?;
            let shape = rows.shape().to_vec();
            let mut elements = rows.into_elements::<T>()?;
            if self.from_scores && classes > 0 {
                elements.chunks_exact_mut(classes).for_each(log_softmax);
            }
            let loss = self.loss::<T>(&elements, classes, labels, weights)?;
            let logarithms = Tensor::of(&shape, elements)?;
            Ok(match self.from_scores {
                true => vec![loss, order.back(logarithms)?],
                false => vec![loss],
            })
        })
    }
}

impl Loss {
    fn loss<T: Real>(
        &self,
        rows: &[T],
        classes: usize,
        labels: &Tensor,
        weights: Option<&[T]>,
    ) -> Result<Tensor> {
        let mut losses: Vec<T> = with_room(element_count(labels.shape())?)?;
        let (mut total, mut weight_total) = (T::Wide::ZERO, T::Wide::ZERO);
        for (row, label) in labels.to_i64()?.into_iter().enumerate() {
            if self.ignored == Some(label) {
                losses.push(T::default());
                continue;
            }
            let class = usize::try_from(label)
                .ok()
                .filter(|&class| class < classes)
                .ok_or_else(|| {
                    Error::input(format!("the label {label} is outside {classes} classes"))
                })?;
            let weight = weights.map_or(T::Wide::ONE, |weights| weights[class].widen());
            let loss = -rows[row * classes + class].widen() * weight;
            total = total.plus(loss);
            weight_total = weight_total.plus(weight);
            losses.push(T::narrow(loss));
        }
        match self.reduction {
            Reduction::None => Tensor::of(labels.shape(), losses),
            Reduction::Sum => Ok(Tensor::scalar(T::narrow(total))),
            Reduction::Mean => Ok(Tensor::scalar(T::narrow(total / weight_total))),
        }
    }
}
