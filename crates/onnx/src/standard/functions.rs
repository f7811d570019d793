//! Functions of a model (onnx.proto3, `FunctionProto`; ONNX IR specification, "Functions"), inlined into its graphs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Graph, MAX_DEPTH, change_subgraphs};
use crate::field;
use crate::message::{Message, Value};

/// Nodes that a model may have when its functions are inlined: functions that call functions can multiply without end.
const MAX_NODES: usize = 500_000;

/// An operator's domain and name.
type Key = (String, String);

struct Functions<'a> {
    by_name: BTreeMap<Key, Message<'a>>,
    /// Calls that were inlined, for names of their own.
    calls: usize,
    nodes: usize,
}

/// Inline the functions that a graph and its subgraphs call. Returns whether there was one.
///
/// # Errors
/// The problem, in words.
pub(super) fn inline(model: &mut Message<'_>, graph: &mut Graph<'_>) -> Result<bool, String> {
    let encoded: Vec<Vec<u8>> = model
        .all(field::MODEL_FUNCTION)
        .map(<[u8]>::to_vec)
        .collect();
    if encoded.is_empty() {
        return Ok(false);
    }
    let mut opsets = versions(model.all(field::MODEL_OPSET))?;
    let mut by_name = BTreeMap::new();
    let mut added = Vec::new();
    for function in &encoded {
        let function = Message::parse(function)?;
        let key = (
            domain(function.text(field::FUNCTION_DOMAIN)).to_owned(),
            function.text(field::FUNCTION_NAME).to_owned(),
        );
        for (domain, version) in versions(function.all(field::FUNCTION_OPSET))? {
            match opsets.get(&domain) {
                Some(known) if *known == version => {}
                Some(known) => {
                    return Err(format!(
                        "its function `{}` uses version {version} of the operator set `{}` and the model version {known}, \
                         expected the same version",
                        key.1,
                        if domain.is_empty() {
                            "ai.onnx"
                        } else {
                            &domain
                        },
                    ));
                }
                None => {
                    added.push((domain.clone(), version));
                    opsets.insert(domain, version);
                }
            }
        }
        by_name.insert(key, function);
    }
    for (domain, version) in added {
        let mut opset = Message::default();
        opset.push_text(1, &domain);
        opset.push_number(2, version);
        let encoded = opset.encode();
        model.push(field::MODEL_OPSET, encoded);
    }
    let mut functions = Functions {
        by_name,
        calls: 0,
        nodes: 0,
    };
    let nodes = std::mem::take(&mut graph.nodes);
    for node in nodes {
        functions.node(&node, 0, &mut graph.nodes)?;
    }
    Ok(true)
}

fn versions<'a>(opsets: impl Iterator<Item = &'a [u8]>) -> Result<BTreeMap<String, u64>, String> {
    opsets
        .map(|opset| {
            let opset = Message::parse(opset)?;
            Ok((domain(opset.text(1)).to_owned(), opset.number(2)))
        })
        .collect()
}

/// ONNX's own domain has two names.
fn domain(name: &str) -> &str {
    match name {
        "ai.onnx" => "",
        other => other,
    }
}

impl Functions<'_> {
    /// Add a node, or the nodes of the function that it calls.
    fn node(
        &mut self,
        node: &[u8],
        depth: usize,
        nodes: &mut Vec<Cow<'_, [u8]>>,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!(
                "its functions and graphs are nested more than {MAX_DEPTH} deep"
            ));
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(format!(
                "its functions make more than {MAX_NODES} nodes of it"
            ));
        }
        let message = Message::parse(node)?;
        let key = (
            domain(message.text(field::NODE_DOMAIN)).to_owned(),
            message.text(field::NODE_OPERATOR).to_owned(),
        );
        if self.by_name.contains_key(&key) {
            for inlined in self.body(&key, &message)? {
                self.node(&inlined, depth + 1, nodes)?;
            }
            return Ok(());
        }
        let changed = change_subgraphs(node, &mut |bytes| {
            let mut graph = Graph::parse(&bytes)?;
            let inner = std::mem::take(&mut graph.nodes);
            for node in inner {
                self.node(&node, depth + 1, &mut graph.nodes)?;
            }
            Ok(Some(graph.encode()))
        })?;
        nodes.push(Cow::Owned(changed.unwrap_or_else(|| node.to_vec())));
        Ok(())
    }

    /// The nodes of a function, with the names and the attributes of a call.
    fn body(&mut self, key: &Key, call: &Message<'_>) -> Result<Vec<Vec<u8>>, String> {
        self.calls += 1;
        let Some(function) = self.by_name.get(key) else {
            return Ok(Vec::new());
        };
        let prefix = format!("{}#{}/", key.1, self.calls);
        let mut names: BTreeMap<&str, String> = BTreeMap::new();
        let given: Vec<&str> = call.texts(field::NODE_INPUT).collect();
        let formal: Vec<&str> = function.texts(field::FUNCTION_INPUT).collect();
        if given.len() > formal.len() {
            return Err(format!(
                "a node calls the function `{}` with {} inputs, expected at most {}",
                key.1,
                given.len(),
                formal.len()
            ));
        }
        for (at, name) in formal.iter().enumerate() {
            // An input that the call leaves out is left out of the nodes that use it.
            names.insert(name, given.get(at).copied().unwrap_or_default().to_owned());
        }
        let mut copies = Vec::new();
        let results: Vec<&str> = call.texts(field::NODE_OUTPUT).collect();
        for (name, result) in function.texts(field::FUNCTION_OUTPUT).zip(&results) {
            if result.is_empty() {
                continue;
            }
            match names.get(name) {
                // An output that is an input, or a value that is two outputs.
                Some(value) => copies.push((value.clone(), *result)),
                None => _ = names.insert(name, (*result).to_owned()),
            }
        }
        let rename = |name: &str| match names.get(name) {
            Some(known) => known.clone(),
            None => format!("{prefix}{name}"),
        };
        let attributes = attributes(function, call)?;
        let nodes = function.all(field::FUNCTION_NODE).map(|node| {
            let mut node = Message::parse(node)?;
            rewrite(&mut node, &rename, &attributes, 0)?;
            Ok(node.encode())
        });
        let mut nodes = nodes.collect::<Result<Vec<_>, String>>()?;
        for (value, result) in copies {
            let mut identity = Message::default();
            identity.push_text(field::NODE_INPUT, &value);
            identity.push_text(field::NODE_OUTPUT, result);
            identity.push_text(field::NODE_OPERATOR, "Identity");
            nodes.push(identity.encode());
        }
        Ok(nodes)
    }
}

