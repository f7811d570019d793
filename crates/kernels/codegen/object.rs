//! Writes functions into a relocatable object file (WebAssembly tool conventions, Linking.md), and the object file into
//! an archive.

use wasm_encoder::{
    CodeSection, EntityType, Function, FunctionSection, ImportSection, LinkingSection, MemoryType,
    Module, SymbolTable, TypeSection, ValType,
};

/// A function that the linker finds by its name. It returns nothing, calls nothing and uses no globals, so that there
/// is nothing to relocate.
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    pub(crate) parameters: Vec<ValType>,
    pub(crate) body: Function,
}

/// Encode an object file with these functions.
pub(crate) fn object(kernels: &[Kernel]) -> Vec<u8> {
    let mut types = TypeSection::new();
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    let mut symbols = SymbolTable::new();
    for (index, kernel) in (0u32..).zip(kernels) {
        types.ty().function(kernel.parameters.iter().copied(), []);
        functions.function(index);
        code.function(&kernel.body);
        symbols.function(
            SymbolTable::WASM_SYM_VISIBILITY_HIDDEN,
            index,
            Some(kernel.name),
        );
    }
    let mut imports = ImportSection::new();
    imports.import(
        "env",
        "__linear_memory",
        EntityType::Memory(MemoryType {
            minimum: 0,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        }),
    );
    let mut linking = LinkingSection::new();
    linking.symbol_table(&symbols);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&code)
        .section(&linking);
    module.finish()
}

/// Encode an archive (GNU ar) with one object file.
pub(crate) fn archive(object: &[u8]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    // Name, time, owner, group, mode and size, in columns.
    archive.extend(
        format!(
            "{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            "kernels.o/",
            0,
            0,
            0,
            644,
            object.len()
        )
        .bytes(),
    );
    archive.extend(object);
    if object.len() % 2 == 1 {
        archive.push(b'\n');
    }
    archive
}
