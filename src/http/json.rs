//! JSON responses.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::error::ApiError;
use super::limits::{Limits, MAX_RESPONSE_BYTES, exceeded};
use super::negotiate::ResponseType;
use super::response::Response;

/// A JSON answer.
///
/// # Errors
/// 500 when it cannot be written, which no checked answer does.
pub fn response(value: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value)
        .map_err(|error| ApiError::internal(format!("writing the answer: {error}")))?;
    Ok(Response::new(200, ResponseType::Json.media_type(), body))
}

/// A JSON answer whose size a client decides: no more of it is written than the limit allows.
///
/// # Errors
/// 413 for an answer over the limit; 500 as [`json`].
pub fn response_within(value: &impl Serialize, limits: &Limits) -> Result<Response, ApiError> {
    let mut body = Bounded::new(limits);
    let written = serde_json::to_writer(&mut body, value);
    body.check(written, limits)?;
    Ok(body.into_response())
}

/// A value that can be written as JSON, behind a pointer.
pub trait ToJson {
    /// Write the value.
    ///
    /// # Errors
    /// When the response exceeds its limit.
    fn write(&self, body: &mut Bounded) -> serde_json::Result<()>;
}

impl<T: Serialize> ToJson for T {
    fn write(&self, body: &mut Bounded) -> serde_json::Result<()> {
        serde_json::to_writer(body, self)
    }
}

/// A value as JSON that can be rewritten, no more of it than the limit allows.
///
/// # Errors
/// 413 for a value over the limit.
pub fn to_value(value: &dyn ToJson, limits: &Limits) -> Result<Value, ApiError> {
    let mut body = Bounded::new(limits);
    let written = value.write(&mut body);
    body.check(written, limits)?;
    serde_json::from_slice(&body.bytes)
        .map_err(|error| ApiError::internal(format!("reading the predictions: {error}")))
}

/// A JSON object that is written member by member, no more of it than the limit allows.
pub(crate) struct ObjectWriter<'a> {
    body: Bounded,
    limits: &'a Limits,
}

impl<'a> ObjectWriter<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            body: Bounded::new(limits),
            limits,
        }
    }

    /// Write a member, whose name needs no escaping.
    pub(crate) fn member(&mut self, name: &str, value: &dyn ToJson) -> Result<(), ApiError> {
        let separator = if self.body.bytes.is_empty() { '{' } else { ',' };
        let written = write!(self.body, "{separator}\"{name}\":")
            .map_err(serde_json::Error::io)
            .and_then(|()| value.write(&mut self.body));
        self.body.check(written, self.limits)
    }

    /// End the object, which has at least one member.
    pub(crate) fn finish(mut self) -> Result<Response, ApiError> {
        let written = self.body.write_all(b"}").map_err(serde_json::Error::io);
        self.body.check(written, self.limits)?;
        Ok(self.body.into_response())
    }
}

/// The refusal of an answer over the limit.
#[must_use]
pub fn too_large(limits: &Limits) -> ApiError {
    exceeded(
        format_args!(
            "the answer has more than {} bytes, expected fewer items or outputs, or a form with fewer \
             bytes, `Accept: application/octet-stream`",
            limits.max_response_bytes
        ),
        MAX_RESPONSE_BYTES,
    )
}

/// A response's body up to its limit.
pub struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    is_exceeded: bool,
}

impl Bounded {
    fn new(limits: &Limits) -> Self {
        Self {
            bytes: Vec::new(),
            limit: usize::try_from(limits.max_response_bytes).unwrap_or(usize::MAX),
            is_exceeded: false,
        }
    }

    fn check(&self, written: serde_json::Result<()>, limits: &Limits) -> Result<(), ApiError> {
        if self.is_exceeded {
            return Err(too_large(limits));
        }
        written.map_err(|error| ApiError::internal(format!("writing the response: {error}")))
    }

    fn into_response(self) -> Response {
        Response::new(200, ResponseType::Json.media_type(), self.bytes)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            self.is_exceeded = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
