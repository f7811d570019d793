//! f32 matrix products: four rows and eight columns, or one row and 32 columns.

use wasm_encoder::{BlockType, Function, InstructionSink, ValType};

use crate::Target;
use crate::layout::{self, unrolled};
use crate::object::Kernel;
use crate::parts::{add_bytes, add_local, apply_clamp, at, count_down, load_clamp};
use crate::rounds::Rounds;

pub(crate) const ROWS: u32 = layout::ROWS as u32;
/// Vectors per row of a panel.
pub(crate) const VECTORS: u32 = (layout::COLUMNS / layout::LANES) as u32;
/// Steps per round of the loop.
const STEPS: u32 = 32;

pub(crate) const VECTOR_BYTES: u32 = layout::VECTOR_BYTES as u32;
pub(crate) const PANEL_BYTES: u32 = VECTORS * VECTOR_BYTES;

/// `accumulator += a * b`, all three locals.
pub(crate) fn multiply_add(
    code: &mut InstructionSink,
    target: Target,
    a: u32,
    b: u32,
    accumulator: u32,
) {
    if target.relaxed_simd {
        code.local_get(a)
            .local_get(b)
            .local_get(accumulator)
            .f32x4_relaxed_madd();
    } else {
        code.local_get(a)
            .local_get(b)
            .f32x4_mul()
            .local_get(accumulator)
            .f32x4_add();
    }
    code.local_set(accumulator);
}

/// Store the sums of four rows, and advance the pointer past them; `row_bytes` is a local.
pub(crate) fn store_rows(
    code: &mut InstructionSink,
    sum: impl Fn(u32, u32) -> u32,
    c: u32,
    row_bytes: u32,
) {
    for row in 0..ROWS {
        for vector in 0..VECTORS {
            code.local_get(c)
                .local_get(sum(row, vector))
                .v128_store(at(vector * VECTOR_BYTES));
        }
        add_local(code, c, row_bytes);
    }
}

