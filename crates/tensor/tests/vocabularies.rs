//! Every datatype in every vocabulary: it comes back as itself, or is refused by name.

use infer_tensor::{Datatype, ErrorKind};
use openvino::ElementType;
use ort::value::TensorElementType;

/// `tensor-type` and `error-code` as wit-bindgen and Wasmtime generate them.
mod generated {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TensorType {
        Fp16,
        Fp32,
        Fp64,
        Bf16,
        U8,
        I32,
        I64,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum ErrorCode {
        InvalidArgument,
        InvalidEncoding,
        Timeout,
        RuntimeError,
        UnsupportedOperation,
        TooLarge,
        NotFound,
        Security,
        Unknown,
    }

    infer_tensor::wit_tensor_type!(TensorType);
    infer_tensor::wit_error_code!(ErrorCode);
}
use generated::{ErrorCode, TensorType};

/// A datatype in each vocabulary, by the name or number there; `None` in one that lacks it.
struct Row {
    datatype: Datatype,
    onnx: i32,
    onnx_name: &'static str,
    ort: TensorElementType,
    openvino: ElementType,
    wasi_nn: Option<TensorType>,
    numpy: Option<&'static str>,
    npy: Option<&'static str>,
}

#[rustfmt::skip]
fn table() -> [Row; 14] {
    use Datatype as D;
    use ElementType as O;
    use TensorElementType as R;
    use TensorType as W;
    let row = |datatype, onnx, onnx_name, ort, openvino, wasi_nn, numpy, npy| Row {
        datatype, onnx, onnx_name, ort, openvino, wasi_nn, numpy, npy,
    };
    [
        row(D::Bool, 9, "BOOL", R::Bool, O::Boolean, Some(W::U8), Some("bool"), Some("b1")),
        row(D::Uint8, 2, "UINT8", R::Uint8, O::U8, Some(W::U8), Some("uint8"), Some("u1")),
        row(D::Uint16, 4, "UINT16", R::Uint16, O::U16, None, Some("uint16"), Some("u2")),
        row(D::Uint32, 12, "UINT32", R::Uint32, O::U32, None, Some("uint32"), Some("u4")),
        row(D::Uint64, 13, "UINT64", R::Uint64, O::U64, None, Some("uint64"), Some("u8")),
        row(D::Int8, 3, "INT8", R::Int8, O::I8, None, Some("int8"), Some("i1")),
        row(D::Int16, 5, "INT16", R::Int16, O::I16, None, Some("int16"), Some("i2")),
        row(D::Int32, 6, "INT32", R::Int32, O::I32, Some(W::I32), Some("int32"), Some("i4")),
        row(D::Int64, 7, "INT64", R::Int64, O::I64, Some(W::I64), Some("int64"), Some("i8")),
        row(D::Fp16, 10, "FLOAT16", R::Float16, O::F16, Some(W::Fp16), Some("float16"), Some("f2")),
        row(D::Bf16, 16, "BFLOAT16", R::Bfloat16, O::Bf16, Some(W::Bf16), Some("bfloat16"), None),
        row(D::Fp32, 1, "FLOAT", R::Float32, O::F32, Some(W::Fp32), Some("float32"), Some("f4")),
        row(D::Fp64, 11, "DOUBLE", R::Float64, O::F64, Some(W::Fp64), Some("float64"), Some("f8")),
        row(D::Bytes, 8, "STRING", R::String, O::String, None, None, None),
    ]
}

/// The rows that fail, as `datatype: what is wrong`.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn hold<T: PartialEq + std::fmt::Debug>(&mut self, row: impl ToString, actual: T, expected: T) {
        if actual != expected {
            let row = row.to_string();
            self.0
                .push(format!("{row}: expected {expected:?}, got {actual:?}"));
        }
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        let is_right = self.0.is_empty() || std::thread::panicking();
        assert!(is_right, "\n{}", self.0.join("\n"));
    }
}

