//! The list of what trimming kept.

use std::collections::BTreeMap;
use std::fmt;

use super::names::module;

/// Functions and bytes of code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Number of functions.
    pub functions: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
}

impl Amount {
    fn add(&mut self, bytes: usize) {
        self.functions += 1;
        self.bytes += bytes;
    }
}

/// What trimming kept of a component, module by module.
///
/// It prints as a table: a header of lines that begin with `#`, then one line a module with the number of functions, the bytes
/// of their bodies and the module's path, in the order of the paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `engine` or `infer`.
    pub component: &'static str,
    /// All code of the component before trimming.
    pub all: Amount,
    /// The functions that were kept, by the path of their module (`crate::module`).
    pub modules: BTreeMap<String, Amount>,
}

impl Report {
    /// Count functions: each has a name, the bytes of its body, and was kept or not.
    pub(super) fn new<'a>(
        component: &'static str,
        functions: impl Iterator<Item = (&'a str, usize, bool)>,
    ) -> Self {
        let mut report = Self {
            component,
            all: Amount::default(),
            modules: BTreeMap::new(),
        };
        for (name, bytes, is_kept) in functions {
            report.all.add(bytes);
            if is_kept {
                report.modules.entry(module(name)).or_default().add(bytes);
            }
        }
        report
    }

    /// The sum over all modules.
    #[must_use]
    pub fn kept(&self) -> Amount {
        let modules = self.modules.values();
        modules.fold(Amount::default(), |sum, module| Amount {
            functions: sum.functions + module.functions,
            bytes: sum.bytes + module.bytes,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kept, all) = (self.kept(), self.all);
        writeln!(
            f,
            "# The functions of `{}` that its snapshot can reach: {} of {}, {} of {} bytes of code.",
            self.component, kept.functions, all.functions, kept.bytes, all.bytes
        )?;
        writeln!(
            f,
            "# `cargo infer build --why SYMBOL` prints the references that keep a function."
        )?;
        writeln!(f, "# functions     bytes  module")?;
        for (module, Amount { functions, bytes }) in &self.modules {
            writeln!(f, "{functions:11} {bytes:9}  {module}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_counted_by_module() {
        let functions = [
            ("png::decode", 100, true),
            ("png::encode", 70, false),
            ("<png::Info>::new", 20, true),
            ("memcpy", 3, true),
        ];
        let report = Report::new("infer", functions.into_iter());
        let lines: Vec<String> = report.to_string().lines().map(str::to_owned).collect();
        assert_eq!(
            lines[0],
            "# The functions of `infer` that its snapshot can reach: 3 of 4, 123 of 193 bytes of code."
        );
        let rows = [
            "          1         3  (no module)",
            "          2       120  png",
        ];
        assert_eq!(lines[3..], rows);
    }
}
