//! Inference, seen through a small trait: wasi:nn in the component, the engine itself in tests.

use infer_model_card::{Datatype, ModelCard};

use crate::catalog::Model;
use crate::http::error::{ApiError, ErrorKind, listed};
use crate::http::settings::NN_DATATYPES;
use crate::tensor::Tensor;

/// Finds graphs.
pub trait Backend {
    /// Find the graph of that name and make it ready to compute.
    ///
    /// # Errors
    /// The backend's.
    fn load(&self, model: &Model) -> Result<Box<dyn ExecutionContext>, NnError>;
}

/// A graph that is ready to compute.
pub trait ExecutionContext {
    /// Compute once. Inputs and outputs come with the names of the graph's.
    ///
    /// # Errors
    /// The backend's.
    fn compute(
        &self,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<Vec<(String, OutputTensor)>, NnError>;
}

/// A tensor as wasi:nn gives it: its datatype is one of wasi:nn's, which the card may call otherwise
/// (BOOL is carried as U8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputTensor {
    /// The size of each dimension.
    pub shape: Vec<u32>,
    /// Row-major, little-endian.
    pub data: Vec<u8>,
}

/// wasi:nn's error: a code and the backend's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("wasi:nn {code:?}: {message}")]
pub struct NnError {
    /// What kind of failure it is.
    pub code: NnErrorCode,
    /// The backend's word.
    pub message: String,
}

/// wasi:nn's `error-code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the interface's own name")]
pub enum NnErrorCode {
    InvalidArgument,
    InvalidEncoding,
    Timeout,
    RuntimeError,
    UnsupportedOperation,
    TooLarge,
    NotFound,
    Security,
    Unknown,
}

impl From<NnError> for ApiError {
    /// What the client could change is told to the client; the rest is this side's fault.
    fn from(error: NnError) -> Self {
        let kind = match error.code {
            NnErrorCode::InvalidArgument => ErrorKind::Invalid,
            NnErrorCode::UnsupportedOperation => ErrorKind::Unsupported,
            NnErrorCode::TooLarge => ErrorKind::TooLarge,
            NnErrorCode::Timeout => ErrorKind::Timeout,
            NnErrorCode::InvalidEncoding
            | NnErrorCode::RuntimeError
            | NnErrorCode::NotFound
            | NnErrorCode::Security
            | NnErrorCode::Unknown => return Self::internal(error.to_string()),
        };
        Self::new(kind, error.message)
    }
}

/// Whether a host whose wasi:nn takes these datatypes alone can compute a model. Asked before the host is:
/// the ONNX backend of stock Wasmtime panics over what it does not take.
///
/// # Errors
/// `UnsupportedOperation`, naming the first tensor of another datatype.
pub fn check_datatypes(card: &ModelCard, taken: &[Datatype]) -> Result<(), NnError> {
    let tensors = card.inputs.iter().chain(&card.outputs);
    match tensors
        .into_iter()
        .find(|spec| !taken.contains(&spec.datatype))
    {
        None => Ok(()),
        Some(spec) => Err(NnError {
            code: NnErrorCode::UnsupportedOperation,
            message: format!(
                "tensor `{}` is {}, but this host computes {} alone (the setting `{NN_DATATYPES}`)",
                spec.name,
                spec.datatype,
                listed(taken.iter().map(|datatype| datatype.name()), "and")
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::support;

    #[test]
    fn a_host_may_take_few_datatypes() {
        let card = support::card(&[("x", "INT64", &[-1])]);
        assert_eq!(
            check_datatypes(&card, &[Datatype::Int64, Datatype::Fp32]),
            Ok(())
        );
        let refused = check_datatypes(&card, &[Datatype::Fp32]).unwrap_err();
        assert_eq!(
            refused.message,
            "tensor `x` is INT64, but this host computes `FP32` alone (the setting `INFER_NN_DATATYPES`)"
        );
        // Outputs too.
        assert!(check_datatypes(&card, &[Datatype::Int64]).is_err());
        assert_eq!(ApiError::from(refused).kind().status(), 501);
    }

    #[test]
    fn codes_become_statuses() {
        use NnErrorCode::*;
        let cases = [
            (InvalidArgument, 400),
            (InvalidEncoding, 500),
            (Timeout, 504),
            (RuntimeError, 500),
            (UnsupportedOperation, 501),
            (TooLarge, 413),
            (NotFound, 500),
            (Security, 500),
            (Unknown, 500),
        ];
        for (code, status) in cases {
            let error = ApiError::from(NnError {
                code,
                message: "why".to_owned(),
            });
            assert_eq!(error.kind().status(), status, "{code:?}");
        }
    }
}
