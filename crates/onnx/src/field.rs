//! The numbers of the fields of onnx.proto3's messages.

pub const MODEL_GRAPH: u64 = 7;
pub const MODEL_OPSET: u64 = 8;
pub const MODEL_FUNCTION: u64 = 25;
pub const GRAPH_NODE: u64 = 1;
pub const GRAPH_INITIALIZER: u64 = 5;
pub const GRAPH_INPUT: u64 = 11;
pub const GRAPH_OUTPUT: u64 = 12;
pub const GRAPH_VALUE_INFO: u64 = 13;
pub const GRAPH_SPARSE: u64 = 15;
pub const NODE_INPUT: u64 = 1;
pub const NODE_OUTPUT: u64 = 2;
pub const NODE_OPERATOR: u64 = 4;
pub const NODE_ATTRIBUTE: u64 = 5;
pub const NODE_DOMAIN: u64 = 7;
pub const ATTRIBUTE_NAME: u64 = 1;
pub const ATTRIBUTE_TENSOR: u64 = 5;
pub const ATTRIBUTE_GRAPH: u64 = 6;
pub const ATTRIBUTE_GRAPHS: u64 = 11;
pub const ATTRIBUTE_KIND: u64 = 20;
pub const ATTRIBUTE_REFERENCE: u64 = 21;
pub const ATTRIBUTE_SPARSE: u64 = 22;
/// The name of an input, an output or another value.
pub const VALUE_NAME: u64 = 1;
pub const VALUE_TYPE: u64 = 2;
pub const TENSOR_SIZES: u64 = 1;
pub const TENSOR_DATATYPE: u64 = 2;
pub const TENSOR_NAME: u64 = 8;
pub const TENSOR_RAW_DATA: u64 = 9;
pub const TENSOR_EXTERNAL_DATA: u64 = 13;
pub const TENSOR_DATA_LOCATION: u64 = 14;
