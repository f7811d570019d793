//! The runtime that runs a graph in the WebAssembly engine. Native backends ignore it.

use std::fmt;

use serde::Deserialize;

/// `runtime`: one of the engine's two runtimes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeChoice {
    /// The runtime that is expected to be faster, among those that support the graph.
    #[default]
    Auto,
    /// The project's executor: fast on convolutions and matrix products, all datatypes.
    Executor,
    /// The crate `rten`.
    Rten,
}

impl fmt::Display for RuntimeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Executor => "executor",
            Self::Rten => "rten",
        })
    }
}
