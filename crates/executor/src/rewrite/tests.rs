//! Rewritten graphs beside the same as they came.

use rten_onnx::onnx::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto,
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
            data_type: Some(DataType::FLOAT),
            dims: dims.to_vec(),
            float_data: values.to_vec(),
            ..TensorProto::default()
        })
        .collect();
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
            AttributeProto {
                name: Some(name.to_owned()),
                i: Some(value.parse().unwrap()),
                ..AttributeProto::default()
            }
        };
        let words = words.into_iter();
        let words = words.map(|name| if name == "_" { "" } else { name }.to_owned());
        NodeProto {
            domain: Some(domain.to_owned()),
            op_type: Some(op_type.to_owned()),
            attribute: attributes.into_iter().map(attribute).collect(),
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
        opset_import: [("", 18), ("com.microsoft", 1)]
            .map(|(domain, version)| OperatorSetIdProto {
                domain: Some(domain.to_owned()),
                version: Some(version),
            })
            .to_vec(),
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

#[test]
fn a_pointwise_convolution_and_the_depthwise_one_that_follows_are_one_step() {
    let one = "PointwiseDepthwiseConv";
    let mut wrong = Vec::new();
    for (nodes, expected) in [
        ("Conv x point -> a; Conv group=4 a own -> y", &[one][..]),
        (
            "Conv x point shift -> a; Relu a -> b; Conv group=4 b own shift -> c; Relu c -> y",
            &[one],
        ),
        (
            "Conv x point -> a; Conv group=4 a own -> b; Conv b back -> c; Conv c point -> d; Conv group=4 d own -> y",
            &[one, "Conv", one],
        ),
        // What is between them is needed elsewhere, has something added, is rounded up; other windows, other groups.
        (
            "Conv x point -> a; Conv group=4 a own -> b; GlobalAveragePool a -> c; Add b c -> y",
            &["Conv", "Conv", "GlobalAveragePool", "Add"],
        ),
        (
            "Conv x point -> a; Conv x point shift -> b; Add a b -> c; Conv group=4 c own -> y",
            &["Conv", "Conv", "Conv"],
        ),
        (
            "Conv x point -> a; Ceil a -> b; Conv group=4 b own -> y",
            &["Conv", "Ceil", "Conv"],
        ),
        (
            "Conv x wide_window -> a; Conv group=4 a own -> y",
            &["Conv", "Conv"],
        ),
        (
            "Conv x point -> a; Conv group=2 a pairs -> y",
            &["Conv", "Conv"],
        ),
        (
            "Conv group=3 x threes -> a; Conv a point -> y",
            &["Conv", "Conv"],
        ),
    ] {
        let numbers = |count: u8| (0..count).map(|at| (f32::from(at) * 1.7).cos());
        let [point, own, pairs, threes, wide] =
            [12, 36, 72, 27, 108].map(|count| numbers(count).collect::<Vec<f32>>());
        let constants: [(&str, &[i64], &[f32]); 7] = [
            ("point", &[4, 3, 1, 1], &point),
            ("back", &[3, 4, 1, 1], &point),
            ("own", &[4, 1, 3, 3], &own),
            ("pairs", &[4, 2, 3, 3], &pairs),
            ("threes", &[3, 1, 3, 3], &threes),
            ("wide_window", &[4, 3, 3, 3], &wide),
            ("shift", &[4], &point[..4]),
        ];
        let input = || {
            let values = (0..2 * 3 * 9 * 7).map(|at| (at as f32 * 1.3).sin() * 2.0);
            vec![Tensor::of(&[2, 3, 9, 7], values.collect()).unwrap()]
        };
        let constants: Vec<_> = constants
            .into_iter()
            .filter(|(name, ..)| nodes.contains(name))
            .collect();
        let plain = Graph::build(load::network(model(nodes, &constants)).unwrap()).unwrap();
        let fused = Graph::load(model(nodes, &constants)).unwrap();
        let steps = fused.profile(input(), 1).unwrap();
        let names = steps.iter().map(|(name, _)| name.as_str());
        let names: Vec<&str> = names.filter(|&name| name != "MoveChannels").collect();
        if names != expected {
            wrong.push(format!("{nodes}: {names:?}"));
        }
        let [plain, fused] = [plain, fused].map(|graph| graph.run(input()).unwrap().remove(0));
        let pairs = plain
            .elements::<f32>()
            .unwrap()
            .iter()
            .zip(fused.elements().unwrap());
        let apart = pairs.fold(0.0, |most, (a, b): (&f32, &f32)| {
            f32::max(most, (a - b).abs())
        });
        if plain.shape() != fused.shape() || apart > 1e-5 {
            wrong.push(format!(
                "{nodes}: {:?} and {:?}, {apart} apart",
                plain.shape(),
                fused.shape()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn quantized_networks_compute_the_same_in_fp32() {
    let mut wrong = Vec::new();
    // What of each is left as it is.
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
        // Other numbers are meant, or the quantized ones are needed.
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
        // Convolutions: rounded, quantized, with one scale and with several, and none that follows.
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
        // What only gives the numbers another form does so dequantized.
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
        // Scales that are not known before the request.
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
        let input = || {
            let values = (0..12).map(|at| (at as f32 * 1.3).sin() * 2.0);
            vec![Tensor::of(&[4, 3], values.collect()).unwrap()]
        };
        let plain = Graph::build(load::network(model(nodes, &[])).unwrap()).unwrap();
        let fused = Graph::load(model(nodes, &[])).unwrap();
        let names: Vec<&str> = fused.operators().collect();
        if names != left {
            wrong.push(format!("{nodes}: {names:?}"));
        }
        let wide = |graph: Graph| {
            let output = graph.run(input()).unwrap().remove(0);
            let reals = crate::real::reals::<f32>(&output).map(|reals| reals.into_owned());
            (output.shape().to_vec(), reals.unwrap_or_default())
        };
        let (plain, fused) = (wide(plain), wide(fused));
        let pairs = plain.1.iter().zip(&fused.1);
        let apart = pairs.fold(0.0, |most, (a, b)| f32::max(most, (a - b).abs()));
        let is_same = plain.0 == fused.0 && plain.1.len() == fused.1.len() && apart < 1e-5;
        if !is_same {
            wrong.push(format!("{nodes}: {plain:?} and {fused:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn images_for_convolutions_of_bytes_are_rounded_and_moved_in_one_step() {
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
        // What is rounded is used otherwise, before it is moved or after.
        (
            format!("{conv}; DequantizeLinear q steps zero -> d; ReduceMax d -> m; Add a m -> y"),
            false,
        ),
        (
            format!("{conv}; DequantizeLinear q steps zero -> d; Conv d floats -> b; Add a b -> y"),
            false,
        ),
        // Values are quantized, but not as the convolution takes them.
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
        // Some beyond the levels.
        let input = || {
            let mut values: Vec<f32> = (0..12).map(|at| (at as f32 * 1.3).sin() * 2.0).collect();
            values[..3].copy_from_slice(&[1e9, f32::NEG_INFINITY, f32::INFINITY]);
            vec![Tensor::of(&[4, 3], values).unwrap()]
        };
        let plain = Graph::build(load::network(model(&nodes, &constants)).unwrap()).unwrap();
        let fused = Graph::load(model(&nodes, &constants)).unwrap();
        let steps = fused.profile(input(), 1).unwrap();
        if steps.iter().any(|(name, _)| name == "QuantizeMoveChannels") != expected {
            wrong.push(format!("{nodes}: {steps:?}"));
        }
        let [plain, fused] = [plain, fused].map(|graph| graph.run(input()).unwrap().remove(0));
        let pairs = plain.elements::<f32>().unwrap().iter();
        let pairs = pairs.zip(fused.elements::<f32>().unwrap());
        let apart = pairs.fold(0.0, |most, (a, b)| f32::max(most, (a - b).abs()));
        if plain.shape() != fused.shape() || apart >= 1e-5 {
            wrong.push(format!("{nodes}: {plain:?} and {fused:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
