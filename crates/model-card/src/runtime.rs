//! What runs a model's graph in the engine in WebAssembly. Native backends heed none of it.

use std::fmt;

use serde::Deserialize;

/// `runtime`: one of the engine's two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeChoice {
    /// The one that is faster for what the graph is made of, of those that take it.
    #[default]
    Auto,
    /// The project's own: fast on convolutions and products, all datatypes.
    Executor,
    /// rten.
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
