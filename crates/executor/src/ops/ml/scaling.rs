//! Preprocessing of rows of features: Binarizer, FeatureVectorizer, Imputer, Normalizer and Scaler.

use super::features::{numbers, rows, size};
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::number::{Arithmetic, Number};
use crate::operator::{Build, Inputs, Operator};
use crate::ops::entry::{OperatorEntry, boxed, ml};
use crate::real::each;
use crate::tensor::{Element, Tensor, filled, with_room};
use crate::with_number;
use infer_tensor::Datatype;

pub(in crate::ops) const OPERATORS: &[OperatorEntry] = &[
    ml("Binarizer", |build| {
        boxed(Binarizer {
            threshold: build.attributes().float("threshold", 0.0),
        })
    }),
    ml("FeatureVectorizer", feature_vectorizer),
    ml("Imputer", imputer),
    ml("Normalizer", normalizer),
    ml("Scaler", scaler),
];

/// The value for each feature: one for all, or one each.
fn each_feature<'a, T: Clone>(
    values: &'a [T],
    name: &str,
    features: usize,
) -> Result<impl Iterator<Item = T> + Clone + use<'a, T>> {
    match values {
        values if values.len() == 1 || values.len() == features => {
            Ok(values.iter().cycle().cloned())
        }
        values => Err(Error::input(format!(
            "the attribute `{name}` has {} numbers, but the input {features} features, expected 1 or as many",
            values.len()
        ))),
    }
}

fn floats(attributes: Attributes<'_>, name: &str) -> Result<Vec<f32>> {
    match attributes.floats(name) {
        Some(values) if !values.is_empty() => Ok(values.to_vec()),
        _ => Err(Error::graph(format!(
            "the attribute `{name}` is missing or empty, expected one number for all features or one for each"
        ))),
    }
}

/// Rejects datatypes that the specification does not allow.
fn check(datatype: Datatype) -> Result<()> {
    match datatype {
        Datatype::Fp32 | Datatype::Fp64 | Datatype::Int64 | Datatype::Int32 => Ok(()),
        other => Err(Error::unsupported(format!(
            "expected FP32, FP64, INT64 or INT32, got {other}"
        ))),
    }
}

/// Binarizer: 1 where the input is larger than the threshold, 0 elsewhere, for any shape of FP32, FP64, INT64 or INT32; the
/// output has the input's datatype. (ONNX's specification of `ai.onnx.ml`, version 1.)
struct Binarizer {
    threshold: f32,
}

impl Operator for Binarizer {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        check(input.datatype())?;
        let threshold = f64::from(self.threshold);
        with_number!(input.datatype(), T => {
            let values = each(input.elements::<T>()?, |value| {
                let is_larger = value.widen().to_f64() > threshold;
                T::narrow(Arithmetic::of_i64(is_larger.into()))
            })?;
            Ok(vec![Tensor::of(input.shape(), values)?])
        })
    }
}

fn feature_vectorizer(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let Some(dimensions) = build.attributes().sizes("inputdimensions")? else {
        return Err(Error::graph("the attribute `inputdimensions` is missing"));
    };
    if dimensions.len() != build.input_count() {
        return Err(Error::graph(format!(
            "the attribute `inputdimensions` has {} numbers, expected {}, one for each input",
            dimensions.len(),
            build.input_count()
        )));
    }
    boxed(FeatureVectorizer { dimensions })
}

/// FeatureVectorizer: the inputs side by side, each `[N, C]` or `[C]` of FP32, FP64, INT64 or INT32, as FP32
/// `[N, sum of inputdimensions]`. An input with fewer features than its dimension is padded with zeros, and further
/// features are left out. (ONNX's specification of `ai.onnx.ml`, version 1.)
struct FeatureVectorizer {
    dimensions: Vec<usize>,
}

impl Operator for FeatureVectorizer {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let [count, _] = rows(inputs.required(0)?)?;
        let total = self.dimensions.iter().try_fold(0usize, |total, &size| {
            total.checked_add(size).ok_or_else(|| {
                Error::graph(format!(
                    "the attribute `inputdimensions` is {:?}, whose sum is too large",
                    self.dimensions
                ))
            })
        })?;
        let mut result = filled(size(count, total)?, 0f32)?;
        let mut start = 0;
        for (position, &dimension) in self.dimensions.iter().enumerate() {
            let input = inputs.required(position)?;
            let [own, columns] = rows(input)?;
            if own != count {
                return Err(Error::input(format!(
                    "input {position} has {own} rows, expected {count} as input 0"
                )));
            }
            let copied = columns.min(dimension);
            let values = numbers::<f32>(input)?;
            if copied > 0 {
                let to = result.chunks_exact_mut(total);
                for (from, to) in values.chunks_exact(columns).zip(to) {
                    to[start..start + copied].copy_from_slice(&from[..copied]);
                }
            }
            start += dimension;
        }
        Ok(vec![Tensor::of(&[count, total], result)?])
    }
}

fn imputer(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let floats = attributes.floats("imputed_value_floats");
    let ints = attributes.ints("imputed_value_int64s");
    match (
        floats.unwrap_or_default().len(),
        ints.unwrap_or_default().len(),
    ) {
        (0, 0) => {
            return Err(Error::graph(
                "the attributes `imputed_value_floats` and `imputed_value_int64s` are missing, expected one of them",
            ));
        }
        (0, _) | (_, 0) => {}
        _ => {
            return Err(Error::graph(
                "there are both of the attributes `imputed_value_floats` and `imputed_value_int64s`, expected one of them",
            ));
        }
    }
    boxed(Imputer {
        floats: floats.unwrap_or_default().to_vec(),
        ints: ints.unwrap_or_default().to_vec(),
        replaced_float: attributes.float("replaced_value_float", 0.0),
        replaced_int: attributes.int("replaced_value_int64", 0),
    })
}

