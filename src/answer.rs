//! From outputs to an answer: JSON, NumPy or bytes.

use infer_model_card::Datatype;
use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::classify::Prediction;
use crate::error::{ApiError, ErrorKind};
use crate::negotiate::AnswerType;
use crate::response::Response;
use crate::tensor::Tensor;

/// Everything that a JSON answer may say; what is `None` is left out.
#[derive(Debug, Serialize)]
pub struct JsonAnswer<'a> {
    /// The model's.
    pub model_name: &'a str,
    /// The model's; a text, as the protocol has it.
    pub model_version: &'a str,
    /// The request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// One list an item of the batch, best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Vec<Vec<Prediction>>>,
    /// In the Open Inference Protocol's form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<JsonOutput<'a>>>,
}

/// An output in the Open Inference Protocol's form, its data flat.
#[derive(Debug, Serialize)]
pub struct JsonOutput<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [u32],
    data: Data<'a>,
}

impl<'a> JsonOutput<'a> {
    /// Check that JSON can carry the tensor.
    ///
    /// # Errors
    /// 400 for FP16 and BF16, and for NaN and infinity, with the advice to ask for bytes.
    pub fn new(name: &'a str, tensor: &'a Tensor) -> Result<Self, ApiError> {
        let advice = "ask for `Accept: application/octet-stream`";
        let not_finite = |is_finite: bool, value: &dyn std::fmt::Display| {
            (!is_finite).then(|| {
                ApiError::invalid(format!(
                    "output `{name}` has the value {value}, which JSON cannot carry; {advice}"
                ))
            })
        };
        let refused = match tensor.datatype {
            Datatype::Fp16 | Datatype::Bf16 => Some(ApiError::invalid(format!(
                "output `{name}` is {}, which is not carried in JSON; {advice}",
                tensor.datatype
            ))),
            Datatype::Fp32 => elements(tensor, f32::from_le_bytes)
                .find_map(|value| not_finite(value.is_finite(), &value)),
            Datatype::Fp64 => elements(tensor, f64::from_le_bytes)
                .find_map(|value| not_finite(value.is_finite(), &value)),
            _ => None,
        };
        match refused {
            Some(error) => Err(error),
            None => Ok(Self {
                name,
                datatype: tensor.datatype.name(),
                shape: &tensor.shape,
                data: Data(tensor),
            }),
        }
    }
}

/// A tensor's elements, written one by one from its bytes.
#[derive(Debug)]
struct Data<'a>(&'a Tensor);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tensor = self.0;
        match tensor.datatype {
            Datatype::Bool => sequence(serializer, elements(tensor, |[byte]: [u8; 1]| byte != 0)),
            Datatype::Uint8 => sequence(serializer, elements(tensor, u8::from_le_bytes)),
            Datatype::Uint16 => sequence(serializer, elements(tensor, u16::from_le_bytes)),
            Datatype::Uint32 => sequence(serializer, elements(tensor, u32::from_le_bytes)),
            Datatype::Uint64 => sequence(serializer, elements(tensor, u64::from_le_bytes)),
            Datatype::Int8 => sequence(serializer, elements(tensor, i8::from_le_bytes)),
            Datatype::Int16 => sequence(serializer, elements(tensor, i16::from_le_bytes)),
            Datatype::Int32 => sequence(serializer, elements(tensor, i32::from_le_bytes)),
            Datatype::Int64 => sequence(serializer, elements(tensor, i64::from_le_bytes)),
            Datatype::Fp32 => sequence(serializer, elements(tensor, f32::from_le_bytes)),
            Datatype::Fp64 => sequence(serializer, elements(tensor, f64::from_le_bytes)),
            Datatype::Fp16 | Datatype::Bf16 | Datatype::Bytes => Err(S::Error::custom(format!(
                "{} is not carried in JSON",
                tensor.datatype
            ))),
        }
    }
}

fn elements<T, const N: usize>(
    tensor: &Tensor,
    from_bytes: fn([u8; N]) -> T,
) -> impl ExactSizeIterator<Item = T> {
    let (elements, _) = tensor.data.as_chunks::<N>();
    elements.iter().map(move |bytes| from_bytes(*bytes))
}

fn sequence<S: Serializer, T: Serialize>(
    serializer: S,
    values: impl ExactSizeIterator<Item = T>,
) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(values.len()))?;
    for value in values {
        sequence.serialize_element(&value)?;
    }
    sequence.end()
}

