//! Values of a graph.

/// A value of a graph: an input, a constant, or an output of a node.
pub(crate) type ValueId = usize;

/// The int8 form of an FP32 constant.
#[derive(Clone)]
pub(crate) struct QuantizedConstant {
    /// Quantized values with zero point 0, in the order of the constant's elements.
    pub(crate) values: Vec<i8>,
    /// One scale (per-tensor), or one for each index along `axis` (per-channel).
    pub(crate) scales: Vec<f32>,
    /// The dimension that per-channel scales belong to.
    pub(crate) axis: usize,
}
