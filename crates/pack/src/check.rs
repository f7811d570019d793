//! Checks an artifact's imports, exports and size.

use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// Prefixes of the only imports that an artifact may have, apart from wasi:nn. Any 0.2 version is allowed.
const WASI: [&str; 6] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/types@",
    "wasi:io/",
    "wasi:random/",
];

/// Bytes that a snapshot may have besides its code and the memory in use: the allocator's headers between blocks, and
/// freed parts of pages.
const OVERHEAD_BYTES: u64 = 2 * 1024 * 1024;

/// An artifact failed a check.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The artifact is not a valid component.
    #[error("the artifact is not a valid component: {0}")]
    Invalid(String),
    /// The artifact imports an interface outside the allowed list.
    #[error(
        "the artifact imports {}, expected WASI 0.2 (and wasi:nn, if uncomposed); remove the dependency that imports it",
        imports.join(", ")
    )]
    Imports {
        /// The interfaces that are not allowed.
        imports: Vec<String>,
    },
    /// The artifact exports no HTTP handler.
    #[error("the artifact does not export `wasi:http/incoming-handler`; it exports {}", exports.join(", "))]
    Exports {
        /// The artifact's exports.
        exports: Vec<String>,
    },
    /// The snapshot is too large: it contains memory that the setup freed.
    #[error(
        "the snapshot has {bytes} bytes, more than the {limit} that {code} bytes of code and {in_use} bytes of \
         memory in use may take"
    )]
    TooLarge {
        /// The snapshot's size.
        bytes: u64,
        /// The largest allowed size.
        limit: u64,
        /// The size of the component before the snapshot.
        code: u64,
        /// The memory in use after the setup.
        in_use: u64,
    },
}

/// A component's imports and exports, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The imports, in the component's order.
    pub imports: Vec<String>,
    /// The exports, in the component's order.
    pub exports: Vec<String>,
}

/// Validate a component and list its imports and exports.
///
/// # Errors
/// If it is not a valid component.
pub fn interface(component: &[u8]) -> Result<Interface, CheckError> {
    let invalid = |error: wasmparser::BinaryReaderError| CheckError::Invalid(error.to_string());
    Validator::new_with_features(WasmFeatures::default())
        .validate_all(component)
        .map_err(invalid)?;
    let mut interface = Interface::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(invalid)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(reader) if depth == 0 => {
                for import in reader {
                    interface
                        .imports
                        .push(import.map_err(invalid)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(reader) if depth == 0 => {
                for export in reader {
                    interface
                        .exports
                        .push(export.map_err(invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(interface)
}

/// Check that the composed artifact exports the HTTP handler, and that any host with WASI 0.2 and HTTP provides its
/// imports.
///
/// # Errors
/// If it is invalid, exports no handler, or imports anything else, such as wasi:nn.
pub fn check_composed(component: &[u8]) -> Result<(), CheckError> {
    check_interface(component, &[])
}

/// Check the uncomposed artifact like [`check_composed`], but allow imports of wasi:nn.
///
/// # Errors
/// If it is invalid, exports no handler, or imports anything but WASI and wasi:nn.
pub fn check_uncomposed(component: &[u8]) -> Result<(), CheckError> {
    check_interface(component, &["wasi:nn/"])
}

fn check_interface(component: &[u8], also: &[&str]) -> Result<(), CheckError> {
    let interface = interface(component)?;
    let known = |name: &String| WASI.iter().chain(also).any(|known| name.starts_with(known));
    let imports: Vec<String> = interface
        .imports
        .into_iter()
        .filter(|name| !known(name))
        .collect();
    if !imports.is_empty() {
        return Err(CheckError::Imports { imports });
    }
    let handler = |name: &String| name.starts_with("wasi:http/incoming-handler@0.2.");
    if interface.exports.iter().any(handler) {
        Ok(())
    } else {
        Err(CheckError::Exports {
            exports: interface.exports,
        })
    }
}

/// Check a snapshot's size against the size of its code and of the memory in use.
///
/// # Errors
/// If it is larger than `code` + 1.1 x `in_use` + 2 MiB.
pub fn check_size(bytes: u64, code: u64, in_use: u64) -> Result<(), CheckError> {
    let limit = code
        .saturating_add(in_use.saturating_add(in_use / 10))
        .saturating_add(OVERHEAD_BYTES);
    if bytes > limit {
        return Err(CheckError::TooLarge {
            bytes,
            limit,
            code,
            in_use,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_checked_to_the_byte() {
        let limit = 1000 + 1100 + OVERHEAD_BYTES;
        assert!(check_size(limit, 1000, 1000).is_ok());
        assert!(check_size(limit + 1, 1000, 1000).is_err());
        assert!(
            check_size(u64::MAX, u64::MAX, u64::MAX).is_ok(),
            "no overflow"
        );
    }

    #[test]
    fn non_components_are_rejected() {
        let module = b"\0asm\x01\0\0\0";
        let cases: [&[u8]; 4] = [b"", b"text", b"\0asm", b"\0asm\x0d\0\x01"];
        for bytes in cases {
            assert!(interface(bytes).is_err(), "{bytes:?}");
        }
        let message = check_composed(module).unwrap_err().to_string();
        assert!(message.contains("does not export"), "{message}");
    }
}
