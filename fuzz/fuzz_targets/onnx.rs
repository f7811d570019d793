//! ONNX files: loaded, then run once with inputs as they declare them.
//!
//! They come from an operator, not from a client, and one of the runtimes, rten, panics on some that are damaged. Its
//! panics are passed over, and counted in the end: in WebAssembly each is a trap, which the build words in one
//! sentence (`crates/pack/src/snapshot.rs`). What this project's own code does wrong, the executor's too, is a finding.

#![no_main]

use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use infer_engine::{Graph, Tensor};
use infer_fuzz::pass_over;
use infer_model_card::RuntimeChoice;
use infer_tensor::{Dim, TensorInfo};
use libfuzzer_sys::{Corpus, fuzz_target};

/// The most bytes of an input that is made up.
const MAX_INPUT_BYTES: usize = 1 << 16;

static HOOK: Once = Once::new();

fn input(info: &TensorInfo) -> Option<(String, Tensor)> {
    let datatype = info.wasi_nn_datatype().ok()?;
    let shape: Vec<u32> = info
        .shape
        .iter()
        .flatten()
        .map(|dim| match dim {
            Dim::Fixed(size) => *size,
            Dim::Symbolic(_) | Dim::Any => 2,
        })
        .collect();
    let bytes = datatype.tensor_bytes(&shape).filter(|bytes| *bytes <= MAX_INPUT_BYTES)?;
    let tensor = Tensor {
        datatype,
        shape,
        data: vec![1; bytes],
    };
    Some((info.name.clone(), tensor))
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    HOOK.call_once(|| pass_over("rten"));
    _ = infer_onnx::describe(bytes);
    let run = |runtime| {
        let Ok(graph) = Graph::load(&runtime, bytes.to_vec()) else {
            return;
        };
        let inputs: Option<Vec<_>> = graph.info().inputs.iter().map(input).collect();
        if let Some(inputs) = inputs
            && let Ok(outputs) = graph.compute(inputs)
        {
            for (name, tensor) in outputs {
                assert!(tensor.is_whole(), "{name}");
            }
        }
    };
    run(RuntimeChoice::Executor);
    if panic::catch_unwind(AssertUnwindSafe(|| run(RuntimeChoice::Rten))).is_err() {
        return Corpus::Reject;
    }
    Corpus::Keep
});
