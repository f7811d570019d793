//! Numeric kernels over plain slices, for one thread.
//!
//! Images are channels-last (NHWC): the channels of a pixel are contiguous, so that the innermost loop of every
//! convolution runs along them, whatever the window's size. Depthwise convolutions read their windows through pointers,
//! one for each tap (`indirection.rs`, the indirect convolution algorithm, Dukhan, arXiv:1907.02129). Other
//! convolutions copy a few windows at a time (`im2col.rs`); no image is ever written out as a matrix of all its
//! windows.
//!
//! `codegen/` generates the innermost loops of matrix products for WebAssembly, and other loops use vectors of four
//! values (`lanes.rs`). On other targets, plain Rust computes the same results, so that `cargo test` covers the rest of
//! the code natively. `layout.rs` defines the sizes that both sides share.

/// Declares both forms of a kernel, which have the same parameters: one with a loop for sums of any length, and an
/// unrolled one for sums up to the length in `layout::unrolled`.
#[cfg(target_arch = "wasm32")]
macro_rules! kernel {
    ($(#[$meta:meta])* fn $long:ident | $short:ident $parameters:tt) => {
        $(#[$meta])*
        fn $long $parameters;
        $(#[$meta])*
        fn $short $parameters;
    };
}

mod accumulator;
pub mod conv;
pub mod depthwise;
mod dot;
pub mod functions;
pub mod gemm;
mod im2col;
mod indirection;
pub mod inverted_bottleneck;
mod lanes;
#[cfg_attr(
    not(all(target_arch = "wasm32", target_feature = "relaxed-simd")),
    allow(
        dead_code,
        reason = "some sizes belong to kernels that need relaxed SIMD"
    )
)]
mod layout;
pub mod memory;
mod packed_int8;
pub mod peak;
pub mod quantization;
pub mod quantized;
pub mod recurrent;
pub mod spec;
mod tile;
#[cfg(test)]
mod unrolled_tests;
pub mod winograd;
