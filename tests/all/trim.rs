//! The code that trimming keeps for each kind of model, compared with the lists in `tests/trim/`.
//!
//! A list has the groups of modules that the artifact's code belongs to: a crate of others counts as a whole, a crate of this
//! project by its modules, as deep as `infer::input::image`. `CI=1 BLESS=1 cargo test --test all trim::` writes the lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use infer_pack::{BuildOptions, Silent, build};

use crate::support::{self, models, texts};

/// Bytes of code from which `BLESS=1` lists a group. Smaller groups come and go with the compiler's inlining.
const LISTED_BYTES: usize = 1024;
/// Bytes from which a group has to be listed: more, so that a group near the limit passes either way.
const MOST_UNLISTED_BYTES: usize = 2048;
/// Bytes that are left of a listed group at least.
const LEAST_LISTED_BYTES: usize = 512;

/// A kind of model, and what writes a repository of it.
type Kind = (&'static str, fn(&Path));

const KINDS: [Kind; 5] = [
    ("images", |repository| {
        models::digits(repository, "digits", "");
    }),
    ("texts", |repository| {
        copy(
            &texts::REPOSITORY.join("sentences"),
            &repository.join("sentences"),
        );
    }),
    ("tensors", |repository| {
        models::sum(repository);
    }),
    ("quantized", |repository| {
        let steps = support::root().join("tests/parity/models/steps");
        copy(&steps, &repository.join("steps"));
    }),
    ("mounted", |repository| {
        models::digits(repository, "digits", "placement = \"mount\"\n");
    }),
];

#[test]
fn an_artifact_holds_the_code_of_its_kind_of_model() {
    if std::env::var_os("CI").is_none() {
        eprintln!("skipped: lists are of release builds, which take minutes; set CI=1");
        return;
    }
    let is_blessing = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for (kind, write) in KINDS {
        let repository = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("trim-{kind}"));
        _ = fs::remove_dir_all(&repository);
        write(&repository);
        let mut options = BuildOptions::new(support::root()).with_models(repository.clone());
        // Words of hash maps are taken for references now and then, which depends on the seed.
        options.seed = Some(1);
        let artifacts = build(&options, &Silent).unwrap();
        let mut found = BTreeMap::new();
        for (component, report) in ["infer", "engine"].into_iter().zip(&artifacts.reports) {
            for (group, bytes) in groups(&fs::read_to_string(report).unwrap()) {
                found.insert(format!("{component} {group}"), bytes);
            }
        }
        let list = support::root().join(format!("tests/trim/{kind}.txt"));
        if is_blessing {
            let listed = found.iter().filter(|(_, bytes)| **bytes >= LISTED_BYTES);
            let text: String = listed.map(|(group, _)| format!("{group}\n")).collect();
            fs::create_dir_all(list.parent().unwrap()).unwrap();
            fs::write(&list, text).unwrap();
            continue;
        }
        let listed = fs::read_to_string(&list).unwrap_or_default();
        let problems = compare(&found, &listed.lines().map(str::to_owned).collect());
        let models = repository.display();
        wrong.extend(problems.into_iter().map(|problem| match problem {
            Problem::Unlisted(group, bytes) => {
                let module = group.split(' ').next_back().unwrap_or_default();
                format!(
                    "{kind}: {bytes} bytes of `{group}` are kept and not listed; `cargo infer build --models {models} \
                     --why {module}::` prints what keeps them"
                )
            }
            Problem::Gone(group) => format!("{kind}: `{group}` is listed and no longer kept"),
        }));
    }
    assert!(
        wrong.is_empty(),
        "{}\nIf that is intended, `CI=1 BLESS=1 cargo test --test all trim::` writes tests/trim/.",
        wrong.join("\n")
    );
}

/// A difference between an artifact and its list.
#[derive(Debug, PartialEq)]
enum Problem {
    Unlisted(String, usize),
    Gone(String),
}

fn compare(found: &BTreeMap<String, usize>, listed: &BTreeSet<String>) -> Vec<Problem> {
    let unlisted = found
        .iter()
        .filter(|(group, bytes)| **bytes >= MOST_UNLISTED_BYTES && !listed.contains(*group))
        .map(|(group, bytes)| Problem::Unlisted(group.clone(), *bytes));
    let gone = listed
        .iter()
        .filter(|group| {
            found
                .get(*group)
                .is_none_or(|bytes| *bytes < LEAST_LISTED_BYTES)
        })
        .map(|group| Problem::Gone(group.clone()));
    unlisted.chain(gone).collect()
}

/// Bytes of code by group, from a report's lines of functions, bytes and module.
fn groups(report: &str) -> BTreeMap<String, usize> {
    let mut groups = BTreeMap::new();
    for line in report.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split_whitespace().skip(1);
        let bytes: usize = columns.next().unwrap().parse().unwrap();
        let module = columns.collect::<Vec<_>>().join(" ");
        let depth = match module.starts_with("infer") {
            true => 3,
            false => 1,
        };
        let group: Vec<&str> = module.split("::").take(depth).collect();
        // Not a module: exported functions, C functions and generated kernels.
        if !module.starts_with('(') {
            *groups.entry(group.join("::")).or_default() += bytes;
        }
    }
    groups
}

#[test]
fn a_list_tells_what_is_new_and_what_is_gone() {
    let report = "# a header\n  3 900 infer::input::image::png\n 9 1500 infer::input::image\n 1 10000 png::decoder\n \
                  1 100 zlib\n 2 600 core::fmt\n 7 99999 (no module)\n";
    let found = groups(report);
    let expected = [
        ("core", 600),
        ("infer::input::image", 2400),
        ("png", 10_000),
        ("zlib", 100),
    ];
    let expected: BTreeMap<_, _> = expected
        .map(|(group, bytes)| (group.to_owned(), bytes))
        .into();
    assert_eq!(found, expected);
    let listed = ["core", "infer::input::image", "zlib", "tokenizers"];
    let problems = compare(&found, &listed.map(str::to_owned).into());
    assert_eq!(
        problems,
        [
            Problem::Unlisted("png".to_owned(), 10_000),
            Problem::Gone("tokenizers".to_owned()),
            Problem::Gone("zlib".to_owned()),
        ]
    );
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
