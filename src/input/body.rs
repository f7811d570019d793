//! What kind a body is: by its `Content-Type`, or by its first bytes where that says nothing.

use crate::catalog::Model;
use crate::http::error::{ApiError, listed, quoted};
use crate::http::media_type::MediaType;
use crate::http::request::Head;
use crate::input::image;
use crate::input::multipart;
use crate::tensor::json;
use crate::tensor::npy;
use crate::tensor::raw;

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
    /// `text/plain` in UTF-8.
    Text,
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
        Some("text/plain") if model.text.is_some() => {
            text_charset(header)?;
            Ok(Declared::Kind(BodyKind::Text))
        }
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
    if json::begins(body) && (json::is_well_formed(body) || is_broken_json(body, model)) {
        return Ok(BodyKind::Json);
    }
    if model.text.is_some() && (!raw::is_possible(&model.card) || is_text(body)) {
        return Ok(BodyKind::Text);
    }
    if !raw::is_possible(&model.card) && model.takes_images() {
        return Ok(BodyKind::Image);
    }
    Ok(BodyKind::Raw)
}

/// Whether a body that begins like JSON, but is none, was meant to be: nothing else that the model takes
/// begins so. Texts do, but not as objects do.
fn is_broken_json(body: &[u8], model: &Model) -> bool {
    let after = body.trim_ascii_start().strip_prefix(b"{");
    let begins_object = after.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""));
    !raw::is_possible(&model.card) && (model.text.is_none() || begins_object)
}

/// Whether bytes are what people call text: UTF-8 without the control characters that tensors are full of.
fn is_text(body: &[u8]) -> bool {
    let is_control = |c: char| c.is_control() && !c.is_whitespace();
    std::str::from_utf8(body).is_ok_and(|text| !text.contains(is_control))
}

/// Check that a text is declared to be UTF-8, or nothing.
fn text_charset(content_type: &str) -> Result<(), ApiError> {
    let charset = content_type
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim().trim_matches('"'));
    match charset {
        None => Ok(()),
        Some(name) if ["utf-8", "utf8", "us-ascii"].contains(&&*name.to_ascii_lowercase()) => {
            Ok(())
        }
        Some(name) => Err(ApiError::unsupported_media_type(format!(
            "the text's charset is {}, expected utf-8",
            quoted(name)
        ))),
    }
}

fn not_taken(model: &Model, what: &str) -> ApiError {
    ApiError::unsupported_media_type(format!(
        "model `{}` does not take {what}; it takes {}",
        model.name,
        listed(model.media_types(), "and")
    ))
}
