//! Multiply-adds without memory accesses, which measure the machine's peak.

use wasm_encoder::{BlockType, Function, ValType};

use crate::Target;
use crate::gemm::multiply_add;
use crate::layout;
use crate::object::Kernel;
use crate::parts::at;

const SUMS: u32 = layout::peak::ACCUMULATORS as u32;
const STEPS: u32 = layout::peak::STEPS as u32;

/// Generate `infer_peak`. Its parameters are the number of iterations, and a pointer for a result of four values,
/// without which the host's compiler would remove the computation.
pub(crate) fn peak(target: Target) -> Kernel {
    let (iterations, result) = (0, 1);
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
        // A branch that is never taken only ends the block, because Cranelift computes the sums of a block one after another.
        if step % 4 == 0 {
            code.local_get(iterations).i32_eqz().br_if(1);
        }
    }
    code.local_get(iterations)
        .i32_const(-1)
        .i32_add()
        .local_tee(iterations)
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
