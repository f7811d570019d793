//! A pixel of a depthwise convolution of bytes, sixteen channels at a time.

use wasm_encoder::{BlockType, Function, Lane, ValType};

use crate::gemm::at;
use crate::object::Kernel;

/// Vectors of four sums.
const VECTORS: u32 = 4;
/// Channels that are packed together.
const GROUP: u32 = 8;
/// Bytes of such a group's words: biases, or the weights of two taps.
const GROUP_BYTES: u32 = 4 * GROUP;
/// Pairs of taps in the body of the loop: those of the most common kernel.
const STEPS: u32 = 5;

/// See `infer_kernels::quantised::depthwise` for what the parameters mean.
pub(crate) fn taps_16() -> Kernel {
    let (groups, group_bytes, pairs, pointers, offset, words, c) = (0, 1, 2, 3, 4, 5, 6);
    let parameters = vec![ValType::I32; 7];
    let (left, pointer, from) = (7, 8, 9);
    // Where the weights of each of both groups are.
    let weights = |group: u32| 10 + group;
    let tap = |which: u32| 12 + which;
    let both = 14;
    let sum = |vector: u32| 15 + vector;
    let mut body = Function::new([(5, ValType::I32), (3 + VECTORS, ValType::V128)]);
    let mut code = body.instructions();
    // A byte of one tap, the same of the other, and so on: of the first eight channels, or of the next.
    let mix = |first: u8| -> [Lane; 16] {
        std::array::from_fn(|at| first + at as u8 / 2 + 16 * (at as u8 % 2))
    };

    code.loop_(BlockType::Empty);
    for group in 0..2 {
        code.local_get(words);
        if group == 1 {
            code.local_get(group_bytes).i32_add();
        }
        code.local_tee(weights(group));
        code.v128_load(at(0)).local_set(sum(2 * group));
        code.local_get(weights(group))
            .v128_load(at(16))
            .local_set(sum(2 * group + 1));
        code.local_get(weights(group))
            .i32_const(GROUP_BYTES as i32)
            .i32_add()
            .local_set(weights(group));
    }
    code.local_get(pairs).local_set(left);
    code.local_get(pointers).local_set(pointer);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    for step in 0..STEPS {
        for which in 0..2 {
            code.local_get(pointer)
                .i32_load(at(8 * step + 4 * which))
                .local_get(offset)
                .i32_add()
                .local_tee(from)
                .v128_load(at(0))
                .local_set(tap(which));
        }
        for group in 0..2 {
            code.local_get(tap(0))
                .local_get(tap(1))
                .i8x16_shuffle(mix(GROUP as u8 * group as u8))
                .local_set(both);
            for half in 0..2 {
                code.local_get(both);
                match half {
                    0 => code.i16x8_extend_low_i8x16_u(),
                    _ => code.i16x8_extend_high_i8x16_u(),
                };
                code.local_get(weights(group))
                    .v128_load(at(step * GROUP_BYTES + 16 * half))
                    .i32x4_dot_i16x8_s()
                    .local_get(sum(2 * group + half))
                    .i32x4_add()
                    .local_set(sum(2 * group + half));
            }
        }
        code.local_get(left)
            .i32_const(-1)
            .i32_add()
            .local_tee(left)
            .i32_eqz()
            .br_if(1);
    }
    code.local_get(pointer)
        .i32_const(8 * STEPS as i32)
        .i32_add()
        .local_set(pointer);
    for group in 0..2 {
        code.local_get(weights(group))
            .i32_const((STEPS * GROUP_BYTES) as i32)
            .i32_add()
            .local_set(weights(group));
    }
    code.br(0).end().end();

    for vector in 0..VECTORS {
        code.local_get(c)
            .local_get(sum(vector))
            .v128_store(at(16 * vector));
    }
    // The next sixteen channels.
    code.local_get(c)
        .i32_const(16 * VECTORS as i32)
        .i32_add()
        .local_set(c);
    code.local_get(offset)
        .i32_const(2 * GROUP as i32)
        .i32_add()
        .local_set(offset);
    code.local_get(group_bytes)
        .i32_const(2)
        .i32_mul()
        .local_get(words)
        .i32_add()
        .local_set(words);
    code.local_get(groups)
        .i32_const(-1)
        .i32_add()
        .local_tee(groups)
        .br_if(0);
    code.end().end();
    Kernel {
        name: "infer_taps_16",
        parameters,
        body,
    }
}
