//! Serving with native backends: selection, errors, and many or disconnected clients.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use crate::support;
use crate::support::backends::{self, OPENVINO, infer};
use crate::support::client::{Response, get, post};
use crate::support::service::Service;
use serde_json::json;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A new empty repository.
fn repository(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Copy a model of tests/native into a repository; its card is prefixed with `card`.
fn add(repository: &Path, model: &str, card: &str) -> PathBuf {
    let source = support::root().join("tests/native/models").join(model);
    let folder = repository.join(model);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(source.join("model.onnx"), folder.join("model.onnx")).unwrap();
    let rest = std::fs::read_to_string(source.join("model.toml")).unwrap();
    std::fs::write(folder.join("model.toml"), format!("{card}{rest}")).unwrap();
    folder
}

fn seven() -> Vec<u8> {
    std::fs::read(support::root().join("models/digits/samples/7.png")).unwrap()
}

fn best(response: &Response) -> String {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["predictions"][0][0]["label"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The last line of the standard error of `up`, which must fail.
fn refusal(arguments: &[&str], variables: &[(&str, &Path)]) -> String {
    let output = infer(&["up", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "it serves: {error}");
    assert!(output.stdout.is_empty(), "{error}");
    error.lines().last().unwrap().to_owned()
}

#[test]
fn each_backend_serves_and_is_logged() {
    for (backend, name) in [("onnx", "ONNX Runtime "), ("openvino", "OpenVINO ")] {
        if !backends::installed().contains(&backend) {
            continue;
        }
        let service = Service::start_with(&["--backend", backend], &[]);
        let response = post(service.address, "/infer", "image/png", &seven());
        assert_eq!(best(&response), "7");
        service.expect_log(&format!("backend: {name}"));
        let ready = get(service.address, "/v2/health/ready");
        assert_eq!(ready.status, 200, "{}", ready.text());
    }
}

#[test]
fn automatic_selection_is_logged() {
    let empty = tempfile::tempdir().unwrap();
    // No library is installed.
    let nothing = [("XDG_CACHE_HOME", text(empty.path()))];
    let service = Service::start_with(&["--backend", "auto"], &nothing);
    assert_eq!(
        best(&post(service.address, "/infer", "image/png", &seven())),
        "7"
    );
    service.expect_log("no native library is installed");
    service.expect_log("backend: the engine in WebAssembly");
    drop(service);
    // The installed libraries cannot be used.
    let broken = [
        ("XDG_CACHE_HOME", text(empty.path())),
        ("ORT_DYLIB_PATH", "/proc/self/exe"),
    ];
    let service = Service::start_with(&["--backend", "auto"], &broken);
    let expected = "skipped ONNX Runtime: `/proc/self/exe` cannot be used as ONNX Runtime: ";
    service.expect_log(expected);
    service.expect_log("backend: the engine in WebAssembly");
    drop(service);
    if let Some(backend) = backends::installed().first() {
        let service = Service::start_with(&["--backend", "auto"], &[]);
        let name = match *backend {
            "onnx" => "backend: ONNX Runtime ",
            _ => "backend: OpenVINO ",
        };
        service.expect_log(name);
    }
}

#[test]
fn unusable_models_and_devices_are_rejected_with_a_reason() {
    let data = tempfile::tempdir().unwrap();
    let cache = [("XDG_CACHE_HOME", data.path())];
    let missing =
        "error: ONNX Runtime is not installed (`cargo infer backend add onnx` installs it)";
    let actual = refusal(&["--backend", "onnx"], &cache);
    assert!(actual.starts_with(missing), "{actual}");
    let missing =
        "error: OpenVINO is not installed (`cargo infer backend add openvino` installs it)";
    let actual = refusal(&["--backend", "openvino"], &cache);
    assert!(actual.starts_with(missing), "{actual}");

    let repository = repository("native-refused");
    let folder = add(&repository, "not", "");
    let onnx = folder.join("model.onnx");
    let good = std::fs::read(&onnx).unwrap();
    let newer = support::root().join("tests/native/models/newer/model.onnx");
    let cases: [(&str, Vec<u8>); 4] = [
        ("damaged", good[..good.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("a text", b"no graph\n".to_vec()),
        ("newer", std::fs::read(newer).unwrap()),
    ];
    for backend in backends::installed() {
        let library = match backend {
            "onnx" => "ONNX Runtime",
            _ => "OpenVINO",
        };
        for (what, bytes) in &cases {
            if backend == "openvino" && *what == "newer" {
                continue;
            }
            std::fs::write(&onnx, bytes).unwrap();
            let actual = refusal(&["--backend", backend, "--models", text(&repository)], &[]);
            let begins = format!("error: model `not`, `{}`: ", onnx.display());
            assert!(actual.starts_with(&begins), "{what}: {actual}");
            assert!(
                actual.contains(&format!("{library} cannot load it: ")),
                "{what}: {actual}"
            );
        }
        // The card of another graph.
        std::fs::write(&onnx, &good).unwrap();
        let card = folder.join("model.toml");
        let fitting = std::fs::read_to_string(&card).unwrap();
        std::fs::write(&card, fitting.replace("\"y\"", "\"z\"")).unwrap();
        let actual = refusal(&["--backend", backend, "--models", text(&repository)], &[]);
        assert_eq!(
            actual,
            "error: model `not`: the card's output `z` is not in the graph, which has y"
        );
        std::fs::write(&card, fitting).unwrap();
    }
    if backends::installed().contains(&"onnx") {
        let actual = refusal(&["--backend", "onnx", "--device", "cuda"], &[]);
        assert!(actual.contains("CUDA"), "{actual}");
        let actual = refusal(&["--backend", "onnx", "--device", "abacus"], &[]);
        assert_eq!(
            actual,
            "error: ONNX Runtime has no device `abacus`, expected `cpu`, `cuda` or `tensorrt`"
        );
    }
}

#[test]
fn values_that_a_library_would_narrow_are_rejected() {
    let repository = repository("native-narrow");
    let folder = repository.join("wide");
    std::fs::create_dir_all(&folder).unwrap();
    let graph = support::root().join("crates/engine/tests/graphs/identity-int64.onnx");
    std::fs::copy(graph, folder.join("model.onnx")).unwrap();
    std::fs::write(
        folder.join("model.toml"),
        "[[input]]\nname = \"x\"\ndatatype = \"INT64\"\nshape = [-1]\n\
         [[output]]\nname = \"y\"\ndatatype = \"INT64\"\nshape = [-1]\n",
    )
    .unwrap();
    let body = br#"{"instances": [1, 4294967296]}"#;
    for backend in backends::installed() {
        let arguments = ["--backend", backend, "--models", text(&repository)];
        let service = Service::start_with(&arguments, &[]);
        let response = post(service.address, "/infer", "application/json", body);
        if backend == "onnx" {
            let data = &response.json()["outputs"][0]["data"];
            assert_eq!(*data, json!([1, 4_294_967_296_u64]));
        } else {
            assert_eq!(response.status, 400);
            assert_eq!(
                response.error(),
                "input `x` has the INT64 value 4294967296 at index 1; OpenVINO computes INT64 in 32 bits on \
                 this device, where that does not fit"
            );
        }
    }
}

#[test]
fn openvino_ir_is_served() {
    let repository = repository("native-ir");
    let source = support::root().join("tests/native/models/pick-ir");
    let folder = repository.join("pick");
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["model.xml", "model.bin", "model.toml"] {
        std::fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    if OPENVINO.is_some() {
        let arguments = ["--backend", "openvino", "--models", text(&repository)];
        let service = Service::start_with(&arguments, &[]);
        let body = br#"{"instances": [3, 0]}"#;
        let response = post(service.address, "/infer", "application/json", body);
        assert_eq!(response.status, 200, "{}", response.text());
        let data = &response.json()["outputs"][0]["data"];
        assert_eq!(*data, json!([6.0, 7.0, 0.0, 1.0]));
    }
    if backends::installed().contains(&"onnx") {
        let actual = refusal(&["--backend", "onnx", "--models", text(&repository)], &[]);
        assert!(
            actual.ends_with(
                "there is only OpenVINO's form of the model, `model.xml`, which ONNX Runtime does not read"
            ),
            "{actual}"
        );
    }
    let actual = refusal(&["--backend", "wasm", "--models", text(&repository)], &[]);
    assert_eq!(
        actual,
        "error: model `pick` has no `model.onnx`, only OpenVINO's `model.xml`; the engine in WebAssembly reads \
         ONNX, `up --backend openvino` both"
    );
}

/// A request body that makes the slow model perform this many multiplications.
fn steps(steps: u32) -> Vec<u8> {
    json!({ "instances": [steps] }).to_string().into_bytes()
}

#[test]
fn many_requests_to_a_slow_model_all_succeed() {
    let repository = repository("native-slow");
    add(&repository, "slow", "");
    for backend in backends::installed() {
        let arguments = [
            &["--backend", backend, "--models", text(&repository)][..],
            &["--request-timeout-ms", "300000"],
        ]
        .concat();
        let service = Service::start_with(&arguments, &[]);
        let address = service.address;
        // Each request computes for tenths of a second, and there are more requests than instances.
        let clients: Vec<_> = (0..64)
            .map(|_| {
                std::thread::spawn(move || {
                    let response = post(address, "/infer", "application/json", &steps(100));
                    (response.status, response.text())
                })
            })
            .collect();
        let mut wrong = Vec::new();
        for client in clients {
            let (status, text) = client.join().unwrap();
            if status != 200 || !text.contains("\"data\":[1.0]") {
                wrong.push((status, text));
            }
        }
        assert!(wrong.is_empty(), "{backend}: {wrong:?}");
    }
}

#[test]
fn disconnects_and_timeouts_cancel_inferences() {
    let repository = repository("native-gone");
    add(&repository, "slow", "");
    // OpenVINO checks for cancellation between operators, and this graph is one loop.
    if !backends::installed().contains(&"onnx") {
        return;
    }
    let arguments = [
        &["--backend", "onnx", "--models", text(&repository)][..],
        &["--request-timeout-ms", "2000"],
    ]
    .concat();
    let service = Service::start_with(&arguments, &[]);
    let address = service.address;
    let endless = steps(i32::MAX as u32);
    let head = format!(
        "POST /infer HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        endless.len()
    );
    // More requests than cores and instances.
    for _ in 0..40 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&endless).unwrap();
        drop(stream);
    }
    let response = post(address, "/infer", "application/json", &endless);
    assert_eq!(response.status, 504, "{}", response.text());
    let response = post(address, "/infer", "application/json", &steps(1));
    assert_eq!(response.status, 200, "{}", response.text());
}
