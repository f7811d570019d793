//! The host's wasi:nn: a component that misuses it in every way, and batched inferences.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::support;
use crate::support::backends::{self, ONNX, OPENVINO};
use crate::support::client::{Connection, get};
use crate::support::guests::NN;
use bytes::Bytes;
use infer_host::nn::backend::{Backend, Batching, GraphSource, Precision, Share, Shared, Tensor};
use infer_host::nn::onnx::Provider;
use infer_host::nn::{Graphs, OnnxRuntime, OpenVino};
use infer_host::{App, AppOptions, Limits, Manifest, Server};
use infer_tensor::{Datatype, Error, ErrorKind};
use tokio::runtime::Runtime;

/// The libraries that are available, by name.
fn libraries() -> Vec<(&'static str, Box<dyn Backend>)> {
    let mut libraries: Vec<(&str, Box<dyn Backend>)> = Vec::new();
    if let Some(folder) = &*ONNX {
        let library = backends::library(folder);
        let library = OnnxRuntime::load(&library, Provider::Cpu, 1).unwrap();
        libraries.push(("onnx", Box::new(library)));
    }
    if let Some(folder) = &*OPENVINO {
        let library = OpenVino::load(&backends::library(folder), "CPU", 2).unwrap();
        libraries.push(("openvino", Box::new(library)));
    }
    libraries
}

/// A graph of tests/native or the engine's tests.
fn source(name: &str, batching: Option<Batching>) -> GraphSource {
    let root = support::root();
    let onnx = match name {
        "add" => root.join("crates/engine/tests/graphs/add.onnx"),
        _ => root
            .join("tests/native/models")
            .join(name)
            .join("model.onnx"),
    };
    GraphSource {
        name: name.to_owned(),
        onnx: Some(onnx),
        openvino_ir: None,
        tensor_names: Vec::new(),
        precision: Precision::Fp32,
        batching,
    }
}

struct Host {
    address: SocketAddr,
    _data: tempfile::TempDir,
    _runtime: Runtime,
}

/// Serve the misbehaving component with these graphs.
fn host(graphs: Graphs) -> Host {
    let data = tempfile::tempdir().unwrap();
    let manifest = data.path().join("spin.toml");
    let text = format!(
        "spin_manifest_version = 2\n[application]\nname = \"nn\"\n[[trigger.http]]\nroute = \"/...\"\n\
         component = \"nn\"\n[component.nn]\nsource = {:?}\n",
        *NN
    );
    std::fs::write(&manifest, text).unwrap();
    let app = App::load(AppOptions {
        control: None,
        manifest: Manifest::read(&manifest).unwrap(),
        cache_dir: data.path().join("cache"),
        limits: Limits {
            instance_memory_bytes: 64 << 20,
            // A request lives on while its client sends nothing, so other requests can try to use its handles.
            body_timeout: Duration::from_secs(300),
            request_timeout: Duration::from_secs(300),
            ..Limits::default()
        },
        environment: Default::default(),
        observe: Default::default(),
        graphs: Some(Arc::new(graphs)),
    })
    .unwrap_or_else(|error| panic!("{error}"));
    let runtime = Runtime::new().unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = runtime.block_on(Server::bind(any, app)).unwrap();
    let address = server.local_addr().unwrap();
    runtime.spawn(server.serve(std::future::pending()));
    Host {
        address,
        _data: data,
        _runtime: runtime,
    }
}

const WELL: &str = "sum TensorType::Fp32 [1, 2] [0, 0, 0, 64, 0, 0, 128, 64]";

