//! A component's own module: its largest core module. The others are adapters.

use std::ops::Range;

use wasm_encoder::{Module as ModuleEncoder, RawSection, Section};
use wasmparser::{
    BinaryReader, BinaryReaderError, DataKind, ElementItems, ElementKind, ExternalKind,
    FunctionBody, Operator, Parser, Payload, TypeRef,
};

use super::TrimError;

/// Bytes of a component before its sections.
const HEADER: usize = 8;

/// The parts of a module that trimming needs, by index.
#[derive(Default)]
pub(super) struct Module<'a> {
    /// Its bytes' place in the component.
    pub(super) place: Range<usize>,
    /// The imported functions, `module#name`.
    pub(super) imports: Vec<String>,
    /// The functions that it defines.
    pub(super) bodies: Vec<FunctionBody<'a>>,
    /// What the globals are at first, the imported ones too, where that is a number.
    pub(super) globals: Vec<Option<u32>>,
    /// Exported functions.
    pub(super) exports: Vec<(&'a str, u32)>,
    pub(super) start: Option<u32>,
    /// Element segments: the first index, and the functions.
    pub(super) elements: Vec<(u32, Vec<u32>)>,
    /// Where in memory each data segment goes, and where its bytes are in the component.
    pub(super) data: Vec<(u32, Range<usize>)>,
    /// Where the contents of each section are.
    pub(super) sections: Vec<Range<usize>>,
    /// Custom sections, with where their contents are.
    pub(super) customs: Vec<(&'a str, Range<usize>)>,
}

impl<'a> Module<'a> {
    /// Read the own module of a component.
    pub(super) fn of(component: &'static str, bytes: &'a [u8]) -> Result<Self, TrimError> {
        Self::read(bytes).map_err(TrimError::read(component))
    }

    fn read(bytes: &'a [u8]) -> Result<Self, BinaryReaderError> {
        let mut place = 0..0;
        for payload in Parser::new(0).parse_all(bytes) {
            if let Payload::ModuleSection {
                unchecked_range, ..
            } = payload?
                && unchecked_range.len() > place.len()
            {
                place = unchecked_range;
            }
        }
        // The parser announces a module before all its bytes are there.
        BinaryReader::new(bytes, 0).read_bytes(place.end)?;
        let mut module = Self {
            place: place.clone(),
            ..Self::default()
        };
        let parser = Parser::new(place.start as u64);
        for payload in parser.parse_all(&bytes[place]) {
            let payload = payload?;
            if let Some((_, section)) = payload.as_section() {
                module.sections.push(section);
            }
            match payload {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        match import.ty {
                            TypeRef::Func(_) => {
                                let name = format!("{}#{}", import.module, import.name);
                                module.imports.push(name);
                            }
                            TypeRef::Global(_) => module.globals.push(None),
                            _ => {}
                        }
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        module.globals.push(constant(global?.init_expr)?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            module.exports.push((export.name, export.index));
                        }
                    }
                }
                Payload::StartSection { func, .. } => module.start = Some(func),
                Payload::ElementSection(section) => {
                    for element in section {
                        let element = element?;
                        let first = match element.kind {
                            ElementKind::Active { offset_expr, .. } => constant(offset_expr)?,
                            ElementKind::Passive | ElementKind::Declared => None,
                        };
                        let ElementItems::Functions(functions) = element.items else {
                            continue;
                        };
                        let functions: Vec<u32> =
                            functions.into_iter().collect::<Result<_, _>>()?;
                        module.elements.push((first.unwrap_or(0), functions));
                    }
                }
                Payload::CodeSectionEntry(body) => module.bodies.push(body),
                Payload::DataSection(section) => {
                    for data in section {
                        let data = data?;
                        let address = match data.kind {
                            DataKind::Active { offset_expr, .. } => constant(offset_expr)?,
                            DataKind::Passive => None,
                        };
                        let end = data.range.end;
                        let bytes = end - data.data.len()..end;
                        module.data.push((address.unwrap_or(0), bytes));
                    }
                }
                Payload::CustomSection(section) => {
                    let first = section.data_offset();
                    let contents = first..first + section.data().len();
                    module.customs.push((section.name(), contents));
                }
                _ => {}
            }
        }
        Ok(module)
    }

    /// The memory as it is at first, up to a word's end: what a segment leaves out, be it a byte of a number, is zero.
    pub(super) fn memory(&self, component: &[u8]) -> Vec<u8> {
        let ends = self.data.iter();
        let ends = ends.map(|(base, bytes)| *base as usize + bytes.len());
        let mut memory = vec![0; ends.max().unwrap_or(0).next_multiple_of(4)];
        for (base, bytes) in &self.data {
            memory[*base as usize..][..bytes.len()].copy_from_slice(&component[bytes.clone()]);
        }
        memory
    }

    /// The functions that are in the table, by index.
    pub(super) fn table(&self) -> Vec<Option<u32>> {
        let ends = self.elements.iter();
        let ends = ends.map(|(first, functions)| *first as usize + functions.len());
        let mut table = vec![None; ends.max().unwrap_or(0)];
        for (first, functions) in &self.elements {
            for (at, &function) in functions.iter().enumerate() {
                table[*first as usize + at] = Some(function);
            }
        }
        table
    }
}

