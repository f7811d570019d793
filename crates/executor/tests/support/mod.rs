//! One node, built and run.
#![allow(dead_code, reason = "each test file uses what it needs")]

use infer_executor::attributes::Attributes;
use infer_executor::operator::{Build, Input, Inputs};
use infer_executor::{Tensor, ops};
use rten_onnx::onnx::AttributeProto;

/// An attribute's value.
pub enum Value {
    Float(f32),
    Floats(Vec<f32>),
    Int(i64),
    Ints(Vec<i64>),
    Text(String),
}

/// INTS.
pub fn ints(values: &[i64]) -> Value {
    Value::Ints(values.to_vec())
}

/// A STRING.
pub fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// What a node of that many outputs computes, or what it says when it is built or when it is run.
pub fn run(
    op_type: &str,
    opset: i64,
    attributes: &[(&str, Value)],
    outputs: usize,
    inputs: &[Option<Tensor>],
) -> Result<Vec<Tensor>, String> {
    let attribute = attributes.iter().map(|(name, value)| {
        let mut attribute = AttributeProto {
            name: Some((*name).to_owned()),
            ..AttributeProto::default()
        };
        match value {
            Value::Float(value) => attribute.f = Some(*value),
            Value::Floats(values) => attribute.floats = values.clone(),
            Value::Int(value) => attribute.i = Some(*value),
            Value::Ints(values) => attribute.ints = values.clone(),
            Value::Text(value) => attribute.s = Some(value.clone()),
        }
        attribute
    });
    let attributes: Vec<AttributeProto> = attribute.collect();
    let mut build = Build {
        domain: "",
        op_type,
        opset,
        attributes: Attributes::new(&attributes),
        inputs: vec![true; inputs.len()],
        outputs: vec![true; outputs],
        constants: vec![None; inputs.len()],
        consumed: Vec::new(),
        graphs: Vec::new(),
    };
    // Each input is given away, as in a graph where nobody else needs it: that is the path that works in place.
    let given = inputs.iter().map(|input| input.clone().map(Input::Owned));
    ops::build(&mut build)
        .and_then(|operator| operator.run(Inputs::new(given.collect())))
        .map_err(|error| error.to_string())
}
