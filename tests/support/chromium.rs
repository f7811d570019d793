//! Debian's Chromium: the installed one, or the package unpacked in the target folder.
//!
//! Unpacking changes nothing on the machine and needs no root: apt-get uses lists and a cache in the target folder, and
//! downloads the package and its missing dependencies. The library path then points to the unpacked libraries.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::python::succeed;

/// A browser that has been started successfully once.
pub struct Chromium {
    program: PathBuf,
    /// The folder that the package was unpacked to; `None` if Chromium is installed.
    root: Option<PathBuf>,
}

/// The browser in the package; `/usr/bin/chromium` is a script that starts it.
const PROGRAM: &str = "usr/lib/chromium/chromium";

/// The package, and fonts for a machine that has none.
const PACKAGES: [&str; 2] = ["chromium", "fonts-liberation"];

impl Chromium {
    /// Find or download Chromium. If the package is not available, log that and return `None`; in CI (the variable `CI`
    /// is set), fail the test.
    pub fn prepare() -> Option<Self> {
        static MAKING: Mutex<()> = Mutex::new(());
        let _making = MAKING.lock().unwrap_or_else(|error| error.into_inner());
        match find() {
            Ok(chromium) => Some(chromium),
            Err(reason) if std::env::var_os("CI").is_some() => {
                panic!("Chromium is not available: {reason}")
            }
            Err(reason) => {
                eprintln!("SKIPPED, Chromium is not available: {reason}");
                None
            }
        }
    }

    /// Set the variables that a test needs to start the browser.
    pub fn configure(&self, command: &mut Command) {
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
    // Written last, so its absence means an unfinished folder.
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
        // The private folders need no lock, and apt's sandbox user cannot write to them.
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

/// The library folders: Chromium's, the architecture's, and PulseAudio's private one.
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

/// A font configuration with the fonts of the packages and of the machine. The same fonts come first on every machine, so
/// that screenshots look the same.
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
