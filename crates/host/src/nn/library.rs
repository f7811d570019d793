//! Where the libraries' files are.

use std::error::Error as _;
use std::path::{Path, PathBuf};

use libloading::Library as Loaded;

/// A library that computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// Microsoft's ONNX Runtime.
    OnnxRuntime,
    /// Intel's OpenVINO.
    OpenVino,
}

/// Why a library cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// It is nowhere.
    #[error(
        "{library} is not installed: there is no `{file}` in `{}`, and `{variable}` names none",
        folder.display()
    )]
    Missing {
        /// Its name.
        library: &'static str,
        /// Its file's name.
        file: &'static str,
        /// Where it would be, had it been added.
        folder: PathBuf,
        /// The environment variable that may name another.
        variable: &'static str,
    },
    /// It is there and cannot be loaded.
    #[error("`{}` cannot be used as {library}: {reason}", path.display())]
    Load {
        /// What it was to be.
        library: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Library {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::OnnxRuntime, Self::OpenVino];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnnxRuntime => "ONNX Runtime",
            Self::OpenVino => "OpenVINO",
        }
    }

    /// The environment variable that names the library's file, for one that comes from elsewhere.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            // The name that the crate `ort` has for it.
            Self::OnnxRuntime => "ORT_DYLIB_PATH",
            Self::OpenVino => "OPENVINO_DYLIB_PATH",
        }
    }

    /// How the names of its files begin; a number of its version may follow.
    const fn file(self) -> &'static str {
        match (self, cfg!(target_os = "macos")) {
            (Self::OnnxRuntime, false) => "libonnxruntime.so",
            (Self::OpenVino, false) => "libopenvino_c.so",
            (Self::OnnxRuntime, true) => "libonnxruntime.",
            (Self::OpenVino, true) => "libopenvino_c.",
        }
    }

    /// Where its file lies in the wheel that has it.
    const fn folder(self) -> &'static str {
        match self {
            Self::OnnxRuntime => "onnxruntime/capi",
            Self::OpenVino => "openvino/libs",
        }
    }

    /// The library's file: the one that its environment variable names, else the one in `installed`, a
    /// folder into which its wheel was unpacked.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(self, installed: &Path) -> Result<PathBuf, LibraryError> {
        if let Some(path) = std::env::var_os(self.variable()).filter(|path| !path.is_empty()) {
            return Ok(path.into());
        }
        let folder = installed.join(self.folder());
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(self.file())
            })
            .collect();
        files.sort();
        files.pop().ok_or_else(|| LibraryError::Missing {
            library: self.name(),
            file: self.file(),
            folder,
            variable: self.variable(),
        })
    }
}

/// Whether a shared library has all of these.
pub(super) fn check_symbols(path: &Path, symbols: &[&str]) -> Result<(), String> {
    // SAFETY: whoever names a library has its constructors run: it is the operator's own file, as this
    // program's code is.
    let library = unsafe { Loaded::new(path) }.map_err(|error| match error.source() {
        // The system's word.
        Some(source) => source.to_string(),
        None => error.to_string(),
    })?;
    for symbol in symbols {
        // SAFETY: the symbol is looked up and not used.
        unsafe { library.get::<unsafe extern "C" fn()>(symbol.as_bytes()) }
            .map_err(|_| format!("it has no function `{symbol}`"))?;
    }
    Ok(())
}
