//! The fit of an artifact: its size and memory, compared with the limits that hosts publish.

use wasmparser::{Parser, Payload};

use crate::check::CheckError;

/// The resources of an artifact before its first request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The file's size in bytes.
    pub bytes: u64,
    /// All memories at the start, in bytes. An inference takes more.
    pub memory_bytes: u64,
    /// The elements of the largest table.
    pub table_elements: u64,
}

/// A host with limits.
#[derive(Clone, Copy, Debug)]
struct Host {
    name: &'static str,
    max_bytes: Option<u64>,
    max_memory_bytes: Option<u64>,
    max_table_elements: Option<u64>,
}

/// Hosts and their limits: the quotas of Akamai Functions, the FAQ of Fermyon Cloud, and the defaults of Spin, which are
/// those of Wasmtime's pooling allocator.
const HOSTS: [Host; 3] = [
    Host {
        name: "Spin",
        max_bytes: None,
        max_memory_bytes: None,
        max_table_elements: Some(20_000),
    },
    Host {
        name: "Akamai Functions",
        max_bytes: Some(50 << 20),
        max_memory_bytes: Some(128 << 20),
        max_table_elements: Some(20_000),
    },
    Host {
        name: "Fermyon Cloud",
        max_bytes: Some(100_000_000),
        max_memory_bytes: None,
        max_table_elements: Some(20_000),
    },
];

/// Whether an artifact meets the limits of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The host.
    pub host: &'static str,
    /// The limits that the artifact exceeds, in words; empty if it fits.
    pub exceeds: Vec<String>,
}

/// Read the resources that a component takes.
///
/// # Errors
/// If it is not a component.
pub fn needs(component: &[u8]) -> Result<Needs, CheckError> {
    let invalid = |error: wasmparser::BinaryReaderError| CheckError::Invalid(error.to_string());
    let mut needs = Needs {
        bytes: component.len() as u64,
        ..Needs::default()
    };
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(invalid)? {
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory.map_err(invalid)?;
                    let page = 1_u64 << memory.page_size_log2.unwrap_or(16);
                    needs.memory_bytes = needs
                        .memory_bytes
                        .saturating_add(memory.initial.saturating_mul(page));
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    let elements = table.map_err(invalid)?.ty.initial;
                    needs.table_elements = needs.table_elements.max(elements);
                }
            }
            _ => {}
        }
    }
    Ok(needs)
}

/// Compare what an artifact takes with the limits of each known host.
#[must_use]
pub fn fits(needs: &Needs) -> Vec<Fit> {
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    let fit = |host: &Host| {
        let mut exceeds = Vec::new();
        if let Some(max) = host.max_bytes.filter(|max| needs.bytes > *max) {
            exceeds.push(format!(
                "{:.1} MiB, expected at most {:.1}",
                mib(needs.bytes),
                mib(max)
            ));
        }
        if let Some(max) = (host.max_memory_bytes).filter(|max| needs.memory_bytes > *max) {
            exceeds.push(format!(
                "{:.1} MiB of memory before a request, expected at most {:.1}",
                mib(needs.memory_bytes),
                mib(max)
            ));
        }
        if let Some(max) = (host.max_table_elements).filter(|max| needs.table_elements > *max) {
            exceeds.push(format!(
                "a table of {} elements, expected at most {max}",
                needs.table_elements
            ));
        }
        Fit {
            host: host.name,
            exceeds,
        }
    };
    HOSTS.iter().map(fit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_and_the_largest_table_count() {
        let text = "(component
            (core module (memory 3) (table 7 funcref))
            (core module (memory 2) (table 9 funcref) (table 1 funcref)))";
        let component = wat::parse_str(text).unwrap();
        let needs = needs(&component).unwrap();
        assert_eq!((needs.memory_bytes, needs.table_elements), (5 * 65536, 9));
        assert_eq!(needs.bytes, component.len() as u64);
        assert!(super::needs(b"no component").is_err());
    }

    #[test]
    fn limits_are_exceeded_by_the_next_byte() {
        let at = |bytes, memory_bytes, table_elements| {
            let needs = Needs {
                bytes,
                memory_bytes,
                table_elements,
            };
            let exceeded = fits(&needs).into_iter();
            exceeded.map(|fit| fit.exceeds.len()).collect::<Vec<_>>()
        };
        assert_eq!(at(50 << 20, 128 << 20, 20_000), [0, 0, 0]);
        assert_eq!(at((50 << 20) + 1, 0, 0), [0, 1, 0]);
        assert_eq!(at(100_000_001, 0, 0), [0, 1, 1]);
        assert_eq!(at(0, (128 << 20) + 1, 0), [0, 1, 0]);
        assert_eq!(at(0, 0, 20_001), [1, 1, 1]);
        let fit = &fits(&Needs {
            bytes: 60 << 20,
            ..Needs::default()
        })[1];
        assert_eq!(fit.exceeds, ["60.0 MiB, expected at most 50.0"]);
    }
}
