//! Gelu and LayerNormalization of several operators.

use super::{difference, graphs, input};

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
fn gelu_and_layer_normalization_are_fused_and_compute_the_same() {
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
        // Other constants, another tensor, an inner value that is used elsewhere, a constant that adds dimensions.
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
        // Another axis, another order, no square, an inner value that is used elsewhere, a scale for each row.
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
        let graphs = graphs(&nodes, &constants);
        let names: Vec<&str> = graphs[1].operators().collect();
        let is_right = match expected {
            Some(name) => names == [name],
            None => names.len() == graphs[0].operators().count(),
        };
        if !is_right {
            wrong.push(format!("{nodes}: {names:?}"));
        }
        if let Some(difference) = difference(graphs, &input(&[4, 3]), 1e-5) {
            wrong.push(format!("{nodes}: {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
