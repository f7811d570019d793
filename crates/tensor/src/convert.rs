//! Lossless conversion of a client's datatype into the model's.
//!
//! wasi:nn holds FP16, FP32, FP64, BF16, UINT8, INT32 and INT64. The Open Inference Protocol has more: they are
//! converted if the model's datatype holds every value of the tensor, and refused otherwise. No value is ever
//! rounded or wrapped.

use half::{bf16, f16};

use crate::Datatype;

/// A datatype that an input does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("datatype {sent}, expected {expected}")]
pub struct DatatypeMismatch {
    /// The datatype in the request.
    pub sent: Datatype,
    /// The model's datatype.
    pub expected: Datatype,
}

/// Check whether elements of datatype `sent` may be converted into datatype `stored`. Each value must still fit:
/// see [`push_integer`].
///
/// # Errors
/// If the datatypes differ, and `sent` is BYTES or a datatype that wasi:nn holds itself.
pub fn check(sent: Datatype, stored: Datatype) -> Result<(), DatatypeMismatch> {
    let is_converted = matches!(
        sent,
        Datatype::Bool
            | Datatype::Int8
            | Datatype::Int16
            | Datatype::Uint16
            | Datatype::Uint32
            | Datatype::Uint64
    );
    // A number is not a truth value.
    if sent == stored || (is_converted && stored != Datatype::Bool) {
        Ok(())
    } else {
        Err(DatatypeMismatch {
            sent,
            expected: stored,
        })
    }
}

/// A value that the input's datatype does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("value {index} is {value}, which {datatype} does not hold")]
pub struct ValueError {
    index: usize,
    value: i128,
    datatype: Datatype,
}

/// Convert little-endian elements of datatype `sent` into datatype `stored`, a pair that has passed [`check`].
/// Elements of equal datatypes are copied; BOOL must be 0 or 1.
///
/// # Errors
/// If `stored` does not hold a value, or a byte of BOOL is neither 0 nor 1.
pub fn convert(bytes: &[u8], sent: Datatype, stored: Datatype) -> Result<Vec<u8>, ValueError> {
    if sent == stored && sent != Datatype::Bool {
        return Ok(bytes.to_vec());
    }
    match sent {
        Datatype::Bool => {
            let wrong = bytes.iter().enumerate().find(|(_, value)| **value > 1);
            if let Some((index, value)) = wrong {
                return Err(ValueError {
                    index,
                    value: i128::from(*value),
                    datatype: Datatype::Bool,
                });
            }
            each(bytes, u8::from_le_bytes, stored)
        }
        Datatype::Int8 => each(bytes, i8::from_le_bytes, stored),
        Datatype::Int16 => each(bytes, i16::from_le_bytes, stored),
        Datatype::Uint16 => each(bytes, u16::from_le_bytes, stored),
        Datatype::Uint32 => each(bytes, u32::from_le_bytes, stored),
        Datatype::Uint64 => each(bytes, u64::from_le_bytes, stored),
        // `check` accepts no other pair.
        _ => Ok(bytes.to_vec()),
    }
}

fn each<T: Into<i128>, const N: usize>(
    bytes: &[u8],
    from_bytes: fn([u8; N]) -> T,
    stored: Datatype,
) -> Result<Vec<u8>, ValueError> {
    let (elements, _) = bytes.as_chunks::<N>();
    let width = stored.element_bytes().unwrap_or_default();
    let mut data = Vec::with_capacity(elements.len().saturating_mul(width));
    for (index, element) in elements.iter().enumerate() {
        let value = from_bytes(*element).into();
        push_integer(value, stored, &mut data).ok_or(ValueError {
            index,
            value,
            datatype: stored,
        })?;
    }
    Ok(data)
}

/// The smallest and the largest value of an integer datatype, with 0 and 1 for BOOL; `None` for other datatypes.
#[must_use]
pub const fn integer_range(datatype: Datatype) -> Option<(i128, i128)> {
    Some(match datatype {
        Datatype::Bool => (0, 1),
        Datatype::Uint8 => (0, u8::MAX as i128),
        Datatype::Uint16 => (0, u16::MAX as i128),
        Datatype::Uint32 => (0, u32::MAX as i128),
        Datatype::Uint64 => (0, u64::MAX as i128),
        Datatype::Int8 => (i8::MIN as i128, i8::MAX as i128),
        Datatype::Int16 => (i16::MIN as i128, i16::MAX as i128),
        Datatype::Int32 => (i32::MIN as i128, i32::MAX as i128),
        Datatype::Int64 => (i64::MIN as i128, i64::MAX as i128),
        Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64 | Datatype::Bytes => {
            return None;
        }
    })
}