#[test]
fn misuse_of_wasi_nn_fails_without_harm_to_other_requests() {
    let refused = "ErrorCode::Security: this host computes graphs of its operator's alone, which \
                   `load-by-name` gives; got one of ";
    let cases = [
        ("/well", WELL),
        (
            "/read-back",
            "sum TensorType::Fp32 [1, 2] [0, 0, 0, 64, 0, 0, 128, 64]; [1, 2] \
             [0, 0, 128, 63, 0, 0, 0, 64]",
        ),
        (
            "/bytes-short",
            "ErrorCode::InvalidArgument: input `a` has 7 bytes of data, expected 8 for shape [1, 2] in FP32",
        ),
        (
            "/bytes-long",
            "ErrorCode::InvalidArgument: input `a` has 9 bytes of data, expected 8 for shape [1, 2] in FP32",
        ),
        (
            "/bytes-none",
            "ErrorCode::InvalidArgument: input `a` has 0 bytes of data, expected 8 for shape [1, 2] in FP32",
        ),
        (
            "/datatype",
            "ErrorCode::InvalidArgument: input `a` has datatype INT64, expected FP32",
        ),
        (
            "/shape",
            "ErrorCode::InvalidArgument: input `a` has shape [1, 3], expected [",
        ),
        (
            "/rank",
            "ErrorCode::InvalidArgument: input `a` has shape [2], expected [",
        ),
        (
            "/scalar",
            "ErrorCode::InvalidArgument: input `a` has shape [], expected [",
        ),
        (
            "/many-dimensions",
            "ErrorCode::InvalidArgument: input `a` has 100000 dimensions, expected at most 64",
        ),
        (
            "/overflow",
            "ErrorCode::InvalidArgument: input `a` has 8 bytes of data, expected more than memory has for shape \
             [4294967295, 4294967295, 4294967295, 4294967295] in FP32",
        ),
        (
            "/name",
            "ErrorCode::InvalidArgument: there is no input `c`; the graph has `a`, `b`",
        ),
        (
            "/long-name",
            "ErrorCode::InvalidArgument: there is no input `cccccccccc",
        ),
        (
            "/twice",
            "ErrorCode::InvalidArgument: input `a` is there twice",
        ),
        (
            "/missing",
            "ErrorCode::InvalidArgument: input `b` is missing; the graph needs `a`, `b`",
        ),
        (
            "/nothing",
            "ErrorCode::InvalidArgument: input `a` is missing; the graph needs `a`, `b`",
        ),
        (
            "/no-graph",
            "ErrorCode::NotFound: there is no graph `../../etc/passwd`; there are: add, not, pick",
        ),
        (
            "/no-name",
            "ErrorCode::NotFound: there is no graph ``; there are: add, not, pick",
        ),
        (
            "/bool",
            "ErrorCode::InvalidArgument: input `x` is BOOL, one byte 0 or 1 each, but the byte at index 1 is 2",
        ),
        ("/load", &format!("{refused}3 bytes")),
        ("/load-nothing", &format!("{refused}0 bytes")),
        ("/load-ir", &format!("{refused}68 bytes")),
        ("/one-by-one", WELL),
    ];
    // Each of these paths traps, which ends only its own request.
    let faults = [
        "/hoard-tensors",
        "/hoard-nothing",
        "/hoard-graphs",
        "/hoard-errors",
    ];
    for (name, library) in libraries() {
        let sources = ["add", "not", "pick"].map(|name| source(name, None));
        let host = host(Graphs::load(library, &sources, 2).unwrap());
        let mut wrong = Vec::new();
        for (path, expected) in cases {
            let response = get(host.address, path);
            if response.status != 200 || !response.text().starts_with(expected) {
                wrong.push(format!("{path}: {} {}", response.status, response.text()));
            }
        }
        for path in faults {
            let response = get(host.address, path);
            if response.status != 500 {
                wrong.push(format!("{path}: {} {}", response.status, response.text()));
            }
        }
        // The first dimensions have one name and different sizes: the libraries repeat the single row.
        for path in ["/symbols", "/zero"] {
            let response = get(host.address, path).text();
            if !response.starts_with("sum TensorType::Fp32 [") {
                wrong.push(format!("{path}: {response}"));
            }
        }
        // Errors of the library include its own message.
        let response = get(host.address, "/index").text();
        let says = response.contains("ONNX Runtime cannot compute it: ");
        if name == "onnx" && !(says && response.contains("indices element out of data bounds")) {
            wrong.push(format!("/index: {response}"));
        }
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
        assert_eq!(get(host.address, "/well").text(), WELL, "{name}");
    }
}

