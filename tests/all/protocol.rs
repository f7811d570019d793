//! The protocols over HTTP: large bodies, compression, `HEAD` and metadata. `src/tests` tests each request natively, and
//! `clients.rs` tests existing clients.

use std::io::{Read, Write};
use std::net::SocketAddr;

use crate::support;
use crate::support::client::{Response, exchange, get, post, post_chunked, send};
use crate::support::models::REPOSITORY;
use crate::support::service::Service;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

const HEADER: &str = "inference-header-content-length";

fn start() -> Service {
    Service::start_with(
        &["--models", REPOSITORY.to_str().unwrap()],
        // No access log.
        &[("RUST_LOG", "warn")],
    )
}

fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// POST JSON followed by binary tensor data.
fn binary(address: SocketAddr, model: &str, request: &Value, bytes: &[u8]) -> Response {
    let mut body = request.to_string().into_bytes();
    let length = body.len().to_string();
    body.extend(bytes);
    let path = format!("/v2/models/{model}/infer");
    send(address, "POST", &path, &[(HEADER, &length)], &body)
}

fn tensor(count: usize) -> Value {
    json!({"name": "x", "datatype": "FP32", "shape": [count],
           "parameters": {"binary_data_size": 4 * count}})
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn assert_healthy(address: SocketAddr) {
    let request = json!({"inputs": [tensor(2)]});
    let response = binary(address, "identity-fp32", &request, &floats(&[1.0, 2.0]));
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.json()["outputs"][0]["data"], json!([1.0, 2.0]));
}

#[test]
fn five_megabytes_round_trip_in_every_format() {
    let service = start();
    let address = service.address;
    let values: Vec<f32> = (0..1_310_720_u32).map(|index| index as f32).collect();
    let data = floats(&values);
    assert_eq!(data.len(), 5 * 1024 * 1024);

    let octets = [
        ("content-type", "application/octet-stream"),
        ("accept", "application/octet-stream"),
    ];
    let response = send(address, "POST", "/infer/identity-fp32", &octets, &data);
    assert_eq!((response.status, response.is_whole), (200, true));
    assert!(response.body == data, "raw");

    let request =
        json!({"parameters": {"binary_data_output": true}, "inputs": [tensor(values.len())]});
    let response = binary(address, "identity-fp32", &request, &data);
    assert_eq!((response.status, response.is_whole), (200, true));
    let length: usize = response.header(HEADER).unwrap().parse().unwrap();
    assert!(response.body[length..] == data, "binary");

    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1310720,), }";
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(&data);
    let npy = [("accept", "application/x-npy")];
    let response = send(address, "POST", "/infer/identity-fp32", &npy, &file);
    assert_eq!((response.status, response.is_whole), (200, true));
    assert!(response.body.ends_with(&data), "npy");

    // 900,000 numbers of five digits are more than 5 MB of text, in both directions.
    let numbers: Vec<u32> = (0..900_000).map(|index| 10_000 + index % 90_000).collect();
    let body = format!("{{\"instances\":{numbers:?}}}").replace(", ", ",");
    assert!(body.len() > 5_000_000);
    let path = "/v1/models/identity-int32:predict";
    let response = post(address, path, "application/json", body.as_bytes());
    assert_eq!((response.status, response.is_whole), (200, true));
    assert!(
        response.text() == body.replace("instances", "predictions"),
        "JSON"
    );
}

