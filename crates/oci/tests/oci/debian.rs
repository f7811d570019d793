//! Programs from Debian's packages, unpacked below `target/tools` without root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The path of `docker-registry`, or why it is missing.
pub fn docker_registry() -> Result<&'static Path, String> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| program("docker-registry", "usr/bin/docker-registry"));
    program.as_deref().map_err(Clone::clone)
}

/// The program at `path` of `package`, downloaded unless an earlier run did.
fn program(package: &str, path: &str) -> Result<PathBuf, String> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools");
    let folder = tools.join(package);
    let program = folder.join(path);
    if program.exists() {
        return Ok(program);
    }
    fs::create_dir_all(&tools).map_err(|error| error.to_string())?;
    let work = tempfile::tempdir_in(&tools).map_err(|error| error.to_string())?;
    download(package, work.path())?;
    let archive = fs::read_dir(work.path())
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or("apt-get downloaded no package")?;
    let root = work.path().join("root");
    run(Command::new("dpkg").arg("-x").arg(archive).arg(&root))?;
    // Another process may have been faster.
    if fs::rename(&root, &folder).is_err() && !program.exists() {
        return Err(format!("cannot create `{}`", folder.display()));
    }
    Ok(program)
}

/// Download with the machine's package lists, or else with lists of its own.
fn download(package: &str, folder: &Path) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    command.args(["download", package]).current_dir(folder);
    if run(&mut command).is_ok() {
        return Ok(());
    }
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(folder.join("apt").join(part)).map_err(|error| error.to_string())?;
    }
    for words in [&["update", "--quiet"][..], &["download", package]] {
        let mut command = Command::new("apt-get");
        command.args(words).current_dir(folder).args([
            "-o",
            &format!("Dir::State::Lists={}", folder.join("apt/lists").display()),
            "-o",
            &format!("Dir::Cache={}", folder.join("apt/cache").display()),
            "-o",
            "APT::Sandbox::User=root",
        ]);
        run(&mut command)?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        let text = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{program}` failed: {}", text.trim()))
    }
}
