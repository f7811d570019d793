//! Categories: LabelEncoder and OneHotEncoder.

use super::features::size;
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::ops::entry::{OperatorEntry, boxed, ml};
use crate::real::each;
use crate::tensor::{Data, Element, Tensor, filled, with_room};
use crate::tensor_proto;
use crate::with_element;
use infer_tensor::Datatype;

pub(in crate::ops) const OPERATORS: &[OperatorEntry] = &[
    ml("LabelEncoder", label_encoder),
    ml("OneHotEncoder", one_hot_encoder),
];

/// The bits of each NaN.
const NAN: u64 = f64::NAN.to_bits();

/// Bits that no float has as a key: those of another NaN.
const NO_NUMBER: u64 = NAN + 1;

/// Numbers as bits that are equal if the numbers are: the zeros of both signs are equal, as are all NaNs.
fn keys(data: &Data) -> Result<Vec<u64>> {
    let float = |value: f64| match value {
        0.0 => 0,
        value if value.is_nan() => NAN,
        value => value.to_bits(),
    };
    match data {
        Data::I16(values) => each(values, |value| i64::from(value).cast_unsigned()),
        Data::I32(values) => each(values, |value| i64::from(value).cast_unsigned()),
        Data::I64(values) => each(values, i64::cast_unsigned),
        Data::F32(values) => each(values, |value| float(value.into())),
        Data::F64(values) => each(values, float),
        other => Err(Error::unsupported(format!(
            "keys of {} are not supported, expected INT64, INT32, INT16, FP32 or FP64",
            other.datatype()
        ))),
    }
}

/// Positions in a list of keys.
struct Index {
    /// The keys in ascending order, each with its first position.
    sorted: Vec<(u64, usize)>,
}

impl Index {
    fn new(keys: Vec<u64>) -> Self {
        let mut sorted: Vec<(u64, usize)> = keys.into_iter().zip(0..).collect();
        sorted.sort_unstable();
        sorted.dedup_by_key(|entry| entry.0);
        Self { sorted }
    }

    fn of(&self, key: u64) -> Option<usize> {
        let found = self.sorted.binary_search_by_key(&key, |entry| entry.0);
        found.ok().map(|at| self.sorted[at].1)
    }
}

/// The keys or the values of a LabelEncoder: a tensor, or a list of integers or floats.
fn list(attributes: Attributes<'_>, what: &str) -> Result<Tensor> {
    let [tensor, ints, floats, strings] =
        ["tensor", "int64s", "floats", "strings"].map(|kind| format!("{what}_{kind}"));
    let unsupported = |name: &str| {
        Err(Error::unsupported(format!(
            "the attribute `{name}` has strings, and tensors of strings are not supported; expected `{tensor}`, `{ints}` or \
             `{floats}`"
        )))
    };
    let found: Vec<&String> = [&tensor, &ints, &floats, &strings]
        .into_iter()
        .filter(|name| attributes.has(name))
        .collect();
    let [name] = found[..] else {
        return Err(Error::graph(format!(
            "the {what} are in {} attributes, expected one of `{tensor}`, `{ints}` and `{floats}`",
            found.len()
        )));
    };
    if let Some(values) = attributes.tensor(name) {
        // STRING is 8.
        return match values.data_type.is_some_and(|datatype| datatype.0 == 8) {
            true => unsupported(name),
            false => tensor_proto::tensor(values.clone()),
        };
    }
    if *name == ints {
        Ok(Tensor::vector(
            attributes.ints(name).unwrap_or_default().to_vec(),
        ))
    } else if *name == floats {
        Ok(Tensor::vector(
            attributes.floats(name).unwrap_or_default().to_vec(),
        ))
    } else if *name == strings {
        unsupported(name)
    } else {
        Err(Error::graph(format!(
            "the attribute `{name}` is not a tensor"
        )))
    }
}

