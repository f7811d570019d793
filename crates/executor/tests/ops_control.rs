//! Graphs inside graphs: what they take from outside, when they are run, and what they refuse.

use infer_executor::{Graph, Tensor};
use rten_onnx::onnx::{
    AttributeProto, DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};

fn names(given: &str) -> Vec<String> {
    // A name of `_` is an input left out.
    let each = given.split_whitespace().map(|name| name.replace('_', ""));
    each.collect()
}

fn node(op_type: &str, inputs: &str, outputs: &str, graphs: &[(&str, GraphProto)]) -> NodeProto {
    let attribute = graphs.iter().map(|(name, graph)| AttributeProto {
        name: Some((*name).to_owned()),
        g: Some(graph.clone()),
        ..AttributeProto::default()
    });
    NodeProto {
        op_type: Some(op_type.to_owned()),
        attribute: attribute.collect(),
        input: names(inputs),
        output: names(outputs),
        ..NodeProto::default()
    }
}

/// A Scan over the last of its inputs.
fn scan(inputs: &str, outputs: &str, body: GraphProto) -> NodeProto {
    let mut scan = node("Scan", inputs, outputs, &[("body", body)]);
    scan.attribute.push(AttributeProto {
        name: Some("num_scan_inputs".to_owned()),
        i: Some(1),
        ..AttributeProto::default()
    });
    scan
}

/// A graph of these nodes that has some constants, too.
fn graph(inputs: &str, outputs: &str, nodes: Vec<NodeProto>) -> GraphProto {
    let values = |given: &str| {
        let each = names(given).into_iter().map(|name| ValueInfoProto {
            name: Some(name),
            ..ValueInfoProto::default()
        });
        each.collect()
    };
    GraphProto {
        input: values(inputs),
        output: values(outputs),
        node: nodes,
        ..GraphProto::default()
    }
}

fn constant(name: &str, datatype: DataType, shape: &[i64], values: &[i32]) -> TensorProto {
    let mut constant = TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(datatype),
        dims: shape.to_vec(),
        ..TensorProto::default()
    };
    if datatype == DataType::INT64 {
        constant.int64_data = values.iter().map(|&value| value.into()).collect();
    } else {
        constant.int32_data = values.to_vec();
    }
    constant
}

fn load(mut graph: GraphProto) -> Result<Graph, String> {
    graph.initializer = vec![
        constant("yes", DataType::BOOL, &[], &[1]),
        constant("both", DataType::BOOL, &[2], &[1, 0]),
        constant("none", DataType::INT64, &[], &[0]),
        constant("three", DataType::INT64, &[], &[3]),
        constant("pair", DataType::INT64, &[2], &[1, 2]),
        constant("triple", DataType::INT64, &[3], &[1, 2, 3]),
    ];
    let mut model = ModelProto {
        graph: Some(graph),
        ..ModelProto::default()
    };
    model.opset_import.push(OperatorSetIdProto {
        domain: None,
        version: Some(21),
    });
    Graph::load(model).map_err(|error| error.to_string())
}

fn run(graph: GraphProto, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let graph = load(graph)?;
    graph
        .run(inputs.to_vec())
        .map_err(|error| error.to_string())
}

fn longs(values: &[i64]) -> Tensor {
    Tensor::vector(values.to_vec())
}

fn rows(shape: &[usize], values: &[i64]) -> Tensor {
    Tensor::of(shape, values.to_vec()).unwrap()
}

/// A body of Loop that adds `x` from outside to its state, and puts out the sum and `x` itself.
fn adding() -> GraphProto {
    let nodes = vec![
        node("Add", "s x", "t", &[]),
        node("Identity", "go", "on", &[]),
    ];
    graph("n go s", "on t t x", nodes)
}

/// A body of Loop that cannot be computed: nothing broadcasts a pair and a triple.
fn failing() -> GraphProto {
    let nodes = vec![
        node("Add", "pair n", "a", &[]),
        node("Add", "a triple", "b", &[]),
        node("Identity", "go", "on", &[]),
    ];
    graph("n go", "on b", nodes)
}

#[test]
fn each_branch_takes_its_own_values_from_outside() {
    let then = graph("", "a", vec![node("Add", "y x", "a", &[])]);
    // One of the outputs is a value from outside as it is.
    let otherwise = graph("", "z", vec![]);
    let branches = [("then_branch", then), ("else_branch", otherwise)];
    let whole = graph("c x y z", "o x z", vec![node("If", "c", "o", &branches)]);
    let loaded = load(whole).unwrap();
    for (condition, expected) in [(true, 11), (false, 100)] {
        let given = vec![
            Tensor::scalar(condition),
            longs(&[1]),
            longs(&[10]),
            longs(&[100]),
        ];
        let actual = loaded.run(given).unwrap();
        let expected = [longs(&[expected]), longs(&[1]), longs(&[100])];
        assert_eq!(actual, expected, "{condition}");
    }
}

