//! Reads an ONNX model (onnx.proto3) into the intermediate representation.

use std::collections::BTreeMap;

use infer_tensor::Datatype;
use rten_onnx::onnx::{GraphProto, ModelProto, NodeProto, ValueInfoProto};

use crate::error::{Error, Result};
use crate::ir::{Network, Node, OnnxNode, Op, Subnetwork, ValueId};
use crate::operator::Declared;
use crate::tensor_proto::tensor;

/// Graphs inside each other that a model may have.
const MAX_DEPTH: usize = 32;

/// The versions of the operator sets that a file imports, by domain; ONNX's default domain is the empty string.
type Opsets = BTreeMap<String, i64>;

/// Reads a model's graph.
///
/// # Errors
/// `Graph` for a file that the specification does not allow, `Unsupported` for a datatype or a nesting that is not
/// supported and for weights in another file.
pub(crate) fn network(model: ModelProto) -> Result<Network> {
    let opsets = model
        .opset_import
        .iter()
        .map(|opset| {
            let domain = opset.domain.clone().unwrap_or_default();
            // Another name of the default domain.
            let domain = if domain == "ai.onnx" {
                String::new()
            } else {
                domain
            };
            (domain, opset.version.unwrap_or(1))
        })
        .collect();
    let graph = model
        .graph
        .ok_or_else(|| Error::graph("the file has no graph"))?;
    let (network, captures) = Loader::new(&opsets, 0)?.load(graph)?;
    match captures.first() {
        Some(name) => Err(Error::graph(format!(
            "`{name}` is used, but it is neither an input, an initializer nor an output of a node"
        ))),
        None => Ok(network),
    }
}

struct Loader<'a> {
    opsets: &'a Opsets,
    depth: usize,
    network: Network,
    names: BTreeMap<String, ValueId>,
    /// The names of values that are captured from the graph around this one, in the order of the inputs added for them.
    captures: Vec<String>,
}

impl<'a> Loader<'a> {
    fn new(opsets: &'a Opsets, depth: usize) -> Result<Self> {
        if depth > MAX_DEPTH {
            return Err(Error::unsupported(format!(
                "graphs are nested more than {MAX_DEPTH} deep"
            )));
        }
        Ok(Self {
            opsets,
            depth,
            network: Network::default(),
            names: BTreeMap::new(),
            captures: Vec::new(),
        })
    }

    fn load(mut self, graph: GraphProto) -> Result<(Network, Vec<String>)> {
        for initializer in graph.initializer {
            let name = initializer.name.clone().unwrap_or_default();
            let tensor = tensor(initializer).map_err(|error| error.at(&name, "initializer"))?;
            let id = self.define(&name)?;
            self.network.constants.insert(id, tensor);
        }
        for input in &graph.input {
            let name = input.name.as_deref().unwrap_or_default();
            // An input that has an initializer is a constant: requests cannot override the default.
            if !self.names.contains_key(name) {
                let id = self.define(name)?;
                self.network.inputs.push(id);
                let datatype = declared(input).datatype;
                let types = &mut self.network.input_types;
                types.extend(datatype.map(|datatype| (id, datatype)));
            }
        }
        for node in sorted(graph.node)? {
            let name = node.name.clone().unwrap_or_default();
            let op_type = node.op_type.clone().unwrap_or_default();
            self.node(node).map_err(|error| error.at(&name, &op_type))?;
        }
        for output in &graph.output {
            let id = self.value(output.name.as_deref().unwrap_or_default());
            self.network.outputs.push(id);
        }
        Ok((self.network, self.captures))
    }

    fn define(&mut self, name: &str) -> Result<ValueId> {
        let id = self.network.new_value();
        match self.names.insert(name.to_owned(), id) {
            None => Ok(id),
            Some(_) => Err(Error::graph(format!("`{name}` is defined twice"))),
        }
    }

    /// The value of that name. A value that this graph does not define is captured from the graph around it.
    fn value(&mut self, name: &str) -> ValueId {
        if let Some(&id) = self.names.get(name) {
            return id;
        }
        let id = self.network.new_value();
        self.names.insert(name.to_owned(), id);
        self.captures.push(name.to_owned());
        self.network.inputs.push(id);
        id
    }

