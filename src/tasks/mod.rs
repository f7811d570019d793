//! Tasks: what a model's outputs mean, and what a response makes of them.
//!
//! Each folder is one task. It implements [`Pipeline`], and [`pipeline()`] registers it. A model's entry in
//! the catalog holds its pipeline as a pointer, so that a snapshot contains the code of the tasks that its
//! models have, and no other.

pub mod classification;
pub mod embedding;
pub mod parameters;
mod pipeline;
mod tensors;
mod texts;

use std::rc::Rc;

use infer_model_card::{Labels, ModelCard, Task};

pub use pipeline::{
    Call, Inputs, NamedTensors, Outcome, Outputs, Pipeline, Runner, Schema, Wanted,
};

/// The pipeline of a model, by the task of its card. Called before the snapshot only.
#[must_use]
pub fn pipeline(card: &ModelCard, labels: Labels) -> Rc<dyn Pipeline> {
    match card.task.clone() {
        Task::Classification(spec) => Rc::new(classification::Classifier::new(spec, labels)),
        Task::Embedding(spec) => Rc::new(embedding::Embedder::new(spec)),
        Task::Tensors(_) => Rc::new(tensors::Tensors),
    }
}