#[test]
fn iterations_take_the_same_values_from_outside() {
    let looped = node("Loop", "three yes s", "last sums xs", &[("body", adding())]);
    let given = [longs(&[10]), longs(&[1])];
    // What is taken is still there afterwards.
    let actual = run(graph("x s", "last sums xs x", vec![looped]), &given);
    let expected = vec![
        longs(&[31]),
        rows(&[3, 1], &[11, 21, 31]),
        rows(&[3, 1], &[10, 10, 10]),
        longs(&[10]),
    ];
    assert_eq!(actual, Ok(expected));

    let body = graph(
        "s v",
        "t w",
        vec![node("Add", "s v", "t", &[]), node("Mul", "v x", "w", &[])],
    );
    let given = [longs(&[10]), longs(&[0]), rows(&[3, 1], &[1, 2, 3])];
    let scanned = scan("s v", "last ws", body);
    let actual = run(graph("x s v", "last ws", vec![scanned]), &given);
    assert_eq!(actual, Ok(vec![longs(&[6]), rows(&[3, 1], &[10, 20, 30])]));
}

#[test]
fn a_loop_of_constants_is_not_run_while_its_file_is_loaded() {
    let looped = || node("Loop", "three yes", "o", &[("body", failing())]);
    let inner = || node("Loop", "three yes", "p", &[("body", failing())]);
    let branch = || graph("", "p", vec![inner()]);
    let branches = [("then_branch", branch()), ("else_branch", branch())];
    let body = graph("v", "p", vec![inner()]);
    let cases = [
        ("a loop", looped()),
        ("a loop in a branch", node("If", "yes", "o", &branches)),
        ("a loop in a scan", scan("triple", "o", body)),
    ];
    let mut failures = Vec::new();
    for (name, node) in cases {
        match load(graph("", "o", vec![node])) {
            Err(error) => failures.push(format!("{name}: run at load: {error}")),
            Ok(loaded) => match loaded.run(Vec::new()) {
                Err(error) if error.to_string().contains("cannot be broadcast") => {}
                actual => failures.push(format!("{name}: actual {actual:?}")),
            },
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_control_flow_cannot_do_is_said() {
    let one = || graph("", "x", vec![]);
    let two = graph("", "x x", vec![]);
    let branches = |then: GraphProto, otherwise: GraphProto| {
        [("then_branch", then), ("else_branch", otherwise)]
    };
    let body = |inputs: &str, outputs: &str| [("body", graph(inputs, outputs, vec![]))];
    let growing = graph(
        "n go s",
        "go t t",
        vec![{
            let mut concat = node("Concat", "s x", "t", &[]);
            concat.attribute.push(AttributeProto {
                name: Some("axis".to_owned()),
                i: Some(0),
                ..AttributeProto::default()
            });
            concat
        }],
    );
    let cases = [
        (
            node("If", "both", "o", &branches(one(), one())),
            "If: the condition has 2 values, expected 1",
        ),
        (
            node("If", "three", "o", &branches(one(), one())),
            "If: expected a tensor of BOOL, got INT64",
        ),
        (
            node("If", "yes", "o", &branches(one(), two)),
            "If: a branch has 2 outputs, expected 1",
        ),
        (
            node("If", "yes", "o", &branches(one(), one())[..1]),
            "If: the attribute `else_branch` is missing",
        ),
        (
            node("If", "yes", "o", &branches(one(), graph("a", "a", vec![]))),
            "If: the subgraph has 1 inputs, expected 0",
        ),
        (
            node("Loop", "pair yes", "o", &body("n go", "go n")),
            "Loop: the trip count has 2 values, expected 1",
        ),
        (
            node("Loop", "three both", "o", &body("n go", "go n")),
            "Loop: the condition has 2 values, expected 1",
        ),
        (
            node("Loop", "three yes", "o", &body("n go", "n n")),
            "Loop: expected a tensor of BOOL, got INT64",
        ),
        (
            node("Loop", "none yes", "o", &body("n go", "go n")),
            "Loop: a loop or scan without iterations is not supported if its subgraph does not declare the datatype of a scan output",
        ),
        (
            node("Loop", "three yes x", "o", &body("n go", "go n")),
            "Loop: the subgraph has 2 inputs, expected 3",
        ),
        (
            node("Loop", "three yes x", "o", &body("n go s", "go")),
            "Loop: the subgraph has 1 outputs, expected at least 2",
        ),
        (
            node("Loop", "three yes x", "o p", &[("body", growing)]),
            "Loop: a scan output is INT64 of shape [3], but INT64 of shape [2] in the first iteration",
        ),
        (
            node("Scan", "x", "o", &body("v", "v")),
            "Scan: the attribute `num_scan_inputs` is missing",
        ),
        (
            scan("", "o", graph("", "x", vec![])),
            "Scan: the attribute `num_scan_inputs` is not between 1 and 0, the number of inputs",
        ),
        (
            scan("three", "o", graph("v", "v", vec![])),
            "Scan: there is no axis 0 in 0 dimensions",
        ),
    ];
    let mut failures = Vec::new();
    for (node, expected) in cases {
        let actual = run(graph("x", "o", vec![node]), &[longs(&[1])]);
        if actual.as_ref().err().map(String::as_str) != Some(expected) {
            failures.push(format!("actual {actual:?}, expected {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The same graph, which declares the type of its last output; a size of -1 has a name instead.
fn declaring(mut graph: GraphProto, datatype: DataType, shape: Option<&[i64]>) -> GraphProto {
    let dimension = |&size: &i64| Dimension {
        dim_value: (size >= 0).then_some(size),
        dim_param: (size < 0).then(|| "n".to_owned()),
    };
    let shape = shape.map(|shape| TensorShapeProto {
        dim: shape.iter().map(dimension).collect(),
    });
    graph.output.last_mut().unwrap().r#type = Some(TypeProto {
        tensor_type: Some(TypeProtoTensor {
            elem_type: Some(datatype),
            shape,
        }),
        ..TypeProto::default()
    });
    graph
}

#[test]
fn a_loop_without_iterations_has_the_outputs_that_its_subgraph_declares() {
    let none = |shape: &[usize]| Tensor::of(shape, Vec::<f32>::new()).unwrap();
    let state = rows(&[2], &[7, 8]);
    let looped = |datatype, shape: Option<&[i64]>| {
        let body = declaring(graph("n go s", "go s n", vec![]), datatype, shape);
        node("Loop", "none yes x", "o p", &[("body", body)])
    };
    let scanned = |axis: i64, shape: &[i64]| {
        let body = graph("s v", "s v", vec![]);
        let body = declaring(body, DataType::FLOAT, Some(shape));
        let mut scan = scan("x y", "o p", body);
        scan.attribute.push(AttributeProto {
            name: Some("scan_output_axes".to_owned()),
            ints: vec![axis],
            ..AttributeProto::default()
        });
        scan
    };
    let cases = [
        (looped(DataType::FLOAT, Some(&[2])), Ok(none(&[0, 2]))),
        (
            looped(DataType::FLOAT, Some(&[-1, 3])),
            Ok(none(&[0, 0, 3])),
        ),
        (looped(DataType::FLOAT, Some(&[])), Ok(none(&[0]))),
        (looped(DataType::FLOAT, None), Ok(none(&[0]))),
        (
            looped(DataType::FLOAT, Some(&[i64::MAX, i64::MAX])),
            Ok(none(&[0, i64::MAX as usize, i64::MAX as usize])),
        ),
        (
            looped(DataType::INT64, Some(&[])),
            Ok(Tensor::vector(Vec::<i64>::new())),
        ),
        (
            looped(DataType::STRING, Some(&[])),
            Err(
                "Loop: a loop or scan without iterations is not supported if its subgraph does not declare the datatype of a scan output",
            ),
        ),
        (scanned(0, &[5]), Ok(none(&[0, 5]))),
        (scanned(1, &[5]), Ok(none(&[5, 0]))),
        (
            scanned(2, &[5]),
            Err("Scan: there is no axis 2 in 2 dimensions"),
        ),
    ];
    let mut failures = Vec::new();
    for (row, (node, expected)) in cases.into_iter().enumerate() {
        let actual = run(
            graph("x y", "o p", vec![node]),
            &[state.clone(), none(&[0, 5])],
        );
        let expected = expected
            .map(|collected| vec![state.clone(), collected])
            .map_err(str::to_owned);
        if actual != expected {
            failures.push(format!("{row}: actual {actual:?}, expected {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn all_unsupported_operators_of_a_graph_are_named() {
    let mut other = node("Fold", "x", "c", &[]);
    other.domain = Some("com.example".to_owned());
    let inner = graph("", "i", vec![node("Inner", "x", "i", &[])]);
    let branches = [("then_branch", inner.clone()), ("else_branch", inner)];
    let nodes = |count: usize| {
        let all = vec![
            node("Outer", "x", "a", &[]),
            node("Outer", "a", "b", &[]),
            other.clone(),
            node("If", "yes", "o", &branches),
        ];
        all.into_iter().take(count).collect::<Vec<_>>()
    };
    let cases = [
        (
            2,
            "Outer: operator `Outer` of `ai.onnx` version 21 is not supported by the WebAssembly engine; a native backend may run it",
        ),
        (
            3,
            "operators `Fold` of `com.example` and `Outer` of `ai.onnx` are not supported by the WebAssembly engine; a native backend may run them",
        ),
        (
            4,
            "operators `Fold` of `com.example` and `Inner`, `Outer` of `ai.onnx` are not supported by the WebAssembly engine; a native backend may run them",
        ),
    ];
    let mut failures = Vec::new();
    for (count, expected) in cases {
        let actual = load(graph("x", "x", nodes(count))).err();
        if actual.as_deref() != Some(expected) {
            failures.push(format!("actual {actual:?}, expected {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
