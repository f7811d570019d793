//! A component whose memory and table are moved, which tells references from numbers.
//!
//! A word of a snapshot's heap can be an address, a weight, an identifier of a token. If the same setup runs at other addresses,
//! an address differs by the distance, and a number stays the same. The linker's relocations are the places that hold an
//! address, so that they can be moved after linking.

use std::collections::BTreeMap;
use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{ConstExpr, DataSection, ElementSection, GlobalSection, Section};
use wasmparser::{Operator, Parser, Payload};

use super::TrimError;
use super::linked::Linked;
use super::module::{Module, Replacement, leb, rewritten};

/// The distance of moved memory, in pages. Whole pages, so that the allocator begins in the same place of a page.
const PAGES: u64 = 1;
/// The same in bytes.
const BYTES: u32 = 0x1_0000;
/// The distance of moved functions in the table.
const FUNCTIONS: u32 = 32;

/// The space that an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// The address of a static, or of the stack or the heap.
    Memory,
    /// The index of a function.
    Table,
}

impl Space {
    fn distance(self) -> u32 {
        match self {
            Self::Memory => BYTES,
            Self::Table => FUNCTIONS,
        }
    }
}

/// The places in a component that hold an address.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Offsets of LEB128 numbers of five bytes.
    pub(super) lebs: Vec<(usize, Space)>,
    /// Offsets of words.
    pub(super) words: Vec<(usize, Space)>,
    /// Globals, by index.
    pub(super) globals: BTreeMap<u32, Space>,
}

/// The words of a snapshot that may be references: their addresses, in order. All others are numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct References(Vec<u32>);

impl References {
    pub(super) fn contains(&self, address: u32) -> bool {
        self.0.binary_search(&address).is_ok()
    }

    /// The addresses as little-endian bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// The reverse of [`References::to_bytes`]; `None` for other bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<4>() else {
            return None;
        };
        let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        words.is_sorted().then_some(Self(words))
    }
}

impl Linked {
    /// The component without the linker's sections, with its memory and its table moved. `bytes` is what [`Linked::read`]
    /// read.
    ///
    /// # Errors
    /// When the component cannot be read.
    pub(crate) fn moved(&self, bytes: &[u8]) -> Result<Vec<u8>, TrimError> {
        let mut bytes = bytes.to_vec();
        for &(place, space) in &self.moves.words {
            if let Some(word) = bytes
                .get_mut(place..)
                .and_then(<[u8]>::first_chunk_mut::<4>)
            {
                let address = u32::from_le_bytes(*word);
                *word = address.wrapping_add(space.distance()).to_le_bytes();
            }
        }
        for &(place, space) in &self.moves.lebs {
            if let Some(leb) = bytes
                .get_mut(place..)
                .and_then(<[u8]>::first_chunk_mut::<5>)
            {
                add_to_leb(leb, space.distance());
            }
        }
        let module = Module::of(self.name, &bytes)?;
        let sections = self.moved_sections(&bytes[module.place.clone()])?;
        rewritten(self.name, &bytes, &module, &sections)
    }

