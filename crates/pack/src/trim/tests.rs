//! A module as a linker would write it, with eight functions:
//!
//! - `setup` calls 5 and takes the address of 7;
//! - `run` calls the imported one, and takes the addresses of A and of a variable;
//! - 3, 4 and 6 are what the constants A, B and C have the address of; 3 calls 8.

use wasm_encoder::{
    CodeSection, Component, ConstExpr, CustomSection, DataSection, ElementSection, Elements,
    EntityType, ExportKind, ExportSection, FunctionSection, ImportSection, LinkingSection,
    MemorySection, MemoryType, Module, ModuleSection, RefType, SymbolTable, TableSection,
    TableType, TypeSection,
};
use wasmparser::{Operator, Validator};

use super::{Linked, TrimError, imported};

pub(super) const TABLE_BASE: i32 = 100;
/// What is in the table, from there on.
pub(super) const TABLE: [u32; 4] = [3, 4, 6, 7];
pub(super) const A: i32 = 1024;
pub(super) const B: i32 = 1028;
const C: i32 = 1032;
const VARIABLE: i32 = 1036;
pub(super) const HEAP: i32 = 2000;

/// Kinds of relocations.
const CALL: u8 = 0;
const ADDRESS_OF_FUNCTION: u8 = 1;
const FUNCTION_IN_DATA: u8 = 2;
const ADDRESS: u8 = 4;

/// What can be wrong with a fixture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fault {
    without: Option<&'static str>,
    /// Instead of C's address, or of that of a function.
    other_address: bool,
    other_type: bool,
    one_address_less: bool,
    one_more_function: bool,
}

#[derive(Default)]
struct Code {
    section: CodeSection,
    bytes: usize,
    /// Kind, where, and symbol.
    relocations: Vec<(u8, usize, u32)>,
}

impl Code {
    /// A function with these instructions, each with the number of a symbol.
    fn function(&mut self, instructions: &[(u8, u32, i32)]) {
        let mut body = vec![0];
        // The count of functions, and what comes before a body, its size, are a byte each.
        let start = 1 + self.bytes + 1;
        for &(kind, symbol, value) in instructions {
            body.push(if kind == CALL { 0x10 } else { 0x41 });
            self.relocations.push((kind, start + body.len(), symbol));
            for at in 0..5 {
                let more = if at < 4 { 0x80 } else { 0 };
                body.push((value >> (7 * at)) as u8 & 0x7f | more);
            }
            if kind != CALL {
                body.push(0x1a);
            }
        }
        body.push(0x0b);
        self.bytes += 1 + body.len();
        self.section.raw(&body);
    }
}

fn relocations(section: u8, entries: &[(u8, usize, u32)]) -> Vec<u8> {
    let mut bytes = vec![section, entries.len() as u8];
    for &(kind, place, symbol) in entries {
        bytes.extend([kind, place as u8, symbol as u8]);
        if kind == ADDRESS {
            // The addend.
            bytes.push(0);
        }
    }
    bytes
}

/// The component with this memory: statics, and what is on the heap.
pub(super) fn component(statics: [i32; 4], heap: &[i32], fault: Fault) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let mut imports = ImportSection::new();
    imports.import("env", "host", EntityType::Function(0));
    module.section(&imports);
    let mut functions = FunctionSection::new();
    let count = 8 + u32::from(fault.one_more_function);
    (0..count).for_each(|_| {
        functions.function(0);
    });
    module.section(&functions);
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 200,
        maximum: None,
        shared: false,
    });
    module.section(&tables);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    let mut exports = ExportSection::new();
    exports.export("setup", ExportKind::Func, 1);
    exports.export("run", ExportKind::Func, 2);
    module.section(&exports);
    let mut elements = ElementSection::new();
    let offset = ConstExpr::i32_const(TABLE_BASE);
    elements.active(None, &offset, Elements::Functions(TABLE.as_slice().into()));
    module.section(&elements);

    // A function's symbol has its number; those of data follow.
    let data_symbol = |at: u32| 9 + at;
    let mut code = Code::default();
    code.function(&[(CALL, 5, 5), (ADDRESS_OF_FUNCTION, 7, TABLE_BASE + 3)]);
    code.function(&[
        (CALL, 0, 0),
        (ADDRESS, data_symbol(0), A),
        (ADDRESS, data_symbol(3), VARIABLE),
    ]);
    code.function(&[(CALL, 8, 8)]);
    (4..=count).for_each(|_| code.function(&[]));
    module.section(&code.section);
    let mut data = DataSection::new();
    let bytes = |words: &[i32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let statics: Vec<u8> = bytes(&statics);
    let start = 1 + 1 + 3 + 1 + 1;
    data.active(0, &ConstExpr::i32_const(A), statics);
    // As a snapshot has it: segments of what is not zero, wherever in a number they begin and end.
    let heap: Vec<u8> = bytes(heap);
    let mut address = HEAP;
    for run in heap.chunk_by(|one, next| (*one == 0) == (*next == 0)) {
        if run[0] != 0 {
            data.active(0, &ConstExpr::i32_const(address), run.iter().copied());
        }
        address += run.len() as i32;
    }
    module.section(&data);

    let mut symbols = SymbolTable::new();
    for index in 0..9 {
        let name = (index > 0).then(|| format!("function {index}"));
        let flags = if index == 0 {
            SymbolTable::WASM_SYM_UNDEFINED
        } else {
            0
        };
        symbols.function(flags, index, name.as_deref());
    }
    for (at, name) in ["A", "B", "C", "variable"].into_iter().enumerate() {
        let offset = 4 * at as u32;
        let definition = wasm_encoder::DataSymbolDefinition {
            index: 0,
            offset,
            size: 4,
        };
        symbols.data(0, name, Some(definition));
    }
    let mut linking = LinkingSection::new();
    linking.symbol_table(&symbols);
    let mut in_code = code.relocations;
    if fault.other_address {
        in_code[1].2 = 6;
    }
    if fault.other_type {
        in_code[0].0 = 10;
    }
    let in_data =
        [(0, 3), (4, 4), (8, 6)].map(|(at, function)| (FUNCTION_IN_DATA, start + at, function));
    let in_data = &in_data[usize::from(fault.one_address_less)..];
    let keeps = |name: &str| fault.without != Some(name);
    if keeps("linking") {
        module.section(&linking);
    }
    for (name, data) in [
        ("reloc.CODE", relocations(7, &in_code)),
        ("reloc.DATA", relocations(8, in_data)),
    ] {
        if keeps(name) {
            let (name, data) = (name.into(), data.into());
            module.section(&CustomSection { name, data });
        }
    }
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}

