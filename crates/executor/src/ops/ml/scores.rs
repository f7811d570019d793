//! The transformation of a model's scores (the attribute `post_transform`).

use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::real::Real;

/// A transformation of a row of scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// The scores as they are.
    None,
    /// Powers of e, divided by their sum.
    Softmax,
    /// The logistic function of each score.
    Logistic,
    /// As `Softmax`, but a score of 0 stays 0.
    SoftmaxZero,
    /// The quantile function of the normal distribution.
    Probit,
}

/// How one score becomes the scores of two classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// The score is a probability: `[1 - score, score]`.
    Complement,
    /// The score is a margin: `[-score, score]`.
    Opposite,
}

impl Transform {
    /// Reads the attribute `post_transform`.
    ///
    /// # Errors
    /// `Graph` for an unknown name.
    pub fn read(attributes: Attributes<'_>) -> Result<Self> {
        match attributes.string("post_transform", "NONE") {
            "NONE" => Ok(Self::None),
            "SOFTMAX" => Ok(Self::Softmax),
            "LOGISTIC" => Ok(Self::Logistic),
            "SOFTMAX_ZERO" => Ok(Self::SoftmaxZero),
            "PROBIT" => Ok(Self::Probit),
            other => Err(Error::graph(format!(
                "the attribute `post_transform` is `{other}`, expected NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT"
            ))),
        }
    }

    /// Reads the attribute `post_transform` where it is a number, as in TreeEnsemble.
    ///
    /// # Errors
    /// `Graph` for an unknown number.
    pub fn read_number(attributes: Attributes<'_>) -> Result<Self> {
        match attributes.int("post_transform", 0) {
            0 => Ok(Self::None),
            1 => Ok(Self::Softmax),
            2 => Ok(Self::Logistic),
            3 => Ok(Self::SoftmaxZero),
            4 => Ok(Self::Probit),
            other => Err(Error::graph(format!(
                "the attribute `post_transform` is {other}, expected 0 (NONE), 1 (SOFTMAX), 2 (LOGISTIC), \
                 3 (SOFTMAX_ZERO) or 4 (PROBIT)"
            ))),
        }
    }

    /// Transforms a row of scores. As in ONNX Runtime, only PROBIT transforms a single score.
    pub fn apply<R: Real>(self, scores: &mut [R]) {
        match self {
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
            _ if scores.len() < 2 => {}
            Self::None => {}
            Self::Logistic => scores
                .iter_mut()
                .for_each(|score| *score = logistic(*score)),
            Self::Softmax => softmax(scores, |_| true),
            Self::SoftmaxZero => softmax(scores, |score| score.abs() > R::of(1e-7)),
        }
    }

    /// The scores of two classes, of the score of the second one. As in ONNX Runtime, LOGISTIC always takes it for a margin,
    /// and no other transformation is computed.
    #[must_use]
    pub fn pair<R: Real>(self, score: R, second: Second) -> [R; 2] {
        match second {
            _ if self == Self::Logistic => [logistic(-score), logistic(score)],
            Second::Complement => [R::one() - score, score],
            Second::Opposite => [-score, score],
        }
    }
}

/// 1 / (1 + e^-x), without overflow.
pub fn logistic<R: Real>(x: R) -> R {
    let positive = R::one() / (R::one() + (-x.abs()).exp());
    if x < R::zero() {
        R::one() - positive
    } else {
        positive
    }
}

/// The quantile function of the normal distribution, with Winitzki's approximation of the inverse error function.
fn probit<R: Real>(probability: R) -> R {
    let x = R::of(2.0) * probability - R::one();
    let sign = if x < R::zero() { -R::one() } else { R::one() };
    let log = ((R::one() - x) * (R::one() + x)).ln();
    let a = R::of(0.147);
    let v = R::of(2.0) / (R::of(std::f64::consts::PI) * a) + R::of(0.5) * log;
    R::of(std::f64::consts::SQRT_2) * sign * (-v + (v * v - log / a).sqrt()).sqrt()
}

/// Softmax of the scores that count; the others are scaled alike.
fn softmax<R: Real>(scores: &mut [R], counts: impl Fn(R) -> bool) {
    let most = scores.iter().fold(
        R::min_value(),
        |most, &score| {
            if score > most { score } else { most }
        },
    );
    let mut sum = R::zero();
    for score in scores.iter_mut() {
        if counts(*score) {
            *score = (*score - most).exp();
            sum += *score;
        } else {
            *score *= (-most).exp();
        }
    }
    scores.iter_mut().for_each(|score| *score = *score / sum);
}
