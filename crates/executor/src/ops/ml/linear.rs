//! LinearClassifier and LinearRegressor.

use super::features::{numbers, rows_of, size};
use super::labels::{Labels, largest};
use super::scores::{Second, Transform};
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::ops::entry::{OperatorEntry, boxed, ml};
use crate::ops::matmul::multiply_add;
use crate::tensor::{Tensor, with_room};

pub(in crate::ops) const OPERATORS: &[OperatorEntry] = &[
    ml("LinearClassifier", linear_classifier),
    ml("LinearRegressor", linear_regressor),
];

/// The product of rows of features and a matrix, plus a vector.
struct Linear {
    /// `[features, targets]`.
    coefficients: Vec<f32>,
    /// One value for each target.
    intercepts: Vec<f32>,
    features: usize,
}

impl Linear {
    /// Reads `coefficients`, `[targets, features]`, and `intercepts`.
    fn read(attributes: Attributes<'_>, targets: usize) -> Result<Self> {
        let coefficients = attributes.floats("coefficients").unwrap_or_default();
        if coefficients.is_empty() || !coefficients.len().is_multiple_of(targets) {
            return Err(Error::graph(format!(
                "the attribute `coefficients` has {} numbers, expected as many for each of {targets} targets",
                coefficients.len()
            )));
        }
        let intercepts = match attributes.floats("intercepts") {
            None | Some([]) => vec![0.0; targets],
            Some(intercepts) if intercepts.len() == targets => intercepts.to_vec(),
            Some(intercepts) => {
                return Err(Error::graph(format!(
                    "the attribute `intercepts` has {} numbers, expected {targets}, one for each target",
                    intercepts.len()
                )));
            }
        };
        let features = coefficients.len() / targets;
        let mut transposed = with_room(coefficients.len())?;
        for feature in 0..features {
            let column = coefficients.iter().skip(feature).step_by(features);
            transposed.extend(column);
        }
        Ok(Self {
            coefficients: transposed,
            intercepts,
            features,
        })
    }

    /// The scores of each row, `[rows, targets]`.
    fn scores(&self, input: &Tensor) -> Result<(usize, Vec<f32>)> {
        let rows = rows_of(input, self.features)?;
        let targets = self.intercepts.len();
        let mut scores = with_room(size(rows, targets)?)?;
        for _ in 0..rows {
            scores.extend_from_slice(&self.intercepts);
        }
        let values = numbers::<f32>(input)?;
        multiply_add(
            &values,
            &self.coefficients,
            self.features,
            targets,
            &mut scores,
        );
        Ok((rows, scores))
    }
}

fn linear_classifier(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let labels = Labels::read(build, "classlabels_ints")?;
    let classes = labels.count();
    let targets = match attributes.floats("intercepts") {
        None | Some([]) => classes,
        // Two classes may have one row of coefficients.
        Some([_]) if classes == 2 => 1,
        Some(_) => classes,
    };
    let transform = Transform::read(attributes)?;
    if targets < classes && transform == Transform::Probit {
        return Err(Error::unsupported(
            "the attribute `post_transform` is PROBIT, which is not supported for two classes with one intercept",
        ));
    }
    boxed(LinearClassifier {
        linear: Linear::read(attributes, targets)?,
        labels,
        transform,
    })
}

/// LinearClassifier: for rows `[N, C]` of FP32, FP64, INT64 or INT32, the label of the largest score, INT64 `[N]`, and the
/// scores, FP32 `[N, classes]`. (ONNX's specification of `ai.onnx.ml`, version 1.)
struct LinearClassifier {
    linear: Linear,
    labels: Labels,
    transform: Transform,
}

impl Operator for LinearClassifier {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (rows, mut scores) = self.linear.scores(inputs.required(0)?)?;
        let targets = self.linear.intercepts.len();
        let classes = self.labels.count();
        let mut labels = with_room(rows)?;
        for row in scores.chunks_exact_mut(targets) {
            labels.push(match *row {
                [score] => self.labels.binary(score > 0.0),
                _ => self.labels.of(largest(row)),
            });
            if targets == classes {
                self.transform.apply(row);
            }
        }
        if targets < classes {
            let mut both = with_room(size(rows, classes)?)?;
            for &score in &scores {
                both.extend(self.transform.pair(score, Second::Complement));
            }
            scores = both;
        }
        Ok(vec![
            Tensor::vector(labels),
            Tensor::of(&[rows, classes], scores)?,
        ])
    }
}

fn linear_regressor(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let targets = attributes.count("targets")?.unwrap_or(1);
    boxed(LinearRegressor {
        // The coefficients are checked before memory for the targets is allocated.
        linear: match attributes.floats("coefficients") {
            Some(coefficients) if coefficients.len() >= targets => {
                Linear::read(attributes, targets)?
            }
            given => {
                return Err(Error::graph(format!(
                    "the attribute `coefficients` has {} numbers, expected as many for each of {targets} targets",
                    given.map_or(0, <[f32]>::len)
                )));
            }
        },
        transform: Transform::read(attributes)?,
    })
}

/// LinearRegressor: for rows `[N, C]` of FP32, FP64, INT64 or INT32, FP32 `[N, targets]`. (ONNX's specification of
/// `ai.onnx.ml`, version 1.)
struct LinearRegressor {
    linear: Linear,
    transform: Transform,
}

impl Operator for LinearRegressor {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (rows, mut scores) = self.linear.scores(inputs.required(0)?)?;
        let targets = self.linear.intercepts.len();
        for row in scores.chunks_exact_mut(targets) {
            self.transform.apply(row);
        }
        Ok(vec![Tensor::of(&[rows, targets], scores)?])
    }
}
