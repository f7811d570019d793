//! onnxruntime-web under Node, in the version of `bench/onnxruntime-web/package.json`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::bench::alone::Tensor;
use crate::bench::command::succeed;

/// The library, installed below `target/`.
pub(super) struct OnnxRuntimeWeb {
    folder: PathBuf,
}

/// What a run of it tells.
pub(super) struct Times {
    /// Milliseconds of each inference.
    pub(super) times: Vec<f64>,
    /// The first output.
    pub(super) output: Vec<f64>,
}

impl OnnxRuntimeWeb {
    /// Install it by npm, unless it is there.
    pub(super) fn prepare(root: &Path) -> Result<Self> {
        let source = root.join("bench/onnxruntime-web");
        let folder = root.join("target/bench/onnxruntime-web");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
        for file in ["package.json", "time.mjs"] {
            let path = source.join(file);
            std::fs::copy(&path, folder.join(file))
                .with_context(|| format!("cannot copy `{}`", path.display()))?;
        }
        let asked = std::fs::read_to_string(folder.join("package.json"))?;
        let installed = folder.join("installed.json");
        if std::fs::read_to_string(&installed).is_ok_and(|text| text == asked) {
            return Ok(Self { folder });
        }
        eprintln!("installing onnxruntime-web …");
        succeed(Command::new("npm").current_dir(&folder).args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
        ]))?;
        // Written last: a folder without it was not finished.
        std::fs::write(&installed, asked)?;
        Ok(Self { folder })
    }

    /// Time a network; the file `data` has the inputs' data, one after the other.
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
        let told: serde_json::Value =
            serde_json::from_slice(&output.stdout).context("onnxruntime-web told no JSON")?;
        let numbers = |name: &str| -> Result<Vec<f64>> {
            let found = told[name]
                .as_array()
                .with_context(|| format!("it told no `{name}`"))?;
            Ok(found.iter().filter_map(serde_json::Value::as_f64).collect())
        };
        Ok(Times {
            times: numbers("times")?,
            output: numbers("output")?,
        })
    }
}
