//! Embedding: one vector for each text.

pub mod pooling;
