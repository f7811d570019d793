//! What kind a body is: by its `Content-Type`, or by its first bytes where that says nothing.

use crate::error::{ApiError, listed, quoted};
use crate::image;
use crate::json;
use crate::media::MediaType;
use crate::models::Model;
use crate::multipart;
use crate::npy;
use crate::raw;
use crate::request::Head;

/// A body's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// An encoded image of any format.
    Image,
    /// `multipart/form-data` with this boundary: one image a part.
    Multipart(String),
    /// `application/x-npy`: one NumPy array.
    Npy,
    /// `application/json`
    Json,
    /// One raw tensor.
    Raw,
}

/// What `Content-Type` says of a body, before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// This kind.
    Kind(BodyKind),
    /// Bytes: the first of them decide.
    Bytes,
}

/// What a request declares its body to be.
///
/// # Errors
/// 415 for a media type that the model does not take, naming those that it takes.
pub fn declared(head: &Head, model: &Model) -> Result<Declared, ApiError> {
    let Some(header) = head.header("content-type") else {
        return Ok(Declared::Bytes);
    };
    let media_type = MediaType::parse(header);
    let media_type = media_type.as_ref().map(MediaType::as_str);
    let is_image = |name: &str| {
        image::Format::ALL
            .iter()
            .any(|format| format.media_type() == name)
    };
    match media_type {
        // The second is curl's, whatever the body is.
        Some("application/octet-stream" | "application/x-www-form-urlencoded") => {
            Ok(Declared::Bytes)
        }
        Some("application/json") => Ok(Declared::Kind(BodyKind::Json)),
        Some("application/x-npy") if model.card.inputs.len() == 1 => {
            Ok(Declared::Kind(BodyKind::Npy))
        }
        Some("multipart/form-data") if model.takes_images() => {
            let boundary = multipart::boundary(header)?;
            Ok(Declared::Kind(BodyKind::Multipart(boundary)))
        }
        // `image/jpg` is no media type, but it is what many clients send.
        Some(name) if (is_image(name) || name == "image/jpg") && model.takes_images() => {
            Ok(Declared::Kind(BodyKind::Image))
        }
        _ => Err(not_taken(model, &quoted(header))),
    }
}

/// Check that a body may be JSON. curl and clients of Triton often do not say what theirs is.
///
/// # Errors
/// 415 for any other media type.
pub fn expect_json(head: &Head) -> Result<(), ApiError> {
    let Some(header) = head.header("content-type") else {
        return Ok(());
    };
    let media_type = MediaType::parse(header);
    match media_type.as_ref().map(MediaType::as_str) {
        Some(
            "application/json" | "application/octet-stream" | "application/x-www-form-urlencoded",
        ) => Ok(()),
        _ => Err(ApiError::unsupported_media_type(format!(
            "{} is not taken here, expected `application/json`; `/infer` takes images and arrays",
            quoted(header)
        ))),
    }
}

/// The kind of a body that is declared as bytes.
///
/// # Errors
/// 415 for an image that the model does not take.
pub fn sniff(body: &[u8], model: &Model) -> Result<BodyKind, ApiError> {
    if let Some(format) = image::sniff(body) {
        if model.takes_images() {
            return Ok(BodyKind::Image);
        }
        // A raw tensor of just that length, by chance? Then it is taken for one.
        if raw::decode(body.to_vec(), &model.card).is_err() {
            return Err(not_taken(model, &format!("`{}`", format.media_type())));
        }
    }
    if body.starts_with(npy::MAGIC) {
        return Ok(BodyKind::Npy);
    }
    if json::begins(body) && (json::is_well_formed(body) || !raw::is_possible(&model.card)) {
        return Ok(BodyKind::Json);
    }
    if !raw::is_possible(&model.card) && model.takes_images() {
        return Ok(BodyKind::Image);
    }
    Ok(BodyKind::Raw)
}

fn not_taken(model: &Model, what: &str) -> ApiError {
    ApiError::unsupported_media_type(format!(
        "model `{}` does not take {what}; it takes {}",
        model.name,
        listed(model.media_types(), "and")
    ))
}
