//! The model card and the model repository.
//!
//! A *model repository* is a folder with one folder per model, or one folder per version in it. Each holds
//! `model.onnx`, a *model card* `model.toml` and, for classifiers, a list of labels. The card declares:
//!
//! - the graph's inputs and outputs ([`TensorSpec`]);
//! - how an encoded image ([`ImageSpec`]), an encoded sound ([`AudioSpec`]) or a text ([`TextSpec`]) becomes its inputs;
//! - the meaning of its outputs ([`Task`]);
//! - settings of native backends ([`Precision`], [`BatchingSpec`]).
//!
//! Both sides use this crate: `pack` reads the repository at build time, and the component `infer` parses the
//! same card texts before its snapshot. So the service understands every card that a build accepts.

mod audio;
mod card;
mod error;
mod graph;
mod image;
mod keys;
mod labels;
mod name;
mod native;
mod repository;
mod table;
mod tasks;
mod text;

pub use audio::{AudioFeatures, AudioSpec};
pub use card::{MemorySpec, ModelCard, Placement, TensorSpec, TensorSpecError};
pub use error::CardError;
pub use graph::GraphMismatch;
pub use image::{Alpha, Channels, Crop, Filter, ImageSpec, Layout, ResizeMode};
pub use labels::{Labels, LabelsError};
pub use name::{InvalidModelName, ModelId, ModelName};
pub use native::{BatchingSpec, Precision};
pub use repository::{Model, RepositoryError, read_repository, read_repository_without};
pub use table::TableSpec;
pub use tasks::{
    Activation, AggregationStrategy, ClassificationSpec, DepthSpec, DetectionForm, DetectionSpec,
    EmbeddingSpec, FillMaskSpec, ImageEmbeddingSpec, MAX_DETECTIONS, Pooling,
    QuestionAnsweringSpec, RankingSpec, RegressionSpec, SegmentationSpec, SparseEmbeddingSpec,
    State, Task, TensorsSpec, TokenClassificationSpec, TranscriptionSpec, VoiceActivitySpec,
    ZeroShotImageSpec, ZeroShotSpec,
};
pub use text::{Side, TextSpec, TokenInput};
