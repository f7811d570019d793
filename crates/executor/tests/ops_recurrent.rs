//! RNN, GRU and LSTM: against what ONNX Runtime computes (`references/recurrent.py` writes that), with constant weights and
//! with others, and on what they cannot compute.

mod support;

use infer_executor::Tensor;
use support::refusals::{none, zeros};
use support::{Value, references, run_with_constants, text};

#[test]
fn layers_compute_what_onnx_runtime_does() {
    references::check(include_str!("references/recurrent.json"));
}

#[test]
fn layers_with_constant_weights_compute_what_onnx_runtime_does() {
    references::check_with_constants(include_str!("references/recurrent.json"), &[1, 2, 3]);
}

#[test]
fn layers_with_a_bias_that_is_not_constant_compute_what_onnx_runtime_does() {
    references::check_with_constants(include_str!("references/recurrent.json"), &[1, 2]);
}

fn ints(values: &[i32]) -> Option<Tensor> {
    Some(Tensor::vector(values.to_vec()))
}

fn doubles(shape: &[usize]) -> Option<Tensor> {
    Some(Tensor::of(shape, vec![0f64; shape.iter().product()]).unwrap())
}

/// Inputs of an LSTM of two units over three steps of two sequences, with those at some positions replaced.
fn lstm(replaced: &[(usize, Option<Tensor>)]) -> Vec<Option<Tensor>> {
    let mut inputs = vec![
        zeros(&[3, 2, 4]),
        zeros(&[1, 8, 4]),
        zeros(&[1, 8, 2]),
        zeros(&[1, 16]),
        ints(&[3, 1]),
        zeros(&[1, 2, 2]),
        zeros(&[1, 2, 2]),
    ];
    for (at, input) in replaced {
        inputs[*at].clone_from(input);
    }
    inputs
}