fn tensor(datatype: Datatype, shape: &[u32], data: Vec<u8>) -> Tensor {
    Tensor {
        datatype,
        shape: shape.to_vec(),
        data: Shared::new(Bytes::from(data)),
    }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn integers(values: &[i64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// Compute requests to one graph concurrently, and return the results in request order.
fn all_at_once(
    graphs: &Graphs,
    graph: &str,
    inputs: Vec<(&str, Tensor)>,
) -> Vec<Result<Vec<(String, Tensor)>, Error>> {
    let runtime = Runtime::new().unwrap();
    let graph = graphs.get(graph).unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = inputs
            .into_iter()
            .map(|(name, tensor)| {
                let (graph, name) = (Arc::clone(&graph), name.to_owned());
                tokio::spawn(async move { graph.compute(vec![(name, tensor)]).await })
            })
            .collect();
        let mut responses = Vec::new();
        for task in tasks {
            responses.push(task.await.unwrap());
        }
        responses
    })
}

/// Batching that waits longer than the requests need to arrive.
const PATIENT: Batching = Batching {
    max_size: 8,
    max_delay: Duration::from_secs(5),
};

#[test]
fn no_request_reaches_the_wasi_nn_resources_of_another() {
    // A handle that this request does not own terminates it. The log has the reason.
    let internal = "internal error, not caused by the request";
    for (name, library) in libraries() {
        let host = host(Graphs::load(library, &[source("add", None)], 2).unwrap());
        let mut living = Connection::open(host.address).unwrap();
        let head = b"POST /hold HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na";
        living.write(head).unwrap();
        assert_ne!(
            living.wait().unwrap(),
            0,
            "the response begins when the guest holds its resources"
        );
        let mut wrong = Vec::new();
        for kind in ["tensor", "graph", "context"] {
            // More handles than a request owns, and numbers that are not handles.
            for handle in (0..40).chain([1 << 28, u32::MAX]) {
                let response = get(host.address, &format!("/forge-{kind}-{handle}"));
                if response.status != 500 || !response.error().starts_with(internal) {
                    wrong.push(format!(
                        "{kind} {handle}: {} {}",
                        response.status,
                        response.text()
                    ));
                }
            }
        }
        assert!(wrong.is_empty(), "{name}: {}", wrong.join("\n"));
        living.write(b"b").unwrap();
        let response = living.read(false).unwrap().unwrap();
        assert_eq!(
            (response.text().as_str(), response.is_whole),
            ("held", true)
        );
        assert_eq!(get(host.address, "/well").text(), WELL);
    }
}

#[test]
fn waiting_requests_are_batched() {
    for (name, library) in libraries() {
        let graphs = Graphs::load(library, &[source("seen", Some(PATIENT))], 2).unwrap();
        // 3 + 1 + 4 items fill a batch. The request of 9 items is too large for a batch and runs alone.
        let request = |items: u32, first: f32| {
            let values: Vec<f32> = (0..items * 3).map(|index| first + index as f32).collect();
            ("x", tensor(Datatype::Fp32, &[items, 3], floats(&values)))
        };
        let responses = all_at_once(
            &graphs,
            "seen",
            vec![
                request(3, 0.0),
                request(1, 10.0),
                request(4, 20.0),
                request(9, 30.0),
            ],
        );
        let expected = [(3, 0.0, 8), (1, 10.0, 8), (4, 20.0, 8), (9, 30.0, 9)];
        for (response, (items, first, seen)) in responses.into_iter().zip(expected) {
            let outputs = response.unwrap();
            let doubled: Vec<f32> = (0..items * 3)
                .map(|index| 2.0 * (first + index as f32))
                .collect();
            assert_eq!(outputs[0].1.shape, [items, 3], "{name}");
            assert_eq!(outputs[0].1.bytes(), floats(&doubled), "{name}");
            let expected = integers(&vec![seen; items as usize]);
            assert_eq!(outputs[1].1.bytes(), expected, "{name}: {items} items");
        }
    }
}

#[test]
fn a_bad_request_in_a_batch_fails_alone() {
    let batching = Batching {
        max_size: 4,
        ..PATIENT
    };
    for (name, library) in libraries() {
        // OpenVINO accepts an index past the end.
        if name != "onnx" {
            continue;
        }
        let graphs = Graphs::load(library, &[source("pick", Some(batching))], 2).unwrap();
        let request = |index: i64| {
            let data = integers(&[index]);
            ("indices", tensor(Datatype::Int64, &[1], data))
        };
        let responses = all_at_once(
            &graphs,
            "pick",
            vec![request(1), request(99), request(3), request(0)],
        );
        let mut responses = responses.into_iter();
        let row = |row: [f32; 2]| floats(&row);
        let mut next = || responses.next().unwrap();
        assert_eq!(next().unwrap()[0].1.bytes(), row([2.0, 3.0]));
        let error = next().map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.message().contains("out of data bounds"), "{error}");
        assert_eq!(next().unwrap()[0].1.bytes(), row([6.0, 7.0]));
        assert_eq!(next().unwrap()[0].1.bytes(), row([0.0, 1.0]));
    }
}

