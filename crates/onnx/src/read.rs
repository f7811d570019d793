//! Reads the signature and the metadata of an ONNX file (onnx.proto3).

use std::collections::BTreeMap;

use infer_tensor::{Datatype, Dim, Error, ErrorKind, Signature, TensorInfo};
use rten_onnx::onnx::{ModelProto, NodeProto, ValueInfoProto};

use crate::outline::{ReadAt, outline};
use crate::standard::{standard_form, standard_outline};
use crate::{classes, tables, wire};

/// The metadata of an ONNX file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The program that wrote the file, with its version; empty if the file names none.
    pub producer: String,
    /// The name and version of each operator set; ONNX's own has the empty name.
    pub opsets: Vec<(String, i64)>,
    /// The custom metadata, by key.
    pub metadata: Vec<(String, String)>,
    /// How many nodes each operator has, without those in subgraphs.
    pub operators: BTreeMap<String, usize>,
    /// The operator that computes each output, in the graph's order; empty for an output that is an input.
    pub last_operators: Vec<String>,
}

/// The declarations of an ONNX file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The inputs and outputs of the graph.
    pub signature: Signature,
    /// The metadata.
    pub summary: Summary,
    /// The inputs whose values are indices of rows of a table in the file, with the number of rows: token ids and the size
    /// of the vocabulary.
    pub table_rows: BTreeMap<String, u64>,
    /// The labels of the classes of each output whose scores come from a classifier with labels.
    pub class_labels: BTreeMap<String, Vec<String>>,
    /// A sentence for each input and output that is not served, or in another form.
    pub notes: Vec<String>,
}

/// Read the declarations of a file.
///
/// # Errors
/// As [`read`].
pub fn describe(onnx: &[u8]) -> Result<Description, Error> {
    describe_source(&mut &*onnx)
}

/// Read the declarations of a file, without reading its weights.
///
/// # Errors
/// As [`read`], and `InvalidEncoding` with the reason if the source cannot be read.
pub fn describe_source(source: &mut dyn ReadAt) -> Result<Description, Error> {
    let bytes = source.size();
    let outline = checked_outline(source)?;
    let as_written = parse(&outline, bytes)?;
    let class_labels = as_written.graph.as_ref().map(classes::labels);
    let standard = standard_outline(outline).map_err(|reason| unreadable(bytes, &reason))?;
    let model = parse(&standard.onnx, bytes)?;
    let signature = signature(&model, bytes)?;
    let mut class_labels = class_labels.unwrap_or_default();
    class_labels.retain(|name, _| signature.outputs.iter().any(|output| output.name == *name));
    Ok(Description {
        signature,
        table_rows: model.graph.as_ref().map(tables::rows).unwrap_or_default(),
        summary: summary(model),
        class_labels,
        notes: standard.notes,
    })
}

fn summary(model: ModelProto) -> Summary {
    let graph = model.graph.unwrap_or_default();
    let name = |node: &NodeProto| {
        let name = node.op_type.as_deref().unwrap_or_default();
        match node.domain.as_deref() {
            None | Some("") => name.to_owned(),
            Some(domain) => format!("{domain}.{name}"),
        }
    };
    let mut operators = BTreeMap::new();
    for node in &graph.node {
        *operators.entry(name(node)).or_default() += 1;
    }
    let last_operators = graph.output.iter().map(|output| {
        let output = output.name.as_deref().unwrap_or_default();
        maker(&graph.node, output).map(name).unwrap_or_default()
    });
    let parts = [model.producer_name, model.producer_version];
    Summary {
        producer: parts.into_iter().flatten().collect::<Vec<_>>().join(" "),
        opsets: model
            .opset_import
            .into_iter()
            .map(|opset| {
                (
                    opset.domain.unwrap_or_default(),
                    opset.version.unwrap_or_default(),
                )
            })
            .collect(),
        metadata: model
            .metadata_props
            .into_iter()
            .map(|entry| {
                (
                    entry.key.unwrap_or_default(),
                    entry.value.unwrap_or_default(),
                )
            })
            .collect(),
        last_operators: last_operators.collect(),
        operators,
    }
}

/// The node that computes a tensor's values, looking through nodes that only pass them on.
fn maker<'a>(nodes: &'a [NodeProto], tensor: &str) -> Option<&'a NodeProto> {
    let find = |tensor: &str| {
        let makes = |node: &&NodeProto| node.output.iter().any(|name| name == tensor);
        nodes.iter().find(makes)
    };
    let mut node = find(tensor)?;
    // A file's nodes may form a cycle, so take at most as many steps as there are nodes.
    for _ in nodes {
        let passes_on = matches!(
            node.op_type.as_deref(),
            Some("Cast" | "Identity" | "Reshape")
        );
        match node.input.first().and_then(|input| find(input)) {
            Some(before) if passes_on => node = before,
            _ => break,
        }
    }
    Some(node)
}

