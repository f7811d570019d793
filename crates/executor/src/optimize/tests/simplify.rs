//! Sums of two and Swish.

use super::{difference, graphs, input};

#[test]
fn sums_of_two_and_products_with_the_own_sigmoid_are_fused_and_compute_the_same() {
    let rows: [(&str, &[&str]); 8] = [
        ("Abs x -> a; Sum x a -> y", &["Abs", "Add"]),
        ("Abs x -> a; Sum a row -> y", &["Abs", "Add"]),
        ("Sigmoid x -> a; Mul x a -> y", &["Swish"]),
        ("Sigmoid x -> a; Mul a x -> y", &["Swish"]),
        // Three operands, one operand; another value, or a sigmoid that is used elsewhere.
        ("Abs x -> a; Sum x a x -> y", &["Abs", "Sum"]),
        ("Sum x -> y", &["Sum"]),
        (
            "Sigmoid x -> a; Abs x -> b; Mul b a -> y",
            &["Sigmoid", "Abs", "Mul"],
        ),
        (
            "Sigmoid x -> a; Mul x a -> b; Add b a -> y",
            &["Sigmoid", "Mul", "Add"],
        ),
    ];
    let mut wrong = Vec::new();
    for (nodes, expected) in rows {
        let graphs = graphs(nodes, &[("row", &[3], &[0.5, -1.0, 2.0])]);
        let names: Vec<&str> = graphs[1].operators().collect();
        if names != expected {
            wrong.push(format!("{nodes}: {names:?}, expected {expected:?}"));
        }
        if let Some(difference) = difference(graphs, &input(&[4, 3]), 1e-5) {
            wrong.push(format!("{nodes}: {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
