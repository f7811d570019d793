//! `cargo xtask operators`: the list of supported operators in the documentation, from the executor's registry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::generated::{self, Mode};
use crate::project;

const COMMAND: &str = "cargo xtask operators";

/// The page with the list.
const PAGE: &str = "docs/operators.md";

/// Write the list of supported operators into docs/operators.md, from the executor's registry
#[derive(Args)]
pub(crate) struct Operators {
    /// Compare the list with the registry instead of writing it
    #[arg(long)]
    check: bool,
}

/// The operators of each domain by name, with the first supported version of the operator set.
type Domains = BTreeMap<String, BTreeMap<String, i64>>;

impl Operators {
    /// Write or compare.
    pub(crate) fn run(self) -> Result<()> {
        let root = project::root();
        let page =
            fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read `{PAGE}`"))?;
        let list = list(&registered())?;
        if self.check {
            let current = generated::part(&page, COMMAND).with_context(|| format!("`{PAGE}`"))?;
            let problems = differences(current, &list);
            ensure!(
                problems.is_empty(),
                "`{PAGE}` differs from the registry:\n{}\nrun `{COMMAND}`",
                problems.join("\n")
            );
        }
        let page =
            generated::replace_part(&page, COMMAND, &list).with_context(|| format!("`{PAGE}`"))?;
        Mode::of(self.check).file(&root, PAGE, &page, COMMAND)
    }
}

fn registered() -> Domains {
    let mut domains = Domains::new();
    for operator in infer_executor::operators() {
        let domain = match operator.domain {
            "" => "ai.onnx",
            domain => domain,
        };
        domains
            .entry(domain.to_owned())
            .or_default()
            .insert(operator.name.to_owned(), operator.since_version);
    }
    domains
}

/// A table per domain.
fn list(domains: &Domains) -> Result<String> {
    let mut text = String::new();
    for (domain, operators) in domains {
        if !text.is_empty() {
            text.push('\n');
        }
        writeln!(text, "### {domain}: {} operators\n", operators.len())?;
        writeln!(text, "| operator | since operator set |\n| --- | --- |")?;
        let mut operators: Vec<_> = operators.iter().collect();
        operators.sort_by_key(|(name, _)| name.to_lowercase());
        for (name, since) in operators {
            writeln!(text, "| {name} | {since} |")?;
        }
    }
    Ok(text)
}

/// The lines that only one of the two lists has.
fn differences(page: &str, registry: &str) -> Vec<String> {
    let lines = |text: &str| -> BTreeSet<String> {
        text.lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (page, registry) = (lines(page), lines(registry));
    let missing = registry
        .difference(&page)
        .map(|line| format!("  the page lacks     {line}"));
    let extra = page
        .difference(&registry)
        .map(|line| format!("  the registry lacks {line}"));
    missing.chain(extra).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(entries: &[(&str, &str, i64)]) -> Domains {
        let mut domains = Domains::new();
        for (domain, name, since) in entries {
            domains
                .entry((*domain).to_owned())
                .or_default()
                .insert((*name).to_owned(), *since);
        }
        domains
    }

    #[test]
    fn each_domain_has_a_table() {
        let domains = domains(&[
            ("com.microsoft", "QGemm", 1),
            ("ai.onnx", "LRN", 1),
            ("ai.onnx", "LayerNormalization", 17),
        ]);
        assert_eq!(
            list(&domains).unwrap(),
            "### ai.onnx: 2 operators\n\n| operator | since operator set |\n| --- | --- |\n\
             | LayerNormalization | 17 |\n| LRN | 1 |\n\n\
             ### com.microsoft: 1 operators\n\n| operator | since operator set |\n| --- | --- |\n| QGemm | 1 |\n"
        );
    }

    #[test]
    fn differences_name_operators_on_either_side() {
        let page = "### ai.onnx: 2 operators\n| Add | 1 |\n| Gone | 1 |\n";
        let registry = "### ai.onnx: 2 operators\n| Add | 1 |\n| New | 9 |\n";
        assert_eq!(
            differences(page, registry),
            [
                "  the page lacks     | New | 9 |",
                "  the registry lacks | Gone | 1 |"
            ]
        );
        assert!(differences(page, page).is_empty());
    }

    #[test]
    fn registry_is_not_empty() {
        let domains = registered();
        assert!(domains["ai.onnx"].contains_key("Conv"), "{domains:?}");
    }
}
