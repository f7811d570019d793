//! QGemm beside ONNX Runtime, and what it refuses. The expected values are what references/quantized.py prints.

use infer_executor::attributes::Attributes;
use infer_executor::operator::{Build, Input, Inputs};
use infer_executor::{Tensor, ops};
use rten_onnx::onnx::AttributeProto;

type Given = Vec<Option<Tensor>>;

fn gemm(inputs: &Given) -> Result<Tensor, String> {
    let attributes = [AttributeProto {
        name: Some("transB".to_owned()),
        i: Some(1),
        ..AttributeProto::default()
    }];
    let mut build = Build {
        domain: "com.microsoft",
        op_type: "QGemm",
        opset: 1,
        attributes: Attributes::new(&attributes),
        inputs: vec![true; inputs.len()],
        outputs: vec![true],
        constants: vec![None; inputs.len()],
        consumed: Vec::new(),
        graphs: Vec::new(),
    };
    let given = inputs
        .iter()
        .map(|input| input.as_ref().map(Input::Borrowed));
    ops::build(&mut build)
        .and_then(|operator| operator.run(Inputs::new(given.collect())))
        .map(|mut outputs| outputs.remove(0))
        .map_err(|error| error.to_string())
}

fn inputs() -> Given {
    let b = vec![-3i8, 40, 7, 90, -128, 127, 0, 1, 2, 11, -12, 13];
    vec![
        Some(Tensor::of(&[2, 3], vec![1u8, 20, 33, 47, 5, 100]).unwrap()),
        Some(Tensor::scalar(0.02f32)),
        Some(Tensor::scalar(7u8)),
        Some(Tensor::of(&[4, 3], b).unwrap()),
        Some(Tensor::vector(vec![0.05f32, 0.01, 0.5, 0.25])),
        Some(Tensor::vector(vec![0i8; 4])),
        Some(Tensor::vector(vec![100i32, -2000, 3, 0])),
        Some(Tensor::scalar(0.3f32)),
        Some(Tensor::scalar(11u8)),
    ]
}

#[test]
fn a_quantized_product_is_as_onnx_runtime_computes_it() {
    let expected = vec![14u8, 10, 13, 13, 13, 20, 17, 39];
    let expected = Tensor::of(&[2, 4], expected).unwrap();
    assert_eq!(gemm(&inputs()), Ok(expected));

    let actual = gemm(&inputs()[..7].to_vec()).unwrap();
    let expected = [0.82f32, -0.1804, 0.68, 0.58, 0.551, 2.7334, 1.87, 8.365];
    let actual = actual.elements::<f32>().unwrap();
    let is_close = actual.len() == expected.len()
        && actual
            .iter()
            .zip(&expected)
            .all(|(actual, expected)| (actual - expected).abs() <= 1e-6 * expected.abs());
    assert!(is_close, "actual {actual:?}, expected {expected:?}");
}

#[test]
fn what_a_quantized_product_cannot_do_is_said() {
    let ints =
        |shape: &[usize]| Some(Tensor::of(shape, vec![0i32; shape.iter().product()]).unwrap());
    let bytes =
        |shape: &[usize]| Some(Tensor::of(shape, vec![0i8; shape.iter().product()]).unwrap());
    let cases = [
        (0, None, "input 0 is missing"),
        (0, bytes(&[3]), "expected a matrix, got the shape [3]"),
        (
            0,
            bytes(&[2, 4]),
            "matrices of shapes [2, 4] and [3, 4] cannot be multiplied",
        ),
        (
            0,
            Some(Tensor::of(&[2, 3], vec![0f32; 6]).unwrap()),
            "expected a quantized tensor (integers of 8, 16 or 32 bits), got FP32",
        ),
        (1, None, "input 1 is missing"),
        (
            1,
            Some(Tensor::vector(vec![1f32, 2.0])),
            "input 1 has 2 values, expected 1",
        ),
        (
            3,
            bytes(&[1, 4, 3]),
            "expected a matrix, got the shape [1, 4, 3]",
        ),
        (
            4,
            Some(Tensor::vector(vec![1f32; 3])),
            "input 4 has 3 values, expected 1 or 4",
        ),
        (5, bytes(&[3]), "a zero point has 3 values, expected 1 or 4"),
        (
            6,
            ints(&[3]),
            "a bias of shape [3] cannot be broadcast to [2, 4]",
        ),
        (
            6,
            ints(&[1, 2, 4]),
            "a bias of shape [1, 2, 4] cannot be broadcast to [2, 4]",
        ),
        (
            6,
            bytes(&[4]),
            "input 6: expected a tensor of INT32, got INT8",
        ),
        (7, None, "input 7 is missing"),
        (
            8,
            Some(Tensor::scalar(0i32)),
            "quantizing to INT32 is not supported, expected integers of 8 or 16 bits",
        ),
    ];
    let mut failures = Vec::new();
    for (at, input, expected) in cases {
        let mut given = inputs();
        given[at] = input;
        let actual = gemm(&given);
        if actual.as_ref().err().map(String::as_str) != Some(expected) {
            failures.push(format!(
                "input {at}: actual {actual:?}, expected {expected:?}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
