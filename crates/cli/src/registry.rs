//! `infer push` and `infer pull`: artifacts in OCI registries.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use infer_oci::{Options, Reference, Scheme};

use crate::models::report::size;
use crate::progress::{Terminal, Transfer};
use crate::project::Project;

/// Push the artifact to an OCI registry
///
/// The layout is that of Wasm OCI artifacts, which wasmCloud, containerd's shims and other hosts pull. Credentials are those of
/// `docker login` and `podman login`.
#[derive(Args)]
pub struct Push {
    /// Reference for the artifact
    #[arg(value_name = "REGISTRY/NAME:TAG")]
    reference: Reference,
    /// Artifact to push [default: the project's, built first]
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Annotation of the manifest: `org.opencontainers.image.source=https://…`
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = annotation)]
    annotations: Vec<(String, String)>,
    #[command(flatten)]
    connection: Connection,
}

/// Pull an artifact from an OCI registry
#[derive(Args)]
pub struct Pull {
    /// Reference of the artifact
    #[arg(value_name = "REGISTRY/NAME[:TAG|@DIGEST]")]
    reference: Reference,
    /// File to write [default: the last part of NAME, with `.wasm`]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

/// How a registry is reached.
#[derive(Args)]
struct Connection {
    /// Use HTTP without encryption, as is always done for this machine
    #[arg(long)]
    plain_http: bool,
}

impl Connection {
    fn options(&self) -> Options {
        Options {
            scheme: match self.plain_http {
                true => Scheme::Http,
                false => Scheme::Auto,
            },
            ..Options::default()
        }
    }
}

impl Push {
    /// Build if there is no file, push, and print the reference with the digest.
    pub fn run(self) -> Result<()> {
        let file = match self.file {
            Some(file) => file,
            None => {
                let options = Project::find()?.build_options()?;
                infer_pack::build(&options, &Terminal::new())?.composed
            }
        };
        let component =
            std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let annotations: BTreeMap<String, String> = self.annotations.into_iter().collect();
        let mut transfer = Transfer::new("pushing");
        let pushed = infer_oci::push(
            &self.reference,
            &component,
            &annotations,
            &self.connection.options(),
            &mut |done, total| transfer.update(done, total),
        )?;
        transfer.end();
        match pushed.uploaded {
            0 => println!("the registry already has it"),
            bytes => println!("uploaded {}", size(bytes)),
        }
        println!("pushed {}", pushed.reference);
        Ok(())
    }
}

impl Pull {
    /// Pull, and print the file.
    pub fn run(self) -> Result<()> {
        let output = self.output.unwrap_or_else(|| {
            let name = self.reference.name();
            format!("{}.wasm", name.rsplit('/').next().unwrap_or(name)).into()
        });
        let mut transfer = Transfer::new("pulling");
        let pulled = infer_oci::pull_to_file(
            &self.reference,
            &output,
            &self.connection.options(),
            &mut |done, total| transfer.update(done, total),
        )?;
        transfer.end();
        println!(
            "pulled {}\nwrote {}, {}",
            pulled.reference,
            output.display(),
            size(pulled.size)
        );
        Ok(())
    }
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected a key, `=` and a value".to_owned()),
    }
}
