//! What flows through a graph.

use half::{bf16, f16};
use infer_model_card::Datatype;

use crate::error::{Error, ErrorKind, Result};

/// A tensor's elements, in row-major order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Data {
    /// FP32.
    F32(Vec<f32>),
    /// FP64.
    F64(Vec<f64>),
    /// FP16.
    F16(Vec<f16>),
    /// BF16.
    Bf16(Vec<bf16>),
    /// INT8.
    I8(Vec<i8>),
    /// INT16.
    I16(Vec<i16>),
    /// INT32.
    I32(Vec<i32>),
    /// INT64.
    I64(Vec<i64>),
    /// UINT8.
    U8(Vec<u8>),
    /// UINT16.
    U16(Vec<u16>),
    /// UINT32.
    U32(Vec<u32>),
    /// UINT64.
    U64(Vec<u64>),
    /// BOOL.
    Bool(Vec<bool>),
}

/// A Rust type that is one of ONNX's element types.
pub trait Element: Copy + Default + PartialEq + std::fmt::Debug + 'static {
    /// Its name in the protocols.
    const DATATYPE: Datatype;
    /// Elements as a tensor's data.
    fn wrap(elements: Vec<Self>) -> Data;
    /// The elements, if they are of this type.
    fn slice(data: &Data) -> Option<&[Self]>;
    /// The elements, if they are of this type, without a copy.
    fn take(data: Data) -> Option<Vec<Self>>;
}

macro_rules! elements {
    ($($variant:ident, $type:ty, $datatype:ident;)*) => {
        $(impl Element for $type {
            const DATATYPE: Datatype = Datatype::$datatype;
            fn wrap(elements: Vec<Self>) -> Data {
                Data::$variant(elements)
            }
            fn slice(data: &Data) -> Option<&[Self]> {
                match data {
                    Data::$variant(elements) => Some(elements),
                    _ => None,
                }
            }
            fn take(data: Data) -> Option<Vec<Self>> {
                match data {
                    Data::$variant(elements) => Some(elements),
                    _ => None,
                }
            }
        })*

        impl Data {
            /// How many elements there are.
            #[must_use]
            pub fn len(&self) -> usize {
                match self {
                    $(Self::$variant(elements) => elements.len(),)*
                }
            }

            /// Of which type they are.
            #[must_use]
            pub fn datatype(&self) -> Datatype {
                match self {
                    $(Self::$variant(_) => Datatype::$datatype,)*
                }
            }
        }
    };
}

/// Run a block with `$T` as the Rust type of a datatype: `with_element!(datatype, T => { … })`.
/// The block's value is the macro's; a datatype without a type here (BYTES) is an error that is returned.
#[macro_export]
macro_rules! with_element {
    ($dt:expr, $T:ident => $body:expr) => {
        $crate::with_datatype!($dt, $T => $body, "a datatype of one size",
            Fp32 f32, Fp64 f64, Fp16 $crate::tensor::types::f16, Bf16 $crate::tensor::types::bf16,
            Int8 i8, Int16 i16, Int32 i32, Int64 i64, Uint8 u8, Uint16 u16, Uint32 u32, Uint64 u64,
            Bool bool)
    };
}

// The macros' arms name these types where they are used.
#[doc(hidden)]
pub mod types {
    pub use half::{bf16, f16};
}

elements! {
    F32, f32, Fp32;
    F64, f64, Fp64;
    F16, f16, Fp16;
    Bf16, bf16, Bf16;
    I8, i8, Int8;
    I16, i16, Int16;
    I32, i32, Int32;
    I64, i64, Int64;
    U8, u8, Uint8;
    U16, u16, Uint16;
    U32, u32, Uint32;
    U64, u64, Uint64;
    Bool, bool, Bool;
}

