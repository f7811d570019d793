//! The build of `up`: the component and, with a native backend, the graphs in its library.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use infer_host::nn::{Backend as Computes, Graphs, Library};
use infer_model_card::Model;
use infer_pack::{BuildOptions, Progress, Uncomposed};

use super::{Backend, memory};
use crate::backend::choose::{self, Computing};
use crate::command;

/// The component to serve, its models, and the graphs that the host runs for it.
pub(super) struct Served {
    pub component: PathBuf,
    pub models: Vec<Model>,
    pub graphs: Option<Arc<Graphs>>,
    /// The backend of the models, never [`Backend::Auto`].
    pub backend: Backend,
}

impl Served {
    /// The names of the models, for the host's labels.
    pub fn names(&self) -> BTreeSet<String> {
        let models = self.models.iter();
        models.map(|model| model.id.name.to_string()).collect()
    }
}

/// How models are built: how a native library computes, and how much memory an instance of the engine may have.
#[derive(Clone, Debug)]
pub(super) struct Builder {
    pub instance_memory_bytes: usize,
    pub device: String,
    pub threads: Option<NonZeroUsize>,
}

impl Builder {
    /// Build for a backend, and load the graphs into its library.
    pub fn build(
        &self,
        backend: Backend,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Served> {
        match backend {
            Backend::Wasm => self.composed(options, progress),
            Backend::Onnx => self.native(Library::OnnxRuntime, options, progress),
            Backend::Openvino => self.native(Library::OpenVino, options, progress),
            Backend::Auto => self.automatic(options, progress),
        }
    }

    /// Build the component alone, with a native library as its backend.
    fn native(
        &self,
        library: Library,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Served> {
        // Load the library before the slow build, so that a missing one is reported at once.
        let backend = choose::load(library, self.computing())?;
        let built = infer_pack::build_uncomposed(options, progress)?;
        self.served(library, backend, built)
    }

    /// Select the first installed library that loads all models, else the engine. Logs the libraries that it skipped.
    fn automatic(&self, options: &BuildOptions, progress: &dyn Progress) -> Result<Served> {
        let mut installed = choose::installed().peekable();
        if installed.peek().is_none() {
            eprintln!(
                "no native library is installed: running models in WebAssembly; `{} backend add onnx` installs ONNX \
                 Runtime, which is several times as fast",
                command()
            );
            return self.composed(options, progress);
        }
        // An invalid model card fails here, before any library is tried.
        let built = infer_pack::build_uncomposed(options, progress)?;
        for library in installed {
            let served = choose::load(library, self.computing())
                .and_then(|backend| self.served(library, backend, built.clone()));
            match served {
                Ok(served) => return Ok(served),
                Err(error) => eprintln!("skipped {}: {}", library.name(), crate::sentence(&error)),
            }
        }
        self.composed(options, progress)
    }

    /// The composed artifact, which contains the engine.
    fn composed(&self, options: &BuildOptions, progress: &dyn Progress) -> Result<Served> {
        let built = infer_pack::build(options, progress)?;
        memory::check(&built, self.instance_memory_bytes as u64)?;
        Ok(Served {
            component: built.composed,
            models: built.models,
            graphs: None,
            backend: Backend::Wasm,
        })
    }

    fn computing(&self) -> Computing<'_> {
        Computing {
            device: &self.device,
            threads: self.threads,
        }
    }

    /// Load the models' graphs into the library.
    fn served(
        &self,
        library: Library,
        backend: Box<dyn Computes>,
        built: Uncomposed,
    ) -> Result<Served> {
        let graphs = choose::graphs(backend, &built.models, self.computing())?;
        Ok(Served {
            component: built.file,
            models: built.models,
            graphs: Some(Arc::new(graphs)),
            backend: match library {
                Library::OnnxRuntime => Backend::Onnx,
                Library::OpenVino => Backend::Openvino,
            },
        })
    }
}
