//! The kind of a body: by its `Content-Type`, or by its first bytes if that says nothing.

use super::accepts::Accepts;
use crate::http::error::{ApiError, listed, quoted};
use crate::http::media_type::MediaType;
use crate::http::request::Head;
use crate::input::image;
use crate::input::multipart;
use crate::tensor::json;
use crate::tensor::npy;
use crate::tensor::raw;

/// The kind of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// An encoded image of any format.
    Image,
    /// An encoded sound of any format.
    Sound,
    /// `multipart/form-data` with this boundary: images or sounds, and parameters in text fields.
    Multipart(String),
    /// `application/x-npy`: one NumPy array.
    Npy,
    /// `application/json`
    Json,
    /// `text/plain` in UTF-8.
    Text,
    /// `text/csv` in UTF-8.
    Csv,
    /// One raw tensor.
    Raw,
}

/// The kind of a body as `Content-Type` declares it, before the body is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// This kind.
    Kind(BodyKind),
    /// Bytes of an undeclared kind: the first of them decide.
    Bytes,
}

/// Read the declared kind of a body.
///
/// # Errors
/// 415 for a media type that the model does not take, with those that it takes.
pub fn declared(head: &Head, accepts: Accepts) -> Result<Declared, ApiError> {
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
        // curl declares the second, whatever the body is.
        Some("application/octet-stream" | "application/x-www-form-urlencoded") => {
            Ok(Declared::Bytes)
        }
        Some("application/json") => Ok(Declared::Kind(BodyKind::Json)),
        Some("text/plain") if accepts.texts() => {
            text_charset(header)?;
            Ok(Declared::Kind(BodyKind::Text))
        }
        Some("text/csv") if accepts.csv.is_some() => {
            text_charset(header)?;
            Ok(Declared::Kind(BodyKind::Csv))
        }
        Some("application/x-npy") if accepts.card.inputs.len() == 1 => {
            Ok(Declared::Kind(BodyKind::Npy))
        }
        Some("multipart/form-data") if accepts.images() || accepts.sounds() => {
            let boundary = multipart::boundary(header)?;
            Ok(Declared::Kind(BodyKind::Multipart(boundary)))
        }
        // Many clients send `image/jpg`, which is not a media type.
        Some(name) if (is_image(name) || name == "image/jpg") && accepts.images() => {
            Ok(Declared::Kind(BodyKind::Image))
        }
        Some(name) if accepts.sounds() && infer_audio::Format::from_media_type(name).is_some() => {
            Ok(Declared::Kind(BodyKind::Sound))
        }
        _ => Err(not_taken(accepts, &quoted(header))),
    }
}

/// Check that `Content-Type` allows JSON. curl and clients of Triton often do not declare it.
///
/// # Errors
/// 415 for every other media type.
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
            "{} is unsupported on this route, expected `application/json`; `/infer` takes images and arrays",
            quoted(header)
        ))),
    }
}

/// Detect the kind of a body that is declared as bytes.
///
/// # Errors
/// 415 for an image or a sound, if the model takes none.
pub fn sniff(body: &[u8], accepts: Accepts) -> Result<BodyKind, ApiError> {
    // Before images: MP4 can be either.
    if accepts.sounds() && is_sound(body, accepts)? {
        return Ok(BodyKind::Sound);
    }
    if let Some(format) = image::sniff(body) {
        if accepts.images() {
            return Ok(BodyKind::Image);
        }
        // A raw tensor may begin like an image by chance; its length decides.
        if raw::decode(body.to_vec(), accepts.card).is_err() {
            return Err(not_taken(accepts, &format!("`{}`", format.media_type())));
        }
    }
    if let Some(found) = image::unsupported(body) {
        let is_tensor = || raw::decode(body.to_vec(), accepts.card).is_ok();
        if accepts.images() {
            if !found.is_uncertain || !is_tensor() {
                // Decoding fails with the name of the format.
                return Ok(BodyKind::Image);
            }
        } else if !(is_tensor() || accepts.texts() && is_text(body)) {
            return Err(not_taken(accepts, &format!("images, here {}", found.name)));
        }
    }
    if is_sound(body, accepts)? {
        return Ok(BodyKind::Sound);
    }
    if body.starts_with(npy::MAGIC) {
        return Ok(BodyKind::Npy);
    }
    if json::begins(body) && (json::is_well_formed(body) || is_broken_json(body, accepts)) {
        return Ok(BodyKind::Json);
    }
    if accepts.texts() && (!raw::is_possible(accepts.card) || is_text(body)) {
        return Ok(BodyKind::Text);
    }
    if accepts.csv.is_some() && is_text(body) {
        return Ok(BodyKind::Csv);
    }
    if !raw::is_possible(accepts.card) && accepts.images() {
        return Ok(BodyKind::Image);
    }
    if !raw::is_possible(accepts.card) && accepts.sounds() {
        // Decoding fails with the formats that are supported.
        return Ok(BodyKind::Sound);
    }
    Ok(BodyKind::Raw)
}

/// Whether a body is an encoded sound. The length decides whether a body that begins like one is a raw tensor.
fn is_sound(body: &[u8], accepts: Accepts) -> Result<bool, ApiError> {
    let format = infer_audio::sniff(body);
    if format.is_some() && accepts.sounds() {
        return Ok(true);
    }
    let unsupported = infer_audio::sniff_unsupported(body);
    let is_other =
        || raw::decode(body.to_vec(), accepts.card).is_ok() || accepts.texts() && is_text(body);
    match (format, unsupported) {
        (None, None) => Ok(false),
        _ if is_other() => Ok(false),
        // Decoding fails with the name of the format.
        _ if accepts.sounds() => Ok(true),
        (Some(format), _) => {
            let name = format.media_types().first().unwrap_or(&"audio");
            Err(not_taken(accepts, &format!("`{name}`")))
        }
        (None, Some(name)) => Err(not_taken(accepts, &format!("sounds, here {name}"))),
    }
}

/// Whether a body that begins like JSON, but is malformed, is meant as JSON: no other body that the model takes begins
/// like that. A text may begin like an array, but not like an object.
fn is_broken_json(body: &[u8], accepts: Accepts) -> bool {
    let text = json::without_mark(body).trim_ascii_start();
    let after = text.strip_prefix(b"{");
    let begins_object = after.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""));
    !raw::is_possible(accepts.card) && (!accepts.texts() || begins_object)
}

/// Whether a body is plain text: UTF-8 without the control characters that tensors are full of.
fn is_text(body: &[u8]) -> bool {
    let is_control = |c: char| c.is_control() && !c.is_whitespace();
    std::str::from_utf8(body).is_ok_and(|text| !text.contains(is_control))
}

/// Check that a text's charset, if it is declared, is UTF-8 or a subset of it.
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

fn not_taken(accepts: Accepts, what: &str) -> ApiError {
    ApiError::unsupported_media_type(format!(
        "model `{}` does not take {what}; it takes {}",
        accepts.model,
        listed(accepts.media_types(), "and")
    ))
}
