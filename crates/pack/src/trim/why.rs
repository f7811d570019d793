//! The chains of references that keep functions in an artifact.

use std::fmt;

use super::TrimError;
use super::linked::{Linked, Target};
use super::moved::References;
use super::reach::{Cause, Reached};

/// The functions of a component whose names contain a text, and what keeps each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// `engine` or `infer`.
    pub component: &'static str,
    /// The functions that the artifact holds, in the order of their names.
    pub kept: Vec<Chain>,
    /// The names of functions that trimming left out.
    pub left_out: Vec<String>,
}

/// The shortest chain of references to a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The function's name.
    pub function: String,
    /// What refers to it, what refers to that, and so on, up to an export or the snapshot's memory.
    pub references: Vec<String>,
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function)?;
        for reference in &self.references {
            write!(f, "\n  <- {reference}")?;
        }
        Ok(())
    }
}

impl Linked {
    /// Find functions whose names contain `symbol`, and what keeps them in a snapshot; `references` and `is_called` as in
    /// [`Linked::trim`].
    ///
    /// # Errors
    /// When the snapshot cannot be read, or is not of this component.
    pub(crate) fn why(
        &self,
        snapshot: &[u8],
        references: Option<&References>,
        is_called: impl Fn(&str) -> bool,
        symbol: &str,
    ) -> Result<Why, TrimError> {
        let module = self.module_of(snapshot)?;
        let reached = self.reached(&module, snapshot, references, is_called);
        let mut why = Why {
            component: self.name,
            kept: Vec::new(),
            left_out: Vec::new(),
        };
        for (index, cause) in (self.imported..).zip(&reached.functions) {
            let function = &self.names[index as usize];
            if !function.contains(symbol) {
                continue;
            }
            match cause {
                Some(cause) => why.kept.push(Chain {
                    function: function.clone(),
                    references: self.chain(&reached, *cause),
                }),
                None => why.left_out.push(function.clone()),
            }
        }
        why.kept.sort_by(|a, b| a.function.cmp(&b.function));
        why.left_out.sort();
        Ok(why)
    }

    /// Follow causes back to a root.
    fn chain(&self, reached: &Reached, first: Cause) -> Vec<String> {
        let mut references = Vec::new();
        let mut next = Some(first);
        while let Some(cause) = next {
            references.push(self.described(cause));
            next = match cause {
                Cause::Target(Target::Function(index)) => {
                    reached.functions[(index - self.imported) as usize]
                }
                Cause::Target(Target::Static(at)) => reached.statics[at],
                Cause::Export(_) | Cause::Start | Cause::Unplaced | Cause::Memory(_) => None,
            };
        }
        references
    }

    fn described(&self, cause: Cause) -> String {
        match cause {
            Cause::Export(at) => format!("export `{}`", self.exports[at].0),
            Cause::Start => "the start function".to_owned(),
            Cause::Unplaced => "an address outside all statics".to_owned(),
            Cause::Memory(address) => format!("snapshot word at {address:#x}"),
            Cause::Target(Target::Function(index)) => {
                format!("function `{}`", self.names[index as usize])
            }
            Cause::Target(Target::Static(at)) => {
                let found = &self.statics[at];
                // A table of methods is an anonymous static: the functions in it tell the type.
                format!("static `{}` at {:#x}", found.name, found.range.start)
            }
        }
    }
}