#[test]
fn batched_results_match_single_requests() {
    let images = |count: u32, seed: u32| {
        let mut state = seed;
        let values: Vec<f32> = (0..count * 64)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32
            })
            .collect();
        (
            "image",
            tensor(Datatype::Fp32, &[count, 1, 8, 8], floats(&values)),
        )
    };
    let digits = |batching| GraphSource {
        onnx: Some(support::root().join("models/digits/model.onnx")),
        ..source("digits", batching)
    };
    for ((name, together), (_, alone)) in libraries().into_iter().zip(libraries()) {
        let together = Graphs::load(together, &[digits(Some(PATIENT))], 2).unwrap();
        let alone = Graphs::load(alone, &[digits(None)], 2).unwrap();
        let requests = || (0..8).map(|seed| images(1, seed)).collect();
        let together = all_at_once(&together, "digits", requests());
        let alone = all_at_once(&alone, "digits", requests());
        for (a, b) in together.into_iter().zip(alone) {
            let (a, b) = (a.unwrap(), b.unwrap());
            assert_eq!(a[0].1.shape, b[0].1.shape, "{name}");
            let (a, _) = a[0].1.bytes().as_chunks::<4>();
            let (b, _) = b[0].1.bytes().as_chunks::<4>();
            for (a, b) in a.iter().zip(b) {
                let (a, b) = (f32::from_le_bytes(*a), f32::from_le_bytes(*b));
                // A library may sum in another order if the batch has another size.
                assert!((a - b).abs() <= 1e-6, "{name}: {a} in a batch, {b} alone");
            }
        }
    }
}

#[test]
fn a_canceled_inference_ends() {
    for (name, library) in libraries() {
        // OpenVINO checks for cancellation between operators, and this graph is one loop.
        if name != "onnx" {
            continue;
        }
        let graphs = Graphs::load(library, &[source("slow", None)], 1).unwrap();
        let graph = graphs.get("slow").unwrap();
        let steps = |steps: i64| {
            let steps = tensor(Datatype::Int64, &[1], integers(&[steps]));
            vec![("steps".to_owned(), steps)]
        };
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            // Days of work, canceled once it has begun and holds the only permit.
            let endless = tokio::spawn({
                let graph = Arc::clone(&graph);
                let steps = steps(i64::from(i32::MAX));
                async move { graph.compute(steps).await.map(|_| ()) }
            });
            while graphs.computing() == 0 {
                tokio::task::yield_now().await;
            }
            endless.abort();
            assert!(endless.await.unwrap_err().is_cancelled(), "{name}");
            // This gets the permit, or the test hangs.
            let outputs = graph.compute(steps(1)).await.unwrap();
            assert_eq!(outputs[0].1.bytes(), floats(&[1.0]), "{name}");
        });
    }
}

