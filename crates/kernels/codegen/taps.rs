//! int8 depthwise convolution: pixels one by one, sixteen channels at a time.

use wasm_encoder::{BlockType, Function, Lane, ValType};

use crate::layout::{CHANNEL_GROUP, PAIR, QUAD, unrolled};
use crate::object::Kernel;
use crate::parts::{add_bytes, add_local, at, count_down};
use crate::rounds::Rounds;

/// The number of vectors of four sums.
const VECTORS: u32 = 4;
/// Channels whose weights are packed together.
const GROUP: u32 = CHANNEL_GROUP as u32;
/// Bytes of one word for each channel of a group: the biases, or the weights of two or four taps.
const GROUP_BYTES: u32 = 4 * GROUP;

/// The number of taps that are multiplied at a time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taps {
    /// Two taps, as int16.
    Pairs,
    /// Four taps, as int8.
    Quads,
}

impl Taps {
    fn count(self) -> u32 {
        match self {
            Self::Pairs => PAIR as u32,
            Self::Quads => QUAD as u32,
        }
    }
}

/// Generate `infer_pairs_16`, `infer_quads_16` or an unrolled form. `infer_kernels::quantized::depthwise` describes the
/// parameters.
pub(crate) fn taps_16(taps: Taps, times: Rounds) -> Kernel {
    let steps = (unrolled::TAPS as u32).div_ceil(taps.count());
    let (pixels, pixel_bytes, groups, group_bytes, rounds) = (0, 1, 2, 3, 4);
    let (pointers, offset, words, c) = (5, 6, 7, 8);
    let parameters = vec![ValType::I32; 9];
    let (left, pointer, from) = (9, 10, 11);
    let (groups_left, words_now, channel) = (12, 13, 14);
    // Pointers to the weights of both groups.
    let weights = |group: u32| 15 + group;
    let tap = |which: u32| 17 + which;
    let mixed = |which: u32| 21 + which;
    let sum = |vector: u32| 23 + vector;
    let mut body = Function::new([(8, ValType::I32), (6 + VECTORS, ValType::V128)]);
    let mut code = body.instructions();
    // Interleaves the bytes of two taps, for eight channels from `first` on.
    let mix = |first: u8| -> [Lane; 16] {
        std::array::from_fn(|at| first + at as u8 / 2 + 16 * (at as u8 % 2))
    };
    // Interleaves pairs of bytes of two vectors, for four channels from byte `first` on.
    let mix_pairs = |first: u8| -> [Lane; 16] {
        std::array::from_fn(|at| {
            let (pair, byte) = (at as u8 / 2, at as u8 % 2);
            first + 2 * (pair / 2) + byte + 16 * (pair % 2)
        })
    };

    code.loop_(BlockType::Empty);
    code.local_get(groups).local_set(groups_left);
    code.local_get(words).local_set(words_now);
    code.local_get(offset).local_set(channel);
    code.loop_(BlockType::Empty);
    for group in 0..2 {
        code.local_get(words_now);
        if group == 1 {
            code.local_get(group_bytes).i32_add();
        }
        code.local_tee(weights(group));
        code.v128_load(at(0)).local_set(sum(2 * group));
        code.local_get(weights(group))
            .v128_load(at(16))
            .local_set(sum(2 * group + 1));
        add_bytes(&mut code, weights(group), GROUP_BYTES);
    }
    code.local_get(rounds).local_set(left);
    code.local_get(pointers).local_set(pointer);
    times.begin(&mut code);
    for step in 0..steps {
        for which in 0..taps.count() {
            code.local_get(pointer)
                .i32_load(at(4 * (taps.count() * step + which)))
                .local_get(channel)
                .i32_add()
                .local_tee(from)
                .v128_load(at(0))
                .local_set(tap(which));
        }
        for group in 0..2 {
            for pair in 0..taps.count() / 2 {
                code.local_get(tap(2 * pair))
                    .local_get(tap(2 * pair + 1))
                    .i8x16_shuffle(mix(GROUP as u8 * group as u8))
                    .local_set(mixed(pair));
            }
            for half in 0..2 {
                let sum = sum(2 * group + half);
                let weights_at = at(step * GROUP_BYTES + 16 * half);
                match taps {
                    Taps::Pairs => {
                        code.local_get(mixed(0));
                        match half {
                            0 => code.i16x8_extend_low_i8x16_u(),
                            _ => code.i16x8_extend_high_i8x16_u(),
                        };
                        code.local_get(weights(group))
                            .v128_load(weights_at)
                            .i32x4_dot_i16x8_s()
                            .local_get(sum)
                            .i32x4_add();
                    }
                    Taps::Quads => {
                        code.local_get(weights(group))
                            .v128_load(weights_at)
                            .local_get(mixed(0))
                            .local_get(mixed(1))
                            .i8x16_shuffle(mix_pairs(8 * half as u8))
                            .local_get(sum)
                            .i32x4_relaxed_dot_i8x16_i7x16_add_s();
                    }
                }
                code.local_set(sum);
            }
        }
        times.end_half(&mut code, left, true);
    }
    times.end(&mut code, |code| {
        add_bytes(code, pointer, 4 * taps.count() * steps);
        for group in 0..2 {
            add_bytes(code, weights(group), steps * GROUP_BYTES);
        }
    });

    for vector in 0..VECTORS {
        code.local_get(c)
            .local_get(sum(vector))
            .v128_store(at(16 * vector));
    }
    // The next sixteen channels.
    add_bytes(&mut code, c, 16 * VECTORS);
    add_bytes(&mut code, channel, 2 * GROUP);
    code.local_get(group_bytes)
        .i32_const(2)
        .i32_mul()
        .local_get(words_now)
        .i32_add()
        .local_set(words_now);
    count_down(&mut code, groups_left);
    code.end();
    // The next pixel.
    add_local(&mut code, offset, pixel_bytes);
    count_down(&mut code, pixels);
    code.end();
    code.end();
    Kernel {
        name: match taps {
            Taps::Pairs => times.name("infer_pairs_16", "infer_pairs_short_16"),
            Taps::Quads => times.name("infer_quads_16", "infer_quads_short_16"),
        },
        parameters,
        body,
    }
}
