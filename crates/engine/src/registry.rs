//! Graphs by name.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::{fs, io};

use infer_model_card::RuntimeChoice;
use infer_tensor::Signature;

use crate::choice::OnDemand;
use crate::executor_runtime::Executor;
use crate::graph::Graph;
use crate::rten_runtime::Rten;
use crate::{Error, ErrorKind};

/// The graphs that `load-by-name` knows. It is filled before the snapshot and only read after it; a
/// name that is not in it is never looked up anywhere else.
#[derive(Default)]
pub struct Registry {
    // A tree, not a hash map: a hash map's seed would be the same in every instance.
    graphs: BTreeMap<String, Entry>,
}

enum Entry {
    Loaded(Rc<Graph>),
    /// What loads it. A pointer, so that a snapshot without such graphs has nothing of what it takes to load one.
    Mounted(fn(Vec<u8>) -> Result<Graph, Error>),
}

impl Registry {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            graphs: BTreeMap::new(),
        }
    }

    /// Load a graph and keep it; returns what its file declares, and which runtime runs it.
    ///
    /// # Errors
    /// As [`Graph::load`], and `InvalidArgument` for a name that no folder could have.
    pub fn add(
        &mut self,
        name: &str,
        onnx: Vec<u8>,
        runtime: RuntimeChoice,
    ) -> Result<(Signature, RuntimeChoice), Error> {
        check_name(name)?;
        let graph = Graph::load(&runtime, onnx)?;
        let info = (graph.info().clone(), graph.runtime());
        self.graphs
            .insert(name.to_owned(), Entry::Loaded(Rc::new(graph)));
        Ok(info)
    }

    /// Let a graph be read from the mount when it is asked for.
    ///
    /// # Errors
    /// `InvalidArgument` for a name that no folder could have.
    pub fn mount(&mut self, name: &str, runtime: RuntimeChoice) -> Result<(), Error> {
        check_name(name)?;
        let load = match runtime {
            RuntimeChoice::Auto => |onnx| Graph::load(&OnDemand, onnx),
            RuntimeChoice::Executor => |onnx| Graph::load(&Executor, onnx),
            RuntimeChoice::Rten => |onnx| Graph::load(&Rten, onnx),
        };
        self.graphs.insert(name.to_owned(), Entry::Mounted(load));
        Ok(())
    }

    /// The graph of that name; one of the mount is read from `models_dir` and loaded now.
    ///
    /// # Errors
    /// `NotFound` when the name is not in the list or its file is not in the mount; as
    /// [`Graph::load`] for a file of the mount.
    pub fn get(&self, name: &str, models_dir: &Path) -> Result<Rc<Graph>, Error> {
        match self.graphs.get(name) {
            Some(Entry::Loaded(graph)) => Ok(Rc::clone(graph)),
            Some(Entry::Mounted(load)) => {
                let onnx = fs::read(models_dir.join(name).join("model.onnx"))
                    .map_err(|error| mount_error(name, &error))?;
                load(onnx).map(Rc::new)
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

/// The path is the host's business: the message has the graph's name only.
fn mount_error(name: &str, error: &io::Error) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "graph `{name}` is not in the mounted model repository: {}",
            error.kind()
        ),
    )
}

/// A name, or a name and a version: the path of a folder below the mount, and of nothing else.
fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_folder =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed);
    if name.split('/').count() > 2 || !name.split('/').all(is_folder) {
        return Err(Error::invalid(format!(
            "`{name}` is no name for a graph: expected A-Z, a-z, 0-9, `.`, `_` and `-`, and at most one \
             `/` before a version"
        )));
    }
    Ok(())
}
