//! Compares an output with the expected tensor.

use half::{bf16, f16};
use infer_tensor::Datatype;

use super::case::Tensor;

/// The absolute tolerance of floats, to which [`RELATIVE`] of the expected value is added.
const ABSOLUTE: f64 = 1e-5;

/// The tolerance of floats relative to the expected value.
const RELATIVE: f64 = 1e-3;

/// Compare two tensors: floats within the tolerance, where NaN equals NaN; integers and BOOL exactly.
///
/// # Errors
/// A sentence with the first difference.
pub(super) fn compare(expected: &Tensor, actual: &Tensor) -> Result<(), String> {
    let name = &expected.name;
    if actual.datatype != expected.datatype || !same_shape(&expected.shape, &actual.shape) {
        return Err(format!(
            "`{name}` is {} {:?}, expected {} {:?}",
            actual.datatype, actual.shape, expected.datatype, expected.shape
        ));
    }
    let size = expected.datatype.element_bytes().unwrap_or(1);
    if actual.data.len() != expected.data.len() {
        return Err(format!(
            "`{name}` has {} bytes, expected {}",
            actual.data.len(),
            expected.data.len()
        ));
    }
    let pairs = actual.data.chunks(size).zip(expected.data.chunks(size));
    for (at, (a, b)) in pairs.enumerate() {
        let (a, b) = (
            Value::read(expected.datatype, a),
            Value::read(expected.datatype, b),
        );
        if !a.is_close(b) {
            return Err(format!("`{name}` is {a} at {at}, expected {b}"));
        }
    }
    Ok(())
}

/// A case may write a scalar as a tensor of one dimension.
fn same_shape(expected: &[u64], actual: &[u64]) -> bool {
    expected == actual || (expected == [1] && actual.is_empty())
}

/// An element.
#[derive(Clone, Copy)]
enum Value {
    Float(f64),
    /// Wide enough for every integer datatype.
    Integer(i128),
}

impl Value {
    /// Read an element from its bytes.
    fn read(datatype: Datatype, bytes: &[u8]) -> Self {
        let mut wide = [0; 8];
        for (to, from) in wide.iter_mut().zip(bytes) {
            *to = *from;
        }
        let bits = u64::from_le_bytes(wide);
        let [b0, b1, b2, b3, ..] = wide;
        match datatype {
            Datatype::Fp16 => Self::Float(f16::from_le_bytes([b0, b1]).into()),
            Datatype::Bf16 => Self::Float(bf16::from_le_bytes([b0, b1]).into()),
            Datatype::Fp32 => Self::Float(f32::from_le_bytes([b0, b1, b2, b3]).into()),
            Datatype::Fp64 => Self::Float(f64::from_bits(bits)),
            Datatype::Int8 => Self::Integer(i8::from_le_bytes([b0]).into()),
            Datatype::Int16 => Self::Integer(i16::from_le_bytes([b0, b1]).into()),
            Datatype::Int32 => Self::Integer(i32::from_le_bytes([b0, b1, b2, b3]).into()),
            Datatype::Int64 => Self::Integer(i64::from_le_bytes(wide).into()),
            Datatype::Bool
            | Datatype::Uint8
            | Datatype::Uint16
            | Datatype::Uint32
            | Datatype::Uint64
            | Datatype::Bytes => Self::Integer(bits.into()),
        }
    }

    /// Whether this value is within the tolerance of the expected one.
    fn is_close(self, expected: Self) -> bool {
        match (self, expected) {
            (Self::Float(a), Self::Float(b)) => {
                a == b
                    || (a.is_nan() && b.is_nan())
                    || (a - b).abs() <= ABSOLUTE + RELATIVE * b.abs() && b.is_finite()
            }
            (Self::Integer(a), Self::Integer(b)) => a == b,
            _ => false,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Float(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(datatype: Datatype, shape: &[u64], data: &[u8]) -> Tensor {
        Tensor {
            name: "y".to_owned(),
            datatype,
            shape: shape.to_vec(),
            data: data.to_vec(),
        }
    }

    #[test]
    fn floats_have_a_tolerance() {
        let cases = [
            (1.0, 1.0009, true),
            (1.0, 1.0021, false),
            (1e-6, -1e-6, true),
            (f32::NAN, f32::NAN, true),
            (f32::NAN, 1.0, false),
            (f32::INFINITY, f32::INFINITY, true),
            (f32::INFINITY, f32::NEG_INFINITY, false),
            (1.0, f32::INFINITY, false),
            (-0.0, 0.0, true),
        ];
        for (a, b, is_close) in cases {
            let of = |value: f32| tensor(Datatype::Fp32, &[1], &value.to_le_bytes());
            assert_eq!(compare(&of(b), &of(a)).is_ok(), is_close, "{a} {b}");
            let of = |value| {
                let value = bf16::from_f32(value).to_le_bytes();
                tensor(Datatype::Bf16, &[1], &value)
            };
            // BF16 rounds 1.0021 to 1.
            let is_same = is_close || a == 1.0 && b == 1.0021;
            assert_eq!(compare(&of(b), &of(a)).is_ok(), is_same, "{a} {b}");
        }
    }

    #[test]
    fn integers_are_equal_or_not() {
        let large = i64::MAX.to_le_bytes();
        let less = (i64::MAX - 1).to_le_bytes();
        let expected = tensor(Datatype::Int64, &[1], &large);
        assert_eq!(compare(&expected, &expected), Ok(()));
        assert_eq!(
            compare(&expected, &tensor(Datatype::Int64, &[1], &less)).unwrap_err(),
            "`y` is 9223372036854775806 at 0, expected 9223372036854775807"
        );
        let bytes = tensor(Datatype::Int8, &[2], &[1, 0xff]);
        assert_eq!(
            compare(&bytes, &tensor(Datatype::Int8, &[2], &[1, 0x80])).unwrap_err(),
            "`y` is -128 at 1, expected -1"
        );
    }

    #[test]
    fn shapes_and_datatypes_are_the_same() {
        let one = tensor(Datatype::Uint8, &[1], &[7]);
        assert_eq!(compare(&one, &tensor(Datatype::Uint8, &[], &[7])), Ok(()));
        assert_eq!(
            compare(&one, &tensor(Datatype::Uint8, &[1, 1], &[7])).unwrap_err(),
            "`y` is UINT8 [1, 1], expected UINT8 [1]"
        );
        assert_eq!(
            compare(&one, &tensor(Datatype::Bool, &[1], &[7])).unwrap_err(),
            "`y` is BOOL [1], expected UINT8 [1]"
        );
        assert_eq!(
            compare(&one, &tensor(Datatype::Uint8, &[1], &[])).unwrap_err(),
            "`y` has 0 bytes, expected 1"
        );
    }
}
