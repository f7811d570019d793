//! Leaving out code that nothing in a snapshot can reach.
//!
//! A component is compiled with every operator, every reader of files and all that a setup needs, and a host compiles all of
//! it before it serves. After the setup most of that is of no use: what was loaded is in memory, and what loads
//! is not called again. The linker's own garbage collection could not know. So it is done once more, with the snapshot among
//! its roots.
//!
//! What is reached, beginning with the exports that are still called:
//!
//! - a function, by calls in functions that are reached;
//! - a function or a static, by its address in code or in statics that are reached; the linker's relocations say where an
//!   address stands (`--emit-relocs`, [tool conventions]);
//! - both, by any number on the stack and the heap, and in statics that are reached where it is not the one that the linker
//!   wrote, that could be an address of one. What is no address and looks like one costs size, nothing else.
//!
//! Nothing may be overlooked, so each relocation is held against what stands in its place, and for each function in the table
//! there has to be one.
//!
//! An operator is reached through its table of methods, a static, to which a graph in memory points. What is not
//! reached keeps its place, so that no index changes, and its body is one instruction that traps.
//!
//! [tool conventions]: https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md

mod linked;
mod module;
mod names;
mod reach;
mod report;
#[cfg(test)]
mod tests;
mod why;

use std::collections::BTreeSet;

pub(crate) use linked::Linked;
use module::Module;
pub use report::{Amount, Report};
pub use why::{Chain, Why};

/// A snapshot without the code that it cannot reach.
#[derive(Debug)]
pub(crate) struct Trimmed {
    /// The component.
    pub(crate) bytes: Vec<u8>,
    /// What it still holds.
    pub(crate) report: Report,
}

/// Code could not be left out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrimError {
    /// A component or what the linker wrote cannot be read.
    #[error("the component `{component}` cannot be read: {reason}")]
    Read {
        /// `engine` or `infer`.
        component: &'static str,
        /// The reader's word.
        reason: String,
    },
    /// The linker did not say where addresses are.
    #[error("the component `{component}` {reason}, so what can be reached is not known")]
    Unknown {
        /// `engine` or `infer`.
        component: &'static str,
        /// What is missing or contradicts itself.
        reason: String,
    },
    /// The snapshot is not of that component.
    #[error("the snapshot of `{component}` has other code than the component")]
    OtherCode {
        /// `engine` or `infer`.
        component: &'static str,
    },
}

impl TrimError {
    /// Of that component the reader says so.
    fn read(component: &'static str) -> impl Fn(wasmparser::BinaryReaderError) -> Self + Copy {
        move |error| Self::Read {
            component,
            reason: error.to_string(),
        }
    }

    /// Of that component so much is missing.
    fn unknown(component: &'static str, reason: String) -> Self {
        Self::Unknown { component, reason }
    }
}

/// The export that one is for: what a host calls after another is named for that.
pub(crate) fn called(export: &str) -> &str {
    export.strip_prefix("cabi_post_").unwrap_or(export)
}

/// What a component's own module imports as functions, as `interface#function`.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn imported(
    component: &'static str,
    bytes: &[u8],
) -> Result<BTreeSet<String>, TrimError> {
    let module = Module::of(component, bytes)?;
    Ok(module.imports.into_iter().collect())
}
