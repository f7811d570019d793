//! int8 and int16 matrix products: four rows and eight columns, or one row and 32 columns.

use wasm_encoder::{BlockType, Function, InstructionSink, ValType};

use crate::gemm::{ABREAST, PANEL_BYTES, ROWS, VECTOR_BYTES, VECTORS, one_row, store_rows};
use crate::layout::{RESIDUAL_HEADER, RESIDUAL_WORDS, unrolled};
use crate::object::Kernel;
use crate::parts::{add_bytes, add_local, at, count_down};
use crate::rounds::Rounds;

/// 32-bit words per round of the loop.
const WORDS: u32 = 16;

/// Bytes of one step of residual weights: the offset of the rows' word, and the words of four columns.
const RESIDUAL_BYTES: u32 = 4 + VECTOR_BYTES;

/// The elements of a 32-bit word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Four bytes: uint8 in rows, int8 in weights.
    Bytes,
    /// Two int16.
    Halves,
}

/// Generate `infer_dot_bytes_4x8`, `infer_dot_halves_4x8` or an unrolled form. `infer_kernels::dot` describes the
/// parameters. The structure is that of `gemm_4x8`, with one word of each of four columns per instruction.
pub(crate) fn dot_4x8(numbers: Numbers, rounds: Rounds) -> Kernel {
    // Parameters.
    let (panels, words, rows, w, c, row_bytes) = (0, 1, 2, 3, 4, 5);
    let parameters = vec![ValType::I32; 6];
    let steps = rounds.steps(WORDS, unrolled::DOT);
    // Locals.
    let left = 6;
    let w_now = 7;
    let c_now = 8;
    let a = |row: u32| 9 + row;
    let weight = |vector: u32| 9 + ROWS + vector;
    let splat = |row: u32| weight(VECTORS) + row;
    let sum = |row: u32, vector: u32| splat(ROWS) + row * VECTORS + vector;
    let vectors = VECTORS + ROWS + ROWS * VECTORS;
    let mut body = Function::new([(3 + ROWS, ValType::I32), (vectors, ValType::V128)]);
    let mut code = body.instructions();

    code.loop_(BlockType::Empty);
    code.local_get(words).local_set(left);
    code.local_get(c).local_set(c_now);
    for row in 0..ROWS {
        for vector in 0..VECTORS {
            code.local_get(w)
                .v128_load(at(vector * VECTOR_BYTES))
                .local_set(sum(row, vector));
        }
        code.local_get(rows).i32_load(at(4 * row)).local_set(a(row));
    }
    code.local_get(w)
        .i32_const(PANEL_BYTES as i32)
        .i32_add()
        .local_tee(w)
        .local_set(w_now);

    rounds.begin(&mut code);
    for word in 0..steps {
        for vector in 0..VECTORS {
            code.local_get(w_now)
                .v128_load(at(word * PANEL_BYTES + vector * VECTOR_BYTES))
                .local_set(weight(vector));
        }
        for half in [0..ROWS / 2, ROWS / 2..ROWS] {
            for row in half.clone() {
                // Loading and splatting a word as f32 does not change its bits.
                code.local_get(a(row))
                    .f32_load(at(4 * word))
                    .f32x4_splat()
                    .local_set(splat(row));
            }
            for row in half.clone() {
                for vector in 0..VECTORS {
                    code.local_get(weight(vector)).local_get(splat(row));
                    add_dot(&mut code, numbers, sum(row, vector));
                }
            }
            rounds.end_half(&mut code, left, half.end == ROWS);
        }
    }
    rounds.end(&mut code, |code| {
        for row in 0..ROWS {
            add_bytes(code, a(row), 4 * steps);
        }
        add_bytes(code, w_now, steps * PANEL_BYTES);
    });

    store_rows(&mut code, sum, c_now, row_bytes);

    // The next eight columns.
    code.local_get(words)
        .i32_const(PANEL_BYTES as i32)
        .i32_mul()
        .local_get(w)
        .i32_add()
        .local_set(w);
    add_bytes(&mut code, c, PANEL_BYTES);
    count_down(&mut code, panels);
    code.end().end();
    Kernel {
        name: match numbers {
            Numbers::Bytes => rounds.name("infer_dot_bytes_4x8", "infer_dot_bytes_short_4x8"),
            Numbers::Halves => rounds.name("infer_dot_halves_4x8", "infer_dot_halves_short_4x8"),
        },
        parameters,
        body,
    }
}