/// Imputer: replaces one value, or NaN, by a constant or by one of each feature. The input is `[N, C]` or `[C]`: FP32 and
/// FP64 with `imputed_value_floats`, INT64 and INT32 with `imputed_value_int64s`. The output is like the input. (ONNX's
/// specification of `ai.onnx.ml`, version 1.)
struct Imputer {
    floats: Vec<f32>,
    ints: Vec<i64>,
    replaced_float: f32,
    replaced_int: i64,
}

/// Replaces values for which `is_missing` is true by those of their features.
fn replaced<T: Element>(
    input: Tensor,
    by: &[T],
    name: &str,
    is_missing: impl Fn(T) -> bool,
) -> Result<Vec<Tensor>> {
    let [_, columns] = rows(&input)?;
    let by = each_feature(by, name, columns)?;
    let shape = input.shape().to_vec();
    let mut values = input.into_elements::<T>()?;
    if columns > 0 {
        for row in values.chunks_exact_mut(columns) {
            for (value, by) in row.iter_mut().zip(by.clone()) {
                if is_missing(*value) {
                    *value = by;
                }
            }
        }
    }
    Ok(vec![Tensor::of(&shape, values)?])
}

impl Operator for Imputer {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        const FLOATS: &str = "imputed_value_floats";
        const INTS: &str = "imputed_value_int64s";
        let input = inputs.take(0)?;
        let old = self.replaced_float;
        match (input.datatype(), self.floats.is_empty()) {
            (Datatype::Fp32, false) => replaced(input, &self.floats, FLOATS, |value: f32| {
                value == old || (value.is_nan() && old.is_nan())
            }),
            (Datatype::Fp64, false) => {
                let by = each(&self.floats, f64::from)?;
                replaced(input, &by, FLOATS, |value: f64| {
                    value == f64::from(old) || (value.is_nan() && old.is_nan())
                })
            }
            (Datatype::Int64, true) => {
                replaced(input, &self.ints, INTS, |value| value == self.replaced_int)
            }
            (Datatype::Int32, true) => {
                let by = self.ints.iter().map(|&value| i32::try_from(value));
                let by = by.collect::<Result<Vec<_>, _>>().map_err(|_| {
                    Error::input(format!(
                        "the attribute `{INTS}` has a number that INT32, the input's datatype, cannot represent"
                    ))
                })?;
                replaced(input, &by, INTS, |value: i32| {
                    i64::from(value) == self.replaced_int
                })
            }
            (other, has_ints) => Err(Error::unsupported(format!(
                "expected {}, got {other}",
                match has_ints {
                    true => "INT64 or INT32 with the attribute `imputed_value_int64s`",
                    false => "FP32 or FP64 with the attribute `imputed_value_floats`",
                }
            ))),
        }
    }
}

fn normalizer(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(match build.attributes().string("norm", "MAX") {
        "MAX" => Normalizer::Max,
        "L1" => Normalizer::L1,
        "L2" => Normalizer::L2,
        other => {
            return Err(Error::graph(format!(
                "the attribute `norm` is `{other}`, expected MAX, L1 or L2"
            )));
        }
    })
}

/// Normalizer: divides each row by its norm, unless that is 0; `MAX` is the largest value. Rows `[N, C]` or `[C]` of FP32,
/// FP64, INT64 or INT32 become FP32. (ONNX's specification of `ai.onnx.ml`, version 1.)
enum Normalizer {
    Max,
    L1,
    L2,
}

impl Operator for Normalizer {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let [_, columns] = rows(input)?;
        check(input.datatype())?;
        let mut values = numbers::<f32>(input)?.into_owned();
        if columns > 0 {
            for row in values.chunks_exact_mut(columns) {
                let norm = match self {
                    Self::Max => row.iter().copied().fold(f32::MIN, f32::max),
                    Self::L1 => row.iter().map(|value| value.abs()).sum(),
                    Self::L2 => row.iter().map(|value| value * value).sum::<f32>().sqrt(),
                };
                if norm != 0.0 {
                    row.iter_mut().for_each(|value| *value /= norm);
                }
            }
        }
        Ok(vec![Tensor::of(input.shape(), values)?])
    }
}

fn scaler(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Scaler {
        offset: floats(attributes, "offset")?,
        scale: floats(attributes, "scale")?,
    })
}

/// Scaler: (x - offset) scale, each one number for all features or one for each. Rows `[N, C]` or `[C]` of FP32, FP64, INT64
/// or INT32 become FP32. (ONNX's specification of `ai.onnx.ml`, version 1.)
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

impl Operator for Scaler {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let [_, columns] = rows(input)?;
        check(input.datatype())?;
        let offset = each_feature(&self.offset, "offset", columns)?;
        let scale = each_feature(&self.scale, "scale", columns)?;
        // FP64 is rounded once, after the product.
        let values = numbers::<f64>(input)?;
        let mut result: Vec<f32> = with_room(values.len())?;
        if columns > 0 {
            for row in values.chunks_exact(columns) {
                let scaled = row.iter().zip(offset.clone()).zip(scale.clone());
                result.extend(scaled.map(|((&value, offset), scale)| {
                    ((value - f64::from(offset)) * f64::from(scale)) as f32
                }));
            }
        }
        Ok(vec![Tensor::of(input.shape(), result)?])
    }
}
