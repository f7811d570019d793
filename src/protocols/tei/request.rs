//! The model of a request, and the response.

use serde::Serialize;

use crate::catalog::Model;
use crate::catalog::ability::Ability;
use crate::http::error::{ApiError, ErrorKind};
use crate::http::json::response_within;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::protocols::common::Service;
use crate::protocols::common::members::Members;

/// The model of a request.
///
/// # Errors
/// 404 for an unknown name, 424 for a model that cannot do it or if none can, 400 if several can.
pub(super) fn model<'a>(
    members: &Members,
    ability: Ability,
    service: Service<'a>,
) -> Result<&'a Model, ApiError> {
    let name = members.text("model", "the name of a model")?;
    let is_ambiguous = name.is_none() && service.models.able(ability).next().is_some();
    let unnamed = "the JSON body has no `model`";
    service
        .models
        .with_ability(name.as_deref(), ability, unnamed, service.settings)
        .map_err(|error| match error.kind() {
            ErrorKind::Invalid if !is_ambiguous => error.with_kind(ErrorKind::FailedDependency),
            _ => error,
        })
}

/// The response with a value.
///
/// # Errors
/// 413 for a response over the limit.
pub(super) fn encoded<T: Serialize>(
    value: &T,
    service: Service,
    timing: &mut Timing,
) -> Result<Response, ApiError> {
    timing.measure(Phase::Encode, || response_within(value, service.limits()))
}
