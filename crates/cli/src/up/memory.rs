//! The memory of an instance: models that cannot run within the limit are refused before the first request.

use std::fs;

use anyhow::{Context, Result, bail};
use infer_model_card::Model;
use infer_pack::{Artifacts, fit};

/// Check that the memory of an instance with each model's inference is within the limit of an instance.
///
/// # Errors
/// If a model needs more. The message names it, and the flag that raises the limit.
pub(super) fn check(built: &Artifacts, limit_bytes: u64) -> Result<()> {
    if built.models.iter().all(|model| model.card.memory.is_none()) {
        return Ok(());
    }
    let file = &built.composed;
    let composed = fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let start = fit::needs(&composed)?.memory_bytes;
    for model in &built.models {
        let is_mounted = !built.in_snapshot.contains(&model.id.to_string());
        if let Some(needs) = needs_mib(model, start >> 20, is_mounted)
            && needs << 20 > limit_bytes
        {
            bail!(
                "the model `{}` needs about {needs} MiB of memory in WebAssembly, more than the {} MiB that an instance may \
                 have; start with `--instance-memory-mib {}`, or serve it natively with `--backend onnx`",
                model.id,
                limit_bytes >> 20,
                (needs + needs / 8).next_multiple_of(64)
            );
        }
    }
    Ok(())
}

/// The memory of an instance that runs the model, in MiB; `start` is that of an instance before its first request. `None`
/// if the card does not say.
fn needs_mib(model: &Model, start: u64, is_mounted: bool) -> Option<u64> {
    let memory = model.card.memory?;
    let inference = u64::from(memory.inference_mib);
    // A mounted graph is read, and then loaded beside its file's bytes.
    let loading = match is_mounted {
        true => u64::from(memory.loaded_mib) + (model.graph_bytes >> 20),
        false => 0,
    };
    Some(start + loading + inference)
}
