//! The datatype of a tensor's elements.

use std::fmt;
use std::str::FromStr;

/// The datatype of a tensor's elements, named as in the Open Inference Protocol v2 (`BF16` is Triton's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the protocol's own name")]
pub enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    /// Byte strings, each of any length: the elements have no fixed size.
    Bytes,
}

/// A name that is no datatype's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown datatype `{name}`, expected one of {}", Datatype::ALL.map(Datatype::name).join(", "))]
pub struct UnknownDatatype {
    name: String,
}

impl Datatype {
    /// Every datatype.
    pub const ALL: [Self; 14] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Fp16,
        Self::Bf16,
        Self::Fp32,
        Self::Fp64,
        Self::Bytes,
    ];

    /// The protocol's name, for example `FP32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp16 => "FP16",
            Self::Bf16 => "BF16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }

    /// Bytes per element; `None` for [`Datatype::Bytes`].
    #[must_use]
    pub const fn element_bytes(self) -> Option<usize> {
        Some(match self {
            Self::Bool | Self::Uint8 | Self::Int8 => 1,
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => 2,
            Self::Uint32 | Self::Int32 | Self::Fp32 => 4,
            Self::Uint64 | Self::Int64 | Self::Fp64 => 8,
            Self::Bytes => return None,
        })
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Datatype {
    type Err = UnknownDatatype;

    fn from_str(name: &str) -> Result<Self, UnknownDatatype> {
        Self::ALL
            .into_iter()
            .find(|datatype| datatype.name() == name)
            .ok_or_else(|| UnknownDatatype {
                name: name.chars().take(40).collect(),
            })
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Datatype {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        let known = Datatype::ALL.map(|datatype| (datatype.name(), Ok(datatype)));
        let unknown = ["", "fp32", "FLOAT", "FP32 ", "STRING"].map(|name| {
            let message = format!(
                "unknown datatype `{name}`, expected one of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, \
                 INT32, INT64, FP16, BF16, FP32, FP64, BYTES"
            );
            (name, Err(message))
        });
        let wrong: Vec<_> = known
            .into_iter()
            .chain(unknown)
            .filter_map(|(name, expected)| {
                let actual = name.parse::<Datatype>();
                let actual = actual.map_err(|error| error.to_string());
                (actual != expected).then_some((name, actual))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
