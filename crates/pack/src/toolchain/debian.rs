//! Builds the standard library of wasm32-wasip2 from Debian's packages.
//!
//! This needs two packages, both independent of the machine's architecture: `rust-src` of exactly the compiler's
//! version (the suite `trixie-backports` has several versions), and `wasi-libc`. apt-get downloads them from the mirror
//! that the machine's apt uses, with separate lists, cache and sources, so it needs no root and does not change the
//! machine's setup. Then cargo builds std, and the result is installed where rustup would have put it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use super::run::{CommandError, output, run};
use super::{Compiler, TARGET};
use crate::compile::cargo_program;
use crate::progress::Progress;

/// The suites that have the packages.
const SUITES: [&str; 2] = ["trixie-backports", "forky"];

/// Path of Debian's archive keys, if they are installed.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The files of the C library that rustc links.
const LIBC_FILES: [&str; 3] = ["crt1-command.o", "crt1-reactor.o", "libc.a"];

/// The standard library could not be built from Debian's packages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DebianError {
    /// apt, dpkg or cargo failed.
    #[error("{0}")]
    Command(#[from] CommandError),
    /// apt uses no Debian mirror.
    #[error("apt on this machine uses no mirror of Debian's archive")]
    NoMirror,
    /// The archive has only other versions of a package.
    #[error("no package `{package}` of version {version} in {}", SUITES.join(" or "))]
    NoPackage {
        /// The package.
        package: &'static str,
        /// The prefix of the required version.
        version: String,
    },
    /// A file could not be written, or is missing from its package.
    #[error("{action} `{}`: {source}", path.display())]
    File {
        /// The verb of the failed action.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// Download the packages, build the library, and install it into `compiler.sysroot`.
///
/// # Errors
/// If a package is missing, or a tool or a file operation fails: see [`DebianError`].
pub fn install(compiler: &Compiler, progress: &dyn Progress) -> Result<(), DebianError> {
    let work = tempfile::tempdir().map_err(file_error("create", &std::env::temp_dir()))?;
    let apt = Apt::new(work.path())?;
    progress.detail("reading Debian's package lists");
    apt.update()?;

    let source_version = format!("{}+dfsg", compiler.release);
    let packages = [
        ("rust-src", source_version.as_str()),
        ("wasi-libc", "0.0~git2026"),
    ];
    let unpacked = work.path().join("root");
    for (package, version) in packages {
        progress.detail(&format!("fetching Debian's package {package}"));
        apt.fetch(package, version, &unpacked)?;
    }

    progress.detail(&format!("building the standard library of {TARGET}"));
    let library = unpacked
        .join("usr/src")
        .join(format!("rustc-{}", compiler.release))
        .join("library");
    let built = build_std(work.path(), &library, progress)?;
    let libc = unpacked.join("usr/lib").join(TARGET);
    place(&built, &libc, &compiler.target_folder())
}

/// apt-get and apt-cache with a private state.
struct Apt {
    options: Vec<String>,
    folder: PathBuf,
}

impl Apt {
    fn new(work: &Path) -> Result<Self, DebianError> {
        let folder = work.join("apt");
        for part in ["lists/partial", "cache/archives/partial"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).map_err(file_error("create", &path))?;
        }
        let signed_by = if Path::new(KEYRING).exists() {
            format!(" [signed-by={KEYRING}]")
        } else {
            String::new()
        };
        let mirrors = mirrors()?;
        let mut sources = String::new();
        for mirror in &mirrors {
            for suite in SUITES {
                sources.push_str(&format!("deb{signed_by} {mirror} {suite} main\n"));
            }
        }
        let list = folder.join("sources.list");
        fs::write(&list, sources).map_err(file_error("write", &list))?;
        let option = |key: &str, value: &Path| format!("{key}={}", value.display());
        let options = vec![
            option("Dir::Etc::SourceList", &list),
            option("Dir::Etc::SourceParts", Path::new("/dev/null")),
            option("Dir::State::Lists", &folder.join("lists")),
            option("Dir::Cache", &folder.join("cache")),
            // Download only the package index: no translations, no desktop metadata.
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::Retries=2".to_owned(),
            // apt's sandbox user cannot access the private folder.
            "APT::Sandbox::User=root".to_owned(),
        ];
        Ok(Self { options, folder })
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(&self.folder);
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
    }

    fn update(&self) -> Result<(), DebianError> {
        output(&mut self.command("apt-get", &["update", "--quiet"]))?;
        Ok(())
    }

    /// Download the newest version of `package` that starts with `version`, and unpack it.
    fn fetch(
        &self,
        package: &'static str,
        version: &str,
        unpacked: &Path,
    ) -> Result<(), DebianError> {
        let listing = output(&mut self.command("apt-cache", &["madison", package]))?;
        let Some(found) = pick_version(&listing, version) else {
            return Err(DebianError::NoPackage {
                package,
                version: version.to_owned(),
            });
        };
        let wanted = format!("{package}={found}");
        output(&mut self.command("apt-get", &["download", "--quiet", &wanted]))?;
        let file = fs::read_dir(&self.folder)
            .map_err(file_error("read", &self.folder))?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(&format!("{package}_")) && name.ends_with(".deb")
            })
            .ok_or_else(|| {
                file_error("find", &self.folder.join(&wanted))(io::ErrorKind::NotFound.into())
            })?;
        output(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(&file)
                .arg(unpacked),
        )?;
        Ok(())
    }
}

