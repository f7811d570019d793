//! The pattern language.

use super::model;
use crate::load;
use crate::optimize::nodes::Nodes;
use crate::optimize::pattern::{OpPattern, any, constant, matches, one_of, onnx, scalar};

#[test]
fn patterns_match_nodes_that_nothing_else_uses() {
    let softsign = || {
        let sum = onnx("Add", [scalar(1.0), onnx("Abs", [any("x")]).into()]);
        onnx("Div", [any("x"), sum.named("sum").into()]).named("root")
    };
    let square = || onnx("Mul", [onnx("Abs", [any("x")]).named("a").into(), any("a")]);
    let either = || {
        let operand = one_of([
            onnx("Abs", [any("x")]).into(),
            onnx("Neg", [any("x")]).into(),
        ]);
        onnx("Mul", [operand, any("other")])
    };
    let rows: [(&str, OpPattern, Option<usize>); 17] = [
        // The number is how many nodes match.
        (
            "Abs x -> a; Add one a -> s; Div x s -> y",
            softsign(),
            Some(3),
        ),
        // Operands of Add in the other order.
        (
            "Abs x -> a; Add a one -> s; Div x s -> y",
            softsign(),
            Some(3),
        ),
        // Operands of Div in the other order, another number, another value, another operator, another domain.
        ("Abs x -> a; Add one a -> s; Div s x -> y", softsign(), None),
        ("Abs x -> a; Add two a -> s; Div x s -> y", softsign(), None),
        (
            "Exp x -> e; Abs x -> a; Add one a -> s; Div e s -> y",
            softsign(),
            None,
        ),
        ("Neg x -> a; Add one a -> s; Div x s -> y", softsign(), None),
        (
            "Abs x -> a; com.microsoft:Add one a -> s; Div x s -> y",
            softsign(),
            None,
        ),
        // A vector is no scalar, even of one element.
        (
            "Abs x -> a; Add ones a -> s; Div x s -> y",
            softsign(),
            None,
        ),
        // Something else uses an inner value.
        (
            "Abs x -> a; Add one a -> s; Exp s -> e; Div x s -> y",
            softsign(),
            None,
        ),
        // A name refers to a node's output, which is used twice within the match; or to another value.
        ("Abs x -> a; Mul a a -> y", square(), Some(2)),
        ("Abs x -> a; Abs x -> b; Mul a b -> y", square(), None),
        ("Abs x -> a; Exp a -> e; Mul a a -> y", square(), None),
        // Alternatives; what failed is not bound any more.
        ("Neg x -> n; Mul n one -> y", either(), Some(2)),
        ("Neg x -> n; Mul one n -> y", either(), Some(2)),
        ("Neg x -> n; Mul n n -> y", either(), None),
        // Constants.
        (
            "Add x one -> y",
            onnx("Add", [any("x"), constant("c")]),
            Some(1),
        ),
        (
            "Add one x -> y",
            onnx("Add", [any("x"), constant("c")]).in_order(),
            None,
        ),
    ];
    let constants: [(&str, &[i64], &[f32]); 3] = [
        ("one", &[], &[1.0]),
        ("ones", &[1], &[1.0]),
        ("two", &[], &[2.0]),
    ];
    let mut wrong = Vec::new();
    for (nodes, pattern, expected) in rows {
        let mut network = load::network(model(nodes, &constants)).unwrap();
        let input = network.inputs[0];
        let root = network.nodes.len() - 1;
        let all = Nodes::of(&mut network);
        let found = matches(&pattern, root, &all, &network);
        let count = found.as_ref().map(|found| found.places.len());
        let is_bound = found.is_none_or(|found| found.value("x") == Some(input));
        if count != expected || !is_bound {
            wrong.push(format!("{nodes}: {count:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
