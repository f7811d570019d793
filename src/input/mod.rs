//! Request bodies before a model sees them: images, sounds, texts, multipart forms, and the kind of a body.

pub mod accepts;
pub mod body;
pub mod content;
pub mod encoded;
pub mod form;
pub mod image;
pub mod images;
pub mod multipart;
pub mod sound;
pub mod sounds;
pub mod table;
pub mod text;
