//! JSON responses.

use std::io::{self, Write};

use serde::Serialize;

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
    let mut body = Bounded {
        bytes: Vec::new(),
        limit: usize::try_from(limits.max_response_bytes).unwrap_or(usize::MAX),
        is_exceeded: false,
    };
    let written = serde_json::to_writer(&mut body, value);
    if body.is_exceeded {
        return Err(too_large(limits));
    }
    written.map_err(|error| ApiError::internal(format!("writing the answer: {error}")))?;
    Ok(Response::new(
        200,
        ResponseType::Json.media_type(),
        body.bytes,
    ))
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

/// Bytes up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    is_exceeded: bool,
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