pub(super) const STATICS: [i32; 4] = [TABLE_BASE, TABLE_BASE + 1, TABLE_BASE + 2, 0];

fn linked() -> Linked {
    Linked::read("engine", &component(STATICS, &[], Fault::default())).unwrap()
}

/// The functions that are left.
pub(super) fn left(component: &[u8]) -> Vec<u32> {
    let module = super::Module::of("engine", component).unwrap();
    let bodies = module.bodies.iter().zip(1..);
    let left = bodies.filter(|(body, _)| {
        let first = body.get_operators_reader().unwrap().read().unwrap();
        !matches!(first, Operator::Unreachable)
    });
    left.map(|(_, index)| index).collect()
}

/// A name, the statics, the heap, whether `setup` is still called, and what is left.
type Row<'a> = (&'a str, [i32; 4], &'a [i32], bool, &'a [u32]);

#[test]
fn reachable_functions_are_kept() {
    let linked = linked();
    let [mut to_c, mut a_changed, mut b_changed] = [STATICS; 3];
    to_c[3] = C;
    a_changed[0] = TABLE_BASE + 2;
    b_changed[1] = TABLE_BASE + 3;
    let rows: [Row<'_>; 11] = [
        ("nothing on the heap", STATICS, &[], false, &[2, 3, 8]),
        ("a pointer to B", STATICS, &[7, B], false, &[2, 3, 4, 8]),
        ("a pointer into B", STATICS, &[B + 2], false, &[2, 3, 4, 8]),
        (
            "after a number with zeros",
            STATICS,
            &[0x0100_0000, B],
            false,
            &[2, 3, 4, 8],
        ),
        (
            "a pointer to a function",
            STATICS,
            &[0, 0, TABLE_BASE + 3],
            false,
            &[2, 3, 7, 8],
        ),
        (
            "other numbers",
            STATICS,
            &[TABLE_BASE - 1, TABLE_BASE + 4, A - 1, HEAP],
            false,
            &[2, 3, 8],
        ),
        (
            "a variable with a pointer to C",
            to_c,
            &[],
            false,
            &[2, 3, 6, 8],
        ),
        (
            "A has another function too",
            a_changed,
            &[],
            false,
            &[2, 3, 6, 8],
        ),
        (
            "B has, to which nothing points",
            b_changed,
            &[],
            false,
            &[2, 3, 8],
        ),
        (
            "B has, to which the heap points",
            b_changed,
            &[B],
            false,
            &[2, 3, 4, 7, 8],
        ),
        (
            "setup is still called",
            STATICS,
            &[],
            true,
            &[1, 2, 3, 5, 7, 8],
        ),
    ];
    let mut wrong = Vec::new();
    for (name, statics, heap, is_setup_called, expected) in rows {
        let snapshot = component(statics, heap, Fault::default());
        let trimmed = linked.trim(&snapshot, None, |export| {
            is_setup_called || export != "setup"
        });
        let trimmed = trimmed.unwrap().bytes;
        if let Err(error) = Validator::new().validate_all(&trimmed) {
            wrong.push(format!("{name}: {error}"));
        }
        let found = left(&trimmed);
        if found != expected {
            wrong.push(format!("{name}: {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_bodies_and_linker_sections_change() {
    let all = component(STATICS, &[3], Fault::default());
    let module = super::Module::of("engine", &all).unwrap();
    assert_eq!(module.customs.len(), 3);
    let linked = linked();
    for component in [
        linked.trim(&all, None, |_| true).unwrap().bytes,
        linked.component().to_vec(),
    ] {
        Validator::new().validate_all(&component).unwrap();
        let found = super::Module::of("engine", &component).unwrap();
        assert_eq!(found.customs, []);
        assert_eq!(found.table(), module.table());
        assert_eq!(found.exports, module.exports);
        assert_eq!(found.bodies.len(), module.bodies.len());
        assert_eq!(found.data[0].0, module.data[0].0);
    }
    assert_eq!(
        imported("infer", &all)
            .unwrap()
            .into_iter()
            .collect::<Vec<_>>(),
        ["env#host"]
    );
}

#[test]
fn missing_relocations_are_refused() {
    let whole = Fault::default();
    let with = |without| Fault {
        without: Some(without),
        ..whole
    };
    let rows = [
        (with("linking"), "was linked without a section `linking`"),
        (
            with("reloc.CODE"),
            "was linked without a section `reloc.CODE`",
        ),
        (
            with("reloc.DATA"),
            "was linked without a section `reloc.DATA`",
        ),
        (
            Fault {
                other_address: true,
                ..whole
            },
            "has Some(103) where a relocation of type TableIndexSleb expects function 6 of the table",
        ),
        (
            Fault {
                other_type: true,
                ..whole
            },
            "has a relocation of type EventIndexLeb",
        ),
        (
            Fault {
                one_address_less: true,
                ..whole
            },
            "has function 3 in its table without a relocation",
        ),
    ];
    let mut wrong = Vec::new();
    for (fault, reason) in rows {
        let expected = format!(
            "the component `engine` {reason}, so trimming cannot tell which code is used; expected relocations of the pinned toolchain's linker (`--emit-relocs`)"
        );
        match Linked::read("engine", &component(STATICS, &[], fault)) {
            Err(error) if error.to_string() == expected => {}
            other => wrong.push(format!(
                "{fault:?}: {:?}",
                other.map_err(|error| error.to_string())
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_report_counts_what_is_left() {
    let snapshot = component(STATICS, &[B], Fault::default());
    let report = linked().trim(&snapshot, None, |export| export != "setup");
    let report = report.unwrap().report;
    assert_eq!((report.all.functions, report.kept().functions), (8, 4));
    let text = report.to_string();
    assert!(text.contains(": 4 of 8, "), "{text}");
}

#[test]
fn a_chain_names_what_keeps_a_function() {
    let linked = linked();
    let mut changed = STATICS;
    changed[3] = C;
    let rows = [
        ("function 2", STATICS, 0, &["export `run`"][..]),
        (
            "function 8",
            STATICS,
            0,
            &[
                "function `function 3`",
                "static `A` at 0x400",
                "function `function 2`",
                "export `run`",
            ],
        ),
        (
            "function 4",
            STATICS,
            B,
            &["static `B` at 0x404", "snapshot word at 0x7d0"],
        ),
        (
            "function 7",
            STATICS,
            TABLE_BASE + 3,
            &["snapshot word at 0x7d0"],
        ),
        (
            "function 6",
            changed,
            0,
            &[
                "static `C` at 0x408",
                "static `variable` at 0x40c",
                "function `function 2`",
                "export `run`",
            ],
        ),
    ];
    let mut wrong = Vec::new();
    for (function, statics, word, expected) in rows {
        let snapshot = component(statics, &[word], Fault::default());
        let why = linked.why(&snapshot, None, |export| export != "setup", function);
        let why = why.unwrap();
        let found = why.kept.iter().map(|chain| &chain.references);
        let found: Vec<_> = found.collect();
        if found != [expected] || !why.left_out.is_empty() {
            wrong.push(format!("{function}: {why:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Of a trimmed component the answer is the same, and so it is for the functions that were left out.
    let snapshot = component(STATICS, &[], Fault::default());
    let is_called = |export: &str| export != "setup";
    let trimmed = linked.trim(&snapshot, None, is_called).unwrap().bytes;
    let of_both =
        [&snapshot, &trimmed].map(|bytes| linked.why(bytes, None, is_called, "").unwrap());
    assert_eq!(of_both[0], of_both[1]);
    let left_out = [1, 4, 5, 6, 7].map(|index| format!("function {index}"));
    assert_eq!(of_both[0].left_out, left_out);
}

#[test]
fn a_snapshot_of_other_code_is_refused() {
    let fault = Fault {
        one_more_function: true,
        ..Fault::default()
    };
    let other = component(STATICS, &[], fault);
    let error = linked().trim(&other, None, |_| true).unwrap_err();
    assert!(matches!(error, TrimError::OtherCode { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "the snapshot of `engine` has other code than the component; remove `target/infer` and build again"
    );
}

#[test]
fn a_truncated_component_is_an_error() {
    let whole = component(STATICS, &[B], Fault::default());
    let linked = linked();
    for end in 0..whole.len() {
        let part = &whole[..end];
        assert!(Linked::read("engine", part).is_err(), "{end} bytes");
        assert!(linked.trim(part, None, |_| true).is_err(), "{end} bytes");
    }
}
