//! Quantized networks.

use super::{difference, graphs, input, model};
use crate::load;
use crate::optimize::{fake_quantize, quantization};
use crate::tensor::Tensor;

#[test]
fn quantized_networks_are_fake_quantized_and_compute_the_same() {
    let mut wrong = Vec::new();
    // The ONNX operators that are left of each graph.
    let rows: [(&str, &[&str]); 23] = [
        (
            "QuantizeLinear x steps zero -> q; DequantizeLinear q steps zero -> y",
            &[],
        ),
        (
            "QuantizeLinear x steps none -> q; DequantizeLinear q steps none -> y",
            &[],
        ),
        (
            "QuantizeLinear x wide zero -> q; DequantizeLinear q wide zero -> y",
            &[],
        ),
        (
            "QuantizeLinear x steps zero -> q; DequantizeLinear q steps zero -> a; \
             DequantizeLinear q steps zero -> b; Mul a b -> y",
            &["Mul"],
        ),
        // Other parameters, or quantized values that are needed.
        (
            "QuantizeLinear x steps zero -> q; DequantizeLinear q wide zero -> y",
            &["QuantizeLinear", "DequantizeLinear"],
        ),
        (
            "QuantizeLinear x steps zero -> q; DequantizeLinear q steps some -> y",
            &["QuantizeLinear", "DequantizeLinear"],
        ),
        (
            "QuantizeLinear x steps zero -> q; DequantizeLinear q steps zero -> a; \
             DequantizeLinear q wide some -> b; Add a b -> y",
            &[
                "QuantizeLinear",
                "DequantizeLinear",
                "DequantizeLinear",
                "Add",
            ],
        ),
        ("QuantizeLinear x steps zero -> y", &["QuantizeLinear"]),
        // Convolutions with a per-channel and with a per-tensor scale.
        (
            "Reshape x image -> i; QuantizeLinear i steps zero -> q; \
             QLinearConv q steps zero window each nones wide some offsets -> c; DequantizeLinear c wide some -> y",
            &["Reshape"],
        ),
        (
            "Reshape x image -> i; QuantizeLinear i steps zero -> q; \
             QLinearConv q steps zero window steps none wide some -> c; DequantizeLinear c wide some -> y",
            &["Reshape"],
        ),
        (
            "Reshape x image -> i; QuantizeLinear i steps zero -> q; DequantizeLinear q steps zero -> d; \
             DequantizeLinear window steps none -> w; Conv d w -> c; QuantizeLinear c wide some -> r; \
             DequantizeLinear r wide some -> y",
            &["Reshape"],
        ),
        (
            "Reshape x image -> i; QuantizeLinear i steps zero -> q; \
             QLinearConv q steps zero window each nones wide some -> c; \
             com.microsoft:QLinearGlobalAveragePool c wide some steps zero -> p; DequantizeLinear p steps zero -> y",
            &["Reshape"],
        ),
        (
            "QuantizeLinear x steps zero -> q; QuantizeLinear x wide some -> r; \
             com.microsoft:QLinearAdd q steps zero r wide some wide some -> s; DequantizeLinear s wide some -> y",
            &["Add"],
        ),
        (
            "QuantizeLinear x steps zero -> q; com.microsoft:QLinearMul q steps zero q steps zero wide some -> s; \
             DequantizeLinear s wide some -> y",
            &["Mul"],
        ),
        (
            "QuantizeLinear x steps zero -> q; QLinearMatMul q steps zero matrix each nones wide some -> s; \
             DequantizeLinear s wide some -> y",
            &[],
        ),
        (
            "QuantizeLinear x steps zero -> q; \
             com.microsoft:QGemm q steps zero matrix each nones offsets wide some -> s; \
             DequantizeLinear s wide some -> y",
            &[],
        ),
        (
            "QuantizeLinear x steps zero -> q; \
             com.microsoft:QGemm q steps zero matrix steps none offsets -> y",
            &[],
        ),
        // Operators that only change the shape run on dequantized values.
        (
            "QuantizeLinear x steps zero -> q; Flatten q -> f; Transpose f -> t; DequantizeLinear t steps zero -> y",
            &["Flatten", "Transpose"],
        ),
        (
            "QuantizeLinear x steps zero -> q; Flatten q -> f; DequantizeLinear f steps zero -> a; \
             DequantizeLinear q steps zero -> b; Add a b -> y",
            &["Flatten", "Add"],
        ),
        (
            "QuantizeLinear x steps zero -> q; Flatten q -> f; \
             com.microsoft:QGemm f steps zero matrix each nones offsets wide some -> s; \
             DequantizeLinear s wide some -> y",
            &["Flatten"],
        ),
        (
            "QuantizeLinear x steps zero -> q; Flatten q -> f; DequantizeLinear f steps zero -> a; \
             Abs f -> b; DequantizeLinear b steps zero -> c; Add a c -> y",
            &[
                "QuantizeLinear",
                "Flatten",
                "DequantizeLinear",
                "Abs",
                "DequantizeLinear",
                "Add",
            ],
        ),
        // Scales that are not constant.
        (
            "Abs x -> a; ReduceMax a -> k; Squeeze k -> m; QuantizeLinear x m zero -> q; DequantizeLinear q m zero -> y",
            &[
                "Abs",
                "ReduceMax",
                "Squeeze",
                "QuantizeLinear",
                "DequantizeLinear",
            ],
        ),
        (
            "Abs x -> a; ReduceMax a -> k; Squeeze k -> m; QuantizeLinear x m zero -> q; \
             QLinearMatMul q m zero matrix each nones wide some -> s; DequantizeLinear s wide some -> y",
            &[
                "Abs",
                "ReduceMax",
                "Squeeze",
                "QuantizeLinear",
                "QLinearMatMul",
                "DequantizeLinear",
            ],
        ),
    ];
    for (nodes, left) in rows {
        let graphs = graphs(nodes, &[]);
        let names: Vec<&str> = graphs[1].operators().collect();
        if names != left {
            wrong.push(format!("{nodes}: {names:?}"));
        }
        if let Some(difference) = difference(graphs, &input(&[4, 3]), 1e-5) {
            wrong.push(format!("{nodes}: {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn images_for_int8_convolutions_are_quantized_and_transposed_in_one_step() {
    let conv = "QLinearConv q steps zero window each nones wide some -> c; DequantizeLinear c wide some -> a";
    let rows = [
        (format!("{conv}; Abs a -> y"), true),
        // Two convolutions.
        (
            format!(
                "{conv}; QLinearConv q steps zero window steps none wide some -> e; \
                 DequantizeLinear e wide some -> b; Add a b -> y"
            ),
            true,
        ),
        // Other operators use the quantized values, before the transpose or after it.
        (
            format!("{conv}; DequantizeLinear q steps zero -> d; ReduceMax d -> m; Add a m -> y"),
            false,
        ),
        (
            format!("{conv}; DequantizeLinear q steps zero -> d; Conv d floats -> b; Add a b -> y"),
            false,
        ),
        // The convolution quantizes with other parameters than the values had before.
        (
            "DequantizeLinear q steps zero -> d; QuantizeLinear d wide some -> r; \
             QLinearConv r wide some window each nones wide some -> c; DequantizeLinear c wide some -> y"
                .to_owned(),
            true,
        ),
    ];
    let mut wrong = Vec::new();
    for (nodes, expected) in rows {
        let nodes = format!("Reshape x image -> i; QuantizeLinear i steps zero -> q; {nodes}");
        let floats = (0..12).map(|at| (at as f32).cos()).collect::<Vec<_>>();
        let constants: [(&str, &[i64], &[f32]); 1] = [("floats", &[4, 3, 1, 1], &floats)];
        let graphs = graphs(&nodes, &constants);
        // Some values are out of range.
        let mut values: Vec<f32> = (0..12).map(|at| (at as f32 * 1.3).sin() * 2.0).collect();
        values[..3].copy_from_slice(&[1e9, f32::NEG_INFINITY, f32::INFINITY]);
        let input = Tensor::of(&[4, 3], values).unwrap();
        let steps = graphs[1].profile(vec![input.clone()], 1).unwrap();
        if steps
            .iter()
            .any(|(name, _)| name == "QuantizeToChannelsLast")
            != expected
        {
            wrong.push(format!("{nodes}: {steps:?}"));
        }
        if let Some(difference) = difference(graphs, &input, 1e-5) {
            wrong.push(format!("{nodes}: {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn quantization_parameters_reach_values_with_the_same_elements() {
    let quantized = "QuantizeLinear x steps zero -> q; DequantizeLinear q steps zero -> d";
    let rows = [
        ("Identity d -> y", true),
        (
            "Flatten d -> f; Transpose f -> t; Unsqueeze t first -> u; Squeeze u first -> y",
            true,
        ),
        ("Reshape d image -> i; MaxPool i -> m; Flatten m -> y", true),
        // Other elements, other values, another domain.
        ("Reshape d image -> i; AveragePool i -> y", false),
        ("Abs d -> y", false),
        ("Abs d -> a; Flatten x -> y", false),
        ("com.microsoft:Flatten d -> y", false),
    ];
    let mut wrong = Vec::new();
    for (nodes, expected) in rows {
        let network = load::network(model(&format!("{quantized}; {nodes}"), &[])).unwrap();
        let network = quantization::propagate(fake_quantize::fuse(network).unwrap());
        if network.quantization.contains_key(&network.outputs[0]) != expected {
            wrong.push(format!("{nodes}: expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