/// A section that replaces the one of the same kind.
pub(super) struct Replacement {
    id: u8,
    /// The section with its id and its size.
    bytes: Vec<u8>,
}

impl Replacement {
    pub(super) fn new(section: &impl Section) -> Self {
        let mut bytes = Vec::new();
        section.append_to(&mut bytes);
        Self {
            id: section.id(),
            bytes,
        }
    }
}

/// Rewrite a component with other sections in its module, and without the module's custom sections.
pub(super) fn rewritten(
    name: &'static str,
    bytes: &[u8],
    module: &Module<'_>,
    replacements: &[Replacement],
) -> Result<Vec<u8>, TrimError> {
    let read_error = TrimError::read(name);
    let mut inner = ModuleEncoder::HEADER.to_vec();
    let parser = Parser::new(module.place.start as u64);
    for payload in parser.parse_all(&bytes[module.place.clone()]) {
        let payload = payload.map_err(read_error)?;
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        if matches!(payload, Payload::CustomSection(_)) {
            continue;
        }
        match replacements.iter().find(|new| new.id == id) {
            Some(new) => inner.extend(&new.bytes),
            None => {
                let data = &bytes[range];
                RawSection { id, data }.append_to(&mut inner);
            }
        }
    }
    let mut component = Vec::with_capacity(bytes.len());
    component.extend(&bytes[..HEADER]);
    let mut reader = BinaryReader::new(&bytes[HEADER..], HEADER);
    while !reader.eof() {
        let id = reader.read_u8().map_err(read_error)?;
        let size = reader.read_var_u32().map_err(read_error)? as usize;
        let is_ours = reader.original_position() == module.place.start;
        let data = reader.read_bytes(size).map_err(read_error)?;
        let data = if is_ours { &inner } else { data };
        RawSection { id, data }.append_to(&mut component);
    }
    Ok(component)
}

/// The unsigned value of a LEB128 number that the linker padded to five bytes.
pub(super) fn leb(bytes: &[u8; 5]) -> u32 {
    let parts = bytes.iter().enumerate();
    parts
        .map(|(at, byte)| u32::from(byte & 0x7f) << (7 * at))
        .sum()
}

/// The number that an offset or a global begins with.
fn constant(expression: wasmparser::ConstExpr<'_>) -> Result<Option<u32>, BinaryReaderError> {
    match expression.get_operators_reader().read()? {
        Operator::I32Const { value } => Ok(Some(value as u32)),
        _ => Ok(None),
    }
}
