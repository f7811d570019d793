//! What the protocols of other services share: the members of a body, predictions, vectors and ranks.

pub mod members;
pub mod prediction;
pub mod rank;
pub mod text_options;
pub mod vectors;

use crate::catalog::Models;
use crate::http::limits::Limits;
use crate::http::settings::Settings;
use crate::run::nn::Backend;

/// What a request runs on.
#[derive(Clone, Copy)]
pub struct Service<'a> {
    /// The table of models.
    pub models: &'a Models,
    /// The settings.
    pub settings: &'a Settings,
    /// Where graphs run.
    pub backend: &'a dyn Backend,
}

impl<'a> Service<'a> {
    /// The limits of the request.
    #[must_use]
    pub fn limits(&self) -> &'a Limits {
        &self.settings.limits
    }
}
