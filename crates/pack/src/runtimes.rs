//! The file next to an engine snapshot that names the runtime of each of its models.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use infer_model_card::RuntimeChoice;

use crate::snapshot::ModelInfo;
use crate::stage::{Stage, WriteError};

/// Write the runtime of each model next to the snapshot.
///
/// # Errors
/// The operating system's error, with the path.
pub(crate) fn write(
    stage: &Stage,
    snapshot: &Path,
    infos: &BTreeMap<String, ModelInfo>,
) -> Result<BTreeMap<String, RuntimeChoice>, WriteError> {
    let runtimes: BTreeMap<String, RuntimeChoice> = infos
        .iter()
        .map(|(name, info)| (name.clone(), info.runtime.into()))
        .collect();
    let lines = runtimes.iter();
    let text: String = lines
        .map(|(name, runtime)| format!("{name} {runtime}\n"))
        .collect();
    stage.write_beside(&file(snapshot), text.as_bytes())?;
    Ok(runtimes)
}

/// Read the runtimes; `None` if the file is missing or malformed.
pub(crate) fn read(snapshot: &Path) -> Option<BTreeMap<String, RuntimeChoice>> {
    let text = fs::read_to_string(file(snapshot)).ok()?;
    let lines = text.lines().map(|line| {
        let (name, runtime) = line.split_once(' ')?;
        let all = [
            RuntimeChoice::Auto,
            RuntimeChoice::Executor,
            RuntimeChoice::Rten,
        ];
        let runtime = all.into_iter().find(|one| one.to_string() == runtime)?;
        Some((name.to_owned(), runtime))
    });
    lines.collect()
}

fn file(snapshot: &Path) -> PathBuf {
    snapshot.with_extension("runtimes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Runtime;
    use crate::stage::Inputs;

    #[test]
    fn runtimes_round_trip_and_malformed_files_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = folder.path().join("new/engine.wasm");
        assert_eq!(read(&snapshot), None);
        let info = |runtime| ModelInfo {
            inputs: Vec::new(),
            outputs: Vec::new(),
            runtime,
        };
        let infos = [("a", Runtime::Executor), ("b/2", Runtime::Rten)];
        let infos = infos.map(|(name, runtime)| (name.to_owned(), info(runtime)));
        let stage = Stage::new(snapshot.clone(), &Inputs::new("engine", "1"));
        let written = write(&stage, &snapshot, &infos.into()).unwrap();
        assert_eq!(written["b/2"], RuntimeChoice::Rten);
        assert_eq!(read(&snapshot), Some(written));
        for wrong in ["a", "a wasm", "a executor\nb"] {
            fs::write(file(&snapshot), wrong).unwrap();
            assert_eq!(read(&snapshot), None, "{wrong}");
        }
    }
}
