//! OpenAI's API, as far as models here can answer it.

pub mod embeddings;
pub mod models;
pub mod transcriptions;
