//! `cargo xtask package`: packages of the program that `cargo xtask dist` built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use infer_packages::Packages;

use crate::project;

/// Make packages of a built program, and print their paths and sizes
#[derive(Args)]
pub struct Package {
    /// Kinds of packages [default: all that this system can make]
    #[arg(value_enum, value_name = "KIND")]
    kinds: Vec<Kind>,
    /// Program [default: that of `cargo xtask dist`]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Program for the archive and the image [default on Linux: that of `cargo xtask dist --target ARCH-unknown-linux-musl`]
    #[arg(long, value_name = "FILE")]
    static_program: Option<PathBuf>,
    /// Folder with the components of programs that do not contain them
    #[arg(long, value_name = "DIR")]
    components: Option<PathBuf>,
    /// Artifact that the image serves [default: the program builds one of `models`]
    #[arg(long, value_name = "FILE")]
    artifact: Option<PathBuf>,
    /// Folder for the packages [default: target/dist/packages]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// Program, license and README as .tar.gz
    Archive,
    /// Debian package
    Deb,
    /// Container image, as an archive of an OCI image layout
    Image,
    /// npm packages: the command, and the program of this platform
    Npm,
    /// Python wheel
    Wheel,
}

impl Package {
    /// Write the files.
    pub fn run(mut self) -> Result<()> {
        // The tools run in folders of their own.
        let paths = [
            &mut self.program,
            &mut self.static_program,
            &mut self.components,
            &mut self.artifact,
            &mut self.output,
        ];
        for path in paths.into_iter().flatten() {
            *path = std::path::absolute(&path)?;
        }
        let target = project::root().join("target");
        let linux = cfg!(target_os = "linux");
        let linked = self.program.clone().unwrap_or(target.join("dist/infer"));
        let fixed = self.static_program.clone().unwrap_or_else(|| {
            let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
            if linux {
                target.join(triple).join("dist/infer")
            } else {
                linked.clone()
            }
        });
        let packages = |program: &Path| Packages {
            program: program.to_owned(),
            components: self.components.clone(),
            output: self.output.clone().unwrap_or(target.join("dist/packages")),
            tools: target.join("tools"),
        };
        let (linked, fixed) = (packages(&linked), packages(&fixed));
        let possible = |kind: &Kind| linux || !matches!(kind, Kind::Deb | Kind::Image);
        let kinds = if self.kinds.is_empty() {
            Kind::value_variants()
                .iter()
                .copied()
                .filter(possible)
                .collect()
        } else {
            self.kinds.clone()
        };
        for kind in kinds {
            let files = match kind {
                Kind::Archive => vec![fixed.archive()?],
                Kind::Deb => vec![linked.deb()?],
                Kind::Image => vec![self.image(&fixed)?],
                Kind::Npm => linked.npm()?.to_vec(),
                Kind::Wheel => vec![linked.wheel()?],
            };
            for file in files {
                let megabytes = std::fs::metadata(&file)?.len() as f64 / 1e6;
                println!("{}  {megabytes:.1} MB", file.display());
            }
        }
        Ok(())
    }

    fn image(&self, packages: &Packages) -> Result<PathBuf> {
        if let Some(artifact) = &self.artifact {
            return Ok(packages.image(artifact)?);
        }
        // Outside the checkout, so that the program builds as an installed one does.
        let work = tempfile::tempdir().context("cannot create a folder to build in")?;
        let artifact = work.path().join("app.wasm");
        let status = Command::new(&packages.program)
            .args(["build", "--models"])
            .arg(project::root().join("models"))
            .arg("-o")
            .arg(&artifact)
            .current_dir(work.path())
            .env_remove("CARGO")
            .env_remove("CARGO_MANIFEST_DIR")
            .status()
            .with_context(|| format!("cannot run `{}`", packages.program.display()))?;
        ensure!(
            status.success(),
            "`{}` build failed ({status})",
            packages.program.display()
        );
        Ok(packages.image(&artifact)?)
    }
}
