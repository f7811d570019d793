//! Checks that the reference lists every flag, key, route and metric.

use std::path::Path;

use infer_model_card::{CardError, ModelCard};

use super::markdown::read;
use crate::support;
use crate::support::client::get;
use crate::support::service::Service;

/// The commands of `cargo infer`, as words after it.
const COMMANDS: [&str; 14] = [
    "up",
    "new",
    "build",
    "push",
    "pull",
    "add",
    "inspect",
    "list",
    "check",
    "remove",
    "backend",
    "backend list",
    "backend add",
    "backend check",
];

fn help(words: &[&str]) -> String {
    let output = support::backends::infer(words)
        .arg("--help")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The long options in a help text.
fn options(help: &str) -> Vec<&str> {
    help.lines()
        .filter_map(|line| {
            let (_, option) = line.split_once("--")?;
            let is_option = line.trim_start().starts_with('-');
            let name = option.split([' ', '=', '[', ',']).next()?;
            (is_option && !["help", "version"].contains(&name)).then_some(name)
        })
        .collect()
}

#[test]
fn the_command_line_reference_is_complete() {
    let page = read(Path::new("docs/reference/cli.md"));
    let mut missing = Vec::new();
    let all = help(&[]);
    let (_, listed) = all.split_once("Commands:").unwrap();
    let (listed, _) = listed.split_once("Options:").unwrap();
    let listed = listed.lines().filter_map(|line| line.strip_prefix("  "));
    for command in listed.filter_map(|line| line.split(' ').next()) {
        if !["", "help"].contains(&command) && !COMMANDS.contains(&command) {
            missing.push(format!("COMMANDS: {command}"));
        }
    }
    for command in COMMANDS {
        if !page.contains(&format!("`{command}")) {
            missing.push(command.to_owned());
        }
        let words: Vec<&str> = command.split(' ').collect();
        let help = help(&words);
        for option in options(&help) {
            let row = page
                .lines()
                .find(|line| {
                    line.contains(&format!("`--{option} "))
                        || line.contains(&format!("`--{option}`"))
                })
                .or_else(|| {
                    page.lines()
                        .find(|line| line.contains(&format!("[--{option} ")))
                });
            match row {
                None => missing.push(format!("{command} --{option}")),
                Some(row) => {
                    // The row must contain the default of `--help`.
                    let default = default_of(&help, option);
                    if default.is_some_and(|default| !row.contains(default)) {
                        missing.push(format!("{command} --{option}: {default:?}"));
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The default of an option in a help text, if it is a value and not a sentence.
fn default_of<'a>(help: &'a str, option: &str) -> Option<&'a str> {
    let (_, after) = help.split_once(&format!("--{option} "))?;
    let after = after.split("\n      --").next()?;
    let (_, default) = after.split_once("[default: ")?;
    let (default, _) = default.split_once(']')?;
    (!default.contains(' ')).then_some(default)
}

#[test]
fn the_model_card_reference_is_complete() {
    const TENSORS: &str = "[[input]]\nname = \"x\"\ndatatype = \"FP32\"\nshape = [1]\n\
                           [[output]]\nname = \"y\"\ndatatype = \"FP32\"\nshape = [1]\n";
    let page = read(Path::new("docs/reference/model-card.md"));
    let mut missing = Vec::new();
    let mut sections = vec![String::new()];
    let mut at = 0;
    // The error of an unknown key lists the known keys. Top-level keys that are tables have keys too.
    while let Some(section) = sections.get(at).cloned() {
        at += 1;
        let card = match section.as_str() {
            "" => format!("unknown-key = 1\n{TENSORS}"),
            "input" | "output" => format!("[[{section}]]\nunknown-key = 1\n"),
            section => format!("{TENSORS}[{section}]\nunknown-key = 1\n"),
        };
        let known = match ModelCard::parse(&card) {
            Err(CardError::UnknownKey { known, .. }) => known,
            // The top-level key is not a table.
            _ => continue,
        };
        let text = match section.as_str() {
            "" => page.as_str(),
            section => part(&page, section),
        };
        for key in known {
            let is_table = section.is_empty() && text.contains(&format!("[{key}]"));
            if is_table {
                sections.push(key.to_owned());
            } else if !text.contains(&format!("`{key}`")) {
                missing.push(format!("[{section}] {key}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(sections.len() > 6, "{sections:?}");
}

/// The part of the page below the heading of a section of the card.
fn part<'a>(page: &'a str, section: &str) -> &'a str {
    page.split("\n## ")
        .find(|part| {
            part.lines()
                .next()
                .is_some_and(|title| title.contains(&format!("[{section}]")))
        })
        .unwrap_or_default()
}

#[test]
fn the_route_and_metric_references_are_complete() {
    let service = Service::start_with(&["--admin", "127.0.0.1:0"], &[]);
    let mut missing = Vec::new();
    let routes = read(Path::new("docs/reference/http.md"));
    let document = get(service.address, "/openapi.json").json();
    for path in document["paths"].as_object().unwrap().keys() {
        // The document has the model's name, where the page has a pattern. The page describes versions in one sentence.
        let pattern = path
            .replace("/digits", "/{model}")
            .replace("/versions/{version}", "")
            .replace("/versions/1", "");
        if !routes.contains(&format!("{pattern}`")) {
            missing.push(pattern);
        }
    }
    service.expect_log("metrics at http://");
    let log = service.log();
    let (_, admin) = log.split_once("metrics at http://").unwrap();
    let address = admin.split('/').next().unwrap().parse().unwrap();
    let metrics = get(address, "/metrics").text();
    let page = read(Path::new("docs/run/observe.md"));
    let names = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    for name in names.filter_map(|line| line.split(' ').next()) {
        if !page.contains(&format!("`{name}`")) && !page.contains(&format!("`{name}_total`")) {
            missing.push(name.to_owned());
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
