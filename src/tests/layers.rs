//! The order of the stages, as lib.rs documents it, holds in every `use` and every path.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::support::text;

/// The stages from the lowest: each uses those before it, and itself.
const ORDER: [&str; 10] = [
    "http",
    "tensor",
    "input",
    "tasks",
    "catalog",
    "run",
    "openapi",
    "playground",
    "protocols",
    "component",
];

/// An import: the file that has it, and the file that it names.
type Edges = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_stage_uses_only_those_before_it() {
    let mut wrong = Vec::new();
    for (file, used) in edges() {
        let (from, rank) = rank(&file);
        for target in used {
            let (to, target_rank) = self::rank(&target);
            if rank < target_rank {
                wrong.push(format!("src/{file} ({from}) uses src/{target} ({to})"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "a stage uses only the stages before it in {ORDER:?}; move what it needs down, or pass it in:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_files_import_each_other() {
    let edges = edges();
    assert!(edges.len() > 60, "{} files were read", edges.len());
    let circles: Vec<String> = edges
        .keys()
        .filter_map(|start| circle(start, &edges))
        .map(|files| files.join(" -> "))
        .collect();
    assert!(
        circles.is_empty(),
        "import circles in src/:\n{}",
        circles.join("\n")
    );
}

#[test]
fn the_order_is_that_of_the_documentation() {
    let documentation = text("src/lib.rs");
    let places: Vec<Option<usize>> = ORDER
        .iter()
        .map(|stage| documentation.find(&format!("`{stage}`")))
        .collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?}"
    );
    let entries = fs::read_dir(root()).unwrap().count();
    assert!(
        entries <= 12,
        "src/ has {entries} entries, expected at most 12"
    );
}

#[test]
fn paths_are_read_from_every_form_of_import() {
    let source = "use crate::http::error::{ApiError, quoted};\nuse super::tensor::{self, json::{object::Object, values}};\n\
                  // use crate::comment;\nfn f(a: crate::run::nn::A) { decode::decode() }\n#[cfg(test)]\nmod tests {\n    use crate::tests;\n}\n";
    let mut expected = vec![
        "crate::http::error::ApiError",
        "crate::http::error::quoted",
        "super::tensor::self",
        "super::tensor::json::object::Object",
        "super::tensor::json::values",
        "crate::run::nn::A",
        "decode::decode",
    ];
    let mut paths = paths(source);
    paths.sort_unstable();
    expected.sort_unstable();
    assert_eq!(paths, expected);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The stage of a file, and its place in [`ORDER`].
fn rank(file: &str) -> (&str, usize) {
    let stage = file.split(['/', '.']).next().unwrap_or_default();
    let place = ORDER.iter().position(|known| *known == stage);
    (
        stage,
        place.unwrap_or_else(|| panic!("src/{file} is in none of the stages {ORDER:?}")),
    )
}

/// The imports of every file of src/ but lib.rs and tests.
fn edges() -> Edges {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    files.retain(|file| {
        file != "lib.rs" && !file.starts_with("tests/") && !file.ends_with("tests.rs")
    });
    let known: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    files
        .iter()
        .map(|file| {
            let used = paths(&text(&format!("src/{file}")))
                .iter()
                .filter_map(|path| resolve(file, path, &known))
                .filter(|target| target != file)
                .collect();
            (file.clone(), used)
        })
        .collect()
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), files);
        } else if name.ends_with(".rs") {
            files.push(format!("{prefix}{name}"));
        }
    }
}

/// Every path, in imports and in code, without comments and unit tests.
fn paths(source: &str) -> Vec<String> {
    let code: String = source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect::<Vec<_>>()
        .join("\n");
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some(start) = code[at..].find(is_name).map(|start| at + start) {
        let rest = &code[start..];
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        at = start + length;
        if rest[..length].contains("::") {
            at = code.len() - expand(rest, "", &mut paths).len();
        }
    }
    paths
}

/// Read one path or tree of paths, and return what follows it.
fn expand<'a>(text: &'a str, prefix: &str, paths: &mut Vec<String>) -> &'a str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
        .unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let Some(after) = rest.strip_prefix('{').filter(|_| name.ends_with("::")) else {
        paths.push(format!("{prefix}{}", name.trim_end_matches(':')));
        return rest;
    };
    rest = after;
    loop {
        rest = rest.trim_start_matches([' ', '\n', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return after;
        }
        let before = rest.len();
        rest = expand(rest, &format!("{prefix}{name}"), paths);
        if rest.len() == before {
            return rest;
        }
    }
}

/// The file of src/ that a path names: its longest module. A path that begins with neither `crate` nor `super` may name
/// a module of the file's own.
fn resolve(file: &str, path: &str, known: &BTreeSet<&str>) -> Option<String> {
    let mut module: Vec<&str> = file.strip_suffix(".rs")?.split('/').collect();
    if module.last() == Some(&"mod") {
        module.pop();
    }
    let mut parts: Vec<&str> = path.split("::").collect();
    let is_relative = !matches!(parts.first(), Some(&("crate" | "super")));
    if parts.first() == Some(&"crate") {
        parts.remove(0);
        module.clear();
    }
    while parts.first() == Some(&"super") {
        parts.remove(0);
        module.pop();
    }
    let mut found = None;
    for count in usize::from(is_relative)..=parts.len() {
        let name = [&module[..], &parts[..count]].concat().join("/");
        for candidate in [format!("{name}.rs"), format!("{name}/mod.rs")] {
            if known.contains(candidate.as_str()) {
                found = Some(candidate);
            }
        }
    }
    found
}

/// The shortest way from a file back to itself, if it is the first of its circle by name.
fn circle<'a>(start: &'a str, edges: &'a Edges) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in edges.get(*way.last()?).into_iter().flatten() {
                let extended = [&way[..], &[next.as_str()]].concat();
                if next == start {
                    return way.iter().all(|file| *file >= start).then_some(extended);
                }
                if seen.insert(next.as_str()) {
                    longer.push(extended);
                }
            }
        }
        ways = longer;
    }
    None
}
