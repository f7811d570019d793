//! A graph's nodes and values.

use std::collections::BTreeMap;

use infer_kernels::quantization::QuantParams;
use infer_tensor::Datatype;
use rten_onnx::onnx::AttributeProto;

use super::fused::{FusedConv, FusedMatMul};
use super::value::{QuantizedConstant, ValueId};
use crate::attributes::Attributes;
use crate::operator::Declared;
use crate::ops::channels_last::conv::Convolution;
use crate::ops::channels_last::conv_transpose::ConvTranspose;
use crate::ops::channels_last::inverted_bottleneck::InvertedBottleneck;
use crate::ops::channels_last::pooling::{Kind, Pooling};
use crate::ops::channels_last::quantized::QuantizedConvolution;
use crate::ops::channels_last::shuffle::ChannelShuffle;
use crate::ops::channels_last::transpose::TransposeChannels;
use crate::ops::packed_matmul::{PackedMatMul, QuantizedMatMul};
use crate::tensor::Tensor;

/// A graph's nodes in topological order, and its values.
#[derive(Default)]
pub(crate) struct Network {
    /// The nodes; each comes after the nodes whose outputs it uses.
    pub(crate) nodes: Vec<Node>,
    /// Values known before any request.
    pub(crate) constants: BTreeMap<ValueId, Tensor>,
    /// The int8 form of constants that are outputs of DequantizeLinear.
    pub(crate) quantized_constants: BTreeMap<ValueId, QuantizedConstant>,
    /// The quantization parameters of FP32 values that are fake-quantized (`optimize::propagate_quantization`).
    pub(crate) quantization: BTreeMap<ValueId, QuantParams>,
    /// The graph's inputs, in their order.
    pub(crate) inputs: Vec<ValueId>,
    /// The datatypes that the graph declares for its inputs.
    pub(crate) input_types: BTreeMap<ValueId, Datatype>,
    /// The graph's outputs, in their order.
    pub(crate) outputs: Vec<ValueId>,
    /// The number of values, which is the next value's id.
    pub(crate) values: usize,
}

impl Network {
    /// Adds a value and returns its id.
    pub(crate) fn new_value(&mut self) -> ValueId {
        self.values += 1;
        self.values - 1
    }

    /// Adds a constant and returns its id.
    pub(crate) fn new_constant(&mut self, tensor: Tensor) -> ValueId {
        let id = self.new_value();
        self.constants.insert(id, tensor);
        id
    }

    /// The constant that a node has as input at a position.
    pub(crate) fn constant(&self, node: &Node, position: usize) -> Option<&Tensor> {
        self.constants.get(&node.input(position)?)
    }

    /// The value of an FP32 constant without dimensions.
    pub(crate) fn scalar(&self, value: ValueId) -> Option<f32> {
        let tensor = self.constants.get(&value)?;
        let elements = tensor.elements::<f32>().ok()?;
        elements.first().copied().filter(|_| tensor.rank() == 0)
    }

    /// The number of uses of each value, by nodes and as a graph output.
    pub(crate) fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.values];
        let inputs = self.nodes.iter().flat_map(|node| &node.inputs).flatten();
        for &id in inputs.chain(&self.outputs) {
            uses[id] += 1;
        }
        uses
    }
}

/// An operator applied to values.
pub(crate) struct Node {
    /// The node's name in the file, for error messages; empty for a node that has none.
    pub(crate) name: String,
    /// The operator.
    pub(crate) op: Op,
    /// Inputs by position, `None` for an omitted one. Values that the node's subgraphs capture follow the declared
    /// inputs.
    pub(crate) inputs: Vec<Option<ValueId>>,
    /// Outputs by position, `None` for an omitted one.
    pub(crate) outputs: Vec<Option<ValueId>>,
}

impl Node {
    /// A node without a name whose inputs are all present.
    pub(crate) fn new(op: impl Into<Op>, inputs: Vec<ValueId>, output: ValueId) -> Self {
        Self {
            name: String::new(),
            op: op.into(),
            inputs: inputs.into_iter().map(Some).collect(),
            outputs: vec![Some(output)],
        }
    }

    /// Whether the node is this operator of ONNX's default domain.
    pub(crate) fn is(&self, op_type: &str) -> bool {
        self.op
            .onnx()
            .is_some_and(|onnx| onnx.op_type == op_type && onnx.domain.is_empty())
    }

    /// The input at a position, unless it is omitted.
    pub(crate) fn input(&self, position: usize) -> Option<ValueId> {
        self.inputs.get(position).copied().flatten()
    }

    /// The output of a node that has exactly one.
    pub(crate) fn output(&self) -> Option<ValueId> {
        match self.outputs[..] {
            [output] => output,
            _ => None,
        }
    }
}

