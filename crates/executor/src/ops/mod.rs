//! The operators, a file a family.

use crate::error::{Error, Result};
use crate::operator::{Build, Operator};

pub mod activation;
pub mod arithmetic;
pub mod attention;
pub mod cast;
pub mod channels_last;
pub mod constant;
pub mod control;
pub mod convolution;
pub mod cumulative;
pub mod deformed;
mod detection;
pub mod einsum;
pub mod elementwise;
pub mod gather;
mod grams;
pub mod layer_normalization;
pub mod layout;
pub mod levels;
mod linear_attention;
pub mod logic;
pub mod loss;
pub mod matmul;
pub mod normalization;
pub mod pad;
pub mod pool;
pub mod product;
pub mod quantize;
pub mod quantized;
pub mod recurrent;
pub mod reduce;
pub mod resize;
pub mod sampling;
pub mod scatter;
pub mod select;
pub mod sequence;
pub mod shape;
pub mod slice;
pub mod softmax;
pub mod window;

/// The operator of a node.
///
/// # Errors
/// `Unsupported` for one that is not done here, `Graph` for attributes that the specification does not allow.
pub fn build(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let domain = build.node.domain.as_deref().unwrap_or_default().to_owned();
    let op_type = build.node.op_type.as_deref().unwrap_or_default().to_owned();
    let families: &[Family] = &[
        activation::build,
        arithmetic::build,
        attention::build,
        cast::build,
        constant::build,
        control::build,
        convolution::build,
        cumulative::build,
        deformed::build,
        detection::build,
        einsum::build,
        elementwise::build,
        gather::build,
        grams::build,
        layer_normalization::build,
        layout::build,
        linear_attention::build,
        logic::build,
        loss::build,
        matmul::build,
        normalization::build,
        pad::build,
        pool::build,
        quantize::build,
        quantized::build,
        recurrent::build,
        reduce::build,
        resize::build,
        sampling::build,
        scatter::build,
        select::build,
        sequence::build,
        shape::build,
        slice::build,
        softmax::build,
    ];
    for family in families {
        if let Some(operator) = family(&domain, &op_type, build)? {
            return Ok(operator);
        }
    }
    Err(Error::unsupported(match domain.as_str() {
        "" => format!("the operator {op_type} is not done here"),
        domain => format!("the operator {domain}.{op_type} is not done here"),
    }))
}

/// A family's operator of that domain and name; none for those of others.
type Family = fn(&str, &str, &mut Build<'_>) -> Result<Option<Box<dyn Operator>>>;