    /// The sections of a module that place its memory and its table.
    fn moved_sections(&self, module: &[u8]) -> Result<Vec<Replacement>, TrimError> {
        let failed = |error: Error<Infallible>| TrimError::unknown(self.name, error.to_string());
        let mut mover = Mover {
            globals: &self.moves.globals,
            distance: 0,
        };
        let mut sections = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            let section = match payload.map_err(TrimError::read(self.name))? {
                Payload::TableSection(section) => {
                    moved(|to| utils::parse_table_section(&mut mover, to, section))
                }
                Payload::MemorySection(section) => {
                    moved(|to| utils::parse_memory_section(&mut mover, to, section))
                }
                Payload::GlobalSection(section) => {
                    moved(|to| utils::parse_global_section(&mut mover, to, section))
                }
                Payload::ElementSection(section) => {
                    moved(|to| utils::parse_element_section(&mut mover, to, section))
                }
                Payload::DataSection(section) => {
                    moved(|to| utils::parse_data_section(&mut mover, to, section))
                }
                _ => continue,
            };
            sections.push(section.map_err(failed)?);
        }
        Ok(sections)
    }

    /// Compare a snapshot with one whose memory and table are moved, and find the words that may be references: those that
    /// differ.
    ///
    /// # Errors
    /// When a snapshot cannot be read.
    pub(crate) fn references(
        &self,
        snapshot: &[u8],
        moved: &[u8],
    ) -> Result<References, TrimError> {
        let [memory, moved] = [snapshot, moved].map(|component| {
            let module = Module::of(self.name, component)?;
            Ok(module.memory(component))
        });
        let (memory, moved) = (memory?, moved?);
        let moved = moved.get(BYTES as usize..).unwrap_or_default();
        let moved = moved
            .as_chunks::<4>()
            .0
            .iter()
            .chain(std::iter::repeat(&[0; 4]));
        let words = (0..)
            .step_by(4)
            .zip(memory.as_chunks::<4>().0.iter().zip(moved));
        let differing = words.filter(|(_, (word, moved))| word != moved);
        Ok(References(differing.map(|(address, _)| address).collect()))
    }
}

/// Encode a section; `parse` adds the moved entries of the old one.
fn moved<S: Section + Default>(
    parse: impl FnOnce(&mut S) -> Result<(), Error>,
) -> Result<Replacement, Error> {
    let mut section = S::default();
    parse(&mut section)?;
    Ok(Replacement::new(&section))
}

/// Add to a LEB128 number of five bytes, which is positive.
fn add_to_leb(bytes: &mut [u8; 5], distance: u32) {
    let number = leb(bytes).wrapping_add(distance);
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = *byte & 0x80 | (number >> (7 * at)) as u8 & 0x7f;
    }
}

/// Writes sections with moved addresses.
struct Mover<'a> {
    globals: &'a BTreeMap<u32, Space>,
    /// The distance that is added to the next constant.
    distance: u32,
}

