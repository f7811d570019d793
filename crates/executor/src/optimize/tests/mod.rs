//! Optimized graphs compared with the same graphs before optimization.

mod convolution_errors;
mod convolutions;
mod half;
mod inverted_bottleneck;
mod layout;
mod pattern;
mod quantized;
mod shared;
mod shuffle;
mod simplify;
mod subgraphs;
mod transformer;

use rten_onnx::onnx::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto,
};

use crate::tensor::Tensor;
use crate::{Graph, load, real};

/// A constant's name, shape and values.
type Constant<'a> = (&'a str, &'a [i64], &'a [f32]);

/// A model with the input `x` and the output `y`. Nodes are written as `Operator input input -> output` and separated by
/// semicolons.
fn model(nodes: &str, constants: &[Constant<'_>]) -> ModelProto {
    let named = |name: &str| ValueInfoProto {
        name: Some(name.to_owned()),
        ..ValueInfoProto::default()
    };
    let mut initializer: Vec<TensorProto> = constants
        .iter()
        .map(|(name, dims, values)| TensorProto {
            name: Some((*name).to_owned()),
            data_type: Some(DataType::FLOAT),
            dims: dims.to_vec(),
            float_data: values.to_vec(),
            ..TensorProto::default()
        })
        .collect();
    let more: [(&str, &[i64]); 2] = [
        ("pads", &[0, 1, 2, 0, 0, 0, 3, 1]),
        ("sizes", &[2, 4, 5, 20]),
    ];
    for (name, values) in more {
        initializer.push(TensorProto {
            name: Some(name.to_owned()),
            data_type: Some(DataType::INT64),
            dims: vec![values.len() as i64],
            int64_data: values.to_vec(),
            ..TensorProto::default()
        });
    }
    for (name, axis) in [("last", -1), ("first", 0)] {
        initializer.push(TensorProto {
            name: Some(name.to_owned()),
            data_type: Some(DataType::INT64),
            dims: vec![1],
            int64_data: vec![axis],
            ..TensorProto::default()
        });
    }
    let whole: [(&str, DataType, &[i64], &[i32]); 12] = [
        ("zero", DataType::UINT8, &[], &[100]),
        ("none", DataType::INT8, &[], &[0]),
        ("nones", DataType::INT8, &[4], &[0, 0, 0, 0]),
        ("some", DataType::UINT8, &[], &[3]),
        (
            "window",
            DataType::INT8,
            &[4, 3, 1, 1],
            &[5, -3, 100, -128, 127, 1, 9, -9, 77, 2, 3, 4],
        ),
        (
            "matrix",
            DataType::INT8,
            &[3, 4],
            &[5, -3, 100, -128, 127, 1, 9, -9, 77, 2, 3, 4],
        ),
        (
            "turned",
            DataType::INT8,
            &[4, 3],
            &[5, -3, 100, -128, 127, 1, 9, -9, 77, 2, 3, 4],
        ),
        ("offsets", DataType::INT32, &[4], &[1000, -200, 0, 31]),
        ("image", DataType::INT64, &[4], &[1, 3, 2, 2]),
        ("steps", DataType::FLOAT, &[], &[]),
        ("wide", DataType::FLOAT, &[], &[]),
        ("each", DataType::FLOAT, &[4], &[]),
    ];
    for (name, data_type, dims, values) in whole {
        let float_data = match name {
            "steps" => vec![0.017],
            "wide" => vec![0.71],
            "each" => vec![0.01, 0.02, 0.005, 0.013],
            _ => Vec::new(),
        };
        let is_long = data_type == DataType::INT64;
        initializer.push(TensorProto {
            name: Some(name.to_owned()),
            data_type: Some(data_type),
            dims: dims.to_vec(),
            float_data,
            int64_data: match is_long {
                true => values.iter().map(|&value| value.into()).collect(),
                false => Vec::new(),
            },
            int32_data: match is_long {
                true => Vec::new(),
                false => values.to_vec(),
            },
            ..TensorProto::default()
        });
    }
    let node = |line: &str| {
        let (from, to) = line.split_once(" -> ").unwrap();
        let (operator, inputs) = from.trim().split_once(' ').unwrap();
        let (domain, op_type) = operator.rsplit_once(':').unwrap_or(("", operator));
        // `_` is an input that is left out, `name=1` an attribute.
        let words = inputs.split_whitespace();
        let (attributes, words): (Vec<&str>, Vec<&str>) =
            words.partition(|word| word.contains('='));
        let attribute = |text: &str| {
            let (name, value) = text.split_once('=').unwrap();
            let mut attribute = AttributeProto {
                name: Some(name.to_owned()),
                ..AttributeProto::default()
            };
            match value.parse() {
                Ok(value) => attribute.i = Some(value),
                // `1,2` and `1,` are lists.
                Err(_) if value.contains(',') => {
                    let values = value.split_terminator(',');
                    attribute.ints = values.map(|value| value.parse().unwrap()).collect();
                }
                Err(_) => attribute.s = Some(value.to_owned()),
            }
            attribute
        };
        let words = words.into_iter();
        let words = words.map(|name| if name == "_" { "" } else { name }.to_owned());
        NodeProto {
            domain: Some(domain.to_owned()),
            op_type: Some(op_type.to_owned()),
            attribute: attributes.into_iter().map(attribute).collect(),
            input: words.collect(),
            output: to.trim().split(',').map(str::to_owned).collect(),
            ..NodeProto::default()
        }
    };
    ModelProto {
        graph: Some(GraphProto {
            node: nodes.split(';').map(node).collect(),
            initializer,
            input: vec![named("x")],
            output: vec![named("y")],
            ..GraphProto::default()
        }),
        opset_import: [("", 18), ("com.microsoft", 1)]
            .map(|(domain, version)| OperatorSetIdProto {
                domain: Some(domain.to_owned()),
                version: Some(version),
            })
            .to_vec(),
        ..ModelProto::default()
    }
}

/// A model's graph before and after optimization.
fn graphs(nodes: &str, constants: &[Constant<'_>]) -> [Graph; 2] {
    let plain = load::network(model(nodes, constants)).unwrap();
    [
        Graph::build(plain).unwrap(),
        Graph::load(model(nodes, constants)).unwrap(),
    ]
}

/// How the first outputs of two graphs differ, if they do by more than the tolerance.
fn difference(graphs: [Graph; 2], input: &Tensor, tolerance: f32) -> Option<String> {
    let [plain, optimized] = graphs.map(|graph| {
        let output = graph.run(vec![input.clone()]).unwrap().remove(0);
        let values = real::reals::<f32>(&output).map(|values| values.into_owned());
        (output.shape().to_vec(), values.unwrap_or_default())
    });
    let pairs = plain.1.iter().zip(&optimized.1);
    // `f32::max` ignores NaN, which is what the poison of an element that an operator leaves out becomes.
    let distance = |(a, b): (&f32, &f32)| match (a - b).abs() {
        _ if a == b => 0.0,
        distance if distance.is_nan() => f32::INFINITY,
        distance => distance,
    };
    let most = pairs.map(distance).fold(0.0, f32::max);
    let is_same = plain.0 == optimized.0 && plain.1.len() == optimized.1.len() && most <= tolerance;
    (!is_same).then(|| format!("{plain:?} before and {optimized:?} after, {most} apart"))
}

/// Values for the input `x`.
fn input(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|at| (at as f32 * 1.3).sin() * 2.0);
    Tensor::of(shape, values.collect()).unwrap()
}
