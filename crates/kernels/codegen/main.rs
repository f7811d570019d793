//! Generates the innermost loops as WebAssembly, instruction by instruction.
//!
//! Intrinsics in Rust pass through two compilers, LLVM and the host's (Cranelift), whose choices combine badly. LLVM
//! turns a scalar load and a splat into `v128.load32_splat`, which Cranelift compiles through a general register (two
//! more operations on the only port that shuffles). LLVM reorders a block by its accumulators, and Cranelift computes
//! all loads of a block before the first multiplication, so that a long block spills registers. The loops here reach 37
//! GFLOP/s, of the machine's peak of 43; the best version in Rust reached 27.
//!
//! The loops are written so that Cranelift compiles them well:
//!
//! - Scalars are loaded with `f32.load` and splatted, which takes one load and one shuffle on x86-64.
//! - Each step ends with a branch out of the loop, to which all accumulators pass. So each block is so short that its
//!   values fit into 16 registers, and any number of steps works without a second loop for the remainder.
//! - Eight accumulators cover the latency of two multiply-adds per cycle.
//! - A round of the loop has many steps. If the host interrupts guests by epochs, as this project's host does,
//!   Cranelift checks the epoch at the head of each loop, where it keeps the sums on the stack (mobilenetv2 takes 27.8
//!   ms with 4 steps per round and 21.6 ms with 32; without epochs, 22.3 ms and 20.5 ms).
//! - Sums that fit into one round have an unrolled kernel, which has no such loop head (this saves 3 % of mobilenetv2,
//!   and 4 % of quantized mobilenetv2).
//! - The matrix products of four rows have only one path through the innermost loop, and store the sums unchanged.
//!   Otherwise, for example with a branch where sums diverge or merge, or with a minimum before the store, Cranelift's
//!   register allocator keeps two to four sums on the stack throughout the loop (28 GFLOP/s).
//!
//! The result is an object file, which the linker accepts like one compiled from C.

mod bytes;
mod depthwise;
mod dot;
mod gemm;
#[path = "../src/layout.rs"]
#[allow(
    dead_code,
    reason = "some sizes are only those of the callers' buffers"
)]
mod layout;
mod memory;
mod object;
mod parts;
mod peak;
mod rounds;
mod taps;

use std::path::PathBuf;
use std::{env, fs};

use rounds::Rounds;

/// The instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// Whether relaxed SIMD is available, such as `f32x4.relaxed_madd`.
    pub(crate) relaxed_simd: bool,
}

fn main() {
    println!("cargo:rerun-if-changed=codegen");
    println!("cargo:rerun-if-changed=src/layout.rs");
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() != Ok("wasm32") {
        return;
    }
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let target = Target {
        relaxed_simd: features.split(',').any(|feature| feature == "relaxed-simd"),
    };
    let mut functions = vec![
        peak::peak(target),
        gemm::gemm_1x32(target),
        bytes::bytes_16(),
        memory::as_found(),
    ];
    for rounds in Rounds::ALL {
        functions.push(gemm::gemm_4x8(target, rounds));
        functions.push(depthwise::depthwise_4x8(target, rounds));
        functions.push(taps::taps_16(taps::Taps::Pairs, rounds));
        if target.relaxed_simd {
            let kinds = [dot::Numbers::Bytes, dot::Numbers::Halves];
            functions.extend(kinds.map(|numbers| dot::dot_4x8(numbers, rounds)));
            functions.push(taps::taps_16(taps::Taps::Quads, rounds));
        }
    }
    if target.relaxed_simd {
        functions.push(dot::dot_rest_4x4());
        functions.extend([dot::Numbers::Bytes, dot::Numbers::Halves].map(dot::dot_1x32));
    }
    let folder = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(
        folder.join("libinfer_kernels_wasm.a"),
        object::archive(&object::object(&functions)),
    )
    .expect("OUT_DIR is writable");
    println!("cargo:rustc-link-search=native={}", folder.display());
    println!("cargo:rustc-link-lib=static=infer_kernels_wasm");
}
