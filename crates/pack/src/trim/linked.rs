//! The references between functions and statics of a linked component.

use std::collections::BTreeSet;
use std::ops::Range;

use wasmparser::{
    BinaryReader, DefinedDataSymbol, Linking, LinkingSectionReader, Operator, RelocSectionReader,
    RelocationEntry, RelocationType, SymbolFlags, SymbolInfo,
};

use super::TrimError;
use super::module::{Module, leb, rewritten};
use super::moved::{Moves, Space};
use super::names::demangled;

/// A component as it was linked.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(super) name: &'static str,
    /// The component without the linker's sections.
    component: Vec<u8>,
    /// Number of imported functions, which have the first indices.
    pub(super) imported: u32,
    pub(super) exports: Vec<(String, u32)>,
    pub(super) start: Option<u32>,
    /// The table's functions, by index.
    pub(super) table: Vec<Option<u32>>,
    /// The names of all functions, the imported ones too.
    pub(super) names: Vec<String>,
    /// The references of each defined function.
    pub(super) functions: Vec<Vec<Target>>,
    /// The statics, by address.
    pub(super) statics: Vec<Static>,
    /// The addresses of all statics.
    pub(super) range: Range<u32>,
    /// The bytes of the statics before the setup.
    pub(super) initial: Vec<u8>,
    /// References from places outside all statics.
    pub(super) others: Vec<Target>,
    /// The end of the stack, which begins at address 0; 0 if the stack is elsewhere. Between two calls of a component's
    /// exports the stack is empty.
    pub(super) stack_end: u32,
    /// The places that hold an address.
    pub(super) moves: Moves,
}

/// A function or a static, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Function(u32),
    Static(usize),
}

/// A constant or a variable, or several that overlap.
#[derive(Debug)]
pub(super) struct Static {
    /// The name of the first one.
    pub(super) name: String,
    /// Its addresses.
    pub(super) range: Range<u32>,
    pub(super) targets: Vec<Target>,
}

impl Linked {
    /// Read a component and its relocations.
    ///
    /// # Errors
    /// When the component cannot be read, relocations are missing, or one contradicts the value in its place.
    pub(crate) fn read(name: &'static str, bytes: &[u8]) -> Result<Self, TrimError> {
        let module = Module::of(name, bytes)?;
        let symbols = symbols(name, &module, bytes)?;
        let mut places = Vec::new();
        let mut names = vec![String::new(); module.imports.len() + module.bodies.len()];
        for (symbol, name) in &symbols {
            match symbol {
                Symbol::Data(Some(place)) => {
                    if let Some((base, _)) = module.data.get(place.index as usize)
                        && place.size > 0
                    {
                        let start = base + place.offset;
                        places.push((start..start + place.size, *name));
                    }
                }
                Symbol::Function(index) => {
                    if let Some(first) = names.get_mut(*index as usize)
                        && first.is_empty()
                    {
                        *first = demangled(name);
                    }
                }
                Symbol::Data(None) | Symbol::StackPointer | Symbol::Other => {}
            }
        }
        let start = module.data.iter().map(|(base, _)| *base).min().unwrap_or(0);
        let mut initial = module.memory(bytes);
        let end = initial.len() as u32;
        initial.drain(..start as usize);
        let mut linked = Self {
            name,
            component: Vec::new(),
            imported: module.imports.len() as u32,
            exports: module
                .exports
                .iter()
                .map(|&(name, index)| (name.to_owned(), index))
                .collect(),
            start: module.start,
            table: module.table(),
            names,
            functions: Vec::new(),
            statics: joined(places),
            range: start..end,
            initial,
            others: Vec::new(),
            stack_end: 0,
            moves: Moves::default(),
        };
        linked.functions = linked.calls(&module)?;
        linked.relocate(&module, &symbols, bytes)?;
        linked.component = rewritten(name, bytes, &module, &[])?;
        Ok(linked)
    }

    /// The component without the linker's sections.
    pub(crate) fn component(&self) -> &[u8] {
        &self.component
    }

    /// The functions that each function calls.
    fn calls(&self, module: &Module<'_>) -> Result<Vec<Vec<Target>>, TrimError> {
        let mut functions = Vec::with_capacity(module.bodies.len());
        for body in &module.bodies {
            let mut targets = Vec::new();
            let operators = body.get_operators_reader();
            let mut operators = operators.map_err(TrimError::read(self.name))?;
            while !operators.eof() {
                match operators.read().map_err(TrimError::read(self.name))? {
                    Operator::Call { function_index }
                    | Operator::ReturnCall { function_index }
                    | Operator::RefFunc { function_index } => {
                        targets.push(Target::Function(function_index));
                    }
                    _ => {}
                }
            }
            targets.sort_unstable();
            targets.dedup();
            functions.push(targets);
        }
        Ok(functions)
    }

