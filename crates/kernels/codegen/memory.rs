//! What the compiler is to take for a writer of memory.

use wasm_encoder::{Function, ValType};

use crate::object::Kernel;

/// See `infer_kernels::memory`.
pub(crate) fn as_found() -> Kernel {
    let mut body = Function::new([]);
    body.instructions().end();
    Kernel {
        name: "infer_as_found",
        parameters: vec![ValType::I32],
        body,
    }
}
