//! The npm packages: one with the command, and one with the program of each platform.
//!
//! The first depends on all others optionally. npm installs the one whose `os` and `cpu` are the machine's.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::run::run;
use crate::{DESCRIPTION, Error, FOLDER, NAME, Packages, VERSION, architecture, copy, find, write};

/// The platforms of a release, as Node.js names them.
const PLATFORMS: [&str; 3] = ["darwin-arm64", "linux-arm64", "linux-x64"];

impl Packages {
    /// Make the package with the command, then that with the program.
    ///
    /// # Errors
    /// The error of npm.
    pub fn npm(&self) -> Result<[PathBuf; 2], Error> {
        let os = match std::env::consts::OS {
            "macos" => "darwin",
            other => other,
        };
        let cpu = architecture()?.npm;
        let mut platform = manifest(&format!("{NAME}-{os}-{cpu}"));
        platform["os"] = json!([os]);
        platform["cpu"] = json!([cpu]);
        if os == "linux" {
            platform["libc"] = json!(["glibc"]);
        }
        let work = self.work()?;
        let program = work.path().join("program");
        self.install(&program.join("bin"))?;

        let mut main = manifest(NAME);
        main["bin"] = json!({"infer": "bin/infer.js"});
        main["engines"] = json!({"node": ">=18"});
        main["optionalDependencies"] = PLATFORMS
            .iter()
            .map(|platform| (format!("{NAME}-{platform}"), Value::from(VERSION)))
            .collect();
        let command = work.path().join("command");
        copy(
            &Path::new(FOLDER).join("npm/infer.js"),
            &command.join("bin/infer.js"),
        )?;
        Ok([self.pack(&command, &main)?, self.pack(&program, &platform)?])
    }

    fn pack(&self, folder: &Path, manifest: &Value) -> Result<PathBuf, Error> {
        write(&folder.join("package.json"), format!("{manifest:#}\n"))?;
        for file in ["README.md", "python/LICENSE"] {
            let from = Path::new(FOLDER).join(file);
            copy(&from, &folder.join(from.file_name().unwrap_or_default()))?;
        }
        run(Command::new("npm")
            .args(["pack", "--silent"])
            .current_dir(folder))?;
        let packed = find(folder, ".tgz")?;
        let output = self.file(&packed.file_name().unwrap_or_default().to_string_lossy())?;
        std::fs::rename(&packed, &output).map_err(crate::run::at("write", &output))?;
        Ok(output)
    }
}

/// The common part of both manifests.
fn manifest(name: &str) -> Value {
    json!({
        "name": name,
        "version": VERSION,
        "description": DESCRIPTION,
        "license": "Apache-2.0",
        "keywords": ["inference", "onnx", "webassembly"],
        "files": ["bin"],
    })
}
