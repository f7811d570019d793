//! The program, its license and a README as `.tar.gz`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::run;
use crate::{Error, FOLDER, NAME, Packages, VERSION, architecture, copy, libraries};

impl Packages {
    /// Make `infer-wasm-VERSION-TARGET.tar.gz`, whose folder has the same name. TARGET is Rust's name of the
    /// platform, which `cargo binstall` looks for.
    ///
    /// # Errors
    /// A missing file, or the error of `tar`.
    pub fn archive(&self) -> Result<PathBuf, Error> {
        let name = format!("{NAME}-{VERSION}-{}", self.target()?);
        let work = self.work()?;
        let folder = work.path().join(&name);
        self.install(&folder)?;
        for file in ["README.md", "python/LICENSE"] {
            let from = Path::new(FOLDER).join(file);
            copy(&from, &folder.join(from.file_name().unwrap_or_default()))?;
        }
        let output = self.file(&format!("{name}.tar.gz"))?;
        let mut tar = Command::new("tar");
        // The archive is the same whoever makes it.
        if cfg!(target_os = "linux") {
            tar.args(["--owner=0", "--group=0", "--numeric-owner", "--sort=name"]);
        }
        tar.arg("-czf").arg(&output).arg("-C").arg(work.path());
        run(tar.arg(&name))?;
        Ok(output)
    }

    /// The program's target: with musl on Linux if it is static.
    fn target(&self) -> Result<String, Error> {
        let architecture = architecture()?.rust;
        let system = match libraries(&self.program) {
            _ if cfg!(target_os = "macos") => "apple-darwin",
            libraries if libraries.is_empty() => "unknown-linux-musl",
            _ => "unknown-linux-gnu",
        };
        Ok(format!("{architecture}-{system}"))
    }
}
