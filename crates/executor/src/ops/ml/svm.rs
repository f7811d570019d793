//! SVMClassifier and SVMRegressor.

use super::features::{rows_of, size};
use super::kernel::{Kernel, Vectors, dot};
use super::labels::{Labels, largest};
use super::scores::{Second, Transform, logistic};
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::ops::entry::{OperatorEntry, boxed, ml};
use crate::tensor::{Tensor, filled, with_room};

pub(in crate::ops) const OPERATORS: &[OperatorEntry] = &[
    ml("SVMClassifier", svm_classifier),
    ml("SVMRegressor", svm_regressor),
];

fn check_count(name: &str, actual: usize, expected: usize) -> Result<()> {
    if actual == expected {
        return Ok(());
    }
    Err(Error::graph(format!(
        "the attribute `{name}` has {actual} numbers, expected {expected}"
    )))
}

/// The number of pairs of classes.
fn pairs(classes: usize) -> usize {
    classes.saturating_mul(classes - 1) / 2
}

fn floats<'a>(attributes: Attributes<'a>, name: &str) -> &'a [f32] {
    attributes.floats(name).unwrap_or_default()
}

fn svm_classifier(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let labels = Labels::read(build, "classlabels_ints")?;
    let classes = labels.count();
    let coefficients = floats(attributes, "coefficients");
    let rho = floats(attributes, "rho");
    let transform = Transform::read(attributes)?;
    let counts = attributes.sizes("vectors_per_class")?.unwrap_or_default();
    let count = counts
        .iter()
        .try_fold(0usize, |sum, &count| sum.checked_add(count));
    let count = count.ok_or_else(|| {
        Error::graph(format!(
            "the attribute `vectors_per_class` is {counts:?}, whose sum is too large"
        ))
    })?;
    if count == 0 {
        let Some(&rho) = rho.first() else {
            return Err(Error::graph("the attribute `rho` is missing or empty"));
        };
        return boxed(LinearClassifier {
            is_positive: coefficients.iter().all(|&coefficient| coefficient >= 0.0),
            vectors: Vectors::new(coefficients, classes, "coefficients", Kernel::Linear)?,
            rho,
            labels,
            transform,
        });
    }
    if classes < 2 {
        return Err(Error::graph(format!(
            "a machine with support vectors has {classes} labels, expected at least 2"
        )));
    }
    check_count("vectors_per_class", counts.len(), classes)?;
    let vectors = floats(attributes, "support_vectors");
    let vectors = Vectors::new(vectors, count, "support_vectors", Kernel::read(attributes)?)?;
    check_count(
        "coefficients",
        coefficients.len(),
        count.saturating_mul(classes - 1),
    )?;
    check_count("rho", rho.len(), pairs(classes))?;
    let (a, b) = (floats(attributes, "prob_a"), floats(attributes, "prob_b"));
    if !a.is_empty() || !b.is_empty() {
        check_count("prob_a", a.len(), pairs(classes))?;
        check_count("prob_b", b.len(), pairs(classes))?;
    }
    let mut starts = with_room(classes + 1)?;
    starts.push(0);
    for count in counts {
        starts.push(starts[starts.len() - 1] + count);
    }
    if a.is_empty() && classes == 2 && transform == Transform::Probit {
        return Err(Error::unsupported(
            "the attribute `post_transform` is PROBIT, which is not supported for two classes without `prob_a`",
        ));
    }
    boxed(SvmClassifier {
        vectors,
        starts,
        coefficients: coefficients.to_vec(),
        rho: rho.to_vec(),
        sigmoid: a.iter().copied().zip(b.iter().copied()).collect(),
        labels,
        transform,
    })
}

/// SVMClassifier without support vectors: a linear function for each class. For rows `[N, C]` of FP32, FP64, INT64 or INT32,
/// the label of the largest score, INT64 `[N]`, and the scores, FP32 `[N, classes]`. (ONNX's specification of `ai.onnx.ml`,
/// version 1.)
struct LinearClassifier {
    /// One row of coefficients for each class.
    vectors: Vectors,
    rho: f32,
    /// Whether no coefficient is negative.
    is_positive: bool,
    labels: Labels,
    transform: Transform,
}

