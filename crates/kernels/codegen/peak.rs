//! Multiplications and additions with nothing else to do: what the machine's SIMD can at most.

use wasm_encoder::{BlockType, Function, ValType};

use crate::Target;
use crate::gemm::multiply_add;
use crate::layout;
use crate::object::Kernel;
use crate::parts::at;

const SUMS: u32 = layout::peak::ACCUMULATORS as u32;
const STEPS: u32 = layout::peak::STEPS as u32;

/// Takes the number of turns, and where to write four of the sums, so that they are computed at all.
pub(crate) fn peak(target: Target) -> Kernel {
    let (turns, result) = (0, 1);
    let (a, b) = (2, 3);
    let sum = |at: u32| 4 + at;
    let mut body = Function::new([(2 + SUMS, ValType::V128)]);
    let mut code = body.instructions();
    code.f32_const(1.0001.into()).f32x4_splat().local_set(a);
    code.f32_const(0.9999.into()).f32x4_splat().local_set(b);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    for step in 1..=STEPS {
        for at in 0..SUMS {
            multiply_add(&mut code, target, a, b, sum(at));
        }
        // Never taken: it is there so that the block ends, of which Cranelift computes one sum after the other.
        if step % 4 == 0 {
            code.local_get(turns).i32_eqz().br_if(1);
        }
    }
    code.local_get(turns)
        .i32_const(-1)
        .i32_add()
        .local_tee(turns)
        .br_if(0)
        .end()
        .end();
    code.local_get(result).local_get(sum(0));
    for at in 1..SUMS {
        code.local_get(sum(at)).f32x4_add();
    }
    code.v128_store(at(0)).end();
    Kernel {
        name: "infer_peak",
        parameters: vec![ValType::I32; 2],
        body,
    }
}
