//! NumPy's `dtype`.

use crate::Datatype;

impl Datatype {
    /// The name of NumPy's `dtype`, for example `float32`; `bfloat16` is ml_dtypes'. `None` for
    /// [`Datatype::Bytes`], which NumPy stores as objects.
    #[must_use]
    pub const fn numpy_name(self) -> Option<&'static str> {
        Some(match self {
            Self::Bool => "bool",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Fp16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::Fp32 => "float32",
            Self::Fp64 => "float64",
            Self::Bytes => return None,
        })
    }

    /// The datatype with that name in NumPy.
    #[must_use]
    pub fn from_numpy_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|datatype| datatype.numpy_name() == Some(name))
    }

    /// The kind and the bytes per element in an `.npy` header, for example `f4`, without the byte order.
    /// `None` for BF16 and BYTES, which NumPy's own format lacks.
    #[must_use]
    pub const fn npy_type(self) -> Option<&'static str> {
        Some(match self {
            Self::Bool => "b1",
            Self::Uint8 => "u1",
            Self::Uint16 => "u2",
            Self::Uint32 => "u4",
            Self::Uint64 => "u8",
            Self::Int8 => "i1",
            Self::Int16 => "i2",
            Self::Int32 => "i4",
            Self::Int64 => "i8",
            Self::Fp16 => "f2",
            Self::Fp32 => "f4",
            Self::Fp64 => "f8",
            Self::Bf16 | Self::Bytes => return None,
        })
    }

    /// The datatype with that kind and that many bytes per element in an `.npy` header.
    #[must_use]
    pub fn from_npy_type(kind: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|datatype| datatype.npy_type() == Some(kind))
    }
}