impl Operator for LinearClassifier {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let classes = self.labels.count();
        let rows = rows_of(input, self.vectors.features)?;
        let (mut labels, mut result) = (with_room(rows)?, with_room(size(rows, classes)?)?);
        let mut scores = filled(classes, 0f32)?;
        self.vectors.each(input, |products| {
            let each = scores.iter_mut().zip(products);
            each.for_each(|(score, product)| *score = product + self.rho);
            let best = largest(&scores);
            labels.push(match classes {
                2 => {
                    let most = scores[best];
                    let is_second = match self.is_positive {
                        true => most >= 0.5,
                        false => most > 0.0,
                    };
                    self.labels.of(if is_second { 1 } else { best })
                }
                _ => self.labels.of(best),
            });
            self.transform.apply(&mut scores);
            result.extend_from_slice(&scores);
        })?;
        Ok(vec![
            Tensor::vector(labels),
            Tensor::of(&[rows, classes], result)?,
        ])
    }
}

/// SVMClassifier with support vectors: a machine for each pair of classes, which vote. For rows `[N, C]` of FP32, FP64, INT64
/// or INT32, the label with most votes, INT64 `[N]`, and FP32 scores: `[N, classes]` with `prob_a` and `prob_b`, else
/// `[N, pairs of classes]`, or `[N, 2]` for two classes. (ONNX's specification of `ai.onnx.ml`, version 1.)
struct SvmClassifier {
    vectors: Vectors,
    /// The first support vector of each class, and the number of all.
    starts: Vec<usize>,
    /// `[classes - 1, vectors]`.
    coefficients: Vec<f32>,
    /// One for each pair of classes.
    rho: Vec<f32>,
    /// `prob_a` and `prob_b` of each pair of classes; empty if the scores are not probabilities.
    sigmoid: Vec<(f32, f32)>,
    labels: Labels,
    transform: Transform,
}

impl SvmClassifier {
    /// The score of each pair of classes, and the class with most votes.
    fn decide(&self, kernels: &[f32], scores: &mut Vec<f32>, votes: &mut [usize]) {
        let classes = votes.len();
        let vectors = kernels.len();
        scores.clear();
        votes.fill(0);
        for i in 0..classes {
            for j in i + 1..classes {
                let part = |row: usize, class: usize| {
                    let range = self.starts[class]..self.starts[class + 1];
                    let coefficients = &self.coefficients[row * vectors..][..vectors];
                    let each = coefficients[range.clone()].iter().zip(&kernels[range]);
                    each.map(|(&a, &b)| f64::from(a * b)).sum::<f64>()
                };
                let sum = part(j - 1, i) + part(i, j) + f64::from(self.rho[scores.len()]);
                scores.push(sum as f32);
                votes[if sum > 0.0 { i } else { j }] += 1;
            }
        }
    }

    /// The probabilities of the classes, of those of each pair: Wu, Lin and Weng, "Probability estimates for multi-class
    /// classification by pairwise coupling" (2004), as LIBSVM computes them.
    fn probabilities(&self, scores: &[f32], classes: usize) -> Result<Vec<f32>> {
        let square = size(classes, classes)?;
        let mut pairwise = filled(square, 0f32)?;
        let mut at = 0;
        for i in 0..classes {
            for j in i + 1..classes {
                let (a, b) = self.sigmoid[at];
                let probability = (1.0 - logistic(scores[at] * a + b)).clamp(1e-7, 1.0 - 1e-7);
                pairwise[i * classes + j] = probability;
                pairwise[j * classes + i] = 1.0 - probability;
                at += 1;
            }
        }
        let mut q = filled(square, 0f32)?;
        for i in 0..classes {
            for j in 0..classes {
                let (own, other) = (pairwise[j * classes + i], pairwise[i * classes + j]);
                if i != j {
                    q[i * classes + i] += own * own;
                    q[i * classes + j] = -own * other;
                }
            }
        }
        let mut result = filled(classes, 1.0 / classes as f32)?;
        let mut product = filled(classes, 0f32)?;
        for _ in 0..100 {
            let mut total = 0.0;
            for (i, product) in product.iter_mut().enumerate() {
                *product = dot(&q[i * classes..][..classes], &result);
                total += result[i] * *product;
            }
            let error = product.iter().map(|product| (product - total).abs());
            if error.fold(0f32, f32::max) < 0.005 / classes as f32 {
                break;
            }
            for i in 0..classes {
                let diagonal = q[i * classes + i];
                let step = (total - product[i]) / diagonal;
                result[i] += step;
                let scale = 1.0 + step;
                total = (total + step * (step * diagonal + 2.0 * product[i])) / scale / scale;
                for j in 0..classes {
                    product[j] = (product[j] + step * q[i * classes + j]) / scale;
                    result[j] /= scale;
                }
            }
        }
        Ok(result)
    }
}

