//! A model's source: a path, or a model of the Hugging Face hub.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use infer_hub::{Hub, Listing, Reference, ReferenceError, RemoteFile, RequestError};
use infer_import::source::{Chosen, Source};
use infer_import::{Found, Options, inspect_declared};
use infer_onnx::ReadAt;

use crate::progress::Transfer;

/// A source as the user names it.
#[derive(Clone, Debug)]
pub enum SourceName {
    /// A file or a folder.
    Path(PathBuf),
    /// A model of the hub.
    Hub(Reference),
}

impl FromStr for SourceName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        match text.starts_with("hf:") {
            true => text.parse().map(Self::Hub),
            false => Ok(Self::Path(text.into())),
        }
    }
}

impl SourceName {
    /// Find the graph and its accompanying files. Those of the hub are downloaded into its cache.
    ///
    /// # Errors
    /// When there is no such source, it has no usable graph, or a download fails.
    pub fn find(&self, variant: Option<&str>) -> Result<Source> {
        match self {
            Self::Path(path) => Ok(Source::find(path, variant)?),
            Self::Hub(reference) => {
                let model = HubModel::list(reference, variant)?;
                let folder = model.download(&model.paths()?)?;
                model.download_weights(&folder)?;
                Ok(Source::chosen(&folder, &model.chosen, model.name()))
            }
        }
    }

    /// Inspect a model of the hub without downloading its weights; `None` for a path, and for two graphs that are joined.
    ///
    /// # Errors
    /// As [`SourceName::find`], and when the graph's declarations are not those of a supported model.
    pub fn inspect_remote(
        &self,
        variant: Option<&str>,
        options: &Options,
    ) -> Result<Option<Found>> {
        let Self::Hub(reference) = self else {
            return Ok(None);
        };
        let model = HubModel::list(reference, variant)?;
        if model.chosen.text_graph.is_some() {
            return Ok(None);
        }
        let paths = model.paths()?;
        let (graph, accompanying) = paths.split_first().context("no graph was chosen")?;
        let remote = model.hub.open(&model.listing, graph)?;
        let bytes = remote.listed().size;
        let description = infer_onnx::describe_source(&mut Remote(remote))
            .with_context(|| format!("`{graph}` of {reference}"))?;
        let folder = match accompanying.is_empty() {
            true => PathBuf::new(),
            false => model.download(accompanying)?,
        };
        let source = Source::chosen(&folder, &model.chosen, model.name());
        Ok(Some(inspect_declared(
            source,
            options,
            &description,
            bytes,
        )?))
    }
}

/// A model of the hub, and the files that are used of it.
struct HubModel {
    hub: Hub,
    listing: Listing,
    chosen: Chosen,
}

impl HubModel {
    /// List the repository and choose its files.
    fn list(reference: &Reference, variant: Option<&str>) -> Result<Self> {
        let variant = match (reference.variant(), variant) {
            (Some(one), Some(other)) if one != other => bail!(
                "{reference} names the variant `{one}`, and `--variant` names `{other}`; expected one"
            ),
            (one, other) => one.or(other),
        };
        let hub = Hub::from_environment()?;
        let listing = hub.list(reference)?;
        let files = listing.files().iter();
        let paths: Vec<&str> = files.map(|file| file.path.as_str()).collect();
        let chosen = Source::choose(listing.repository(), &paths, variant)?;
        // Before gigabytes are downloaded in vain.
        let graphs = [Some(&chosen.graph), chosen.text_graph.as_ref()];
        let is_graph = |path: &str| graphs.contains(&Some(&PathBuf::from(path)));
        for file in listing.files().iter().filter(|file| is_graph(&file.path)) {
            infer_import::source::check_bytes(Path::new(&file.path), file.size)?;
        }
        Ok(Self {
            hub,
            chosen,
            listing,
        })
    }

    /// The last part of the repository's name.
    fn name(&self) -> &str {
        let repository = self.listing.repository();
        repository.rsplit('/').next().unwrap_or(repository)
    }

    /// The graphs.
    fn graphs(&self) -> impl Iterator<Item = &PathBuf> {
        iter::once(&self.chosen.graph).chain(&self.chosen.text_graph)
    }

    /// The chosen files as the hub names them, the graph first.
    fn paths(&self) -> Result<Vec<&str>> {
        let paths = self.graphs().chain(&self.chosen.accompanying);
        let paths = paths.map(|path| path.to_str());
        let paths: Option<Vec<&str>> = paths.collect();
        paths.context("a file's name is not Unicode")
    }

    /// Download the files in which the graphs, which are in `folder`, have their weights.
    fn download_weights(&self, folder: &Path) -> Result<()> {
        let mut locations = BTreeSet::new();
        for graph in self.graphs().map(|graph| folder.join(graph)) {
            let onnx = std::fs::read(&graph)
                .with_context(|| format!("cannot read `{}`", graph.display()))?;
            // A file that is not ONNX is refused in words when it is inspected.
            locations.extend(infer_onnx::locations(&onnx).unwrap_or_default());
        }
        let beside = self.chosen.graph.parent().unwrap_or(Path::new(""));
        let files = self.listing.files().iter().map(|file| file.path.as_str());
        let is_weights = |path: &&str| {
            let in_folder = Path::new(path).strip_prefix(beside);
            in_folder.is_ok_and(|path| locations.iter().any(|name| Path::new(name) == path))
        };
        let weights: Vec<&str> = files.filter(is_weights).collect();
        match weights.is_empty() {
            true => Ok(()),
            false => self.download(&weights).map(drop),
        }
    }

    /// Download files, unless they are in the cache, and return the folder with them.
    fn download(&self, paths: &[&str]) -> Result<PathBuf> {
        let bars = Bars(RefCell::new(None));
        Ok(self.hub.download(&self.listing, paths, &bars)?)
    }
}

/// The bar of the file that is being downloaded.
struct Bars(RefCell<Option<(String, Transfer)>>);

impl infer_hub::Progress for Bars {
    fn advance(&self, path: &str, received: u64, total: u64) {
        let mut slot = self.0.borrow_mut();
        if slot.as_ref().is_none_or(|(current, _)| current != path) {
            *slot = Some((path.to_owned(), Transfer::new(path)));
        }
        if let Some((_, transfer)) = slot.as_mut() {
            transfer.update(received, total);
        }
    }

    fn retry(&self, path: &str, error: &RequestError, wait: Duration) {
        eprintln!("{path}: {error}; trying again in {} s", wait.as_secs());
    }
}

/// A file of the hub, read by ranges.
struct Remote(RemoteFile);

impl ReadAt for Remote {
    fn size(&self) -> u64 {
        self.0.listed().size
    }

    fn read_at(&mut self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        let bytes = self.0.read_at(offset, length).map_err(io::Error::other)?;
        match bytes.len() == length {
            true => Ok(Cow::Owned(bytes)),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
