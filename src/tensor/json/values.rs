//! The values of a tensor as JSON, flat or nested, written one by one from its bytes.

use infer_tensor::Datatype;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::http::error::ApiError;
use crate::tensor::Tensor;

/// Check that JSON can represent a tensor. `kind` is `input` or `output`, and `advice` says what to request instead.
///
/// # Errors
/// 400 for FP16 and BF16, and for NaN and infinity.
pub fn check(kind: &str, name: &str, tensor: &Tensor, advice: &str) -> Result<(), ApiError> {
    let not_finite = |value: &dyn std::fmt::Display| {
        ApiError::invalid(format!(
            "{kind} `{name}` has the value {value}, which JSON cannot represent; {advice}"
        ))
    };
    let refused = match tensor.datatype {
        Datatype::Fp16 | Datatype::Bf16 => Some(ApiError::invalid(format!(
            "{kind} `{name}` is {}, which JSON cannot represent; {advice}",
            tensor.datatype
        ))),
        Datatype::Fp32 => elements(&tensor.data, f32::from_le_bytes)
            .find(|value| !value.is_finite())
            .map(|value| not_finite(&value)),
        Datatype::Fp64 => elements(&tensor.data, f64::from_le_bytes)
            .find(|value| !value.is_finite())
            .map(|value| not_finite(&value)),
        _ => None,
    };
    refused.map_or(Ok(()), Err)
}

/// The values as one flat list.
#[derive(Clone, Copy, Debug)]
pub struct Flat<'a>(pub &'a Tensor);

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        list(self.0.datatype, &self.0.data, serializer)
    }
}

/// The values as lists in lists; a lone value for a scalar.
#[derive(Clone, Copy, Debug)]
pub struct Nested<'a> {
    datatype: Datatype,
    shape: &'a [u32],
    data: &'a [u8],
}

impl<'a> Nested<'a> {
    /// The values of a whole tensor.
    #[must_use]
    pub fn of(tensor: &'a Tensor) -> Self {
        Self {
            datatype: tensor.datatype,
            shape: &tensor.shape,
            data: &tensor.data,
        }
    }

    /// The items of the first dimension; none for a scalar.
    pub fn items(self) -> impl ExactSizeIterator<Item = Self> {
        let (count, shape) = match self.shape.split_first() {
            Some((count, shape)) => (*count as usize, shape),
            None => (0, self.shape),
        };
        let bytes = self.data.len().checked_div(count).unwrap_or_default();
        (0..count).map(move |index| Self {
            datatype: self.datatype,
            shape,
            data: self
                .data
                .get(index * bytes..(index + 1) * bytes)
                .unwrap_or_default(),
        })
    }
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.shape {
            [] => lone(self.datatype, self.data, serializer),
            [_] => list(self.datatype, self.data, serializer),
            _ => serializer.collect_seq(self.items()),
        }
    }
}

fn list<S: Serializer>(datatype: Datatype, data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    write(datatype, data, List(serializer))
}

fn lone<S: Serializer>(datatype: Datatype, data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    write(datatype, data, Lone(serializer))
}

/// A form of JSON for values of any type.
trait Form {
    type Serializer: Serializer;

    fn write<T: Serialize>(
        self,
        values: impl ExactSizeIterator<Item = T>,
    ) -> Result<<Self::Serializer as Serializer>::Ok, <Self::Serializer as Serializer>::Error>;
}

struct List<S>(S);

impl<S: Serializer> Form for List<S> {
    type Serializer = S;

    fn write<T: Serialize>(
        self,
        values: impl ExactSizeIterator<Item = T>,
    ) -> Result<S::Ok, S::Error> {
        let mut sequence = self.0.serialize_seq(Some(values.len()))?;
        for value in values {
            sequence.serialize_element(&value)?;
        }
        sequence.end()
    }
}

struct Lone<S>(S);

impl<S: Serializer> Form for Lone<S> {
    type Serializer = S;

    fn write<T: Serialize>(
        self,
        mut values: impl ExactSizeIterator<Item = T>,
    ) -> Result<S::Ok, S::Error> {
        values.next().serialize(self.0)
    }
}