/// A JSON answer.
///
/// # Errors
/// 500 when it cannot be written, which no checked answer does.
pub fn json(answer: &JsonAnswer) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(answer)
        .map_err(|error| ApiError::internal(format!("writing the answer: {error}")))?;
    Ok(Response::new(200, AnswerType::Json.media_type(), body))
}

/// One tensor's bytes.
#[must_use]
pub fn raw(tensor: Tensor) -> Response {
    Response::new(200, AnswerType::Raw.media_type(), tensor.data)
}

/// One tensor as a NumPy file, format version 1.0 (NumPy Enhancement Proposal 1).
///
/// # Errors
/// 406 for BF16, which NumPy lacks.
pub fn npy(tensor: &Tensor) -> Result<Response, ApiError> {
    /// The header ends at a multiple of this, so that the data are aligned in a mapped file.
    const ALIGNMENT: usize = 64;
    let description = match tensor.datatype {
        Datatype::Bool => "|b1",
        Datatype::Uint8 => "|u1",
        Datatype::Uint16 => "<u2",
        Datatype::Uint32 => "<u4",
        Datatype::Uint64 => "<u8",
        Datatype::Int8 => "|i1",
        Datatype::Int16 => "<i2",
        Datatype::Int32 => "<i4",
        Datatype::Int64 => "<i8",
        Datatype::Fp16 => "<f2",
        Datatype::Fp32 => "<f4",
        Datatype::Fp64 => "<f8",
        Datatype::Bf16 | Datatype::Bytes => {
            return Err(ApiError::new(
                ErrorKind::NotAcceptable,
                format!(
                    "NumPy has no {}; ask for `Accept: application/octet-stream`",
                    tensor.datatype
                ),
            ));
        }
    };
    // Python writes a tuple of one with a comma: `(3,)`.
    let sizes: String = tensor.shape.iter().map(|size| format!("{size},")).collect();
    let mut header =
        format!("{{'descr': '{description}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let unpadded = 10 + header.len() + 1;
    header.push_str(&" ".repeat(unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    // A shape has at most a few hundred characters; the check keeps the format's limit all the same.
    let length = u16::try_from(header.len())
        .map_err(|_| ApiError::internal("a NumPy header of more than 65535 bytes"))?;
    let mut body = Vec::with_capacity(10 + header.len() + tensor.data.len());
    body.extend(b"\x93NUMPY\x01\x00");
    body.extend(length.to_le_bytes());
    body.extend(header.as_bytes());
    body.extend(&tensor.data);
    Ok(Response::new(200, AnswerType::Npy.media_type(), body))
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
            let output = JsonOutput::new("y", &tensor).unwrap();
            assert_eq!(serde_json::to_string(&output.data).unwrap(), expected);
        }
    }

    #[test]
    fn what_json_cannot_carry_is_refused() {
        let cases = [
            (
                tensor(Datatype::Fp16, &[1], &[0, 0]),
                "output `y` is FP16, which is not carried in JSON; ask for `Accept: application/octet-stream`",
            ),
            (
                tensor(Datatype::Fp32, &[1], &f32::NAN.to_le_bytes()),
                "output `y` has the value NaN, which JSON cannot carry; ask for `Accept: \
                 application/octet-stream`",
            ),
            (
                tensor(Datatype::Fp64, &[1], &f64::NEG_INFINITY.to_le_bytes()),
                "output `y` has the value -inf, which JSON cannot carry; ask for `Accept: \
                 application/octet-stream`",
            ),
        ];
        for (tensor, expected) in cases {
            let error = JsonOutput::new("y", &tensor).map(drop).unwrap_err();
            assert_eq!(
                (error.kind().status(), error.to_string().as_str()),
                (400, expected)
            );
        }
    }

    #[test]
    fn a_numpy_file_is_as_numpy_writes_it() {
        // np.lib.format's own header for np.float32 of shape (2, 3).
        let response = npy(&tensor(Datatype::Fp32, &[2, 3], &[7; 24])).unwrap();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,3,), }";
        assert!(response.body.starts_with(b"\x93NUMPY\x01\x00\x76\x00"));
        assert!(response.body[10..].starts_with(header.as_bytes()));
        assert_eq!(response.body[127], b'\n');
        assert_eq!(response.body[128..], [7; 24]);
        let scalar = npy(&tensor(Datatype::Int64, &[], &[0; 8])).unwrap();
        assert!(String::from_utf8_lossy(&scalar.body).contains("'shape': ()"));
        assert_eq!(
            npy(&tensor(Datatype::Bf16, &[1], &[0; 2]))
                .unwrap_err()
                .kind()
                .status(),
            406
        );
    }
}
