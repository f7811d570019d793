//! The documents of an artifact: manifest and config.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::component::Interface;
use crate::digest::Digest;

/// The media type of image-spec's manifests.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of image-spec's indexes.
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of Docker's manifests.
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The media type of Docker's manifest lists.
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The media type of a component's config.
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The media type of a component.
pub(crate) const WASM_LAYER: &str = "application/wasm";

/// A container image's configs.
const IMAGE_CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// A part of the media types of Spin's applications, config or layer.
const SPIN: &str = ".spin.application.";

/// A reference to a blob (image-spec, "Content Descriptors").
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
}

/// A manifest (image-spec, "Image Manifest Specification"). All members but the version are optional, so that any
/// document which is a manifest or an index can be told from one that is neither.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<Descriptor>,
    #[serde(default)]
    pub(crate) layers: Vec<Descriptor>,
    /// An index has these in place of config and layers.
    #[serde(default, skip_serializing)]
    pub(crate) manifests: Option<Vec<Descriptor>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

impl Manifest {
    /// The manifest of a component.
    pub(crate) fn of(
        config: Descriptor,
        layer: Descriptor,
        annotations: &BTreeMap<String, String>,
    ) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MANIFEST.to_owned()),
            artifact_type: None,
            config: Some(config),
            layers: vec![layer],
            manifests: None,
            annotations: (!annotations.is_empty()).then(|| annotations.clone()),
        }
    }

    /// The kind of artifact, from its media types.
    pub(crate) fn kind(&self) -> Kind {
        if self.manifests.is_some() {
            return Kind::Index;
        }
        let config = self.config.as_ref().map(|config| &*config.media_type);
        let layers = self.layers.iter().map(|layer| &*layer.media_type);
        let types = config
            .into_iter()
            .chain(self.artifact_type.as_deref())
            .chain(layers);
        if types
            .into_iter()
            .any(|media_type| media_type.contains(SPIN))
        {
            return Kind::SpinApplication;
        }
        match config {
            Some(WASM_CONFIG) => Kind::Wasm,
            Some(config) if IMAGE_CONFIGS.contains(&config) => Kind::ContainerImage,
            Some("") | None => Kind::Other("none".to_owned()),
            Some(config) => Kind::Other(self.artifact_type.as_deref().unwrap_or(config).to_owned()),
        }
    }
}

/// The kind of an artifact.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Wasm,
    ContainerImage,
    SpinApplication,
    Index,
    /// Anything else, by its artifact type or else its config's media type.
    Other(String),
}

/// A component's config (the layout's section "Config.mediaType").
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) created: String,
    pub(crate) architecture: String,
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) layer_digests: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) component: Option<Component>,
}

/// The component's description in a config.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Component {
    #[serde(flatten)]
    pub(crate) interface: Interface,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
}

impl Config {
    /// The config of a component whose layer has the digest `layer`.
    pub(crate) fn of(
        interface: Interface,
        layer: &Digest,
        target: Option<String>,
        created: SystemTime,
    ) -> Self {
        Self {
            created: jiff::Timestamp::try_from(created)
                .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
                .to_string(),
            architecture: "wasm".to_owned(),
            os: "wasip2".to_owned(),
            layer_digests: vec![layer.to_string()],
            component: Some(Component { interface, target }),
        }
    }
}