impl Operator for SvmClassifier {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let classes = self.labels.count();
        let has_probabilities = !self.sigmoid.is_empty();
        let columns = match (has_probabilities, classes) {
            (true, classes) => classes,
            (false, 2) => 2,
            (false, _) => self.rho.len(),
        };
        let rows = rows_of(input, self.vectors.features)?;
        let (mut labels, mut result) = (with_room(rows)?, with_room(size(rows, columns)?)?);
        let (mut scores, mut votes) = (with_room(self.rho.len())?, filled(classes, 0usize)?);
        let mut failed = Ok(());
        self.vectors.each(input, |kernels| {
            self.decide(kernels, &mut scores, &mut votes);
            let best = largest(&votes);
            labels.push(self.labels.of(best));
            if has_probabilities {
                match self.probabilities(&scores, classes) {
                    Ok(probabilities) => scores.clone_from(&probabilities),
                    Err(error) => failed = Err(error),
                }
            } else if let [score] = scores[..] {
                // Without a transformation the scores are margins, else ONNX Runtime takes them for probabilities.
                let second = match self.transform {
                    Transform::None => Second::Opposite,
                    _ => Second::Complement,
                };
                result.extend(self.transform.pair(score, second));
                return;
            }
            self.transform.apply(&mut scores);
            result.extend_from_slice(&scores);
        })?;
        failed?;
        Ok(vec![
            Tensor::vector(labels),
            Tensor::of(&[rows, columns], result)?,
        ])
    }
}

fn svm_regressor(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let coefficients = floats(attributes, "coefficients");
    let Some(&rho) = floats(attributes, "rho").first() else {
        return Err(Error::graph("the attribute `rho` is missing or empty"));
    };
    let supports = attributes.int("n_supports", 0);
    let Ok(supports) = usize::try_from(supports) else {
        return Err(Error::graph(format!(
            "the attribute `n_supports` is {supports}, expected 0 or more"
        )));
    };
    let transform = Transform::read(attributes)?;
    if transform != Transform::None {
        return Err(Error::unsupported(
            "the attribute `post_transform` is not supported for SVMRegressor, expected NONE",
        ));
    }
    let (vectors, weights) = match supports {
        0 => {
            let vectors = Vectors::new(coefficients, 1, "coefficients", Kernel::Linear)?;
            (vectors, vec![1.0])
        }
        supports => {
            check_count("coefficients", coefficients.len(), supports)?;
            let kernel = Kernel::read(attributes)?;
            let vectors = floats(attributes, "support_vectors");
            let vectors = Vectors::new(vectors, supports, "support_vectors", kernel)?;
            (vectors, coefficients.to_vec())
        }
    };
    boxed(SvmRegressor {
        vectors,
        weights,
        rho,
        is_one_class: attributes.flag("one_class", false),
    })
}

/// SVMRegressor: for rows `[N, C]` of FP32, FP64, INT64 or INT32, FP32 `[N, 1]`; with `one_class` only the sign, 1 or -1. (ONNX's
/// specification of `ai.onnx.ml`, version 1.)
struct SvmRegressor {
    vectors: Vectors,
    /// One for each vector.
    weights: Vec<f32>,
    rho: f32,
    is_one_class: bool,
}

impl Operator for SvmRegressor {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let mut result = with_room(rows_of(input, self.vectors.features)?)?;
        let rows = self.vectors.each(input, |kernels| {
            let value = dot(kernels, &self.weights) + self.rho;
            result.push(match self.is_one_class {
                true if value > 0.0 => 1.0,
                true => -1.0,
                false => value,
            });
        })?;
        Ok(vec![Tensor::of(&[rows, 1], result)?])
    }
}
