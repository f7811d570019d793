//! References to artifacts: `REGISTRY[:PORT]/NAME[:TAG|@DIGEST]`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::digest::{Digest, InvalidDigest};

/// The tag of a reference that names neither tag nor digest.
const DEFAULT_TAG: &str = "latest";

/// The length limit of a repository's name, in bytes (distribution-spec, "Pulling manifests").
const MAX_NAME: usize = 255;

/// The length limit of a tag, in bytes (distribution-spec, "Pulling manifests").
const MAX_TAG: usize = 128;

/// A text that is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidReference {
    /// The text begins with a scheme.
    #[error("`{0}` begins with a scheme, expected `REGISTRY/NAME:TAG` without one")]
    Scheme(String),
    /// The text does not begin with a registry. There is no default registry.
    #[error(
        "`{0}` names no registry, expected `REGISTRY/NAME:TAG` whose registry has a dot or a port, such as \
         `registry.example/digits:1` or `localhost:5000/digits:1`"
    )]
    NoRegistry(String),
    /// The registry's host or port is malformed.
    #[error("`{registry}` is not a registry: {problem}, expected `HOST` or `HOST:PORT`")]
    Registry {
        /// The registry's part of the text.
        registry: String,
        /// The problem.
        problem: &'static str,
    },
    /// The repository's name is empty or malformed.
    #[error(
        "`{0}` is not a repository name, expected at most {MAX_NAME} characters: lowercase letters and digits, \
         separated by `/`, `.`, `_`, `__` or dashes"
    )]
    Name(String),
    /// The tag is empty or malformed.
    #[error(
        "`{0}` is not a tag, expected at most {MAX_TAG} letters, digits, `_`, `.` and `-` that begin with neither \
         `.` nor `-`"
    )]
    Tag(String),
    /// The digest is malformed or not supported.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

/// A reference to an artifact in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    host: String,
    port: Option<u16>,
    name: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry's host, and its port if the reference has one. An IPv6 address is in brackets.
    #[must_use]
    pub fn registry(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The repository's name in the registry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tag. `latest` if the reference has neither tag nor digest, `None` if it has a digest only.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, Some(_)) => None,
            (None, None) => Some(DEFAULT_TAG),
        }
    }

    /// The manifest's digest. If the reference also has a tag, the digest decides what is pulled.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The reference of the manifest with `digest` in the same repository.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// The last segment of a manifest's path: the digest, or else the tag.
    pub(crate) fn selector(&self) -> &str {
        match &self.digest {
            Some(digest) => digest.as_str(),
            None => self.tag.as_deref().unwrap_or(DEFAULT_TAG),
        }
    }

    /// Whether the registry is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Whether `host` is this machine: `localhost` or a loopback address. An IPv6 address is in brackets.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry(), self.name)?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if text.contains("://") {
            return Err(InvalidReference::Scheme(text.to_owned()));
        }
        let no_registry = || InvalidReference::NoRegistry(text.to_owned());
        let (registry, rest) = text.split_once('/').ok_or_else(no_registry)?;
        let (host, port) = parse_registry(registry, no_registry)?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (rest, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (rest, None),
        };
        if !is_name(name) {
            return Err(InvalidReference::Name(name.to_owned()));
        }
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(InvalidReference::Tag(tag.to_owned()));
        }
        Ok(Self {
            host,
            port,
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

/// The host and the port. A text that could be the first part of a name is no registry, as in all tools of this kind.
fn parse_registry(
    registry: &str,
    no_registry: impl FnOnce() -> InvalidReference,
) -> Result<(String, Option<u16>), InvalidReference> {
    if !registry.contains(['.', ':', '[']) && !registry.eq_ignore_ascii_case("localhost") {
        return Err(no_registry());
    }
    let invalid = |problem| InvalidReference::Registry {
        registry: registry.to_owned(),
        problem,
    };
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (registry, None),
    };
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.strip_suffix(']').unwrap_or_default();
        if address.parse::<Ipv6Addr>().is_err() {
            return Err(invalid("it has no IPv6 address in its brackets"));
        }
    } else if host.contains(':') {
        return Err(invalid("an IPv6 address has to be in brackets"));
    } else if !host.split('.').all(is_label) {
        return Err(invalid("its host is malformed"));
    } else if host
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
        && host.parse::<Ipv4Addr>().is_err()
    {
        return Err(invalid("its host is no IPv4 address"));
    }
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        None => None,
        Some(port) => Some(
            port.parse()
                .ok()
                .filter(|number| *number > 0 && digits(port))
                .ok_or_else(|| invalid("its port is no number from 1 to 65535"))?,
        ),
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// Whether `label` is a part of a host name between dots.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether `name` matches distribution-spec's expression for repository names.
fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME && name.split('/').all(is_name_part)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_name_part(part: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separators = part.split(|char: char| char.is_ascii() && alphanumeric(char as u8));
    let edges_are_alphanumeric = part.bytes().next().is_some_and(alphanumeric)
        && part.bytes().next_back().is_some_and(alphanumeric);
    edges_are_alphanumeric
        && separators.all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(word)
        && tag
            .bytes()
            .all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}
