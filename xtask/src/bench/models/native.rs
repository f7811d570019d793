//! ONNX Runtime with one thread, by `bench/models.py`, which also chooses the inputs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use infer_tensor::Datatype;
use serde::Deserialize;

use crate::bench::alone::Tensor;
use crate::bench::command::succeed;
use crate::bench::python::Environment;

/// A Python environment with ONNX Runtime.
pub(super) struct Native {
    python: Environment,
    script: PathBuf,
}

/// The inputs and outputs of a model in ONNX Runtime.
#[derive(Deserialize)]
pub(super) struct Description {
    inputs: Vec<Described>,
    pub(super) outputs: Vec<Described>,
}

/// A tensor without its data.
#[derive(Deserialize)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) datatype: String,
    shape: Vec<u32>,
}

impl Described {
    /// The bytes of the data; `None` for a datatype without a fixed size.
    pub(super) fn bytes(&self) -> Option<usize> {
        let datatype: Datatype = self.datatype.parse().ok()?;
        datatype.tensor_bytes(&self.shape)
    }
}

impl Description {
    /// The inputs with their data.
    pub(super) fn inputs(&self, mut data: &[u8]) -> Result<Vec<Tensor<'_>>> {
        let inputs = self.inputs.iter().map(|input| {
            let bytes = input.bytes();
            let (own, rest) = bytes
                .and_then(|bytes| data.split_at_checked(bytes))
                .with_context(|| format!("the input `{}` has no data", input.name))?;
            data = rest;
            Ok(Tensor {
                name: &input.name,
                datatype: input.datatype.parse()?,
                shape: input.shape.clone(),
                data: own.to_vec(),
            })
        });
        inputs.collect()
    }
}

impl Native {
    /// Install ONNX Runtime unless it is there.
    pub(super) fn prepare(root: &Path) -> Result<Self> {
        Ok(Self {
            python: Environment::prepare(&root.join("bench"), root.join("target/bench/python"))?,
            script: root.join("bench/models.py"),
        })
    }

    /// Time a model. The first call for a folder chooses its inputs and writes them there.
    pub(super) fn time(
        &self,
        model: &Path,
        folder: &Path,
        shapes: &[String],
        runs: u32,
    ) -> Result<Vec<Duration>> {
        let mut command = self.python.command("python");
        command.arg(&self.script).arg(folder).arg(runs.to_string());
        let printed = succeed(command.arg(model).args(shapes))?;
        let times: Vec<f64> =
            serde_json::from_str(&printed).context("models.py printed no times")?;
        ensure!(!times.is_empty(), "models.py printed no times");
        let times = times.into_iter();
        Ok(times.map(|ms| Duration::from_secs_f64(ms / 1e3)).collect())
    }

    /// Read the description that the first call of [`Native::time`] wrote.
    pub(super) fn description(folder: &Path) -> Result<Description> {
        let path = folder.join("description.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("reading `{}`", path.display()))
    }
}
