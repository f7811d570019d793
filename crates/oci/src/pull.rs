//! Pulling a component.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use ureq::http::header::ACCEPT;
use ureq::http::{Method, StatusCode};

use crate::Progress;
use crate::artifact::{
    Config, DOCKER_LIST, DOCKER_MANIFEST, Descriptor, INDEX, Kind, MANIFEST, Manifest, WASM_LAYER,
};
use crate::client::{Action, Client, Request};
use crate::component::check_head;
use crate::digest::{Digest, printable};
use crate::error::PullError;
use crate::options::Options;
use crate::push::DIGEST_HEADER;
use crate::reference::Reference;
use crate::response::{self, CopyError};

/// The size limit of manifests, in bytes. Registries have the same.
const MAX_MANIFEST: u64 = 4 << 20;

/// The size limit of configs, in bytes.
const MAX_CONFIG: u64 = 4 << 20;

/// A pulled component.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pulled {
    /// The reference with the manifest's digest, which always names this artifact.
    pub reference: Reference,
    /// The manifest's digest.
    pub digest: Digest,
    /// The component's size in bytes.
    pub size: u64,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Pull a component into memory.
///
/// # Errors
/// If a request fails, the artifact is no component or larger than the limit, or a digest does not match.
pub fn pull(
    reference: &Reference,
    options: &Options,
    progress: Progress<'_>,
) -> Result<(Pulled, Vec<u8>), PullError> {
    let mut component = Vec::new();
    let found = Found::find(reference, options)?;
    let pulled = found.read(&mut component, Path::new("memory"), progress)?;
    Ok((pulled, component))
}

/// Pull a component into the file at `path`, which is replaced once all bytes are there and have their digest.
///
/// # Errors
/// The errors of [`pull`], and if the file cannot be written.
pub fn pull_to_file(
    reference: &Reference,
    path: &Path,
    options: &Options,
    progress: Progress<'_>,
) -> Result<Pulled, PullError> {
    let found = Found::find(reference, options)?;
    let failed = |error| PullError::File {
        path: path.to_owned(),
        error,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The process's mask applies, as to any new file. A temporary file is otherwise readable by its owner alone.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder
        .prefix(".pull-")
        .tempfile_in(folder)
        .map_err(failed)?;
    let pulled = found.read(&mut file, path, progress)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(pulled)
}

/// An artifact whose manifest and config were checked.
struct Found<'a> {
    client: Client<'a>,
    reference: &'a Reference,
    manifest: Manifest,
    digest: Digest,
    layer: Descriptor,
    layer_digest: Digest,
}

impl<'a> Found<'a> {
    /// Read and check the manifest and the config.
    fn find(reference: &'a Reference, options: &'a Options) -> Result<Self, PullError> {
        let mut client = Client::new(reference, Action::Pull, options)?;
        let (manifest, digest) = manifest(&mut client, reference)?;
        let (config, layer) = parts(&manifest, reference)?;
        if layer.size > options.max_size {
            return Err(PullError::TooLarge {
                reference: reference.to_string(),
                size: layer.size,
                limit: options.max_size,
            });
        }
        let layer_digest = layer_digest(&layer, reference, "manifest")?;
        check_config(&mut client, reference, &config, &layer_digest)?;
        Ok(Self {
            client,
            reference,
            manifest,
            digest,
            layer,
            layer_digest,
        })
    }

    /// Copy the component into `writer`, whose path is for messages.
    fn read(
        mut self,
        writer: &mut dyn Write,
        path: &Path,
        progress: Progress<'_>,
    ) -> Result<Pulled, PullError> {
        let subject = "the component";
        let url = self.client.url(&format!("blobs/{}", self.layer_digest))?;
        let request = Request::new(Method::GET, url, subject);
        let answer = self.client.send(&request, &mut |_, _| {})?;
        if answer.response.status() != StatusCode::OK {
            return Err(response::unexpected(&self.client, answer, subject).into());
        }
        let mut writer = Headed {
            head: Vec::with_capacity(HEAD_BYTES),
            writer,
        };
        response::copy(
            answer,
            self.layer.size,
            &self.layer_digest,
            subject,
            &mut writer,
            progress,
        )
        .map_err(|error| match error {
            CopyError::Registry(error) => PullError::Registry(error),
            CopyError::Write(error) => PullError::File {
                path: path.to_owned(),
                error,
            },
        })?;
        check_head(&writer.head).map_err(|problem| PullError::NotAComponent {
            reference: self.reference.to_string(),
            problem,
        })?;
        Ok(Pulled {
            reference: self.reference.with_digest(self.digest.clone()),
            digest: self.digest,
            size: self.layer.size,
            annotations: self.manifest.annotations.unwrap_or_default(),
        })
    }
}

