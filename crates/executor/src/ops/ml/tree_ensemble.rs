//! TreeEnsemble, TreeEnsembleClassifier and TreeEnsembleRegressor.

use infer_tensor::Datatype;

use super::features::{numbers, rows, size};
use super::labels::Labels;
use super::scores::{Second, Transform};
use super::tree::{Aggregation, Forest, Scores};
use super::tree_attributes::{
    LeafNames, aggregation, aggregation_number, base_values, forest_by_ids, forest_by_position,
};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::ops::entry::{OperatorEntry, boxed, ml};
use crate::real::{Real, rounded};
use crate::tensor::{Tensor, with_room};

pub(in crate::ops) const OPERATORS: &[OperatorEntry] = &[
    ml("TreeEnsemble", tree_ensemble),
    ml("TreeEnsembleClassifier", tree_ensemble_classifier),
    ml("TreeEnsembleRegressor", tree_ensemble_regressor),
];

/// The scores of rows, `[N, C]` or `[C]`, and the number of rows. As in ONNX Runtime, integers are rounded to FP32.
fn scores<R: Real>(
    forest: &Forest,
    input: &Tensor,
    aggregation: Aggregation,
) -> Result<(usize, Scores<R>)> {
    let [count, columns] = rows(input)?;
    if columns < forest.features() {
        return Err(Error::input(format!(
            "the input has {columns} features, expected at least {}, got the shape {:?}",
            forest.features(),
            input.shape()
        )));
    }
    let scores = match input.datatype() {
        Datatype::Fp64 => forest.scores(&numbers::<f64>(input)?, [count, columns], aggregation),
        _ => forest.scores(&numbers::<f32>(input)?, [count, columns], aggregation),
    };
    Ok((count, scores?))
}

/// Trees whose leaves are aggregated, plus base values.
struct Regression {
    forest: Forest,
    aggregation: Aggregation,
    /// One for each target, or none.
    base_values: Vec<f64>,
    transform: Transform,
}

impl Regression {
    /// The transformed scores of rows, as a tensor `[N, targets]` of a datatype.
    fn run<R: Real>(&self, input: &Tensor, datatype: Datatype) -> Result<Tensor> {
        let (rows, scores) = scores::<R>(&self.forest, input, self.aggregation)?;
        let mut values = scores.values;
        if self.aggregation == Aggregation::Average {
            let trees = R::of(self.forest.trees() as f64);
            values.iter_mut().for_each(|value| *value = *value / trees);
        }
        let targets = self.forest.targets();
        for row in values.chunks_exact_mut(targets) {
            let each = row.iter_mut().zip(&self.base_values);
            each.for_each(|(value, &base)| *value += R::of(base));
            self.transform.apply(row);
        }
        rounded(vec![rows, targets], values, datatype)
    }
}

fn tree_ensemble_regressor(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let targets = attributes.count("n_targets")?.unwrap_or(1);
    let names = LeafNames {
        trees: "target_treeids",
        nodes: "target_nodeids",
        targets: "target_ids",
        weights: "target_weights",
    };
    let mut base_values = base_values(attributes, targets)?;
    if base_values.len() < targets {
        // As in ONNX Runtime, a single base value of several targets does not count.
        base_values.clear();
    }
    boxed(TreeEnsembleRegressor(Regression {
        aggregation: aggregation(attributes)?,
        base_values,
        transform: Transform::read(attributes)?,
        forest: forest_by_ids(attributes, &names, targets)?,
    }))
}

/// TreeEnsembleRegressor: for rows `[N, C]` of FP32, FP64, INT64 or INT32, FP32 `[N, n_targets]`. (ONNX's specification of
/// `ai.onnx.ml`, versions 1 and 3.)
struct TreeEnsembleRegressor(Regression);

impl Operator for TreeEnsembleRegressor {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        in_real!(input.datatype(), R => Ok(vec![self.0.run::<R>(input, Datatype::Fp32)?]))
    }
}

fn tree_ensemble(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let targets = attributes.count("n_targets")?.unwrap_or(1);
    boxed(TreeEnsemble(Regression {
        aggregation: aggregation_number(attributes)?,
        base_values: Vec::new(),
        transform: Transform::read_number(attributes)?,
        forest: forest_by_position(attributes, targets)?,
    }))
}

/// TreeEnsemble: for rows `[N, C]` of FP32, FP64 or FP16, `[N, n_targets]` of the same datatype. (ONNX's specification of
/// `ai.onnx.ml`, version 5.)
struct TreeEnsemble(Regression);

impl Operator for TreeEnsemble {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let datatype = input.datatype();
        if !matches!(datatype, Datatype::Fp32 | Datatype::Fp64 | Datatype::Fp16) {
            return Err(Error::unsupported(format!(
                "expected FP32, FP64 or FP16, got {datatype}"
            )));
        }
        in_real!(datatype, R => Ok(vec![self.0.run::<R>(input, datatype)?]))
    }
}

