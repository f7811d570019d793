//! Requests that the service rejects, each with the expected status and a part of the error.

use serde_json::json;

use super::case::Case;
use super::good::{JSON_LENGTH, binary, file, floats, gzip, multipart, npy, sample};

/// The limit of request bodies in the test (`INFER_MAX_BODY_BYTES`): twice the largest good request.
pub const MAX_BODY_BYTES: usize = 4 << 20;

pub fn cases() -> Vec<Case> {
    let mut cases = malformed_json();
    cases.extend(malformed_bodies());
    cases.extend(too_large());
    cases.extend(wrong_requests());
    cases.extend(no_http());
    cases
}

/// A PNG that declares 60000x60000 pixels and has no pixel data.
fn bomb() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0".to_vec();
    // The checksums of the header and of an empty IDAT chunk.
    png.extend(0x0fb0_e215_u32.to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    png
}

fn post(
    kind: &'static str,
    path: &'static str,
    media_type: &str,
    body: impl Into<Vec<u8>>,
    status: u16,
    holds: &str,
) -> Case {
    Case::new(
        kind,
        ("POST", path),
        &[("content-type", media_type)],
        body,
        status,
        holds,
    )
}

fn malformed_json() -> Vec<Case> {
    let json = |body: &str, holds: &str| {
        post(
            "malformed JSON",
            "/infer",
            "application/json",
            body,
            400,
            holds,
        )
    };
    let input = |shape: &str, datatype: &str, data: &str| {
        format!(
            "{{\"inputs\": [{{\"name\": \"image\", \"datatype\": \"{datatype}\", \"shape\": {shape}, \
             \"data\": {data}}}]}}"
        )
    };
    let zeros = format!("[{}]", vec!["0"; 64].join(","));
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    vec![
        json("hello", ""),
        json("\"hello\"", ""),
        json("{\"inputs\": [{\"name\": \"image\"", ""),
        json("[[[[1,2],[3]]]]", ""),
        json(&deep, "").named("10000 levels"),
        json("{\"inputs\": []}", "image"),
        json(&input("[1,1,8,7]", "FP32", &zeros), "shape"),
        json(&input("[4294967296,4294967296,8,8]", "FP32", "[]"), "shape"),
        json(&input("[1,1,8,8]", "FP32", "[1,2,3]"), "64"),
        json(&input("[1,1,8,8]", "STRING", &zeros), "STRING"),
        json(
            &input("[1,1,8,8]", "FP32", &zeros.replacen('0', "NaN", 1)),
            "",
        ),
        json(
            &input("[1,1,8,8]", "FP32", &zeros.replacen('0', "1e999", 1)),
            "",
        ),
    ]
}

fn malformed_bodies() -> Vec<Case> {
    let png = sample(7);
    let octets = "application/octet-stream";
    let identity = "/infer/identity-fp32";
    let (header, data) = binary(10);
    let binary = |length: &str, body: &[u8]| {
        let path = ("POST", "/v2/models/identity-fp32/infer");
        Case::new(
            "malformed binary",
            path,
            &[(JSON_LENGTH, length)],
            body,
            400,
            "",
        )
    };
    let all = [header.as_bytes(), &data].concat();
    let coded = |coding: &str, body: Vec<u8>, status: u16, holds: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("content-encoding", coding),
        ];
        Case::new(
            "malformed gzip",
            ("POST", "/infer"),
            &headers,
            body,
            status,
            holds,
        )
    };
    let zipped = gzip(b"{\"instances\": [1, 2, 3]}");
    let values = floats([1.0; 4]);
    let npy_of = |body: Vec<u8>| {
        post(
            "malformed npy",
            identity,
            "application/x-npy",
            body,
            400,
            "",
        )
    };
    let complex = String::from_utf8_lossy(&npy(4, b"")).replace("<f4", "<c8");
    let limit = "multipart/form-data; boundary=limit";
    vec![
        post(
            "malformed image",
            "/infer",
            "image/png",
            &png[..60],
            400,
            "PNG",
        ),
        post(
            "malformed image",
            "/infer",
            "image/png",
            "hello",
            400,
            "image",
        ),
        post(
            "malformed image",
            "/infer",
            "image/jpeg",
            &file("tests/preprocessing/images/wide.jpg")[..80],
            400,
            "",
        ),
        post("malformed raw", "/infer", octets, "", 400, "empty"),
        post(
            "malformed raw",
            "/infer",
            octets,
            &floats([0.5; 64])[1..],
            400,
            "255",
        ),
        post("malformed raw", identity, octets, "abc", 400, "3"),
        npy_of(npy(4, &values)[..20].to_vec()),
        npy_of(npy(5, &values)),
        npy_of(npy(usize::MAX, &values)),
        npy_of([complex.as_bytes(), &values].concat()),
        npy_of(b"\x93NUMPY\x09\x00\xff\xff".to_vec()),
        post(
            "malformed multipart",
            "/infer",
            "multipart/form-data",
            multipart(std::slice::from_ref(&png)),
            400,
            "",
        ),
        post("malformed multipart", "/infer", limit, "hello", 400, ""),
        post(
            "malformed multipart",
            "/infer",
            limit,
            &multipart(std::slice::from_ref(&png))[..120],
            400,
            "",
        ),
        post(
            "malformed multipart",
            "/infer",
            limit,
            multipart(&[b"hello".to_vec(), png]),
            400,
            "",
        ),
        binary(&(all.len() + 1).to_string(), &all),
        binary("-1", &all),
        binary("99999999999999999999", &all),
        binary(&header.len().to_string(), &all[..all.len() - 1]),
        binary(&(header.len() - 1).to_string(), &all),
        coded("gzip", b"hello".to_vec(), 400, ""),
        coded("gzip", zipped[..zipped.len() / 2].to_vec(), 400, ""),
        coded("br", zipped, 415, "br"),
    ]
}

