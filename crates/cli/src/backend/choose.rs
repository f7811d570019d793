//! Selects a native library and its number of threads.

use std::num::NonZeroUsize;
use std::thread;

use anyhow::{Context, Result};
use infer_host::nn::backend::{Backend, Batching, GraphSource, Precision};
use infer_host::nn::{Graphs, Library, OnnxRuntime, OpenVino};
use infer_model_card::Model;
use std::time::Duration;

use super::install;

/// Options of a native library.
#[derive(Clone, Copy, Debug)]
pub struct Computing<'a> {
    /// The library's own name of a device; empty for its default.
    pub device: &'a str,
    /// Threads of all inferences together; `None` for one per core.
    pub threads: Option<NonZeroUsize>,
}

impl Computing<'_> {
    fn threads(self) -> usize {
        self.threads
            .or_else(|| thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get)
    }
}

/// Load a library from its environment variable's path, or from where it was installed.
///
/// # Errors
/// When the library is missing, cannot be loaded, or has no such device.
pub fn load(library: Library, computing: Computing) -> Result<Box<dyn Backend>> {
    let path = library.find(&install::folder(library)?).with_context(|| {
        format!(
            "{} is not installed (`{} backend add {}` installs it)",
            library.name(),
            crate::command(),
            argument(library)
        )
    })?;
    let threads = computing.threads();
    Ok(match library {
        Library::OnnxRuntime => {
            let provider = match computing.device {
                "" => Default::default(),
                name => name.parse().map_err(anyhow::Error::msg)?,
            };
            Box::new(OnnxRuntime::load(&path, provider, threads)?)
        }
        Library::OpenVino => {
            let device = match computing.device {
                "" => "CPU",
                name => name,
            };
            Box::new(OpenVino::load(&path, device, threads)?)
        }
    })
}

/// The name of a library on the command line.
pub const fn argument(library: Library) -> &'static str {
    match library {
        Library::OnnxRuntime => "onnx",
        Library::OpenVino => "openvino",
    }
}

/// The installed libraries, in order of preference.
pub fn installed() -> impl Iterator<Item = Library> {
    Library::ALL.into_iter().filter(|library| {
        install::folder(*library).is_ok_and(|folder| library.find(&folder).is_ok())
    })
}

/// Load the models' graphs, and check their cards against them.
///
/// # Errors
/// The first graph that the library rejects, or that contradicts its card.
pub fn graphs(backend: Box<dyn Backend>, models: &[Model], computing: Computing) -> Result<Graphs> {
    let sources: Vec<GraphSource> = models.iter().map(source).collect();
    let graphs = Graphs::load(backend, &sources, computing.threads())?;
    for (name, signature) in graphs.signatures() {
        let Some(model) = models.iter().find(|model| model.id.to_string() == name) else {
            continue;
        };
        model
            .card
            .check_graph(signature)
            .with_context(|| format!("model `{name}`"))?;
    }
    Ok(graphs)
}

fn source(model: &Model) -> GraphSource {
    use infer_model_card::Precision as Card;
    let card = &model.card;
    let tensors = card.inputs.iter().chain(&card.outputs);
    GraphSource {
        name: model.id.to_string(),
        onnx: model.onnx_path.clone(),
        openvino_ir: model.openvino_ir.clone(),
        tensor_names: tensors.map(|spec| spec.name.clone()).collect(),
        precision: match card.precision {
            Card::Fp32 => Precision::Fp32,
            Card::Fp16 => Precision::Fp16,
            Card::Bf16 => Precision::Bf16,
            Card::Fastest => Precision::Fastest,
        },
        batching: card.batching.map(|batching| Batching {
            max_size: batching.max_size,
            max_delay: Duration::from_micros(batching.max_delay_us.into()),
        }),
    }
}
