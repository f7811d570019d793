//! Hugging Face's inference API, as `InferenceClient` sends and reads it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json as value};

use super::{TEXTS, check, check_errors, post};
use crate::tests::{file, json, send};

fn picture() -> Vec<u8> {
    file("models/digits/samples/7.png")
}

#[test]
fn hugging_faces_client_classifies_images() {
    let expected = send("POST", "/infer/digits?top_k=2", &[], &picture()).unwrap();
    let expected: Vec<Value> = json(&expected)["predictions"][0]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| value!({ "label": class["label"], "score": class["score"] }))
        .collect();
    let base64 = BASE64_STANDARD.encode(picture());
    let body =
        value!({ "inputs": base64, "parameters": { "top_k": 2, "function_to_apply": null } });
    assert_eq!(post("/models/digits", &body), value!(expected));
    let batch = value!({ "inputs": [base64, base64], "parameters": { "top_k": 2 } });
    assert_eq!(post("/models/digits", &batch), value!([expected, expected]));
    // The client sends bytes without parameters, and guesses their type.
    for headers in [
        &[("content-type", "image/png")][..],
        &[("content-type", "image/svg+xml")],
        &[("content-type", "application/octet-stream")],
        &[],
    ] {
        let all = send("POST", "/models/digits", headers, &picture()).unwrap();
        let all = json(&all);
        assert_eq!(all.as_array().unwrap()[..2], expected, "{headers:?}");
    }
}

#[test]
fn hugging_faces_client_classifies_texts() {
    let expected = post("/infer/sentiment", &value!({ "text": TEXTS }));
    let expected: Vec<Vec<Value>> = expected["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let classes = item.as_array().unwrap().iter();
            classes
                .map(|class| value!({ "label": class["label"], "score": class["score"] }))
                .collect()
        })
        .collect();
    assert_eq!(
        post("/models/sentiment", &value!({ "inputs": TEXTS })),
        value!(expected)
    );
    let one = post(
        "/models/sentiment/pipeline/text-classification",
        &value!({ "inputs": TEXTS[0], "options": { "wait_for_model": true } }),
    );
    check(&one, &value!([expected[0]]));
    let plain = [("content-type", "text/plain")];
    let raw = send("POST", "/models/sentiment", &plain, TEXTS[0].as_bytes()).unwrap();
    assert_eq!(json(&raw), one);
    // Pairs of texts.
    let pair = post(
        "/infer/sentiment?top_k=1",
        &value!({ "text": TEXTS[0], "text_pair": TEXTS[1] }),
    );
    let pair = &pair["predictions"][0][0]["score"];
    let body = value!({ "text": TEXTS[0], "text_pair": TEXTS[1] });
    let parameters = value!({ "top_k": 1 });
    for inputs in [body.clone(), value!([body])] {
        let answer = post(
            "/models/sentiment",
            &value!({ "inputs": inputs, "parameters": parameters }),
        );
        assert_eq!(&answer[0][0]["score"], pair);
    }
}

#[test]
fn hugging_faces_client_embeds_and_compares_texts() {
    let target = "/models/passages/pipeline/feature-extraction";
    let one = post(target, &value!({ "inputs": TEXTS[0] }));
    let both = post(
        "/models/passages",
        &value!({ "inputs": TEXTS, "truncate": true }),
    );
    check(&one[0], &both[0]);
    let vector: Vec<f64> = serde_json::from_value(one[0].clone()).unwrap();
    assert_eq!(vector.len(), 32);
    let length: f64 = vector.iter().map(|value| value * value).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
    let short = post(
        target,
        &value!({ "inputs": TEXTS[0], "dimensions": 8, "normalize": false }),
    );
    let raw = post(
        target,
        &value!({ "inputs": TEXTS[0], "normalize": false, "encoding_format": "float" }),
    );
    assert_eq!(
        short[0].as_array().unwrap()[..],
        raw[0].as_array().unwrap()[..8]
    );
    let sentences = value!({ "source_sentence": TEXTS[0], "sentences": [TEXTS[0], TEXTS[1]] });
    let similar = post(
        "/models/passages/pipeline/sentence-similarity",
        &value!({ "inputs": sentences, "parameters": {} }),
    );
    assert!((similar[0].as_f64().unwrap() - 1.0).abs() < 1e-6);
    let product: f64 = (both[0].as_array().unwrap().iter())
        .zip(both[1].as_array().unwrap())
        .map(|(a, b)| a.as_f64().unwrap() * b.as_f64().unwrap())
        .sum();
    assert!((similar[1].as_f64().unwrap() - product).abs() < 1e-6);
    assert_eq!(
        similar,
        post("/similarity", &value!({ "inputs": sentences }))
    );
}

