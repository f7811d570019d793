//! Computes graphs of FP16 or BF16 in FP32.
//!
//! All kernels compute in FP32, and so do the plain loops, which round each operator's output to the datatype of its
//! inputs. This pass leaves that rounding out: values are FP32 from the inputs, which are converted at the start, to the
//! outputs, which are rounded at the end. Constants are widened, and casts between the datatypes disappear. So results
//! are closer to those of real numbers than the file asks for, and a value between operators that exceeds the datatype's
//! range stays finite. ONNX Runtime's CPU provider does the same wherever neighbors compute in FP32.
//!
//! A graph changes only if every node of it is understood, also in the graphs inside it, and if it has a node whose
//! kernel gains from FP32.

use std::collections::BTreeMap;

use infer_tensor::Datatype;
use rten_onnx::onnx::AttributeProto;

use super::fold;
use crate::error::Result;
use crate::ir::{Network, Node, OnnxNode, Op, ValueId};
use crate::real::reals;
use crate::tensor::Tensor;

/// ONNX's number for FP32.
const FLOAT: i64 = 1;
/// The version of the Cast nodes at inputs and outputs.
const VERSION: i64 = 13;

/// Operators whose kernels gain from FP32.
const COMPUTED: &[&str] = &[
    "Conv",
    "ConvTranspose",
    "FusedConv",
    "FusedMatMul",
    "Gemm",
    "GRU",
    "LSTM",
    "MatMul",
    "MatMulNBits",
    "RNN",
];

/// Operators all of whose outputs have the datatype of their first input. Those of ONNX's own set and of
/// `com.microsoft` that share a name agree in that.
#[rustfmt::skip]
const SAME: &[&str] = &[
    "Abs", "Acos", "Acosh", "Add", "Asin", "Asinh", "Atan", "Atanh", "AveragePool", "BatchNormalization", "BiasGelu",
    "Ceil", "Celu", "Clip", "Compress", "Concat", "Conv", "ConvTranspose", "Cos", "Cosh", "CumSum", "DepthToSpace",
    "Div", "Einsum", "Elu", "Erf", "Exp", "Expand", "FastGelu", "Flatten", "Floor", "FusedConv", "FusedMatMul", "GRU",
    "Gather", "GatherElements", "GatherND", "Gelu", "Gemm", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool",
    "GridSample", "GroupNormalization", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LRN", "LSTM",
    "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "LpPool", "MatMul", "MatMulNBits",
    "Max", "Mean", "MeanVarianceNormalization", "Min", "Mish", "Mod", "Mul", "Neg", "PRelu", "Pad", "Pow",
    "QuickGelu", "RNN", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
    "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Resize",
    "ReverseSequence", "RMSNormalization", "Round", "ScatterElements", "ScatterND", "Selu", "Shrink", "Sigmoid",
    "Sign", "SimplifiedLayerNormalization", "Sin", "Sinh", "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization", "Slice", "Softmax", "Softplus", "Softsign", "SpaceToDepth", "Split", "Sqrt",
    "Squeeze", "Sub", "Sum", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Tile", "Transpose", "Trilu", "Unsqueeze",
    "Upsample",
];

/// Operators whose outputs are integers or Booleans.
#[rustfmt::skip]
const OTHER: &[&str] = &[
    "And", "ArgMax", "ArgMin", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual",
    "NonMaxSuppression", "NonZero", "Not", "Or", "QuantizeLinear", "Shape", "Size", "Xor",
];

/// Whether values have one of the two datatypes, and which.
type Half = Option<Datatype>;

/// Computes a graph in FP32, if it has FP16 or BF16, and all of its nodes are understood.
///
/// # Errors
/// `Memory`.
pub(super) fn widen(mut network: Network) -> Result<Network> {
    let declared = network.inputs.iter().map(|id| network.input_types.get(id));
    // An input that may be of any datatype may be FP16.
    let Some(declared) = declared.collect::<Option<Vec<_>>>() else {
        return Ok(network);
    };
    let inputs: Vec<Half> = declared
        .iter()
        .map(|&&datatype| half(Some(datatype)))
        .collect();
    if !has_half(&network, &inputs) || !is_computed(&network) {
        return Ok(network);
    }
    // Constants in nodes have a datatype only then.
    fold_constants(&mut network);
    let Some(types) = infer(&network, &inputs) else {
        return Ok(network);
    };
    let outputs: Vec<Half> = network
        .outputs
        .iter()
        .map(|id| half(types.get(id).copied()))
        .collect();
    rewrite(&mut network, &types)?;
    // The boundaries.
    let mut casts = Vec::new();
    for (position, _) in inputs.iter().enumerate().filter(|(_, half)| half.is_some()) {
        let wide = network.inputs[position];
        let narrow = network.new_value();
        network.inputs[position] = narrow;
        casts.push(Node::new(cast(FLOAT), vec![narrow], wide));
    }
    network.nodes.splice(..0, casts);
    for (position, half) in outputs.iter().enumerate() {
        let number = match half {
            Some(Datatype::Bf16) => 16,
            Some(_) => 10,
            None => continue,
        };
        let wide = network.outputs[position];
        let narrow = network.new_value();
        network.outputs[position] = narrow;
        network
            .nodes
            .push(Node::new(cast(number), vec![wide], narrow));
    }
    Ok(network)
}

