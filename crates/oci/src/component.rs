//! Checks that bytes are a component, and lists its imports and exports.

use serde::{Deserialize, Serialize};
use wasmparser::{BinaryReaderError, Encoding, Parser, Payload};

/// The first four bytes of each WebAssembly file.
const MAGIC: &[u8] = b"\0asm";

/// Bytes that are not a component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAComponent {
    /// There are no bytes.
    #[error("the file is empty, expected a WebAssembly component")]
    Empty,
    /// The bytes are a core module.
    #[error(
        "the file is a core WebAssembly module, expected a component; `wasm-tools component new` makes one from a module"
    )]
    CoreModule,
    /// The bytes are text, such as WebAssembly's text form.
    #[error("the file is text, expected a WebAssembly component in binary form")]
    Text,
    /// The bytes are something else.
    #[error("the file is not WebAssembly: it does not begin with `\\0asm`")]
    NotWasm,
    /// The bytes begin like a component but are damaged or incomplete.
    #[error("the file is a damaged or incomplete component: {0}")]
    Damaged(String),
}

/// A component's imports and exports, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interface {
    /// The exports, in the component's order.
    #[serde(default)]
    pub(crate) exports: Vec<String>,
    /// The imports, in the component's order.
    #[serde(default)]
    pub(crate) imports: Vec<String>,
}

/// Check the structure of a component and list its imports and exports. Functions' code is not validated.
///
/// # Errors
/// If the bytes are not a complete component.
pub(crate) fn interface(component: &[u8]) -> Result<Interface, NotAComponent> {
    check_head(component)?;
    let damaged = |error: BinaryReaderError| NotAComponent::Damaged(error.to_string());
    let mut interface = Interface::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(damaged)? {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => return Err(NotAComponent::CoreModule),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(reader) if depth == 0 => {
                for import in reader {
                    let name = import.map_err(damaged)?.name.name;
                    interface.imports.push(name.to_owned());
                }
            }
            Payload::ComponentExportSection(reader) if depth == 0 => {
                for export in reader {
                    let name = export.map_err(damaged)?.name.name;
                    interface.exports.push(name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(interface)
}

/// Check the first eight bytes, which tell a component from a core module.
///
/// # Errors
/// If they are not a component's.
pub(crate) fn check_head(bytes: &[u8]) -> Result<(), NotAComponent> {
    match bytes {
        [] => Err(NotAComponent::Empty),
        [
            b'\0',
            b'a',
            b's',
            b'm',
            version0,
            version1,
            layer0,
            layer1,
            ..,
        ] => {
            match (
                u16::from_le_bytes([*version0, *version1]),
                u16::from_le_bytes([*layer0, *layer1]),
            ) {
                (_, 1) => Ok(()),
                (_, 0) => Err(NotAComponent::CoreModule),
                (_, layer) => Err(NotAComponent::Damaged(format!(
                    "unknown layer {layer}, expected 1"
                ))),
            }
        }
        _ if MAGIC.starts_with(bytes) || bytes.starts_with(MAGIC) => Err(NotAComponent::Damaged(
            "it ends within its first eight bytes".to_owned(),
        )),
        _ => {
            let start = &bytes[..bytes.len().min(64)];
            let text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
            if start.iter().all(text) {
                Err(NotAComponent::Text)
            } else {
                Err(NotAComponent::NotWasm)
            }
        }
    }
}
