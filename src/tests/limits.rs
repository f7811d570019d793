//! Every limit: a request at the limit is accepted, and a request just over it refused.

use std::io::Write;

use super::{Limits, file, json, send_within};
use crate::http::limits;

/// A limit with a value, and two requests that differ in the counted quantity only.
struct Case {
    limit: &'static str,
    value: u64,
    target: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    within: Vec<u8>,
    beyond: Vec<u8>,
    sentence: &'static str,
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Images as parts of a form with the boundary `x`.
fn form(parts: usize) -> Vec<u8> {
    let image = file("models/digits/samples/7.png");
    let mut body = Vec::new();
    for _ in 0..parts {
        body.extend(b"--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n");
        body.extend(&image);
        body.extend(b"\r\n");
    }
    body.extend(b"--x--\r\n");
    body
}

/// A PNG of black pixels.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(width, height)
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

fn pairs(rows: usize) -> Vec<u8> {
    let rows = vec!["[1,2]"; rows].join(",");
    let column = |name: &str| {
        format!(r#"{{"name":"{name}","datatype":"FP32","shape":[SIZE,2],"data":[{rows}]}}"#)
    };
    let size = rows.matches('[').count().to_string();
    format!(r#"{{"inputs":[{},{}]}}"#, column("a"), column("b"))
        .replace("SIZE", &size)
        .into_bytes()
}

fn cases() -> Vec<Case> {
    const JSON: (&str, &str) = ("content-type", "application/json");
    const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=x");
    let instances = |rows: usize| {
        let rows = vec![r#"{"a":[1,2],"b":[1,2]}"#; rows].join(",");
        format!(r#"{{"instances":[{rows}]}}"#).into_bytes()
    };
    let words = |count: usize| format!(r#"{{"text":[{}]}}"#, vec![r#""a""#; count].join(","));
    vec![
        Case {
            limit: limits::MAX_BODY_BYTES,
            value: 8,
            target: "/infer/sum",
            headers: vec![("content-length", "LENGTH")],
            within: vec![0; 8],
            beyond: vec![0; 12],
            sentence: "the body has more than 8 bytes, got 12; the limit is the setting \
                       `INFER_MAX_BODY_BYTES`",
        },
        Case {
            limit: limits::MAX_INFLATED_BYTES,
            value: 100,
            target: "/infer/sum",
            headers: vec![("content-encoding", "gzip")],
            within: gzip(&[0; 100]),
            beyond: gzip(&[0; 104]),
            sentence: "the inflated body has more than 100 bytes, and was not inflated to its end; \
                       the limit is the setting `INFER_MAX_INFLATED_BYTES`",
        },
        Case {
            limit: limits::MAX_PARTS,
            value: 2,
            target: "/infer/digits",
            headers: vec![FORM],
            within: form(2),
            beyond: form(3),
            sentence: "the multipart body has more than 2 parts; the limit is the setting \
                       `INFER_MAX_PARTS`",
        },
        Case {
            limit: limits::MAX_JSON_DEPTH,
            value: 3,
            target: "/infer/sum",
            headers: vec![JSON],
            within: br#"{"instances":[1,2],"unknown":[[1]]}"#.to_vec(),
            beyond: br#"{"instances":[1,2],"unknown":[[[1]]]}"#.to_vec(),
            sentence: "the JSON is nested more than 3 levels deep; the limit is the setting \
                       `INFER_MAX_JSON_DEPTH`",
        },
        Case {
            limit: limits::MAX_JSON_VALUES,
            value: 16,
            target: "/v2/models/sum/infer",
            headers: vec![JSON],
            within: br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[9],"data":[1,2,3,4,5,6,7,8,9]}]}"#
                .to_vec(),
            beyond: br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[10],"data":[1,2,3,4,5,6,7,8,9,0]}]}"#
                .to_vec(),
            sentence: "the JSON has more than 16 values; the limit is the setting \
                       `INFER_MAX_JSON_VALUES`",
        },
        Case {
            limit: limits::MAX_JSON_VALUES,
            value: 4,
            target: "/v1/models/sum:predict",
            headers: vec![],
            within: br#"{"inputs":[1,2,3]}"#.to_vec(),
            beyond: br#"{"inputs":[1,2,3,4]}"#.to_vec(),
            sentence: "the JSON has more than 4 values",
        },
        Case {
            limit: limits::MAX_JSON_VALUES,
            value: 3,
            target: "/v2/repository/index",
            headers: vec![],
            within: br#"{"ready":true,"a":1,"b":2}"#.to_vec(),
            beyond: br#"{"ready":true,"a":1,"b":2,"c":3}"#.to_vec(),
            sentence: "the JSON has more than 3 values",
        },
        Case {
            limit: limits::MAX_BATCH,
            value: 2,
            target: "/v2/models/add/infer",
            headers: vec![],
            within: pairs(2),
            beyond: pairs(3),
            sentence: "input `a`: 3 items, expected at most 2; the limit is the setting \
                       `INFER_MAX_BATCH`",
        },
        Case {
            limit: limits::MAX_BATCH,
            value: 2,
            target: "/v1/models/add:predict",
            headers: vec![],
            within: instances(2),
            beyond: instances(3),
            sentence: "input `a`: 3 items, expected at most 2",
        },
        Case {
            limit: limits::MAX_BATCH,
            value: 2,
            target: "/infer/digits",
            headers: vec![],
            within: vec![0; 2 * 256],
            beyond: vec![0; 3 * 256],
            sentence: "input `image`: 3 items, expected at most 2",
        },
        Case {
            limit: limits::MAX_BATCH,
            value: 2,
            target: "/infer/digits",
            headers: vec![FORM],
            within: form(2),
            beyond: form(3),
            sentence: "3 images, expected at most 2; the limit is the setting `INFER_MAX_BATCH`",
        },
        Case {
            limit: limits::MAX_IMAGE_PIXELS,
            value: 600,
            target: "/infer/digits",
            headers: vec![],
            within: png(30, 20),
            beyond: png(30, 21),
            sentence: "the PNG declares 30x21 pixels, 630, expected at most 600; the limit is the \
                       setting `INFER_MAX_IMAGE_PIXELS`",
        },
        Case {
            limit: limits::MAX_IMAGES_BYTES,
            value: 512,
            target: "/infer/digits",
            headers: vec![FORM],
            within: form(2),
            beyond: form(3),
            sentence: "3 images need 768 bytes as input `image`, 256 each, expected at most 512; the \
                       limit is the setting `INFER_MAX_IMAGES_BYTES`",
        },
        Case {
            limit: limits::MAX_AUDIO_SECONDS,
            value: 1,
            target: "/infer/speech",
            headers: vec![],
            within: super::sounds::wav(8000, 1, 8000),
            beyond: super::sounds::wav(8000, 1, 8001),
            sentence: "the sound lasts at least 1.0 s, expected at most 1 s; the limit is the setting \
                       `INFER_MAX_AUDIO_SECONDS`",
        },
        Case {
            limit: limits::MAX_TEXTS,
            value: 2,
            target: "/infer/sentiment",
            headers: vec![JSON],
            within: words(2).into_bytes(),
            beyond: words(3).into_bytes(),
            sentence: "3 texts, expected at most 2; the limit is the setting `INFER_MAX_TEXTS`",
        },
        Case {
            limit: limits::MAX_TEXT_BYTES,
            value: 5,
            target: "/infer/sentiment",
            headers: vec![("content-type", "text/plain")],
            within: b"a fox".to_vec(),
            beyond: b"a foxy".to_vec(),
            sentence: "the text has 6 bytes, expected at most 5; the limit is the setting \
                       `INFER_MAX_TEXT_BYTES`",
        },
        Case {
            limit: limits::MAX_RESPONSE_BYTES,
            value: 100,
            target: "/infer/identity-uint8",
            headers: vec![
                ("content-type", "application/octet-stream"),
                ("accept", "application/octet-stream"),
            ],
            within: vec![7; 100],
            beyond: vec![7; 101],
            sentence: "the answer has more than 100 bytes, expected fewer items or outputs, or a form \
                       with fewer bytes, `Accept: application/octet-stream`; the limit is the setting \
                       `INFER_MAX_RESPONSE_BYTES`",
        },
        Case {
            limit: limits::MAX_RESPONSE_BYTES,
            value: 160,
            target: "/infer/identity-uint8",
            headers: vec![],
            within: vec![7; 10],
            beyond: vec![7; 100],
            sentence: "the answer has more than 160 bytes",
        },
        Case {
            limit: limits::MAX_RESPONSE_BYTES,
            value: 22,
            target: "/v1/models/identity-uint8:predict",
            headers: vec![],
            within: br#"{"instances":[1,2]}"#.to_vec(),
            beyond: br#"{"instances":[1,2,3]}"#.to_vec(),
            sentence: "the answer has more than 22 bytes",
        },
    ]
}

