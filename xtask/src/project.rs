//! The checkout that this program was compiled in, and the progress of builds in it.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use infer_pack::Progress;

/// The manifest of the service, in the root.
pub(crate) const MANIFEST: &str = "spin.toml";

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Prints each step of a build on standard error if that is a terminal.
pub(crate) struct Steps;

impl Progress for Steps {
    fn step(&self, number: usize, total: usize, text: &str) {
        if self.is_terminal() {
            eprintln!("{number}/{total} {text}");
        }
    }

    fn detail(&self, _text: &str) {}

    fn is_terminal(&self) -> bool {
        std::io::stderr().is_terminal()
    }
}
