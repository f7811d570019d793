//! Finds the libraries' files.

use std::error::Error as _;
use std::path::{Path, PathBuf};

use libloading::Library as Loaded;

/// A native library.
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
    /// There is no file of the library.
    #[error(
        "{library} is not installed: there is no `{file}` in `{}`, and `{variable}` names none",
        folder.display()
    )]
    Missing {
        /// The library's name.
        library: &'static str,
        /// The name of its file.
        file: &'static str,
        /// The folder that `cargo infer backend add` installs it in.
        folder: PathBuf,
        /// The environment variable that may name another file.
        variable: &'static str,
    },
    /// The file cannot be loaded.
    #[error("`{}` cannot be used as {library}: {reason}", path.display())]
    Load {
        /// The library's name.
        library: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

impl Library {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::OnnxRuntime, Self::OpenVino];

    /// The name, for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnnxRuntime => "ONNX Runtime",
            Self::OpenVino => "OpenVINO",
        }
    }

    /// The environment variable that names the library's file, if it was installed by other means.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            // As in the crate `ort`.
            Self::OnnxRuntime => "ORT_DYLIB_PATH",
            Self::OpenVino => "OPENVINO_DYLIB_PATH",
        }
    }

    /// The beginning of its files' names, which a version may follow.
    const fn file(self) -> &'static str {
        match (self, cfg!(target_os = "macos")) {
            (Self::OnnxRuntime, false) => "libonnxruntime.so",
            (Self::OpenVino, false) => "libopenvino_c.so",
            (Self::OnnxRuntime, true) => "libonnxruntime.",
            (Self::OpenVino, true) => "libopenvino_c.",
        }
    }

    /// The folder of its file within its wheel.
    const fn folder(self) -> &'static str {
        match self {
            Self::OnnxRuntime => "onnxruntime/capi",
            Self::OpenVino => "openvino/libs",
        }
    }

    /// The library's file: the one that its environment variable names, else the one in `installed`, the folder of
    /// its unpacked wheel.
    ///
    /// # Errors
    /// If there is none.
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

/// Check that a shared library has these symbols.
pub(super) fn check_symbols(path: &Path, symbols: &[&str]) -> Result<(), String> {
    // SAFETY: loading runs the library's constructors. The operator has named the file and trusts it as much as this
    // program.
    let library = unsafe { Loaded::new(path) }.map_err(|error| match error.source() {
        // The message of the dynamic linker.
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
