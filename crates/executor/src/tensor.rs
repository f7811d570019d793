//! Tensors of any ONNX datatype with a fixed size.

use half::{bf16, f16};
use infer_tensor::Datatype;

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
    /// The datatype, as the protocols name it.
    const DATATYPE: Datatype;
    /// Wraps elements as a tensor's data.
    fn wrap(elements: Vec<Self>) -> Data;
    /// Borrows the elements; `None` if they have another type.
    fn slice(data: &Data) -> Option<&[Self]>;
    /// Takes the elements without a copy; `None` if they have another type.
    fn take(data: Data) -> Option<Vec<Self>>;
}

macro_rules! elements {
    ($($variant:ident, $type:ty, $datatype:ident, $from_bytes:expr, $to_bytes:expr;)*) => {
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
            /// The number of elements.
            #[must_use]
            pub fn len(&self) -> usize {
                match self {
                    $(Self::$variant(elements) => elements.len(),)*
                }
            }

            /// The datatype of the elements.
            #[must_use]
            pub fn datatype(&self) -> Datatype {
                match self {
                    $(Self::$variant(_) => Datatype::$datatype,)*
                }
            }

            /// The elements of little-endian bytes; a rest that is no whole element is left out. A byte of BOOL is
            /// true unless it is 0. `None` for BYTES, whose elements have no fixed size.
            #[must_use]
            pub fn from_le_bytes(datatype: Datatype, bytes: &[u8]) -> Option<Self> {
                match datatype {
                    $(Datatype::$datatype => {
                        let (elements, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
                        let elements = elements.iter().map(|&bytes| $from_bytes(bytes));
                        Some(Self::$variant(elements.collect()))
                    })*
                    Datatype::Bytes => None,
                }
            }

            /// The elements as little-endian bytes.
            #[must_use]
            pub fn to_le_bytes(&self) -> Vec<u8> {
                match self {
                    $(Self::$variant(elements) => {
                        // A loop that compilers turn into one copy.
                        let mut bytes = vec![0; size_of_val(elements.as_slice())];
                        let (chunks, _) = bytes.as_chunks_mut::<{ size_of::<$type>() }>();
                        for (chunk, &element) in chunks.iter_mut().zip(elements) {
                            *chunk = $to_bytes(element);
                        }
                        bytes
                    })*
                }
            }
        }
    };
}

/// Runs a block with `$T` as the Rust type of a datatype: `with_element!(datatype, T => { … })`.
/// The macro's value is the block's. It returns an `Unsupported` error for BYTES, whose elements have no fixed size.
#[macro_export]
macro_rules! with_element {
    ($dt:expr, $T:ident => $body:expr) => {
        $crate::with_datatype!($dt, $T => $body, "a datatype of one size",
            Fp32 f32, Fp64 f64, Fp16 $crate::tensor::types::f16, Bf16 $crate::tensor::types::bf16,
            Int8 i8, Int16 i16, Int32 i32, Int64 i64, Uint8 u8, Uint16 u16, Uint32 u32, Uint64 u64,
            Bool bool)
    };
}

// The macros' arms name these types at the place of use.
#[doc(hidden)]
pub mod types {
    pub use half::{bf16, f16};
}

elements! {
    F32, f32, Fp32, f32::from_le_bytes, f32::to_le_bytes;
    F64, f64, Fp64, f64::from_le_bytes, f64::to_le_bytes;
    F16, f16, Fp16, f16::from_le_bytes, f16::to_le_bytes;
    Bf16, bf16, Bf16, bf16::from_le_bytes, bf16::to_le_bytes;
    I8, i8, Int8, i8::from_le_bytes, i8::to_le_bytes;
    I16, i16, Int16, i16::from_le_bytes, i16::to_le_bytes;
    I32, i32, Int32, i32::from_le_bytes, i32::to_le_bytes;
    I64, i64, Int64, i64::from_le_bytes, i64::to_le_bytes;
    U8, u8, Uint8, u8::from_le_bytes, u8::to_le_bytes;
    U16, u16, Uint16, u16::from_le_bytes, u16::to_le_bytes;
    U32, u32, Uint32, u32::from_le_bytes, u32::to_le_bytes;
    U64, u64, Uint64, u64::from_le_bytes, u64::to_le_bytes;
    Bool, bool, Bool, |[byte]: [u8; 1]| byte != 0, |is_true: bool| [u8::from(is_true)];
}

