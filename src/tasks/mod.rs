//! A folder for each task: how the outputs of a model become what the task answers.

pub mod classification;
pub mod embedding;
