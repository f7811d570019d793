//! Tasks: what a model's outputs mean, and what a response makes of them.
//!
//! Each folder is one task. It implements [`Pipeline`], and [`pipeline()`] registers it. A model's entry in
//! the catalog holds its pipeline as a pointer, so that a snapshot contains the code of the tasks that its
//! models have, and no other.

pub mod classification;
mod depth;
mod detection;
mod drawing;
pub mod embedding;
mod fill_mask;
mod image_embedding;
mod masks;
pub mod parameters;
mod parts;
mod pictures;
mod pipeline;
mod question_answering;
mod ranking;
mod regression;
mod rows;
pub mod scores;
mod segmentation;
mod sparse_embedding;
mod tensors;
mod texts;
mod token_classification;
mod transcription;
mod voice_activity;
mod zero_shot;
mod zero_shot_image;

use std::rc::Rc;

use infer_model_card::{Labels, ModelCard, Task};

pub use pipeline::{
    Call, Hints, Inputs, NamedTensors, Outcome, Outputs, Pipeline, Runner, Schema, Wanted,
};

/// The pipeline of a model, by the task of its card. Called before the snapshot only.
#[must_use]
pub fn pipeline(card: &ModelCard, labels: Labels) -> Rc<dyn Pipeline> {
    let rate_hz = card.audio.as_ref().map_or(1, |audio| audio.rate_hz);
    match card.task.clone() {
        Task::Classification(spec) => Rc::new(classification::Classifier::new(spec, labels)),
        Task::Embedding(spec) => Rc::new(embedding::Embedder::new(spec)),
        Task::Regression(spec) => Rc::new(regression::Regressor::new(spec)),
        Task::ImageEmbedding(spec) => Rc::new(image_embedding::ImageEmbedder::new(spec)),
        Task::Detection(spec) => Rc::new(detection::Detector::new(spec, labels)),
        Task::Segmentation(spec) => Rc::new(segmentation::Segmenter::new(spec, labels)),
        Task::Depth(spec) => Rc::new(depth::Mapper::new(spec)),
        Task::ZeroShotImage(spec) => Rc::new(zero_shot_image::ZeroShotImages::new(spec, &labels)),
        Task::TokenClassification(spec) => {
            Rc::new(token_classification::Tagger::new(spec, labels, card))
        }
        Task::Ranking(spec) => Rc::new(ranking::Ranker::new(spec)),
        Task::QuestionAnswering(spec) => Rc::new(question_answering::Reader::new(spec, card)),
        Task::ZeroShot(spec) => Rc::new(zero_shot::ZeroShot::new(spec, &labels)),
        Task::FillMask(spec) => Rc::new(fill_mask::MaskFiller::new(spec, card)),
        Task::SparseEmbedding(spec) => Rc::new(sparse_embedding::SparseEmbedder::new(spec)),
        Task::Tensors(_) => Rc::new(tensors::Tensors),
        Task::Transcription(spec) => {
            Rc::new(transcription::Transcriber::new(spec, &labels, rate_hz))
        }
        Task::VoiceActivity(spec) => Rc::new(voice_activity::Listener::new(spec, rate_hz)),
    }
}
