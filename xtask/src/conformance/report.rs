//! The table of results.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Outcome;
use crate::generated;

/// The longest reason in the table; an error may list all operators.
const MAX_REASON_CHARS: usize = 200;

/// A case and its result.
pub(super) struct Row {
    pub(super) case: String,
    pub(super) operator: String,
    pub(super) outcome: Outcome,
}

/// The number of cases that passed.
pub(super) fn passed(rows: &[Row]) -> usize {
    let passed = |row: &&Row| matches!(row.outcome, Outcome::Passed);
    rows.iter().filter(passed).count()
}

/// A sentence with the totals, and a table with a row per operator.
pub(super) fn table(rows: &[Row]) -> String {
    let mut operators: BTreeMap<(String, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = (row.operator.to_lowercase(), row.operator.as_str());
        operators.entry(key).or_default().push(row);
    }
    let whole = operators
        .values()
        .filter(|rows| {
            rows.iter()
                .all(|row| matches!(row.outcome, Outcome::Passed))
        })
        .count();
    let mut table = format!(
        "{} of {} cases pass, all in {whole} of the {} rows.",
        passed(rows),
        rows.len(),
        operators.len()
    );
    let counts = counts(rows.iter());
    if !counts.is_empty() {
        // Writing to a string does not fail.
        _ = write!(table, " Of the others: {counts}.");
    }
    table.push_str("\n\n| operator | cases | passed | what fails |\n| --- | --- | --- | --- |\n");
    for ((_, operator), rows) in operators {
        let failing = failing(&rows);
        let passed = rows
            .iter()
            .filter(|row| matches!(row.outcome, Outcome::Passed))
            .count();
        _ = writeln!(
            table,
            "| {operator} | {} | {passed} | {failing} |",
            rows.len()
        );
    }
    table
}

/// The number of failed cases of an operator by kind of failure, with the first case of each.
fn failing(rows: &[&Row]) -> String {
    let mut kinds: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for row in rows {
        if let (Some(kind), Some(reason)) = (row.outcome.kind(), row.outcome.reason()) {
            let first = || (0, format!("`{}`: {}", row.case, cell(reason)));
            kinds.entry(kind).or_insert_with(first).0 += 1;
        }
    }
    let kinds: Vec<String> = kinds
        .into_iter()
        .map(|(kind, (count, first))| format!("{count} {kind} ({first})"))
        .collect();
    kinds.join("; ")
}

/// The number of failed cases by kind of failure.
fn counts<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        if let Some(kind) = row.outcome.kind() {
            *counts.entry(kind).or_default() += 1;
        }
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    counts.join(", ")
}

/// The reason on one line, without characters that would end a cell.
fn cell(reason: &str) -> String {
    let mut line: String = reason
        .chars()
        .map(|letter| match letter {
            '|' => '/',
            letter if letter.is_control() => ' ',
            letter => letter,
        })
        .collect();
    if let Some((end, _)) = line.char_indices().nth(MAX_REASON_CHARS) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// Write the table to a file, between the marks of `command`.
pub(super) fn write(path: &Path, command: &str, table: &str) -> Result<()> {
    let page =
        fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let page = generated::replace_part(&page, command, table)
        .with_context(|| format!("`{}`", path.display()))?;
    fs::write(path, page).with_context(|| format!("cannot write `{}`", path.display()))
}