/// The datatype if it is FP16 or BF16.
fn half(datatype: Option<Datatype>) -> Half {
    datatype.filter(|datatype| matches!(datatype, Datatype::Fp16 | Datatype::Bf16))
}

fn cast(to: i64) -> OnnxNode {
    OnnxNode::new("Cast", VERSION).with([AttributeProto {
        name: Some("to".to_owned()),
        i: Some(to),
        ..AttributeProto::default()
    }])
}

fn onnx_nodes(network: &Network) -> impl Iterator<Item = &OnnxNode> {
    network.nodes.iter().filter_map(|node| node.op.onnx())
}

/// The datatype that a Cast node converts to, if it is FP16 or BF16.
fn target(onnx: &OnnxNode) -> Half {
    let to = onnx.attributes().optional_int("to")?;
    half(Datatype::from_onnx(to).ok())
}

fn has_half(network: &Network, inputs: &[Half]) -> bool {
    let mut constants = network.constants.values();
    inputs.iter().any(Option::is_some)
        || constants.any(|constant| half(Some(constant.datatype())).is_some())
        || onnx_nodes(network).any(|onnx| {
            let mut graphs = onnx.graphs.iter();
            (onnx.op_type == "Cast" && target(onnx).is_some())
                || graphs.any(|graph| has_half(&graph.network, &[]))
        })
}

fn is_computed(network: &Network) -> bool {
    onnx_nodes(network).any(|onnx| {
        let mut graphs = onnx.graphs.iter();
        COMPUTED.contains(&onnx.op_type.as_str()) || graphs.any(|graph| is_computed(&graph.network))
    })
}

/// Makes constants of nodes that have no inputs, also in the graphs inside.
fn fold_constants(network: &mut Network) {
    let nodes = std::mem::take(&mut network.nodes).into_iter();
    let nodes = nodes.filter_map(|mut node| {
        if node.is("Constant") && fold::constant(&node, network) {
            return None;
        }
        if let Op::Onnx(onnx) = &mut node.op {
            let graphs = onnx.graphs.iter_mut();
            graphs.for_each(|graph| fold_constants(&mut graph.network));
        }
        Some(node)
    });
    let nodes = nodes.collect();
    network.nodes = nodes;
}

/// The datatypes of all values that are FP16 or BF16; `None` if a node is not understood.
fn infer(network: &Network, inputs: &[Half]) -> Option<BTreeMap<ValueId, Datatype>> {
    let mut types = BTreeMap::new();
    let constants = network.constants.iter();
    let constants = constants.map(|(&id, constant)| (id, half(Some(constant.datatype()))));
    let inputs = network.inputs.iter().copied().zip(inputs.iter().copied());
    for (id, half) in inputs.chain(constants) {
        types.extend(half.map(|half| (id, half)));
    }
    for node in &network.nodes {
        let onnx = node.op.onnx()?;
        let name = onnx.op_type.as_str();
        if !matches!(onnx.domain.as_str(), "" | "com.microsoft") {
            return None;
        }
        let of = |position: usize| types.get(&node.input(position)?).copied();
        let all = |half: Half| vec![half; node.outputs.len()];
        let outputs: Vec<Half> = match name {
            "Cast" => all(target(onnx)),
            "CastLike" | "DequantizeLinear" | "Where" => all(of(1)),
            "MaxPool" | "TopK" | "Dropout" => vec![of(0), None],
            "If" | "Loop" | "Scan" => of_graphs(node, onnx, &types)?,
            "ConstantOfShape" => all(None),
            _ if SAME.contains(&name) => all(of(0)),
            _ if OTHER.contains(&name) => all(None),
            _ => return None,
        };
        // An attribute may give these another datatype.
        let names_a_type = ["dtype", "output_dtype", "stash_type"];
        let attributes = onnx.attributes();
        let named = names_a_type.map(|name| attributes.optional_int(name));
        let mut named = named.into_iter().flatten();
        if named.any(|named| half(Datatype::from_onnx(named).ok()).is_some())
            || attributes.tensor("value").is_some_and(is_half)
        {
            return None;
        }
        for (id, half) in node.outputs.iter().zip(outputs) {
            types.extend(id.zip(half));
        }
    }
    Some(types)
}

