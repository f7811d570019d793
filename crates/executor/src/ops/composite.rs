//! ONNX's operators inside others: what ONNX Runtime's fused and quantized operators are built from.

use rten_onnx::onnx::AttributeProto;

use super::entry::OperatorEntry;
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::operator::{Build, Input, Inputs, Operator};
use crate::strided_copy::transposed;
use crate::tensor::Tensor;

/// Builds an operator of ONNX's own set from a family's rows, with one output.
///
/// # Errors
/// As [`OperatorEntry::build`], and `Graph` if the family has no such operator.
pub fn inner(
    rows: &'static [OperatorEntry],
    name: &str,
    opset: i64,
    attributes: Attributes<'_>,
    inputs: usize,
) -> Result<Box<dyn Operator>> {
    let entry = rows
        .iter()
        .find(|entry| entry.name == name && entry.domain.is_empty());
    let entry = entry.ok_or_else(|| Error::graph(format!("the operator `{name}` is unknown")))?;
    entry.build(&mut Build {
        domain: "",
        op_type: name,
        opset,
        attributes,
        inputs: vec![true; inputs],
        outputs: vec![true],
        constants: vec![None; inputs],
        consumed: Vec::new(),
        graphs: Vec::new(),
    })
}

/// Runs an operator on tensors that nobody else needs. Returns its first output.
///
/// # Errors
/// As [`Operator::run`].
pub fn run(operator: &dyn Operator, inputs: Vec<Option<Tensor>>) -> Result<Tensor> {
    let inputs = inputs.into_iter().map(|input| input.map(Input::Owned));
    let outputs = operator.run(Inputs::new(inputs.collect()))?;
    let mut outputs = outputs.into_iter();
    outputs
        .next()
        .ok_or_else(|| Error::graph("an operator has no output"))
}

/// An operator of images whose channels are the last axis, `[N, spatial axes, C]`, by one of images whose channels are the
/// second axis. The first input and the first output are images.
pub struct ChannelsLast(pub Box<dyn Operator>);

impl ChannelsLast {
    /// Wraps an operator if the attribute `channels_last` is set.
    #[must_use]
    pub fn of(operator: Box<dyn Operator>, attributes: Attributes<'_>) -> Box<dyn Operator> {
        match attributes.flag("channels_last", false) {
            true => Box::new(Self(operator)),
            false => operator,
        }
    }
}

impl Operator for ChannelsLast {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let rank = input.rank();
        if rank < 3 {
            return Err(Error::input(format!(
                "expected an image, [N, spatial axes, C], got the shape {:?}",
                input.shape()
            )));
        }
        let mut first: Vec<usize> = (0..rank - 1).collect();
        first.insert(1, rank - 1);
        let mut last: Vec<usize> = (0..rank).collect();
        let channels = last.remove(1);
        last.push(channels);
        let mut tensors = vec![Some(transposed(input, &first)?)];
        tensors.extend((1..inputs.len()).map(|at| inputs.get(at).cloned()));
        let output = run(&*self.0, tensors)?;
        Ok(vec![transposed(&output, &last)?])
    }
}

/// A FLOAT attribute.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        f: Some(value),
        ..AttributeProto::default()
    }
}

/// A STRING attribute.
pub fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        s: Some(value.to_owned()),
        ..AttributeProto::default()
    }
}
