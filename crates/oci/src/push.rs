//! Pushing a component.

use std::collections::BTreeMap;
use std::time::SystemTime;

use ureq::http::header::{CONTENT_TYPE, HeaderName, LOCATION};
use ureq::http::{Method, StatusCode};
use url::Url;

use crate::Progress;
use crate::artifact::{Config, Descriptor, MANIFEST, Manifest, WASM_CONFIG, WASM_LAYER};
use crate::client::{Action, Answer, Client, Request, host};
use crate::component::{self, NotAComponent};
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::options::Options;
use crate::reference::Reference;
use crate::response;

/// The header with the digest of a manifest or blob (distribution-spec, "Pushing manifests").
pub(crate) const DIGEST_HEADER: HeaderName = HeaderName::from_static("docker-content-digest");

/// A component was not pushed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The bytes are not a component.
    #[error(transparent)]
    NotAComponent(#[from] NotAComponent),
    /// The reference has a digest, which follows from what is pushed.
    #[error("`{0}` has a digest, expected a tag: the digest follows from the component")]
    DigestReference(String),
    /// The manifest could not be written as JSON.
    #[error("cannot write the manifest: {0}")]
    Json(serde_json::Error),
    /// A request failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// A pushed component.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// The reference with the manifest's digest, which always names this artifact.
    pub reference: Reference,
    /// The manifest's digest.
    pub digest: Digest,
    /// The uploaded bytes: 0 if the registry already has the artifact under this tag.
    pub uploaded: u64,
}

/// Push `component` to the tag of `reference`, which replaces an artifact of that tag.
///
/// The annotations become the manifest's; image-spec lists keys such as `org.opencontainers.image.source`. The config's
/// creation time is the start of 1970, so that equal bytes and annotations have an equal digest. What the registry has is
/// not uploaded again.
///
/// # Errors
/// If the bytes are not a component, the reference has a digest, or a request fails.
pub fn push(
    reference: &Reference,
    component: &[u8],
    annotations: &BTreeMap<String, String>,
    options: &Options,
    progress: Progress<'_>,
) -> Result<Pushed, PushError> {
    let interface = component::interface(component)?;
    let Some(tag) = reference.tag().filter(|_| reference.digest().is_none()) else {
        return Err(PushError::DigestReference(reference.to_string()));
    };
    let layer_digest = Digest::of(component);
    let config = Config::of(interface, &layer_digest, None, SystemTime::UNIX_EPOCH);
    let config = serde_json::to_vec(&config).map_err(PushError::Json)?;
    let config_digest = Digest::of(&config);
    let manifest = Manifest::of(
        descriptor(WASM_CONFIG, &config_digest, &config),
        descriptor(WASM_LAYER, &layer_digest, component),
        annotations,
    );
    let manifest = serde_json::to_vec(&manifest).map_err(PushError::Json)?;
    let digest = Digest::of(&manifest);

    let mut client = Client::new(reference, Action::Push, options)?;
    let mut uploaded = 0;
    if push_blob(
        &mut client,
        component,
        &layer_digest,
        "the component",
        progress,
    )? {
        uploaded += component.len() as u64;
    }
    let silent: Progress<'_> = &mut |_, _| {};
    if push_blob(&mut client, &config, &config_digest, "the config", silent)? {
        uploaded += config.len() as u64;
    }
    if push_manifest(&mut client, tag, &manifest, &digest)? {
        uploaded += manifest.len() as u64;
    }
    Ok(Pushed {
        reference: reference.with_digest(digest.clone()),
        digest,
        uploaded,
    })
}

fn descriptor(media_type: &str, digest: &Digest, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_string(),
        size: bytes.len() as u64,
    }
}