impl Data {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor: a shape, and as many elements as that says, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

/// The most elements that a tensor may have: what a 32-bit memory can hold of the widest.
const MAX_ELEMENTS: usize = 1 << 29;

/// How many elements a shape has.
///
/// # Errors
/// `Memory` when they are more than any memory here could hold.
pub fn element_count(shape: &[usize]) -> Result<usize> {
    if shape.contains(&0) {
        return Ok(0);
    }
    shape
        .iter()
        .try_fold(1usize, |count, &size| count.checked_mul(size))
        .filter(|&count| count <= MAX_ELEMENTS)
        .ok_or_else(|| too_large(shape))
}

pub(crate) fn too_large(shape: &[usize]) -> Error {
    Error::new(
        ErrorKind::Memory,
        format!("a tensor of shape {shape:?} is larger than the memory there is"),
    )
}

/// A vector of that many elements of the same value.
///
/// # Errors
/// `Memory` when there is no room.
pub fn filled<T: Clone>(count: usize, value: T) -> Result<Vec<T>> {
    let mut elements = with_room(count)?;
    elements.resize(count, value);
    Ok(elements)
}

/// An empty vector with room for that many elements.
///
/// # Errors
/// `Memory` when there is no room.
pub fn with_room<T>(count: usize) -> Result<Vec<T>> {
    let mut elements = Vec::new();
    elements
        .try_reserve_exact(count)
        .map_err(|_| too_large(&[count]))?;
    Ok(elements)
}

impl Tensor {
    /// A tensor of that shape.
    ///
    /// # Errors
    /// `Graph` when the elements are not as many as the shape says.
    pub fn new(shape: Vec<usize>, data: Data) -> Result<Self> {
        let expected = element_count(&shape)?;
        if expected == data.len() {
            Ok(Self { shape, data })
        } else {
            Err(Error::graph(format!(
                "a tensor of shape {shape:?} has {expected} elements, came {}",
                data.len()
            )))
        }
    }

    /// A tensor of that shape, of the elements' type.
    ///
    /// # Errors
    /// As [`Tensor::new`].
    pub fn of<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<Self> {
        Self::new(shape.to_vec(), T::wrap(elements))
    }

    /// A tensor without dimensions.
    #[must_use]
    pub fn scalar<T: Element>(value: T) -> Self {
        Self {
            shape: Vec::new(),
            data: T::wrap(vec![value]),
        }
    }

    /// A tensor with one dimension.
    #[must_use]
    pub fn vector<T: Element>(elements: Vec<T>) -> Self {
        Self {
            shape: vec![elements.len()],
            data: T::wrap(elements),
        }
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many dimensions it has.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// How many elements it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The type of its elements.
    #[must_use]
    pub fn datatype(&self) -> Datatype {
        self.data.datatype()
    }

    /// Its elements.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Its elements, without a copy.
    #[must_use]
    pub fn into_data(self) -> Data {
        self.data
    }

    /// Its elements.
    ///
    /// # Errors
    /// `Unsupported` when they are of another type.
    pub fn elements<T: Element>(&self) -> Result<&[T]> {
        T::slice(&self.data).ok_or_else(|| {
            Error::unsupported(format!(
                "expected a tensor of {}, came {}",
                T::DATATYPE,
                self.datatype()
            ))
        })
    }

    /// Its elements, without a copy.
    ///
    /// # Errors
    /// `Unsupported` when they are of another type.
    pub fn into_elements<T: Element>(self) -> Result<Vec<T>> {
        let came = self.datatype();
        T::take(self.data).ok_or_else(|| {
            Error::unsupported(format!("expected a tensor of {}, came {came}", T::DATATYPE))
        })
    }

    /// The same elements in another shape.
    ///
    /// # Errors
    /// `Input` when that has another number of elements.
    pub fn reshaped(self, shape: Vec<usize>) -> Result<Self> {
        if element_count(&shape)? == self.len() {
            Ok(Self {
                shape,
                data: self.data,
            })
        } else {
            Err(Error::input(format!(
                "{:?} cannot take the shape {shape:?}: the number of elements differs",
                self.shape
            )))
        }
    }

    /// Its elements as whole numbers: what shapes, axes, indices and the like are given as.
    ///
    /// # Errors
    /// `Unsupported` for anything but INT64 and INT32.
    pub fn to_i64(&self) -> Result<Vec<i64>> {
        match &self.data {
            Data::I64(elements) => Ok(elements.clone()),
            Data::I32(elements) => Ok(elements.iter().map(|&element| element.into()).collect()),
            other => Err(Error::unsupported(format!(
                "expected whole numbers (INT64 or INT32), came {}",
                other.datatype()
            ))),
        }
    }
}
