//! Rewritten graphs beside the same as they came.

use rten_onnx::onnx::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
};

use crate::tensor::Tensor;
use crate::{Graph, load};

/// A model of `x`, `[4, 3]`, with nodes written as `Operator input input -> output`; `y` is put out.
fn model(nodes: &str, constants: &[(&str, &[i64], &[f32])]) -> ModelProto {
    let named = |name: &str| ValueInfoProto {
        name: Some(name.to_owned()),
        ..ValueInfoProto::default()
    };
    let mut initializer: Vec<TensorProto> = constants
        .iter()
        .map(|(name, dims, values)| TensorProto {
            name: Some((*name).to_owned()),
            data_type: Some(rten_onnx::onnx::DataType::FLOAT),
            dims: dims.to_vec(),
            float_data: values.to_vec(),
            ..TensorProto::default()
        })
        .collect();
    for (name, axis) in [("last", -1), ("first", 0)] {
        initializer.push(TensorProto {
            name: Some(name.to_owned()),
            data_type: Some(rten_onnx::onnx::DataType::INT64),
            dims: vec![1],
            int64_data: vec![axis],
            ..TensorProto::default()
        });
    }
    let node = |line: &str| {
        let (from, to) = line.split_once(" -> ").unwrap();
        let mut words = from.split_whitespace().map(str::to_owned);
        NodeProto {
            op_type: words.next(),
            input: words.collect(),
            output: vec![to.trim().to_owned()],
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
        opset_import: vec![OperatorSetIdProto {
            version: Some(18),
            ..OperatorSetIdProto::default()
        }],
        ..ModelProto::default()
    }
}

const SCALARS: [(&str, &[i64], &[f32]); 6] = [
    ("root", &[], &[std::f32::consts::SQRT_2]),
    ("reciprocal", &[], &[std::f32::consts::FRAC_1_SQRT_2]),
    ("one", &[], &[1.0]),
    ("half", &[], &[0.5]),
    ("two", &[], &[2.0]),
    ("epsilon", &[], &[1e-5]),
];
const VECTORS: [(&str, &[i64], &[f32]); 4] = [
    ("scale", &[3], &[0.5, 1.0, -2.0]),
    ("bias", &[3], &[0.0, 3.0, 1.0]),
    ("column", &[4, 1], &[0.1, 0.2, 0.3, 0.4]),
    ("halves", &[1, 1, 1], &[0.5]),
];

#[test]
fn what_is_taken_apart_is_put_together_and_computes_the_same() {
    let gelu = "Div x root -> a; Erf a -> b; Add b one -> c; ";
    let norm = "ReduceMean x last -> m; Sub x m -> d; Pow d two -> p; ReduceMean p last -> v; \
                Add v epsilon -> e; Sqrt e -> s; Div d s -> n; ";
    let mut wrong = Vec::new();
    for (nodes, expected) in [
        (format!("{gelu}Mul x c -> d; Mul d half -> y"), Some("Gelu")),
        (format!("{gelu}Mul c half -> d; Mul d x -> y"), Some("Gelu")),
        (format!("Mul x half -> h; {gelu}Mul h c -> y"), Some("Gelu")),
        (
            "Mul reciprocal x -> a; Erf a -> b; Add one b -> c; Mul c x -> d; Mul half d -> y"
                .to_owned(),
            Some("Gelu"),
        ),
        // Other numbers, another tensor, something that is needed elsewhere, a constant that adds dimensions.
        (format!("{gelu}Mul x c -> d; Mul d two -> y"), None),
        ("Div x two -> a; Erf a -> b; Add b one -> c; Mul x c -> d; Mul d half -> y".to_owned(), None),
        ("Div root x -> a; Erf a -> b; Add b one -> c; Mul x c -> d; Mul d half -> y".to_owned(), None),
        (format!("{gelu}Mul a c -> d; Mul d half -> y"), None),
        (format!("{gelu}Mul x c -> d; Mul d half -> f; Add f b -> y"), None),
        (format!("{gelu}Mul x c -> d; Mul d halves -> y"), None),
        (format!("{gelu}Mul c c -> d; Mul d half -> y"), None),
        (format!("{norm}Mul n scale -> o; Add o bias -> y"), Some("LayerNormalization")),
        (format!("{norm}Mul scale n -> o; Add bias o -> y"), Some("LayerNormalization")),
        (
            "ReduceMean x last -> m; Sub x m -> d; Mul d d -> p; ReduceMean p last -> v; Add epsilon v -> e; \
             Sqrt e -> s; Div d s -> n; Mul n scale -> o; Add o bias -> y"
                .to_owned(),
            Some("LayerNormalization"),
        ),
        // Another axis, another tensor, something needed elsewhere, a scale of rows, another order, no square.
        (norm.replacen("last", "first", 1) + "Mul n scale -> o; Add o bias -> y", None),
        (norm.replace("p last", "p first") + "Mul n scale -> o; Add o bias -> y", None),
        (norm.replace("Sub x m", "Sub m x") + "Mul n scale -> o; Add o bias -> y", None),
        (norm.replace("Div d s", "Div s d") + "Mul n scale -> o; Add o bias -> y", None),
        (norm.replace("d two", "d one") + "Mul n scale -> o; Add o bias -> y", None),
        (format!("{norm}Mul n scale -> o; Add o v -> y"), None),
        (format!("{norm}Mul n scale -> o; Add o bias -> f; Add f d -> y"), None),
        (format!("{norm}Mul n column -> o; Add o bias -> y"), None),
        (format!("{norm}Mul n scale -> o; Add o column -> y"), None),
    ] {
        let constants = [&SCALARS[..], &VECTORS].concat();
        let input = || {
            let values = (0..12).map(|at| (at as f32 * 1.3).sin() * 2.0);
            vec![Tensor::of(&[4, 3], values.collect()).unwrap()]
        };
        let plain = Graph::build(load::network(model(&nodes, &constants)).unwrap()).unwrap();
        let fused = Graph::load(model(&nodes, &constants)).unwrap();
        let names: Vec<&str> = fused.operators().collect();
        let is_right = match expected {
            Some(name) => names == [name],
            None => names.len() == plain.operators().count(),
        };
        if !is_right {
            wrong.push(format!("{nodes}: {names:?}"));
        }
        let [plain, fused] = [plain, fused].map(|graph| graph.run(input()).unwrap().remove(0));
        let pairs = plain.elements::<f32>().unwrap().iter().zip(fused.elements().unwrap());
        let apart = pairs.fold(0.0, |most, (a, b): (&f32, &f32)| f32::max(most, (a - b).abs()));
        if plain.shape() != fused.shape() || apart > 1e-5 {
            wrong.push(format!("{nodes}: {:?} and {:?}, {apart} apart", plain.shape(), fused.shape()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
