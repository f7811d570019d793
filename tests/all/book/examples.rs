//! Runs the examples of the documentation, and compares their output.
//!
//! A block marked `sh,run` or `python,run` runs against a service on a free port, which replaces port 3000. A following
//! block marked `…,output` is the expected output. In it, `…` stands for any text within a line, or, alone on a line, for
//! any number of lines.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::markdown::{Block, blocks, expanded};
use crate::support;
use crate::support::python::{Python, succeed};
use crate::support::service::Service;

/// The pages with examples that are run.
const PAGES: [&str; 6] = [
    "README.md",
    "docs/use/requests.md",
    "docs/use/clients.md",
    "docs/use/models.md",
    "docs/use/tasks.md",
    "docs/reference/cli.md",
];

/// The text models that the pages use, in addition to `digits`.
const TEXT_MODELS: [&str; 2] = ["sentiment", "sentences"];

/// A folder that looks like the project's root to the examples, so that they write only into it.
struct Workspace {
    root: PathBuf,
    bin: PathBuf,
}

impl Workspace {
    fn make() -> Self {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("book");
        _ = fs::remove_dir_all(&root);
        let bin = root.join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(root.join("models")).unwrap();
        for name in ["spin.toml", "tests"] {
            symlink(support::root().join(name), root.join(name)).unwrap();
        }
        // `cargo infer …` is the binary under test.
        let cargo = bin.join("cargo");
        let infer = env!("CARGO_BIN_EXE_infer");
        fs::write(&cargo, format!("#!/bin/sh\nshift\nexec '{infer}' \"$@\"\n")).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
        let digits = support::root().join("models/digits");
        let copy = Command::new("cp")
            .arg("-r")
            .arg(digits)
            .arg(root.join("models/digits"))
            .status();
        assert!(copy.unwrap().success());
        for name in TEXT_MODELS {
            let source = format!("tests/texts/{name}");
            let mut add = support::backends::infer(&["add", &source, "--models"]);
            succeed(add.arg(root.join("models"))).unwrap();
        }
        Self { root, bin }
    }

    /// Run an example, and return its standard output, or the reason of the failure.
    fn run(
        &self,
        language: &str,
        code: &str,
        address: SocketAddr,
        python: &Python,
    ) -> Result<String, String> {
        let code = code.replace("localhost:3000", &address.to_string());
        let mut command = match language {
            "sh" => {
                let mut bash = Command::new("bash");
                bash.args(["-euo", "pipefail", "-c", &code]);
                bash
            }
            _ => {
                let mut interpreter = python.command("python");
                interpreter.args(["-c", &code]);
                interpreter
            }
        };
        let output = succeed(
            command
                .current_dir(&self.root)
                .env("PATH", self.path(python)),
        )?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The value of `PATH`: the binary under test, the environment's Python, and the machine's programs.
    fn path(&self, python: &Python) -> std::ffi::OsString {
        let mut folders = vec![self.bin.clone(), python.bin().to_owned()];
        folders.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        std::env::join_paths(folders).unwrap()
    }
}

/// The language of a block, if it is to be run.
fn runs(block: &Block) -> Option<&'static str> {
    match block.info.as_str() {
        "sh,run" => Some("sh"),
        "python,run" => Some("python"),
        _ => None,
    }
}

/// Whether lines match those of a page, with its `…`.
fn fits(lines: &[&str], shown: &[&str]) -> bool {
    match shown.split_first() {
        None => lines.is_empty(),
        Some((&"…", rest)) => (0..=lines.len()).any(|skipped| fits(&lines[skipped..], rest)),
        Some((pattern, rest)) => match lines.split_first() {
            Some((line, lines)) => line_fits(line, pattern) && fits(lines, rest),
            None => false,
        },
    }
}

fn line_fits(line: &str, pattern: &str) -> bool {
    let mut pieces = pattern.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}

#[test]
fn examples_print_the_shown_output() {
    let Some(python) = Python::prepare(&support::root().join("tests/clients")) else {
        return;
    };
    let workspace = Workspace::make();
    let models = workspace.root.join("models");
    let service = Service::start_with(
        &["--models", models.to_str().unwrap()],
        &[("INFER_DEFAULT_MODEL", "digits")],
    );
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in PAGES {
        let blocks = blocks(&expanded(Path::new(page)));
        for (index, block) in blocks.iter().enumerate() {
            let place = format!("{page}:{}", block.line);
            let Some(language) = runs(block) else {
                let is_known = matches!(block.info.as_str(), "sh" | "python" | "text" | "toml")
                    || block.info.ends_with(",output");
                if !is_known {
                    wrong.push(format!("{place}: a block is marked `{}`", block.info));
                }
                continue;
            };
            count += 1;
            match workspace.run(language, &block.code, service.address, &python) {
                Err(error) => wrong.push(format!("{place}: {error}")),
                Ok(output) => {
                    let shown = blocks.get(index + 1);
                    let shown = shown.filter(|block| block.info.ends_with(",output"));
                    if let Some(shown) = shown
                        && !fits(&lines(&output), &lines(&shown.code))
                    {
                        wrong.push(format!("{place} printed\n{output}expected\n{}", shown.code));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 15, "only {count} examples were run");
}

#[test]
fn output_is_compared_line_by_line() {
    let cases = [
        ("a", "a", true),
        ("a", "b", false),
        ("a\nb", "a", false),
        ("a", "a\nb", false),
        ("score 0.98", "score 0.…", true),
        ("score 1.98", "score 0.…", false),
        ("a 1 b 2 c", "a … b … c", true),
        ("a 1 b 2 d", "a … b … c", false),
        ("a\nb\nc\nd", "a\n…\nd", true),
        ("a\nd", "a\n…\nd", true),
        ("a\nb\nc", "a\n…\nd", false),
        ("a  \r\nb", "a\nb", true),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .filter(|(printed, shown, expected)| fits(&lines(printed), &lines(shown)) != *expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