#[test]
fn hugging_faces_client_gets_sentences_as_errors() {
    let text = value!(TEXTS[0]);
    check_errors(
        "/models/sentiment",
        &[
            (value!("{"), 400, "the JSON body cannot be read: "),
            (value!("[]"), 400, "the JSON body cannot be read: "),
            (
                value!({}),
                400,
                "the JSON body has no `inputs`, expected a text, a list",
            ),
            (
                value!({ "inputs": null }),
                400,
                "the JSON body has no `inputs`",
            ),
            (
                value!({ "inputs": 7 }),
                400,
                "`inputs` is `7`, expected a text, a list",
            ),
            (value!({ "inputs": [] }), 400, "the list of texts is empty"),
            (value!({ "inputs": ["a", 7] }), 400, "`inputs` is "),
            (
                value!({ "inputs": { "text_pair": "a" } }),
                400,
                "`inputs` is ",
            ),
            (
                value!({ "inputs": { "text": "a", "text_pair": 7 } }),
                400,
                "`inputs` is ",
            ),
            (
                value!({ "inputs": text, "parameters": 7 }),
                400,
                "`parameters` is `7`, expected an object",
            ),
            (
                value!({ "inputs": text, "parameters": { "top_k": 0 } }),
                400,
                "`top_k` is `0`, expected an integer from 1",
            ),
            (
                value!({ "inputs": text, "parameters": { "function_to_apply": "none" } }),
                400,
                "`function_to_apply` is `none`, expected `softmax`, which the card of model `sentiment` says",
            ),
            (
                value!({ "inputs": text, "parameters": { "candidate_labels": ["a"] } }),
                400,
                "model `sentiment` does not take the parameter `candidate_labels`; it takes `top_k`",
            ),
            (
                value!({ "inputs": text, "parameters": { "max_length": 7 } }),
                400,
                "model `sentiment` does not take the parameter `max_length`; it takes `top_k`",
            ),
        ],
    );
    check_errors(
        "/models/passages",
        &[
            (
                value!({ "inputs": 7 }),
                400,
                "`inputs` is `7`, expected a text, a list of texts, or",
            ),
            (
                value!({ "inputs": [1, 2] }),
                400,
                "`inputs` is `[1,2]`, expected a text",
            ),
            (
                value!({ "inputs": {} }),
                400,
                "`inputs` is `{}`, expected an object with `source_sentence`",
            ),
            (
                value!({ "inputs": { "source_sentence": "a", "sentences": [] } }),
                400,
                "`sentences` is empty, expected one text or more",
            ),
            (
                value!({ "inputs": { "source_sentence": "a", "sentences": "b" } }),
                400,
                "`sentences` is `b`, expected a list of texts",
            ),
            (
                value!({ "inputs": text, "normalize": 1 }),
                400,
                "`normalize` is `1`, expected true or false",
            ),
            (
                value!({ "inputs": text, "dimensions": 33 }),
                400,
                "`dimensions` is 33, expected at most 32",
            ),
            (
                value!({ "inputs": text, "encoding_format": "base64" }),
                400,
                "`encoding_format` is `base64`",
            ),
            (
                value!({ "inputs": text, "prompt_name": "query" }),
                400,
                "`prompt_name` is `query`, but model `passages` has no named prompts",
            ),
            (
                value!({ "inputs": text, "parameters": { "top_k": 1 } }),
                400,
                "model `passages` does not take the parameter `top_k`",
            ),
        ],
    );
    check_errors(
        "/models/digits",
        &[
            (
                value!({ "inputs": "%" }),
                400,
                "`inputs` is `%`, expected an encoded image in base64",
            ),
            (value!({ "inputs": { "text": "a" } }), 400, "`inputs` is "),
            (value!("no image"), 400, ""),
        ],
    );
    let none = value!({ "inputs": "a" });
    check_errors(
        "/models/sum",
        &[(
            none.clone(),
            400,
            "model `sum` has no task of Hugging Face's API",
        )],
    );
    check_errors(
        "/models/nope",
        &[(none.clone(), 404, "there is no model `nope`")],
    );
    check_errors("/", &[(none.clone(), 400, "the request names no model")]);
    check_errors(
        "/models/sentiment/pipeline/fill-mask",
        &[(
            none,
            400,
            "model `sentiment` has the task `text-classification`, not `fill-mask`",
        )],
    );
    let refused = |headers: &[(&str, &str)]| {
        send("POST", "/models/sentiment", headers, b"{}")
            .unwrap_err()
            .kind()
            .status()
    };
    assert_eq!(refused(&[("content-type", "image/png")]), 415);
    assert_eq!(refused(&[("accept", "image/png")]), 406);
}
