//! The graphs, by name.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use infer_onnx::ExternalError;
use infer_tensor::Signature;

use crate::graph::Graph;
use crate::{Error, ErrorKind};

/// The graphs that `load-by-name` finds. It is filled before the snapshot and only read after it. A name that is
/// not in it is looked up nowhere else.
#[derive(Default)]
pub struct Registry {
    // A tree, because every instance would have the same hash seed, taken before the snapshot.
    graphs: BTreeMap<String, Entry>,
}

enum Entry {
    Loaded(Rc<Graph>),
    /// Loads the graph of that name from its file. A pointer, so that trimming removes the code from a snapshot without
    /// mounted graphs.
    Mounted(fn(&str, &Path) -> Result<Graph, Error>),
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            graphs: BTreeMap::new(),
        }
    }

    /// Load a graph and keep it. Returns its signature.
    ///
    /// # Errors
    /// As [`Graph::load`], and `InvalidArgument` for a name that no folder can have.
    pub fn add(&mut self, name: &str, onnx: Vec<u8>) -> Result<Signature, Error> {
        check_name(name)?;
        let graph = Graph::load(onnx)?;
        let info = graph.info().clone();
        self.graphs
            .insert(name.to_owned(), Entry::Loaded(Rc::new(graph)));
        Ok(info)
    }

    /// Read a graph from the mount whenever it is requested.
    ///
    /// # Errors
    /// `InvalidArgument` for a name that no folder can have.
    pub fn mount(&mut self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        let load: fn(&str, &Path) -> _ = |name, file| Graph::load(read(name, file)?);
        self.graphs.insert(name.to_owned(), Entry::Mounted(load));
        Ok(())
    }

    /// The graph of that name. A mounted graph is read from `models_dir` and loaded now.
    ///
    /// # Errors
    /// `NotFound` if the registry lacks the name or the mount lacks the file; as [`Graph::load`] for a mounted
    /// graph.
    pub fn get(&self, name: &str, models_dir: &Path) -> Result<Rc<Graph>, Error> {
        match self.graphs.get(name) {
            Some(Entry::Loaded(graph)) => Ok(Rc::clone(graph)),
            Some(Entry::Mounted(load)) => {
                let file = models_dir.join(name).join("model.onnx");
                load(name, &file).map(Rc::new)
            }
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "there is no graph `{}`; there are: {}",
                    name.chars().take(80).collect::<String>(),
                    self.graphs.keys().cloned().collect::<Vec<_>>().join(", ")
                ),
            )),
        }
    }
}

/// Read a mounted graph with its weights.
fn read(name: &str, file: &Path) -> Result<Vec<u8>, Error> {
    infer_onnx::read_file(file).map_err(|error| mount_error(name, &error))
}

/// The message names the graph but not its path, which is the host's.
fn mount_error(name: &str, error: &ExternalError) -> Error {
    let (ExternalError::Read { source, .. } | ExternalError::Missing { source, .. }) = error else {
        return Error::new(
            ErrorKind::InvalidEncoding,
            format!(
                "graph `{name}` of the mounted model repository cannot be read with its weights"
            ),
        );
    };
    Error::new(
        ErrorKind::NotFound,
        format!(
            "graph `{name}` is not in the mounted model repository: {}",
            source.kind()
        ),
    )
}

/// Check that a name is `name` or `name/version`, so that it is the path of a folder in the mount and of nothing else.
fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_folder =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed);
    if name.split('/').count() > 2 || !name.split('/').all(is_folder) {
        return Err(Error::invalid(format!(
            "`{name}` cannot be a graph's name: expected A-Z, a-z, 0-9, `.`, `_` and `-`, and at most one \
             `/`, before a version"
        )));
    }
    Ok(())
}
