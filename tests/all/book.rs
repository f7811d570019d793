//! The documentation: every link resolves, examples print the shown output, and the reference is complete.

mod examples;
mod markdown;
mod reference;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

use self::markdown::{
    code_spans, expanded, heading_ids, links, markdown_files, normalized, pages, read,
};
use crate::support;

/// The problem with a link, if any.
fn broken(page: &Path, target: &str, is_in_book: bool) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => page.to_owned(),
        file => normalized(&page.parent().unwrap().join(file)),
    };
    if !support::root().join(&path).exists() {
        return Some(format!("there is no `{}`", path.display()));
    }
    if is_in_book && !path.starts_with("docs") {
        return Some("the built book has only what is in docs/".to_owned());
    }
    let is_markdown = path.extension().is_some_and(|extension| extension == "md");
    if !anchor.is_empty() && is_markdown && !heading_ids(&expanded(&path)).contains(anchor) {
        return Some(format!("`{}` has no heading `#{anchor}`", path.display()));
    }
    None
}

#[test]
fn every_link_resolves() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in pages() {
        let (targets, undefined) = links(&page.text);
        let is_in_book = page.path.starts_with("docs");
        for target in targets {
            count += 1;
            if let Some(problem) = broken(&page.path, &target, is_in_book) {
                wrong.push(format!("{}: `{target}`: {problem}", page.path.display()));
            }
        }
        for reference in undefined {
            wrong.push(format!(
                "{}: nothing defines `[{reference}]`",
                page.path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 100, "only {count} links were checked");
}

#[test]
fn broken_links_are_detected() {
    let page = Path::new("docs/run/limits.md");
    let cases = [
        ("hosts.md", true),
        ("hosts.md#spin", true),
        ("hosts.md#spun", false),
        ("host.md", false),
        ("#in-the-component", true),
        ("#in-the-components", false),
        ("../page-light.png", true),
        ("../../README.md", false),
        ("https://example.org/nowhere", true),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .filter(|(target, expected)| broken(page, target, true).is_none() != *expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let (_, undefined) = links("[a][b], [c] and [10th to 90th]\n\n[c]: x.md\n");
    assert_eq!(undefined, ["b"]);
}

/// The path in a code span, if it names a path of the project, such as `crates/host/` or `tests/all/limits.rs::a_test`.
fn path_of(code: &str) -> Option<&str> {
    /// The folders of the project.
    const FOLDERS: [&str; 10] = [
        "bench", "crates", "demo", "docs", "fuzz", "models", "src", "tests", "wit", "xtask",
    ];
    let path = code.split("::").next()?;
    let (folder, rest) = path.split_once('/')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    // `models/NAME/` stands for any folder.
    let is_example = rest
        .split(['/', '.'])
        .any(|part| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase()));
    (FOLDERS.contains(&folder) && path.chars().all(is_name) && !is_example).then_some(path)
}

#[test]
fn every_path_that_a_page_names_exists() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in pages() {
        for code in code_spans(&page.text) {
            let Some(path) = path_of(&code) else {
                continue;
            };
            count += 1;
            if !support::root().join(path).exists() {
                wrong.push(format!("{}: `{path}`", page.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 100, "only {count} paths were checked");
}

#[test]
fn paths_are_distinguished_from_other_code() {
    let cases = [
        ("crates/host/src/nn/", Some("crates/host/src/nn/")),
        ("tests/all/limits.rs::a_test", Some("tests/all/limits.rs")),
        ("src/", Some("src/")),
        ("src/tasks/NAME/", None),
        ("models/NAME/model.toml", None),
        ("fuzz/target/*/release/TARGET", None),
        ("fuzz/run 0", None),
        ("application/json", None),
        ("tests", None),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .filter(|(code, expected)| path_of(code) != *expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_summary_lists_every_page() {
    let summary = Path::new("docs/SUMMARY.md");
    let (targets, _) = links(&read(summary));
    let listed: BTreeSet<PathBuf> = targets
        .iter()
        .map(|target| Path::new("docs").join(target))
        .collect();
    assert_eq!(listed.len(), targets.len(), "a page is listed twice");
    let mut found = Vec::new();
    markdown_files(Path::new("docs"), &mut found);
    let found: BTreeSet<PathBuf> = found.into_iter().filter(|path| path != summary).collect();
    assert_eq!(listed, found);
}

#[test]
fn every_page_starts_with_a_title_and_a_paragraph() {
    let mut wrong = Vec::new();
    for page in pages() {
        if !page.path.starts_with("docs") || page.path.ends_with("SUMMARY.md") {
            continue;
        }
        let mut events = Parser::new(&page.text)
            .filter(|event| !matches!(event, Event::Html(_)))
            .filter(|event| {
                !matches!(
                    event,
                    Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock)
                )
            });
        let is_titled = matches!(
            events.next(),
            Some(Event::Start(Tag::Heading {
                level: HeadingLevel::H1,
                ..
            }))
        );
        let mut rest = events
            .skip_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))
            .skip(1);
        if !is_titled || !matches!(rest.next(), Some(Event::Start(Tag::Paragraph))) {
            wrong.push(page.path);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_readme_is_short() {
    let lines = read(Path::new("README.md")).lines().count();
    assert!(lines <= 150, "{lines} lines");
}
