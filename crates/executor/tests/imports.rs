//! The crate's files import each other in one direction: no circle.
//!
//! A path counts wherever it stands (`use crate::a::{b, c}`, `super::d::e()`), outside of tests. `mod` does not: a parent
//! names its children, and they may not import from it what it imports from them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The modules that each module's file imports, by path (`ops::cast`); the root is the empty path.
type Imports = BTreeMap<String, BTreeSet<String>>;

fn sources(folder: &Path, module: &str, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let module = match (name, module) {
            ("lib" | "mod", module) => module.to_owned(),
            (name, "") => name.to_owned(),
            (name, module) => format!("{module}::{name}"),
        };
        if path.is_dir() {
            sources(&path, &module, found);
        } else if name != "tests" {
            found.insert(module, std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Identifiers and punctuation of a file, without its comments, texts and tests.
fn tokens(source: &str) -> Vec<&str> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut tokens = Vec::new();
    for line in source.lines() {
        let mut rest = line.split("//").next().unwrap();
        while let Some(first) = rest.chars().next() {
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            let length = if is_word(first) {
                rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else if first == '"' {
                rest[1..].find('"').map_or(rest.len(), |end| end + 2)
            } else {
                first.len_utf8()
            };
            let (token, left) = rest.split_at(length);
            if !first.is_whitespace() {
                tokens.push(token);
            }
            rest = left;
        }
    }
    tokens
}

/// The paths that begin at a token: one, or as many as its groups (`a::{b, c}`) have.
fn paths<'a>(
    tokens: &[&'a str],
    at: &mut usize,
    before: &[&'a str],
    found: &mut Vec<Vec<&'a str>>,
) {
    let mut path = before.to_vec();
    loop {
        match tokens.get(*at) {
            Some(&"{") => {
                *at += 1;
                while let Some(&token) = tokens.get(*at) {
                    match token {
                        "}" => break,
                        "," => *at += 1,
                        _ => paths(tokens, at, &path, found),
                    }
                }
                *at += 1;
                return;
            }
            Some(&token) => {
                path.push(token);
                *at += 1;
            }
            None => break,
        }
        match tokens.get(*at) {
            Some(&"::") => *at += 1,
            Some(&"as") => {
                *at += 2;
                break;
            }
            _ => break,
        }
    }
    found.push(path);
}

fn imports(sources: &BTreeMap<String, String>) -> Imports {
    let join = |base: &str, name: &str| match base {
        "" => name.to_owned(),
        base => format!("{base}::{name}"),
    };
    let parent = |module: &str| {
        module
            .rsplit_once("::")
            .map_or("", |(parent, _)| parent)
            .to_owned()
    };
    let of = |module: &str, source: &str| {
        let tokens = tokens(source);
        let mut imported = BTreeSet::new();
        let mut at = 0;
        while at < tokens.len() {
            let goes_on = at > 0 && tokens[at - 1] == "::";
            let is_child = sources.contains_key(&join(module, tokens[at]));
            let begins = matches!(tokens[at], "crate" | "super" | "self") || is_child;
            if goes_on || !begins || tokens.get(at + 1) != Some(&"::") {
                at += 1;
                continue;
            }
            let mut found = Vec::new();
            paths(&tokens, &mut at, &[], &mut found);
            for path in found {
                let mut base = module.to_owned();
                let mut names = path.into_iter().peekable();
                while let Some(&name) = names.peek() {
                    match name {
                        "crate" => base = String::new(),
                        "super" => base = parent(&base),
                        "self" => {}
                        _ => break,
                    }
                    names.next();
                }
                // Macros are at the root, wherever they are written.
                let is_macro = |name: &&str| name.starts_with(char::is_lowercase);
                let first = names.peek().copied();
                for name in names {
                    match join(&base, name) {
                        inner if sources.contains_key(&inner) => base = inner,
                        _ => break,
                    }
                }
                if base != module && !(base.is_empty() && first.as_ref().is_none_or(is_macro)) {
                    imported.insert(base);
                }
            }
        }
        imported
    };
    let modules = sources.iter();
    modules
        .map(|(module, source)| (module.clone(), of(module, source)))
        .collect()
}

/// Circles of imports, each as the modules on its way.
fn circles(imports: &Imports) -> Vec<String> {
    fn visit<'a>(
        module: &'a str,
        imports: &'a Imports,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
        found: &mut Vec<String>,
    ) {
        if let Some(start) = way.iter().position(|&other| other == module) {
            let circle: Vec<&str> = way[start..].iter().copied().chain([module]).collect();
            found.push(circle.join(" -> "));
            return;
        }
        if done.contains(module) {
            return;
        }
        way.push(module);
        for imported in &imports[module] {
            visit(imported, imports, way, done, found);
        }
        way.pop();
        done.insert(module);
    }
    let (mut done, mut found) = (BTreeSet::new(), Vec::new());
    for module in imports.keys() {
        visit(module, imports, &mut Vec::new(), &mut done, &mut found);
    }
    found
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let mut found = BTreeMap::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        "",
        &mut found,
    );
    let imports = imports(&found);
    assert!(
        imports["graph"].contains("operator"),
        "imports are not read: {imports:?}"
    );
    let circles = circles(&imports);
    assert!(
        circles.is_empty(),
        "circles of imports:\n{}",
        circles.join("\n")
    );
}

/// Modules with their sources, and the circles among them.
type Case = (
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

#[test]
fn circles_are_found() {
    let cases: [Case; 8] = [
        (&[("a", "use crate::b;"), ("b", "")], &[]),
        (
            &[("a", "use crate::b;"), ("b", "use super::a::X;")],
            &["a -> b -> a"],
        ),
        (
            &[
                ("a", "use crate::{c, b::{self, X as Y}, d};"),
                ("b", "fn f() { crate::a::g() }"),
                ("c", ""),
                ("d", ""),
            ],
            &["a -> b -> a"],
        ),
        (
            &[
                ("a", "// use crate::b;\nlet x = \"crate::b\";"),
                ("b", "use crate::a;"),
            ],
            &[],
        ),
        (
            &[
                ("a", "#[cfg(test)]\nmod tests {\nuse crate::b;\n}"),
                ("b", "use crate::a;"),
            ],
            &[],
        ),
        (
            &[
                ("a", "mod b;\nfn f() { b::g() }"),
                ("a::b", "use super::X;"),
            ],
            &["a -> a::b -> a"],
        ),
        (
            &[("", "pub use a::X;"), ("a", "use crate::X;")],
            &[" -> a -> "],
        ),
        (
            &[("", "pub use a::X;"), ("a", "use crate::with_number;")],
            &[],
        ),
    ];
    let mut failures = Vec::new();
    for (files, expected) in cases {
        let files = files
            .iter()
            .map(|(name, source)| ((*name).to_owned(), (*source).to_owned()));
        let actual = circles(&imports(&files.collect()));
        if actual != expected {
            failures.push(format!("actual {actual:?}, expected {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
