//! f32 depthwise convolution: four pixels and eight channels at a time.

use wasm_encoder::{BlockType, Function, ValType};

use crate::Target;
use crate::gemm::{PANEL_BYTES, VECTOR_BYTES, VECTORS, multiply_add};
use crate::layout::{self, unrolled};
use crate::object::Kernel;
use crate::parts::{add_bytes, add_local, apply_clamp, at, count_down, load_clamp};
use crate::rounds::Rounds;

/// Pixels that share each load of weights, because loads are the bottleneck.
const PIXELS: u32 = layout::PIXELS as u32;
/// Bytes of the biases of eight channels, or of their weights of one tap.
const GROUP_BYTES: u32 = PANEL_BYTES;
/// Taps in the body of the loop.
const STEPS: u32 = unrolled::TAPS as u32;

/// Generate `infer_depthwise_4x8` or its unrolled form. `infer_kernels::depthwise::Pixels` describes the parameters.
pub(crate) fn depthwise_4x8(target: Target, rounds: Rounds) -> Kernel {
    let (fours, four_bytes, groups, taps, pointers) = (0, 1, 2, 3, 4);
    let (weights, c, pixel_bytes, clamp) = (5, 6, 7, 8);
    let parameters = vec![ValType::I32; 9];
    let (left, pointer, w, w_now, c_group, c_now) = (9, 10, 11, 12, 13, 14);
    let (offset, channel, groups_left) = (15, 16, 17);
    let a = |pixel: u32| 18 + pixel;
    let lower = a(PIXELS);
    let upper = lower + 1;
    let input = upper + 1;
    let weight = |vector: u32| input + 1 + vector;
    let sum = |pixel: u32, vector: u32| weight(VECTORS) + pixel * VECTORS + vector;
    let vectors = 3 + VECTORS + PIXELS * VECTORS;
    let mut body = Function::new([(9 + PIXELS, ValType::I32), (vectors, ValType::V128)]);
    let mut code = body.instructions();

    code.loop_(BlockType::Empty);
    code.local_get(weights).local_set(w);
    code.local_get(groups).local_set(groups_left);
    code.local_get(c).local_set(c_group);
    // The distance from the pointers to the inputs of these four pixels and channels.
    code.local_get(offset).local_set(channel);
    code.loop_(BlockType::Empty);
    for pixel in 0..PIXELS {
        for vector in 0..VECTORS {
            code.local_get(w)
                .v128_load(at(vector * VECTOR_BYTES))
                .local_set(sum(pixel, vector));
        }
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
        for vector in 0..VECTORS {
            code.local_get(w_now)
                .v128_load(at(step * GROUP_BYTES + vector * VECTOR_BYTES))
                .local_set(weight(vector));
        }
        for half in [0..PIXELS / 2, PIXELS / 2..PIXELS] {
            for pixel in half.clone() {
                code.local_get(pointer)
                    .i32_load(at(4 * (PIXELS * step + pixel)))
                    .local_get(channel)
                    .i32_add()
                    .local_set(a(pixel));
            }
            for pixel in half.clone() {
                for vector in 0..VECTORS {
                    code.local_get(a(pixel))
                        .v128_load(at(vector * VECTOR_BYTES))
                        .local_set(input);
                    multiply_add(&mut code, target, input, weight(vector), sum(pixel, vector));
                }
            }
            rounds.end_half(&mut code, left, half.end == PIXELS);
        }
    }
    rounds.end(&mut code, |code| {
        for (pointer, bytes) in [(pointer, 4 * PIXELS * STEPS), (w_now, STEPS * GROUP_BYTES)] {
            add_bytes(code, pointer, bytes);
        }
    });
    code.local_get(taps)
        .i32_const(GROUP_BYTES as i32)
        .i32_mul()
        .local_get(w)
        .i32_add()
        .local_set(w);
    load_clamp(&mut code, clamp, [lower, upper]);
    code.local_get(c_group).local_set(c_now);
    for pixel in 0..PIXELS {
        for vector in 0..VECTORS {
            code.local_get(c_now).local_get(sum(pixel, vector));
            apply_clamp(&mut code, [lower, upper]);
            code.v128_store(at(vector * VECTOR_BYTES));
        }
        add_local(&mut code, c_now, pixel_bytes);
    }
    // The next eight channels.
    for pointer in [c_group, channel] {
        add_bytes(&mut code, pointer, GROUP_BYTES);
    }
    count_down(&mut code, groups_left);
    code.end();
    // The next four pixels.
    add_local(&mut code, offset, four_bytes);
    for _ in 0..PIXELS {
        add_local(&mut code, c, pixel_bytes);
    }
    count_down(&mut code, fours);
    code.end();
    code.end();
    Kernel {
        name: rounds.name("infer_depthwise_4x8", "infer_depthwise_short_4x8"),
        parameters,
        body,
    }
}