/// A node's operator: an ONNX operator, or one that an optimization pass made.
///
/// Optimization passes first fuse (`Conv`, `MatMul`), then select kernels with packed weights (`ConvKernel` and below).
/// Images are NCHW or NHWC as the name or the variant says; other operators take any shape.
pub(crate) enum Op {
    /// An ONNX operator, which the registry of operators builds.
    Onnx(OnnxNode),
    /// QuantizeLinear and DequantizeLinear with the same per-tensor parameters: any shape, to FP32.
    FakeQuantize(QuantParams),
    /// A conversion between the file's layout and channels-last, FP32.
    Transpose(TransposeChannels),
    /// `FakeQuantize`, then the conversion of images to channels-last, with uint8 (the lowest quantized value is 0) as output.
    QuantizeToChannelsLast(QuantParams),
    /// A shuffle of channels, FP32; NCHW until `optimize::layout`.
    ChannelShuffle(ChannelShuffle),
    /// Max or average pooling, NHWC, FP32.
    Pooling(Pooling),
    /// Mean over height and width, NHWC, FP32.
    GlobalAveragePool,
    /// A convolution that takes further nodes; the input is FP32, NCHW until `optimize::layout`, NHWC after it. With a
    /// residual, that is the second input.
    Conv(Box<FusedConv>),
    /// A product with a constant matrix that takes further nodes; FP32.
    MatMul(Box<FusedMatMul>),
    /// A convolution, NHWC, FP32.
    ConvKernel(Box<Convolution>),
    /// A transposed convolution, NHWC, FP32.
    ConvTransposeKernel(Box<ConvTranspose>),
    /// An int8 convolution, NHWC; FP32 or uint8 on both sides.
    QuantizedConvKernel(Box<QuantizedConvolution>),
    /// A pointwise and a depthwise convolution, NHWC, FP32.
    InvertedBottleneck(Box<InvertedBottleneck>),
    /// A product with a constant matrix, FP32.
    MatMulKernel(Box<PackedMatMul>),
    /// An int8 product with a constant matrix, FP32 on both sides.
    QuantizedMatMulKernel(Box<QuantizedMatMul>),
}

impl Op {
    /// The operator's name, for error messages and profiles. Fused operators have the name of the ONNX operator that
    /// they began with.
    pub(crate) fn name(&self) -> &str {
        let matmul = |is_gemm| if is_gemm { "Gemm" } else { "MatMul" };
        match self {
            Self::Onnx(onnx) => &onnx.op_type,
            Self::FakeQuantize(_) => "FakeQuantize",
            Self::ChannelShuffle(_) => "ChannelShuffle",
            Self::Transpose(TransposeChannels::Last(_)) => "ToChannelsLast",
            Self::Transpose(TransposeChannels::First(_)) => "ToChannelsFirst",
            Self::Transpose(TransposeChannels::Bare(_) | TransposeChannels::Framed(_)) => "Reshape",
            Self::QuantizeToChannelsLast(_) => "QuantizeToChannelsLast",
            Self::Pooling(pooling) => match pooling.kind {
                Kind::Max => "MaxPool",
                Kind::Average { .. } => "AveragePool",
            },
            Self::GlobalAveragePool => "GlobalAveragePool",
            Self::Conv(conv) if conv.transposed.is_some() => "ConvTranspose",
            Self::ConvTransposeKernel(_) => "ConvTranspose",
            Self::Conv(_) | Self::ConvKernel(_) | Self::QuantizedConvKernel(_) => "Conv",
            Self::InvertedBottleneck(_) => "InvertedBottleneck",
            Self::MatMul(fused) => matmul(fused.is_gemm),
            Self::MatMulKernel(product) => matmul(product.is_gemm),
            Self::QuantizedMatMulKernel(product) => matmul(product.is_gemm),
        }
    }

    /// The ONNX operator, unless an optimization pass made this one.
    pub(crate) fn onnx(&self) -> Option<&OnnxNode> {
        match self {
            Self::Onnx(onnx) => Some(onnx),
            _ => None,
        }
    }
}

impl From<OnnxNode> for Op {
    fn from(onnx: OnnxNode) -> Self {
        Self::Onnx(onnx)
    }
}

/// An ONNX operator with its attributes.
#[derive(Default)]
pub(crate) struct OnnxNode {
    /// The operator's domain; empty for ONNX's default domain.
    pub(crate) domain: String,
    /// The operator's name in its domain.
    pub(crate) op_type: String,
    /// The version of the domain's operator set that the file imports.
    pub(crate) version: i64,
    /// The attributes, without the subgraphs among them.
    pub(crate) attributes: Vec<AttributeProto>,
    /// The subgraphs among the attributes, in the order in which the node's inputs have the values that they capture.
    pub(crate) graphs: Vec<Subnetwork>,
}

impl OnnxNode {
    /// An operator of ONNX's default domain without attributes.
    pub(crate) fn new(op_type: &str, version: i64) -> Self {
        Self {
            op_type: op_type.to_owned(),
            version,
            ..Self::default()
        }
    }

    /// The same operator with further attributes.
    pub(crate) fn with(mut self, attributes: impl IntoIterator<Item = AttributeProto>) -> Self {
        self.attributes.extend(attributes);
        self
    }

    /// The attributes, to be read by name.
    pub(crate) fn attributes(&self) -> Attributes<'_> {
        Attributes::new(&self.attributes)
    }

    /// The number of values that the subgraphs capture.
    pub(crate) fn captures(&self) -> usize {
        self.graphs.iter().map(|graph| graph.captures).sum()
    }
}

/// A graph among a node's attributes: a branch, or the body of a loop.
pub(crate) struct Subnetwork {
    /// The attribute's name.
    pub(crate) attribute: String,
    /// The graph; its last inputs are the captured values.
    pub(crate) network: Network,
    /// The number of values that it captures from the graph around it.
    pub(crate) captures: usize,
    /// The declared types of its outputs.
    pub(crate) outputs: Vec<Declared>,
}