/// Generate `infer_dot_bytes_1x32` or `infer_dot_halves_1x32`. `infer_kernels::dot` describes the parameters. The
/// structure is that of `gemm_1x32`.
pub(crate) fn dot_1x32(numbers: Numbers) -> Kernel {
    // Parameters.
    let (blocks, words, row, weights, panel_bytes, c) = (0, 1, 2, 3, 4, 5);
    let parameters = vec![ValType::I32; 6];
    // Locals.
    let (left, a) = (6, 7);
    let w = |panel: u32| 8 + panel;
    let splat = w(ABREAST);
    let sum = |panel: u32, vector: u32| splat + 1 + panel * VECTORS + vector;
    let mut body = Function::new([
        (2 + ABREAST, ValType::I32),
        (1 + ABREAST * VECTORS, ValType::V128),
    ]);
    let mut code = body.instructions();

    code.loop_(BlockType::Empty);
    code.local_get(words).local_set(left);
    code.local_get(row).local_set(a);
    for panel in 0..ABREAST {
        code.local_get(weights).local_set(w(panel));
        for vector in 0..VECTORS {
            code.local_get(weights)
                .v128_load(at(vector * VECTOR_BYTES))
                .local_set(sum(panel, vector));
        }
        add_local(&mut code, weights, panel_bytes);
    }
    one_row(
        &mut code,
        WORDS,
        [left, a, splat],
        w,
        |code, panel, vector| {
            code.local_get(splat);
            add_dot(code, numbers, sum(panel, vector));
        },
    );
    for panel in 0..ABREAST {
        for vector in 0..VECTORS {
            code.local_get(c)
                .local_get(sum(panel, vector))
                .v128_store(at(panel * PANEL_BYTES + vector * VECTOR_BYTES));
        }
    }
    // The next columns.
    add_bytes(&mut code, c, ABREAST * PANEL_BYTES);
    count_down(&mut code, blocks);
    code.end().end();
    Kernel {
        name: match numbers {
            Numbers::Bytes => "infer_dot_bytes_1x32",
            Numbers::Halves => "infer_dot_halves_1x32",
        },
        parameters,
        body,
    }
}

/// Add the dot products of the two vectors on the stack to `sum`: the words of four columns' weights, and a row's
/// splatted word.
fn add_dot(code: &mut InstructionSink, numbers: Numbers, sum: u32) {
    match numbers {
        Numbers::Bytes => code.local_get(sum).i32x4_relaxed_dot_i8x16_i7x16_add_s(),
        Numbers::Halves => code.i32x4_dot_i16x8_s().local_get(sum).i32x4_add(),
    };
    code.local_set(sum);
}

/// Generate `infer_dot_rest_4x4`, which adds the products of residual weights to the sums that [`dot_4x8`] stored.
/// `infer_kernels::dot` describes the parameters, and `infer_kernels::packed_int8` the entries. Sums are stored after
/// each entry, so that none are live at the head of the loop.
pub(crate) fn dot_rest_4x4() -> Kernel {
    // Parameters.
    let (rows, rest, end, c, row_bytes) = (0, 1, 2, 3, 4);
    let parameters = vec![ValType::I32; 5];
    // Locals.
    let (left, offset, from, c_first, c_now) = (5, 6, 7, 8, 9);
    let a = |row: u32| 10 + row;
    let weight = 10 + ROWS;
    let splat = weight + 1;
    let sum = |row: u32| splat + 1 + row;
    let mut body = Function::new([(5 + ROWS, ValType::I32), (2 + ROWS, ValType::V128)]);
    let mut code = body.instructions();

    for row in 0..ROWS {
        code.local_get(rows).i32_load(at(4 * row)).local_set(a(row));
    }
    code.loop_(BlockType::Empty);
    code.local_get(rest).i32_load(at(4)).local_set(left);
    code.local_get(c)
        .local_get(rest)
        .i32_load(at(0))
        .i32_add()
        .local_tee(c_first)
        .local_set(c_now);
    code.local_get(rest)
        .i32_const(4 * RESIDUAL_HEADER as i32)
        .i32_add()
        .local_tee(from)
        .local_get(left)
        .i32_const(RESIDUAL_BYTES as i32)
        .i32_mul()
        .i32_add()
        .local_set(rest);
    for row in 0..ROWS {
        code.local_get(c_now).v128_load(at(0)).local_set(sum(row));
        add_local(&mut code, c_now, row_bytes);
    }
    code.block(BlockType::Empty);
    for word in 0..RESIDUAL_WORDS as u32 {
        let first = word * RESIDUAL_BYTES;
        code.local_get(from).i32_load(at(first)).local_set(offset);
        code.local_get(from)
            .v128_load(at(first + 4))
            .local_set(weight);
        for row in 0..ROWS {
            code.local_get(a(row))
                .local_get(offset)
                .i32_add()
                .f32_load(at(0))
                .f32x4_splat()
                .local_set(splat);
            code.local_get(weight).local_get(splat);
            add_dot(&mut code, Numbers::Bytes, sum(row));
        }
        if word + 1 < RESIDUAL_WORDS as u32 {
            code.local_get(left)
                .i32_const(-1)
                .i32_add()
                .local_tee(left)
                .i32_eqz()
                .br_if(0);
        }
    }
    code.end();
    code.local_get(c_first).local_set(c_now);
    for row in 0..ROWS {
        code.local_get(c_now).local_get(sum(row)).v128_store(at(0));
        add_local(&mut code, c_now, row_bytes);
    }
    code.local_get(rest).local_get(end).i32_ne().br_if(0);
    code.end().end();
    Kernel {
        name: "infer_dot_rest_4x4",
        parameters,
        body,
    }
}
