//! Finds the operator that a case tests.
//!
//! A graph of several nodes does not say which one is tested, so names decide. A case tests the operator of its graph
//! whose name is the longest prefix of the case's name, ignoring case and underscores: `test_reduce_sum_square_keepdims`
//! tests `ReduceSumSquare`. If there is none, it tests the operator that computes the first output. A case such as
//! `test_clip_expanded`, whose graph defines an operator by others, is listed as `Clip (expanded)` if the case
//! `test_clip` exists.

use std::collections::{BTreeMap, BTreeSet};

/// The mark in the names of cases whose graph defines an operator by others.
const EXPANDED: &str = "_expanded";

/// The operator of a case whose graph cannot be read.
const UNKNOWN: &str = "(unknown)";

/// The operators of a case's graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Operators {
    /// All operators, with their domains unless these are ONNX's own.
    pub(super) all: BTreeSet<String>,
    /// The operator that computes the first output; empty if that is an input.
    pub(super) last: String,
}

/// The operator that a case tests; `graphs` lacks the cases whose graph cannot be read.
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
    fn names_decide_before_the_last_operator() {
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
