//! Text Embeddings Inference.

use serde_json::{Value, json as value};

use super::{TEXTS, check, check_errors, post};
use crate::tests::{json, send};

#[test]
fn tei_embeds_texts_and_tokens() {
    let vectors = post("/infer/passages", &value!({ "text": TEXTS }));
    let vectors = vectors["outputs"][0]["data"].as_array().unwrap().clone();
    let both = post("/embed", &value!({ "inputs": TEXTS }));
    let flat: Vec<&Value> = both
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .collect();
    assert_eq!(flat, vectors.iter().collect::<Vec<_>>());
    let one = post(
        "/embed",
        &value!({ "inputs": TEXTS[0], "model": "passages", "truncate": false, "truncation_direction": "left" }),
    );
    check(&one, &value!([both[0]]));
    // Token ids, as `/tokenize` has them.
    let tokens = post(
        "/tokenize",
        &value!({ "inputs": TEXTS, "model": "passages" }),
    );
    let ids: Vec<Vec<Value>> = tokens
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            row.as_array()
                .unwrap()
                .iter()
                .map(|token| token["id"].clone())
                .collect()
        })
        .collect();
    assert_eq!(post("/embed", &value!({ "inputs": ids })), both);
    check(
        &post("/embed", &value!({ "inputs": ids[0] })),
        &value!([both[0]]),
    );
    // The card's pooling takes the first token and normalizes it.
    let all = post("/embed_all", &value!({ "inputs": TEXTS }));
    let all: Vec<Vec<Vec<f64>>> = serde_json::from_value(all).unwrap();
    for ((tokens, ids), vector) in all.iter().zip(&ids).zip(both.as_array().unwrap()) {
        assert_eq!(tokens.len(), ids.len());
        let length = tokens[0]
            .iter()
            .map(|value| value * value)
            .sum::<f64>()
            .sqrt();
        let first = tokens[0][0] / length;
        assert!((first - vector[0].as_f64().unwrap()).abs() < 1e-6);
    }
    let raw = post(
        "/embed",
        &value!({ "inputs": TEXTS[0], "normalize": false }),
    );
    assert!((raw[0][0].as_f64().unwrap() - all[0][0][0]).abs() < 1e-6);
}

