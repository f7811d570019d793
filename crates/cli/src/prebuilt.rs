//! The prebuilt components of a package: in this program, or in the folder `components` beside it.

use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use infer_pack::prebuilt::{Gzip, LIST, Prebuilt};

/// The files that the build script embedded.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/components.rs"));

/// The folder beside this program.
const FOLDER: &str = "components";

/// The prebuilt components; `None` for a program that cargo compiled in a checkout.
///
/// # Errors
/// If their list is malformed or a file is missing.
pub fn prebuilt() -> Result<Option<Prebuilt>> {
    let embedded = |name: &str| {
        let found = EMBEDDED.iter().find(|(file, _)| *file == name);
        found.map(|(_, bytes)| *bytes)
    };
    if let Some(list) = embedded(LIST) {
        let list = std::str::from_utf8(list).context("the embedded list of components")?;
        let prebuilt = Prebuilt::parse(list, |name| embedded(name).map(Gzip::Static));
        return Ok(Some(
            prebuilt.map_err(|reason| anyhow!("{LIST}: {reason}"))?,
        ));
    }
    // Without /proc, as in a bare root folder, only the command line names the program.
    let named = || std::env::args_os().next().map(PathBuf::from);
    let Some(program) = std::env::current_exe().ok().or_else(named) else {
        return Ok(None);
    };
    let folder = program.with_file_name(FOLDER);
    match Prebuilt::read(&folder) {
        Ok(prebuilt) => Ok(Some(prebuilt)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("cannot read the prebuilt components"),
    }
}
