//! Sizes that the kernels' callers and the kernels' generator share.
//!
//! `codegen/main.rs`, which generates the innermost loops, includes this file. A number that both sides depend on is
//! defined only here. The assertions below check the assumptions of the generated loops.

/// Values in a vector register: f32 or i32.
pub(crate) const LANES: usize = 4;
/// Bytes of a vector register.
pub(crate) const VECTOR_BYTES: usize = 16;

/// Rows of a tile of a matrix product.
pub const ROWS: usize = 4;
/// Columns of a tile, and of a panel of packed weights.
pub const COLUMNS: usize = 8;
/// Panels that the kernels for a single row multiply at a time.
pub(crate) const PANELS_ABREAST: usize = 4;

/// Channels that a depthwise kernel computes at a time. Their weights are packed together.
pub(crate) const CHANNEL_GROUP: usize = 8;
/// Pixels that the FP32 depthwise kernel computes at a time.
pub(crate) const PIXELS: usize = 4;

/// int8 weights in a 32-bit word.
pub(crate) const QUAD: usize = 4;
/// int16 weights in a 32-bit word.
pub(crate) const PAIR: usize = 2;

/// Columns of an entry of residual weights (`packed_int8.rs`).
pub(crate) const RESIDUAL_COLUMNS: usize = 4;
/// The maximum number of words per column in an entry of residual weights.
pub(crate) const RESIDUAL_WORDS: usize = 8;
/// 32-bit words in the header of an entry: the offset of its columns' sums, and its number of words per column.
pub(crate) const RESIDUAL_HEADER: usize = 2;

/// Accumulators that are requantized at a time.
pub(crate) const REQUANTIZED: usize = 16;

/// 1.5 * 2^23. Adding it to an f32 of at most 22 bits puts the nearest integer into the low bits of the sum.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// Byte offsets of the fields of `Clamp`.
pub(crate) const CLAMP_FIELDS: [usize; 2] = [0, 4];
/// Byte offsets of the fields of `Bounds`: minimum, maximum and zero point.
pub(crate) const BOUNDS_FIELDS: [usize; 3] = [0, 4, 8];

/// The longest sums that the unrolled kernels compute.
pub(crate) mod unrolled {
    /// Values of a row in `infer_gemm_short_4x8`.
    pub(crate) const GEMM: usize = 96;
    /// Words of a row in `infer_dot_bytes_short_4x8` and `infer_dot_halves_short_4x8`.
    pub(crate) const DOT: usize = 32;
    /// Taps in `infer_depthwise_short_4x8`, `infer_pairs_short_16` and `infer_quads_short_16`: those of a 3x3 window,
    /// the most common one.
    pub(crate) const TAPS: usize = 9;
}

/// Sizes of the benchmark kernel `infer_peak`.
pub(crate) mod peak {
    /// Accumulators of four values: more than enough to hide the latency of two multiply-adds per cycle.
    pub(crate) const ACCUMULATORS: usize = 10;
    /// Multiply-adds per accumulator in an iteration.
    pub(crate) const STEPS: usize = 64;
}

// Assumptions of the generated loops.
const _: () = {
    assert!(LANES * size_of::<f32>() == VECTOR_BYTES);
    // The kernels' names and registers: eight accumulators, computed in two halves.
    assert!(ROWS == 4 && COLUMNS == 8 && PANELS_ABREAST * COLUMNS == 32);
    assert!(PANELS_ABREAST == ROWS && ROWS.is_multiple_of(2));
    // A depthwise kernel treats a group of channels like the columns of a panel, and its pixels like the rows of a tile.
    assert!(CHANNEL_GROUP == COLUMNS && PIXELS == ROWS);
    // A byte kernel computes two groups of channels at a time, in one register of bytes.
    assert!(2 * CHANNEL_GROUP == VECTOR_BYTES && REQUANTIZED == VECTOR_BYTES);
    assert!(RESIDUAL_COLUMNS == LANES && COLUMNS.is_multiple_of(RESIDUAL_COLUMNS));
    assert!(QUAD == 4 && PAIR == 2);
};
