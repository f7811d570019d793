//! Composition: connects the wasi:nn imports of `infer` to the engine's exports. All other imports remain.

use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, PackageId};

/// Prefix of the imports of `infer` that the engine provides.
const PROVIDED: &str = "wasi:nn/";

/// Prefix of the composed component's only export, in any version.
const EXPORTED: &str = "wasi:http/incoming-handler@";

/// The two components could not be composed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// A file is not a component.
    #[error("`{component}` cannot be read as a component: {source:#}")]
    Read {
        /// `engine` or `infer`.
        component: &'static str,
        /// The parser's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// `infer` imports nothing that the engine provides.
    #[error("`infer` imports no `{PROVIDED}…`, so there is nothing to compose")]
    NothingToCompose,
    /// The engine lacks an interface that `infer` imports.
    #[error("`infer` imports `{import}`, which the engine does not export; it exports {}", exports.join(", "))]
    Missing {
        /// The interface.
        import: String,
        /// The engine's exports.
        exports: Vec<String>,
    },
    /// The engine's interface differs from the one that `infer` imports.
    #[error("the engine's `{import}` does not fit `infer`: {source:#}")]
    Mismatch {
        /// The interface.
        import: String,
        /// The difference.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// `infer` exports no HTTP handler.
    #[error("`infer` does not export `{EXPORTED}…`; it exports {}", exports.join(", "))]
    NoHandler {
        /// The exports of `infer`.
        exports: Vec<String>,
    },
    /// The composed component could not be encoded.
    #[error("cannot write the composition: {0:#}")]
    Encode(Box<dyn std::error::Error + Send + Sync>),
}

/// Compose `infer` and the engine into one component that exports only the HTTP handler.
///
/// # Errors
/// If an interface is missing or does not match: see [`ComposeError`].
pub fn compose(infer: &[u8], engine: &[u8]) -> Result<Vec<u8>, ComposeError> {
    let mut graph = CompositionGraph::new();
    let infer_id = register(&mut graph, "infer", infer)?;
    let engine_id = register(&mut graph, "engine", engine)?;
    let names = |graph: &CompositionGraph, id: PackageId, exports: bool| -> Vec<String> {
        let world = &graph.types()[graph[id].ty()];
        let items = if exports {
            &world.exports
        } else {
            &world.imports
        };
        items.keys().cloned().collect()
    };
    let imports: Vec<String> = names(&graph, infer_id, false)
        .into_iter()
        .filter(|name| name.starts_with(PROVIDED))
        .collect();
    let provided = names(&graph, engine_id, true);
    let handler = names(&graph, infer_id, true);
    if imports.is_empty() {
        return Err(ComposeError::NothingToCompose);
    }

    let engine_node = graph.instantiate(engine_id);
    let infer_node = graph.instantiate(infer_id);
    for import in imports {
        if !provided.contains(&import) {
            return Err(ComposeError::Missing {
                import,
                exports: provided,
            });
        }
        let mismatch = |source| ComposeError::Mismatch {
            import: import.clone(),
            source,
        };
        let export = graph
            .alias_instance_export(engine_node, &import)
            .map_err(|error| mismatch(error.into()))?;
        graph
            .set_instantiation_argument(infer_node, &import, export)
            .map_err(|error| mismatch(error.into()))?;
    }
    let Some(name) = handler.iter().find(|name| name.starts_with(EXPORTED)) else {
        return Err(ComposeError::NoHandler { exports: handler });
    };
    let export = graph
        .alias_instance_export(infer_node, name)
        .map_err(|error| ComposeError::Encode(error.into()))?;
    graph
        .export(export, name)
        .map_err(|error| ComposeError::Encode(error.into()))?;
    graph
        .encode(EncodeOptions::default())
        .map_err(|error| ComposeError::Encode(error.into()))
}

fn register(
    graph: &mut CompositionGraph,
    component: &'static str,
    bytes: &[u8],
) -> Result<PackageId, ComposeError> {
    let package = Package::from_bytes(component, None, bytes.to_vec(), graph.types_mut()).map_err(
        |error| ComposeError::Read {
            component,
            source: error.into(),
        },
    )?;
    graph
        .register_package(package)
        .map_err(|error| ComposeError::Read {
            component,
            source: error.into(),
        })
}
