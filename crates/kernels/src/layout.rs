//! Sizes that the kernels' callers and the generator of the kernels share.
//!
//! `codegen/main.rs`, which writes the innermost loops, includes this file. A number that both sides depend on belongs here and
//! nowhere else; the assertions below tie numbers to what the generated loops take for granted.

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

/// Channels that a depthwise kernel computes at a time, and whose weights are packed together.
pub(crate) const CHANNEL_GROUP: usize = 8;
/// Pixels that the FP32 depthwise kernel computes at a time.
pub(crate) const PIXELS: usize = 4;

/// int8 weights in a 32-bit word.
pub(crate) const QUAD: usize = 4;
/// int16 weights in a 32-bit word.
pub(crate) const PAIR: usize = 2;

/// Columns of an entry of residual weights (`packed_int8.rs`).
pub(crate) const RESIDUAL_COLUMNS: usize = 4;
/// The most words of each column in an entry of residual weights.
pub(crate) const RESIDUAL_WORDS: usize = 8;
/// 32-bit words in front of an entry: where its columns' sums begin, and its number of words.
pub(crate) const RESIDUAL_HEADER: usize = 2;

/// Accumulators that become bytes at a time.
pub(crate) const REQUANTIZED: usize = 16;

/// Added to an f32 of at most 22 bits, leaves the nearest integer in the low bits of the sum: 1.5 * 2^23.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// Byte offsets of the fields of `Clamp`.
pub(crate) const CLAMP_FIELDS: [usize; 2] = [0, 4];
/// Byte offsets of the fields of `Bounds`: minimum, maximum and zero point.
pub(crate) const BOUNDS_FIELDS: [usize; 3] = [0, 4, 8];

/// The longest sums that kernels without a loop take.
pub(crate) mod unrolled {
    /// Values of a row in `infer_gemm_short_4x8`.
    pub(crate) const GEMM: usize = 96;
    /// Words of a row in `infer_dot_bytes_short_4x8` and `infer_dot_halves_short_4x8`.
    pub(crate) const DOT: usize = 32;
    /// Taps in `infer_depthwise_short_4x8`, `infer_pairs_short_16` and `infer_quads_short_16`: those of a window of three by
    /// three, the most common one.
    pub(crate) const TAPS: usize = 9;
}

/// Sizes of the benchmark kernel `infer_peak`.
pub(crate) mod peak {
    /// Accumulators of four values: more than two multiply-adds a cycle can keep waiting.
    pub(crate) const ACCUMULATORS: usize = 10;
    /// Multiply-adds of each accumulator in an iteration.
    pub(crate) const STEPS: usize = 64;
}

// What the generated loops take for granted.
const _: () = {
    assert!(LANES * size_of::<f32>() == VECTOR_BYTES);
    // The kernels' names, and their registers: eight accumulators, computed in two halves.
    assert!(ROWS == 4 && COLUMNS == 8 && PANELS_ABREAST * COLUMNS == 32);
    assert!(PANELS_ABREAST == ROWS && ROWS.is_multiple_of(2));
    // A depthwise kernel loads a group of channels as it loads a panel's columns, and its pixels as a tile's rows.
    assert!(CHANNEL_GROUP == COLUMNS && PIXELS == ROWS);
    // A byte kernel computes two groups of channels at a time, in one register of bytes.
    assert!(2 * CHANNEL_GROUP == VECTOR_BYTES && REQUANTIZED == VECTOR_BYTES);
    assert!(RESIDUAL_COLUMNS == LANES && COLUMNS.is_multiple_of(RESIDUAL_COLUMNS));
    assert!(QUAD == 4 && PAIR == 2);
};
