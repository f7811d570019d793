//! Reads Markdown: pages with their includes, links, headings and code blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{BrokenLink, CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

/// Folders without documentation of this project.
const SKIPPED: [&str; 4] = ["target", ".git", ".venv", "node_modules"];

/// A page with its includes replaced.
pub struct Page {
    /// Relative to the root.
    pub path: PathBuf,
    pub text: String,
}

/// Find every Markdown file below a folder. Paths are relative to the root.
pub fn markdown_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(crate::support::root().join(folder)).unwrap();
    for entry in entries.map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        let path = folder.join(&name);
        if entry.file_type().unwrap().is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                markdown_files(&path, found);
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

pub fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    markdown_files(Path::new(""), &mut paths);
    paths.sort();
    assert!(paths.len() > 25, "{paths:?}");
    let read = |path: PathBuf| Page {
        text: expanded(&path),
        path,
    };
    paths.into_iter().map(read).collect()
}

/// Read a page, and replace `{{#include FILE}}` and `{{#include FILE:ANCHOR}}` like mdBook.
pub fn expanded(path: &Path) -> String {
    let text = read(path);
    let mut parts = text.split("{{#include ");
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (target, rest) = part.split_once("}}").unwrap();
        let (file, anchor) = target.split_once(':').unwrap_or((target, ""));
        let included = read(&normalized(&path.parent().unwrap().join(file)));
        expanded += match anchor {
            "" => &included,
            name => {
                let begin = format!("<!-- ANCHOR: {name} -->\n");
                let end = format!("<!-- ANCHOR_END: {name} -->");
                let after = included.split_once(&begin).expect(target).1;
                after.split_once(&end).expect(target).0
            }
        };
        expanded += rest;
    }
    expanded
}

pub fn read(path: &Path) -> String {
    let absolute = crate::support::root().join(path);
    fs::read_to_string(&absolute).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Remove `.` and `..` from a relative path, as far as they can be resolved.
pub fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if result.file_name().is_some() => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

/// The ids that GitHub and mdBook give the headings of a page.
pub fn heading_ids(text: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::Text(part) | Event::Code(part), Some(title)) => title.push_str(&part),
            (Event::End(TagEnd::Heading(_)), Some(title)) => {
                let slug = slug(title);
                let count = counts.entry(slug.clone()).or_default();
                ids.insert(match count {
                    0 => slug,
                    _ => format!("{slug}-{count}"),
                });
                *count += 1;
                heading = None;
            }
            _ => {}
        }
    }
    ids
}

fn slug(title: &str) -> String {
    let kept = title
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The targets of a page's links and images, and references that nothing defines.
pub fn links(text: &str) -> (Vec<String>, Vec<String>) {
    let mut undefined = Vec::new();
    let mut callback = |link: BrokenLink| {
        // `[10th to 90th percentile]` is text, but `[a page][limits]` is meant to be a link.
        if matches!(link.link_type, LinkType::Reference | LinkType::Collapsed) {
            undefined.push(link.reference.to_string());
        }
        None
    };
    let mut targets = Vec::new();
    for event in
        Parser::new_with_broken_link_callback(text, Options::ENABLE_TABLES, Some(&mut callback))
    {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                targets.push(dest_url.to_string());
            }
            // The picture in the README.
            Event::Html(html) | Event::InlineHtml(html) => {
                for attribute in ["src=\"", "srcset=\"", "href=\""] {
                    let values = html.split(attribute).skip(1);
                    targets.extend(values.filter_map(|rest| Some(rest.split_once('"')?.0.into())));
                }
            }
            _ => {}
        }
    }
    (targets, undefined)
}

/// The code spans of a page.
pub fn code_spans(text: &str) -> Vec<String> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
        .filter_map(|event| match event {
            Event::Code(code) => Some(code.into_string()),
            _ => None,
        })
        .collect()
}

/// A fenced code block.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The number of its first line in the page, from 1.
    pub line: usize,
    /// The info string after the opening backticks.
    pub info: String,
    pub code: String,
}

/// The fenced code blocks of a page.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                open = Some(Block {
                    line: text[..range.start].matches('\n').count() + 1,
                    info: info.to_string(),
                    code: String::new(),
                });
            }
            Event::Text(code) => {
                if let Some(block) = &mut open {
                    block.code.push_str(&code);
                }
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
            _ => {}
        }
    }
    blocks
}
