//! How many steps the kernels take without a loop: what writes them (`codegen`) has this file too.

/// Values of a row in `infer_gemm_4x8`.
pub(crate) const GEMM: usize = 96;
/// Words of a row in `infer_dot_bytes_4x8` and `infer_dot_halves_4x8`.
pub(crate) const DOT: usize = 32;
/// Indirection in `infer_depthwise_4x8`, `infer_pairs_16` and `infer_quads_16`: those of the most common window.
pub(crate) const TAPS: usize = 9;
