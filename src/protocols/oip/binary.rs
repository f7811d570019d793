//! Triton's binary tensor data extension: the JSON of a request, and the bytes of its tensors behind it.

use crate::http::error::{ApiError, quoted};
use crate::http::request::Head;

/// The header with the number of bytes of JSON before the tensors.
pub const HEADER: &str = "Inference-Header-Content-Length";
const LOWER_CASE_HEADER: &str = "inference-header-content-length";

/// The number of bytes of JSON that a request declares; `None` without the header. 0 declares a body that is one raw
/// tensor.
///
/// # Errors
/// 400 if the header is not a number.
pub fn header_length(head: &Head) -> Result<Option<u64>, ApiError> {
    head.header(LOWER_CASE_HEADER)
        .map(|value| {
            value.parse().map_err(|_| {
                ApiError::invalid(format!(
                    "`{HEADER}` is {}, expected the number of bytes of JSON before the tensors",
                    quoted(value)
                ))
            })
        })
        .transpose()
}

/// Split a body into its JSON and its tensors.
///
/// # Errors
/// 400 if the JSON would be longer than the body.
pub fn split(body: &[u8], header_length: u64) -> Result<(&[u8], &[u8]), ApiError> {
    usize::try_from(header_length)
        .ok()
        .and_then(|length| body.split_at_checked(length))
        .ok_or_else(|| {
            ApiError::invalid(format!(
                "`{HEADER}` is {header_length}, but the body has {} bytes",
                body.len()
            ))
        })
}

/// The bytes behind the JSON, which are taken one tensor after another.
#[derive(Debug)]
pub struct Tensors<'a>(pub &'a [u8]);

impl<'a> Tensors<'a> {
    /// Take the next `size` bytes.
    ///
    /// # Errors
    /// A message, if fewer bytes are left.
    pub fn take(&mut self, size: u64) -> Result<&'a [u8], String> {
        let (taken, rest) = usize::try_from(size)
            .ok()
            .and_then(|size| self.0.split_at_checked(size))
            .ok_or_else(|| {
                format!(
                    "`binary_data_size` is {size}, but {} bytes are left behind the JSON",
                    self.0.len()
                )
            })?;
        self.0 = rest;
        Ok(taken)
    }

    /// Take the rest.
    #[must_use]
    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Check that nothing is left.
    ///
    /// # Errors
    /// 400 if bytes are left.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(ApiError::invalid(format!(
            "{} bytes follow the last tensor: the sizes in `binary_data_size` do not add up to the body",
            self.0.len()
        )))
    }
}
