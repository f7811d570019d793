//! `[regression]`: a regressor of `ai.onnx.ml`, or a model of tables with one number a record.

use infer_model_card::TensorSpec;

use super::{Context, Section, is_float};
use crate::card::toml_string;
use crate::inspect::InspectError;

/// The section of a regressor.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every task")]
pub(super) fn detect(context: &Context) -> Result<Option<Section>, InspectError> {
    let operators = &context.tried.summary.operators;
    let is_regressor = operators
        .keys()
        .any(|name| name.starts_with("ai.onnx.ml.") && name.ends_with("Regressor"));
    let has_classes = !context.class_labels.is_empty() || context.config.is_classifier;
    if !context.takes_table || !is_regressor || has_classes {
        return Ok(None);
    }
    let fits = |spec: &&TensorSpec| is_float(spec) && matches!(spec.shape.len(), 1 | 2);
    let output = context.tried.outputs.iter().find(fits);
    Ok(output.map(|output| Section {
        text: format!(
            "# How an output becomes numbers.\n[regression]\noutput = {}\n",
            toml_string(&output.name)
        ),
        labels: None,
        ..Section::default()
    }))
}
