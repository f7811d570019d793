//! A decoded body of `/infer`.

use crate::run::inference::InferenceRequest;
use crate::tasks::parameters::Given;

/// A request, and the parameters in its body.
#[derive(Debug)]
pub struct Decoded {
    /// The request.
    pub request: InferenceRequest,
    /// The parameters in the form or in JSON, by name.
    pub fields: Vec<(String, Given)>,
}
