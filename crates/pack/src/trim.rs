//! Trimming: removal of code that a snapshot cannot reach.
//!
//! A component is compiled with every operator, every decoder and the whole setup, and a host compiles all of that before it serves.
//! After the setup most of it is unused: the models are in memory, and the code that loaded them is not called again. The linker's
//! garbage collection ran before the setup, so this module collects again, with the snapshot's memory among the roots.
//!
//! The roots are the exports that a host still calls. Reachable are:
//!
//! - a function that a reachable function calls;
//! - a function or a static whose address is in reachable code or in a reachable static. The linker's relocations tell which words
//!   are addresses (`--emit-relocs`, [tool conventions]);
//! - a function or a static whose address is a word on the heap, or a word of a reachable static that the setup changed. The
//!   stack is empty between two calls.
//!
//! No relocation tells which words of the heap are addresses. So the setup runs twice, the second time [at other
//! addresses](moved): a word that is the same in both is a number. A local build runs it once, and takes each word that looks
//! like an address for one, which costs size and nothing else.
//!
//! No reference may be missed. So each relocation is checked against the value in its place, and each function in the table must have
//! a relocation.
//!
//! An operator is reached through its table of methods, a static to which a graph in memory points. An unreachable function keeps its
//! index; its body becomes one instruction that traps.
//!
//! [`Report`] lists what is kept, module by module, and [`Why`] names the references to a function.
//!
//! [tool conventions]: https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md

mod linked;
mod module;
mod moved;
mod names;
mod reach;
mod report;
#[cfg(test)]
mod tests;
mod why;

use std::collections::BTreeSet;

pub(crate) use linked::Linked;
use module::Module;
pub(crate) use moved::References;
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

/// A component could not be trimmed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrimError {
    /// A component or its linker sections cannot be read.
    #[error(
        "cannot read the component `{component}`: {reason}; rebuild it after `cargo clean -p infer -p infer-engine`"
    )]
    Read {
        /// `engine` or `infer`.
        component: &'static str,
        /// The reader's message.
        reason: String,
    },
    /// The linker's relocations are missing or wrong.
    #[error(
        "the component `{component}` {reason}, so trimming cannot tell which code is used; expected relocations of the \
         pinned toolchain's linker (`--emit-relocs`)"
    )]
    Unknown {
        /// `engine` or `infer`.
        component: &'static str,
        /// What is missing or contradictory.
        reason: String,
    },
    /// The snapshot was made from another component.
    #[error(
        "the snapshot of `{component}` has other code than the component; remove `target/infer` and build again"
    )]
    OtherCode {
        /// `engine` or `infer`.
        component: &'static str,
    },
}

impl TrimError {
    /// Wrap an error of the reader.
    fn read(component: &'static str) -> impl Fn(wasmparser::BinaryReaderError) -> Self + Copy {
        move |error| Self::Read {
            component,
            reason: error.to_string(),
        }
    }

    /// Report missing or contradictory relocations.
    fn unknown(component: &'static str, reason: String) -> Self {
        Self::Unknown { component, reason }
    }
}

/// The export that a `cabi_post_` function cleans up after, or the export itself.
pub(crate) fn called(export: &str) -> &str {
    export.strip_prefix("cabi_post_").unwrap_or(export)
}

/// The functions that a component's own module imports, as `interface#function`.
///
/// # Errors
/// When the component cannot be read.
pub(crate) fn imported(
    component: &'static str,
    bytes: &[u8],
) -> Result<BTreeSet<String>, TrimError> {
    let module = Module::of(component, bytes)?;
    Ok(module.imports.into_iter().collect())
}