fn too_large() -> Vec<Case> {
    let large = vec![b'1'; MAX_BODY_BYTES + 1];
    let limit = MAX_BODY_BYTES.to_string();
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    let inflated = gzip(&vec![b' '; 64 << 20]);
    let octets = "application/octet-stream";
    let kind = "too large";
    let mut chunked = Case::new(
        kind,
        ("POST", "/infer"),
        &[("content-type", octets), ("transfer-encoding", "chunked")],
        "",
        413,
        limit.as_str(),
    );
    for part in large.chunks(60_000) {
        chunked
            .body
            .extend(format!("{:x}\r\n", part.len()).into_bytes());
        chunked.body.extend(part);
        chunked.body.extend(b"\r\n");
    }
    chunked.body.extend(b"0\r\n\r\n");
    vec![
        post(kind, "/infer", octets, large, 413, &limit),
        chunked,
        Case::new(
            kind,
            ("POST", "/infer"),
            &headers,
            inflated,
            413,
            limit.as_str(),
        )
        .named("inflated"),
        post(kind, "/infer", "image/png", bomb(), 413, "60000x60000"),
    ]
}

fn wrong_requests() -> Vec<Case> {
    let png = sample(3);
    let image =
        |kind, path, status, holds| post(kind, path, "image/png", png.clone(), status, holds);
    let body = json!({"inputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [1]}]});
    let mut cases = vec![
        image("unknown route", "/infer/../digits", 404, ""),
        image("unknown route", "/infer/%2e%2e%2fdigits", 404, ""),
        Case::new(
            "unknown route",
            ("GET", "/nowhere"),
            &[],
            "",
            404,
            "nowhere",
        ),
        image("unknown model", "/infer/nobody", 404, "digits"),
        Case::new(
            "unknown model",
            ("GET", "/v2/models/nobody"),
            &[],
            "",
            404,
            "nobody",
        ),
        image("wrong media type", "/infer/add", 415, ""),
        post(
            "wrong media type",
            "/infer",
            "text/html",
            "<p>",
            415,
            "image/png",
        ),
        image("wrong parameter", "/infer?top_k=0", 400, "top_k"),
        image("wrong parameter", "/infer?top_k=all", 400, "top_k"),
        post(
            "unknown input",
            "/infer/identity-fp32",
            "application/json",
            body.to_string(),
            400,
            "`y`",
        ),
        Case::new("wrong method", ("GET", "/infer"), &[], "", 405, "POST"),
    ];
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        cases.push(Case::new(
            "wrong method",
            (method, "/infer"),
            &[],
            "",
            405,
            "POST",
        ));
    }
    let headers = [("content-type", "image/png"), ("accept", "text/html")];
    cases.push(Case::new(
        "nothing acceptable",
        ("POST", "/infer"),
        &headers,
        png,
        406,
        "",
    ));
    cases
}

/// Bytes that are not valid HTTP.
pub fn no_http() -> Vec<Case> {
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000));
    let many = "x-a: b\r\n".repeat(200);
    let many = format!("GET /v2 HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    let large = format!(
        "GET /v2 HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n",
        "a".repeat(100_000)
    );
    [
        (&b"HELLO\r\n\r\n"[..], 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on\r\n\r\n",
            400,
        ),
        (
            b"GET /v2 HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            400,
        ),
        (b"GET /v2 HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n", 400),
        (long.as_bytes(), 414),
        (many.as_bytes(), 431),
        (large.as_bytes(), 431),
    ]
    .into_iter()
    .map(|(bytes, status)| Case::bytes("no HTTP", bytes, status))
    .collect()
}
