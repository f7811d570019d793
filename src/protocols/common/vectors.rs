//! The vectors of texts.

use serde_json::Value;

use super::Service;
use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::timing::{Phase, Timing};
use crate::input::text::Texts;
use crate::run::compute;
use crate::tasks::embedding::pooling;
use crate::tasks::parameters::{Given, NORMALIZE, Values};
use crate::tasks::{Inputs, Outputs, Wanted};

/// What to do with vectors.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Whether to scale them to length 1.
    pub normalize: bool,
    /// How many components to keep; `None` for all.
    pub dimensions: Option<usize>,
}

/// One vector for each text.
///
/// # Errors
/// 400 for more dimensions than the model has, and for a component that JSON cannot represent; errors of the backend.
pub fn vectors(
    model: &Model,
    texts: Texts,
    shape: Shape,
    service: Service,
    timing: &mut Timing,
) -> Result<Vec<Vec<f32>>, ApiError> {
    let declared = model.pipeline.parameters();
    let values = Values::parse(&declared, model.name.as_str(), |name| {
        Ok((name == NORMALIZE).then_some(Given::Json(Value::Bool(shape.normalize))))
    })?;
    let inputs = Inputs {
        texts: Some(texts),
        ..Inputs::default()
    };
    let wanted = Wanted::tensors(Outputs::Default);
    let (limits, backend) = (service.limits(), service.backend);
    let outcome = compute::infer(model, inputs, wanted, &values, limits, backend, timing)?;
    let (_, tensor) = outcome
        .outputs
        .into_iter()
        .next()
        .ok_or_else(|| ApiError::internal("the computation returned no vectors"))?;
    timing.measure(Phase::Encode, || {
        let size = tensor.shape.last().map_or(1, |size| *size as usize).max(1);
        let dimensions = shape.dimensions.unwrap_or(size);
        if dimensions > size {
            return Err(ApiError::invalid(format!(
                "`dimensions` is {dimensions}, expected at most {size}, the dimensions of model `{}`",
                model.name
            ))
            .of_param("dimensions"));
        }
        let mut vectors = Vec::new();
        for (index, vector) in tensor.floats()?.chunks(size).enumerate() {
            let mut vector = vector.get(..dimensions).unwrap_or(vector).to_vec();
            if shape.normalize && dimensions < size {
                pooling::normalize(vector.as_mut_slice().into());
            }
            check_finite(index, &vector)?;
            vectors.push(vector);
        }
        Ok(vectors)
    })
}

/// Check that JSON can represent the vector of a text.
///
/// # Errors
/// 400 for infinity and what is not a number.
pub fn check_finite(index: usize, vector: &[f32]) -> Result<(), ApiError> {
    match vector.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => Err(ApiError::invalid(format!(
            "the vector of text {index} has a component {value}, which JSON cannot represent; `/infer` responds with \
             the vectors as bytes"
        ))),
    }
}

/// How similar the first of several vectors, which have length 1, is to each other one: the cosine of their angle.
#[must_use]
pub fn similarities(vectors: &[Vec<f32>]) -> Vec<f32> {
    let Some((first, others)) = vectors.split_first() else {
        return Vec::new();
    };
    let product = |other: &Vec<f32>| -> f64 {
        let pairs = first.iter().zip(other);
        pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    others.iter().map(|other| product(other) as f32).collect()
}
