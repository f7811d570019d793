//! The container image: the program and an artifact, from scratch, for any user and a read-only root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{at, run};
use crate::{
    DESCRIPTION, DebianTools, Error, FOLDER, NAME, Packages, VERSION, architecture, copy, libraries,
};

/// User and group, the numbers that images without a shell usually have.
const USER: &str = "65532:65532";

/// The address in the image.
const LISTEN: &str = "0.0.0.0:8080";

/// Debian's packages: umoci makes images, skopeo copies them to registries.
const TOOLS: [&str; 2] = ["umoci", "skopeo"];

impl Packages {
    /// Make `infer-wasm-VERSION-ARCHITECTURE.oci.tar`, an archive of an OCI image layout, which serves `artifact`.
    ///
    /// The program should be static. The libraries of another one are added.
    ///
    /// # Errors
    /// The error of umoci, skopeo or apt-get.
    pub fn image(&self, artifact: &Path) -> Result<PathBuf, Error> {
        if !cfg!(target_os = "linux") {
            return Err(Error::NotLinux);
        }
        let architecture = architecture()?;
        let work = self.work()?;
        let program = work.path().join("program");
        self.install(&program)?;
        for path in libraries(&self.program) {
            copy(
                &path,
                &program.join(path.strip_prefix("/").unwrap_or(&path)),
            )?;
        }
        copy(
            &Path::new(FOLDER).join("python/LICENSE"),
            &program.join("LICENSE"),
        )?;
        // Machine code is cached here, where the root is writable.
        let temporary = program.join("tmp");
        fs::create_dir(&temporary).map_err(at("create", &temporary))?;
        mode(&temporary, 0o1777)?;
        mode(&program, 0o755)?;
        mode(&program.join("infer"), 0o755)?;
        let served = work.path().join("app.wasm");
        copy(artifact, &served)?;
        mode(&served, 0o644)?;

        let tools = self.image_tools()?;
        let layout = work.path().join("layout");
        let image = format!("{}:{VERSION}", layout.display());
        let umoci =
            |words: &[&str]| run(tools.command("umoci").args(words).current_dir(work.path()));
        umoci(&["init", "--layout", "layout"])?;
        umoci(&["new", "--image", &image])?;
        // A layer each: an application that is built again has the program's layer in common.
        for (from, to, why) in [
            ("program", "/", "the program"),
            ("app.wasm", "/app.wasm", "the artifact"),
        ] {
            umoci(&[
                "insert",
                "--rootless",
                "--image",
                &image,
                "--history.comment",
                why,
                from,
                to,
            ])?;
        }
        let labels = [
            format!("org.opencontainers.image.title={NAME}"),
            format!("org.opencontainers.image.description={DESCRIPTION}"),
            format!("org.opencontainers.image.version={VERSION}"),
            "org.opencontainers.image.licenses=Apache-2.0".to_owned(),
        ];
        let mut config = vec!["config", "--image", &image, "--os", "linux"];
        config.extend(["--architecture", architecture.oci, "--config.user", USER]);
        config.extend([
            "--config.exposedports",
            "8080/tcp",
            "--config.workingdir",
            "/",
        ]);
        config.extend([
            "--config.env",
            "XDG_CACHE_HOME=/tmp",
            "--config.entrypoint",
            "/infer",
        ]);
        for word in ["up", "/app.wasm", "--listen", LISTEN] {
            config.extend(["--config.cmd", word]);
        }
        for label in &labels {
            config.extend(["--config.label", label]);
        }
        umoci(&config)?;
        umoci(&["gc", "--layout", "layout"])?;
        let output = self.file(&format!("{NAME}-{VERSION}-{}.oci.tar", architecture.rust))?;
        _ = fs::remove_file(&output);
        run(Command::new("tar")
            .args(["--sort=name", "-cf"])
            .arg(&output)
            .arg("-C")
            .arg(&layout)
            .arg("."))?;
        Ok(output)
    }

    /// umoci and skopeo.
    ///
    /// # Errors
    /// That of apt-get.
    pub fn image_tools(&self) -> Result<DebianTools, Error> {
        DebianTools::get(&self.tools, &TOOLS)
    }
}

fn mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(at("change", path))
}
