//! OpenVINO, by the crate `openvino`.

use openvino::ElementType;

super::library_datatypes! {
    ElementType:
    Bool = ElementType::Boolean,
    Uint8 = ElementType::U8,
    Uint16 = ElementType::U16,
    Uint32 = ElementType::U32,
    Uint64 = ElementType::U64,
    Int8 = ElementType::I8,
    Int16 = ElementType::I16,
    Int32 = ElementType::I32,
    Int64 = ElementType::I64,
    Fp16 = ElementType::F16,
    Bf16 = ElementType::Bf16,
    Fp32 = ElementType::F32,
    Fp64 = ElementType::F64,
    Bytes = ElementType::String,
}
