//! Operators of dynamic quantization: against what ONNX Runtime computes (`references/dynamic.py` writes that), with
//! constant weights and with others, and on what they cannot compute.

mod support;

use infer_executor::Tensor;
use support::Value;
use support::refusals::zeros;
use support::{references, run_with_constants};

/// The positions of weights, and of their scales and zero points, in all of these operators.
const WEIGHTS: [usize; 8] = [1, 2, 3, 5, 8, 9, 10, 11];

#[test]
fn operators_compute_what_onnx_runtime_does() {
    references::check(include_str!("references/dynamic.json"));
}

#[test]
fn operators_with_constant_weights_compute_what_onnx_runtime_does() {
    references::check_with_constants(include_str!("references/dynamic.json"), &WEIGHTS);
}

#[test]
fn the_nodes_of_a_product_become_one() {
    let graphs = references::models(include_str!("references/dynamic.json"));
    assert_eq!(graphs.len(), 3);
    for graph in graphs {
        let operators: Vec<&str> = graph.operators().collect();
        // The last bias has one value for all columns, and stays an Add.
        let layer = ["DynamicQuantizeLinear", "MatMulIntegerToFloat"];
        assert_eq!(
            operators,
            [&layer[..], &["Relu"], &layer, &["Add"]].concat()
        );
    }
}

fn bytes(shape: &[usize]) -> Option<Tensor> {
    Some(Tensor::of(shape, vec![1u8; shape.iter().product()]).unwrap())
}

fn signed(shape: &[usize]) -> Option<Tensor> {
    Some(Tensor::of(shape, vec![1i8; shape.iter().product()]).unwrap())
}