impl Reencode for Mover<'_> {
    type Error = Infallible;

    fn memory_type(
        &mut self,
        memory: wasmparser::MemoryType,
    ) -> Result<wasm_encoder::MemoryType, Error> {
        let mut memory = utils::memory_type(self, memory);
        memory.minimum += PAGES;
        memory.maximum = memory.maximum.map(|pages| pages + PAGES);
        Ok(memory)
    }

    fn table_type(
        &mut self,
        table: wasmparser::TableType,
    ) -> Result<wasm_encoder::TableType, Error> {
        let mut table = utils::table_type(self, table)?;
        let distance = u64::from(FUNCTIONS);
        table.minimum += distance;
        table.maximum = table.maximum.map(|functions| functions + distance);
        Ok(table)
    }

    fn parse_global(
        &mut self,
        globals: &mut GlobalSection,
        global: wasmparser::Global<'_>,
    ) -> Result<(), Error> {
        // No global is imported, so that the indices begin here.
        let space = self.globals.get(&globals.len());
        self.distance = space.map_or(0, |space| space.distance());
        utils::parse_global(self, globals, global)
    }

    fn parse_element(
        &mut self,
        elements: &mut ElementSection,
        element: wasmparser::Element<'_>,
    ) -> Result<(), Error> {
        self.distance = FUNCTIONS;
        utils::parse_element(self, elements, element)
    }

    fn parse_data(
        &mut self,
        data: &mut DataSection,
        datum: wasmparser::Data<'_>,
    ) -> Result<(), Error> {
        self.distance = BYTES;
        utils::parse_data(self, data, datum)
    }

    fn const_expr(&mut self, expression: wasmparser::ConstExpr<'_>) -> Result<ConstExpr, Error> {
        let mut operators = expression.get_operators_reader();
        if let Operator::I32Const { value } = operators.read()? {
            return Ok(ConstExpr::i32_const(
                value.wrapping_add(self.distance as i32),
            ));
        }
        utils::const_expr(self, expression)
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::Validator;

    use super::super::tests::{A, B, Fault, HEAP, STATICS, TABLE, TABLE_BASE, component, left};
    use super::*;

    const MOVED: i32 = BYTES as i32;
    const MOVED_FUNCTION: i32 = FUNCTIONS as i32;

    fn fixture(heap: &[i32]) -> Vec<u8> {
        component(STATICS, heap, Fault::default())
    }

    /// The numbers that a function's instructions hold.
    fn constants(module: &Module<'_>, function: usize) -> Vec<i32> {
        let operators = module.bodies[function].get_operators_reader().unwrap();
        let constants = operators.into_iter().filter_map(|operator| match operator {
            Ok(Operator::I32Const { value }) => Some(value),
            _ => None,
        });
        constants.collect()
    }

    #[test]
    fn every_address_moves_and_nothing_else_does() {
        let bytes = fixture(&[B]);
        let linked = Linked::read("engine", &bytes).unwrap();
        let moved = linked.moved(&bytes).unwrap();
        Validator::new().validate_all(&moved).unwrap();
        let module = Module::of("engine", &moved).unwrap();
        assert_eq!(module.customs, []);
        let first = (TABLE_BASE + MOVED_FUNCTION) as u32;
        assert_eq!(module.elements, [(first, TABLE.to_vec())]);
        let addresses: Vec<_> = module.data.iter().map(|(address, _)| *address).collect();
        assert_eq!(
            addresses,
            [A + MOVED, HEAP + MOVED].map(|address| address as u32)
        );
        assert_eq!(constants(&module, 0), [TABLE_BASE + 3 + MOVED_FUNCTION]);
        let variable = A + 12;
        assert_eq!(constants(&module, 1), [A + MOVED, variable + MOVED]);
        let memory = module.memory(&moved);
        let words = memory[(A + MOVED) as usize..].as_chunks::<4>().0;
        let expected = [0, 1, 2].map(|at| TABLE_BASE + at + MOVED_FUNCTION);
        assert_eq!(
            words[..3],
            expected.map(i32::to_le_bytes),
            "relocations move"
        );
        assert_eq!(words[3], [0; 4], "a word without a relocation stays");
        let heap = memory[(HEAP + MOVED) as usize..].first_chunk::<4>();
        assert_eq!(heap, Some(&B.to_le_bytes()), "so does the heap");
    }

    #[test]
    fn words_that_differ_may_be_references() {
        let function = TABLE_BASE + 3;
        // A name, a word, the same word of the moved component, and the functions that are kept.
        let rows: [(&str, i32, i32, &[u32]); 6] = [
            ("a pointer", B, B + MOVED, &[2, 3, 4, 8]),
            ("a number that looks like one", B, B, &[2, 3, 8]),
            (
                "a function",
                function,
                function + MOVED_FUNCTION,
                &[2, 3, 7, 8],
            ),
            (
                "a number that looks like one",
                function,
                function,
                &[2, 3, 8],
            ),
            ("a word that differs otherwise", B, 7, &[2, 3, 4, 8]),
            ("a word where the other memory ends", B, 0, &[2, 3, 4, 8]),
        ];
        let bytes = fixture(&[]);
        let linked = Linked::read("engine", &bytes).unwrap();
        let mut wrong = Vec::new();
        for (name, word, moved, expected) in rows {
            let snapshot = fixture(&[word]);
            let moved = linked.moved(&fixture(&[moved])).unwrap();
            let references = linked.references(&snapshot, &moved).unwrap();
            let trimmed = linked.trim(&snapshot, Some(&references), |export| export != "setup");
            let found = left(&trimmed.unwrap().bytes);
            if found != expected {
                wrong.push(format!("{name}, {word}: {found:?}, expected {expected:?}"));
            }
            let bytes = references.to_bytes();
            assert_eq!(References::from_bytes(&bytes), Some(references), "{name}");
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        for bytes in [&[1, 2, 3][..], &[1, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(References::from_bytes(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_truncated_component_cannot_be_moved() {
        let whole = fixture(&[B]);
        let linked = Linked::read("engine", &whole).unwrap();
        for end in 0..whole.len() {
            assert!(linked.moved(&whole[..end]).is_err(), "{end} bytes");
        }
    }
}
