//! The registry: every supported operator, from the rows beside the implementations.
//!
//! To add an operator, write a function that builds it and a row in its family's `OPERATORS`. A new family also needs a line
//! in [`FAMILIES`].

use std::collections::BTreeSet;

use super::entry::{OperatorEntry, domain_name};
use super::{
    activation, arithmetic, attention, cast, col2im, constant, control, conv_integer,
    conv_transpose, convolution, cumulative, deform_conv, detection, dynamic_lstm, einsum,
    elementwise, embedding, fused, fused_attention, gated, gather, integer_matmul,
    layer_normalization, layout, linear_algebra, linear_attention, logic, loss, lrn, matmul,
    max_unpool, ml, nbits, normalization, pad, pooling, qlinear, quantize, quantized, random,
    recurrent, reduce, resize, roi_align, sampling, scatter, select, sequence, shape, slice,
    softmax, spectral, tf_idf,
};
use crate::error::{Error, Result};
use crate::operator::{Build, Operator};

/// The rows of each family.
///
/// Only the functions below may refer to this table. Trimming follows the pointers in a snapshot to the operators that an
/// artifact needs; a pointer to this table would keep all of them.
const FAMILIES: &[&[OperatorEntry]] = &[
    activation::OPERATORS,
    arithmetic::OPERATORS,
    attention::OPERATORS,
    cast::OPERATORS,
    col2im::OPERATORS,
    constant::OPERATORS,
    control::OPERATORS,
    conv_integer::OPERATORS,
    conv_transpose::OPERATORS,
    convolution::OPERATORS,
    cumulative::OPERATORS,
    deform_conv::OPERATORS,
    detection::OPERATORS,
    dynamic_lstm::OPERATORS,
    einsum::OPERATORS,
    elementwise::OPERATORS,
    embedding::OPERATORS,
    fused::OPERATORS,
    fused_attention::OPERATORS,
    gated::OPERATORS,
    gather::OPERATORS,
    integer_matmul::OPERATORS,
    layer_normalization::OPERATORS,
    layout::OPERATORS,
    linear_algebra::OPERATORS,
    linear_attention::OPERATORS,
    logic::OPERATORS,
    loss::OPERATORS,
    lrn::OPERATORS,
    matmul::OPERATORS,
    max_unpool::OPERATORS,
    ml::linear::OPERATORS,
    ml::scaling::OPERATORS,
    ml::svm::OPERATORS,
    ml::tree_ensemble::OPERATORS,
    ml::vocabulary::OPERATORS,
    nbits::OPERATORS,
    normalization::OPERATORS,
    pad::OPERATORS,
    pooling::OPERATORS,
    qlinear::OPERATORS,
    quantize::OPERATORS,
    quantized::OPERATORS,
    random::OPERATORS,
    recurrent::OPERATORS,
    reduce::OPERATORS,
    resize::OPERATORS,
    roi_align::OPERATORS,
    sampling::OPERATORS,
    scatter::OPERATORS,
    select::OPERATORS,
    sequence::OPERATORS,
    shape::OPERATORS,
    slice::OPERATORS,
    softmax::OPERATORS,
    spectral::OPERATORS,
    tf_idf::OPERATORS,
];

/// Lists every supported operator, once for each domain and name, grouped by family.
///
/// For code that loads graphs or writes documents; code that runs inferences must not call it (see [`OperatorEntry`]).
pub fn operators() -> impl Iterator<Item = &'static OperatorEntry> {
    FAMILIES.iter().copied().flatten()
}

/// Finds the operator of that domain (empty for ONNX's own) and name.
///
/// The search is linear: graphs are loaded once, and an index on the heap would be a pointer to every operator in the
/// snapshot.
#[must_use]
pub fn find(domain: &str, name: &str) -> Option<&'static OperatorEntry> {
    operators().find(|entry| entry.name == name && entry.domain == domain)
}

/// Builds the operator of a node.
///
/// # Errors
/// `Unsupported` for an operator, a version or an attribute that is not supported, `Graph` for attributes that ONNX's
/// specification does not allow.
pub fn build(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let (domain, name) = (build.domain, build.op_type);
    match find(domain, name) {
        Some(entry) => entry.build(build),
        None => Err(Error::unsupported(format!(
            "operator `{name}` of `{}` version {} is not supported by the WebAssembly engine; a native backend may run it",
            domain_name(domain),
            build.opset
        ))),
    }
}

/// The error that names operators without a row, each by its domain and its name.
#[must_use]
pub fn unsupported(missing: &BTreeSet<(&str, &str)>) -> Error {
    /// The longest list: a file may name any number of operators.
    const MAX_NAMES: usize = 100;

    let mut domains: Vec<(&str, Vec<&str>)> = Vec::new();
    for &(domain, name) in missing.iter().take(MAX_NAMES) {
        match domains.last_mut() {
            Some((last, names)) if *last == domain => names.push(name),
            _ => domains.push((domain, vec![name])),
        }
    }
    // The domains of others first: few models need only an operator of ONNX's own set.
    domains.sort_by_key(|(domain, _)| domain.is_empty());
    let lists = domains.iter().map(|(domain, names)| {
        let names = names.iter().map(|name| format!("`{name}`"));
        let names = names.collect::<Vec<_>>().join(", ");
        format!("{names} of `{}`", domain_name(domain))
    });
    let mut lists: Vec<String> = lists.collect();
    if missing.len() > MAX_NAMES {
        lists.push(format!("{} others", missing.len() - MAX_NAMES));
    }
    Error::unsupported(format!(
        "operators {} are not supported by the WebAssembly engine; a native backend may run them",
        lists.join(" and ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_missing_operators_are_named() {
        let missing = [("", "C"), ("com.microsoft", "A"), ("com.microsoft", "B")];
        assert_eq!(
            unsupported(&missing.into()).to_string(),
            "operators `A`, `B` of `com.microsoft` and `C` of `ai.onnx` are not supported by the WebAssembly engine; \
             a native backend may run them"
        );
        let names: Vec<String> = (0..120).map(|at| format!("{at:03}")).collect();
        let many = names.iter().map(|name| ("", name.as_str())).collect();
        let message = unsupported(&many).to_string();
        assert!(
            message.contains("`099` of `ai.onnx` and 20 others are not supported"),
            "{message}"
        );
    }

    #[test]
    fn no_operator_has_two_rows() {
        let mut seen = BTreeSet::new();
        let twice: Vec<_> = operators()
            .filter(|entry| !seen.insert((entry.domain, entry.name)))
            .map(|entry| (entry.domain, entry.name))
            .collect();
        assert!(twice.is_empty(), "listed twice: {twice:?}");
    }

    #[test]
    fn every_row_is_found_by_its_domain_and_name() {
        let lost: Vec<_> = operators()
            .filter(|entry| {
                !find(entry.domain, entry.name).is_some_and(|it| std::ptr::eq(it, *entry))
            })
            .map(|entry| (entry.domain, entry.name))
            .collect();
        assert!(lost.is_empty(), "not found: {lost:?}");
        for (domain, name) in [
            ("com.microsoft", "Add"),
            ("", "QGemm"),
            ("ai.onnx", "Add"),
            ("", ""),
        ] {
            assert!(find(domain, name).is_none(), "found {domain}.{name}");
        }
    }
}