fn tree_ensemble_classifier(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let labels = Labels::read(build, "classlabels_int64s")?;
    let classes = labels.count();
    let names = LeafNames {
        trees: "class_treeids",
        nodes: "class_nodeids",
        targets: "class_ids",
        weights: "class_weights",
    };
    let forest = forest_by_ids(attributes, &names, classes)?;
    let ids = attributes.ints("class_ids").unwrap_or_default();
    let one = classes == 2 && ids.iter().all(|id| Some(id) == ids.first());
    boxed(TreeEnsembleClassifier {
        base_values: base_values(attributes, classes)?,
        transform: Transform::read(attributes)?,
        second: one.then(|| match forest.has_negative_weights() {
            false => Second::Complement,
            true => Second::Opposite,
        }),
        labels,
        forest,
    })
}

/// TreeEnsembleClassifier: for rows `[N, C]` of FP32, FP64, INT64 or INT32, the label of the largest score, INT64 `[N]`, and
/// the scores, FP32 `[N, classes]`. If all leaves of two classes vote for the same one, its score becomes two. (ONNX's
/// specification of `ai.onnx.ml`, versions 1 and 3.)
struct TreeEnsembleClassifier {
    forest: Forest,
    labels: Labels,
    base_values: Vec<f64>,
    transform: Transform,
    /// The meaning of the single score of two classes, if all leaves have weights of one class.
    second: Option<Second>,
}

impl TreeEnsembleClassifier {
    fn compute<R: Real>(&self, input: &Tensor) -> Result<Vec<Tensor>> {
        let (rows, scores) = scores::<R>(&self.forest, input, Aggregation::Sum)?;
        let classes = self.labels.count();
        let (mut labels, mut result) = (with_room(rows)?, with_room(size(rows, classes)?)?);
        let each = scores.values.chunks_exact(classes);
        let mut row = with_room(classes)?;
        for (values, is_set) in each.zip(scores.is_set.chunks_exact(classes)) {
            row.clear();
            row.extend_from_slice(values);
            labels.push(if classes > 2 {
                self.many(&mut row, is_set)
            } else {
                self.few(&mut row, is_set)
            });
            result.extend_from_slice(&row);
        }
        Ok(vec![
            Tensor::vector(labels),
            rounded(vec![rows, classes], result, Datatype::Fp32)?,
        ])
    }

    /// The label of more than two classes; the scores are transformed.
    fn many<R: Real>(&self, scores: &mut [R], is_set: &[bool]) -> i64 {
        let each = scores.iter_mut().zip(&self.base_values);
        each.for_each(|(score, &base)| *score += R::of(base));
        let has = |class: usize| is_set[class] || class < self.base_values.len();
        let found = (0..scores.len())
            .filter(|&class| has(class))
            .reduce(|found, class| {
                if scores[class] > scores[found] {
                    class
                } else {
                    found
                }
            });
        self.transform.apply(scores);
        self.labels.of(found.unwrap_or(0))
    }

    /// The label of one or two classes; the scores are transformed. The specification is vague about two classes: this is
    /// what ONNX Runtime computes.
    fn few<R: Real>(&self, scores: &mut [R], is_set: &[bool]) -> i64 {
        let base = &self.base_values;
        let ([zero, one], [has_zero, has_one]) = (&mut *scores, is_set) else {
            let each = scores.iter_mut().zip(base);
            each.for_each(|(score, &base)| *score += R::of(base));
            let is_positive = scores.first().is_some_and(|&score| score > R::zero());
            self.transform.apply(scores);
            return is_positive.into();
        };
        match base[..] {
            // The first base value does not count: both are taken to be equal.
            [_, base] if *has_one => {
                *one = R::of(base) + *zero;
                *zero = -*one;
            }
            [first, second] => {
                *zero += R::of(first);
                *one += R::of(second);
            }
            [base] => *zero += R::of(base),
            _ => {}
        }
        let positive = match (has_zero, has_one) {
            (_, true) => *one,
            (true, false) => *zero,
            (false, false) => R::zero(),
        };
        let label = match self.second {
            Some(Second::Complement) => self.labels.of((positive > R::of(0.5)).into()),
            Some(Second::Opposite) => self.labels.of((positive > R::zero()).into()),
            None => (positive > R::zero()).into(),
        };
        let second = match (self.second, base.len()) {
            (Some(second), 0 | 1) => Some(second),
            (None, 0) => Some(Second::Opposite),
            _ => None,
        };
        match second.filter(|_| !has_one) {
            Some(second) if self.transform != Transform::Probit => {
                let pair = self.transform.pair(*zero, second);
                scores.copy_from_slice(&pair);
            }
            _ => {
                // A class without weights has no base value either.
                let each = scores.iter_mut().zip(is_set);
                each.filter(|(_, is_set)| !**is_set)
                    .for_each(|(score, _)| *score = R::zero());
                self.transform.apply(scores);
            }
        }
        label
    }
}

impl Operator for TreeEnsembleClassifier {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        in_real!(input.datatype(), R => self.compute::<R>(input))
    }
}
