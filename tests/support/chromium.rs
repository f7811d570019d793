//! Debian's Chromium: the machine's own, or the package unpacked in the target folder.
//!
//! Nothing of the machine's setup changes and no root is needed: apt-get has lists and a cache of its own,
//! and fetches the package with those that it needs and the machine lacks; a loader's path does the rest.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::python::succeed;

/// A browser that starts.
pub struct Chromium {
    program: PathBuf,
    /// The folder that it was unpacked to, where it is not the machine's own.
    root: Option<PathBuf>,
}

/// Where the package has the browser itself; `/usr/bin/chromium` is a script around it.
const PROGRAM: &str = "usr/lib/chromium/chromium";

/// The package, and fonts for a machine that has none.
const PACKAGES: [&str; 2] = ["chromium", "fonts-liberation"];

impl Chromium {
    /// Find or fetch it. `None` where there is no such package in reach, which is said on standard error;
    /// in CI (the variable `CI` is set) that fails the test instead.
    pub fn prepare() -> Option<Self> {
        static MAKING: Mutex<()> = Mutex::new(());
        let _making = MAKING.lock().unwrap_or_else(|error| error.into_inner());
        match find() {
            Ok(chromium) => Some(chromium),
            Err(reason) if std::env::var_os("CI").is_some() => {
                panic!("Chromium cannot be had: {reason}")
            }
            Err(reason) => {
                eprintln!("SKIPPED, Chromium cannot be had: {reason}");
                None
            }
        }
    }

    /// Tell a test where it is, and what it needs to start.
    pub fn tell(&self, command: &mut Command) {
        command.env("CHROMIUM", &self.program);
        if let Some(root) = &self.root {
            command
                .env("CHROMIUM_LIBRARIES", libraries(root))
                .env("FONTCONFIG_FILE", root.join("fonts.conf"));
        }
    }

    fn starts(self) -> Result<Self, String> {
        let mut command = Command::new(&self.program);
        command.arg("--version");
        if let Some(root) = &self.root {
            command.env("LD_LIBRARY_PATH", libraries(root));
        }
        succeed(&mut command).map(|_| self)
    }
}

fn find() -> Result<Chromium, String> {
    let installed = PathBuf::from("/").join(PROGRAM);
    if installed.exists() {
        let own = Chromium {
            program: installed,
            root: None,
        };
        return own.starts();
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chromium");
    let root = folder.join("root");
    // Written last: a folder without it was not finished.
    let finished = root.join("fonts.conf");
    if !finished.exists() {
        _ = std::fs::remove_dir_all(&folder);
        unpack(&folder, &root)?;
        std::fs::write(&finished, fonts(&root)).map_err(|error| error.to_string())?;
    }
    let unpacked = Chromium {
        program: root.join(PROGRAM),
        root: Some(root),
    };
    unpacked.starts()
}

fn unpack(folder: &Path, root: &Path) -> Result<(), String> {
    let archives = folder.join("cache/archives");
    for path in [
        &folder.join("lists/partial"),
        &archives.join("partial"),
        root,
    ] {
        std::fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        for (key, value) in [("Dir::State::Lists", "lists"), ("Dir::Cache", "cache")] {
            let value = folder.join(value);
            command.arg("-o").arg(format!("{key}={}", value.display()));
        }
        // The machine's lock is for those who change the machine; its apt's own user has no rights here.
        for option in [
            "Debug::NoLocking=1",
            "APT::Sandbox::User=root",
            "Acquire::Retries=2",
        ] {
            command.args(["-o", option]);
        }
        succeed(command.args(words))
    };
    apt(&["update", "--quiet"])?;
    let fetch = [
        "install",
        "--quiet",
        "--yes",
        "--download-only",
        "--no-install-recommends",
    ];
    apt(&[&fetch[..], &PACKAGES].concat())?;
    let entries = std::fs::read_dir(&archives).map_err(|error| error.to_string())?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "deb") {
            succeed(
                Command::new("dpkg-deb")
                    .arg("--extract")
                    .arg(&path)
                    .arg(root),
            )?;
        }
    }
    Ok(())
}

/// The folders with libraries: the architecture's own, and those below it that packages keep for themselves.
fn libraries(root: &Path) -> OsString {
    let mut folders = vec![root.join("usr/lib/chromium")];
    for parent in ["usr/lib", "lib"] {
        let Ok(entries) = std::fs::read_dir(root.join(parent)) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.to_string_lossy().ends_with("-linux-gnu") {
                folders.push(path.join("pulseaudio"));
                folders.push(path);
            }
        }
    }
    std::env::join_paths(folders).unwrap()
}

/// Fonts of the package and of the machine. The same ones go first everywhere, so that pictures of the page
/// are alike.
fn fonts(root: &Path) -> String {
    let families = [
        ("sans-serif", "Sans"),
        ("system-ui", "Sans"),
        ("monospace", "Mono"),
    ];
    let aliases: String = families
        .iter()
        .map(|(family, font)| {
            format!(
                "<alias binding=\"same\"><family>{family}</family>\
                 <prefer><family>Liberation {font}</family></prefer></alias>\n"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"fonts.dtd\">\n<fontconfig>\n\
         <dir>{root}/usr/share/fonts</dir>\n<dir>/usr/share/fonts</dir>\n\
         <cachedir>{root}/fonts-cache</cachedir>\n{aliases}</fontconfig>\n",
        root = root.display()
    )
}
