//! `infer list`

use anyhow::Result;
use clap::Args;

use super::Repository;
use super::report::{described, size};

/// List the models of the repository
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    repository: Repository,
}

impl List {
    /// Print one line per model.
    pub fn run(self) -> Result<()> {
        let models = infer_model_card::read_repository(&self.repository.path()?)?;
        let width = models
            .iter()
            .map(|model| model.id.to_string().len())
            .max()
            .unwrap_or_default();
        for model in &models {
            let place = match (&model.onnx_path, model.is_snapshot()) {
                (Some(_), true) => "snapshot",
                (Some(_), false) => "mount",
                (None, _) => "openvino",
            };
            println!(
                "{:width$}  {:>9}  {place:8}  {} -> {}",
                model.id.to_string(),
                size(model.graph_bytes),
                described(&model.card.inputs),
                described(&model.card.outputs),
            );
        }
        Ok(())
    }
}