fn label_encoder(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    if attributes.has("classes_strings") {
        return Err(Error::unsupported(
            "the attribute `classes_strings`, of version 1, has strings, and tensors of strings are not supported",
        ));
    }
    let (keys_tensor, values) = (list(attributes, "keys")?, list(attributes, "values")?);
    if keys_tensor.len() != values.len() {
        return Err(Error::graph(format!(
            "there are {} keys and {} values, expected as many of both",
            keys_tensor.len(),
            values.len()
        )));
    }
    let default = match (attributes.tensor("default_tensor"), values.data()) {
        (Some(tensor), _) => {
            let default = tensor_proto::tensor(tensor.clone())?;
            if default.len() != 1 || default.datatype() != values.datatype() {
                return Err(Error::graph(format!(
                    "the attribute `default_tensor` has {} elements of {}, expected one of {} as the values",
                    default.len(),
                    default.datatype(),
                    values.datatype()
                )));
            }
            default
        }
        (None, Data::I64(_)) => Tensor::scalar(attributes.int("default_int64", -1)),
        (None, Data::I32(_)) => Tensor::scalar(-1i32),
        (None, Data::I16(_)) => Tensor::scalar(-1i16),
        (None, Data::F32(_)) => Tensor::scalar(attributes.float("default_float", -0.0)),
        (None, Data::F64(_)) => Tensor::scalar(-0.0f64),
        (None, other) => {
            return Err(Error::unsupported(format!(
                "values of {} are not supported, expected INT64, INT32, INT16, FP32 or FP64",
                other.datatype()
            )));
        }
    };
    let mut list = keys(keys_tensor.data())?;
    if build.opset < 4 && matches!(keys_tensor.datatype(), Datatype::Fp32 | Datatype::Fp64) {
        // Before version 4, elements are compared with keys as IEEE 754 does: NaN equals no key.
        list.iter_mut()
            .filter(|key| **key == NAN)
            .for_each(|key| *key = NO_NUMBER);
    }
    boxed(LabelEncoder {
        index: Index::new(list),
        key: keys_tensor.datatype(),
        values,
        default,
    })
}

/// LabelEncoder: replaces each key by its value, and any other element by the default, for any shape. Keys and values are
/// numbers of INT64 or FP32, since version 4 also of FP64, INT32 or INT16. If a key is repeated, its first value counts.
/// NaN is equal to a key that is NaN from version 4 on.
/// (ONNX's specification of `ai.onnx.ml`, versions 2 and 4.)
struct LabelEncoder {
    index: Index,
    key: Datatype,
    values: Tensor,
    default: Tensor,
}

impl Operator for LabelEncoder {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        if input.datatype() != self.key {
            return Err(Error::unsupported(format!(
                "expected {} as the keys, got {}",
                self.key,
                input.datatype()
            )));
        }
        with_element!(self.values.datatype(), T => {
            let values = self.values.elements::<T>()?;
            let default = self.default.elements::<T>()?.first().copied().unwrap_or_default();
            let result = each(&keys(input.data())?, |key| {
                self.index.of(key).map_or(default, |at| values[at])
            })?;
            Ok(vec![Tensor::new(input.shape().to_vec(), T::wrap(result))?])
        })
    }
}

fn one_hot_encoder(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    if attributes.has("cats_strings") {
        return Err(Error::unsupported(
            "the attribute `cats_strings` has strings, and tensors of strings are not supported; expected `cats_int64s`",
        ));
    }
    let Some(categories) = attributes
        .ints("cats_int64s")
        .filter(|ints| !ints.is_empty())
    else {
        return Err(Error::graph(
            "the attribute `cats_int64s` is missing or empty",
        ));
    };
    boxed(OneHotEncoder {
        count: categories.len(),
        index: Index::new(each(categories, i64::cast_unsigned)?),
        ignores_unknown: attributes.flag("zeros", true),
    })
}

/// OneHotEncoder: a row of FP32 for each element, 1 at its category and 0 elsewhere; the categories are a new last axis. The
/// input, of any shape, is FP32, FP64, INT64 or INT32, truncated to INT64. (ONNX's specification of `ai.onnx.ml`, version 1.)
struct OneHotEncoder {
    index: Index,
    count: usize,
    ignores_unknown: bool,
}

impl Operator for OneHotEncoder {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let values: Vec<i64> = match input.data() {
            Data::I64(values) => each(values, |value| value)?,
            Data::I32(values) => each(values, i64::from)?,
            Data::F32(values) => each(values, |value| value as i64)?,
            Data::F64(values) => each(values, |value| value as i64)?,
            other => {
                return Err(Error::unsupported(format!(
                    "expected FP32, FP64, INT64 or INT32, got {}",
                    other.datatype()
                )));
            }
        };
        let mut result = filled(size(values.len(), self.count)?, 0f32)?;
        for (&value, row) in values.iter().zip(result.chunks_exact_mut(self.count)) {
            match self.index.of(value.cast_unsigned()) {
                Some(at) => row[at] = 1.0,
                None if self.ignores_unknown => {}
                None => {
                    return Err(Error::input(format!(
                        "the input has {value}, which is no category, and the attribute `zeros` is 0"
                    )));
                }
            }
        }
        let mut shape = with_room(input.rank() + 1)?;
        shape.extend_from_slice(input.shape());
        shape.push(self.count);
        Ok(vec![Tensor::new(shape, f32::wrap(result))?])
    }
}
