//! The whole service: the binary and the composed artifact with the digits model, over HTTP.

use crate::support;
use crate::support::client::{Response, exchange, get, post, post_chunked, send};
use crate::support::service::Service;

fn digits(path: &str) -> Vec<u8> {
    std::fs::read(support::root().join("models/digits").join(path)).unwrap()
}

fn preprocessing(name: &str) -> Vec<u8> {
    std::fs::read(
        support::root()
            .join("tests/preprocessing/images")
            .join(name),
    )
    .unwrap()
}

/// The first label of a response.
fn best(response: &Response) -> String {
    assert_eq!(response.status, 200, "{}", response.text());
    let json = response.json();
    json["predictions"][0][0]["label"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The input tensor of a digit sample, computed as the card's `scale` says.
fn sample_values(digit: u8) -> Vec<f32> {
    const SCALE: f32 = 0.003_921_569;
    let decoder = png::Decoder::new(std::io::Cursor::new(digits(&format!(
        "samples/{digit}.png"
    ))));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; 64];
    reader.next_frame(&mut pixels).unwrap();
    pixels
        .iter()
        .map(|value| f32::from(*value) * SCALE)
        .collect()
}

fn raw(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

#[test]
fn every_documented_body_gets_the_same_prediction() {
    let service = Service::start();
    let address = service.address;
    let curls_default = "application/x-www-form-urlencoded";
    for digit in 0..10_u8 {
        let label = digit.to_string();
        let png = digits(&format!("samples/{digit}.png"));
        let values = sample_values(digit);
        let rows: Vec<&[f32]> = values.chunks(8).collect();
        let nested = serde_json::json!([[rows]]);
        let instances = serde_json::json!({ "instances": [[rows]] });
        let protocol = serde_json::json!({ "id": "a", "inputs": [
            { "name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": values }
        ]});
        let responses = [
            ("image", post(address, "/infer", "image/png", &png)),
            (
                "image to a model",
                post(address, "/infer/digits", "image/png", &png),
            ),
            (
                "image from curl",
                post(address, "/infer", curls_default, &png),
            ),
            (
                "image without a type",
                send(address, "POST", "/infer", &[], &png),
            ),
            (
                "nested array",
                post(
                    address,
                    "/infer",
                    "application/json",
                    nested.to_string().as_bytes(),
                ),
            ),
            (
                "instances",
                post(
                    address,
                    "/infer",
                    "application/json",
                    instances.to_string().as_bytes(),
                ),
            ),
            (
                "protocol",
                post(
                    address,
                    "/infer",
                    "application/json",
                    protocol.to_string().as_bytes(),
                ),
            ),
            (
                "raw",
                post(address, "/infer", "application/octet-stream", &raw(&values)),
            ),
        ];
        let first = responses[0].1.json()["predictions"].clone();
        for (kind, response) in &responses {
            assert_eq!(best(response), label, "{kind}");
            let json = response.json();
            assert_eq!(json["model_name"], "digits", "{kind}");
            assert_eq!(json["model_version"], "1", "{kind}");
            assert_eq!(
                json["predictions"], first,
                "{kind}: the predictions are exactly the same"
            );
            assert_eq!(
                json["predictions"][0].as_array().unwrap().len(),
                5,
                "{kind}"
            );
            let timing = response.header("server-timing").unwrap();
            for phase in ["decode;dur=", "load;dur=", "compute;dur="] {
                assert!(timing.contains(phase), "{kind}: {timing}");
            }
        }
    }
}

/// The held-out images of `models/digits/train.py`: a label and 64 pixels each.
fn held_out() -> Vec<(u8, [u8; 64])> {
    let npy = digits("heldout.npy");
    // The header of format 1.0: its length is in bytes 8 and 9.
    let length = u16::from_le_bytes([npy[8], npy[9]]);
    let (header, rows) = npy[10..].split_at(length.into());
    let header = String::from_utf8_lossy(header);
    assert!(
        header.contains("'|u1'") && header.contains("(360, 65)"),
        "{header}"
    );
    let (rows, []) = rows.as_chunks::<65>() else {
        panic!("rows of 65 bytes are expected")
    };
    rows.iter()
        .map(|row| (row[0], *row.last_chunk().unwrap()))
        .collect()
}

/// An 8x8 grayscale PNG.
fn png_of(pixels: &[u8; 64]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 8, 8);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    writer.finish().unwrap();
    file
}

#[test]
fn held_out_accuracy_is_as_documented() {
    let service = Service::start();
    let held_out = held_out();
    assert_eq!(held_out.len(), 360);
    let right = held_out
        .iter()
        .filter(|(label, pixels)| {
            let response = post(service.address, "/infer", "image/png", &png_of(pixels));
            best(&response) == label.to_string()
        })
        .count();
    assert_eq!(right, 355, "models/digits/README.md says 355");
}

#[test]
fn image_formats_are_detected_from_the_bytes() {
    let service = Service::start();
    let names = [
        "wide.png",
        "gray.png",
        "alpha.png",
        "gray-alpha.png",
        "palette.png",
        "gray16.png",
        "one-bit.png",
        "wide.bmp",
        "palette.gif",
        "animated.gif",
        "lossless.webp",
        "wide.jpg",
        "gray.jpg",
        "cmyk.jpg",
        "turn6.png",
    ];
    for name in names {
        let response = post(service.address, "/infer", "image/png", &preprocessing(name));
        assert_eq!(response.status, 200, "{name}: {}", response.text());
    }
}

#[test]
fn accept_selects_the_response_format() {
    let service = Service::start();
    let png = digits("samples/7.png");
    let ask = |path: &str, accept: &str| {
        send(
            service.address,
            "POST",
            path,
            &[("content-type", "image/png"), ("accept", accept)],
            &png,
        )
    };
    let json = ask("/infer?top_k=2", "*/*").json();
    assert_eq!(json["predictions"][0].as_array().unwrap().len(), 2);
    assert!(json.get("outputs").is_none());
    let json = ask("/infer?outputs=true&top_k=100", "application/json").json();
    assert_eq!(
        json["predictions"][0].as_array().unwrap().len(),
        10,
        "all classes, because there are fewer than `top_k`"
    );
    assert_eq!(json["outputs"][0]["name"], "probabilities");
    assert_eq!(json["outputs"][0]["datatype"], "FP32");
    assert_eq!(json["outputs"][0]["shape"], serde_json::json!([1, 10]));
    let values: Vec<f32> = serde_json::from_value(json["outputs"][0]["data"].clone()).unwrap();
    let bytes = ask("/infer", "application/octet-stream");
    assert_eq!(bytes.body, raw(&values), "the same values to the bit");
    let npy = ask("/infer", "application/x-npy");
    assert_eq!(npy.header("content-type"), Some("application/x-npy"));
    assert!(npy.body.starts_with(b"\x93NUMPY\x01\x00"));
    assert!(npy.body.ends_with(&raw(&values)));
    let none = ask("/infer", "text/html");
    assert_eq!(none.status, 406);
    none.error();
}

/// A PNG that declares 60000x60000 pixels and has no pixel data.
fn bomb() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0".to_vec();
    // The checksums of the header and of an empty IDAT chunk.
    png.extend(0x0fb0_e215_u32.to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    png
}

#[test]
fn malformed_input_is_rejected_and_the_service_stays_healthy() {
    let service = Service::start();
    let address = service.address;
    let json = |body: &str| post(address, "/infer", "application/json", body.as_bytes());
    let png = digits("samples/7.png");
    let values = raw(&sample_values(7));
    let octets = |body: &[u8]| post(address, "/infer", "application/octet-stream", body);
    let input = |shape: &str, datatype: &str, data: &str| {
        json(&format!(
            "{{\"inputs\": [{{\"name\": \"image\", \"datatype\": \"{datatype}\", \"shape\": {shape}, \
             \"data\": {data}}}]}}"
        ))
    };
    let zeros = format!("[{}]", vec!["0"; 64].join(","));
    let big = vec![b'1'; 11 << 20];
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: Vec<(&str, Response, u16, &str)> = vec![
        ("empty body", octets(b""), 400, "empty"),
        ("11 MiB with its length", octets(&big), 413, "10485760"),
        (
            "11 MiB without its length",
            post_chunked(address, "/infer", &big),
            413,
            "10485760",
        ),
        (
            "truncated PNG",
            post(address, "/infer", "image/png", &png[..60]),
            400,
            "PNG",
        ),
        (
            "60000x60000",
            post(address, "/infer", "image/png", &bomb()),
            413,
            "60000x60000",
        ),
        (
            "text as an image",
            post(address, "/infer", "image/png", b"hello"),
            400,
            "image",
        ),
        (
            "wrong shape",
            input("[1,1,8,7]", "FP32", &zeros),
            400,
            "shape",
        ),
        (
            "shape that overflows",
            input("[4294967296,4294967296,8,8]", "FP32", "[]"),
            400,
            "shape",
        ),
        (
            "too few values",
            input("[1,1,8,8]", "FP32", "[1,2,3]"),
            400,
            "64",
        ),
        (
            "wrong datatype",
            input("[1,1,8,8]", "STRING", &zeros),
            400,
            "STRING",
        ),
        (
            "text for numbers",
            input("[1,1,8,8]", "FP32", &zeros.replacen('0', "\"0\"", 1)),
            400,
            "",
        ),
        (
            "unknown input",
            json(r#"{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}"#),
            400,
            "`x`",
        ),
        ("no inputs", json(r#"{"inputs": []}"#), 400, "image"),
        ("ragged", json("[[[[1,2],[3]]]]"), 400, ""),
        ("10000 levels", json(&nested), 400, ""),
        (
            "NaN",
            input("[1,1,8,8]", "FP32", &zeros.replacen('0', "NaN", 1)),
            400,
            "",
        ),
        (
            "too large for FP32",
            input("[1,1,8,8]", "FP32", &zeros.replacen('0', "1e999", 1)),
            400,
            "",
        ),
        (
            "cut off",
            json("{\"inputs\": [{\"name\": \"image\""),
            400,
            "",
        ),
        ("not JSON", json("hello"), 400, ""),
        ("a JSON text", json("\"hello\""), 400, ""),
        ("one byte short", octets(&values[1..]), 400, "255"),
        (
            "up and down",
            post(address, "/infer/../digits", "image/png", &png),
            404,
            "",
        ),
        (
            "encoded up and down",
            post(address, "/infer/%2e%2e%2fdigits", "image/png", &png),
            404,
            "",
        ),
        (
            "unknown model",
            post(address, "/infer/unknown", "image/png", &png),
            404,
            "digits",
        ),
        ("unknown route", get(address, "/nowhere"), 404, "nowhere"),
        ("GET", get(address, "/infer"), 405, "POST"),
        (
            "PUT",
            send(address, "PUT", "/infer", &[], &png),
            405,
            "POST",
        ),
        (
            "DELETE",
            send(address, "DELETE", "/infer", &[], b""),
            405,
            "POST",
        ),
        (
            "another media type",
            post(address, "/infer", "text/html", b"<p>"),
            415,
            "image/png",
        ),
        (
            "top_k of 0",
            post(address, "/infer?top_k=0", "image/png", &png),
            400,
            "top_k",
        ),
        (
            "top_k of text",
            post(address, "/infer?top_k=all", "image/png", &png),
            400,
            "top_k",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, response, status, word) in &cases {
        let error = if response.status == 200 {
            String::new()
        } else {
            response.error()
        };
        if response.status != *status || !error.contains(word) {
            wrong.push(format!(
                "{name}, expected {status} with {word:?}: {} {}",
                response.status,
                response.text()
            ));
        }
        if response.status == 405 {
            assert_eq!(response.header("allow"), Some("POST"), "{name}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        best(&post(address, "/infer", "image/png", &png)),
        "7",
        "the service is still healthy"
    );
    let early = exchange(
        address,
        &[
            b"POST /infer HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\
            content-length: 99999999\r\n\r\n",
        ],
    );
    assert_eq!(early.status, 413, "rejected before the body is sent");
}

#[test]
fn concurrent_good_and_bad_requests_get_the_right_responses() {
    let service = Service::start();
    let address = service.address;
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..200_u32)
            .map(|index| {
                scope.spawn(move || {
                    let digit = index % 10;
                    let png = digits(&format!("samples/{digit}.png"));
                    if index % 3 == 0 {
                        let response = post(address, "/infer", "image/png", &png[..50]);
                        (response.status != 400).then(|| format!("{index}: {}", response.text()))
                    } else {
                        let response = post(address, "/infer", "image/png", &png);
                        let is_right =
                            response.status == 200 && best(&response) == digit.to_string();
                        (!is_right)
                            .then(|| format!("{index}: {} {}", response.status, response.text()))
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let last = post(address, "/infer", "image/png", &digits("samples/3.png"));
    assert_eq!(best(&last), "3");
}

#[test]
fn settings_are_read_at_request_time_and_not_from_the_snapshot() {
    let service = Service::start_with(&[], &[("INFER_MAX_BODY_BYTES", "100")]);
    let png = digits("samples/7.png");
    assert!(png.len() > 100);
    let response = post(service.address, "/infer", "image/png", &png);
    assert_eq!(response.status, 413);
    assert!(response.error().contains("100"), "{}", response.text());

    let service = Service::start_with(&[], &[("INFER_DEFAULT_MODEL", "nothing")]);
    let response = post(service.address, "/infer", "image/png", &png);
    assert_eq!(response.status, 500);
    assert!(
        !response.error().contains("nothing"),
        "the cause is in the log: {}",
        response.text()
    );
    let response = post(service.address, "/infer/digits", "image/png", &png);
    assert_eq!(best(&response), "7");
}

#[test]
fn pages_of_the_origins_in_the_setting_may_ask() {
    let service = Service::start_with(&[], &[("INFER_CORS_ORIGINS", "http://page.example")]);
    let asked = ("access-control-request-method", "POST");
    let page = ("origin", "http://page.example");
    let other = ("origin", "http://other.example");
    let rows = [
        ("OPTIONS", "/infer", &[page, asked][..], 204, true),
        ("OPTIONS", "/infer", &[other, asked], 204, false),
        ("GET", "/v2/models/digits", &[page], 200, true),
        ("GET", "/v2/models/digits", &[other], 200, false),
        ("GET", "/v2/models/nobody", &[page], 404, true),
    ];
    let mut wrong = Vec::new();
    for (method, path, headers, status, is_allowed) in rows {
        let response = send(service.address, method, path, headers, b"");
        let allowed = response.header("access-control-allow-origin");
        let expected = is_allowed.then_some("http://page.example");
        if response.status != status || allowed != expected || response.header("vary").is_none() {
            wrong.push(format!("{method} {path} {headers:?}: {response:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_signal_stops_the_service_after_the_last_response() {
    for signal in ["TERM", "INT"] {
        let mut service = Service::start();
        let png = digits("samples/7.png");
        assert_eq!(
            best(&post(service.address, "/infer", "image/png", &png)),
            "7"
        );
        service.signal(signal);
        assert!(service.wait().success(), "SIG{signal}: {}", service.log());
    }
}

#[test]
fn command_line_errors_are_one_sentence() {
    let run = |arguments: &[&str], folder: &std::path::Path| {
        let output = support::backends::infer(arguments)
            .current_dir(folder)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let root = support::root();
    for arguments in [&["--help"][..], &["up", "--help"], &["build", "--help"]] {
        assert!(run(arguments, &root).0, "{arguments:?}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let empty = tempfile::tempdir().unwrap();
    let empty_path = empty.path().to_str().unwrap();
    // Without `--backend`, the first line would be the selected backend.
    let cases = [
        (
            vec!["up", "--backend", "wasm", "--listen", address.as_str()],
            root.as_path(),
            "cannot listen on 127.0.0.1:",
        ),
        (
            vec!["up", "--backend", "wasm", "--models", empty_path],
            root.as_path(),
            "there is no model in ",
        ),
        (
            vec!["up", "--backend", "wasm", "--models", "/no/such/folder"],
            root.as_path(),
            "cannot read `/no/such/folder`",
        ),
        (
            vec!["up", "--listen", "nowhere"],
            root.as_path(),
            "invalid value 'nowhere'",
        ),
        (
            vec!["up", "--backend", "abacus"],
            root.as_path(),
            "invalid value 'abacus'",
        ),
        (
            vec!["up", "--threads", "0"],
            root.as_path(),
            "invalid value '0'",
        ),
        (vec!["build"], empty.path(), "there is no model in "),
    ];
    for (arguments, folder, sentence) in cases {
        let (success, stderr) = run(&arguments, folder);
        assert!(!success, "{arguments:?}");
        assert!(
            stderr.starts_with(&format!("error: {sentence}")),
            "{arguments:?}: {stderr}"
        );
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
}
