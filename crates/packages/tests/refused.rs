//! Unusable files are refused by name before a tool is called.

use std::path::Path;

use infer_packages::{DebianTools, Error, Packages};

fn packages(folder: &Path, program: &str) -> Packages {
    Packages {
        program: folder.join(program),
        components: None,
        output: folder.join("out"),
        tools: folder.join("tools"),
    }
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("infer"), "").unwrap();
    std::fs::write(folder.join("file"), "").unwrap();
    let whole = packages(folder, "infer");
    let none = packages(folder, "none");
    let components = |name: &str| Packages {
        components: Some(folder.join(name)),
        ..whole.clone()
    };
    let output = Packages {
        output: folder.join("file/out"),
        ..whole.clone()
    };
    let artifact = folder.join("none");
    // (kind, result, action, file)
    type Row<'a> = (&'a str, Result<(), Error>, &'a str, &'a str);
    let mut rows: Vec<Row<'_>> = vec![
        ("archive", none.archive().map(drop), "copy", "none"),
        ("npm", none.npm().map(drop), "copy", "none"),
        ("wheel", none.wheel().map(drop), "copy", "none"),
        (
            "components",
            components("none").archive().map(drop),
            "read",
            "none",
        ),
        (
            "components",
            components("file").archive().map(drop),
            "read",
            "file",
        ),
        ("output", output.archive().map(drop), "create", "file/out"),
    ];
    if cfg!(target_os = "linux") {
        rows.push(("deb", none.deb().map(drop), "copy", "none"));
        rows.push(("image", none.image(&artifact).map(drop), "copy", "none"));
        rows.push(("artifact", whole.image(&artifact).map(drop), "copy", "none"));
    }
    let mut wrong = Vec::new();
    for (kind, result, action, file) in rows {
        let expected = format!("cannot {action} `{}`: ", folder.join(file).display());
        match result {
            Err(error) if error.to_string().starts_with(&expected) => {}
            other => wrong.push(format!("{kind}: expected {expected:?}, got {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!folder.join("tools").exists(), "no tool was fetched");
}

#[cfg(target_os = "linux")]
#[test]
fn an_unknown_debian_package_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = DebianTools::get(folder.path(), &["no-such-package-of-infer"]).unwrap_err();
    assert!(error.to_string().starts_with("`apt-get` "), "{error}");
}