fn is_half(tensor: &rten_onnx::onnx::TensorProto) -> bool {
    let number = tensor.data_type.map(|datatype| datatype.0.into());
    half(number.and_then(|number| Datatype::from_onnx(number).ok())).is_some()
}

/// The datatypes of the inputs of each graph inside a node.
fn inputs_of_graphs(
    node: &Node,
    onnx: &OnnxNode,
    types: &BTreeMap<ValueId, Datatype>,
) -> Vec<Vec<Half>> {
    let of = |id: &Option<ValueId>| id.and_then(|id| types.get(&id).copied());
    let mut captured = node.inputs.len().saturating_sub(onnx.captures());
    let declared = captured;
    let graphs = onnx.graphs.iter();
    graphs
        .map(|graph| {
            // A loop's body has an input for each of the node's, the branch of a condition none.
            let own = graph.network.inputs.len().saturating_sub(graph.captures);
            let mut inputs: Vec<Half> = node.inputs[..own.min(declared)].iter().map(of).collect();
            inputs.resize(own, None);
            let captures = node.inputs.iter().skip(captured).take(graph.captures);
            inputs.extend(captures.map(of));
            captured += graph.captures;
            inputs
        })
        .collect()
}

/// The datatypes of the outputs of If, Loop or Scan; `None` if a node inside is not understood, or the branches differ.
fn of_graphs(
    node: &Node,
    onnx: &OnnxNode,
    types: &BTreeMap<ValueId, Datatype>,
) -> Option<Vec<Half>> {
    let mut outputs: Option<Vec<Half>> = None;
    let inputs = inputs_of_graphs(node, onnx, types);
    for (graph, inputs) in onnx.graphs.iter().zip(&inputs) {
        let inner = infer(&graph.network, inputs)?;
        let found = graph.network.outputs.iter();
        let mut found: Vec<Half> = found.map(|id| inner.get(id).copied()).collect();
        if onnx.op_type == "Loop" {
            // The condition is the body's alone.
            found = found.split_off(found.len().min(1));
        }
        if outputs.as_ref().is_some_and(|outputs| *outputs != found) {
            return None;
        }
        outputs = Some(found);
    }
    outputs
}

/// Makes all values of these datatypes FP32, except at the graph's boundaries.
fn rewrite(network: &mut Network, types: &BTreeMap<ValueId, Datatype>) -> Result<()> {
    for constant in network.constants.values_mut() {
        if half(Some(constant.datatype())).is_some() {
            let wide = reals::<f32>(constant)?.into_owned();
            *constant = Tensor::of(constant.shape(), wide)?;
        }
    }
    // From outputs of casts that have become superfluous to their inputs.
    let mut same: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    let mut kept = Vec::with_capacity(network.nodes.len());
    for mut node in std::mem::take(&mut network.nodes) {
        let inputs = node.inputs.clone();
        let onnx = node.op.onnx();
        let graphs = onnx.map(|onnx| inputs_of_graphs(&node, onnx, types));
        let graphs = graphs.unwrap_or_default();
        for input in node.inputs.iter_mut().flatten() {
            *input = same.get(input).copied().unwrap_or(*input);
        }
        // Also the input of a cast to FP32 that has gone.
        let is_half = |position: usize| {
            let pair =
                [&inputs, &node.inputs].map(|inputs| inputs.get(position).copied().flatten());
            pair.into_iter().flatten().any(|id| types.contains_key(&id))
        };
        let [is_wide, is_like] = [0, 1].map(is_half);
        let output = node.output();
        let Op::Onnx(onnx) = &mut node.op else {
            kept.push(node);
            continue;
        };
        let is_cast = onnx.domain.is_empty()
            && match onnx.op_type.as_str() {
                "Cast" if target(onnx).is_some() => {
                    for attribute in &mut onnx.attributes {
                        if attribute.name.as_deref() == Some("to") {
                            attribute.i = Some(FLOAT);
                        }
                    }
                    true
                }
                "Cast" => onnx.attributes().int("to", 0) == FLOAT,
                "CastLike" => is_like,
                _ => false,
            };
        if let (true, true, Some(output), Some(&Some(input))) =
            (is_cast, is_wide, output, node.inputs.first())
        {
            same.insert(output, input);
            continue;
        }
        for (graph, inputs) in onnx.graphs.iter_mut().zip(&graphs) {
            if let Some(types) = infer(&graph.network, inputs) {
                rewrite(&mut graph.network, &types)?;
            }
            for output in &mut graph.outputs {
                if half(output.datatype).is_some() {
                    output.datatype = Some(Datatype::Fp32);
                }
            }
        }
        kept.push(node);
    }
    network.nodes = kept;
    for output in &mut network.outputs {
        *output = same.get(output).copied().unwrap_or(*output);
    }
    Ok(())
}
