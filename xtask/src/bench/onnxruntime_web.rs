//! onnxruntime-web under Node, in the version that `bench/onnxruntime-web/package.json` pins.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::bench::alone::Tensor;
use crate::bench::command::succeed;

/// The package, installed below `target/`.
pub(super) struct OnnxRuntimeWeb {
    folder: PathBuf,
}

/// The results of a run.
pub(super) struct Times {
    /// Milliseconds of each inference.
    pub(super) times: Vec<f64>,
    /// The first output.
    pub(super) output: Vec<f64>,
}

impl OnnxRuntimeWeb {
    /// Install the package with npm unless it is there.
    pub(super) fn prepare(root: &Path) -> Result<Self> {
        let source = root.join("bench/onnxruntime-web");
        let folder = root.join("target/bench/onnxruntime-web");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create `{}`", folder.display()))?;
        for file in ["package.json", "time.mjs"] {
            let path = source.join(file);
            std::fs::copy(&path, folder.join(file))
                .with_context(|| format!("cannot copy `{}`", path.display()))?;
        }
        let requested = std::fs::read_to_string(folder.join("package.json"))?;
        let installed = folder.join("installed.json");
        if std::fs::read_to_string(&installed).is_ok_and(|text| text == requested) {
            return Ok(Self { folder });
        }
        eprintln!("installing onnxruntime-web …");
        succeed(Command::new("npm").current_dir(&folder).args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
        ]))?;
        // Written last, so its absence means an unfinished folder.
        std::fs::write(&installed, requested)?;
        Ok(Self { folder })
    }

    /// Time a network; the file `data` has the concatenated data of the inputs.
    pub(super) fn time(
        &self,
        model: &Path,
        inputs: &[Tensor],
        data: &Path,
        runs: u32,
    ) -> Result<Times> {
        let inputs = inputs.iter().map(|input| {
            json!({"name": input.name, "datatype": input.datatype.name(), "shape": input.shape})
        });
        let output = Command::new("node")
            .current_dir(&self.folder)
            .arg("time.mjs")
            .args([model.canonicalize()?, data.canonicalize()?])
            .arg(serde_json::Value::from_iter(inputs).to_string())
            .arg(runs.to_string())
            .stdin(Stdio::null())
            .output()
            .context("cannot start `node`, which runs onnxruntime-web")?;
        if !output.status.success() {
            bail!(
                "onnxruntime-web failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let printed: serde_json::Value =
            serde_json::from_slice(&output.stdout).context("onnxruntime-web printed no JSON")?;
        let numbers = |name: &str| -> Result<Vec<f64>> {
            let found = printed[name]
                .as_array()
                .with_context(|| format!("onnxruntime-web printed no `{name}`"))?;
            Ok(found.iter().filter_map(serde_json::Value::as_f64).collect())
        };
        Ok(Times {
            times: numbers("times")?,
            output: numbers("output")?,
        })
    }
}
