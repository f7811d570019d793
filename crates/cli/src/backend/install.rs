//! Installs the official wheels, at pinned versions and hashes, into the user's cache folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use infer_host::nn::Library;

/// A wheel from the Python package index. The library in it does not depend on Python, so one wheel per version is
/// pinned.
struct Wheel {
    package: &'static str,
    version: &'static str,
    /// pip's platform tag.
    platform: &'static str,
    sha256: &'static str,
}

/// The Python version of the pinned wheels.
const PYTHON: &str = "3.12";

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const WHEELS: [Wheel; 2] = [
    Wheel {
        package: "onnxruntime",
        version: "1.32.0",
        platform: "manylinux_2_28_x86_64",
        sha256: "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8",
    },
    Wheel {
        package: "openvino",
        version: "2026.4.1",
        platform: "manylinux_2_28_x86_64",
        sha256: "6b4375c17ddcac83a5180349e2e2bb811185c261066e2a920659892d58ef0e3b",
    },
];

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const WHEELS: [Wheel; 2] = [
    Wheel {
        package: "onnxruntime",
        version: "1.32.0",
        platform: "manylinux_2_28_aarch64",
        sha256: "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054",
    },
    Wheel {
        package: "openvino",
        version: "2026.4.1",
        platform: "manylinux_2_35_aarch64",
        sha256: "82efccb2f9f1bdc7e5a1996e05a3b719ebff9232dd54b44150d6d2e983a86b7d",
    },
];

#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
const WHEELS: [Wheel; 2] = [
    Wheel {
        package: "onnxruntime",
        version: "1.32.0",
        platform: "macosx_14_0_arm64",
        sha256: "d52510bbbcc880c13b826f7d75cdf33ac5cf0bb864d960000fc29ce73f0cb83e",
    },
    Wheel {
        package: "openvino",
        version: "2026.4.1",
        platform: "macosx_11_0_arm64",
        sha256: "726ac547b8474a5e7b145bc1ae5a8bb6fbcbb60b79bd9a611c67eec2c74b7a5f",
    },
];

#[cfg(not(any(
    all(target_os = "linux", target_arch = "x86_64"),
    all(target_os = "linux", target_arch = "aarch64"),
    all(target_os = "macos", target_arch = "aarch64"),
)))]
const WHEELS: [Wheel; 0] = [];

/// The folder of the library's wheel, whether it is installed or not.
///
/// # Errors
/// When neither HOME nor XDG_CACHE_HOME is set.
pub fn folder(library: Library) -> Result<PathBuf> {
    let version = wheel(library).map_or("none", |wheel| wheel.version);
    Ok(cache()?.join(format!("{}-{version}", package(library))))
}

/// Whether the library's wheel is installed.
pub(super) fn is_installed(library: Library) -> bool {
    folder(library).is_ok_and(|folder| folder.is_dir())
}

fn package(library: Library) -> &'static str {
    match library {
        Library::OnnxRuntime => "onnxruntime",
        Library::OpenVino => "openvino",
    }
}

fn wheel(library: Library) -> Option<&'static Wheel> {
    let package = package(library);
    WHEELS.iter().find(|wheel| wheel.package == package)
}

/// The folder of all installed libraries.
fn cache() -> Result<PathBuf> {
    Ok(crate::cache::folder()?.join("backends"))
}

/// Download, verify and unpack the library's wheel with pip, unless it is installed.
///
/// # Errors
/// When there is no Python with pip, the package index is unreachable, or the hash does not match.
pub(super) fn install(library: Library) -> Result<PathBuf> {
    let folder = folder(library)?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let Some(wheel) = wheel(library) else {
        bail!(
            "{} has no pinned wheel for this machine ({} on {}); set {} to the path of a library",
            library.name(),
            std::env::consts::OS,
            std::env::consts::ARCH,
            library.variable()
        );
    };
    let cache = cache()?;
    std::fs::create_dir_all(&cache)
        .with_context(|| format!("cannot create `{}`", cache.display()))?;
    // Atomic: the folder is renamed when it is complete.
    let partial = tempfile::Builder::new()
        .prefix(".partial-")
        .tempdir_in(&cache)
        .with_context(|| format!("cannot write into `{}`", cache.display()))?;
    let requirements = partial.path().join("requirements.txt");
    let line = format!(
        "{}=={} --hash=sha256:{}\n",
        wheel.package, wheel.version, wheel.sha256
    );
    std::fs::write(&requirements, line)
        .with_context(|| format!("cannot write `{}`", requirements.display()))?;
    let target = partial.path().join("wheel");
    pip(wheel, &requirements, &target)?;
    match std::fs::rename(&target, &folder) {
        // Another process installed the same wheel meanwhile.
        Err(_) if folder.is_dir() => Ok(folder),
        Err(error) => Err(error).with_context(|| format!("cannot create `{}`", folder.display())),
        Ok(()) => Ok(folder),
    }
}

/// Unpack the wheel into `target` without its Python dependencies, which the library does not need.
fn pip(wheel: &Wheel, requirements: &Path, target: &Path) -> Result<()> {
    let python = python()?;
    let abi = format!("cp{}", PYTHON.replace('.', ""));
    let mut command = Command::new(python);
    command
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args([
            "--no-input",
            "--no-deps",
            "--no-compile",
            "--require-hashes",
        ])
        .args(["--only-binary", ":all:", "--implementation", "cp"])
        .args(["--python-version", PYTHON, "--abi", &abi])
        .args(["--platform", wheel.platform])
        .arg("--target")
        .arg(target)
        .arg("--requirement")
        .arg(requirements)
        .stdin(Stdio::null());
    let output = command
        .output()
        .with_context(|| format!("cannot run `{python}`"))?;
    if output.status.success() {
        return Ok(());
    }
    // The last error line; pip's other lines are advice.
    let stderr = String::from_utf8_lossy(&output.stderr);
    let reason = stderr
        .lines()
        .rfind(|line| line.starts_with("ERROR"))
        .or(stderr.lines().last())
        .unwrap_or("pip printed no error");
    bail!(
        "pip cannot download {} {}: {}",
        wheel.package,
        wheel.version,
        reason.trim_start_matches("ERROR: ")
    )
}

/// A Python interpreter with pip.
fn python() -> Result<&'static str> {
    for python in ["python3", "python"] {
        let found = Command::new(python)
            .args(["-m", "pip", "--version"])
            .stdin(Stdio::null())
            .output();
        if found.is_ok_and(|output| output.status.success()) {
            return Ok(python);
        }
    }
    bail!(
        "no Python with pip was found, which downloads the libraries; install both (Debian: python3-pip)"
    )
}