fn unreadable(bytes: u64, reason: &str) -> Error {
    Error::new(
        ErrorKind::InvalidEncoding,
        format!("not a readable ONNX file of {bytes} bytes: {reason}"),
    )
}

fn checked_outline(source: &mut dyn ReadAt) -> Result<Vec<u8>, Error> {
    let bytes = source.size();
    if bytes == 0 {
        return Err(unreadable(0, "it is empty"));
    }
    let outline = outline(source).map_err(|error| unreadable(bytes, &error.to_string()))?;
    wire::check(&outline).map_err(|reason| unreadable(bytes, &reason))?;
    Ok(outline)
}

fn parse(outline: &[u8], bytes: u64) -> Result<ModelProto, Error> {
    ModelProto::parse_buf(outline).map_err(|error| unreadable(bytes, &error.to_string()))
}

/// Convert a file to its standard form and read its signature. The whole file is checked to be well-formed protobuf, so that
/// a library can read it.
///
/// # Errors
/// `InvalidEncoding` if it is no ONNX file or its graph has no output, `UnsupportedOperation` for weights in other
/// files and for an input or output that is not a tensor.
pub fn read(onnx: Vec<u8>) -> Result<(Vec<u8>, Signature), Error> {
    let bytes = onnx.len() as u64;
    let failed = |reason: String| unreadable(bytes, &reason);
    wire::check(&onnx).map_err(failed)?;
    let onnx = standard_form(onnx).map_err(failed)?.onnx;
    let outline = checked_outline(&mut onnx.as_slice())?;
    let model = parse(&outline, bytes)?;
    let weights = model.graph.iter().flat_map(|graph| &graph.initializer);
    if let Some(weight) = weights
        .into_iter()
        .find(|weight| !weight.external_data.is_empty())
    {
        let mut entries = weight.external_data.iter();
        let location = entries.find(|entry| entry.key.as_deref() == Some("location"));
        return Err(Error::unsupported(format!(
            "weight `{}` is in another file, `{}`, which is not here; save the model in one file",
            weight.name.as_deref().unwrap_or_default(),
            location
                .and_then(|entry| entry.value.as_deref())
                .unwrap_or_default()
        )));
    }
    Ok((onnx, signature(&model, bytes)?))
}

fn signature(model: &ModelProto, bytes: u64) -> Result<Signature, Error> {
    let graph = model
        .graph
        .as_ref()
        .filter(|graph| !graph.output.is_empty())
        .ok_or_else(|| unreadable(bytes, "it has no graph with an output"))?;
    let defaults: std::collections::BTreeSet<&str> = graph
        .initializer
        .iter()
        .filter_map(|tensor| tensor.name.as_deref())
        .collect();
    let inputs = graph
        .input
        .iter()
        .filter(|input| {
            !input
                .name
                .as_deref()
                .is_some_and(|name| defaults.contains(name))
        })
        .map(tensor_info)
        .collect::<Result<_, _>>()?;
    let outputs = graph
        .output
        .iter()
        .map(tensor_info)
        .collect::<Result<_, _>>()?;
    Ok(Signature { inputs, outputs })
}

fn tensor_info(value: &ValueInfoProto) -> Result<TensorInfo, Error> {
    let name = value.name.clone().unwrap_or_default();
    let Some(kind) = &value.r#type else {
        return Err(Error::unsupported(format!(
            "the file declares no type for `{name}`; `onnx.shape_inference.infer_shapes` adds it"
        )));
    };
    let tensor = kind
        .tensor_type
        .as_ref()
        .ok_or_else(|| {
            Error::unsupported(format!(
                "`{name}` is not a tensor (a sequence, an optional or a map), which wasi-nn does not support"
            ))
        })?;
    let shape = tensor.shape.as_ref().map(|shape| {
        shape
            .dim
            .iter()
            .map(|dim| match (dim.dim_value, &dim.dim_param) {
                (Some(size), _) if u32::try_from(size).is_ok() => {
                    Dim::Fixed(u32::try_from(size).unwrap_or_default())
                }
                (_, Some(name)) if !name.is_empty() => Dim::Symbolic(name.clone()),
                _ => Dim::Any,
            })
            .collect()
    });
    Ok(TensorInfo {
        name,
        datatype: tensor
            .elem_type
            .and_then(|onnx| Datatype::from_onnx(onnx.0.into()).ok()),
        shape,
    })
}
