//! Two graphs become one: a model of images and a model of texts whose vectors are compared, such as the two halves of CLIP.
//!
//! Each graph becomes a function of the joined model (onnx.proto3, `FunctionProto`), which [`crate::standard_form`] inlines with
//! names of its own. A function has no weights, so they are inputs of its call.

use std::collections::BTreeSet;

use crate::field;
use crate::message::Message;

/// The domain of the two functions.
const DOMAIN: &str = "infer.join";

/// `TensorProto.DataType.FLOAT`
const FLOAT: u64 = 1;

/// `AttributeProto.AttributeType.INT`
const INTEGER: u64 = 2;

/// A graph with the output that is its vectors, shape `[items, size]`.
#[derive(Clone, Copy, Debug)]
pub struct Half<'a> {
    /// The bytes of the ONNX file, with its weights and without functions.
    pub onnx: &'a [u8],
    /// The name of the output.
    pub output: &'a str,
}

/// The name of the output of a joined graph: FP32, shape `[images, texts]`.
pub const JOINED_OUTPUT: &str = "logits_per_image";

/// Join two graphs into one with the inputs of both and the output [`JOINED_OUTPUT`]: the cosine of the angle between each
/// image's vector and each text's, times `scale`.
///
/// # Errors
/// The problem, in words: bytes that are no ONNX file, an output that a graph does not have, or inputs of the same name.
pub fn join(images: Half, texts: Half, scale: f32) -> Result<Vec<u8>, String> {
    let first = Message::parse(images.onnx)?;
    let second = Message::parse(texts.onnx)?;
    let mut model = Message::default();
    model.push_number(
        field::MODEL_IR_VERSION,
        first.number(field::MODEL_IR_VERSION),
    );
    for opset in first.all(field::MODEL_OPSET) {
        model.push(field::MODEL_OPSET, opset.to_vec());
    }
    let mut graph = Message::default();
    let mut inputs = BTreeSet::new();
    for (name, half, message) in [("images", images, &first), ("texts", texts, &second)] {
        let function = add_half(name, half, message, &mut graph, &mut inputs)?;
        model.push(field::MODEL_FUNCTION, function);
    }
    compare(&mut graph, scale);
    graph.push_text(field::GRAPH_NAME, "joined");
    let encoded = graph.encode();
    model.push(field::MODEL_GRAPH, encoded);
    Ok(model.encode())
}

/// Add the inputs and the weights of a graph to the joined one, and a call of the function that it becomes. Returns the function.
fn add_half(
    name: &str,
    half: Half,
    model: &Message<'_>,
    joined: &mut Message<'_>,
    inputs: &mut BTreeSet<String>,
) -> Result<Vec<u8>, String> {
    let graph = model
        .bytes(field::MODEL_GRAPH)
        .ok_or_else(|| format!("the graph of the {name} is missing"))?;
    let graph = Message::parse(graph)?;
    let mut function = Message::default();
    function.push_text(field::FUNCTION_NAME, name);
    function.push_text(field::FUNCTION_DOMAIN, DOMAIN);
    let mut call = Message::default();
    call.push_text(field::NODE_OPERATOR, name);
    call.push_text(field::NODE_DOMAIN, DOMAIN);
    let mut weights = BTreeSet::new();
    for tensor in graph.all(field::GRAPH_INITIALIZER) {
        let mut tensor = Message::parse(tensor)?;
        let own = tensor.text(field::TENSOR_NAME).to_owned();
        let unique = format!("{name}/{own}");
        function.push_text(field::FUNCTION_INPUT, &own);
        call.push_text(field::NODE_INPUT, &unique);
        tensor.remove(field::TENSOR_NAME);
        tensor.push_text(field::TENSOR_NAME, &unique);
        joined.push(field::GRAPH_INITIALIZER, tensor.encode());
        weights.insert(own);
    }
    for input in graph.all(field::GRAPH_INPUT) {
        let own = Message::parse(input)?.text(field::VALUE_NAME).to_owned();
        // Up to IR version 3, weights are inputs too.
        if weights.contains(&own) {
            continue;
        }
        if !inputs.insert(own.clone()) {
            return Err(format!("both graphs have an input `{own}`"));
        }
        function.push_text(field::FUNCTION_INPUT, &own);
        call.push_text(field::NODE_INPUT, &own);
        joined.push(field::GRAPH_INPUT, input.to_vec());
    }
    let mut has_output = false;
    for output in graph.all(field::GRAPH_OUTPUT) {
        let own = Message::parse(output)?.text(field::VALUE_NAME).to_owned();
        let is_vectors = own == half.output;
        has_output |= is_vectors;
        function.push_text(field::FUNCTION_OUTPUT, &own);
        let result = if is_vectors { name } else { "" };
        call.push_text(field::NODE_OUTPUT, result);
    }
    if !has_output {
        return Err(format!(
            "the graph of the {name} has no output `{}`",
            half.output
        ));
    }
    for node in graph.all(field::GRAPH_NODE) {
        function.push(field::FUNCTION_NODE, node.to_vec());
    }
    for opset in model.all(field::MODEL_OPSET) {
        function.push(field::FUNCTION_OPSET, opset.to_vec());
    }
    joined.push(field::GRAPH_NODE, call.encode());
    Ok(function.encode())
}

