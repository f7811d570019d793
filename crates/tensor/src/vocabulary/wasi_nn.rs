//! wasi:nn's `tensor-type` and `error-code`.
//!
//! Both are generated anew in each crate that speaks wasi:nn, so that the conversions are macros: one line
//! beside the generated module.

use crate::Datatype;

impl Datatype {
    /// The datatype that a wasi:nn tensor of this datatype has: wasi:nn has no BOOL, so that such a tensor is
    /// UINT8 there, one byte of 0 or 1 per element. `None` for a datatype that wasi:nn cannot hold.
    #[must_use]
    pub const fn wasi_nn(self) -> Option<Self> {
        match self {
            Self::Bool => Some(Self::Uint8),
            Self::Uint8
            | Self::Int32
            | Self::Int64
            | Self::Fp16
            | Self::Bf16
            | Self::Fp32
            | Self::Fp64 => Some(self),
            Self::Uint16 | Self::Uint32 | Self::Uint64 | Self::Int8 | Self::Int16 | Self::Bytes => {
                None
            }
        }
    }

    /// Whether a wasi:nn tensor can hold this datatype, as a model's inputs and outputs must.
    #[must_use]
    pub const fn is_wasi_nn(self) -> bool {
        self.wasi_nn().is_some()
    }
}

/// Converts between [`Datatype`] and a generated `tensor-type`: `wit_tensor_type!(bindings::…::TensorType)`.
///
/// `Datatype::from(tensor_type)` is UINT8 for a tensor of BOOL; see [`Datatype::wasi_nn`].
#[macro_export]
macro_rules! wit_tensor_type {
    ($tensor_type:path) => {
        const _: () = {
            use $crate::{Datatype, UnsupportedDatatype};

            type Foreign = $tensor_type;

            impl From<Foreign> for Datatype {
                fn from(foreign: Foreign) -> Self {
                    match foreign {
                        Foreign::Fp16 => Self::Fp16,
                        Foreign::Fp32 => Self::Fp32,
                        Foreign::Fp64 => Self::Fp64,
                        Foreign::Bf16 => Self::Bf16,
                        Foreign::U8 => Self::Uint8,
                        Foreign::I32 => Self::Int32,
                        Foreign::I64 => Self::Int64,
                    }
                }
            }

            impl TryFrom<Datatype> for Foreign {
                type Error = UnsupportedDatatype;

                fn try_from(datatype: Datatype) -> Result<Self, UnsupportedDatatype> {
                    match datatype {
                        Datatype::Fp16 => Ok(Self::Fp16),
                        Datatype::Fp32 => Ok(Self::Fp32),
                        Datatype::Fp64 => Ok(Self::Fp64),
                        Datatype::Bf16 => Ok(Self::Bf16),
                        Datatype::Uint8 | Datatype::Bool => Ok(Self::U8),
                        Datatype::Int32 => Ok(Self::I32),
                        Datatype::Int64 => Ok(Self::I64),
                        other => Err(UnsupportedDatatype::new("wasi:nn", other.name())),
                    }
                }
            }
        };
    };
}

/// Converts between [`ErrorKind`](crate::ErrorKind) and a generated `error-code`:
/// `wit_error_code!(bindings::…::ErrorCode)`.
#[macro_export]
macro_rules! wit_error_code {
    ($error_code:path) => {
        $crate::wit_error_code! {
            $error_code: InvalidArgument, InvalidEncoding, Timeout, RuntimeError, UnsupportedOperation,
            TooLarge, NotFound, Security, Unknown
        }
    };
    ($error_code:path: $($kind:ident),*) => {
        const _: () = {
            use $crate::ErrorKind;

            type Foreign = $error_code;

            impl From<Foreign> for ErrorKind {
                fn from(foreign: Foreign) -> Self {
                    match foreign {
                        $(Foreign::$kind => Self::$kind,)*
                    }
                }
            }

            impl From<ErrorKind> for Foreign {
                fn from(kind: ErrorKind) -> Self {
                    match kind {
                        $(ErrorKind::$kind => Self::$kind,)*
                    }
                }
            }
        };
    };
}
