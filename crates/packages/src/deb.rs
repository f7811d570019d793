//! The Debian package.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{at, run};
use crate::{DESCRIPTION, Error, FOLDER, NAME, Packages, VERSION, architecture, write};

/// The package's maintainer, and an address for mail about it.
const MAINTAINER: &str = "infer's maintainers <infer@localhost>";

impl Packages {
    /// Make `infer-wasm_VERSION_ARCHITECTURE.deb`.
    ///
    /// # Errors
    /// The error of a tool: gzip, and `dpkg-shlibdeps` and `dpkg-deb` of Debian's package dpkg-dev.
    pub fn deb(&self) -> Result<PathBuf, Error> {
        let architecture = architecture()?.debian;
        let work = self.work()?;
        let root = work.path().join("debian").join(NAME);
        // A program finds its components beside it, and /usr/bin has programs alone.
        let program = if self.components.is_some() {
            let program = self.install(&root.join("usr/lib").join(NAME))?;
            let link = root.join("usr/bin/infer");
            fs::create_dir_all(root.join("usr/bin")).map_err(at("create", &root))?;
            std::os::unix::fs::symlink(format!("../lib/{NAME}/infer"), &link)
                .map_err(at("create", &link))?;
            program
        } else {
            self.install(&root.join("usr/bin"))?
        };
        let documents = root.join("usr/share/doc").join(NAME);
        let own = Path::new(FOLDER);
        let copyright = fs::read(own.join("deb/copyright")).map_err(at("read", own))?;
        write(&documents.join("copyright"), copyright)?;
        let manual = root.join("usr/share/man/man1/infer.1");
        let text = fs::read(own.join("deb/infer.1")).map_err(at("read", own))?;
        write(&manual, text)?;
        let changes = documents.join("changelog");
        let date = run(Command::new("date").arg("-R"))?;
        let entry = format!(
            "{NAME} ({VERSION}) unstable; urgency=medium\n\n  * CHANGELOG.md of the sources lists the changes.\n\n -- {MAINTAINER}  {date}"
        );
        write(&changes, entry)?;
        run(Command::new("gzip").args(["-9n"]).args([&manual, &changes]))?;

        let depends = depends(work.path(), &program)?;
        let bytes = size(&root)?;
        let control = format!(
            "Package: {NAME}\nVersion: {VERSION}\nArchitecture: {architecture}\nSection: net\nPriority: optional\n\
             Maintainer: {MAINTAINER}\nInstalled-Size: {}\nDepends: {depends}\n\
             Description: {DESCRIPTION}\n infer builds a model and its runtime into one WebAssembly component, \
             and\n serves it over HTTP. Each request runs in a sandboxed instance of its own.\n",
            bytes.div_ceil(1024),
        );
        write(&root.join("DEBIAN/control"), control)?;
        modes(&root)?;
        let output = self.file(&format!("{NAME}_{VERSION}_{architecture}.deb"))?;
        run(Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zxz", "--build"])
            .args([&root, &output]))?;
        Ok(output)
    }
}

/// The packages with the libraries that the program is linked with.
fn depends(work: &Path, program: &Path) -> Result<String, Error> {
    // dpkg-shlibdeps runs in a source package.
    write(
        &work.join("debian/control"),
        format!("Source: {NAME}\n\nPackage: {NAME}\nArchitecture: any\n"),
    )?;
    let printed = run(Command::new("dpkg-shlibdeps")
        .arg("-O")
        .arg(program)
        .current_dir(work))?;
    let line = printed
        .lines()
        .find_map(|line| line.strip_prefix("shlibs:Depends="));
    Ok(line.unwrap_or_default().to_owned())
}

/// The size of all files below a folder, in bytes.
fn size(folder: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for path in children(folder)? {
        let data = fs::symlink_metadata(&path).map_err(at("read", &path))?;
        bytes += if data.is_dir() {
            size(&path)?
        } else {
            data.len()
        };
    }
    Ok(bytes)
}

/// Let everyone read the files, whatever this process's umask is.
fn modes(folder: &Path) -> Result<(), Error> {
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(at("change", path))
    };
    set(folder, 0o755)?;
    for path in children(folder)? {
        let data = fs::symlink_metadata(&path).map_err(at("read", &path))?;
        if data.is_dir() {
            modes(&path)?;
        } else if data.is_file() {
            set(
                &path,
                if path.ends_with("infer") {
                    0o755
                } else {
                    0o644
                },
            )?;
        }
    }
    Ok(())
}

fn children(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(at("read", folder))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}