fn text<T>(result: Result<T, infer_tensor::UnsupportedDatatype>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

#[test]
fn every_datatype_is_in_the_table() {
    assert_eq!(table().map(|row| row.datatype), Datatype::ALL);
}

#[test]
fn a_datatype_comes_back_from_every_vocabulary_that_has_it() {
    let mut wrong = Wrong::default();
    for row in table() {
        let datatype = row.datatype;
        let at = |vocabulary: &str| format!("{datatype} in {vocabulary}");
        let number = i64::from(row.onnx);
        wrong.hold(at("ONNX"), datatype.onnx(), row.onnx);
        wrong.hold(
            at("ONNX, back"),
            text(Datatype::from_onnx(number)),
            Ok(datatype),
        );
        wrong.hold(
            at("ONNX, by name"),
            Datatype::onnx_name(number),
            Some(row.onnx_name),
        );
        wrong.hold(
            at("ONNX Runtime"),
            TensorElementType::from(datatype),
            row.ort,
        );
        wrong.hold(
            at("ONNX Runtime, back"),
            text(Datatype::try_from(row.ort)),
            Ok(datatype),
        );
        wrong.hold(at("OpenVINO"), ElementType::from(datatype), row.openvino);
        wrong.hold(
            at("OpenVINO, back"),
            text(Datatype::try_from(row.openvino)),
            Ok(datatype),
        );
        let refused = format!("wasi:nn has no datatype {datatype}");
        wrong.hold(
            at("wasi:nn"),
            text(TensorType::try_from(datatype)),
            row.wasi_nn.ok_or(refused),
        );
        wrong.hold(
            at("wasi:nn, back"),
            row.wasi_nn.map(Datatype::from),
            datatype.wasi_nn(),
        );
        wrong.hold(
            at("wasi:nn, held"),
            datatype.is_wasi_nn(),
            row.wasi_nn.is_some(),
        );
        wrong.hold(at("NumPy"), datatype.numpy_name(), row.numpy);
        wrong.hold(
            at("NumPy, back"),
            row.numpy.and_then(Datatype::from_numpy_name),
            row.numpy.map(|_| datatype),
        );
        wrong.hold(at(".npy"), datatype.npy_type(), row.npy);
        wrong.hold(
            at(".npy, back"),
            row.npy.and_then(Datatype::from_npy_type),
            row.npy.map(|_| datatype),
        );
    }
}

#[test]
fn only_bool_is_another_datatype_in_wasi_nn() {
    let mut wrong = Wrong::default();
    for row in table() {
        let expected = match row.datatype {
            Datatype::Bool => Some(Datatype::Uint8),
            other => row.wasi_nn.map(|_| other),
        };
        wrong.hold(row.datatype, row.datatype.wasi_nn(), expected);
    }
}

#[test]
fn onnx_numbers_are_those_of_onnx_runtime() {
    // onnxruntime_c_api.h takes its numbers from onnx.proto3, so each checks the other.
    let mut wrong = Wrong::default();
    for row in table() {
        let number = ort::sys::ONNXTensorElementDataType::from(row.ort) as i32;
        wrong.hold(row.datatype, row.onnx, number);
    }
}

#[test]
fn a_foreign_datatype_without_a_counterpart_is_refused_by_name() {
    let protocol = "the Open Inference Protocol has no datatype";
    let mut wrong = Wrong::default();
    for number in -1..=40 {
        if table().iter().any(|row| i64::from(row.onnx) == number) {
            continue;
        }
        let expected = match number {
            14 => format!("{protocol} COMPLEX64"),
            15 => format!("{protocol} COMPLEX128"),
            17 => format!("{protocol} FLOAT8E4M3FN"),
            18 => format!("{protocol} FLOAT8E4M3FNUZ"),
            19 => format!("{protocol} FLOAT8E5M2"),
            20 => format!("{protocol} FLOAT8E5M2FNUZ"),
            21 => format!("{protocol} UINT4"),
            22 => format!("{protocol} INT4"),
            23 => format!("{protocol} FLOAT4E2M1"),
            24 => format!("{protocol} FLOAT8E8M0"),
            25 => format!("{protocol} UINT2"),
            26 => format!("{protocol} INT2"),
            _ => format!("ONNX has no datatype {number}"),
        };
        let actual = text(Datatype::from_onnx(number));
        wrong.hold(format!("ONNX {number}"), actual, Err(expected));
    }
    for foreign in [
        TensorElementType::Undefined,
        TensorElementType::Complex64,
        TensorElementType::Complex128,
        TensorElementType::Float8E4M3FN,
        TensorElementType::Float8E4M3FNUZ,
        TensorElementType::Float8E5M2,
        TensorElementType::Float8E5M2FNUZ,
        TensorElementType::Float8E8M0,
        TensorElementType::Float4E2M1,
        TensorElementType::Uint4,
        TensorElementType::Int4,
        TensorElementType::Uint2,
        TensorElementType::Int2,
    ] {
        let expected = format!("{protocol} {foreign:?}");
        let actual = text(Datatype::try_from(foreign));
        wrong.hold(format!("ONNX Runtime {foreign:?}"), actual, Err(expected));
    }
    for foreign in [
        ElementType::Dynamic,
        ElementType::I4,
        ElementType::U1,
        ElementType::U2,
        ElementType::U3,
        ElementType::U4,
        ElementType::U6,
        ElementType::NF4,
        ElementType::F8E4M3,
        ElementType::F8E5M3,
        ElementType::F4E2M1,
        ElementType::F8E8M0,
    ] {
        let expected = format!("{protocol} {foreign:?}");
        let actual = text(Datatype::try_from(foreign));
        wrong.hold(format!("OpenVINO {foreign:?}"), actual, Err(expected));
    }
    for foreign in ["", "float", "str", "object", "complex64", "Float32"] {
        wrong.hold(foreign, Datatype::from_numpy_name(foreign), None);
    }
    for foreign in ["", "f", "f16", "c8", "O8", "U3", "b2", "<f4"] {
        wrong.hold(foreign, Datatype::from_npy_type(foreign), None);
    }
}

#[test]
fn every_error_code_comes_back() {
    let mut wrong = Wrong::default();
    for (kind, code) in [
        (ErrorKind::InvalidArgument, ErrorCode::InvalidArgument),
        (ErrorKind::InvalidEncoding, ErrorCode::InvalidEncoding),
        (ErrorKind::Timeout, ErrorCode::Timeout),
        (ErrorKind::RuntimeError, ErrorCode::RuntimeError),
        (
            ErrorKind::UnsupportedOperation,
            ErrorCode::UnsupportedOperation,
        ),
        (ErrorKind::TooLarge, ErrorCode::TooLarge),
        (ErrorKind::NotFound, ErrorCode::NotFound),
        (ErrorKind::Security, ErrorCode::Security),
        (ErrorKind::Unknown, ErrorCode::Unknown),
    ] {
        let name = format!("{kind:?}");
        wrong.hold(&name, ErrorCode::from(kind), code);
        wrong.hold(&name, ErrorKind::from(code), kind);
    }
}

#[test]
fn element_sizes_agree_between_vocabularies() {
    let mut wrong = Wrong::default();
    for datatype in Datatype::ALL {
        let expected = datatype.element_bytes();
        if let Some(foreign) = datatype.wasi_nn() {
            wrong.hold(datatype, foreign.element_bytes(), expected);
        }
        let npy = datatype
            .npy_type()
            .and_then(|kind| kind.get(1..)?.parse().ok());
        if npy.is_some() {
            wrong.hold(datatype, npy, expected);
        }
    }
}
