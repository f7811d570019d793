//! One node, built and run.
#![allow(dead_code, reason = "each test file uses what it needs")]

pub mod references;
pub mod refusals;

use infer_executor::attributes::Attributes;
use infer_executor::operator::{Build, Input, Inputs};
use infer_executor::{Data, Tensor, ops};
use rten_onnx::onnx::{AttributeProto, DataType, TensorProto};

/// An attribute's value.
pub enum Value {
    Float(f32),
    Floats(Vec<f32>),
    Int(i64),
    Ints(Vec<i64>),
    Tensor(Tensor),
    Text(String),
    Texts(Vec<String>),
}

/// INTS.
pub fn ints(values: &[i64]) -> Value {
    Value::Ints(values.to_vec())
}

/// FLOATS.
pub fn floats(values: &[f32]) -> Value {
    Value::Floats(values.to_vec())
}

/// A STRING.
pub fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// STRINGS.
pub fn texts(values: &[&str]) -> Value {
    Value::Texts(values.iter().map(|&value| value.to_owned()).collect())
}

/// A node of that many outputs, of ONNX's own domain.
pub fn run(
    op_type: &str,
    opset: i64,
    attributes: &[(&str, Value)],
    outputs: usize,
    inputs: &[Option<Tensor>],
) -> Result<Vec<Tensor>, String> {
    run_in("", op_type, opset, attributes, &vec![true; outputs], inputs)
}

/// Builds and runs a node with these outputs, used or not. Returns its outputs, or the error of either step.
pub fn run_in(
    domain: &str,
    op_type: &str,
    opset: i64,
    attributes: &[(&str, Value)],
    outputs: &[bool],
    inputs: &[Option<Tensor>],
) -> Result<Vec<Tensor>, String> {
    let none = &[];
    run_with_constants(domain, op_type, opset, attributes, outputs, inputs, none)
}

/// As [`run_in`], with the inputs at some positions constant: an operator that packs them does not get them when it runs.
pub fn run_with_constants(
    domain: &str,
    op_type: &str,
    opset: i64,
    attributes: &[(&str, Value)],
    outputs: &[bool],
    inputs: &[Option<Tensor>],
    constants: &[usize],
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
            Value::Tensor(value) => attribute.t = Some(proto(value)),
            Value::Text(value) => attribute.s = Some(value.clone()),
            Value::Texts(values) => attribute.strings = values.clone(),
        }
        attribute
    });
    let attributes: Vec<AttributeProto> = attribute.collect();
    let mut build = Build {
        domain,
        op_type,
        opset,
        attributes: Attributes::new(&attributes),
        inputs: inputs.iter().map(Option::is_some).collect(),
        outputs: outputs.to_vec(),
        constants: (0..inputs.len())
            .map(|at| inputs[at].as_ref().filter(|_| constants.contains(&at)))
            .collect(),
        consumed: Vec::new(),
        graphs: Vec::new(),
    };
    let operator = ops::build(&mut build).map_err(|error| error.to_string())?;
    // Each input is given away, as in a graph where nobody else needs it: that is the path that works in place.
    let given = inputs.iter().enumerate().map(|(at, input)| {
        let input = input.clone().filter(|_| !build.consumed.contains(&at));
        input.map(Input::Owned)
    });
    operator
        .run(Inputs::new(given.collect()))
        .map_err(|error| error.to_string())
}

/// A tensor as a file has it.
fn proto(tensor: &Tensor) -> TensorProto {
    let shape = tensor.shape().iter().map(|&size| size as i64);
    let mut proto = TensorProto {
        dims: shape.collect(),
        ..TensorProto::default()
    };
    let datatype = match tensor.data() {
        Data::F32(values) => {
            proto.float_data = values.clone();
            DataType::FLOAT
        }
        Data::F64(values) => {
            proto.double_data = values.clone();
            DataType::DOUBLE
        }
        Data::I64(values) => {
            proto.int64_data = values.clone();
            DataType::INT64
        }
        Data::I32(values) => {
            proto.int32_data = values.clone();
            DataType::INT32
        }
        Data::I16(values) => {
            proto.int32_data = values.iter().map(|&value| value.into()).collect();
            DataType::INT16
        }
        Data::U8(values) => {
            proto.int32_data = values.iter().map(|&value| value.into()).collect();
            DataType::UINT8
        }
        other => panic!("{other:?}"),
    };
    proto.data_type = Some(datatype);
    proto
}
