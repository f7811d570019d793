//! `cargo infer check`

use anyhow::{Context, Result, bail};
use clap::Args;
use infer_model_card::Model;

use super::Repository;
use super::report::milliseconds;

/// Check every model of the repository: its card, its graph, and one inference
#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    repository: Repository,
}

impl Check {
    /// Print one line per model; fail if a model is not valid.
    pub fn run(self) -> Result<()> {
        let models = infer_model_card::read_repository(&self.repository.path()?)?;
        let mut bad = 0;
        for model in &models {
            match check(model) {
                Ok(Some(warm)) => println!("ok      {}  {}", model.id, milliseconds(warm)),
                Ok(None) => println!(
                    "ok      {}  not run: its card has no `example_shape` for its dynamic dimensions",
                    model.id
                ),
                Err(error) => {
                    bad += 1;
                    println!("failed  {}  {error:#}", model.id);
                }
            }
        }
        if bad > 0 {
            bail!("{bad} of {} models are not valid", models.len());
        }
        Ok(())
    }
}

/// The time of one inference, if the sizes of the inputs are known.
fn check(model: &Model) -> Result<Option<std::time::Duration>> {
    let Some(path) = &model.onnx_path else {
        bail!("the model has only OpenVINO's files, which `up --backend openvino` checks");
    };
    let onnx = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let shapes = model.card.inputs.iter().filter_map(|spec| {
        let example = model.card.known_shape(spec)?;
        Some((spec.name.clone(), example))
    });
    let tried = infer_import::graph::try_out(onnx, &shapes.collect())?;
    model.card.check_graph(&tried.info)?;
    Ok(tried.warm.ok())
}
