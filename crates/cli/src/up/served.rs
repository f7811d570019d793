//! `infer up SOURCE`: a model or an artifact that belongs to no repository.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use infer_import::Options;
use infer_import::source::Source;

use crate::engine::AnyEngine;
use crate::models::report;
use crate::models::source::SourceName;
use crate::{cache, command, project};

/// The kind of a source.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// A component that a build made.
    Artifact(PathBuf),
    /// A model repository.
    Repository(PathBuf),
}

/// The repositories of single models that the cache keeps.
const KEPT_REPOSITORIES: usize = 8;

/// Part of a cached repository's name; increment the number when a card is written differently for the same files.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");

/// Find what to serve. A graph or a folder with one is added to a repository of its own in the user's cache folder, unless it
/// is there from an earlier start.
///
/// # Errors
/// When the source is none of these, or the model cannot be added.
pub(super) fn find(
    source: &SourceName,
    variant: Option<&str>,
    options: &Options,
) -> Result<Served> {
    if let SourceName::Path(path) = source {
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        if path.is_file() && is_component(&path)? {
            return Ok(Served::Artifact(path));
        }
        if path.is_dir() && is_repository(&path) {
            return Ok(Served::Repository(path));
        }
    }
    repository_of(source.find(variant)?, options).map(Served::Repository)
}

/// Whether a file is a WebAssembly component.
fn is_component(path: &Path) -> Result<bool> {
    let mut head = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(8).read_to_end(&mut head))
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    match head.as_slice() {
        // The component model's binary format has version 13 and layer 1.
        [0, b'a', b's', b'm', 13, 0, 1, 0] => Ok(true),
        [0, b'a', b's', b'm', ..] => bail!(
            "`{}` is a WebAssembly module, expected a component, as `{} build` writes it",
            path.display(),
            command()
        ),
        _ => Ok(false),
    }
}

/// Whether a folder has the folder of a model, or of a model's version.
fn is_repository(folder: &Path) -> bool {
    let folders = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
    };
    let has_card = |folder: &Path| folder.join("model.toml").is_file();
    folders(folder).any(|model| has_card(&model) || folders(&model).any(|model| has_card(&model)))
}

/// The repository with the one model of a source.
fn repository_of(source: Source, options: &Options) -> Result<PathBuf> {
    let mut hasher = blake3::Hasher::new();
    for part in [VERSION, &source.name, &format!("{options:?}")] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    for file in source.files().chain(options.labels.iter().cloned()) {
        let read = fs::File::open(&file).and_then(|file| hasher.update_reader(file).map(drop));
        read.with_context(|| format!("cannot read `{}`", file.display()))?;
    }
    let served = cache::folder()?.join("served");
    let repository = served.join(&hasher.finalize().to_hex()[..16]);
    if is_repository(&repository) {
        // `prune` keeps the newest.
        if let Ok(folder) = fs::File::open(&repository) {
            _ = folder.set_modified(SystemTime::now());
        }
        return Ok(repository);
    }
    let engine = AnyEngine::new(project::options_for(repository.clone())?);
    let model = infer_import::inspect(source, options, &engine)?;
    infer_import::add(&model, &repository, None, None)?;
    for note in &model.notes {
        eprintln!("note: {note}");
    }
    eprintln!("{}", report::one_line_summary(&model));
    prune(&served);
    Ok(repository)
}

/// Remove all but the newest repositories. One that cannot be removed stays.
fn prune(served: &Path) {
    let entries = fs::read_dir(served).into_iter().flatten().flatten();
    let mut folders: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    folders.sort();
    let surplus = folders.len().saturating_sub(KEPT_REPOSITORIES);
    for (_, folder) in folders.into_iter().take(surplus) {
        _ = fs::remove_dir_all(folder);
    }
}
