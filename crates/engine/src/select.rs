//! Selects the runtime of a graph.

use std::time::Instant;

use infer_model_card::RuntimeChoice;
use infer_tensor::Signature;

use crate::executor_runtime::Executor;
use crate::graph::zeros;
use crate::rten_runtime::Rten;
use crate::runtime::{LoadedModel, Runtime};
use crate::{Error, ErrorKind};

/// How many times as fast as the executor rten must be. A smaller difference is noise, on which an artifact should not
/// depend.
const FASTER: f64 = 1.25;

/// Timed runs of a graph, after one to warm up.
const RUNS: usize = 2;

/// Selects the runtime that the model card names. `auto` selects the executor if it loads the graph. If the executor
/// has only a plain kernel for one of the graph's operators, both runtimes are timed on zeros, and the faster one is
/// selected. If neither runtime loads the graph, the error is rten's; if both lack an operator, it is the
/// executor's, which supports more of them.
impl Runtime for RuntimeChoice {
    fn load(&self, onnx: Vec<u8>, info: &Signature) -> Result<Box<dyn LoadedModel>, Error> {
        match self {
            Self::Rten => Rten.load(onnx, info),
            Self::Executor => Executor.load(onnx, info),
            Self::Auto => auto(onnx, info, true),
        }
    }
}

/// Selects without timing, for graphs that are loaded while a request waits: the executor if it loads the graph, else
/// rten.
pub struct OnDemand;

impl Runtime for OnDemand {
    fn load(&self, onnx: Vec<u8>, info: &Signature) -> Result<Box<dyn LoadedModel>, Error> {
        auto(onnx, info, false)
    }
}

fn auto(onnx: Vec<u8>, info: &Signature, may_time: bool) -> Result<Box<dyn LoadedModel>, Error> {
    match Executor::load_graph(&onnx, info) {
        Ok(model) => {
            if may_time
                && model.is_plain()
                && let Ok(other) = Rten.load(onnx, info)
                && let Some(theirs) = seconds(&*other, info)
                && seconds(&model, info).is_none_or(|ours| theirs * FASTER < ours)
            {
                return Ok(other);
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
    }
}

/// The seconds of the fastest inference on zeros; `None` if one fails.
fn seconds(model: &dyn LoadedModel, info: &Signature) -> Option<f64> {
    model.run(zeros(info).ok()?).ok()?;
    let mut least = f64::MAX;
    for _ in 0..RUNS {
        let inputs = zeros(info).ok()?;
        let start = Instant::now();
        model.run(inputs).ok()?;
        least = least.min(start.elapsed().as_secs_f64());
    }
    Some(least)
}
