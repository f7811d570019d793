//! Which runtime runs a graph.

use std::time::Instant;

use infer_model_card::RuntimeChoice;
use infer_tensor::Signature;

use crate::executor_runtime::Executor;
use crate::graph::zeros;
use crate::rten_runtime::Rten;
use crate::runtime::{LoadedModel, Runtime};
use crate::{Error, ErrorKind};

/// How many times as fast rten has to be: less is within what a measurement is off by, and an artifact should not depend
/// on that.
const FASTER: f64 = 1.25;

/// How often a graph is timed, after once to warm up.
const RUNS: usize = 2;

/// As a model's card says. `auto` is the executor for a graph that it takes; where a node of it is among those that
/// the executor computes plainly, both are measured on zeros, here and now, and the faster of them is taken. Of a graph that
/// neither takes, the answer is rten's, unless both lack an operator: then it is the executor's, which has more
/// of them.
impl Runtime for RuntimeChoice {
    fn load(&self, onnx: Vec<u8>, info: &Signature) -> Result<Box<dyn LoadedModel>, Error> {
        match self {
            Self::Rten => Rten.load(onnx, info),
            Self::Executor => Executor.load(onnx, info),
            Self::Auto => auto(onnx, info, true),
        }
    }
}

/// `auto` for graphs that are loaded while a request waits: nothing is measured, it is the executor for every graph that
/// it takes.
pub struct OnDemand;

impl Runtime for OnDemand {
    fn load(&self, onnx: Vec<u8>, info: &Signature) -> Result<Box<dyn LoadedModel>, Error> {
        auto(onnx, info, false)
    }
}

fn auto(onnx: Vec<u8>, info: &Signature, measures: bool) -> Result<Box<dyn LoadedModel>, Error> {
    match Executor::load_graph(&onnx, info) {
        Ok(model) => {
            if measures
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

/// The least seconds that an inference of zeros takes; none where that fails.
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