    /// Add references by address.
    fn relocate(
        &mut self,
        module: &Module<'_>,
        symbols: &[(Symbol, &str)],
        bytes: &[u8],
    ) -> Result<(), TrimError> {
        let mut addressed = BTreeSet::new();
        for (name, contents) in &module.customs {
            // Other custom sections hold no references that matter.
            if !matches!(*name, "reloc.CODE" | "reloc.DATA") {
                continue;
            }
            let reader = BinaryReader::new(&bytes[contents.clone()], contents.start);
            let relocations =
                RelocSectionReader::new(reader).map_err(TrimError::read(self.name))?;
            let section = relocations.section_index() as usize;
            let section = module.sections.get(section).cloned().unwrap_or_default();
            for entry in relocations.entries() {
                let entry = entry.map_err(TrimError::read(self.name))?;
                let place = section.start + entry.offset as usize;
                let Some(target) = self.target(symbols, module, &entry, bytes, place)? else {
                    continue;
                };
                if entry.ty != RelocationType::FunctionIndexLeb {
                    addressed.insert(target);
                }
                let list = match *name {
                    "reloc.CODE" => {
                        let bodies = module.bodies.as_slice();
                        let at = bodies.partition_point(|body| body.range().end <= place);
                        self.functions.get_mut(at)
                    }
                    _ => address(&module.data, place)
                        .and_then(|address| static_at(&self.statics, address))
                        .map(|at| &mut self.statics[at].targets),
                };
                list.unwrap_or(&mut self.others).push(target);
            }
        }
        // The linker puts a function into the table because some place holds its address.
        let mut table = self.table.iter().flatten();
        match table.find(|function| !addressed.contains(&Target::Function(**function))) {
            None => Ok(()),
            Some(function) => Err(TrimError::unknown(
                self.name,
                format!("has function {function} in its table without a relocation"),
            )),
        }
    }

    /// The target of a relocation; `None` if it is nothing that could be removed. Notes the place as one that holds an
    /// address.
    fn target(
        &mut self,
        symbols: &[(Symbol, &str)],
        module: &Module<'_>,
        entry: &RelocationEntry,
        bytes: &[u8],
        place: usize,
    ) -> Result<Option<Target>, TrimError> {
        use RelocationType::{
            FunctionIndexLeb, GlobalIndexLeb, MemoryAddrI32, MemoryAddrLeb, MemoryAddrRelSleb,
            MemoryAddrSleb, TableIndexI32, TableIndexRelSleb, TableIndexSleb,
        };
        let found = match entry.ty {
            TableIndexI32 | MemoryAddrI32 => bytes
                .get(place..place + 4)
                .map(|found| u32::from_le_bytes([found[0], found[1], found[2], found[3]])),
            FunctionIndexLeb | GlobalIndexLeb | MemoryAddrLeb | MemoryAddrRelSleb
            | MemoryAddrSleb | TableIndexRelSleb | TableIndexSleb => {
                bytes.get(place..).and_then(<[u8]>::first_chunk).map(leb)
            }
            RelocationType::TypeIndexLeb | RelocationType::TableNumberLeb => return Ok(None),
            other => {
                return Err(TrimError::unknown(
                    self.name,
                    format!("has a relocation of type {other:?}"),
                ));
            }
        };
        let wrong = |expected: String| {
            TrimError::unknown(
                self.name,
                format!(
                    "has {found:?} where a relocation of type {:?} expects {expected}",
                    entry.ty
                ),
            )
        };
        // Position-independent code holds addresses in globals.
        let address = match entry.ty {
            GlobalIndexLeb => {
                let global = found.and_then(|found| module.globals.get(found as usize));
                global.copied().flatten()
            }
            // Relative to where the table begins to be filled.
            TableIndexRelSleb => {
                let base = module.elements.first();
                found.zip(base).map(|(found, (base, _))| found + base)
            }
            // Memory begins at zero, so that what is relative to it is the address itself.
            _ => found,
        };
        let symbol = symbols.get(entry.index as usize).map(|(symbol, _)| symbol);
        let space = match symbol {
            Some(Symbol::Function(_)) => Some(Space::Table),
            // A weak symbol without a definition is at address 0, which means that there is none.
            Some(Symbol::Data(None)) if address == Some(0) => None,
            Some(Symbol::Data(_) | Symbol::StackPointer) => Some(Space::Memory),
            Some(Symbol::Other) | None => None,
        };
        match (entry.ty, space) {
            (FunctionIndexLeb, _) | (_, None) => {}
            (GlobalIndexLeb, Some(space)) => {
                if let Some(global) = found {
                    self.moves.globals.insert(global, space);
                }
            }
            (TableIndexI32 | MemoryAddrI32, Some(space)) => self.moves.words.push((place, space)),
            (_, Some(space)) => self.moves.lebs.push((place, space)),
        }
        match (entry.ty, symbol) {
            (FunctionIndexLeb, Some(&Symbol::Function(function))) => match found {
                Some(found) if found == function => Ok(Some(Target::Function(function))),
                _ => Err(wrong(format!("function {function}"))),
            },
            (
                GlobalIndexLeb | TableIndexI32 | TableIndexRelSleb | TableIndexSleb,
                Some(&Symbol::Function(function)),
            ) => {
                let slot = address.and_then(|address| self.table.get(address as usize));
                match slot {
                    Some(&Some(found)) if found == function => Ok(Some(Target::Function(function))),
                    _ => Err(wrong(format!("function {function} of the table"))),
                }
            }
            (
                GlobalIndexLeb | MemoryAddrI32 | MemoryAddrLeb | MemoryAddrRelSleb | MemoryAddrSleb,
                Some(Symbol::Data(symbol)),
            ) => {
                let Some(symbol) = symbol else {
                    return Ok(None);
                };
                let segment = module.data.get(symbol.index as usize);
                let (base, _) = segment.ok_or_else(|| wrong("a segment".to_owned()))?;
                let start = base + symbol.offset;
                let expected = start.wrapping_add(entry.addend as u32);
                if address != Some(expected) {
                    return Err(wrong(format!("address {expected}")));
                }
                // A symbol without a size is a mark: what it is next to is not what is meant.
                Ok(static_at(&self.statics, start).map(Target::Static))
            }
            (GlobalIndexLeb, Some(Symbol::StackPointer)) => {
                if let Some(end) = address.filter(|end| *end <= self.range.start) {
                    self.stack_end = end;
                }
                Ok(None)
            }
            (GlobalIndexLeb, Some(Symbol::Other)) => Ok(None),
            (_, symbol) => Err(wrong(format!("{symbol:?}"))),
        }
    }
}

