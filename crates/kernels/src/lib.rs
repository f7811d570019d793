//! Numeric kernels over plain slices, for one thread.
//!
//! Tensors of images are channels-last here (NHWC): a pixel's channels stand together, so that the innermost loop
//! of every convolution goes along them, whatever the kernel's size. What is under a window is pointed to where that is one
//! pixel a tap (the indirect convolution algorithm, Dukhan, arXiv:1907.02129), and copied a line at a time where taps
//! stand side by side; an image is never written out as a matrix of all its windows.
//!
//! The innermost loops of products are written by `codegen/` for WebAssembly, other loops go over four values at a time
//! by its intrinsics; elsewhere plain Rust does the same, so that all of this is tested natively too.

/// Declares both forms of a kernel, which take the same: for any number of steps, and for no more than `steps` has of it.
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
pub mod spec;
mod tile;
#[cfg(test)]
mod unrolled_tests;
pub mod winograd;
