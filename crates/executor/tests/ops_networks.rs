//! What the operators of networks say of inputs that they cannot compute with.

mod support;

use infer_executor::Tensor;
use support::Value::{self, Int};
use support::{ints, text};

/// What a node says, when it is built or when it is run; none when it computes.
fn message(
    op_type: &str,
    opset: i64,
    attributes: &[(&str, Value)],
    inputs: &[Option<Tensor>],
) -> Option<String> {
    support::run(op_type, opset, attributes, 1, inputs).err()
}

fn zeros(shape: &[usize]) -> Option<Tensor> {
    let count = match shape.contains(&0) {
        true => 0,
        false => shape.iter().product(),
    };
    Some(Tensor::of(shape, vec![0f32; count]).unwrap())
}

type Case = (
    &'static str,
    i64,
    Vec<(&'static str, Value)>,
    Vec<Option<Tensor>>,
    Option<&'static str>,
);

/// A size that two of have no product in 64 bits.
const LARGE: usize = 1 << 40;
/// The most elements that a tensor may have.
const LARGEST: usize = 1 << 29;

#[test]
fn what_does_not_go_together_is_said() {
    let huge = i64::MAX;
    let cases: Vec<Case> = vec![
        (
            "Conv",
            22,
            vec![],
            vec![zeros(&[1, 1, 4]), zeros(&[1, 1, 4])],
            None,
        ),
        (
            "Conv",
            22,
            vec![],
            vec![zeros(&[1, 1, 4]), zeros(&[1, 1, 5])],
            Some(
                "a window that spans 5 values does not fit into 4 values with a padding of 0 and 0",
            ),
        ),
        (
            "Conv",
            22,
            vec![],
            vec![zeros(&[1, 2, 4]), zeros(&[1, 1, 2])],
            Some("weights of shape [1, 1, 2] in 1 groups do not match an input of shape [1, 2, 4]"),
        ),
        (
            "Conv",
            22,
            vec![("group", Int(0))],
            vec![zeros(&[1, 1, 4]), zeros(&[1, 1, 2])],
            Some("the attribute `group` is 0, expected at least 1"),
        ),
        (
            "Conv",
            22,
            vec![("strides", ints(&[0]))],
            vec![zeros(&[1, 1, 4]), zeros(&[1, 1, 2])],
            Some("the attribute `strides` has a 0, expected 1 to 536870912"),
        ),
        (
            "Conv",
            22,
            vec![("strides", ints(&[i64::MAX]))],
            vec![zeros(&[1, 1, 4]), zeros(&[1, 1, 2])],
            Some("the attribute `strides` has a 9223372036854775807, expected 1 to 536870912"),
        ),
        (
            "MaxPool",
            22,
            vec![],
            vec![zeros(&[1, 1, 4])],
            Some("the attribute `kernel_shape` is missing"),
        ),
        (
            "MaxPool",
            22,
            vec![("kernel_shape", ints(&[2, 2]))],
            vec![zeros(&[1, 1, 4])],
            Some("a window of [2, 2] does not match 1 spatial axes"),
        ),
        (
            "MaxPool",
            22,
            vec![("kernel_shape", ints(&[2]))],
            vec![zeros(&[0, 1, 4])],
            None,
        ),
        (
            "LRN",
            13,
            vec![("size", Int(huge))],
            vec![zeros(&[1, 2, 2])],
            None,
        ),
        (
            "GroupNormalization",
            21,
            vec![("num_groups", Int(0))],
            vec![zeros(&[1, 2, 2]), zeros(&[2]), zeros(&[2])],
            Some("2 channels cannot be split into 0 groups"),
        ),
        (
            "LayerNormalization",
            17,
            vec![("axis", Int(3))],
            vec![zeros(&[2, 2]), zeros(&[2])],
            Some("there is no axis 3 in 2 dimensions"),
        ),
        (
            "Resize",
            19,
            vec![],
            vec![zeros(&[2]), None, zeros(&[1])],
            Some("the scales are [0.0], expected positive ones"),
        ),
        (
            "Resize",
            19,
            vec![],
            vec![zeros(&[2]), None, None, None],
            Some("neither scales nor sizes are given, expected one of them"),
        ),
        (
            "LSTM",
            22,
            vec![("direction", text("up"))],
            vec![],
            Some("the attribute `direction` is `up`, expected forward, reverse or bidirectional"),
        ),
        (
            "GRU",
            22,
            vec![],
            vec![zeros(&[1, 1, 2]), zeros(&[1, 3, 2]), zeros(&[1, 6, 2])],
            Some("the weights have the shape [1, 3, 2], expected [1, 6, 2]"),
        ),
        (
            "Attention",
            23,
            vec![],
            vec![zeros(&[1, 2, 4]), zeros(&[1, 2, 4]), zeros(&[1, 2, 4])],
            Some("the shape [1, 2, 4] cannot be split into an unknown number of heads"),
        ),
        (
            "QuantizeLinear",
            21,
            vec![],
            vec![zeros(&[2, 3]), zeros(&[2])],
            Some("a scale of shape [2] does not match the shape [2, 3] on axis 1 in blocks of 0"),
        ),
        (
            "GridSample",
            20,
            vec![],
            vec![zeros(&[1, 1, 1, 1, 1, 1]), zeros(&[1, 1, 1, 1, 1, 4])],
            Some("sampling 4 spatial axes is not supported, expected at most 3"),
        ),
        // Of nothing there may be so much that it can neither be multiplied nor gone through.
        (
            "QuantizeLinear",
            21,
            vec![("block_size", Int(1)), ("axis", Int(1))],
            vec![zeros(&[LARGEST, LARGEST, 0]), zeros(&[LARGEST, LARGEST, 0])],
            None,
        ),
        (
            "LpNormalization",
            22,
            vec![("axis", Int(1))],
            vec![zeros(&[0, LARGEST, LARGEST])],
            Some("a tensor of shape [536870912, 536870912] does not fit into memory"),
        ),
        (
            "MeanVarianceNormalization",
            13,
            vec![("axes", ints(&[1, 2]))],
            vec![zeros(&[0, LARGE, LARGE])],
            None,
        ),
        (
            "MaxPool",
            22,
            vec![
                ("kernel_shape", ints(&[1, 1])),
                ("strides", ints(&[1 << 29, 1 << 29])),
            ],
            vec![zeros(&[0, 1, LARGE, LARGE])],
            None,
        ),
        (
            "Conv",
            22,
            vec![("strides", ints(&[1 << 29, 1 << 29]))],
            vec![zeros(&[1, 0, 1 << 29, 1 << 29]), zeros(&[1, 0, 1, 1])],
            Some("a tensor of shape [536870912, 536870912] does not fit into memory"),
        ),
        (
            "Attention",
            23,
            vec![],
            vec![
                zeros(&[LARGE, LARGE, 1, 0]),
                zeros(&[LARGE, LARGE, 1, 0]),
                zeros(&[LARGE, LARGE, 1, 0]),
            ],
            None,
        ),
        (
            "NonMaxSuppression",
            11,
            vec![],
            vec![zeros(&[LARGE, 0, 4]), zeros(&[LARGE, LARGE, 0])],
            None,
        ),
        (
            "LSTM",
            22,
            vec![],
            vec![zeros(&[0, LARGE, 1]), zeros(&[1, 4, 1]), zeros(&[1, 4, 1])],
            Some("a tensor of shape [1099511627776] does not fit into memory"),
        ),
    ];
    let mut failures = Vec::new();
    for (op_type, opset, attributes, inputs, expected) in &cases {
        let actual = message(op_type, *opset, attributes, inputs);
        if actual.as_deref() != *expected {
            failures.push(format!(
                "{op_type}: actual {actual:?}, expected {expected:?}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_mean_counts_more_padding_than_a_usize_can() {
    // Four axes of 2^28 places, one of them a value and the others padding: 2^112 of them.
    const PAD: i64 = (1 << 28) - 1;
    let mean = message(
        "AveragePool",
        22,
        &[
            ("kernel_shape", ints(&[1 << 28; 4])),
            ("count_include_pad", Int(1)),
            ("pads", ints(&[0, 0, 0, 0, PAD, PAD, PAD, PAD])),
        ],
        &[zeros(&[1, 1, 1, 1, 1, 1])],
    );
    assert_eq!(mean, None);
}

#[test]
fn a_state_fades_and_is_corrected_token_by_token() {
    let numbers = |values: &[f32]| Some(Tensor::of(&[1, 2, 1], values.to_vec()).unwrap());
    let half = 0.5f32.ln();
    let outputs = support::run(
        "LinearAttention",
        27,
        &[
            ("q_num_heads", Int(1)),
            ("kv_num_heads", Int(1)),
            ("scale", Value::Float(2.0)),
        ],
        2,
        &[
            numbers(&[3.0, 1.0]),
            numbers(&[1.0, 2.0]),
            numbers(&[2.0, 5.0]),
            zeros(&[1, 1, 1, 1]),
            numbers(&[half, half]),
            numbers(&[1.0, 0.5]),
        ],
    )
    .unwrap();
    // 2, read by 3; faded to 1, which has 2 for the key 2, so that half of 3 is missing: 1 + 2 * 1.5, read by 1.
    assert_eq!(outputs[0].elements::<f32>().unwrap(), [12.0, 8.0]);
    assert_eq!(outputs[1].elements::<f32>().unwrap(), [4.0]);
}

#[test]
#[rustfmt::skip]
fn what_does_not_go_together_in_linear_attention_is_said() {
    let heads = |q: i64, kv: i64, rule: &str| {
        vec![
            ("q_num_heads", Int(q)),
            ("kv_num_heads", Int(kv)),
            ("update_rule", text(rule)),
        ]
    };
    let three = |q: &[usize], k: &[usize], v: &[usize]| vec![zeros(q), zeros(k), zeros(v)];
    let with = |mut inputs: Vec<Option<Tensor>>, more: &[&[usize]]| {
        inputs.extend(more.iter().map(|shape| zeros(shape)));
        inputs
    };
    let plain = || three(&[1, 2, 4], &[1, 2, 2], &[1, 2, 3]);
    let cases = [
        (heads(2, 1, "linear"), plain(), None),
        (heads(2, 1, "linear"), three(&[0, 2, 4], &[0, 2, 2], &[0, 2, 3]), None),
        (heads(2, 1, "linear"), three(&[1, 2, 0], &[1, 2, 0], &[1, 2, 3]), None),
        (heads(2, 1, "linear"), three(&[1, 2, 4], &[1, 2, 2], &[1, 2, 0]), None),
        (heads(2, 1, "gated"), with(plain(), &[&[1, 1, 2, 3], &[1, 2, 2]]), None),
        (heads(0, 1, "linear"), plain(), Some("the attribute `q_num_heads` is 0, expected at least 1")),
        (heads(2, -1, "linear"), plain(), Some("the attribute `kv_num_heads` is -1, expected at least 1")),
        (heads(3, 2, "linear"), plain(), Some("`q_num_heads` is 3, expected a multiple of `kv_num_heads`, 2")),
        (heads(2, 1, "other"), plain(), Some("the attribute `update_rule` is `other`, expected linear, gated, delta or gated_delta")),
        (heads(2, 1, "gated"), plain(), Some("the update rule `gated` has an input `decay`")),
        (heads(2, 1, "linear"), with(plain(), &[&[1, 1, 2, 3], &[1, 2, 1]]), Some("the update rule `linear` has no input `decay`")),
        (heads(2, 1, "linear"), three(&[2, 4], &[1, 2, 2], &[1, 2, 3]), Some("the shape of `query` is [2, 4], expected [batch, tokens, heads x size]")),
        (heads(2, 1, "linear"), three(&[1, 2, 5], &[1, 2, 2], &[1, 2, 3]), Some("the shape of `query` is [1, 2, 5], expected 2 heads in the last dimension")),
        (heads(2, 1, "linear"), three(&[1, 2, 4], &[1, 2, 3], &[1, 2, 3]), Some("the shape of `key` is [1, 2, 3], expected [1, 2, 2]")),
        (heads(2, 1, "linear"), three(&[1, 2, 4], &[1, 2, 2], &[1, 3, 3]), Some("the shape of `value` is [1, 3, 3], expected [1, 2, 3]")),
        (heads(2, 1, "linear"), with(plain(), &[&[1, 1, 3, 2]]), Some("the shape of `past_state` is [1, 1, 3, 2], expected [1, 1, 2, 3]")),
        (heads(2, 1, "gated"), with(plain(), &[&[1, 1, 2, 3], &[1, 2, 3]]), Some("the shape of `decay` is [1, 2, 3], expected [1, 2, 1] or [1, 2, 2]")),
        (heads(1, 1, "linear"), three(&[LARGE, 0, LARGE], &[LARGE, 0, LARGE], &[LARGE, 0, LARGE]), Some("a tensor of shape [1099511627776, 1, 1099511627776, 1099511627776] does not fit into memory")),
    ];
    let mut failures = Vec::new();
    for (at, (attributes, inputs, expected)) in cases.iter().enumerate() {
        let actual = message("LinearAttention", 27, attributes, inputs);
        if actual.as_deref() != *expected {
            failures.push(format!("{at}: actual {actual:?}, expected {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