/// The kinds of symbols that references lead to.
#[derive(Debug)]
enum Symbol {
    Function(u32),
    Data(Option<DefinedDataSymbol>),
    /// The global with the stack's lowest address that is in use.
    StackPointer,
    Other,
}

/// The symbols with their names, by number.
fn symbols<'a>(
    name: &'static str,
    module: &Module<'_>,
    bytes: &'a [u8],
) -> Result<Vec<(Symbol, &'a str)>, TrimError> {
    let read_error = TrimError::read(name);
    let custom = |wanted: &str| {
        let found = module.customs.iter().find(|(name, _)| *name == wanted);
        let reason = || format!("was linked without a section `{wanted}`");
        let missing = || TrimError::unknown(name, reason());
        let (_, contents) = found.ok_or_else(missing)?;
        Ok(BinaryReader::new(&bytes[contents.clone()], contents.start))
    };
    let mut symbols = Vec::new();
    custom("reloc.CODE")?;
    custom("reloc.DATA")?;
    let reader = LinkingSectionReader::new(custom("linking")?).map_err(read_error)?;
    for part in reader.subsections() {
        if let Linking::SymbolTable(table) = part.map_err(read_error)? {
            for symbol in table {
                symbols.push(match symbol.map_err(read_error)? {
                    SymbolInfo::Func { index, name, .. } => {
                        (Symbol::Function(index), name.unwrap_or_default())
                    }
                    // An absolute symbol is the linker's own, and in no segment.
                    SymbolInfo::Data {
                        symbol,
                        flags,
                        name,
                    } => {
                        let symbol = symbol.filter(|_| !flags.contains(SymbolFlags::ABSOLUTE));
                        (Symbol::Data(symbol), name)
                    }
                    SymbolInfo::Global {
                        name: Some("__stack_pointer"),
                        ..
                    } => (Symbol::StackPointer, ""),
                    _ => (Symbol::Other, ""),
                });
            }
        }
    }
    Ok(symbols)
}

/// Sort statics by address and merge those that overlap.
fn joined(mut ranges: Vec<(Range<u32>, &str)>) -> Vec<Static> {
    ranges.sort_by_key(|(range, _)| (range.start, range.end));
    let mut statics: Vec<Static> = Vec::new();
    for (range, name) in ranges {
        match statics.last_mut() {
            Some(last) if range.start < last.range.end => {
                last.range.end = last.range.end.max(range.end);
            }
            _ => statics.push(Static {
                name: demangled(name),
                range,
                targets: Vec::new(),
            }),
        }
    }
    statics
}

/// The index of the static that contains an address.
pub(super) fn static_at(statics: &[Static], address: u32) -> Option<usize> {
    let at = statics.partition_point(|one| one.range.end <= address);
    (at < statics.len() && statics[at].range.contains(&address)).then_some(at)
}

/// The address that a byte of a data segment is loaded to.
fn address(data: &[(u32, Range<usize>)], place: usize) -> Option<u32> {
    let (base, bytes) = data.iter().find(|(_, bytes)| bytes.contains(&place))?;
    Some(base + (place - bytes.start) as u32)
}
