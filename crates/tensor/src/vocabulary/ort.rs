//! ONNX Runtime, by the crate `ort`.

use ort::value::TensorElementType;

super::library_datatypes! {
    TensorElementType:
    Bool = TensorElementType::Bool,
    Uint8 = TensorElementType::Uint8,
    Uint16 = TensorElementType::Uint16,
    Uint32 = TensorElementType::Uint32,
    Uint64 = TensorElementType::Uint64,
    Int8 = TensorElementType::Int8,
    Int16 = TensorElementType::Int16,
    Int32 = TensorElementType::Int32,
    Int64 = TensorElementType::Int64,
    Fp16 = TensorElementType::Float16,
    Bf16 = TensorElementType::Bfloat16,
    Fp32 = TensorElementType::Float32,
    Fp64 = TensorElementType::Float64,
    Bytes = TensorElementType::String,
}