/// Add the product of the vectors of the `images` and the `texts`.
fn compare(graph: &mut Message<'_>, scale: f32) {
    for vectors in ["images", "texts"] {
        let mut attribute = Message::default();
        attribute.push_text(field::ATTRIBUTE_NAME, "to");
        attribute.push_number(field::ATTRIBUTE_INTEGER, FLOAT);
        attribute.push_number(field::ATTRIBUTE_KIND, INTEGER);
        let float = format!("{vectors}/float");
        let mut cast = node("Cast", &[vectors], &float);
        cast.push(field::NODE_ATTRIBUTE, attribute.encode());
        graph.push(field::GRAPH_NODE, cast.encode());
        // Of length 1, over the last axis, by default.
        let unit = node("LpNormalization", &[&float], &format!("{vectors}/unit"));
        graph.push(field::GRAPH_NODE, unit.encode());
    }
    let mut tensor = Message::default();
    tensor.push_number(field::TENSOR_DATATYPE, FLOAT);
    tensor.push_text(field::TENSOR_NAME, "scale");
    tensor.push(field::TENSOR_RAW_DATA, scale.to_le_bytes().to_vec());
    graph.push(field::GRAPH_INITIALIZER, tensor.encode());
    for node in [
        node("Transpose", &["texts/unit"], "columns"),
        node("MatMul", &["images/unit", "columns"], "cosines"),
        node("Mul", &["cosines", "scale"], JOINED_OUTPUT),
    ] {
        graph.push(field::GRAPH_NODE, node.encode());
    }
    graph.push(field::GRAPH_OUTPUT, output());
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Message<'static> {
    let mut node = Message::default();
    for input in inputs {
        node.push_text(field::NODE_INPUT, input);
    }
    node.push_text(field::NODE_OUTPUT, output);
    node.push_text(field::NODE_OPERATOR, operator);
    node
}

/// The declaration of the output: `TypeProto.tensor_type` with an element type and two open dimensions.
fn output() -> Vec<u8> {
    let mut shape = Message::default();
    for size in ["images", "texts"] {
        let mut dimension = Message::default();
        dimension.push_text(2, size);
        shape.push(1, dimension.encode());
    }
    let mut tensor = Message::default();
    tensor.push_number(1, FLOAT);
    tensor.push(2, shape.encode());
    let mut kind = Message::default();
    kind.push(1, tensor.encode());
    let mut value = Message::default();
    value.push_text(field::VALUE_NAME, JOINED_OUTPUT);
    value.push(field::VALUE_TYPE, kind.encode());
    value.encode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{describe, standard_form};

    /// A file whose graph copies its input to its output; `version` is that of ONNX's operators.
    fn file(input: &str, output: &str, version: u64) -> Vec<u8> {
        let value = |name: &str| {
            let mut tensor = Message::default();
            tensor.push_number(1, FLOAT);
            let mut kind = Message::default();
            kind.push(1, tensor.encode());
            let mut value = Message::default();
            value.push_text(field::VALUE_NAME, name);
            value.push(field::VALUE_TYPE, kind.encode());
            value.encode()
        };
        let mut graph = Message::default();
        graph.push(
            field::GRAPH_NODE,
            node("Identity", &[input], output).encode(),
        );
        graph.push(field::GRAPH_INPUT, value(input));
        graph.push(field::GRAPH_OUTPUT, value(output));
        let mut opset = Message::default();
        opset.push_number(2, version);
        let mut model = Message::default();
        model.push_number(field::MODEL_IR_VERSION, 8);
        model.push(field::MODEL_OPSET, opset.encode());
        model.push(field::MODEL_GRAPH, graph.encode());
        model.encode()
    }

    fn joined(images: &[u8], texts: &[u8], output: &str) -> Result<Vec<u8>, String> {
        let images = Half {
            onnx: images,
            output,
        };
        let texts = Half {
            onnx: texts,
            output: "y",
        };
        let standard = standard_form(join(images, texts, 100.0)?)?;
        Ok(standard.onnx)
    }

    #[test]
    fn a_joined_graph_has_the_inputs_of_both() {
        let onnx = joined(&file("a", "y", 17), &file("b", "y", 17), "y").unwrap();
        let signature = describe(&onnx).unwrap().signature;
        let names: Vec<_> = signature.inputs.iter().map(|input| &input.name).collect();
        assert_eq!(names, ["a", "b"]);
        let names: Vec<_> = signature
            .outputs
            .iter()
            .map(|output| &output.name)
            .collect();
        assert_eq!(names, [JOINED_OUTPUT]);
    }

    #[test]
    fn graphs_that_do_not_fit_are_refused_in_words() {
        let (a, b) = (file("a", "y", 17), file("b", "y", 17));
        let cases: [(&[u8], &[u8], &str, &str); 5] = [
            (&a, &b, "z", "the graph of the images has no output `z`"),
            (&a, &a, "y", "both graphs have an input `a`"),
            (
                &a,
                &file("b", "y", 14),
                "y",
                "its function `texts` uses version 14 of the operator set `ai.onnx` and the model version 17",
            ),
            (b"", &b, "y", "the graph of the images is missing"),
            (&a, b"\xff", "y", ""),
        ];
        let mut wrong = Vec::new();
        for (images, texts, output, expected) in cases {
            match joined(images, texts, output) {
                Err(reason) if reason.contains(expected) => {}
                other => wrong.push(format!("{other:?}, expected {expected}")),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