type Row = (
    &'static str,
    &'static str,
    Vec<(&'static str, Value)>,
    Vec<Option<Tensor>>,
    Option<&'static str>,
);

/// Inputs of a DynamicQuantizeLSTM of two units, with those at some positions replaced.
fn lstm(replaced: &[(usize, Option<Tensor>)]) -> Vec<Option<Tensor>> {
    let mut inputs = vec![
        zeros(&[3, 1, 4]),
        signed(&[1, 4, 8]),
        signed(&[1, 2, 8]),
        zeros(&[1, 16]),
        None,
        None,
        None,
        None,
        zeros(&[1]),
        signed(&[1]),
        zeros(&[1, 8]),
        signed(&[1, 8]),
    ];
    for (at, input) in replaced {
        inputs[*at].clone_from(input);
    }
    inputs
}

#[test]
#[rustfmt::skip]
fn operators_say_what_they_cannot_compute() {
    const MS: &str = "com.microsoft";
    let rows: Vec<Row> = vec![
        ("", "MatMulInteger", vec![], vec![bytes(&[2, 3]), signed(&[3, 4])], None),
        ("", "MatMulInteger", vec![], vec![bytes(&[3]), signed(&[3, 4]), bytes(&[1])], None),
        ("", "MatMulInteger", vec![], vec![bytes(&[0, 3]), signed(&[3, 4])], None),
        ("", "MatMulInteger", vec![], vec![bytes(&[2, 0]), signed(&[0, 4])], None),
        ("", "MatMulInteger", vec![], vec![bytes(&[2, 3]), signed(&[3, 4]), bytes(&[2]), signed(&[4])], None),
        ("", "MatMulInteger", vec![], vec![bytes(&[2, 4]), signed(&[3, 4])], Some("matrices of shape [2, 4] and [3, 4] cannot be multiplied")),
        ("", "MatMulInteger", vec![], vec![bytes(&[]), signed(&[3, 4])], Some("matrices of shape [] and [3, 4] cannot be multiplied")),
        ("", "MatMulInteger", vec![], vec![zeros(&[2, 3]), signed(&[3, 4])], Some("expected INT8 or UINT8, got FP32")),
        ("", "MatMulInteger", vec![], vec![bytes(&[2, 3]), zeros(&[3, 4])], Some("expected INT8 or UINT8, got FP32")),
        ("", "MatMulInteger", vec![], vec![bytes(&[2, 3]), signed(&[3, 4]), signed(&[])], Some("the zero point is INT8, expected UINT8 as the input")),
        ("", "MatMulInteger", vec![], vec![bytes(&[2, 3]), signed(&[3, 4]), None, signed(&[3])], Some("the shapes [[3, 4], [3]] cannot be broadcast to each other")),
        ("", "MatMulInteger", vec![], vec![None, signed(&[3, 4])], Some("input 0 is missing")),
        ("", "ConvInteger", vec![], vec![bytes(&[1, 2, 3, 3]), bytes(&[1, 2, 2, 2]), bytes(&[])], None),
        ("", "ConvInteger", vec![], vec![bytes(&[0, 2, 3, 3]), bytes(&[1, 2, 2, 2])], None),
        ("", "ConvInteger", vec![("pads", support::ints(&[1, 1, 1, 1]))], vec![bytes(&[1, 2, 0, 3]), bytes(&[1, 2, 2, 2])], None),
        ("", "ConvInteger", vec![], vec![bytes(&[1, 2, 3, 3]), bytes(&[0, 2, 2, 2])], None),
        ("", "ConvInteger", vec![], vec![bytes(&[1, 3, 3, 3]), bytes(&[1, 2, 2, 2])], Some("weights of shape [1, 2, 2, 2] in 1 groups do not match an input of shape [1, 3, 3, 3]")),
        ("", "ConvInteger", vec![], vec![bytes(&[1, 2, 1, 3]), bytes(&[1, 2, 2, 2])], Some("a window that spans 2 values does not fit into 1 values with a padding of 0 and 0")),
        ("", "ConvInteger", vec![], vec![bytes(&[1, 2, 3, 3]), bytes(&[1, 2, 2])], Some("a window of [2] does not match 2 spatial axes")),
        ("", "ConvInteger", vec![], vec![bytes(&[1, 2, 3, 3]), bytes(&[1, 2, 2, 2]), bytes(&[2])], Some("input 2 has 2 values, expected 1")),
        ("", "ConvInteger", vec![], vec![bytes(&[1, 2, 3, 3]), bytes(&[1, 2, 2, 2]), None, bytes(&[2])], Some("input 3 has 2 values, expected 1")),
        ("", "ConvInteger", vec![("strides", support::ints(&[0, 1]))], vec![bytes(&[1, 2, 3, 3]), bytes(&[1, 2, 2, 2])], Some("the attribute `strides` has a 0, expected 1 to 536870912")),
        ("", "ConvInteger", vec![("group", Value::Int(0))], vec![bytes(&[1, 2, 3, 3]), bytes(&[1, 2, 2, 2])], Some("the attribute `group` is 0, expected at least 1")),
        ("", "DynamicQuantizeLinear", vec![], vec![bytes(&[2])], Some("input 0: expected a tensor of FP32, got UINT8")),
        ("", "DynamicQuantizeLinear", vec![], vec![zeros(&[0, 3])], None),
        (MS, "MatMulIntegerToFloat", vec![], vec![bytes(&[2, 3]), signed(&[3, 4]), zeros(&[]), zeros(&[4]), bytes(&[]), signed(&[])], None),
        (MS, "MatMulIntegerToFloat", vec![], vec![bytes(&[2, 3]), signed(&[3, 4]), zeros(&[2]), zeros(&[4]), bytes(&[]), signed(&[])], Some("input 2 has 2 values, expected 1")),
        (MS, "MatMulIntegerToFloat", vec![], vec![bytes(&[2, 3]), signed(&[3, 4]), zeros(&[]), zeros(&[3]), bytes(&[]), signed(&[])], Some("input 3 has 3 values, expected 1 or 4")),
        (MS, "MatMulIntegerToFloat", vec![], vec![bytes(&[2, 3]), signed(&[3, 4]), zeros(&[]), zeros(&[4]), bytes(&[]), signed(&[]), zeros(&[1])], Some("the bias has the shape [1], expected [4]")),
        (MS, "DynamicQuantizeMatMul", vec![], vec![bytes(&[2, 3]), signed(&[3, 4]), zeros(&[])], Some("input 0: expected a tensor of FP32, got UINT8")),
        (MS, "DynamicQuantizeMatMul", vec![], vec![zeros(&[2, 3]), signed(&[3, 4]), zeros(&[3])], Some("input 2 has 3 values, expected 1 or 4")),
        (MS, "DynamicQuantizeMatMul", vec![], vec![zeros(&[2, 3]), signed(&[3, 4]), zeros(&[0])], Some("input 2 has 0 values, expected 1 or 4")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[]), None),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(9, None), (11, None)]), None),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(0, None)]), Some("input 0 is missing")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(0, zeros(&[3, 1, 5]))]), Some("the weights have the shape [1, 8, 4], expected [1, 8, 5]")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(0, bytes(&[3, 1, 4]))]), Some("input 0 is UINT8, expected FP32 as the weights")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(1, None)]), Some("input 1 is missing")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(2, None)]), Some("input 2 is missing")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(1, signed(&[1, 8, 4]))]), Some("input 1 has the shape [1, 8, 4], expected [1, 8, 8]")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(1, signed(&[32]))]), Some("input 1 has the shape [32], expected [1, 1, 8]")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(1, zeros(&[1, 4, 8]))]), Some("the zero point is INT8, expected FP32 as the weights")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(1, zeros(&[1, 4, 8])), (9, None)]), Some("expected INT8 or UINT8, got FP32")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(2, signed(&[1, 8, 2]))]), Some("input 1 has the shape [1, 4, 8], expected [1, 4, 32]")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(2, signed(&[1, 0, 0]))]), Some("input 2 has the shape [1, 0, 0], expected [1, 1, 4]")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(2, signed(&[16]))]), Some("input 2 has the shape [16], expected [1, 1, 4]")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(0, zeros(&[3, 1, 0])), (1, signed(&[1, 0, 8]))]), Some("weights of 0 features and 2 units are not supported, expected 1 to 32768")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(3, zeros(&[1, 8]))]), Some("input 3 has the shape [1, 8], expected [1, 16]")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(7, zeros(&[1, 6]))]), Some("activations other than Sigmoid, Tanh and Tanh, peepholes and the attributes `clip` and `input_forget` are not supported")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(8, None)]), Some("input 8 is missing")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(8, zeros(&[2]))]), Some("input 8 has the shape [2], expected [1, 8]")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(8, bytes(&[1]))]), Some("expected a tensor of FP32, got UINT8")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(9, bytes(&[1]))]), Some("the zero point is UINT8, expected INT8 as the weights")),
        (MS, "DynamicQuantizeLSTM", vec![], lstm(&[(11, signed(&[8]))]), Some("input 11 has the shape [8], expected [1, 8]")),
        (MS, "DynamicQuantizeLSTM", vec![("direction", support::text("bidirectional"))], lstm(&[]), Some("input 1 has the shape [1, 4, 8], expected [2, 4, 8]")),
        (MS, "DynamicQuantizeLSTM", vec![("clip", Value::Float(1.0))], lstm(&[]), Some("activations other than Sigmoid, Tanh and Tanh, peepholes and the attributes `clip` and `input_forget` are not supported")),
    ];
    let mut failures = Vec::new();
    for (row, (domain, op_type, attributes, inputs, expected)) in rows.iter().enumerate() {
        for constants in [&[][..], &WEIGHTS] {
            let constants: Vec<usize> = constants.iter().copied().filter(|&at| at < inputs.len()).collect();
            let version = if domain.is_empty() { 17 } else { 1 };
            let run = std::panic::AssertUnwindSafe(|| run_with_constants(domain, op_type, version, attributes, &[true], inputs, &constants));
            let actual = std::panic::catch_unwind(run).unwrap_or_else(|_| Err("PANIC".to_owned())).err();
            if actual.as_deref() != *expected {
                failures.push(format!("{row} {op_type} {constants:?}: actual {actual:?}, expected {expected:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
