//! Which operator a case is of.
//!
//! Graphs of several nodes do not say, so it goes by names. A case is of the operator of its graph whose name its own
//! begins with, capitals and underscores aside and the longest first: `test_reduce_sum_square_keepdims` of
//! `ReduceSumSquare`. Where there is none, it is of the operator that makes the first output. A case
//! `test_clip_expanded`, which has an operator written as others, goes with the case `test_clip` where there is one,
//! as `Clip (expanded)`.

use std::collections::{BTreeMap, BTreeSet};

/// What stands in names of cases whose operator is written as others.
const EXPANDED: &str = "_expanded";

/// Where no graph can be read.
const UNKNOWN: &str = "(unknown)";

/// What is known of a case's graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Operators {
    /// All of the graph's, with their domains where these are not ONNX's own.
    pub(super) all: BTreeSet<String>,
    /// The one that makes the first output; empty where an input is handed on.
    pub(super) last: String,
}

/// The operator of one of the cases; those whose graph cannot be read are not among `graphs`.
pub(super) fn of(case: &str, graphs: &BTreeMap<String, Operators>) -> String {
    if let Some((base, _)) = case.split_once(EXPANDED)
        && let Some(operators) = graphs.get(base)
    {
        return format!("{} (expanded)", by_name(base, operators));
    }
    match graphs.get(case) {
        Some(operators) => by_name(case, operators).to_owned(),
        None => UNKNOWN.to_owned(),
    }
}

fn by_name<'a>(case: &str, operators: &'a Operators) -> &'a str {
    let case = letters(case.strip_prefix("test_").unwrap_or(case));
    let begins = |operator: &&String| {
        let bare = operator.rsplit('.').next().unwrap_or_default();
        [operator.as_str(), bare]
            .iter()
            .any(|name| case.starts_with(&letters(name)))
    };
    let named = operators.all.iter().filter(begins);
    let found = named.max_by_key(|operator| operator.len());
    match found.or_else(|| operators.all.get(&operators.last)) {
        Some(operator) => operator,
        None => UNKNOWN,
    }
}

fn letters(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide_and_then_what_comes_last() {
        let graphs: BTreeMap<String, Operators> = [
            ("test_less_equal", "LessOrEqual", "LessOrEqual"),
            ("test_less_equal_expanded", "Equal Less Or", "Or"),
            (
                "test_reduce_sum_square_x",
                "ReduceSum ReduceSumSquare",
                "ReduceSum",
            ),
            ("test_maxpool_2d", "Identity MaxPool", "Identity"),
            ("test_edge_pad", "Constant Pad", "Pad"),
            ("test_new_expanded_ver18", "Add Mul", "Mul"),
            (
                "test_ai_onnx_ml_label",
                "ai.onnx.ml.Label Cast",
                "ai.onnx.ml.Label",
            ),
            ("test_adam", "Mul preview.training.Adam", "Mul"),
            ("plain", "", ""),
        ]
        .into_iter()
        .map(|(case, all, last)| {
            let operators = Operators {
                all: all.split_whitespace().map(str::to_owned).collect(),
                last: last.to_owned(),
            };
            (case.to_owned(), operators)
        })
        .collect();
        let cases = [
            ("test_less_equal", "LessOrEqual"),
            ("test_less_equal_expanded", "LessOrEqual (expanded)"),
            ("test_less_equal_expanded_ver18", "LessOrEqual (expanded)"),
            ("test_reduce_sum_square_x", "ReduceSumSquare"),
            ("test_maxpool_2d", "MaxPool"),
            ("test_edge_pad", "Pad"),
            ("test_new_expanded_ver18", "Mul"),
            ("test_ai_onnx_ml_label", "ai.onnx.ml.Label"),
            ("test_adam", "preview.training.Adam"),
            ("plain", "(unknown)"),
            ("damaged", "(unknown)"),
        ];
        for (case, expected) in cases {
            assert_eq!(of(case, &graphs), expected, "{case}");
        }
    }
}
