//! ONNX files: loaded, then run once with inputs as they declare them.
//!
//! They come from an operator, not from a client, but whatever they hold, they are loaded or refused in words.

#![no_main]

use infer_engine::{Graph, Tensor};
use infer_tensor::{Dim, TensorInfo};
use libfuzzer_sys::fuzz_target;

/// The most bytes of an input that is made up.
const MAX_INPUT_BYTES: usize = 1 << 16;

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

fuzz_target!(|bytes: &[u8]| {
    _ = infer_onnx::describe(bytes);
    let Ok(graph) = Graph::load(bytes.to_vec()) else {
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
});