#[test]
fn head_is_get_without_a_body() {
    let service = start();
    for (path, status) in [
        ("/v2", 200),
        ("/v2/", 200),
        ("/v2/health/live", 200),
        ("/v2/health/ready", 200),
        ("/v2/models/digits", 200),
        ("/v2/models/digits/ready", 200),
        ("/v2/models/digits/config", 200),
        ("/v2/models/digits/versions/1", 200),
        ("/v2/models/digits/versions/1/ready", 200),
        ("/v2/models/nobody", 404),
        ("/v1/models", 200),
        ("/v1/models/digits", 200),
        ("/nowhere", 404),
    ] {
        let got = get(service.address, path);
        assert_eq!(got.status, status, "{path}");
        // Written by hand, without the `content-length` of a request with a body.
        let request =
            format!("HEAD {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let head = exchange(service.address, &[request.as_bytes()]);
        assert_eq!(head.status, got.status, "{path}");
        assert_eq!(head.body, b"", "{path}");
        for name in ["content-type", "content-length"] {
            assert_eq!(head.header(name), got.header(name), "{path} {name}");
        }
    }
    assert_healthy(service.address);
}

#[test]
fn request_and_response_bodies_may_be_compressed() {
    let service = start();
    let address = service.address;
    let path = "/v2/models/identity-fp32/infer";
    let body =
        json!({"inputs": [{"name": "x", "datatype": "FP32", "shape": [3], "data": [1, 2, 3]}]});
    let zlib = {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body.to_string().as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    for (coding, sent) in [
        ("gzip", gzip(body.to_string().as_bytes())),
        ("deflate", zlib),
    ] {
        let response = send(
            address,
            "POST",
            path,
            &[("content-encoding", coding)],
            &sent,
        );
        assert_eq!(response.status, 200, "{coding}: {}", response.text());
        assert_eq!(response.header("content-encoding"), None);
        assert_eq!(
            response.json()["outputs"][0]["data"],
            json!([1.0, 2.0, 3.0])
        );
    }
    // The header with the JSON length counts bytes before compression, in requests and responses.
    let data = floats(&[0.5; 1000]);
    let request = json!({"parameters": {"binary_data_output": true}, "inputs": [tensor(1000)]});
    let mut sent = request.to_string().into_bytes();
    let length = sent.len().to_string();
    sent.extend(&data);
    let headers = [
        (HEADER, length.as_str()),
        ("content-encoding", "gzip"),
        ("accept-encoding", "gzip"),
    ];
    let response = send(address, "POST", path, &headers, &gzip(&sent));
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    let mut inflated = Vec::new();
    GzDecoder::new(response.body.as_slice())
        .read_to_end(&mut inflated)
        .unwrap();
    let length: usize = response.header(HEADER).unwrap().parse().unwrap();
    assert_eq!(inflated[length..], data);
}

#[test]
fn inconsistent_requests_are_rejected_and_the_service_stays_healthy() {
    let service = start();
    let address = service.address;
    let path = "/v2/models/identity-fp32/infer";
    let json_headers = [("content-type", "application/json")];
    let gzipped = [("content-encoding", "gzip")];
    let bomb = gzip(&vec![b'['; 200_000_000]);
    assert!(bomb.len() < 1_000_000);
    let body = json!({"inputs": [tensor(2)]}).to_string();
    let long = body.len().to_string();
    let deep = format!(
        "{{\"inputs\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let nested = format!(
        "{{\"inputs\":[{{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":{}{}}}]}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let eleven = vec![0; 11 * 1024 * 1024];
    type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], u16);
    let rows: [Row; 20] = [
        ("a bomb", path, &gzipped, &bomb, 413),
        ("no gzip", path, &gzipped, b"{}", 400),
        ("half a gzip", path, &gzipped, &bomb[..1000], 400),
        (
            "an unknown coding",
            path,
            &[("content-encoding", "br")],
            b"{}",
            415,
        ),
        (
            "a header past the end",
            path,
            &[(HEADER, "99999")],
            body.as_bytes(),
            400,
        ),
        (
            "a negative header",
            path,
            &[(HEADER, "-1")],
            body.as_bytes(),
            400,
        ),
        (
            "a header of words",
            path,
            &[(HEADER, "many")],
            body.as_bytes(),
            400,
        ),
        ("no tensor", path, &[(HEADER, &long)], body.as_bytes(), 400),
        ("no header", path, &[], body.as_bytes(), 400),
        ("deep inputs", path, &json_headers, deep.as_bytes(), 400),
        ("deep data", path, &json_headers, nested.as_bytes(), 400),
        ("11 MiB", path, &json_headers, &eleven, 413),
        ("empty", path, &json_headers, b"", 400),
        ("html", path, &[("content-type", "text/html")], b"x", 415),
        (
            "only html wanted",
            path,
            &[("accept", "text/html")],
            b"{}",
            406,
        ),
        ("no such model", "/v2/models/nobody/infer", &[], b"{}", 404),
        (
            "no such version",
            "/v2/models/digits/versions/7/infer",
            &[],
            b"{}",
            404,
        ),
        ("load", "/v2/repository/models/digits/load", &[], b"", 501),
        (
            "no multipart",
            "/infer/digits",
            &[("content-type", "multipart/form-data")],
            b"x",
            400,
        ),
        (
            "a multipart without parts",
            "/infer/digits",
            &[("content-type", "multipart/form-data; boundary=x")],
            b"--x--",
            400,
        ),
    ];
    let mut wrong = Vec::new();
    for (name, path, headers, body, status) in rows {
        let response = send(address, "POST", path, headers, body);
        let sentence = response.error();
        if response.status != status || sentence.len() > 600 || !response.is_whole {
            wrong.push(format!(
                "{name}: expected {status}, got {}: {sentence}",
                response.status
            ));
        }
        if status == 415 && name == "an unknown coding" {
            assert_eq!(response.header("accept-encoding"), Some("gzip, deflate"));
        }
    }
    let unsized_eleven = post_chunked(address, path, &eleven);
    if unsized_eleven.status != 413 {
        wrong.push(format!("11 MiB in chunks: {}", unsized_eleven.status));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_healthy(address);
    assert_eq!(
        service.log(),
        "backend: the engine in WebAssembly\n",
        "a client's mistakes are not logged as errors of the service"
    );
}

#[test]
fn formats_of_infer_agree() {
    let service = start();
    let address = service.address;
    let png = |digit: u8| {
        let path = format!("models/digits/samples/{digit}.png");
        std::fs::read(support::root().join(path)).unwrap()
    };
    let mut form = Vec::new();
    for digit in [3, 7, 1] {
        form.extend(
            b"--edge\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n",
        );
        form.extend(b"Content-Type: image/png\r\n\r\n");
        form.extend(png(digit));
        form.extend(b"\r\n");
    }
    form.extend(b"--edge--\r\n");
    let response = post(
        address,
        "/infer/digits",
        "multipart/form-data; boundary=edge",
        &form,
    );
    assert_eq!(response.status, 200, "{}", response.text());
    let predictions = response.json()["predictions"].clone();
    let labels: Vec<&Value> = predictions
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row[0]["label"])
        .collect();
    assert_eq!(labels, ["3", "7", "1"]);
    let timing = response.header("server-timing").unwrap();
    let phases: Vec<&str> = timing
        .split(", ")
        .map(|entry| entry.split(';').next().unwrap())
        .collect();
    assert_eq!(phases, ["decode", "load", "compute", "encode"]);

    // A NumPy response can be sent as a NumPy request.
    let npy = [("accept", "application/x-npy")];
    let array = send(
        address,
        "POST",
        "/infer/identity-fp32",
        &npy,
        &floats(&[1.0, -2.5]),
    );
    assert_eq!(array.header("content-type"), Some("application/x-npy"));
    let response = post(
        address,
        "/infer/identity-fp32",
        "application/x-npy",
        &array.body,
    );
    assert_eq!(response.json()["outputs"][0]["data"], json!([1.0, -2.5]));
}
