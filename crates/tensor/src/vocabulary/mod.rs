//! [`Datatype`](crate::Datatype) in the vocabularies of others, a file per vocabulary. Each has one table,
//! from which both directions are made.

mod numpy;
mod onnx;
#[cfg(feature = "openvino")]
mod openvino;
#[cfg(feature = "ort")]
mod ort;
mod wasi_nn;

/// A datatype without a counterpart in another vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{vocabulary} has no datatype {name}")]
pub struct UnsupportedDatatype {
    /// The vocabulary that lacks the datatype.
    pub vocabulary: &'static str,
    /// The datatype's name in the vocabulary that has it.
    pub name: String,
}

impl UnsupportedDatatype {
    /// An error that says so. For the macros of this crate.
    #[doc(hidden)]
    pub fn new(vocabulary: &'static str, name: impl Into<String>) -> Self {
        Self {
            vocabulary,
            name: name.into(),
        }
    }

    /// A foreign datatype that is none of [`Datatype`](crate::Datatype).
    pub(crate) fn foreign(name: impl Into<String>) -> Self {
        Self::new("the Open Inference Protocol", name)
    }
}

/// Converts between [`Datatype`](crate::Datatype) and a library's enum, which has a counterpart for each.
#[cfg(any(feature = "openvino", feature = "ort"))]
macro_rules! library_datatypes {
    ($library:ty: $($datatype:ident = $variant:path),* $(,)?) => {
        impl From<$crate::Datatype> for $library {
            fn from(datatype: $crate::Datatype) -> Self {
                match datatype {
                    $($crate::Datatype::$datatype => $variant,)*
                }
            }
        }

        impl TryFrom<$library> for $crate::Datatype {
            type Error = $crate::UnsupportedDatatype;

            fn try_from(foreign: $library) -> Result<Self, Self::Error> {
                match foreign {
                    $($variant => Ok(Self::$datatype),)*
                    other => Err($crate::UnsupportedDatatype::foreign(format!("{other:?}"))),
                }
            }
        }
    };
}
#[cfg(any(feature = "openvino", feature = "ort"))]
use library_datatypes;