/// Upload a blob unless the registry has it. Returns whether it was uploaded.
fn push_blob(
    client: &mut Client<'_>,
    bytes: &[u8],
    digest: &Digest,
    subject: &str,
    progress: Progress<'_>,
) -> Result<bool, RegistryError> {
    let url = client.url(&format!("blobs/{digest}"))?;
    let answer = client.send(&Request::new(Method::HEAD, url, subject), &mut |_, _| {})?;
    match answer.response.status() {
        StatusCode::OK => return Ok(false),
        StatusCode::TOO_MANY_REQUESTS => {
            return Err(response::unexpected(client, answer, subject));
        }
        // Some registries reject the question for an unknown repository with other statuses. The response to the upload
        // has a message, which the one to HEAD cannot have.
        status if status.is_client_error() => {}
        _ => return Err(response::unexpected(client, answer, subject)),
    }
    let url = upload_url(client, digest)?;
    let request = Request {
        headers: vec![(CONTENT_TYPE, "application/octet-stream")],
        body: Some(bytes),
        ..Request::new(Method::PUT, url, subject)
    };
    let answer = client.send(&request, progress)?;
    if answer.response.status() != StatusCode::CREATED {
        return Err(response::unexpected(client, answer, subject));
    }
    check_header(&answer, digest, subject)?;
    Ok(true)
}

/// Begin an upload. Returns the URL to which the blob goes (distribution-spec, "POST then PUT").
fn upload_url(client: &mut Client<'_>, digest: &Digest) -> Result<Url, RegistryError> {
    let subject = &format!("the repository `{}`", client.name);
    let url = client.url("blobs/uploads/")?;
    let request = Request {
        body: Some(&[]),
        ..Request::new(Method::POST, url, subject)
    };
    let answer = client.send(&request, &mut |_, _| {})?;
    if answer.response.status() != StatusCode::ACCEPTED {
        return Err(response::unexpected(client, answer, subject));
    }
    let invalid = |problem: String| RegistryError::NotARegistry {
        host: host(&answer.url),
        problem: format!("it accepts an upload, but {problem}"),
    };
    let location = response::header(&answer.response, &LOCATION)
        .ok_or_else(|| invalid("its response has no `Location`".to_owned()))?;
    let mut url = answer
        .url
        .join(&location)
        .map_err(|error| invalid(format!("its `Location` is no URL ({error})")))?;
    if let Some(problem) = client.insecure(&url, answer.url.scheme()) {
        return Err(invalid(format!("its `Location` is insecure: {problem}")));
    }
    url.query_pairs_mut().append_pair("digest", digest.as_str());
    Ok(url)
}

/// Write the manifest to the tag unless the tag has it. Returns whether it was written.
fn push_manifest(
    client: &mut Client<'_>,
    tag: &str,
    manifest: &[u8],
    digest: &Digest,
) -> Result<bool, RegistryError> {
    let subject = "the manifest";
    let url = client.url(&format!("manifests/{tag}"))?;
    let request = Request {
        headers: vec![(ureq::http::header::ACCEPT, MANIFEST)],
        ..Request::new(Method::HEAD, url.clone(), subject)
    };
    let answer = client.send(&request, &mut |_, _| {})?;
    let current = response::header(&answer.response, &DIGEST_HEADER);
    if answer.response.status() == StatusCode::OK && current.as_deref() == Some(digest.as_str()) {
        return Ok(false);
    }
    let request = Request {
        headers: vec![(CONTENT_TYPE, MANIFEST)],
        body: Some(manifest),
        ..Request::new(Method::PUT, url, subject)
    };
    let answer = client.send(&request, &mut |_, _| {})?;
    if answer.response.status() != StatusCode::CREATED {
        return Err(response::unexpected(client, answer, subject));
    }
    check_header(&answer, digest, subject)?;
    Ok(true)
}

/// Check the digest that the registry computed, if it tells it.
fn check_header(answer: &Answer, digest: &Digest, subject: &str) -> Result<(), RegistryError> {
    match response::header(&answer.response, &DIGEST_HEADER) {
        Some(got) if got != digest.as_str() => Err(RegistryError::WrongDigest {
            subject: subject.to_owned(),
            got: crate::digest::printable(&got),
            expected: digest.clone(),
        }),
        _ => Ok(()),
    }
}
