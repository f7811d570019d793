//! Each package as a user gets it: made, installed into an empty place, and asked over HTTP.
//!
//! Without `INFER_PACKAGES`, the packages are made of the program under test, with its components beside it.
//! `INFER_PACKAGES=DIR cargo test --test packages` tests those that `cargo xtask package` made.

mod image;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use infer_packages::Packages;
use support::packaged::{self, answer, digits};
use support::python::succeed;
use support::service::Service;

/// The packages of a program without its symbols, as in a release.
fn maker() -> &'static Packages {
    static MAKER: OnceLock<Packages> = OnceLock::new();
    MAKER.get_or_init(|| {
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let output = target.join("packages");
        _ = std::fs::remove_dir_all(&output);
        std::fs::create_dir_all(&output).unwrap();
        let program = target.join("stripped");
        let from = packaged::folder().join("infer");
        std::fs::copy(&from, &program).unwrap();
        _ = Command::new("strip").arg(&program).status();
        Packages {
            program,
            components: Some(packaged::folder().join("components")),
            output,
            tools: target.with_file_name("tools"),
        }
    })
}

/// The file whose name has these ends: of the folder `INFER_PACKAGES`, or else a new one.
fn package(
    start: &str,
    end: &str,
    make: impl FnOnce(&Packages) -> Result<PathBuf, infer_packages::Error>,
) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("INFER_PACKAGES").map(PathBuf::from) else {
        return available(make(maker()));
    };
    let found = std::fs::read_dir(&folder).unwrap().flatten().find(|entry| {
        let name = entry.file_name().into_string().unwrap();
        name.starts_with(start) && name.ends_with(end)
    });
    let found = found.unwrap_or_else(|| panic!("no {start}…{end} in {}", folder.display()));
    Some(found.path())
}

/// The value. If a tool is missing, log that and return `None`; in CI (the variable `CI` is set), fail the test.
fn available<T>(made: Result<T, infer_packages::Error>) -> Option<T> {
    made.map_err(|error| {
        assert!(std::env::var_os("CI").is_none(), "{error}");
        eprintln!("SKIPPED: {error}");
    })
    .ok()
}

/// The cache of all programs here, which are the same in other packages. It is empty at first.
fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("packages-cache");
        _ = std::fs::remove_dir_all(&cache);
        cache
    })
}

/// The response of the checkout's service to a digit.
fn right() -> &'static serde_json::Value {
    static RIGHT: OnceLock<serde_json::Value> = OnceLock::new();
    RIGHT.get_or_init(|| answer(&Service::start()))
}

/// The output of a command that succeeds.
fn printed(command: &mut Command) -> String {
    String::from_utf8(succeed(command).unwrap().stdout).unwrap()
}

/// Check the version of an installed program, and that it serves a model.
fn check(program: &Path) {
    let home = tempfile::tempdir().unwrap();
    let model = home.path().join("digits.onnx");
    std::fs::copy(digits(), &model).unwrap();
    let infer = |arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(home.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("XDG_CACHE_HOME", cache());
        command
    };
    let version = infer(&["--version"]).output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    assert_eq!(version, format!("infer {}\n", infer_packages::VERSION));
    let up = infer(&["up", "digits.onnx", "--listen", "127.0.0.1:0"]);
    let mut service = Service::spawn(up);
    assert_eq!(answer(&service), *right(), "{}", program.display());
    // A wrapper passes the signal on.
    service.signal("TERM");
    assert!(service.wait().success(), "{}", service.log());
}

#[test]
fn the_wheel_serves_in_a_bare_environment() {
    let Some(wheel) = package("infer_wasm-", ".whl", Packages::wheel) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let environment = folder.path().join("venv");
    succeed(
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment),
    )
    .unwrap();
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--find-links",
    ])
    .arg(wheel.parent().unwrap())
    .arg("infer-wasm")
    .env_remove("PIP_FIND_LINKS");
    succeed(&mut pip).unwrap();
    if cfg!(target_os = "linux") {
        let name = wheel.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.contains("-py3-none-manylinux_2_"), "{name}");
    }
    check(&environment.join("bin/infer"));
}

#[test]
fn the_npm_package_runs_the_program_of_its_platform() {
    let platform = if cfg!(target_os = "linux") {
        "infer-wasm-linux-"
    } else {
        "infer-wasm-darwin-"
    };
    let version = format!("-{}.tgz", infer_packages::VERSION);
    static MADE: OnceLock<[PathBuf; 2]> = OnceLock::new();
    let make = |packages: &Packages, index: usize| match MADE.get() {
        Some(made) => Ok(made[index].clone()),
        None => packages
            .npm()
            .map(|made| MADE.get_or_init(|| made)[index].clone()),
    };
    let command = package("infer-wasm-0", ".tgz", |packages| make(packages, 0));
    let program = package(platform, &version, |packages| make(packages, 1));
    let (Some(command), Some(program)) = (command, program) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let npm = |arguments: &[&Path]| {
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--silent",
            "--offline",
            "--no-audit",
            "--no-fund",
        ])
        .args(arguments)
        .current_dir(folder.path())
        .env("npm_config_cache", folder.path().join("cache"));
        succeed(&mut npm).unwrap();
    };
    // Without the program's package, the command says what is missing.
    npm(&[&command]);
    let infer = folder.path().join("node_modules/.bin/infer");
    let alone = Command::new(&infer).output().unwrap();
    let error = String::from_utf8(alone.stderr).unwrap();
    assert!(
        !alone.status.success() && error.contains("` is not installed"),
        "{error}"
    );
    npm(&[&command, &program]);
    let mut npx = Command::new("npx");
    npx.args(["--no-install", "infer", "--version"])
        .current_dir(folder.path());
    let version = printed(&mut npx);
    assert_eq!(version.trim(), format!("infer {}", infer_packages::VERSION));
    check(&infer);
}

#[cfg(target_os = "linux")]
#[test]
fn the_debian_package_has_its_fields_and_its_files() {
    let Some(package) = package("infer-wasm_", ".deb", Packages::deb) else {
        return;
    };
    let fields = printed(Command::new("dpkg-deb").arg("--field").arg(&package));
    for part in ["Package: infer-wasm\n", "Depends: ", "libc6 (>= 2."] {
        assert!(fields.contains(part), "expected {part:?}: {fields}");
    }
    let root = tempfile::tempdir().unwrap();
    succeed(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(&package)
            .arg(root.path()),
    )
    .unwrap();
    for file in [
        "share/doc/infer-wasm/copyright",
        "share/man/man1/infer.1.gz",
    ] {
        assert!(root.path().join("usr").join(file).is_file(), "{file}");
    }
    check(&root.path().join("usr/bin/infer"));
}

#[test]
fn the_archive_has_the_program_and_its_license() {
    let Some(archive) = package("infer-wasm-0", ".tar.gz", Packages::archive) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    succeed(
        Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(root.path()),
    )
    .unwrap();
    let name = archive.file_name().unwrap().to_string_lossy().into_owned();
    let folder = root.path().join(name.trim_end_matches(".tar.gz"));
    for file in ["LICENSE", "README.md"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    check(&folder.join("infer"));
}