    fn node(&mut self, mut proto: NodeProto) -> Result<()> {
        let domain = match proto.domain.as_deref() {
            None | Some("ai.onnx") => String::new(),
            Some(domain) => domain.to_owned(),
        };
        // Some files do not import the set of a domain whose operators they use.
        let version = self.opsets.get(&domain).copied().unwrap_or(1);
        let mut inputs: Vec<Option<ValueId>> = Vec::new();
        for position in 0..proto.input.len() {
            let name = proto.input[position].clone();
            inputs.push((!name.is_empty()).then(|| self.value(&name)));
        }
        let mut graphs = Vec::new();
        for attribute in &mut proto.attribute {
            let Some(inner) = attribute.g.take() else {
                continue;
            };
            let outputs = inner.output.iter().map(declared).collect();
            let (network, captures) = Loader::new(self.opsets, self.depth + 1)?.load(inner)?;
            for name in &captures {
                let id = self.value(name);
                inputs.push(Some(id));
            }
            graphs.push(Subnetwork {
                attribute: attribute.name.clone().unwrap_or_default(),
                network,
                captures: captures.len(),
                outputs,
            });
        }
        let mut outputs = Vec::new();
        for position in 0..proto.output.len() {
            let name = proto.output[position].clone();
            outputs.push(match name.is_empty() {
                true => None,
                false => Some(self.define(&name)?),
            });
        }
        self.network.nodes.push(Node {
            name: proto.name.unwrap_or_default(),
            op: Op::Onnx(OnnxNode {
                domain,
                op_type: proto.op_type.unwrap_or_default(),
                version,
                attributes: proto.attribute,
                graphs,
            }),
            inputs,
            outputs,
        });
        Ok(())
    }
}

/// The type that a graph declares for an input or an output.
fn declared(value: &ValueInfoProto) -> Declared {
    let Some(tensor) = value
        .r#type
        .as_ref()
        .and_then(|kind| kind.tensor_type.as_ref())
    else {
        return Declared::default();
    };
    let datatype = tensor.elem_type.and_then(|datatype| {
        let datatype = Datatype::from_onnx(datatype.0.into()).ok()?;
        (datatype != Datatype::Bytes).then_some(datatype)
    });
    let sizes = tensor.shape.iter().flat_map(|shape| &shape.dim);
    let size = |size: Option<i64>| size.and_then(|size| usize::try_from(size).ok());
    Declared {
        datatype,
        shape: sizes
            .map(|dimension| size(dimension.dim_value).unwrap_or(0))
            .collect(),
    }
}

/// Nodes in topological order. The specification requires that order, but some exporters write another.
fn sorted(nodes: Vec<NodeProto>) -> Result<Vec<NodeProto>> {
    let makers: BTreeMap<&str, usize> = nodes
        .iter()
        .enumerate()
        .flat_map(|(at, node)| node.output.iter().map(move |name| (name.as_str(), at)))
        .filter(|(name, _)| !name.is_empty())
        .collect();
    let needs: Vec<Vec<usize>> = nodes
        .iter()
        .map(|node| {
            let mut names: Vec<&str> = Vec::new();
            used_names(node, 0, &mut names);
            names
                .iter()
                .filter_map(|name| makers.get(name).copied())
                .collect()
        })
        .collect();
    let mut missing: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (at, needed) in needs.iter().enumerate() {
        for &maker in needed {
            users[maker].push(at);
        }
    }
    // Of the nodes whose inputs are computed, the first in the file is next.
    let mut ready: std::collections::BTreeSet<usize> =
        (0..nodes.len()).filter(|&at| missing[at] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for &user in &users[at] {
            missing[user] -= 1;
            if missing[user] == 0 {
                ready.insert(user);
            }
        }
    }
    if order.len() < nodes.len() {
        return Err(Error::graph("the nodes of the graph form a cycle"));
    }
    let mut nodes: Vec<Option<NodeProto>> = nodes.into_iter().map(Some).collect();
    Ok(order.iter().filter_map(|&at| nodes[at].take()).collect())
}

/// Adds the names of the values that a node and its subgraphs use.
fn used_names<'a>(node: &'a NodeProto, depth: usize, names: &mut Vec<&'a str>) {
    names.extend(
        node.input
            .iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty()),
    );
    if depth > MAX_DEPTH {
        return;
    }
    for graph in node
        .attribute
        .iter()
        .filter_map(|attribute| attribute.g.as_ref())
    {
        for inner in &graph.node {
            used_names(inner, depth + 1, names);
        }
        names.extend(
            graph
                .output
                .iter()
                .filter_map(|output| output.name.as_deref()),
        );
    }
}
