//! The model card and the model repository.
//!
//! A *model repository* is a folder with one folder a model; each holds `model.onnx`, a *model card*
//! `model.toml` and, for classifiers, a list of labels. The card says what the graph takes and gives
//! ([`TensorSpec`]), how an encoded image becomes its input ([`ImageSpec`]) and how an output becomes
//! labels and scores ([`ClassificationSpec`]).
//!
//! Both sides use this crate: `pack` reads the repository when it builds, and the component `infer`
//! reads the same card texts while its memory is prepared for the snapshot. So a card that a build
//! accepts is a card that the service understands.

mod card;
mod datatype;
mod error;
mod graph;
mod keys;
mod labels;
mod name;
mod repository;

pub use card::{
    Activation, Channels, ClassificationSpec, Crop, Filter, ImageSpec, Layout, ModelCard,
    Placement, ResizeMode, TensorSpec, TensorSpecError,
};
pub use datatype::{Datatype, UnknownDatatype};
pub use error::CardError;
pub use graph::{GraphMismatch, GraphTensor};
pub use labels::{Labels, LabelsError};
pub use name::{InvalidModelName, ModelName};
pub use repository::{Model, RepositoryError, read_repository};