fn write<F: Form>(
    datatype: Datatype,
    data: &[u8],
    form: F,
) -> Result<<F::Serializer as Serializer>::Ok, <F::Serializer as Serializer>::Error> {
    match datatype {
        Datatype::Bool => form.write(elements(data, |[byte]: [u8; 1]| byte != 0)),
        Datatype::Uint8 => form.write(elements(data, u8::from_le_bytes)),
        Datatype::Uint16 => form.write(elements(data, u16::from_le_bytes)),
        Datatype::Uint32 => form.write(elements(data, u32::from_le_bytes)),
        Datatype::Uint64 => form.write(elements(data, u64::from_le_bytes)),
        Datatype::Int8 => form.write(elements(data, i8::from_le_bytes)),
        Datatype::Int16 => form.write(elements(data, i16::from_le_bytes)),
        Datatype::Int32 => form.write(elements(data, i32::from_le_bytes)),
        Datatype::Int64 => form.write(elements(data, i64::from_le_bytes)),
        Datatype::Fp32 => form.write(elements(data, f32::from_le_bytes)),
        Datatype::Fp64 => form.write(elements(data, f64::from_le_bytes)),
        Datatype::Fp16 | Datatype::Bf16 | Datatype::Bytes => Err(serde::ser::Error::custom(
            format!("JSON cannot represent {datatype}"),
        )),
    }
}

fn elements<T, const N: usize>(
    data: &[u8],
    from_bytes: fn([u8; N]) -> T,
) -> impl ExactSizeIterator<Item = T> {
    let (elements, _) = data.as_chunks::<N>();
    elements.iter().map(move |bytes| from_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(datatype: Datatype, shape: &[u32], data: &[u8]) -> Tensor {
        Tensor {
            datatype,
            shape: shape.to_vec(),
            data: data.to_vec(),
        }
    }

    #[test]
    fn numbers_are_written_in_their_shortest_form() {
        let bytes = |values: &[f32]| -> Vec<u8> {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        let cases = [
            (
                tensor(Datatype::Fp32, &[3], &bytes(&[0.1, -0.0, 16_777_216.0])),
                "[0.1,-0.0,16777216.0]",
            ),
            (tensor(Datatype::Bool, &[2], &[0, 1]), "[false,true]"),
            (tensor(Datatype::Uint8, &[2], &[0, 255]), "[0,255]"),
            (
                tensor(Datatype::Int32, &[1], &i32::MIN.to_le_bytes()),
                "[-2147483648]",
            ),
            (
                tensor(Datatype::Int64, &[1], &i64::MAX.to_le_bytes()),
                "[9223372036854775807]",
            ),
            (tensor(Datatype::Fp32, &[0], &[]), "[]"),
        ];
        for (tensor, expected) in cases {
            check("output", "y", &tensor, "ask for bytes").unwrap();
            assert_eq!(serde_json::to_string(&Flat(&tensor)).unwrap(), expected);
        }
    }

    #[test]
    fn values_without_a_json_form_are_refused() {
        let cases = [
            (
                tensor(Datatype::Fp16, &[1], &[0, 0]),
                "output `y` is FP16, which JSON cannot represent; ask for bytes",
            ),
            (
                tensor(Datatype::Fp32, &[1], &f32::NAN.to_le_bytes()),
                "output `y` has the value NaN, which JSON cannot represent; ask for bytes",
            ),
            (
                tensor(Datatype::Fp64, &[1], &f64::NEG_INFINITY.to_le_bytes()),
                "output `y` has the value -inf, which JSON cannot represent; ask for bytes",
            ),
        ];
        for (tensor, expected) in cases {
            let error = check("output", "y", &tensor, "ask for bytes").unwrap_err();
            assert_eq!(
                (error.kind().status(), error.to_string().as_str()),
                (400, expected)
            );
        }
    }

    #[test]
    fn nested_as_the_shape_says() {
        let values: Vec<u8> = (1..=6_i32).flat_map(|value| value.to_le_bytes()).collect();
        let cases = [
            (
                tensor(Datatype::Int32, &[2, 3], &values),
                "[[1,2,3],[4,5,6]]",
            ),
            (tensor(Datatype::Int32, &[6], &values), "[1,2,3,4,5,6]"),
            (
                tensor(Datatype::Int32, &[1, 3, 1, 2], &values),
                "[[[[1,2]],[[3,4]],[[5,6]]]]",
            ),
            (tensor(Datatype::Uint8, &[], &[7]), "7"),
            (tensor(Datatype::Fp32, &[], &0.1_f32.to_le_bytes()), "0.1"),
            (tensor(Datatype::Bool, &[], &[1]), "true"),
            (tensor(Datatype::Fp32, &[0, 3], &[]), "[]"),
            (tensor(Datatype::Fp32, &[2, 0], &[]), "[[],[]]"),
        ];
        for (tensor, expected) in cases {
            assert_eq!(
                serde_json::to_string(&Nested::of(&tensor)).unwrap(),
                expected
            );
        }
    }
}