/// Generate `infer_gemm_4x8` or its unrolled form. `infer_kernels::tile::Tile` describes the parameters.
pub(crate) fn gemm_4x8(target: Target, rounds: Rounds) -> Kernel {
    // Parameters.
    let (panels, k, rows, w, c, row_bytes) = (0, 1, 2, 3, 4, 5);
    let (residual, residual_bytes, clamp) = (6, 7, 8);
    let parameters = vec![ValType::I32; 9];
    // Locals.
    let left = 9;
    let w_now = 10;
    let c_now = 11;
    let residual_now = 12;
    let a = |row: u32| 13 + row;
    let lower = 13 + ROWS;
    let upper = lower + 1;
    let weight = |vector: u32| upper + 1 + vector;
    let splat = |row: u32| weight(VECTORS) + row;
    let sum = |row: u32, vector: u32| splat(ROWS) + row * VECTORS + vector;
    let vectors = 2 + VECTORS + ROWS + ROWS * VECTORS;
    let mut body = Function::new([(4 + ROWS, ValType::I32), (vectors, ValType::V128)]);
    let mut code = body.instructions();
    let steps = rounds.steps(STEPS, unrolled::GEMM);

    code.loop_(BlockType::Empty);
    code.local_get(k).local_set(left);
    code.local_get(c).local_set(c_now);
    code.local_get(residual).local_set(residual_now);
    // The sums start with the bias, which precedes the weights, plus the residual.
    for row in 0..ROWS {
        for vector in 0..VECTORS {
            code.local_get(w)
                .v128_load(at(vector * VECTOR_BYTES))
                .local_get(residual_now)
                .v128_load(at(vector * VECTOR_BYTES))
                .f32x4_add()
                .local_set(sum(row, vector));
        }
        if row + 1 < ROWS {
            add_local(&mut code, residual_now, residual_bytes);
        }
    }
    code.local_get(w)
        .i32_const(PANEL_BYTES as i32)
        .i32_add()
        .local_tee(w)
        .local_set(w_now);
    for row in 0..ROWS {
        code.local_get(rows).i32_load(at(4 * row)).local_set(a(row));
    }

    rounds.begin(&mut code);
    for step in 0..steps {
        for vector in 0..VECTORS {
            code.local_get(w_now)
                .v128_load(at(step * PANEL_BYTES + vector * VECTOR_BYTES))
                .local_set(weight(vector));
        }
        for half in [0..ROWS / 2, ROWS / 2..ROWS] {
            for row in half.clone() {
                code.local_get(a(row))
                    .f32_load(at(4 * step))
                    .f32x4_splat()
                    .local_set(splat(row));
            }
            for row in half.clone() {
                for vector in 0..VECTORS {
                    multiply_add(
                        &mut code,
                        target,
                        splat(row),
                        weight(vector),
                        sum(row, vector),
                    );
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
    // Clamp in memory: if the sums were used once more, they would lose their registers in the loop.
    code.local_get(clamp).if_(BlockType::Empty);
    load_clamp(&mut code, clamp, [lower, upper]);
    for _ in 0..ROWS {
        code.local_get(c_now)
            .local_get(row_bytes)
            .i32_sub()
            .local_set(c_now);
        for vector in 0..VECTORS {
            code.local_get(c_now)
                .local_get(c_now)
                .v128_load(at(vector * VECTOR_BYTES));
            apply_clamp(&mut code, [lower, upper]);
            code.v128_store(at(vector * VECTOR_BYTES));
        }
    }
    code.end();

    // The next eight columns.
    code.local_get(k)
        .i32_const(PANEL_BYTES as i32)
        .i32_mul()
        .local_get(w)
        .i32_add()
        .local_set(w);
    add_bytes(&mut code, c, PANEL_BYTES);
    code.local_get(residual)
        .i32_const(PANEL_BYTES as i32)
        .i32_const(0)
        .local_get(residual_bytes)
        .select()
        .i32_add()
        .local_set(residual);
    count_down(&mut code, panels);
    code.end().end();
    Kernel {
        name: rounds.name("infer_gemm_4x8", "infer_gemm_short_4x8"),
        parameters,
        body,
    }
}

/// Panels that a kernel for one row multiplies at a time, which makes as many sums as four rows have.
pub(crate) const ABREAST: u32 = layout::PANELS_ABREAST as u32;

/// Generate `infer_gemm_1x32`. `infer_kernels::tile::Row` describes the parameters.
pub(crate) fn gemm_1x32(target: Target) -> Kernel {
    // Parameters.
    let (blocks, k, row, weights, panel_bytes, c) = (0, 1, 2, 3, 4, 5);
    let (residual, residual_bytes, clamp) = (6, 7, 8);
    let parameters = vec![ValType::I32; 9];
    // Locals.
    let (left, a) = (9, 10);
    let w = |panel: u32| 11 + panel;
    let lower = w(ABREAST);
    let upper = lower + 1;
    let splat = upper + 1;
    let weight = splat + 1;
    let sum = |panel: u32, vector: u32| weight + 1 + panel * VECTORS + vector;
    let mut body = Function::new([
        (2 + ABREAST, ValType::I32),
        (4 + ABREAST * VECTORS, ValType::V128),
    ]);
    let mut code = body.instructions();

    code.loop_(BlockType::Empty);
    code.local_get(k).local_set(left);
    code.local_get(row).local_set(a);
    for panel in 0..ABREAST {
        code.local_get(weights).local_set(w(panel));
        for vector in 0..VECTORS {
            code.local_get(weights)
                .v128_load(at(vector * VECTOR_BYTES))
                .local_get(residual)
                .v128_load(at(panel * PANEL_BYTES + vector * VECTOR_BYTES))
                .f32x4_add()
                .local_set(sum(panel, vector));
        }
        add_local(&mut code, weights, panel_bytes);
    }
    one_row(
        &mut code,
        STEPS,
        [left, a, splat],
        w,
        |code, panel, vector| {
            code.local_set(weight);
            multiply_add(code, target, splat, weight, sum(panel, vector));
        },
    );
    load_clamp(&mut code, clamp, [lower, upper]);
    for panel in 0..ABREAST {
        for vector in 0..VECTORS {
            code.local_get(c).local_get(sum(panel, vector));
            apply_clamp(&mut code, [lower, upper]);
            code.v128_store(at(panel * PANEL_BYTES + vector * VECTOR_BYTES));
        }
    }
    // The next columns.
    add_bytes(&mut code, c, ABREAST * PANEL_BYTES);
    add_local(&mut code, residual, residual_bytes);
    count_down(&mut code, blocks);
    code.end().end();
    Kernel {
        name: "infer_gemm_1x32",
        parameters,
        body,
    }
}

/// Multiply the row at `a` with the weights at `w` of four panels at a time. Each step splats a value of the row.
/// `multiply` multiplies it with the vector of weights on the stack, and adds the product to a sum.
pub(crate) fn one_row(
    code: &mut InstructionSink,
    steps: u32,
    [left, a, splat]: [u32; 3],
    w: impl Fn(u32) -> u32,
    multiply: impl Fn(&mut InstructionSink, u32, u32),
) {
    let rounds = Rounds::Many;
    rounds.begin(code);
    for step in 0..steps {
        code.local_get(a)
            .f32_load(at(4 * step))
            .f32x4_splat()
            .local_set(splat);
        for half in [0..ABREAST / 2, ABREAST / 2..ABREAST] {
            for panel in half.clone() {
                for vector in 0..VECTORS {
                    // The biases precede the weights.
                    code.local_get(w(panel))
                        .v128_load(at((step + 1) * PANEL_BYTES + vector * VECTOR_BYTES));
                    multiply(code, panel, vector);
                }
            }
            rounds.end_half(code, left, half.end == ABREAST);
        }
    }
    rounds.end(code, |code| {
        add_bytes(code, a, 4 * steps);
        for panel in 0..ABREAST {
            add_bytes(code, w(panel), steps * PANEL_BYTES);
        }
    });
}
