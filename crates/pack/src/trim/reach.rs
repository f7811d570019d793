//! A walk over all references, from the exports and the snapshot's memory.

use std::collections::VecDeque;

use wasm_encoder::CodeSection;

use super::linked::{Linked, Target, static_at};
use super::module::{Module, Replacement, rewritten};
use super::moved::References;
use super::report::Report;
use super::{TrimError, Trimmed};

/// The body of a function that is left out: no locals, `unreachable`, `end`.
const TRAP: &[u8] = &[0x00, 0x00, 0x0b];

/// Why a function or a static was reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// An export that is still called, by its place among the exports.
    Export(usize),
    /// The module's start function.
    Start,
    /// An address in a place that belongs to no static.
    Unplaced,
    /// A word on the stack or the heap, at this address, that could be a pointer.
    Memory(u32),
    /// A function or a static that refers to it.
    Target(Target),
}

/// What a walk reached, and why.
pub(super) struct Reached {
    /// By function, without the imported ones.
    pub(super) functions: Vec<Option<Cause>>,
    /// By static.
    pub(super) statics: Vec<Option<Cause>>,
}

impl Linked {
    /// The function or static that a number is the address of, if it is one.
    fn address_of(&self, number: u32) -> Option<Target> {
        if self.range.contains(&number) {
            return static_at(&self.statics, number).map(Target::Static);
        }
        let function = self.table.get(number as usize).copied().flatten();
        function.map(Target::Function)
    }

    /// Replace the bodies of functions that the snapshot cannot reach; `is_called` selects the exports that a host still
    /// calls. Without `references`, each word of the snapshot may be one.
    ///
    /// # Errors
    /// When the snapshot cannot be read, or is not of this component.
    pub(crate) fn trim(
        &self,
        snapshot: &[u8],
        references: Option<&References>,
        is_called: impl Fn(&str) -> bool,
    ) -> Result<Trimmed, TrimError> {
        let module = self.module_of(snapshot)?;
        let reached = self.reached(&module, snapshot, references, is_called);
        let bodies = module.bodies.iter().zip(&reached.functions);
        let mut code = CodeSection::new();
        for (body, cause) in bodies.clone() {
            code.raw(cause.map_or(TRAP, |_| body.as_bytes()));
        }
        let functions = bodies.zip(&self.names[self.imported as usize..]);
        let functions = functions
            .map(|((body, cause), name)| (name.as_str(), body.as_bytes().len(), cause.is_some()));
        Ok(Trimmed {
            bytes: rewritten(self.name, snapshot, &module, &[Replacement::new(&code)])?,
            report: Report::new(self.name, functions),
        })
    }

    /// Read a snapshot of this component.
    pub(super) fn module_of<'a>(&self, snapshot: &'a [u8]) -> Result<Module<'a>, TrimError> {
        let module = Module::of(self.name, snapshot)?;
        let is_ours = module.imports.len() as u32 == self.imported
            && module.bodies.len() == self.functions.len()
            && module.table() == self.table;
        match is_ours {
            true => Ok(module),
            false => Err(TrimError::OtherCode {
                component: self.name,
            }),
        }
    }

    /// Walk from the exports that are called and from the memory of a snapshot.
    pub(super) fn reached(
        &self,
        module: &Module<'_>,
        snapshot: &[u8],
        references: Option<&References>,
        is_called: impl Fn(&str) -> bool,
    ) -> Reached {
        let mut walk = Walk {
            linked: self,
            reached: Reached {
                functions: vec![None; self.functions.len()],
                statics: vec![None; self.statics.len()],
            },
            changed: vec![Vec::new(); self.statics.len()],
            waiting: VecDeque::new(),
        };
        let exports = self.exports.iter().enumerate();
        for (at, (_, function)) in exports.filter(|(_, (name, _))| is_called(name)) {
            walk.reach(Target::Function(*function), Cause::Export(at));
        }
        if let Some(start) = self.start {
            walk.reach(Target::Function(start), Cause::Start);
        }
        for &target in &self.others {
            walk.reach(target, Cause::Unplaced);
        }
        walk.scan(&module.memory(snapshot), references);
        walk.go();
        walk.reached
    }
}

/// A walk in progress. It goes breadth first, so that the causes form the shortest chains.
struct Walk<'a> {
    linked: &'a Linked,
    reached: Reached,
    /// The targets of words in each static that the setup changed.
    changed: Vec<Vec<Target>>,
    /// Reached, and not yet searched for references.
    waiting: VecDeque<Target>,
}

impl Walk<'_> {
    fn reach(&mut self, target: Target, cause: Cause) {
        let known = match target {
            Target::Function(index) => match index.checked_sub(self.linked.imported) {
                None => return,
                Some(at) => &mut self.reached.functions[at as usize],
            },
            Target::Static(at) => &mut self.reached.statics[at],
        };
        if known.is_none() {
            *known = Some(cause);
            self.waiting.push_back(target);
        }
    }

    /// Take each word of the memory for an address, except those of the stack, which is empty, those that are no
    /// references, and those that statics began with: relocations say which of these are addresses.
    fn scan(&mut self, memory: &[u8], references: Option<&References>) {
        let linked = self.linked;
        let words = (0..).step_by(4).zip(memory.as_chunks::<4>().0);
        for (address, word) in words.skip(linked.stack_end as usize / 4) {
            let Some(target) = linked.address_of(u32::from_le_bytes(*word)) else {
                continue;
            };
            if references.is_some_and(|references| !references.contains(address)) {
                continue;
            }
            if !linked.range.contains(&address) {
                self.reach(target, Cause::Memory(address));
                continue;
            }
            let before = linked
                .initial
                .get((address - linked.range.start) as usize..);
            if before.is_some_and(|before| before.starts_with(word)) {
                continue;
            }
            match static_at(&linked.statics, address) {
                Some(at) => self.changed[at].push(target),
                None => self.reach(target, Cause::Memory(address)),
            }
        }
    }

    fn go(&mut self) {
        let linked = self.linked;
        while let Some(from) = self.waiting.pop_front() {
            let cause = Cause::Target(from);
            let targets = match from {
                Target::Function(index) => &linked.functions[(index - linked.imported) as usize],
                Target::Static(at) => {
                    for target in std::mem::take(&mut self.changed[at]) {
                        self.reach(target, cause);
                    }
                    &linked.statics[at].targets
                }
            };
            for &target in targets {
                self.reach(target, cause);
            }
        }
    }
}
