//! What of a snapshot can be reached.

use super::TrimError;
use super::linked::{Linked, Target, static_at};
use super::module::{Module, rewritten};

/// The body of a function that is left out: no locals, one instruction, and its end.
const TRAP: &[u8] = &[0x00, 0x00, 0x0b];

impl Linked {
    /// What a number could be the address of.
    fn address_of(&self, number: u32) -> Option<Target> {
        if self.range.contains(&number) {
            return static_at(&self.statics, number).map(Target::Static);
        }
        let function = self.table.get(number as usize).copied().flatten();
        function.map(Target::Function)
    }

    /// The snapshot without the bodies of functions that cannot be reached; `is_called` says which exports still are.
    ///
    /// # Errors
    /// When it cannot be read, or has other code.
    pub(crate) fn trim(
        &self,
        snapshot: &[u8],
        is_called: impl Fn(&str) -> bool,
    ) -> Result<Vec<u8>, TrimError> {
        let module = Module::of(self.name, snapshot)?;
        let is_ours = module.imports.len() as u32 == self.imported
            && module.bodies.len() == self.functions.len()
            && module.table() == self.table;
        if !is_ours {
            return Err(TrimError::OtherCode {
                component: self.name,
            });
        }
        let reached = self.reached(&module, snapshot, is_called);
        let bodies = module.bodies.iter().zip(&reached);
        let code: Vec<&[u8]> = bodies
            .map(|(body, &is_reached)| if is_reached { body.as_bytes() } else { TRAP })
            .collect();
        rewritten(self.name, snapshot, &module, &code)
    }

    /// Which of the functions that it defines can be reached.
    fn reached(
        &self,
        module: &Module<'_>,
        snapshot: &[u8],
        is_called: impl Fn(&str) -> bool,
    ) -> Vec<bool> {
        let mut walk = Walk {
            linked: self,
            functions: vec![false; self.functions.len()],
            statics: vec![false; self.statics.len()],
            changed: vec![Vec::new(); self.statics.len()],
            waiting: Vec::new(),
        };
        let exports = self.exports.iter();
        for (_, function) in exports.filter(|(name, _)| is_called(name)) {
            walk.reach(Target::Function(*function));
        }
        if let Some(start) = self.start {
            walk.reach(Target::Function(start));
        }
        for &target in &self.others {
            walk.reach(target);
        }
        walk.scan(&module.memory(snapshot));
        walk.go();
        walk.functions
    }
}

/// What has been reached so far.
struct Walk<'a> {
    linked: &'a Linked,
    functions: Vec<bool>,
    statics: Vec<bool>,
    /// What the numbers in each static could be addresses of that are not those that it began with.
    changed: Vec<Vec<Target>>,
    /// What has not been looked into.
    waiting: Vec<Target>,
}

impl Walk<'_> {
    fn reach(&mut self, target: Target) {
        let is_new = match target {
            Target::Function(index) => match index.checked_sub(self.linked.imported) {
                None => false,
                Some(at) => !std::mem::replace(&mut self.functions[at as usize], true),
            },
            Target::Static(at) => !std::mem::replace(&mut self.statics[at], true),
        };
        if is_new {
            self.waiting.push(target);
        }
    }

    /// Take each number of the memory for an address, but those that statics began with: where among these there are
    /// addresses is known.
    fn scan(&mut self, memory: &[u8]) {
        let linked = self.linked;
        for (address, word) in (0..).step_by(4).zip(memory.as_chunks::<4>().0) {
            let Some(target) = linked.address_of(u32::from_le_bytes(*word)) else {
                continue;
            };
            if !linked.range.contains(&address) {
                self.reach(target);
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
                None => self.reach(target),
            }
        }
    }

    fn go(&mut self) {
        let linked = self.linked;
        while let Some(target) = self.waiting.pop() {
            let targets = match target {
                Target::Function(index) => &linked.functions[(index - linked.imported) as usize],
                Target::Static(at) => {
                    for target in std::mem::take(&mut self.changed[at]) {
                        self.reach(target);
                    }
                    &linked.statics[at].targets
                }
            };
            for &target in targets {
                self.reach(target);
            }
        }
    }
}
