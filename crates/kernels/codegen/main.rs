//! Generates the innermost loops as WebAssembly, instruction by instruction.
//!
//! Two compilers stand between intrinsics in Rust and the machine, LLVM and the host's (Cranelift), and their choices
//! multiply: LLVM turns a scalar load and a splat into `v128.load32_splat`, which Cranelift takes through a
//! general register (two more operations on the one port that shuffles); LLVM reorders a block by its
//! accumulators, and Cranelift computes all loads of a block before the first multiplication, so that a block of
//! any length spills. The loops here reach 37 GFLOP/s where the best that was found in Rust reaches 27, of 43
//! that the machine has. What they do for that:
//!
//! - a scalar is loaded with `f32.load` and splatted (on x86-64 one load and one shuffle);
//! - after each step there is a way out of the loop, with all accumulators: a block is so short that its values fit into
//!   16 registers, and any number of steps is taken without a loop for the rest;
//! - eight accumulators, as many as cover the latency of two multiply-adds a cycle;
//! - a round of the loop has many steps: where guests are interrupted by epochs, as by this project's host, Cranelift compares them
//!   at each loop's head and keeps the sums on the stack there (with 4 steps a round mobilenetv2 takes 27.8 ms, with
//!   32 it takes 21.6; without epochs 22.3 and 20.5);
//! - for sums that one round is enough for there is a kernel without a loop, which has no such head (3 % of mobilenetv2, 4 % of a
//!   quantized one);
//! - there is one loop and one way through it, and the sums are stored as they are: a second loop around it, a
//!   branch at which they part or meet, or a minimum before they are stored, and Cranelift's register
//!   allocator keeps two to four of them on the stack throughout the loop (28 GFLOP/s).
//!
//! The result is an object file, which the linker takes like one that was compiled from C.

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

/// Which instructions there are.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// `f32x4.relaxed_madd` and its like.
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
    .expect("OUT_DIR can be written to");
    println!("cargo:rustc-link-search=native={}", folder.display());
    println!("cargo:rustc-link-lib=static=infer_kernels_wasm");
}