#[test]
fn malformed_graphs_are_rejected_with_the_reason_of_the_library() {
    let data = tempfile::tempdir().unwrap();
    let good = std::fs::read(source("add", None).onnx.unwrap()).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = data.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut damaged = good.clone();
    damaged.truncate(60);
    let graphs = support::root().join("crates/engine/tests/graphs");
    let cases: Vec<(&str, PathBuf, &[&str])> = vec![
        (
            "missing",
            data.path().join("missing.onnx"),
            &["onnx", "openvino"],
        ),
        ("empty", file("empty.onnx", b""), &["onnx", "openvino"]),
        (
            "text",
            file("text.onnx", b"this is no graph\n"),
            &["onnx", "openvino"],
        ),
        (
            "damaged",
            file("damaged.onnx", &damaged),
            &["onnx", "openvino"],
        ),
        (
            "zeros",
            file("zeros.onnx", &[0; 4096]),
            &["onnx", "openvino"],
        ),
        (
            "newer",
            source("newer", None).onnx.unwrap(),
            // OpenVINO accepts known operators of any operator set.
            &["onnx"],
        ),
        (
            "external",
            graphs.join("external.onnx"),
            &["onnx", "openvino"],
        ),
        (
            "sequence",
            graphs.join("sequence.onnx"),
            &["onnx", "openvino"],
        ),
        (
            "int8",
            graphs.join("identity-int8.onnx"),
            &["onnx", "openvino"],
        ),
        (
            "string",
            graphs.join("identity-string.onnx"),
            &["onnx", "openvino"],
        ),
    ];
    let mut wrong = Vec::new();
    for (library_name, library) in libraries() {
        for (name, path, refusing) in &cases {
            if !refusing.contains(&library_name) {
                continue;
            }
            let source = GraphSource {
                onnx: Some(path.clone()),
                ..source(name, None)
            };
            let refused = library.load(&source, Share::Whole);
            match refused {
                Ok(_) => wrong.push(format!("{library_name} takes {name}")),
                Err(error) => {
                    let words = error.message();
                    let is_one_line = !words.contains('\n');
                    let says_who = words.contains("cannot load it: ")
                        || words.contains("wasi-nn does not support");
                    if !(is_one_line && says_who) {
                        wrong.push(format!("{library_name}, {name}: {words}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn invalid_libraries_are_rejected() {
    let data = tempfile::tempdir().unwrap();
    let text = data.path().join("libonnxruntime.so");
    std::fs::write(&text, "this is no library").unwrap();
    let other = PathBuf::from("/proc/self/exe");
    let missing = data.path().join("missing.so");
    type Load = fn(&Path) -> Option<String>;
    let onnx: Load = |path| {
        OnnxRuntime::load(path, Provider::Cpu, 1)
            .err()
            .map(|error| error.to_string())
    };
    let openvino: Load = |path| {
        OpenVino::load(path, "CPU", 1)
            .err()
            .map(|error| error.to_string())
    };
    for (name, load) in [("ONNX Runtime", onnx), ("OpenVINO", openvino)] {
        for path in [&text, &other, &missing] {
            let expected = format!("`{}` cannot be used as {name}: ", path.display());
            let error = load(path).unwrap();
            assert!(error.starts_with(&expected), "{error}");
        }
    }
    if let Some(folder) = &*OPENVINO {
        let error = OpenVino::load(&backends::library(folder), "NPU", 1).err();
        let error = error.unwrap().to_string();
        assert!(error.contains("it has no device `NPU`, only "), "{error}");
    }
}

#[test]
fn inferences_of_a_graph_run_in_parallel_up_to_the_limit() {
    for (name, library) in libraries() {
        let graphs = Graphs::load(library, &[source("slow", None)], 2).unwrap();
        let graph = graphs.get("slow").unwrap();
        let runtime = Runtime::new().unwrap();
        let most = runtime.block_on(async {
            let tasks = [(); 4].map(|()| {
                let graph = Arc::clone(&graph);
                let steps = tensor(Datatype::Int64, &[1], integers(&[200]));
                let inputs = vec![("steps".to_owned(), steps)];
                tokio::spawn(async move { graph.compute(inputs).await })
            });
            let mut most = 0;
            while !tasks.iter().all(|task| task.is_finished()) {
                most = most.max(graphs.computing());
                tokio::task::yield_now().await;
            }
            for task in tasks {
                let outputs = task.await.unwrap().unwrap();
                assert_eq!(outputs[0].1.bytes(), floats(&[1.0]), "{name}");
            }
            most
        });
        // Exactly as many as the limit allows.
        assert_eq!(most, 2, "{name}");
    }
}
