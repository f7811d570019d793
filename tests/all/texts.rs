//! Text models: labels and embeddings, compared with the outputs of Python packages in tests/texts.

use std::net::SocketAddr;
use std::path::Path;

use crate::support;
use crate::support::client::{Response, send};
use crate::support::service::Service;
use crate::support::texts;
use serde_json::{Value, json};

/// The tolerance of scores and of components of unit vectors, because engines sum in different orders.
const TOLERANCE: f64 = 1e-4;

fn file(path: &str) -> Value {
    let path = support::root().join("tests/texts").join(path);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn start(repository: &Path) -> Service {
    Service::start_with(&["--models", repository.to_str().unwrap()], &[])
}

fn post(address: SocketAddr, path: &str, body: &Value) -> Response {
    let headers = [("content-type", "application/json")];
    send(address, "POST", path, &headers, body.to_string().as_bytes())
}

/// The scores of a batch item in class order.
fn scores(classes: &Value) -> Vec<f64> {
    let mut scores: Vec<(u64, f64)> = classes
        .as_array()
        .unwrap()
        .iter()
        .map(|class| {
            (
                class["index"].as_u64().unwrap(),
                class["score"].as_f64().unwrap(),
            )
        })
        .collect();
    scores.sort_by_key(|(index, _)| *index);
    scores.into_iter().map(|(_, score)| score).collect()
}

fn floats(values: &Value) -> Vec<f64> {
    let values = values.as_array().unwrap();
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

/// The values that differ from the reference by more than the tolerance.
fn differences(what: &str, actual: &[Vec<f64>], expected: &Value) -> Vec<String> {
    let expected = expected.as_array().unwrap();
    assert_eq!(actual.len(), expected.len(), "{what}");
    actual
        .iter()
        .zip(expected)
        .enumerate()
        .filter_map(|(text, (actual, expected))| {
            let expected = floats(expected);
            assert_eq!(actual.len(), expected.len(), "{what} {text}");
            // `f64::max` would skip a NaN.
            let pairs = actual.iter().zip(&expected);
            let mut errors = pairs.map(|(actual, expected)| (actual - expected).abs());
            let far = errors.find(|error| error.is_nan() || *error > TOLERANCE);
            far.map(|error| format!("{what} {text}: {error}"))
        })
        .collect()
}

#[test]
fn results_match_the_python_packages() {
    let service = start(&texts::REPOSITORY);
    let address = service.address;
    let texts = file("texts.json");
    let all = texts.as_array().unwrap();
    let expected = file("expected.json");
    let mut wrong = Vec::new();

    // One by one as plain text, which cannot be empty.
    let one_by_one: Vec<Vec<f64>> = all
        .iter()
        .map(|text| {
            let text = text.as_str().unwrap();
            let response = if text.is_empty() {
                post(address, "/infer/sentiment", &json!({ "text": text }))
            } else {
                let headers = [("content-type", "text/plain; charset=utf-8")];
                send(
                    address,
                    "POST",
                    "/infer/sentiment",
                    &headers,
                    text.as_bytes(),
                )
            };
            assert_eq!(response.status, 200, "{text:?}: {}", response.text());
            scores(&response.json()["predictions"][0])
        })
        .collect();
    wrong.extend(differences(
        "one",
        &one_by_one,
        &expected["sentiment"]["scores"],
    ));

    // All in one request, and each paired with the previous text.
    let batch = post(
        address,
        "/infer/sentiment",
        &json!({ "text": texts, "id": "x" }),
    )
    .json();
    assert_eq!(batch["id"], "x");
    let labels: Vec<&str> = batch["predictions"][0]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| class["label"].as_str().unwrap())
        .collect();
    assert!(
        labels.contains(&"negative") && labels.len() == 3,
        "{labels:?}"
    );
    let predictions = batch["predictions"].as_array().unwrap();
    let actual: Vec<_> = predictions.iter().map(scores).collect();
    wrong.extend(differences(
        "batch",
        &actual,
        &expected["sentiment"]["scores"],
    ));
    let before: Vec<&Value> = (0..all.len())
        .map(|place| &all[(place + all.len() - 1) % all.len()])
        .collect();
    let pairs = json!({ "text": texts, "text_pair": before });
    let pairs = post(address, "/infer/sentiment", &pairs).json();
    let actual: Vec<_> = pairs["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(scores)
        .collect();
    wrong.extend(differences(
        "pairs",
        &actual,
        &expected["sentiment"]["pair_scores"],
    ));

    // Embeddings, on both routes.
    for model in ["sentences", "passages"] {
        let reference = &expected[model]["vectors"];
        let embedded = post(
            address,
            "/v1/embeddings",
            &json!({ "input": texts, "model": model }),
        );
        assert_eq!(embedded.status, 200, "{}", embedded.text());
        let embedded = embedded.json();
        let data = embedded["data"].as_array().unwrap();
        let actual: Vec<_> = data.iter().map(|item| floats(&item["embedding"])).collect();
        wrong.extend(differences(model, &actual, reference));
        let tokens: usize = expected[model]["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tokens| tokens.as_array().unwrap().len())
            .sum();
        assert_eq!(
            embedded["usage"],
            json!({ "prompt_tokens": tokens, "total_tokens": tokens })
        );
        let response = post(
            address,
            &format!("/infer/{model}"),
            &json!({ "text": texts }),
        )
        .json();
        let output = &response["outputs"][0];
        assert_eq!(output["name"], "sentence_embedding");
        assert_eq!(output["shape"], json!([all.len(), 32]));
        let values = floats(&output["data"]);
        let actual: Vec<_> = values.chunks(32).map(<[f64]>::to_vec).collect();
        wrong.extend(differences(model, &actual, reference));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Further options of a request.
    let ask = |body: Value| post(address, "/v1/embeddings", &body);
    let short = ask(json!({ "input": "a", "model": "passages", "dimensions": 5 })).json();
    let short = floats(&short["data"][0]["embedding"]);
    assert_eq!(short.len(), 5);
    let norm: f64 = short.iter().map(|value| value * value).sum();
    assert!((norm - 1.0).abs() < 1e-6, "{norm}");
    let raw = send(
        address,
        "POST",
        "/infer/passages",
        &[
            ("content-type", "text/plain"),
            ("accept", "application/octet-stream"),
        ],
        b"a",
    );
    assert_eq!(raw.body.len(), 32 * 4);
    let all_outputs = post(
        address,
        "/infer/passages?outputs=true",
        &json!({ "text": ["a", "b c d"] }),
    )
    .json();
    let shapes: Vec<&Value> = (0..2)
        .map(|place| &all_outputs["outputs"][place]["shape"])
        .collect();
    let width = &shapes[1][1];
    assert_eq!(shapes, [&json!([2, 32]), &json!([2, width, 32])]);
    // curl's default content type.
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let plain = send(
        address,
        "POST",
        "/infer/sentiment",
        &headers,
        b"[sic] it was {fine}",
    );
    assert_eq!(plain.status, 200, "{}", plain.text());
    let tensors = json!({ "inputs": [
        { "name": "input_ids", "datatype": "INT64", "shape": [1, 2], "data": [2, 3] },
        { "name": "attention_mask", "datatype": "INT64", "shape": [1, 2], "data": [1, 1] },
    ]});
    let tensors = post(address, "/infer/passages", &tensors).json();
    assert_eq!(tensors["outputs"][0]["name"], "last_hidden_state");
}

#[test]
fn invalid_texts_are_rejected_with_a_reason() {
    let service = start(&texts::REPOSITORY);
    let address = service.address;
    let typed = |kind: &str, path: &str, body: &[u8]| {
        send(address, "POST", path, &[("content-type", kind)], body)
    };
    let long = vec![b'a'; 1024 * 1024 + 1];
    // (content type, path, body, status, start of the error)
    let json = "application/json";
    let rows: Vec<(&str, &str, &[u8], u16, &str)> = vec![
        (
            "text/plain",
            "/infer/sentiment",
            b"\xff\xfe",
            400,
            "the text is not valid UTF-8 from byte 0 on, expected UTF-8",
        ),
        (
            "text/plain",
            "/infer/sentiment",
            b"",
            400,
            "the body is empty; model `sentiment` takes text/plain",
        ),
        (
            "text/plain",
            "/infer/sentiment",
            &long,
            413,
            "the text has 1048577 bytes",
        ),
        (
            "text/plain; charset=latin1",
            "/infer/sentiment",
            b"a",
            415,
            "the text's charset is `latin1`, expected utf-8",
        ),
        (
            "image/png",
            "/infer/sentiment",
            b"a",
            415,
            "model `sentiment` does not take `image/png`; it takes `text/plain`",
        ),
        (
            json,
            "/infer/sentiment",
            br#"{"text": 7}"#,
            400,
            "`text` is `7`, expected a text or a list of texts",
        ),
        (
            json,
            "/infer/sentiment",
            br#"{"text": ["a", 7]}"#,
            400,
            "`text` is ",
        ),
        (
            json,
            "/infer/sentiment",
            br#"{"text": []}"#,
            400,
            "the list of texts is empty",
        ),
        (
            json,
            "/infer/sentiment",
            br#"{"text": "a", "text_pair": ["a", "b"]}"#,
            400,
            "`text` has 1 and `text_pair` 2",
        ),
        (
            json,
            "/infer/sentiment",
            br#"{"text": "a", "instances": []}"#,
            400,
            "the JSON body has both `instances` and `text`",
        ),
        (
            json,
            "/infer/sentiment",
            br#"{"texts": "a"}"#,
            400,
            "the JSON body has neither `inputs` nor `instances` nor `text`",
        ),
        (
            json,
            "/infer/sentiment",
            br#"{"text": "\u12"}"#,
            400,
            "the JSON body cannot be read: ",
        ),
        (
            json,
            "/infer/passages?top_k=1",
            br#"{"text": "a"}"#,
            400,
            "model `passages` does not take `top_k`",
        ),
        (
            json,
            "/v1/embeddings",
            b"",
            400,
            "the JSON body cannot be read: ",
        ),
        (
            json,
            "/v1/embeddings",
            b"[]",
            400,
            "the JSON body cannot be read: ",
        ),
        (
            json,
            "/v1/embeddings",
            br#"{"model": "passages"}"#,
            400,
            "the JSON body has no `input`",
        ),
        (
            json,
            "/v1/embeddings",
            br#"{"input": "a"}"#,
            400,
            "the JSON body has no `model`; expected `passages` or `sentences`",
        ),
        (
            json,
            "/v1/embeddings",
            br#"{"input": "a", "model": "none"}"#,
            404,
            "there is no model `none`",
        ),
        (
            json,
            "/v1/embeddings",
            br#"{"input": "a", "model": "sentiment"}"#,
            400,
            "model `sentiment` computes no embeddings",
        ),
        (
            json,
            "/v1/embeddings",
            br#"{"input": {"a": 1}, "model": "passages"}"#,
            400,
            "`input` is ",
        ),
        (
            json,
            "/v1/embeddings",
            br#"{"input": [1, 2], "model": "passages"}"#,
            400,
            "`input` has token ids, expected texts",
        ),
        (
            json,
            "/v1/embeddings",
            br#"{"input": [[1, 2]], "model": "passages"}"#,
            400,
            "`input` has token ids, expected texts",
        ),
        (
            json,
            "/v1/embeddings",
            br#"{"input": "a", "model": "passages", "dimensions": 0}"#,
            400,
            "`dimensions` is `0`",
        ),
        (
            json,
            "/v1/embeddings",
            br#"{"input": "a", "model": "passages", "dimensions": 33}"#,
            400,
            "`dimensions` is 33, expected at most 32",
        ),
        (
            json,
            "/v1/embeddings",
            br#"{"input": "a", "model": "passages", "encoding_format": "int8"}"#,
            400,
            "`encoding_format` is `int8`, expected float or base64",
        ),
        (
            "text/plain",
            "/v1/embeddings",
            b"a",
            415,
            "`text/plain` is unsupported on this route",
        ),
    ];
    let rows = rows.into_iter().chain([(
        "application/octet-stream",
        "/infer/sentiment",
        &br#"{"text": "a"#[..],
        400,
        "the JSON body cannot be read: EOF",
    )]);
    let mut wrong = Vec::new();
    for (kind, path, body, status, sentence) in rows {
        let response = typed(kind, path, body);
        if response.status != status || !response.error().starts_with(sentence) {
            let body = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            wrong.push(format!(
                "{kind} {path} {body}\n  expected {status} {sentence}\n  got      {} {}",
                response.status,
                response.text()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let healthy = typed("text/plain", "/infer/sentiment", b"still there");
    assert_eq!(healthy.status, 200);
}
