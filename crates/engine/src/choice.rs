//! Which runtime runs a graph.

use infer_model_card::RuntimeChoice;
use infer_nn::Signature;

use crate::executor_runtime::Executor;
use crate::rten_runtime::Rten;
use crate::runtime::{LoadedModel, Runtime};
use crate::{Error, ErrorKind};

/// Operators that the executor computes plainly and rten with kernels made for speed.
const SLOW: [&str; 9] = [
    "Conv",
    "ConvInteger",
    "ConvTranspose",
    "GRU",
    "LSTM",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "RNN",
];

/// As a model's card says. `auto` is the executor for a graph that it takes, unless a node of the graph is among those
/// that it computes plainly and rten takes the graph too. Of a graph that neither takes, the answer is rten's, unless both
/// lack an operator: then it is the executor's, which has more of them.
impl Runtime for RuntimeChoice {
    fn load(&self, onnx: Vec<u8>, info: &Signature) -> Result<Box<dyn LoadedModel>, Error> {
        match self {
            Self::Rten => Rten.load(onnx, info),
            Self::Executor => Executor.load(onnx, info),
            Self::Auto => match Executor::load_graph(&onnx, info) {
                Ok(model) => {
                    let is_slow = model.graph().operators().any(|name| SLOW.contains(&name));
                    if is_slow && let Ok(loaded) = Rten.load(onnx, info) {
                        return Ok(loaded);
                    }
                    Ok(Box::new(model))
                }
                Err(error) => Rten.load(onnx, info).map_err(|other| {
                    let both = [error.kind(), other.kind()];
                    match both == [ErrorKind::UnsupportedOperation; 2] {
                        true => error,
                        false => other,
                    }
                }),
            },
        }
    }
}
