//! Layouts, and what convolutions and products take into their kernels.

use super::{difference, graphs, input};

#[test]
fn convolutions_are_channels_last_and_take_what_follows() {
    let (last, first) = ("ToChannelsLast", "ToChannelsFirst");
    let rows: [(&str, &[&str]); 27] = [
        ("Conv x point -> y", &[last, "Conv", first]),
        // Fused: a normalization, a range, a sum.
        ("Conv x point -> a; Relu a -> y", &[last, "Conv", first]),
        (
            "Conv x point -> a; Clip a low high -> y",
            &[last, "Conv", first],
        ),
        (
            "Conv x point shift -> a; BatchNormalization a shift shift shift spread -> b; Relu b -> y",
            &[last, "Conv", first],
        ),
        (
            "Conv x point -> a; Abs a -> b; Conv x point -> c; Add b c -> d; Relu d -> y",
            &[last, "Conv", "Abs", "Conv", first],
        ),
        (
            "Conv x point -> a; Abs a -> b; Conv x point -> c; Add c b -> y",
            &[last, "Conv", "Abs", "Conv", first],
        ),
        // The second operand is depthwise, which takes no sum.
        (
            "Conv x point -> a; Ceil a -> b; Conv group=4 b own -> c; Conv x full -> d; Add d c -> y",
            &[last, "Conv", "Ceil", "Conv", "Conv", first],
        ),
        // Not fused: a second range, a sum after a range, a value that is used twice, ranges that are not constant.
        (
            "Conv x point -> a; Relu a -> b; Clip b low high -> y",
            &[last, "Conv", "Clip", first],
        ),
        (
            "Conv x point -> a; Relu a -> b; Conv x point -> c; Relu c -> d; Add b d -> y",
            &[last, "Conv", "Conv", "Add", first],
        ),
        (
            "Conv x point -> a; Add a a -> y",
            &[last, "Conv", "Add", first],
        ),
        (
            "Conv x point -> a; Relu a -> b; Add a b -> y",
            &[last, "Conv", "Relu", "Add", first],
        ),
        (
            "Conv x point -> a; ReduceMax keepdims=0 x -> m; Clip a m -> y",
            &[last, "Conv", "ReduceMax", "Clip", first],
        ),
        // A constant for each channel; one that is none.
        (
            "Conv x point -> a; Mul a channels -> b; Add low b -> c; Relu c -> y",
            &[last, "Conv", first],
        ),
        (
            "Conv x point -> a; Relu a -> b; Mul b channels -> y",
            &[last, "Conv", "Mul", first],
        ),
        (
            "Conv x point -> b; Conv group=4 b own -> c; Add c channels -> d; Mul d low -> y",
            &[last, "InvertedBottleneck", first],
        ),
        // Operators with an axis, or with numbers for each.
        (
            "Conv x point -> a; Split axis=1 num_outputs=2 a -> b,c; Conv x point -> d; Mul b c -> e; Concat axis=1 d e -> y",
            &[last, "Conv", "Split", "Conv", "Mul", "Concat", first],
        ),
        (
            "Conv x point -> a; Split axis=2 num_outputs=3 a -> b,c,d; Add b d -> y",
            &[last, "Conv", first, "Split", "Add"],
        ),
        (
            "Conv x point -> a; Resize a _ scales -> b; Pad b pads -> c; Relu c -> y",
            &[last, "Conv", "Resize", "Pad", "Relu", first],
        ),
        (
            "Conv x point -> a; Resize mode=linear a _ _ sizes -> y",
            &[last, "Conv", "Resize", first],
        ),
        (
            "Conv x point -> a; Shape a -> s; Resize mode=linear a _ _ s -> b; Relu b -> y",
            &[last, "Conv", first, "Shape", "Resize", "Relu"],
        ),
        (
            "Conv x point -> a; Mul a columns -> y",
            &[last, "Conv", first, "Mul"],
        ),
        // Operators that need the file's layout, and others between them.
        (
            "Conv x point -> a; Softmax axis=1 a -> y",
            &[last, "Conv", first, "Softmax"],
        ),
        (
            "Conv x point -> a; Softmax axis=1 a -> b; Abs b -> c; Abs a -> d; Add c d -> y",
            &[last, "Conv", first, "Softmax", "Abs", "Abs", first, "Add"],
        ),
        (
            "Conv x point -> a; Conv x point -> b; Concat axis=1 a b -> y",
            &[last, "Conv", "Conv", "Concat", first],
        ),
        (
            "Conv x point -> a; Conv x point -> b; Concat axis=2 a b -> y",
            &[last, "Conv", "Conv", first, first, "Concat"],
        ),
        // Products, whose bias can come after another product.
        (
            "Conv x point -> a; GlobalAveragePool a -> b; Flatten b -> c; MatMul c square -> d; Add shift d -> e; Relu e -> y",
            &[
                last,
                "Conv",
                "GlobalAveragePool",
                first,
                "Flatten",
                "MatMul",
            ],
        ),
        (
            "GlobalAveragePool x -> a; Flatten a -> b; MatMul b threes -> c; MatMul b threes -> d; Add c shift -> e; \
             Abs d -> f; Add e f -> y",
            &[
                "GlobalAveragePool",
                "Flatten",
                "MatMul",
                "MatMul",
                "Abs",
                "Add",
            ],
        ),
    ];
    let numbers = |count: u8| (0..count).map(|at| (f32::from(at) * 1.7).cos());
    let [point, own, full] = [12, 36, 108].map(|count| numbers(count).collect::<Vec<f32>>());
    let constants: [(&str, &[i64], &[f32]); 12] = [
        ("point", &[4, 3, 1, 1], &point),
        ("scales", &[4], &[1.0, 1.0, 2.0, 1.5]),
        ("own", &[4, 1, 1, 1], &own[..4]),
        ("full", &[4, 3, 1, 1], &full[..12]),
        ("shift", &[4], &point[..4]),
        ("spread", &[4], &[0.5, 1.0, 2.0, 3.0]),
        ("low", &[], &[-0.5]),
        ("high", &[], &[0.75]),
        ("channels", &[4, 1, 1], &point[..4]),
        ("columns", &[7], &point[..7]),
        ("square", &[4, 4], &own[..16]),
        ("threes", &[3, 4], &point),
    ];
    let input = input(&[2, 3, 9, 7]);
    let mut wrong = Vec::new();
    for (nodes, expected) in rows {
        let graphs = graphs(nodes, &constants);
        let steps = graphs[1].profile(vec![input.clone()], 1).unwrap();
        let names: Vec<&str> = steps.iter().map(|(name, _)| name.as_str()).collect();
        if names != expected {
            wrong.push(format!("{nodes}: {names:?}"));
        }
        if let Some(difference) = difference(graphs, &input, 1e-5) {
            wrong.push(format!("{nodes}: {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
