//! The project that a command works in.
//!
//! A project is the nearest folder upwards with `infer.toml` or `spin.toml`, else the current folder. A checkout of this
//! program's sources is a project whose components cargo compiles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use infer_host::Manifest;
use infer_pack::{BuildOptions, Components};
use serde::Deserialize;

use crate::{cache, prebuilt};

/// Spin's manifest.
pub const SPIN: &str = "spin.toml";

/// The manifest of a project without Spin.
pub const INFER: &str = "infer.toml";

/// A project.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder of its manifest, else the current folder.
    root: PathBuf,
    /// Whether it has a `spin.toml`.
    has_spin: bool,
    settings: Settings,
}

/// `infer.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// The model repository, relative to the file.
    models: PathBuf,
    /// Settings for the component, `INFER_*`.
    environment: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            models: "models".into(),
            environment: BTreeMap::new(),
        }
    }
}

impl Project {
    /// The project of the current folder.
    ///
    /// # Errors
    /// When the current folder or `infer.toml` cannot be read.
    pub fn find() -> Result<Self> {
        let start = std::env::current_dir().context("cannot read the current folder")?;
        let has = |folder: &&Path| folder.join(INFER).is_file() || folder.join(SPIN).is_file();
        let root = start.ancestors().find(has).unwrap_or(&start).to_owned();
        let path = root.join(INFER);
        let settings = if path.is_file() {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read `{}`", path.display()))?;
            toml::from_str(&text).with_context(|| format!("`{}`", path.display()))?
        } else {
            Settings::default()
        };
        Ok(Self {
            has_spin: root.join(SPIN).is_file(),
            settings,
            root,
        })
    }

    /// The model repository.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.root.join(&self.settings.models)
    }

    /// The host's manifest: `spin.toml`, or else all routes of the built component.
    ///
    /// # Errors
    /// When `spin.toml` cannot be read or has something that the host does not support.
    pub fn manifest(&self) -> Result<Manifest> {
        if self.has_spin {
            let mut manifest = Manifest::read(&self.root.join(SPIN))?;
            manifest
                .environment
                .extend(self.settings.environment.clone());
            return Ok(manifest);
        }
        let environment = self.settings.environment.clone();
        Ok(Manifest::of_models(self.models(), environment))
    }

    /// The file that `infer build` writes by default: the component's file in `spin.toml`, else `infer.wasm` in the
    /// project. A checkout serves its artifacts where they are built, so there is none.
    ///
    /// # Errors
    /// As [`Project::manifest`].
    pub fn output(&self) -> Result<Option<PathBuf>> {
        Ok(match (self.is_checkout(), self.has_spin) {
            (true, _) => None,
            (false, true) => Some(self.manifest()?.source),
            (false, false) => Some(self.root.join("infer.wasm")),
        })
    }

    /// Whether the project is a checkout of this program's sources.
    fn is_checkout(&self) -> bool {
        self.has_spin && is_checkout(&self.root)
    }

    /// Options to build this project's models.
    ///
    /// # Errors
    /// When there are no components, or no cache folder.
    pub fn build_options(&self) -> Result<BuildOptions> {
        if self.is_checkout() {
            let mut options = BuildOptions::new(self.root.clone());
            options.components = components(Some(&self.root))?;
            options.models = self.models();
            return Ok(options);
        }
        options_for(self.models())
    }
}

/// Options to build a model repository that belongs to no project. The artifacts go to a folder of their own in the user's
/// cache folder.
///
/// # Errors
/// When there are no components, or no cache folder.
pub fn options_for(models: PathBuf) -> Result<BuildOptions> {
    let cache = cache::folder()?;
    let (machine_code, builds) = (cache.join("machine-code"), cache.join("builds"));
    let options = BuildOptions::with(components(None)?, machine_code, builds);
    Ok(options.with_models(absolute(&models)?))
}

/// A path from the root. The name of an artifacts' folder is made of it, and must not depend on the current folder.
///
/// # Errors
/// When the path is empty.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot use `{}`", path.display()))
}

/// The components: prebuilt ones unless `checkout` has other sources, else those of the checkout in which cargo compiled this
/// program.
fn components(checkout: Option<&Path>) -> Result<Components> {
    if let Some(prebuilt) = prebuilt::prebuilt()? {
        return Ok(match checkout {
            Some(root) if infer_pack::components::sources_digest(root)? != prebuilt.sources() => {
                Components::Checkout(root.to_owned())
            }
            _ => Components::Prebuilt(Arc::new(prebuilt)),
        });
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match (checkout, own.canonicalize()) {
        (Some(root), _) => Ok(Components::Checkout(root.to_owned())),
        (None, Ok(own)) if is_checkout(&own) => Ok(Components::Checkout(own)),
        _ => bail!(
            "this program was compiled without components, and the checkout that it was compiled in is gone; install a \
             package, or run it in a checkout"
        ),
    }
}

fn is_checkout(folder: &Path) -> bool {
    folder.join("crates/engine/Cargo.toml").is_file() && folder.join("src/component.rs").is_file()
}