type Row = (
    &'static str,
    Vec<(&'static str, Value)>,
    Vec<Option<Tensor>>,
    Option<&'static str>,
);

#[test]
#[rustfmt::skip]
fn layers_say_what_they_cannot_compute() {
    const LARGE: usize = 1 << 40;
    let rows: Vec<Row> = vec![
        ("LSTM", vec![], lstm(&[]), None),
        ("LSTM", vec![], lstm(&[(0, zeros(&[0, 2, 4])), (4, None)]), None),
        ("LSTM", vec![], lstm(&[(0, zeros(&[3, 0, 4])), (4, ints(&[])), (5, None), (6, None)]), None),
        ("LSTM", vec![], lstm(&[(0, None)]), Some("input 0 is missing")),
        ("LSTM", vec![], lstm(&[(0, zeros(&[3, 8]))]), Some("expected sequences with 3 axes, got the shape [3, 8]")),
        ("LSTM", vec![], lstm(&[(0, zeros(&[3, 2, 5]))]), Some("the weights have the shape [1, 8, 4], expected [1, 8, 5]")),
        ("LSTM", vec![], lstm(&[(1, zeros(&[1, 6, 4]))]), Some("the weights have the shape [1, 6, 4], expected [1, 8, 4]")),
        ("LSTM", vec![], lstm(&[(1, zeros(&[8, 4]))]), Some("the weights have the shape [8, 4], expected [1, 8, 4]")),
        ("LSTM", vec![], lstm(&[(1, zeros(&[2, 8, 4]))]), Some("the weights have the shape [2, 8, 4], expected [1, 8, 4]")),
        ("LSTM", vec![], lstm(&[(2, zeros(&[1, 8, 3]))]), Some("the weights have the shape [1, 8, 4], expected [1, 12, 4]")),
        ("LSTM", vec![], lstm(&[(2, zeros(&[1, 7, 2]))]), Some("the recurrence weights have the shape [1, 7, 2], expected [1, 8, 2]")),
        ("LSTM", vec![], lstm(&[(1, zeros(&[1, 0, 4])), (2, zeros(&[1, 0, 0])), (3, zeros(&[1, 0])), (5, None), (6, None)]), Some("the number of hidden units is 0, expected at least 1")),
        ("LSTM", vec![], lstm(&[(2, zeros(&[]))]), Some("expected sequences with 3 axes, got the shape [3, 2, 4]")),
        ("LSTM", vec![], lstm(&[(3, zeros(&[1, 8]))]), Some("the biases have the shape [1, 8], expected [1, 16]")),
        ("LSTM", vec![], lstm(&[(3, zeros(&[16]))]), Some("the biases have the shape [16], expected [1, 16]")),
        ("LSTM", vec![], lstm(&[(4, ints(&[3]))]), Some("the sequence lengths have the shape [1], expected [2]")),
        ("LSTM", vec![], lstm(&[(4, ints(&[3, 4]))]), Some("the sequence lengths are [3, 4], expected 0 to 3")),
        ("LSTM", vec![], lstm(&[(4, ints(&[3, -1]))]), Some("the sequence lengths are [3, -1], expected 0 to 3")),
        ("LSTM", vec![], lstm(&[(4, zeros(&[2]))]), Some("expected integers (INT64 or INT32), got FP32")),
        ("LSTM", vec![], lstm(&[(5, zeros(&[2, 2]))]), Some("the initial states have the shape [2, 2], expected [1, 2, 2]")),
        ("LSTM", vec![], lstm(&[(6, zeros(&[1, 2, 3]))]), Some("the initial cells have the shape [1, 2, 3], expected [1, 2, 2]")),
        ("LSTM", vec![], lstm(&[(5, ints(&[0; 4]))]), Some("the initial states have the shape [4], expected [1, 2, 2]")),
        ("LSTM", vec![("direction", text("bidirectional"))], lstm(&[]), Some("the weights have the shape [1, 8, 4], expected [2, 8, 4]")),
        ("LSTM", vec![("layout", Value::Int(1))], lstm(&[(4, None)]), Some("the initial states have the shape [1, 2, 2], expected [3, 1, 2]")),
        ("LSTM", vec![("activations", support::texts(&["Tanh"]))], lstm(&[]), Some("the attribute `activations` has 1 names, expected 3")),
        ("LSTM", vec![("activations", support::texts(&["Tanh", "Sin", "Tanh"]))], lstm(&[]), Some("the activation `Sin` is not supported")),
        ("GRU", vec![], lstm(&[]), Some("the weights have the shape [1, 8, 4], expected [1, 6, 4]")),
        ("GRU", vec![], vec![none(&[1, LARGE, 0]), none(&[1, 3, 0]), zeros(&[1, 3, 1])], Some("a tensor of shape [1099511627776] does not fit into memory")),
        ("RNN", vec![], vec![none(&[LARGE, LARGE, 0]), none(&[1, 1, 0]), zeros(&[1, 1, 1])], Some("a tensor of shape [1099511627776] does not fit into memory")),
        ("RNN", vec![], vec![none(&[0, LARGE, 0]), none(&[1, 1, 0]), zeros(&[1, 1, 1])], Some("a tensor of shape [1099511627776] does not fit into memory")),
        ("RNN", vec![], vec![zeros(&[2, 1, 3]), zeros(&[1, 1, 3]), zeros(&[1, 1, 1])], None),
    ];
    let mut failures = Vec::new();
    for (row, (op_type, attributes, inputs, expected)) in rows.iter().enumerate() {
        for constants in [&[][..], &[1, 2, 3]] {
            let constants: Vec<usize> = constants.iter().copied().filter(|&at| at < inputs.len()).collect();
            let outputs = [true, true];
            let actual = run_with_constants("", op_type, 22, attributes, &outputs, inputs, &constants);
            let actual = actual.err();
            if actual.as_deref() != *expected {
                failures.push(format!("{row} {op_type} {constants:?}: actual {actual:?}, expected {expected:?}"));
            }
        }
    }
    // Constant weights give another message for a wrong datatype.
    for (constants, expected) in [
        (vec![], "input 1 is FP32, expected FP64 as input 0"),
        (vec![1, 2, 3], "input 0 is FP64, expected FP32 as the weights"),
    ] {
        let inputs = lstm(&[(0, doubles(&[3, 2, 4]))]);
        let actual = run_with_constants("", "LSTM", 22, &[], &[true], &inputs, &constants);
        assert_eq!(actual.err().as_deref(), Some(expected));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
