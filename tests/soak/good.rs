//! Requests that get status 200, of every documented kind.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use super::case::Case;

/// The header with the length of the JSON, which precedes the tensors' bytes.
pub const JSON_LENGTH: &str = "inference-header-content-length";

const JSON: (&str, &str) = ("content-type", "application/json");
const OCTETS: (&str, &str) = ("content-type", "application/octet-stream");
const TO_OCTETS: (&str, &str) = ("accept", "application/octet-stream");
const TO_NPY: (&str, &str) = ("accept", "application/x-npy");

/// A file of the checkout.
pub fn file(path: &str) -> Vec<u8> {
    std::fs::read(crate::support::root().join(path)).unwrap()
}

pub fn sample(digit: u8) -> Vec<u8> {
    file(&format!("models/digits/samples/{digit}.png"))
}

pub fn floats(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// A NumPy file with a one-dimensional FP32 array.
pub fn npy(count: usize, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count},), }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

/// A `multipart/form-data` body with an image per part.
pub fn multipart(images: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for image in images {
        body.extend(
            b"--limit\r\ncontent-disposition: form-data; name=\"a\"; filename=\"a.png\"\r\n\r\n",
        );
        body.extend(image);
        body.extend(b"\r\n");
    }
    body.extend(b"--limit--\r\n");
    body
}

/// FP32 values as binary tensor data: the JSON and the bytes.
pub fn binary(count: usize) -> (String, Vec<u8>) {
    let json = json!({
        "parameters": {"binary_data_output": true},
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [count],
                    "parameters": {"binary_data_size": 4 * count}}],
    });
    (
        json.to_string(),
        floats((0..count).map(|index| index as f32)),
    )
}

pub fn cases() -> Vec<Case> {
    let mut cases = images();
    cases.extend(json_bodies());
    cases.extend(tensors());
    cases.extend(compressed());
    cases.extend(descriptions());
    cases
}

fn images() -> Vec<Case> {
    let image = |path: &'static str, media_type: &str, body: Vec<u8>, holds: &str| {
        let headers = [("content-type", media_type)];
        Case::new("good image", ("POST", path), &headers, body, 200, holds)
    };
    let mut cases: Vec<Case> = (0..10)
        .map(|digit| {
            let best = format!("\"predictions\":[[{{\"label\":\"{digit}\"");
            image("/infer", "image/png", sample(digit), &best)
        })
        .collect();
    for name in [
        "wide.jpg",
        "lossless.webp",
        "palette.gif",
        "wide.bmp",
        "alpha.png",
        "turn6.png",
    ] {
        let body = file(&format!("tests/preprocessing/images/{name}"));
        let case = image("/infer", "image/png", body, "\"predictions\":[[{");
        cases.push(case.named(name));
    }
    let best = "\"predictions\":[[{\"label\":\"4\"";
    cases.push(image("/infer/mounted", "image/png", sample(4), best).times(2));
    let both = "multipart/form-data; boundary=limit";
    let case = image(
        "/infer",
        both,
        multipart(&[sample(1), sample(2)]),
        "\"label\":\"2\"",
    );
    cases.push(
        Case {
            kind: "good multipart",
            ..case
        }
        .times(2),
    );
    let headers = [("content-type", "image/png"), TO_NPY];
    let input = ("POST", "/infer/digits/input");
    cases.push(Case::new(
        "good image",
        input,
        &headers,
        sample(6),
        200,
        b"\x93NUMPY",
    ));
    cases
}

fn json_bodies() -> Vec<Case> {
    let json = |path: &'static str, body: Value, holds: &str| {
        Case::new(
            "good JSON",
            ("POST", path),
            &[JSON],
            body.to_string(),
            200,
            holds,
        )
    };
    let rows = vec![vec![0.5; 8]; 8];
    let pair =
        |name: &str| json!({"name": name, "datatype": "FP32", "shape": [1, 2], "data": [1.5, 2]});
    let tensor = json!({"name": "x", "datatype": "INT64", "shape": [2], "data": [-1, 2147483647]});
    let image =
        json!({"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": vec![0.25; 64]});
    let classes = json!({
        "inputs": [image],
        "outputs": [{"name": "probabilities", "parameters": {"classification": 2}}],
    });
    vec![
        json("/infer", json!([[rows]]), "\"predictions\""),
        json("/infer", json!({"instances": [[rows]]}), "\"predictions\""),
        json(
            "/infer/add",
            json!({"inputs": [pair("a"), pair("b")]}),
            "\"data\":[3.0,4.0]",
        ),
        json(
            "/v2/models/identity-int64/infer",
            json!({"inputs": [tensor]}),
            "[-1,2147483647]",
        ),
        json("/v2/models/digits/infer", classes, "\"datatype\":\"BYTES\""),
        json(
            "/v1/models/digits:predict",
            json!({"instances": [[rows], [rows]]}),
            "\"predictions\"",
        ),
    ]
}

