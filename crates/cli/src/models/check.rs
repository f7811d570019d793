//! `infer check`

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use infer_import::graph::{NotRun, Trial, try_out};
use infer_model_card::Model;

use super::Repository;
use super::report::milliseconds;
use crate::engine::AnyEngine;
use crate::project::Project;

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
        let engine = AnyEngine::new(Project::find()?.build_options()?);
        let mut bad = 0;
        for model in &models {
            match check(model, &engine) {
                Ok(Ok(warm)) => println!("ok      {}  {}", model.id, milliseconds(warm)),
                Ok(Err(NotRun::NotTried | NotRun::Sizes(_))) => println!(
                    "ok      {}  not run: its card has no `example_shape` for its dynamic dimensions",
                    model.id
                ),
                Ok(Err(NotRun::Values(error))) => println!(
                    "ok      {}  loaded, but it fails on the values of a trial: {error}",
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

/// The time of one inference, or why there was none.
fn check(model: &Model, engine: &AnyEngine) -> Result<Result<Duration, NotRun>> {
    let Some(path) = &model.onnx_path else {
        bail!("the model has only OpenVINO's files, which `up --backend openvino` checks");
    };
    let onnx = infer_onnx::read_standard(path)?;
    let shapes = model.card.inputs.iter().filter_map(|spec| {
        let example = model.card.known_shape(spec)?;
        Some((spec.name.clone(), example))
    });
    let shapes = shapes.collect();
    let values: BTreeMap<String, Vec<f64>> = (model.card.inputs.iter())
        .filter_map(|spec| {
            let value = model.card.constant(&spec.name)?;
            Some((spec.name.clone(), vec![value as f64]))
        })
        .collect();
    let description = infer_onnx::describe(&onnx)?;
    model.card.check_graph(&description.signature)?;
    let trial = Trial {
        description: &description,
        shapes: &shapes,
        values: &values,
        image: (model.card.image_input()).map(|(image, input)| (input.name.as_str(), image)),
    };
    Ok(try_out(engine, onnx, trial)?.warm)
}
