//! Pixels of a depthwise convolution, sixteen channels at a time.

use wasm_encoder::{BlockType, Function, ValType};

use crate::Target;
use crate::gemm::{at, multiply_add};
use crate::object::Kernel;
use crate::rounds::Rounds;
use crate::steps;

/// Vectors of four channels.
const VECTORS: u32 = 4;
const GROUP_BYTES: u32 = 16 * VECTORS;
/// Taps in the body of the loop.
const STEPS: u32 = steps::TAPS as u32;

/// See `infer_kernels::depthwise::Pixels` for what the parameters mean.
pub(crate) fn depthwise_16(target: Target, rounds: Rounds) -> Kernel {
    let (pixels, pixel_bytes, groups, taps, pointers, weights, c, clamp) = (0, 1, 2, 3, 4, 5, 6, 7);
    let parameters = vec![ValType::I32; 8];
    let (left, pointer, w_now, a, channel) = (8, 9, 10, 11, 12);
    let (pixel, groups_left, w) = (13, 14, 15);
    let (lower, upper) = (16, 17);
    let input = |vector: u32| 18 + vector;
    let weight = |vector: u32| 18 + VECTORS + vector;
    let sum = |vector: u32| 18 + 2 * VECTORS + vector;
    let mut body = Function::new([(8, ValType::I32), (2 + 3 * VECTORS, ValType::V128)]);
    let mut code = body.instructions();

    code.loop_(BlockType::Empty);
    code.local_get(weights).local_set(w);
    code.local_get(groups).local_set(groups_left);
    // From the first pixel's values to those of the one that it is about, and of the channels.
    code.local_get(pixel).local_set(channel);
    code.loop_(BlockType::Empty);
    for vector in 0..VECTORS {
        code.local_get(w)
            .v128_load(at(16 * vector))
            .local_set(sum(vector));
    }
    code.local_get(w)
        .i32_const(GROUP_BYTES as i32)
        .i32_add()
        .local_tee(w)
        .local_set(w_now);
    code.local_get(taps).local_set(left);
    code.local_get(pointers).local_set(pointer);
    rounds.begin(&mut code);
    for step in 0..STEPS {
        code.local_get(pointer)
            .i32_load(at(4 * step))
            .local_get(channel)
            .i32_add()
            .local_set(a);
        for vector in 0..VECTORS {
            code.local_get(a)
                .v128_load(at(16 * vector))
                .local_set(input(vector));
            code.local_get(w_now)
                .v128_load(at(step * GROUP_BYTES + 16 * vector))
                .local_set(weight(vector));
        }
        for vector in 0..VECTORS {
            multiply_add(
                &mut code,
                target,
                input(vector),
                weight(vector),
                sum(vector),
            );
        }
        code.local_get(left)
            .i32_const(-1)
            .i32_add()
            .local_tee(left)
            .i32_eqz();
        rounds.leave_if(&mut code);
    }
    rounds.end(&mut code, |code| {
        code.local_get(pointer)
            .i32_const(4 * STEPS as i32)
            .i32_add()
            .local_set(pointer);
        code.local_get(w_now)
            .i32_const((STEPS * GROUP_BYTES) as i32)
            .i32_add()
            .local_set(w_now);
    });
    code.local_get(taps)
        .i32_const(GROUP_BYTES as i32)
        .i32_mul()
        .local_get(w)
        .i32_add()
        .local_set(w);
    for (position, bound) in [(0, lower), (4, upper)] {
        code.local_get(clamp)
            .v128_load32_splat(at(position))
            .local_set(bound);
    }
    for vector in 0..VECTORS {
        code.local_get(c)
            .local_get(sum(vector))
            .local_get(lower)
            .f32x4_pmax()
            .local_get(upper)
            .f32x4_pmin()
            .v128_store(at(16 * vector));
    }
    code.local_get(c)
        .i32_const(GROUP_BYTES as i32)
        .i32_add()
        .local_set(c);
    code.local_get(channel)
        .i32_const(GROUP_BYTES as i32)
        .i32_add()
        .local_set(channel);
    code.local_get(groups_left)
        .i32_const(-1)
        .i32_add()
        .local_tee(groups_left)
        .br_if(0)
        .end();
    code.local_get(pixel)
        .local_get(pixel_bytes)
        .i32_add()
        .local_set(pixel);
    code.local_get(pixels)
        .i32_const(-1)
        .i32_add()
        .local_tee(pixels)
        .br_if(0)
        .end();
    code.end();
    Kernel {
        name: rounds.name("infer_depthwise_16", "infer_depthwise_short_16"),
        parameters,
        body,
    }
}