/// Pull the manifest and check its digest.
fn manifest(
    client: &mut Client<'_>,
    reference: &Reference,
) -> Result<(Manifest, Digest), PullError> {
    let subject = format!("`{}`", reference);
    let url = client.url(&format!("manifests/{}", reference.selector()))?;
    let accept = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(", ");
    let request = Request {
        headers: vec![(ACCEPT, &accept)],
        ..Request::new(Method::GET, url, &subject)
    };
    let answer = client.send(&request, &mut |_, _| {})?;
    if answer.response.status() != StatusCode::OK || response::is_html(&answer.response) {
        return Err(response::unexpected(client, answer, &subject).into());
    }
    let announced = response::header(&answer.response, &DIGEST_HEADER)
        .and_then(|digest| digest.parse::<Digest>().ok());
    let body = response::read(answer, MAX_MANIFEST, "the manifest")?;
    let digest = Digest::of(&body);
    for expected in reference.digest().into_iter().chain(&announced) {
        response::check("the manifest", digest.clone(), expected)?;
    }
    let malformed = |problem: String| PullError::Malformed {
        document: "manifest",
        reference: reference.to_string(),
        problem,
    };
    let manifest: Manifest =
        serde_json::from_slice(&body).map_err(|error| malformed(printable(&error.to_string())))?;
    if manifest.schema_version != 2 {
        let version = manifest.schema_version;
        return Err(malformed(format!(
            "`schemaVersion` is {version}, expected 2"
        )));
    }
    Ok((manifest, digest))
}

/// The config and the layer of a component's manifest.
fn parts(
    manifest: &Manifest,
    reference: &Reference,
) -> Result<(Descriptor, Descriptor), PullError> {
    let text = reference.to_string();
    match manifest.kind() {
        Kind::Wasm => {}
        Kind::ContainerImage => return Err(PullError::ContainerImage(text)),
        Kind::SpinApplication => return Err(PullError::SpinApplication(text)),
        Kind::Index => return Err(PullError::Index(text)),
        Kind::Other(media_type) => {
            return Err(PullError::OtherArtifact {
                reference: text,
                media_type: printable(&media_type),
            });
        }
    }
    let (Some(config), [layer]) = (&manifest.config, &*manifest.layers) else {
        return Err(PullError::Layers {
            reference: text,
            count: manifest.layers.len(),
        });
    };
    if layer.media_type != WASM_LAYER {
        return Err(PullError::LayerType {
            reference: text,
            media_type: printable(&layer.media_type),
        });
    }
    Ok((config.clone(), layer.clone()))
}

/// A descriptor's digest.
fn layer_digest(
    descriptor: &Descriptor,
    reference: &Reference,
    document: &'static str,
) -> Result<Digest, PullError> {
    descriptor
        .digest
        .parse()
        .map_err(|error| PullError::Malformed {
            document,
            reference: reference.to_string(),
            problem: format!("{error}"),
        })
}

/// Pull the config, and check its digest, its platform and the digest that it has of the layer.
fn check_config(
    client: &mut Client<'_>,
    reference: &Reference,
    descriptor: &Descriptor,
    layer: &Digest,
) -> Result<(), PullError> {
    let subject = "the config";
    let digest = layer_digest(descriptor, reference, "manifest")?;
    let url = client.url(&format!("blobs/{digest}"))?;
    let answer = client.send(&Request::new(Method::GET, url, subject), &mut |_, _| {})?;
    if answer.response.status() != StatusCode::OK {
        return Err(response::unexpected(client, answer, subject).into());
    }
    let body = response::read(answer, MAX_CONFIG.min(descriptor.size), subject)?;
    response::check(subject, Digest::of(&body), &digest)?;
    let malformed = |problem: String| PullError::Malformed {
        document: "config",
        reference: reference.to_string(),
        problem,
    };
    let config: Config =
        serde_json::from_slice(&body).map_err(|error| malformed(printable(&error.to_string())))?;
    if config.architecture != "wasm" || config.os != "wasip2" {
        return Err(PullError::Platform {
            reference: reference.to_string(),
            os: printable(&config.os),
            architecture: printable(&config.architecture),
        });
    }
    match &*config.layer_digests {
        [] => Ok(()),
        [digest] if digest == layer.as_str() => Ok(()),
        digests => Err(malformed(format!(
            "`layerDigests` is `{}`, expected `{layer}`, the manifest's layer",
            printable(&digests.join(", "))
        ))),
    }
}

/// The number of bytes that tell a component from other files.
const HEAD_BYTES: usize = 64;

/// A writer that keeps the first bytes.
struct Headed<'a> {
    head: Vec<u8>,
    writer: &'a mut dyn Write,
}

impl Write for Headed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.writer.write(bytes)?;
        let missing = HEAD_BYTES.saturating_sub(self.head.len()).min(count);
        self.head.extend_from_slice(&bytes[..missing]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