fn tensors() -> Vec<Case> {
    let data = floats((0..64).map(|index| index as f32 / 64.0));
    // Raw little-endian requests, with JSON and raw responses.
    let raw = |path: &'static str, headers: &[(&str, &str)], body: &[u8], holds: &[u8]| {
        Case::new("good raw", ("POST", path), headers, body, 200, holds)
    };
    let identity = "/infer/identity-fp32";
    let mut cases = vec![
        raw("/infer", &[OCTETS], &data, b"\"predictions\""),
        raw(identity, &[OCTETS, TO_OCTETS], &data, &data),
    ];
    // A response that fills every buffer, so that clients can leave in the middle of it.
    let large = floats((0..400_000).map(|index| index as f32 + 0.25));
    cases.push(raw(identity, &[OCTETS], &large, b"399999.25").named("large"));
    let mut chunked = raw(
        identity,
        &[OCTETS, TO_OCTETS, ("transfer-encoding", "chunked")],
        b"",
        &data,
    );
    for part in data.chunks(100) {
        chunked
            .body
            .extend(format!("{:x}\r\n", part.len()).into_bytes());
        chunked.body.extend(part);
        chunked.body.extend(b"\r\n");
    }
    chunked.body.extend(b"0\r\n\r\n");
    cases.push(chunked);
    let headers = [("content-type", "application/x-npy"), TO_NPY];
    let body = npy(64, &data);
    cases.push(Case::new("good npy", ("POST", identity), &headers, body, 200, data).times(2));
    let (json, data) = binary(1000);
    let length = json.len().to_string();
    let infer = ("POST", "/v2/models/identity-fp32/infer");
    let body = [json.into_bytes(), data.clone()].concat();
    let case = Case::new(
        "good binary",
        infer,
        &[(JSON_LENGTH, &length)],
        body,
        200,
        data,
    );
    cases.push(case.times(2));
    cases
}

fn compressed() -> Vec<Case> {
    let body = json!({"instances": vec![1.5; 1000]}).to_string();
    let zlib = {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let case = |coding: &str, accept: &str, body: Vec<u8>, holds: &[u8]| {
        let headers = [
            JSON,
            ("content-encoding", coding),
            ("accept-encoding", accept),
        ];
        let path = ("POST", "/v1/models/identity-fp32:predict");
        Case::new("good gzip", path, &headers, body, 200, holds)
    };
    vec![
        case(
            "gzip",
            "identity",
            gzip(body.as_bytes()),
            b"\"predictions\":[1.5,1.5",
        ),
        case("gzip", "gzip", gzip(body.as_bytes()), &[0x1f, 0x8b]),
        case("deflate", "identity", zlib, b"\"predictions\":[1.5,1.5"),
    ]
}

fn descriptions() -> Vec<Case> {
    let get = |path: &'static str, holds: &str| {
        Case::new("good description", ("GET", path), &[], "", 200, holds)
    };
    let mut cases = vec![
        get("/", "<!doctype html>"),
        get("/openapi.json", "\"openapi\":\"3.1"),
        get("/v2", "\"extensions\""),
        get("/v2/health/live", ""),
        get("/v2/health/ready", ""),
        get("/v2/models/digits", "\"probabilities\""),
        get("/v1/models", "digits"),
        Case::new(
            "good description",
            ("HEAD", "/v2/models/digits"),
            &[],
            "",
            200,
            "",
        ),
        Case::new(
            "good description",
            ("POST", "/v2/repository/index"),
            &[],
            "",
            200,
            "digits",
        ),
    ];
    let closing = [("connection", "close")];
    let mut case = Case::new(
        "good description",
        ("GET", "/v2"),
        &closing,
        "",
        200,
        "\"extensions\"",
    );
    case.closes = true;
    cases.push(case);
    cases
}
