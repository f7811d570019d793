//! Shuffles of channels.

use rten_onnx::onnx::{AttributeProto, DataType, ModelProto, TensorProto};

use super::{difference, input, model};
use crate::{Graph, load};

/// A model of these nodes, whose shapes `split` and `merged` are constants and whose Transpose has this order.
fn shuffled(nodes: &str, shapes: [&[i64]; 2], order: &[i64]) -> ModelProto {
    let weights: Vec<f32> = (0..18).map(|at| (at as f32 * 0.7).cos()).collect();
    let mut model = model(nodes, &[("six", &[6, 3, 1, 1], &weights)]);
    let graph = model.graph.as_mut().unwrap();
    for (name, shape) in ["split", "merged"].into_iter().zip(shapes) {
        graph.initializer.push(TensorProto {
            name: Some(name.to_owned()),
            data_type: Some(DataType::INT64),
            dims: vec![shape.len() as i64],
            int64_data: shape.to_vec(),
            ..TensorProto::default()
        });
    }
    let transposes = graph.node.iter_mut();
    for node in transposes.filter(|node| node.op_type.as_deref() == Some("Transpose")) {
        node.attribute.push(AttributeProto {
            name: Some("perm".to_owned()),
            ints: order.to_vec(),
            ..AttributeProto::default()
        });
    }
    model
}

const SHUFFLE: &str = "Reshape a split -> b; Transpose b -> c; Reshape c merged -> ";
const ORDER: &[i64] = &[0, 2, 1, 3, 4];

#[test]
fn shuffles_are_one_operator_and_compute_the_same() {
    let (last, first) = ("ToChannelsLast", "ToChannelsFirst");
    let plain = &["Reshape", "Transpose", "Reshape"][..];
    let exact: [&[i64]; 2] = [&[2, 3, 2, 4, 5], &[2, 6, 4, 5]];
    let open: [&[i64]; 2] = [&[-1, 2, 3, 4, 5], &[0, 6, 4, 5]];
    let other: [&[i64]; 2] = [&[2, 3, 2, 2, 10], &[2, 6, 4, 5]];
    type Row<'a> = (&'a str, [&'a [i64]; 2], &'a [i64], &'a [&'a str]);
    let rows: [Row<'_>; 6] = [
        (
            "Conv x six -> a; ",
            exact,
            ORDER,
            &[last, "Conv", "ChannelShuffle", first],
        ),
        (
            "Conv x six -> d; Relu d -> a; ",
            open,
            ORDER,
            &[last, "Conv", "ChannelShuffle", first],
        ),
        (
            "Conv x six -> d; Abs d -> a; ",
            open,
            ORDER,
            &[last, "Conv", "Abs", "ChannelShuffle", first],
        ),
        // Another order, another size; a value that no convolution computes.
        (
            "Conv x six -> a; ",
            exact,
            &[0, 1, 2, 3, 4],
            &[last, "Conv", first],
        ),
        ("Conv x six -> a; ", other, ORDER, &[last, "Conv", first]),
        ("Concat axis=1 x x -> a; ", open, ORDER, &["Concat"]),
    ];
    let mut wrong = Vec::new();
    for (before, shapes, order, expected) in rows {
        let nodes = format!("{before}{SHUFFLE}y");
        let make = || shuffled(&nodes, shapes, order);
        let graphs = [
            Graph::build(load::network(make()).unwrap()).unwrap(),
            Graph::load(make()).unwrap(),
        ];
        let steps = graphs[1].profile(vec![input(&[2, 3, 4, 5])], 1).unwrap();
        let names: Vec<&str> = steps.iter().map(|(name, _)| name.as_str()).collect();
        let is_fused = expected.contains(&"ChannelShuffle");
        let whole = [expected, if is_fused { &[] } else { plain }].concat();
        if names != whole {
            wrong.push(format!("{nodes} {shapes:?}: {names:?}, expected {whole:?}"));
        }
        let found = difference(graphs, &input(&[2, 3, 4, 5]), 1e-5);
        wrong.extend(found.map(|found| format!("{nodes} {shapes:?}: {found}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn images_of_another_size_are_refused() {
    let nodes = format!("Conv x six -> a; {SHUFFLE}y");
    let graph = Graph::load(shuffled(&nodes, [&[1, 3, 2, 4, 5], &[1, 6, 4, 5]], ORDER)).unwrap();
    for shape in [[1, 3, 5, 4], [1, 3, 2, 10], [2, 3, 2, 5], [1, 3, 8, 5]] {
        let error = graph.run(vec![input(&shape)]).unwrap_err().to_string();
        assert!(
            error.contains("expected 6 channels of 4 x 5 values"),
            "{error}"
        );
    }
}
