//! Inverted bottlenecks.

use super::{difference, graphs, input};

#[test]
fn a_pointwise_and_a_depthwise_convolution_are_fused() {
    let one = "InvertedBottleneck";
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
        // Something else uses the value between them, or changes it; other windows, other groups.
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
        let constants: Vec<_> = constants
            .into_iter()
            .filter(|(name, ..)| nodes.contains(name))
            .collect();
        let graphs = graphs(nodes, &constants);
        let input = input(&[2, 3, 9, 7]);
        let steps = graphs[1].profile(vec![input.clone()], 1).unwrap();
        let names = steps.iter().map(|(name, _)| name.as_str());
        let names: Vec<&str> = names
            .filter(|&name| !name.starts_with("ToChannels"))
            .collect();
        if names != expected {
            wrong.push(format!("{nodes}: {names:?}"));
        }
        if let Some(difference) = difference(graphs, &input, 1e-5) {
            wrong.push(format!("{nodes}: {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
