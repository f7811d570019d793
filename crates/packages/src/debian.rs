//! Programs from Debian's packages, unpacked without root.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{at, run};
use crate::{Error, write};

/// Some packages with the packages that they need, unpacked in one folder.
#[derive(Clone, Debug)]
pub struct DebianTools {
    root: PathBuf,
}

impl DebianTools {
    /// Download and unpack `packages` below `folder`, unless an earlier call did.
    ///
    /// # Errors
    /// If apt-get has no such package, or no mirror.
    pub fn get(folder: &Path, packages: &[&str]) -> Result<Self, Error> {
        let folder = folder.join(packages.join("+"));
        let root = folder.join("root");
        let finished = folder.join("finished");
        if !finished.exists() {
            _ = fs::remove_dir_all(&folder);
            // The machine's package lists may be missing.
            download(&folder, packages, false).or_else(|_| download(&folder, packages, true))?;
            let archives = folder.join("cache/archives");
            for entry in fs::read_dir(&archives)
                .map_err(at("read", &archives))?
                .flatten()
            {
                let path = entry.path();
                if path.extension().is_some_and(|extension| extension == "deb") {
                    run(Command::new("dpkg-deb")
                        .arg("--extract")
                        .args([&path, &root]))?;
                }
            }
            write(&finished, "")?;
        }
        Ok(Self { root })
    }

    /// A program by its name: that of these packages, or else the installed one.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let unpacked = self.root.join("usr/bin").join(name);
        if !unpacked.exists() {
            return Command::new(name);
        }
        let mut command = Command::new(unpacked);
        command.env("LD_LIBRARY_PATH", self.libraries());
        command
    }

    fn libraries(&self) -> OsString {
        let folder = format!("{}-linux-gnu", std::env::consts::ARCH);
        let folders = ["usr/lib", "lib"].map(|parent| self.root.join(parent).join(&folder));
        std::env::join_paths(folders).unwrap_or_default()
    }
}

fn download(folder: &Path, packages: &[&str], own_lists: bool) -> Result<(), Error> {
    for part in ["cache/archives/partial", "lists/partial"] {
        let path = folder.join(part);
        fs::create_dir_all(&path).map_err(at("create", &path))?;
    }
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .arg("-o")
            .arg(format!("Dir::Cache={}", folder.join("cache").display()));
        if own_lists {
            command.arg("-o").arg(format!(
                "Dir::State::Lists={}",
                folder.join("lists").display()
            ));
        }
        // The private folders need no lock, and apt's sandbox user cannot write to them.
        for option in [
            "Debug::NoLocking=1",
            "APT::Sandbox::User=root",
            "Acquire::Retries=2",
        ] {
            command.args(["-o", option]);
        }
        run(command.args(words))
    };
    if own_lists {
        apt(&["update", "--quiet"])?;
    }
    let install = [
        "install",
        "--quiet",
        "--yes",
        "--download-only",
        "--reinstall",
        "--no-install-recommends",
    ];
    apt(&[&install[..], packages].concat())?;
    Ok(())
}