/// Append an integer as an element of datatype `stored`. If that datatype does not hold it exactly, append nothing
/// and return `None`.
#[must_use]
pub fn push_integer(value: i128, stored: Datatype, data: &mut Vec<u8>) -> Option<()> {
    match stored {
        Datatype::Bool => data.push(u8::try_from(value).ok().filter(|byte| *byte <= 1)?),
        Datatype::Uint8 => data.push(u8::try_from(value).ok()?),
        Datatype::Int8 => data.extend(i8::try_from(value).ok()?.to_le_bytes()),
        Datatype::Uint16 => data.extend(u16::try_from(value).ok()?.to_le_bytes()),
        Datatype::Int16 => data.extend(i16::try_from(value).ok()?.to_le_bytes()),
        Datatype::Uint32 => data.extend(u32::try_from(value).ok()?.to_le_bytes()),
        Datatype::Int32 => data.extend(i32::try_from(value).ok()?.to_le_bytes()),
        Datatype::Uint64 => data.extend(u64::try_from(value).ok()?.to_le_bytes()),
        Datatype::Int64 => data.extend(i64::try_from(value).ok()?.to_le_bytes()),
        Datatype::Fp64 => data.extend(exact(value)?.to_le_bytes()),
        Datatype::Fp32 => {
            let wide = exact(value)?;
            let narrow = wide as f32;
            (f64::from(narrow) == wide).then(|| data.extend(narrow.to_le_bytes()))?;
        }
        Datatype::Fp16 => {
            let wide = exact(value)?;
            let narrow = f16::from_f64(wide);
            (narrow.to_f64() == wide).then(|| data.extend(narrow.to_le_bytes()))?;
        }
        Datatype::Bf16 => {
            let wide = exact(value)?;
            let narrow = bf16::from_f64(wide);
            (narrow.to_f64() == wide).then(|| data.extend(narrow.to_le_bytes()))?;
        }
        Datatype::Bytes => return None,
    }
    Some(())
}

/// The float of the same value, if there is one. The value has at most 64 bits, so that the cast back does not
/// saturate.
fn exact(value: i128) -> Option<f64> {
    let float = value as f64;
    (float as i128 == value).then_some(float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_converted_exactly_or_refused() {
        use Datatype::{Bf16, Bool, Fp16, Fp32, Fp64, Int32, Int64, Uint8};
        let cases: [(i128, Datatype, Option<Vec<u8>>); 21] = [
            (1, Bool, Some(vec![1])),
            (2, Bool, None),
            (255, Uint8, Some(vec![255])),
            (256, Uint8, None),
            (-1, Uint8, None),
            (-2, Int32, Some((-2_i32).to_le_bytes().to_vec())),
            (1 << 31, Int32, None),
            (1 << 31, Int64, Some((1_i64 << 31).to_le_bytes().to_vec())),
            (u64::MAX.into(), Int64, None),
            (1 << 24, Fp32, Some(16_777_216_f32.to_le_bytes().to_vec())),
            ((1 << 24) + 1, Fp32, None),
            ((1 << 53) + 1, Fp64, None),
            (
                1 << 53,
                Fp64,
                Some(9_007_199_254_740_992_f64.to_le_bytes().to_vec()),
            ),
            (u64::MAX.into(), Fp64, None),
            (
                1 << 63,
                Fp64,
                Some(9_223_372_036_854_775_808_f64.to_le_bytes().to_vec()),
            ),
            (
                2048,
                Fp16,
                Some(f16::from_f32(2048.0).to_le_bytes().to_vec()),
            ),
            (2049, Fp16, None),
            (70000, Fp16, None),
            (
                256,
                Bf16,
                Some(bf16::from_f32(256.0).to_le_bytes().to_vec()),
            ),
            (257, Bf16, None),
            (0, Datatype::Bytes, None),
        ];
        let mut wrong = Vec::new();
        for (value, stored, expected) in cases {
            let mut data = Vec::new();
            let fits = push_integer(value, stored, &mut data);
            let actual = fits.map(|()| data.clone());
            if actual != expected || (fits.is_none() && !data.is_empty()) {
                wrong.push((value, stored, actual));
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn only_datatypes_that_wasi_nn_lacks_are_converted() {
        use Datatype::{Bool, Fp32, Fp64, Int8, Int64, Uint8, Uint64};
        let cases = [
            (Fp32, Fp32, true),
            (Bool, Uint8, true),
            (Int8, Fp32, true),
            (Uint64, Int64, true),
            (Uint8, Fp32, false),
            (Fp64, Fp32, false),
            (Int64, Fp32, false),
            (Int8, Bool, false),
            (Datatype::Bytes, Fp32, false),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .filter(|(sent, stored, expected)| check(*sent, *stored).is_ok() != *expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
