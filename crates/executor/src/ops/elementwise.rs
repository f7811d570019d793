//! Operators that go element by element over one tensor.

use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Data, Tensor};

pub(super) fn build(
    domain: &str,
    op_type: &str,
    _: &mut Build<'_>,
) -> Result<Option<Box<dyn Operator>>> {
    if !domain.is_empty() {
        return Ok(None);
    }
    Ok(Some(match op_type {
        "Identity" => Box::new(Identity),
        "Relu" => Box::new(Relu),
        _ => return Ok(None),
    }))
}

/// Identity.
struct Identity;

impl Operator for Identity {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        Ok(vec![inputs.take(0)?])
    }
}

/// Relu: negative values become zero; NaN stays.
struct Relu;

impl Operator for Relu {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let shape = input.shape().to_vec();
        let mut data = input.into_data();
        match &mut data {
            Data::F32(values) => values.iter_mut().for_each(|value| {
                if *value < 0.0 {
                    *value = 0.0;
                }
            }),
            other => return Err(Error::unsupported(format!("Relu of {}", other.datatype()))),
        }
        Ok(vec![Tensor::new(shape, data)?])
    }
}