#[test]
fn tei_tokenizes_and_decodes() {
    let tokens = post(
        "/tokenize",
        &value!({ "inputs": "a dog", "model": "sentiment" }),
    );
    let row = tokens[0].as_array().unwrap();
    assert_eq!(row[0]["special"], true);
    assert_eq!(
        (&row[0]["start"], &row[0]["stop"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(row[1]["text"], "a");
    assert_eq!(
        (&row[1]["start"], &row[1]["stop"]),
        (&value!(0), &value!(1))
    );
    let plain = post(
        "/tokenize",
        &value!({ "inputs": ["a dog"], "model": "sentiment", "add_special_tokens": false }),
    );
    let plain = plain[0].as_array().unwrap();
    assert_eq!(plain[..], row[1..row.len() - 1]);
    let joined: String = plain
        .iter()
        .map(|token| token["text"].as_str().unwrap())
        .collect();
    assert_eq!(joined, "adog");
    let ids: Vec<&Value> = row.iter().map(|token| &token["id"]).collect();
    let text = post("/decode", &value!({ "ids": ids, "model": "sentiment" }));
    let floats: Vec<_> = ids.iter().map(|id| id.as_f64()).collect();
    let of_floats = post("/decode", &value!({ "ids": floats, "model": "sentiment" }));
    assert_eq!(of_floats, text, "7.0 is an integer in JSON Schema");
    assert_eq!(text, value!(["a dog"]));
    let whole = post(
        "/decode",
        &value!({ "ids": [ids], "model": "sentiment", "skip_special_tokens": false }),
    );
    assert!(whole[0].as_str().unwrap().len() > "a dog".len(), "{whole}");
}

#[test]
fn tei_predicts_every_class() {
    let classes = post("/infer/sentiment?top_k=9", &value!({ "text": TEXTS }));
    let expected: Vec<Vec<Value>> = classes["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let classes = item.as_array().unwrap().iter();
            classes
                .map(|class| value!({ "score": class["score"], "label": class["label"] }))
                .collect()
        })
        .collect();
    let predict = |inputs: Value| {
        post(
            "/predict",
            &value!({ "model": "sentiment", "inputs": inputs }),
        )
    };
    check(&predict(value!(TEXTS[0])), &value!(expected[0]));
    check(&predict(value!([TEXTS[0]])), &value!(expected[0]));
    assert_eq!(predict(value!([[TEXTS[0]], [TEXTS[1]]])), value!(expected));
    let pair = post(
        "/infer/sentiment?top_k=1",
        &value!({ "text": TEXTS[0], "text_pair": TEXTS[1] }),
    );
    let pair = &pair["predictions"][0][0]["score"];
    assert_eq!(&predict(value!(TEXTS))[0]["score"], pair);
    assert_eq!(&predict(value!([TEXTS]))[0][0]["score"], pair);
    let raw = post(
        "/predict",
        &value!({ "model": "sentiment", "inputs": TEXTS[0], "raw_scores": true }),
    );
    let raw: Vec<f64> = (raw.as_array().unwrap().iter())
        .map(|class| class["score"].as_f64().unwrap())
        .collect();
    let sum: f64 = raw.iter().map(|value| (value - raw[0]).exp()).sum();
    assert!((1.0 / sum - expected[0][0]["score"].as_f64().unwrap()).abs() < 1e-6);
}

#[test]
fn errors_of_tei_have_its_statuses_and_its_form() {
    let text = value!(TEXTS[0]);
    let long = "a dog ".repeat(60);
    check_errors(
        "/embed",
        &[
            (value!("{"), 400, "the JSON body cannot be read: "),
            (value!("[]"), 422, "the JSON body cannot be read: "),
            (
                value!({}),
                422,
                "the JSON body has no `inputs`, expected a text or texts",
            ),
            (
                value!({ "inputs": 7 }),
                422,
                "`inputs` is `7`, expected a text, a list of texts, or token ids",
            ),
            (value!({ "inputs": [-1] }), 422, "`inputs` is `[-1]`"),
            (value!({ "inputs": ["a", 7] }), 422, "`inputs` is "),
            (
                value!({ "inputs": [] }),
                400,
                "`inputs` is empty, expected one text or more",
            ),
            (
                value!({ "inputs": "" }),
                400,
                "`inputs` is an empty text, expected a text",
            ),
            (
                value!({ "inputs": ["a", ""] }),
                400,
                "text 1 of `inputs` is empty",
            ),
            (value!({ "inputs": [[]] }), 400, "`inputs` is an empty text"),
            (
                value!({ "inputs": [99_999_999] }),
                422,
                "text 0 has the token id 99999999, which",
            ),
            (
                value!({ "inputs": text, "truncate": "yes" }),
                422,
                "`truncate` is `yes`, expected true or false",
            ),
            (
                value!({ "inputs": text, "truncation_direction": "up" }),
                422,
                "`truncation_direction` is `up`",
            ),
            (
                value!({ "inputs": text, "normalize": 1 }),
                422,
                "`normalize` is `1`",
            ),
            (
                value!({ "inputs": text, "dimensions": 0 }),
                422,
                "`dimensions` is `0`, expected a whole number",
            ),
            (
                value!({ "inputs": text, "dimensions": 33 }),
                422,
                "`dimensions` is 33, expected at most 32",
            ),
            (
                value!({ "inputs": text, "prompt_name": "query" }),
                422,
                "`prompt_name` is `query`, but",
            ),
            (
                value!({ "inputs": text, "prompt_name": 7 }),
                422,
                "`prompt_name` is `7`, expected the name",
            ),
            (
                value!({ "inputs": long, "truncate": false }),
                413,
                "text 0 has ",
            ),
            (
                value!({ "inputs": long, "truncation_direction": "left" }),
                413,
                "text 0 has ",
            ),
            (
                value!({ "inputs": text, "model": 7 }),
                422,
                "`model` is `7`, expected the name of a model",
            ),
            (
                value!({ "inputs": text, "model": "nope" }),
                404,
                "there is no model `nope`",
            ),
            (
                value!({ "inputs": text, "model": "digits" }),
                424,
                "model `digits` computes no embeddings; expected `passages`",
            ),
        ],
    );
    let none = "no model of this service computes sparse embeddings";
    check_errors(
        "/embed_sparse",
        &[(
            value!({ "inputs": text }),
            424,
            &format!("the JSON body has no `model`; {none}"),
        )],
    );
    check_errors(
        "/predict",
        &[
            (
                value!({ "inputs": text }),
                422,
                "the JSON body has no `model`; expected `mean` or `sentiment`",
            ),
            (
                value!({ "model": "sentiment" }),
                422,
                "the JSON body has no `inputs`",
            ),
            (
                value!({ "model": "sentiment", "inputs": ["a", "b", "c"] }),
                422,
                "`inputs` is ",
            ),
            (
                value!({ "model": "sentiment", "inputs": [["a", "b", "c"]] }),
                422,
                "`inputs` is ",
            ),
            (
                value!({ "model": "sentiment", "inputs": [[]] }),
                422,
                "`inputs` is ",
            ),
            (
                value!({ "model": "sentiment", "inputs": [] }),
                400,
                "`inputs` is empty",
            ),
            (
                value!({ "model": "sentiment", "inputs": "" }),
                400,
                "`inputs` is an empty text",
            ),
            (
                value!({ "model": "sentiment", "inputs": [7] }),
                422,
                "`inputs` is ",
            ),
            (
                value!({ "model": "sentiment", "inputs": "a", "raw_scores": 1 }),
                422,
                "`raw_scores` is `1`",
            ),
            (
                value!({ "model": "sentiment", "inputs": long, "truncate": false }),
                413,
                "text 0 has ",
            ),
            (
                value!({ "model": "passages", "inputs": "a" }),
                424,
                "model `passages` classifies no texts",
            ),
        ],
    );
    check_errors(
        "/rerank",
        &[
            (
                value!({ "texts": ["a"] }),
                422,
                "the JSON body has no `query`, expected a text",
            ),
            (
                value!({ "query": "a" }),
                422,
                "the JSON body has no `texts`, expected a list of texts",
            ),
            (
                value!({ "query": 7, "texts": ["a"] }),
                422,
                "`query` is `7`, expected a text",
            ),
            (
                value!({ "query": "a", "texts": "b" }),
                422,
                "`texts` is `b`, expected a list of texts",
            ),
            (
                value!({ "query": "a", "texts": [] }),
                400,
                "`texts` is empty",
            ),
            (
                value!({ "query": "a", "texts": ["b"], "model": "sentiment" }),
                424,
                "model `sentiment` ranks no texts",
            ),
            (
                value!({ "query": "a", "documents": [] }),
                422,
                "`documents` is empty",
            ),
        ],
    );
    check_errors(
        "/similarity",
        &[
            (
                value!({ "inputs": "a" }),
                422,
                "`inputs` is `a`, expected an object with `source_sentence`",
            ),
            (
                value!({ "inputs": { "source_sentence": "a" } }),
                422,
                "the JSON body has no `sentences`",
            ),
            (
                value!({ "inputs": { "source_sentence": "a", "sentences": [] } }),
                400,
                "`sentences` is empty",
            ),
            (
                value!({ "inputs": { "source_sentence": "a", "sentences": ["b"] }, "parameters": 7 }),
                422,
                "`parameters` is `7`, expected an object",
            ),
        ],
    );
    check_errors(
        "/tokenize",
        &[
            (
                value!({ "inputs": text }),
                422,
                "the JSON body has no `model`; expected `mean`",
            ),
            (
                value!({ "inputs": [1], "model": "sentiment" }),
                422,
                "`inputs` is `[1]`",
            ),
            (
                value!({ "inputs": "", "model": "sentiment" }),
                400,
                "`inputs` is an empty text",
            ),
            (
                value!({ "inputs": "a", "model": "digits" }),
                424,
                "model `digits` takes no texts",
            ),
        ],
    );
    check_errors(
        "/decode",
        &[
            (
                value!({ "ids": "a", "model": "sentiment" }),
                422,
                "`ids` is `a`, expected a list of token ids",
            ),
            (
                value!({ "ids": [], "model": "sentiment" }),
                400,
                "`ids` is an empty text",
            ),
            (
                value!({ "ids": [1.5], "model": "sentiment" }),
                422,
                "`ids` is `[1.5]`",
            ),
            (
                value!({ "ids": [99_999_999], "model": "sentiment" }),
                422,
                "list 0 of `ids` has 99999999",
            ),
        ],
    );
}

#[test]
fn tei_says_what_a_model_is() {
    let info = |query: &str| send("GET", &format!("/info{query}"), &[], b"");
    let passages = json(&info("?model=passages").unwrap());
    assert_eq!(
        passages["model_type"],
        value!({ "embedding": { "pooling": "cls" } })
    );
    assert_eq!(passages["max_input_length"], 40);
    let sentiment = json(&info("?model=sentiment").unwrap());
    let labels = &sentiment["model_type"]["classifier"];
    assert_eq!(labels["id2label"]["2"], "positive");
    assert_eq!(labels["label2id"]["positive"], 2);
    for (query, status, message) in [
        (
            "",
            400,
            "the query has no `model`; expected `mean`, `passages` or `sentiment`",
        ),
        ("?model=digits", 400, "model `digits` takes no texts"),
        ("?model=nope", 404, "there is no model `nope`"),
    ] {
        let error = info(query).unwrap_err();
        assert_eq!(error.kind().status(), status);
        assert!(error.to_string().starts_with(message), "{error}");
    }
}
