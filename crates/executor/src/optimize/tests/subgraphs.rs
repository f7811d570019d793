//! Graphs inside nodes.

use rten_onnx::onnx::{AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto};

use super::{difference, input, model};
use crate::ir::Op;
use crate::optimize::optimize;
use crate::{Graph, load};

/// `y` is a convolution of `x` by `point` where the largest value of `x` is above `limit`, else one by `other` whose
/// negative values are 0. Both branches capture `x` and constants.
fn branches() -> ModelProto {
    let weights: Vec<f32> = (0..12).map(|at| (at as f32 * 0.7).cos()).collect();
    let others: Vec<f32> = weights.iter().map(|weight| 1.0 - weight).collect();
    let shape: &[i64] = &[4, 3, 1, 1];
    let constants: [super::Constant<'_>; 3] = [
        ("point", shape, &weights),
        ("other", shape, &others),
        ("limit", &[], &[5.0]),
    ];
    let branch = |nodes: &str| GraphProto {
        node: model(nodes, &[]).graph.unwrap().node,
        output: vec![ValueInfoProto {
            name: Some("z".to_owned()),
            ..ValueInfoProto::default()
        }],
        ..GraphProto::default()
    };
    let attribute = |name: &str, nodes: &str| AttributeProto {
        name: Some(name.to_owned()),
        g: Some(branch(nodes)),
        ..AttributeProto::default()
    };
    let mut model = model(
        "ReduceMax keepdims=0 x -> m; Greater m limit -> c",
        &constants,
    );
    model.graph.as_mut().unwrap().node.push(NodeProto {
        op_type: Some("If".to_owned()),
        attribute: vec![
            attribute("then_branch", "Conv x point -> z"),
            attribute("else_branch", "Conv x other -> a; Relu a -> z"),
        ],
        input: vec!["c".to_owned()],
        output: vec!["y".to_owned()],
        ..NodeProto::default()
    });
    model
}

#[test]
fn branches_pack_the_constants_that_they_capture() {
    let network = optimize(load::network(branches()).unwrap()).unwrap();
    let node = network.nodes.last().unwrap();
    let inner = &node.op.onnx().unwrap().graphs;
    assert_eq!(
        node.inputs.len(),
        3,
        "the condition, and `x` for each branch"
    );
    for graph in inner {
        let kernels = graph.network.nodes.iter();
        let kernels = kernels.filter(|node| matches!(node.op, Op::ConvKernel(_)));
        assert_eq!(
            (graph.captures, kernels.count()),
            (1, 1),
            "{}",
            graph.attribute
        );
    }
}

#[test]
fn both_branches_compute_what_they_did() {
    let small = input(&[1, 3, 2, 2]);
    let large = crate::Tensor::of(&[1, 3, 1, 2], vec![9.0_f32, 1.0, -2.0, 0.5, 3.0, -7.0]).unwrap();
    for (name, input) in [("else_branch", small), ("then_branch", large)] {
        let graphs = [
            Graph::build(load::network(branches()).unwrap()).unwrap(),
            Graph::load(branches()).unwrap(),
        ];
        let found = difference(graphs, &input, 1e-5);
        assert_eq!(found, None, "{name}");
    }
}
