//! The traits behind which a graph is computed: wasi:nn in the component, the engine itself in tests.

use infer_model_card::ModelCard;
use infer_tensor::{Datatype, Error, ErrorKind as NnErrorKind};

use crate::catalog::Model;
use crate::http::error::{ApiError, ErrorKind, listed};
use crate::http::settings::NN_DATATYPES;
use crate::tensor::Tensor;

/// Finds graphs.
pub trait Backend {
    /// Find the model's graph and make it ready to compute.
    ///
    /// # Errors
    /// The backend's.
    fn load(&self, model: &Model) -> Result<Box<dyn ExecutionContext>, Error>;
}

/// A graph that is ready to compute.
pub trait ExecutionContext {
    /// Compute once. Inputs and outputs have the names in the graph. A BOOL output may come as UINT8, since wasi:nn
    /// has no BOOL.
    ///
    /// # Errors
    /// The backend's.
    fn compute(&self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, Error>;
}

impl From<Error> for ApiError {
    /// An error that the client can do something about keeps its message; every other one is a 500, whose message
    /// is for the log.
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            NnErrorKind::InvalidArgument => ErrorKind::Invalid,
            NnErrorKind::UnsupportedOperation => ErrorKind::Unsupported,
            NnErrorKind::TooLarge => ErrorKind::TooLarge,
            NnErrorKind::Timeout => ErrorKind::Timeout,
            NnErrorKind::InvalidEncoding
            | NnErrorKind::RuntimeError
            | NnErrorKind::NotFound
            | NnErrorKind::Security
            | NnErrorKind::Unknown => {
                return Self::internal(format!("wasi:nn {:?}: {error}", error.kind()));
            }
        };
        Self::new(kind, error.message())
    }
}

/// Check that a host whose wasi:nn supports only these datatypes can compute a model. The component checks this
/// itself, because stock Wasmtime's ONNX backend panics over a datatype that it does not support.
///
/// # Errors
/// `UnsupportedOperation`, naming the first tensor of another datatype.
pub fn check_datatypes(card: &ModelCard, taken: &[Datatype]) -> Result<(), Error> {
    let tensors = card.inputs.iter().chain(&card.outputs);
    match tensors
        .into_iter()
        .find(|spec| !taken.contains(&spec.datatype))
    {
        None => Ok(()),
        Some(spec) => Err(Error::unsupported(format!(
            "tensor `{}` is {}, but this host computes only {} (the setting `{NN_DATATYPES}`)",
            spec.name,
            spec.datatype,
            listed(taken.iter().map(|datatype| datatype.name()), "and")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::support;

    #[test]
    fn a_host_may_support_few_datatypes() {
        let card = support::card(&[("x", "INT64", &[-1])]);
        assert_eq!(
            check_datatypes(&card, &[Datatype::Int64, Datatype::Fp32]),
            Ok(())
        );
        let refused = check_datatypes(&card, &[Datatype::Fp32]).unwrap_err();
        assert_eq!(
            refused.message(),
            "tensor `x` is INT64, but this host computes only `FP32` (the setting `INFER_NN_DATATYPES`)"
        );
        // Outputs too.
        assert!(check_datatypes(&card, &[Datatype::Int64]).is_err());
        assert_eq!(ApiError::from(refused).kind().status(), 501);
    }

    #[test]
    fn every_error_code_has_a_status() {
        use NnErrorKind::*;
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
        let wrong: Vec<_> = cases
            .into_iter()
            .filter_map(|(kind, expected)| {
                let status = ApiError::from(Error::new(kind, "why")).kind().status();
                (status != expected).then_some((kind, status))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
