//! Request bodies before a model sees them: images, texts, multipart forms, and the kind of a body.

pub mod accepts;
pub mod body;
pub mod image;
pub mod images;
pub mod multipart;
pub mod text;
