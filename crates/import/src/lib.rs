//! Importing models into the model repository: an ONNX file, or a folder that `optimum-cli export onnx` wrote or
//! that comes from Hugging Face's hub.
//!
//! [`inspect`] reads a source in this order:
//!
//! 1. [`source`] finds the graph and its accompanying files.
//! 2. `infer-onnx` reads the graph's declarations, and [`graph`] runs the graph in the engine on `trial_inputs`.
//! 3. [`processor`] reads the preprocessing of images, [`text`] that of texts, and [`labels`] the labels.
//!    `sound` reads the preprocessing of sounds and the vocabulary of speech.
//!    `ultralytics` reads the metadata of such files, `tensors` finds the image input, and `tasks` detects the task.
//! 4. [`card`] writes the model card, with comments.
//!
//! [`add`] writes the model into the repository after everything has succeeded.

pub mod add;
pub mod card;
pub mod graph;
mod guard;
pub mod inspect;
pub mod labels;
mod pair;
pub mod processor;
mod python;
mod sound;
pub mod source;
mod table;
mod tasks;
mod tensors;
pub mod text;
mod trial_inputs;
mod ultralytics;

pub use add::{AddError, add};
pub use inspect::{Found, InspectError, Options, inspect, inspect_declared};
