//! Embeds the demo models, and the prebuilt components if `INFER_COMPONENTS` names a folder that `cargo xtask dist` wrote.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=INFER_COMPONENTS");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let components = env::var_os("INFER_COMPONENTS").filter(|folder| !folder.is_empty());
    let text = list(components.map(PathBuf::from).as_deref());
    fs::write(out.join("components.rs"), text).expect("OUT_DIR is writable");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let text = list(Some(&root.join("../../demo/models")));
    fs::write(out.join("demo.rs"), text).expect("OUT_DIR is writable");
}

/// The source of a list with the names and the contents of a folder's files.
fn list(folder: Option<&Path>) -> String {
    let mut text = String::from("&[");
    if let Some(folder) = folder {
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        collect(folder, &mut files);
        files.sort();
        for path in files {
            let name = path.strip_prefix(folder).unwrap_or(&path).display();
            let (name, path) = (name.to_string(), path.display().to_string());
            write!(text, "({name:?}, include_bytes!({path:?}) as &[u8]),")
                .expect("a String takes everything");
        }
    }
    text.push(']');
    text
}

/// The files below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot read `{}`: {error}", folder.display()));
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