impl Data {
    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor: a shape and its elements in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

/// The largest number of elements: a 32-bit memory holds as many of the widest (8 bytes).
const MAX_ELEMENTS: usize = 1 << 29;

/// The number of elements of a shape.
///
/// # Errors
/// `Memory` if no memory could hold them.
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
        format!("a tensor of shape {shape:?} does not fit into memory"),
    )
}

/// A vector of `count` equal elements.
///
/// # Errors
/// `Memory` if it does not fit into memory.
pub fn filled<T: Clone>(count: usize, value: T) -> Result<Vec<T>> {
    let mut elements = with_room(count)?;
    elements.resize(count, value);
    Ok(elements)
}

/// An empty vector with the capacity for `count` elements.
///
/// # Errors
/// `Memory` if it does not fit into memory.
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
    /// `Graph` if the number of elements does not match the shape.
    pub fn new(shape: Vec<usize>, data: Data) -> Result<Self> {
        let expected = element_count(&shape)?;
        if expected == data.len() {
            Ok(Self { shape, data })
        } else {
            Err(Error::graph(format!(
                "a tensor of shape {shape:?} has {expected} elements, got {}",
                data.len()
            )))
        }
    }

    /// A tensor of that shape, with the elements' datatype.
    ///
    /// # Errors
    /// As [`Tensor::new`].
    pub fn of<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<Self> {
        Self::new(shape.to_vec(), T::wrap(elements))
    }

    /// A scalar: a tensor without axes.
    #[must_use]
    pub fn scalar<T: Element>(value: T) -> Self {
        Self {
            shape: Vec::new(),
            data: T::wrap(vec![value]),
        }
    }

    /// A tensor with one axis.
    #[must_use]
    pub fn vector<T: Element>(elements: Vec<T>) -> Self {
        Self {
            shape: vec![elements.len()],
            data: T::wrap(elements),
        }
    }

    /// The shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether the tensor has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The datatype of the elements.
    #[must_use]
    pub fn datatype(&self) -> Datatype {
        self.data.datatype()
    }

    /// The elements.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements, without a copy.
    #[must_use]
    pub fn into_data(self) -> Data {
        self.data
    }

    /// The elements as type `T`.
    ///
    /// # Errors
    /// `Unsupported` if they have another datatype.
    pub fn elements<T: Element>(&self) -> Result<&[T]> {
        T::slice(&self.data).ok_or_else(|| {
            Error::unsupported(format!(
                "expected a tensor of {}, got {}",
                T::DATATYPE,
                self.datatype()
            ))
        })
    }

    /// The elements as type `T`, without a copy.
    ///
    /// # Errors
    /// `Unsupported` if they have another datatype.
    pub fn into_elements<T: Element>(self) -> Result<Vec<T>> {
        let actual = self.datatype();
        T::take(self.data).ok_or_else(|| {
            Error::unsupported(format!(
                "expected a tensor of {}, got {actual}",
                T::DATATYPE
            ))
        })
    }

    /// The same elements in another shape.
    ///
    /// # Errors
    /// `Input` if the shape has another number of elements.
    pub fn reshaped(self, shape: Vec<usize>) -> Result<Self> {
        if element_count(&shape)? == self.len() {
            Ok(Self {
                shape,
                data: self.data,
            })
        } else {
            Err(Error::input(format!(
                "{:?} cannot be reshaped to {shape:?}: the number of elements differs",
                self.shape
            )))
        }
    }

    /// The elements as integers, as shapes, axes and indices are.
    ///
    /// # Errors
    /// `Unsupported` for other datatypes than INT64 and INT32.
    pub fn to_i64(&self) -> Result<Vec<i64>> {
        match &self.data {
            Data::I64(elements) => Ok(elements.clone()),
            Data::I32(elements) => Ok(elements.iter().map(|&element| element.into()).collect()),
            other => Err(Error::unsupported(format!(
                "expected integers (INT64 or INT32), got {}",
                other.datatype()
            ))),
        }
    }
}
