//! Embeds the prebuilt components, if `INFER_COMPONENTS` names a folder that `cargo xtask dist` wrote.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=INFER_COMPONENTS");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut text = String::from("&[");
    if let Some(folder) = env::var_os("INFER_COMPONENTS").filter(|folder| !folder.is_empty()) {
        let folder = PathBuf::from(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        let entries = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("cannot read `{}`: {error}", folder.display()));
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default();
            let (name, path) = (name.to_string_lossy(), path.display().to_string());
            write!(text, "({name:?}, include_bytes!({path:?}) as &[u8]),")
                .expect("a String takes everything");
        }
    }
    text.push(']');
    fs::write(out.join("components.rs"), text).expect("OUT_DIR is writable");
}
