//! ONNX's `TensorProto.DataType` (onnx.proto3).

use crate::{Datatype, UnsupportedDatatype};

/// Every datatype of ONNX: its number is its place.
const NAMES: [&str; 27] = [
    "UNDEFINED",
    "FLOAT",
    "UINT8",
    "INT8",
    "UINT16",
    "INT16",
    "INT32",
    "INT64",
    "STRING",
    "BOOL",
    "FLOAT16",
    "DOUBLE",
    "UINT32",
    "UINT64",
    "COMPLEX64",
    "COMPLEX128",
    "BFLOAT16",
    "FLOAT8E4M3FN",
    "FLOAT8E4M3FNUZ",
    "FLOAT8E5M2",
    "FLOAT8E5M2FNUZ",
    "UINT4",
    "INT4",
    "FLOAT4E2M1",
    "FLOAT8E8M0",
    "UINT2",
    "INT2",
];

impl Datatype {
    /// The number in ONNX's `TensorProto.DataType`.
    #[must_use]
    pub const fn onnx(self) -> i32 {
        match self {
            Self::Fp32 => 1,
            Self::Uint8 => 2,
            Self::Int8 => 3,
            Self::Uint16 => 4,
            Self::Int16 => 5,
            Self::Int32 => 6,
            Self::Int64 => 7,
            Self::Bytes => 8,
            Self::Bool => 9,
            Self::Fp16 => 10,
            Self::Fp64 => 11,
            Self::Uint32 => 12,
            Self::Uint64 => 13,
            Self::Bf16 => 16,
        }
    }

    /// The datatype with that number in ONNX's `TensorProto.DataType`.
    ///
    /// # Errors
    /// For a number that is no datatype of ONNX, and for a datatype that the Open Inference Protocol lacks.
    pub fn from_onnx(number: i64) -> Result<Self, UnsupportedDatatype> {
        let found = Self::ALL
            .into_iter()
            .find(|datatype| i64::from(datatype.onnx()) == number);
        found.ok_or_else(|| match Self::onnx_name(number) {
            Some(name) => UnsupportedDatatype::foreign(name),
            None => UnsupportedDatatype::new("ONNX", number.to_string()),
        })
    }

    /// ONNX's name of the datatype with that number, whether or not it is a [`Datatype`]; `None` for a number
    /// that is no datatype of ONNX.
    #[must_use]
    pub fn onnx_name(number: i64) -> Option<&'static str> {
        let name = NAMES.get(usize::try_from(number).ok()?).copied();
        name.filter(|_| number != 0)
    }
}
