//! Requantization: int32 accumulators to uint8.

use wasm_encoder::{BlockType, Function, ValType};

use crate::layout::{BOUNDS_FIELDS, ROUND};
use crate::object::Kernel;
use crate::parts::at;

/// Groups of sixteen in the body of the loop.
const STEPS: u32 = 4;

/// Generate `infer_bytes_16`. `infer_kernels::accumulator` describes the parameters.
pub(crate) fn bytes_16() -> Kernel {
    let (sixteens, sums, factors, end, c) = (0, 1, 2, 3, 4);
    let parameters = vec![ValType::I32; 5];
    let (min, max, round, zero) = (5, 6, 7, 8);
    let four = |which: u32| 9 + which;
    let mut body = Function::new([(8, ValType::V128)]);
    let mut code = body.instructions();
    for (position, splat) in BOUNDS_FIELDS.into_iter().zip([min, max, zero]) {
        code.local_get(end)
            .v128_load32_splat(at(position as u32))
            .local_set(splat);
    }
    code.f32_const(ROUND.into()).f32x4_splat().local_set(round);
    code.local_get(zero)
        .i32_const(ROUND.to_bits() as i32)
        .i32x4_splat()
        .i32x4_sub()
        .local_set(zero);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    for step in 0..STEPS {
        for which in 0..4 {
            let at = at(64 * step + 16 * which);
            code.local_get(sums)
                .v128_load(at)
                .f32x4_convert_i32x4_s()
                .local_get(factors)
                .v128_load(at)
                .f32x4_mul()
                .local_get(min)
                .f32x4_pmax()
                .local_get(max)
                .f32x4_pmin()
                .local_get(round)
                .f32x4_add()
                .local_get(zero)
                .i32x4_add()
                .local_set(four(which));
        }
        code.local_get(c);
        for pair in [0, 2] {
            code.local_get(four(pair))
                .local_get(four(pair + 1))
                .i16x8_narrow_i32x4_s();
        }
        code.i8x16_narrow_i16x8_u().v128_store(at(16 * step));
        code.local_get(sixteens)
            .i32_const(-1)
            .i32_add()
            .local_tee(sixteens)
            .i32_eqz()
            .br_if(1);
    }
    for (pointer, bytes) in [(sums, 64), (factors, 64), (c, 16)] {
        code.local_get(pointer)
            .i32_const((STEPS * bytes) as i32)
            .i32_add()
            .local_set(pointer);
    }
    code.br(0).end().end();
    code.end();
    Kernel {
        name: "infer_bytes_16",
        parameters,
        body,
    }
}
