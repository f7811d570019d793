//! Misuses wasi:nn as the request's path says, and responds with the outputs or with the error's code and message.

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

mod bindings {
    wit_bindgen::generate!({ world: "wasi:nn/ml", path: "../../../wit/deps/wasi-nn", generate_all });
}

use bindings::wasi::nn::errors::Error;
use bindings::wasi::nn::graph::{ExecutionTarget, Graph, GraphEncoding, load, load_by_name};
use bindings::wasi::nn::inference::GraphExecutionContext;
use bindings::wasi::nn::tensor::{Tensor, TensorType};

struct Trouble;
wasi::http::proxy::export!(Trouble);

impl Guest for Trouble {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        if path == "/hold" {
            return hold(request, out);
        }
        let text = match tried(&path) {
            Ok(text) => text,
            Err(error) => format!("{:?}: {}", error.code(), error.data()),
        };
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the body is there");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("its stream is there");
        for chunk in text.as_bytes().chunks(4096) {
            stream.blocking_write_and_flush(chunk).expect("somebody reads");
        }
        drop(stream);
        OutgoingBody::finish(body, None).expect("nothing is missing");
    }
}

/// Hold a tensor, a graph, a context and outputs until the client has sent its body.
fn hold(request: IncomingRequest, out: ResponseOutparam) {
    let held = || -> Result<_, Error> {
        let graph = load_by_name("add")?;
        let context = graph.init_execution_context()?;
        let outputs = context.compute(vec![("a".to_owned(), pair()), ("b".to_owned(), pair())])?;
        Ok((pair(), graph, context, outputs))
    };
    let _held = held().expect("a good request");
    let body = request.consume().expect("the body is there");
    let input = body.stream().expect("its stream is there");
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("the body is there");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("its stream is there");
    stream.blocking_write_and_flush(b"held").expect("somebody reads");
    while input.blocking_read(1).is_ok() {}
    drop(stream);
    OutgoingBody::finish(body, None).expect("nothing is missing");
}

/// Use a handle that this request does not own: `<kind>-<number>`.
fn forge(what: &str) -> Result<String, Error> {
    let (kind, number) = what.split_once('-').expect("a kind and a number");
    let number = number.parse().expect("a number");
    // SAFETY: the handles are deliberately not owned, to test that the host checks their owner; no memory of this guest
    // is behind them.
    unsafe {
        match kind {
            "tensor" => Ok(format!("{:?}", Tensor::from_handle(number).data())),
            "graph" => Graph::from_handle(number).init_execution_context().map(|_| "made".to_owned()),
            "context" => {
                let context = GraphExecutionContext::from_handle(number);
                let outputs = context.compute(vec![("a".to_owned(), pair()), ("b".to_owned(), pair())])?;
                Ok(format!("{} outputs", outputs.len()))
            }
            _ => Ok("what?".to_owned()),
        }
    }
}

/// `[[1, 2]]`, which is valid for both inputs of the graph `add`.
fn pair() -> Tensor {
    Tensor::new(&[1, 2], TensorType::Fp32, &floats(&[1.0, 2.0]))
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Compute `add` with the given `a` and a valid `b`.
fn add(a: Tensor) -> Result<String, Error> {
    compute("add", vec![("a".to_owned(), a), ("b".to_owned(), pair())])
}

fn compute(graph: &str, inputs: Vec<(String, Tensor)>) -> Result<String, Error> {
    let graph = load_by_name(graph)?;
    let context = graph.init_execution_context()?;
    let outputs = context.compute(inputs)?;
    let shown = outputs.iter().map(|(name, tensor)| {
        format!("{name} {:?} {:?} {:?}", tensor.ty(), tensor.dimensions(), tensor.data())
    });
    Ok(shown.collect::<Vec<_>>().join("; "))
}

fn tried(path: &str) -> Result<String, Error> {
    let fp32 = TensorType::Fp32;
    match path {
        "/well" => add(pair()),
        // A tensor can be read again after another inference.
        "/read-back" => {
            let tensor = pair();
            let sum = add(pair())?;
            Ok(format!("{sum}; {:?} {:?}", tensor.dimensions(), tensor.data()))
        }
        "/bytes-short" => add(Tensor::new(&[1, 2], fp32, &[0; 7])),
        "/bytes-long" => add(Tensor::new(&[1, 2], fp32, &[0; 9])),
        "/bytes-none" => add(Tensor::new(&[1, 2], fp32, &[])),
        "/datatype" => add(Tensor::new(&[1, 2], TensorType::I64, &[0; 16])),
        "/shape" => add(Tensor::new(&[1, 3], fp32, &[0; 12])),
        "/symbols" => add(Tensor::new(&[2, 2], fp32, &[0; 16])),
        "/rank" => add(Tensor::new(&[2], fp32, &[0; 8])),
        "/scalar" => add(Tensor::new(&[], fp32, &[0; 4])),
        "/many-dimensions" => add(Tensor::new(&vec![1; 100_000], fp32, &[0; 4])),
        "/overflow" => add(Tensor::new(&[u32::MAX; 4], fp32, &[0; 8])),
        "/zero" => add(Tensor::new(&[0, 2], fp32, &[])),
        "/name" => compute("add", vec![("c".to_owned(), pair()), ("b".to_owned(), pair())]),
        "/long-name" => compute("add", vec![("c".repeat(100_000), pair())]),
        "/twice" => compute("add", vec![("a".to_owned(), pair()), ("a".to_owned(), pair())]),
        "/missing" => compute("add", vec![("a".to_owned(), pair())]),
        "/nothing" => compute("add", Vec::new()),
        "/no-graph" => compute("../../etc/passwd", Vec::new()),
        "/no-name" => compute("", Vec::new()),
        "/bool" => compute("not", vec![("x".to_owned(), Tensor::new(&[2], TensorType::U8, &[1, 2]))]),
        "/index" => {
            let indices: Vec<u8> = [7_i64].iter().flat_map(|index| index.to_le_bytes()).collect();
            let indices = Tensor::new(&[1], TensorType::I64, &indices);
            compute("pick", vec![("indices".to_owned(), indices)])
        }
        "/load" => load(&[vec![1, 2, 3]], GraphEncoding::Onnx, ExecutionTarget::Cpu).map(|_| "loaded".to_owned()),
        "/load-nothing" => load(&[], GraphEncoding::Autodetect, ExecutionTarget::Gpu).map(|_| "loaded".to_owned()),
        "/load-ir" => {
            let parts = [b"<xml".to_vec(), vec![0; 64]];
            load(&parts, GraphEncoding::Openvino, ExecutionTarget::Tpu).map(|_| "loaded".to_owned())
        }
        // The next paths allocate until the host terminates the request.
        "/hoard-tensors" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(Tensor::new(&[1 << 18], fp32, &vec![0; 1 << 20]));
            }
        }
        "/hoard-nothing" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(Tensor::new(&[0], fp32, &[]));
            }
        }
        "/hoard-graphs" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(load_by_name("add")?);
            }
        }
        "/hoard-errors" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(load_by_name(&"x".repeat(100)).err());
            }
        }
        // Dropped resources can be created again.
        "/one-by-one" => {
            for _ in 0..1000 {
                drop(Tensor::new(&[1 << 18], fp32, &vec![0; 1 << 20]));
            }
            add(pair())
        }
        path => match path.strip_prefix("/forge-") {
            Some(what) => forge(what),
            None => Ok("what?".to_owned()),
        },
    }
}
