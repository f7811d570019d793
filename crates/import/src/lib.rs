//! Models from elsewhere become folders of the model repository: an ONNX file, or a folder as
//! `optimum-cli export onnx` writes it and as Hugging Face's hub has it.
//!
//! [`inspect`] looks at a source as a whole, in this order:
//!
//! 1. [`source`] finds the graph and what lies beside it.
//! 2. [`graph`] reads what the graph declares and runs it once, in the engine.
//! 3. [`processor`] reads how images are prepared, [`text`] how texts are, [`labels`] what the classes
//!    are called; `tensors` finds the inputs and outputs that these are of.
//! 4. [`card`] writes the model card, with comments.
//!
//! [`add`] puts everything into the repository, after all of it has succeeded.

pub mod add;
pub mod card;
pub mod graph;
mod guard;
pub mod inspect;
pub mod labels;
pub mod processor;
pub mod source;
mod tasks;
mod tensors;
pub mod text;

pub use add::{AddError, add};
pub use inspect::{Found, InspectError, Options, inspect};