#[test]
fn each_holds_to_the_last_byte() {
    let mut wrong = Vec::new();
    let mut untried: Vec<&str> = Limits::ALL.iter().map(|limit| limit.variable).collect();
    for case in cases() {
        untried.retain(|variable| *variable != case.limit);
        let mut set = Limits::default();
        let limit = Limits::ALL
            .iter()
            .find(|limit| limit.variable == case.limit)
            .unwrap();
        *(limit.of)(&mut set) = case.value;
        let send = |body: &[u8]| {
            let length = body.len().to_string();
            let headers: Vec<_> = case
                .headers
                .iter()
                .map(|(name, value)| (*name, value.replace("LENGTH", &length)))
                .collect();
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            send_within(set, "POST", case.target, &headers, body)
                .map(|response| response.body.len())
                .map_err(|error| (error.kind().status(), error.to_string()))
        };
        let (within, beyond) = (send(&case.within), send(&case.beyond));
        // Deep nesting is a wrong shape, and a list over `maxItems` of /openapi.json breaks the schema: both are 400.
        let expected = match case.limit {
            limits::MAX_JSON_DEPTH | limits::MAX_TEXTS => 400,
            _ => 413,
        };
        let is_refused = beyond.as_ref().is_err_and(|(status, message)| {
            *status == expected && message.starts_with(case.sentence)
        });
        if within.is_err() || !is_refused {
            wrong.push(format!(
                "{} {} {:?}\n  within {within:?}\n  beyond {beyond:?}\n  expected {}",
                case.limit, case.target, case.headers, case.sentence
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(untried.is_empty(), "no case for {untried:?}");
}

#[test]
fn the_openapi_document_follows_the_limits() {
    let limits = Limits {
        max_texts: 77,
        max_body_bytes: 4321,
        ..Limits::default()
    };
    let document = send_within(limits, "GET", "/openapi.json", &[], b"").unwrap();
    let document = json(&document).to_string();
    for expected in ["\"maxItems\":77", "Bodies of up to 4321 bytes"] {
        assert!(document.contains(expected), "{expected}");
    }
    assert!(!document.contains("2048"));
}

#[test]
fn errors_do_not_repeat_long_texts() {
    let long = "ä".repeat(50_000);
    let form = [("content-type", "multipart/form-data; boundary=x")];
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], String);
    let cases: [Row; 5] = [
        ("/infer/sum", &[], format!("{{\"inputs\":\"{long}\"}}")),
        (
            "/v1/models/add:predict",
            &[],
            format!("{{\"instances\":[{{\"{long}\":1}}]}}"),
        ),
        (
            "/v2/models/add/infer",
            &[],
            format!(
                "{{\"inputs\":[{{\"name\":\"a\",\"datatype\":\"{long}\",\"shape\":\"{long}\"}}]}}"
            ),
        ),
        ("/v1/embeddings", &[], format!("{{\"model\":\"{long}\"}}")),
        (
            "/infer/digits",
            &form,
            format!("--x\r\nContent-Disposition: form-data; name=\"{long}\"\r\n\r\ncut off"),
        ),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .map(|(target, headers, body)| {
            let refused = send_within(Limits::default(), "POST", target, headers, body.as_bytes());
            let message = refused.map_or_else(|error| error.to_string(), |_| String::new());
            (target, message)
        })
        .filter(|(_, message)| !(20..2100).contains(&message.len()))
        .map(|(target, message)| format!("{target}: {} bytes", message.len()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
