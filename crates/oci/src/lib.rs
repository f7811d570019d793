//! Pushes WebAssembly components to OCI registries and pulls them.
//!
//! The wire form is CNCF's [Wasm OCI artifact layout][layout]: an image manifest whose config has the media type
//! `application/vnd.wasm.config.v0+json`, with one layer of type `application/wasm`. Other tools that read this layout
//! can pull what [`push`] wrote. The requests are those of the OCI distribution specification 1.1.
//!
//! All functions block. Every wait has a timeout ([`Options`]), and everything that a registry sends has a size limit.
//! Credentials go to the registry and to the token service that it names, over HTTPS, and to no other host.
//!
//! [layout]: https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/

mod artifact;
mod client;
mod component;
mod credentials;
mod digest;
mod error;
mod options;
mod pull;
mod push;
mod reference;
mod response;
mod token;

pub use component::NotAComponent;
pub use credentials::{Credentials, CredentialsError};
pub use digest::{Digest, InvalidDigest};
pub use error::{PullError, RegistryError};
pub use options::{CredentialSource, Options, Scheme};
pub use pull::{Pulled, pull, pull_to_file};
pub use push::{PushError, Pushed, push};
pub use reference::{InvalidReference, Reference};

/// A function that is called while a layer is transferred, with the bytes so far and the bytes in total.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);
