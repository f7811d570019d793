//! Responses that are one tensor and nothing else.

use crate::http::error::ApiError;
use crate::http::negotiate::ResponseType;
use crate::http::response::Response;
use crate::tensor::{Tensor, npy as file};

/// A tensor as a NumPy file.
///
/// # Errors
/// 406 for BF16, which NumPy lacks.
pub(crate) fn npy(tensor: &Tensor) -> Result<Response, ApiError> {
    let body = file::encode(tensor)?;
    Ok(Response::new(200, ResponseType::Npy.media_type(), body))
}

/// The bytes of a tensor.
pub(crate) fn raw(tensor: Tensor) -> Response {
    Response::new(200, ResponseType::Raw.media_type(), tensor.data)
}