/// The attributes of a call by name, with the function's defaults.
fn attributes(
    function: &Message<'_>,
    call: &Message<'_>,
) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let all = function
        .all(field::FUNCTION_DEFAULT)
        .chain(call.all(field::NODE_ATTRIBUTE))
        .map(|attribute| {
            let name = Message::parse(attribute)?
                .text(field::ATTRIBUTE_NAME)
                .to_owned();
            Ok((name, attribute.to_vec()))
        });
    all.collect()
}

/// Give a node of a function the names and the attributes of a call.
fn rewrite(
    node: &mut Message<'_>,
    rename: &dyn Fn(&str) -> String,
    attributes: &BTreeMap<String, Vec<u8>>,
    depth: usize,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!(
            "a function's graphs are nested more than {MAX_DEPTH} deep"
        ));
    }
    let mut unset = BTreeSet::new();
    for (at, (number, value)) in node.fields.iter_mut().enumerate() {
        let Value::Bytes(bytes) = value else {
            continue;
        };
        match *number {
            field::NODE_INPUT | field::NODE_OUTPUT => renamed(bytes, rename),
            field::NODE_ATTRIBUTE => {
                match attribute(bytes, rename, attributes, depth)? {
                    Some(changed) => *bytes = Cow::Owned(changed),
                    None => _ = unset.insert(at),
                };
            }
            _ => {}
        }
    }
    let mut at = 0;
    node.fields.retain(|_| {
        at += 1;
        !unset.contains(&(at - 1))
    });
    Ok(())
}

fn renamed(bytes: &mut Cow<'_, [u8]>, rename: &dyn Fn(&str) -> String) {
    let name = std::str::from_utf8(bytes).unwrap_or_default();
    if !name.is_empty() {
        *bytes = Cow::Owned(rename(name).into_bytes());
    }
}

/// An attribute of a node inside a function; `None` if it is that of a call that does not set it.
fn attribute(
    bytes: &[u8],
    rename: &dyn Fn(&str) -> String,
    attributes: &BTreeMap<String, Vec<u8>>,
    depth: usize,
) -> Result<Option<Vec<u8>>, String> {
    let mut attribute = Message::parse(bytes)?;
    let reference = attribute.text(field::ATTRIBUTE_REFERENCE);
    if !reference.is_empty() {
        let Some(found) = attributes.get(reference) else {
            return Ok(None);
        };
        let name = attribute.text(field::ATTRIBUTE_NAME).to_owned();
        let mut value = Message::parse(found)?;
        value.remove(field::ATTRIBUTE_NAME);
        value.push_text(field::ATTRIBUTE_NAME, &name);
        return Ok(Some(value.encode()));
    }
    for (number, value) in &mut attribute.fields {
        if let Value::Bytes(graph) = value
            && [field::ATTRIBUTE_GRAPH, field::ATTRIBUTE_GRAPHS].contains(number)
        {
            let mut message = Message::parse(graph)?;
            for (number, value) in &mut message.fields {
                let Value::Bytes(bytes) = value else {
                    continue;
                };
                let name_field = match *number {
                    field::GRAPH_NODE => {
                        let mut node = Message::parse(bytes)?;
                        rewrite(&mut node, rename, attributes, depth + 1)?;
                        let encoded = node.encode();
                        *bytes = Cow::Owned(encoded);
                        continue;
                    }
                    field::GRAPH_INITIALIZER => field::TENSOR_NAME,
                    field::GRAPH_INPUT | field::GRAPH_OUTPUT | field::GRAPH_VALUE_INFO => {
                        field::VALUE_NAME
                    }
                    _ => continue,
                };
                let mut named = Message::parse(bytes)?;
                for (number, value) in &mut named.fields {
                    if let Value::Bytes(name) = value
                        && *number == name_field
                    {
                        renamed(name, rename);
                    }
                }
                let encoded = named.encode();
                *bytes = Cow::Owned(encoded);
            }
            let encoded = message.encode();
            *graph = Cow::Owned(encoded);
        }
    }
    Ok(Some(attribute.encode()))
}
