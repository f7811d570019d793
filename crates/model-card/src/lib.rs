//! The model card and the model repository.
//!
//! A *model repository* is a folder with one folder a model, or one a version in it; each holds
//! `model.onnx`, a *model card* `model.toml` and, for classifiers, a list of labels. The card says what
//! the graph takes and gives ([`TensorSpec`]), how an encoded image becomes its input ([`ImageSpec`]), how
//! a text does ([`TextSpec`]), how an output becomes labels and scores ([`ClassificationSpec`]) or one
//! vector ([`EmbeddingSpec`]), and what a native backend may do to be faster ([`Precision`],
//! [`BatchingSpec`]).
//!
//! Both sides use this crate: `pack` reads the repository when it builds, and the component `infer`
//! reads the same card texts while its memory is prepared for the snapshot. So a card that a build
//! accepts is a card that the service understands.

mod card;
mod classification;
mod error;
mod graph;
mod image;
mod keys;
mod labels;
mod name;
mod native;
mod repository;
mod runtime;
mod text;

pub use card::{ModelCard, Placement, TensorSpec, TensorSpecError};
pub use classification::{Activation, ClassificationSpec};
pub use error::CardError;
pub use graph::GraphMismatch;
pub use image::{Channels, Crop, Filter, ImageSpec, Layout, ResizeMode};
pub use infer_tensor::Datatype;
pub use labels::{Labels, LabelsError};
pub use name::{InvalidModelName, ModelId, ModelName};
pub use native::{BatchingSpec, Precision};
pub use repository::{Model, RepositoryError, read_repository};
pub use runtime::RuntimeChoice;
pub use text::{EmbeddingSpec, Pooling, Side, TextSpec, TokenInput};
