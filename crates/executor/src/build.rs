//! Builds operators from nodes, and computes nodes whose inputs are constant.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::ir::{Network, OnnxNode, Op, ValueId};
use crate::operator::{Build, Input, Inputs, Operator, Subgraph};
use crate::ops;
use crate::ops::channels_last::pooling::GlobalAveragePooling;
use crate::ops::channels_last::quantize::QuantizeToChannelsLast;
use crate::ops::fake_quantize::FakeQuantize;
use crate::tensor::Tensor;

/// The constants of a graph.
type Constants = BTreeMap<ValueId, Tensor>;

/// Rejects a graph with several unsupported operators, in itself or in the graphs inside it, and names all of them: whoever
/// converts the model again wants the whole list. A single one is left to [`onnx`], which names its node.
///
/// # Errors
/// `Unsupported` if there are several.
pub(crate) fn check_operators(network: &Network) -> Result<()> {
    let mut missing = BTreeSet::new();
    find_missing(network, &mut missing);
    if missing.len() < 2 {
        return Ok(());
    }
    Err(ops::unsupported(&missing))
}

fn find_missing<'a>(network: &'a Network, missing: &mut BTreeSet<(&'a str, &'a str)>) {
    for onnx in network.nodes.iter().filter_map(|node| node.op.onnx()) {
        if ops::find(&onnx.domain, &onnx.op_type).is_none() {
            missing.insert((&onnx.domain, &onnx.op_type));
        }
        for subnetwork in &onnx.graphs {
            find_missing(&subnetwork.network, missing);
        }
    }
}

/// Builds the operator of an ONNX node. Inputs that the operator has packed into a form of its own become `None` in
/// `inputs`: it does not get them when it runs.
///
/// # Errors
/// `Graph` for attributes that the specification does not allow, `Unsupported` for an operator, a version or an
/// attribute that is not supported.
pub(crate) fn onnx(
    node: &OnnxNode,
    inputs: &mut [Option<ValueId>],
    outputs: &[Option<ValueId>],
    graphs: Vec<(String, Subgraph)>,
    constants: &Constants,
) -> Result<Box<dyn Operator>> {
    let declared = inputs.len().saturating_sub(node.captures());
    let mut build = Build {
        domain: &node.domain,
        op_type: &node.op_type,
        opset: node.version,
        attributes: node.attributes(),
        inputs: inputs[..declared].iter().map(Option::is_some).collect(),
        outputs: outputs.iter().map(Option::is_some).collect(),
        constants: inputs
            .iter()
            .map(|id| constants.get(id.as_ref()?))
            .collect(),
        consumed: Vec::new(),
        graphs,
    };
    let operator = ops::build(&mut build)?;
    for position in build.consumed {
        inputs[position] = None;
    }
    Ok(operator)
}

/// The operator of a node that an optimization pass made.
///
/// # Errors
/// `Graph` for an operator whose kernel has not been selected.
pub(crate) fn optimized(op: Op) -> Result<Box<dyn Operator>> {
    Ok(match op {
        Op::FakeQuantize(parameters) => Box::new(FakeQuantize(parameters)),
        Op::ChannelShuffle(shuffle) => Box::new(shuffle),
        Op::Transpose(transpose) => Box::new(transpose),
        Op::QuantizeToChannelsLast(parameters) => Box::new(QuantizeToChannelsLast(parameters)),
        Op::Pooling(pooling) => Box::new(pooling),
        Op::GlobalAveragePool => Box::new(GlobalAveragePooling),
        Op::ConvKernel(conv) => conv,
        Op::ConvTransposeKernel(conv) => conv,
        Op::QuantizedConvKernel(conv) => conv,
        Op::InvertedBottleneck(bottleneck) => bottleneck,
        Op::MatMulKernel(product) => product,
        Op::QuantizedMatMulKernel(product) => product,
        Op::Onnx(_) | Op::Conv(_) | Op::MatMul(_) => {
            return Err(Error::graph("no kernel has been selected"));
        }
    })
}

/// Computes a node whose inputs are all constant and adds its outputs to the constants. Returns whether it did.
///
/// # Errors
/// As [`Operator::run`].
pub(crate) fn fold(
    operator: &dyn Operator,
    inputs: &[Option<ValueId>],
    outputs: &[Option<ValueId>],
    constants: &mut Constants,
) -> Result<bool> {
    let known: Option<Vec<Option<Input<'_>>>> = inputs
        .iter()
        .map(|id| match id {
            None => Some(None),
            Some(id) => constants
                .get(id)
                .map(|tensor| Some(Input::Borrowed(tensor))),
        })
        .collect();
    let Some(known) = known.filter(|_| operator.is_deterministic()) else {
        return Ok(false);
    };
    let computed = operator.run(Inputs::new(known))?;
    let is_complete = computed.len() >= outputs.len();
    if is_complete {
        for (id, tensor) in outputs.iter().zip(computed) {
            if let Some(id) = id {
                constants.insert(*id, tensor);
            }
        }
    }
    Ok(is_complete)
}
