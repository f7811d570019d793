//! A row of the registry of operators: how a node's operator is named, built and laid out.

use crate::error::{Error, Result};
use crate::operator::{Build, Operator};

/// Reads a node's attributes and builds its operator.
///
/// # Errors
/// `Graph` for attributes that ONNX's specification does not allow, `Unsupported` for those that are not implemented.
pub type Builder = fn(&mut Build<'_>) -> Result<Box<dyn Operator>>;

/// Which memory layouts of an image tensor an operator computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutRule {
    /// The operator needs the layout that the file means: `[batch, channels, height, width]` for images.
    AsInFile,
    /// The operator computes each element of its first input on its own, in any layout. The other inputs are scalars.
    Unary,
    /// The operator computes each pair of elements of two inputs that are broadcast to each other. Any layout will do
    /// that both inputs have.
    Binary,
    /// The operator joins its inputs along an axis. Any layout will do that all inputs have, with the axis adapted to it.
    Concatenation,
    /// The operator is pooling, which has an FP32 kernel for channels-last images.
    Pooling,
    /// The operator is a batch normalization, which is a depthwise convolution if its parameters are constant.
    Normalization,
    /// The operator splits its input along an axis. Any layout will do, with the axis adapted to it.
    Split,
    /// The operator has constant inputs with a number for each axis (Resize, Pad), which can be adapted to a layout.
    EachAxis,
    /// The operator permutes axes, which may be what the conversion between layouts does.
    Transposition,
    /// The operator is a convolution, which has kernels for channels-last images.
    Convolution,
}

/// One operator of the registry.
///
/// A row leads to the operator's code through its builder. Only code that loads a graph may refer to rows: if code that
/// runs inferences does, trimming keeps every operator in every artifact (ARCHITECTURE.md).
pub struct OperatorEntry {
    /// The domain of its operator set; empty for ONNX's own, `ai.onnx`.
    pub domain: &'static str,
    /// The operator's name (`op_type`).
    pub name: &'static str,
    /// The first version of the operator set that is supported; later versions are too. It is 1 for most operators, also
    /// for those that ONNX introduced later: some exporters use an operator before its version.
    pub since_version: i64,
    /// The layouts that it computes in.
    pub layout: LayoutRule,
    builder: Builder,
}

/// A row for an operator of ONNX's own set.
pub(super) const fn onnx(name: &'static str, builder: Builder) -> OperatorEntry {
    OperatorEntry::new("", name, builder)
}

/// A row for an operator of ONNX Runtime's set, `com.microsoft`.
pub(super) const fn microsoft(name: &'static str, builder: Builder) -> OperatorEntry {
    OperatorEntry::new("com.microsoft", name, builder)
}

/// A row for an operator of ONNX's set of classical machine learning, `ai.onnx.ml`.
pub(super) const fn ml(name: &'static str, builder: Builder) -> OperatorEntry {
    OperatorEntry::new("ai.onnx.ml", name, builder)
}

/// Boxes an operator, as a [`Builder`] returns it. Never an error.
pub(super) fn boxed(operator: impl Operator + 'static) -> Result<Box<dyn Operator>> {
    Ok(Box::new(operator))
}

impl OperatorEntry {
    /// A row for an operator that is supported in all versions and needs the file's layout.
    pub(super) const fn new(domain: &'static str, name: &'static str, builder: Builder) -> Self {
        Self {
            domain,
            name,
            since_version: 1,
            layout: LayoutRule::AsInFile,
            builder,
        }
    }

    /// The same row, supported from that version of the operator set on.
    pub(super) const fn since(self, version: i64) -> Self {
        Self {
            since_version: version,
            ..self
        }
    }

    /// The same row with that layout rule.
    pub(super) const fn layout(self, layout: LayoutRule) -> Self {
        Self { layout, ..self }
    }

    /// Builds the operator of a node.
    ///
    /// # Errors
    /// As [`Builder`], and `Unsupported` for a version before [`OperatorEntry::since_version`].
    pub fn build(&self, build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
        if build.opset < self.since_version {
            return Err(Error::unsupported(format!(
                "operator `{}` is not supported in version {} of the operator set `{}`, expected version {} or later",
                self.name,
                build.opset,
                domain_name(self.domain),
                self.since_version
            )));
        }
        (self.builder)(build)
    }
}

/// A domain as people name it: ONNX's own is empty in files.
pub(super) fn domain_name(domain: &str) -> &str {
    match domain {
        "" => "ai.onnx",
        domain => domain,
    }
}
