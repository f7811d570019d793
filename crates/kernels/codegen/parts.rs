//! What several kernels have in them.

use wasm_encoder::{InstructionSink, MemArg};

use crate::layout::CLAMP_FIELDS;

/// So many bytes after an address on the stack.
pub(crate) fn at(offset: u32) -> MemArg {
    MemArg {
        offset: offset.into(),
        align: 2,
        memory_index: 0,
    }
}

/// Move a pointer on by as many bytes as a local says.
pub(crate) fn add_local(code: &mut InstructionSink, pointer: u32, bytes: u32) {
    code.local_get(pointer)
        .local_get(bytes)
        .i32_add()
        .local_set(pointer);
}

/// Move a pointer on by so many bytes.
pub(crate) fn add_bytes(code: &mut InstructionSink, pointer: u32, bytes: u32) {
    code.local_get(pointer)
        .i32_const(bytes as i32)
        .i32_add()
        .local_set(pointer);
}

/// Count a local down, and go through the innermost loop again while it is not zero.
pub(crate) fn count_down(code: &mut InstructionSink, left: u32) {
    code.local_get(left)
        .i32_const(-1)
        .i32_add()
        .local_tee(left)
        .br_if(0);
}

/// Load what values are clamped to, from where `clamp` points to, into locals: the lower bound and the upper.
pub(crate) fn load_clamp(code: &mut InstructionSink, clamp: u32, bounds: [u32; 2]) {
    for (position, bound) in CLAMP_FIELDS.into_iter().zip(bounds) {
        code.local_get(clamp)
            .v128_load32_splat(at(position as u32))
            .local_set(bound);
    }
}

/// Clamp the values on the stack. In this order NaN stays what it is.
pub(crate) fn apply_clamp(code: &mut InstructionSink, [lower, upper]: [u32; 2]) {
    code.local_get(lower)
        .f32x4_pmax()
        .local_get(upper)
        .f32x4_pmin();
}
