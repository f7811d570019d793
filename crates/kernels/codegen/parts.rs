//! Instruction sequences that several kernels share.

use wasm_encoder::{InstructionSink, MemArg};

use crate::layout::CLAMP_FIELDS;

/// A memory operand: `offset` bytes after the address on the stack.
pub(crate) fn at(offset: u32) -> MemArg {
    MemArg {
        offset: offset.into(),
        align: 2,
        memory_index: 0,
    }
}

/// Advance a pointer by the number of bytes in a local.
pub(crate) fn add_local(code: &mut InstructionSink, pointer: u32, bytes: u32) {
    code.local_get(pointer)
        .local_get(bytes)
        .i32_add()
        .local_set(pointer);
}

/// Advance a pointer by a constant number of bytes.
pub(crate) fn add_bytes(code: &mut InstructionSink, pointer: u32, bytes: u32) {
    code.local_get(pointer)
        .i32_const(bytes as i32)
        .i32_add()
        .local_set(pointer);
}

/// Decrement a local, and repeat the innermost loop while it is not zero.
pub(crate) fn count_down(code: &mut InstructionSink, left: u32) {
    code.local_get(left)
        .i32_const(-1)
        .i32_add()
        .local_tee(left)
        .br_if(0);
}

/// Load the lower and the upper bound of the `Clamp` at the pointer `clamp` into locals.
pub(crate) fn load_clamp(code: &mut InstructionSink, clamp: u32, bounds: [u32; 2]) {
    for (position, bound) in CLAMP_FIELDS.into_iter().zip(bounds) {
        code.local_get(clamp)
            .v128_load32_splat(at(position as u32))
            .local_set(bound);
    }
}

/// Clamp the values on the stack. This order of the operands keeps NaN.
pub(crate) fn apply_clamp(code: &mut InstructionSink, [lower, upper]: [u32; 2]) {
    code.local_get(lower)
        .f32x4_pmax()
        .local_get(upper)
        .f32x4_pmin();
}