/// The mirrors of Debian's main archive that the machine's apt uses.
fn mirrors() -> Result<Vec<String>, DebianError> {
    let listing =
        output(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?;
    let mirrors = pick_mirrors(&listing);
    if mirrors.is_empty() {
        return Err(DebianError::NoMirror);
    }
    Ok(mirrors)
}

/// Select the archives whose path ends in `/debian`, which excludes the security archive and those of other vendors.
fn pick_mirrors(listing: &str) -> Vec<String> {
    let mut mirrors: Vec<String> = listing
        .lines()
        .map(str::trim)
        .filter(|uri| uri.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
        .collect();
    mirrors.sort();
    mirrors.dedup();
    mirrors
}

/// Pick the first version with a prefix from the table of `apt-cache madison` (`package | version | source`, newest
/// first).
fn pick_version(listing: &str, prefix: &str) -> Option<String> {
    listing
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(str::trim)
        .find(|version| version.starts_with(prefix))
        .map(str::to_owned)
}

/// Build std for an empty crate. Returns the folder with the libraries.
fn build_std(work: &Path, library: &Path, progress: &dyn Progress) -> Result<PathBuf, DebianError> {
    let krate = work.join("std");
    let source = krate.join("src");
    fs::create_dir_all(&source).map_err(file_error("create", &source))?;
    let files = [
        (source.join("lib.rs"), "#![no_std]\n"),
        (
            krate.join("Cargo.toml"),
            "[package]\nname = \"no_code\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
        ),
    ];
    for (path, text) in files {
        fs::write(&path, text).map_err(file_error("write", &path))?;
    }
    let target_dir = krate.join("target");
    let mut cargo = Command::new(cargo_program());
    cargo
        .current_dir(&krate)
        .args(["build", "--release", "--target", TARGET])
        .args(["-Z", "build-std=std,panic_abort"])
        .arg("--target-dir")
        .arg(&target_dir)
        // cargo's tests use this to set the path of the sources, which otherwise have to be in the sysroot, where rustup
        // puts them.
        .env("__CARGO_TESTS_ONLY_SRC_ROOT", library)
        // Lets a stable compiler build its standard library.
        .env("RUSTC_BOOTSTRAP", "1");
    for flags in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        cargo.env_remove(flags);
    }
    run(&mut cargo, progress)?;
    Ok(target_dir.join(TARGET).join("release/deps"))
}

/// Copy the libraries into the sysroot. They go into a temporary folder first, which is then renamed, so that no process
/// sees an incomplete library.
fn place(built: &Path, libc: &Path, target_folder: &Path) -> Result<(), DebianError> {
    let rustlib = target_folder.parent().unwrap_or(target_folder);
    let staging = tempfile::Builder::new()
        .prefix(&format!(".{TARGET}-"))
        .tempdir_in(rustlib)
        .map_err(file_error("write into", rustlib))?;
    let lib = staging.path().join("lib");
    let self_contained = lib.join("self-contained");
    fs::create_dir_all(&self_contained).map_err(file_error("create", &self_contained))?;
    for entry in fs::read_dir(built)
        .map_err(file_error("read", built))?
        .flatten()
    {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".rlib") && !text.starts_with("libno_code-") {
            copy(&entry.path(), &lib.join(&name))?;
        }
    }
    for file in LIBC_FILES {
        copy(&libc.join(file), &self_contained.join(file))?;
    }
    if target_folder.exists() {
        fs::remove_dir_all(target_folder).map_err(file_error("replace", target_folder))?;
    }
    fs::rename(staging.path(), target_folder).map_err(file_error("write", target_folder))
}

fn copy(from: &Path, to: &Path) -> Result<(), DebianError> {
    fs::copy(from, to)
        .map(drop)
        .map_err(file_error("copy", from))
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DebianError {
    let path = path.to_owned();
    move |source| DebianError::File {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_own_version_is_picked() {
        let listing = "  rust-src | 1.97.1+dfsg1-1 | http://m/debian forky/main amd64 Packages\n  \
                       rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://m/debian trixie-backports/main\n  \
                       rust-src | 1.9.0+dfsg1-1 | http://m/debian x\n";
        let cases = [
            ("1.95.0+dfsg", Some("1.95.0+dfsg1-2~bpo13+1")),
            ("1.97.1+dfsg", Some("1.97.1+dfsg1-1")),
            ("1.9+dfsg", None),
            ("1.96.0+dfsg", None),
        ];
        for (prefix, expected) in cases {
            assert_eq!(
                pick_version(listing, prefix).as_deref(),
                expected,
                "{prefix}"
            );
        }
        assert_eq!(pick_version("N: Unable to locate package\n", "1"), None);
    }

    #[test]
    fn only_debians_main_archive_is_a_mirror() {
        let listing = "http://a/debian-security/\nhttp://a/debian/\nhttp://b/x/debian\n\
                       http://a/debian/\nhttp://c/ubuntu/\nhttp://d/apt\n";
        assert_eq!(
            pick_mirrors(listing),
            ["http://a/debian/", "http://b/x/debian"]
        );
        assert!(pick_mirrors("").is_empty());
    }
}
