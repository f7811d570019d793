//! Cohere's and Jina's reranking.

use serde_json::{Value, json as value};

use super::check_errors;
use crate::catalog::{Files, Models};
use crate::http::request::Head;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;
use crate::tests::{Engine, file, json, text};

/// A cross-encoder as a classifier with one class.
fn rank(target: &str, body: &Value) -> Value {
    let inputs: String = ["input_ids", "attention_mask", "token_type_ids"]
        .iter()
        .map(|name| format!("[[input]]\nname = '{name}'\ndatatype = 'INT64'\nshape = [-1, -1]\n"))
        .collect();
    let card = inputs
        + "[[output]]\nname = 'logits'\ndatatype = 'FP32'\nshape = [-1, 1]\n\
           [text]\nmax_tokens = 64\n[classification]\noutput = 'logits'\nactivation = 'softmax'\n";
    let folder = "tests/tasks/text-ranking/bert/model";
    let tokenizer = text(&format!("{folder}/tokenizer.json"));
    let files = Files {
        labels: None,
        tokenizer: Some(&tokenizer),
        ..Files::default()
    };
    let (mut models, mut engine) = (Models::new(), Engine(infer_engine::Registry::new()));
    models.add("m", &card, files).unwrap();
    let graph = file(&format!("{folder}/model.onnx"));
    engine.0.add("m", graph).unwrap();
    let head = Head::new("POST", target, Vec::new());
    let settings = Settings::default();
    let plan = Plan::new(&head, &models, &settings).unwrap();
    let body = body.to_string().into_bytes();
    let response = plan.respond(body, &engine, &mut Timing::default());
    json(&response.unwrap())
}

/// Both are lists of objects with a place and a score, which agree.
fn check_ranks(actual: &Value, expected: &Value, score: &str) {
    let (actual, expected) = (actual.as_array().unwrap(), expected.as_array().unwrap());
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        assert_eq!(actual["index"], expected["index"]);
        let difference = actual[score].as_f64().unwrap() - expected["score"].as_f64().unwrap();
        assert!(difference.abs() < 1e-4, "{actual}, expected {expected}");
    }
}

#[test]
fn documents_have_the_order_of_transformers_in_every_form() {
    let cases = text("tests/tasks/text-ranking/bert/cases.json");
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    let cases: Vec<_> = cases
        .iter()
        .filter(|case| case["parameters"] == value!({}))
        .take(6)
        .collect();
    assert!(cases.len() > 2);
    for case in &cases {
        let (query, documents) = (&case["input"]["query"], &case["input"]["documents"]);
        let expected = &case["expected"];
        let body = value!({ "query": query, "documents": documents, "return_documents": true });
        for target in ["/v1/rerank", "/v2/rerank", "/rerank"] {
            let answer = rank(target, &body);
            check_ranks(&answer["results"], expected, "relevance_score");
            assert_eq!(answer["model"], "m");
            let first = &answer["results"][0];
            assert_eq!(
                first["document"]["text"],
                documents[first["index"].as_u64().unwrap() as usize]
            );
        }
        let texts = value!({ "query": query, "texts": documents, "return_text": true });
        let ranks = rank("/rerank", &texts);
        check_ranks(&ranks, expected, "score");
        let first = expected[0]["index"].as_u64().unwrap() as usize;
        assert_eq!(ranks[0]["text"], documents[first]);
    }
    let input = &cases.last().unwrap()["input"];
    let objects: Vec<Value> = input["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| value!({ "text": text, "title": "x" }))
        .collect();
    let body = value!({
        "model": "m", "query": input["query"], "documents": objects, "top_n": 1, "rank_fields": ["text"],
        "max_tokens_per_doc": 4096,
    });
    let answer = rank("/v1/rerank", &body);
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    assert_eq!(answer["results"][0].get("document"), None);
    assert_eq!(
        answer["usage"]["total_tokens"],
        answer["usage"]["prompt_tokens"]
    );
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 3);
    // Raw scores are before the sigmoid.
    let texts = value!({ "query": "a", "texts": ["b"], "raw_scores": true });
    let raw = rank("/rerank", &texts)[0]["score"].as_f64().unwrap();
    let pair = rank("/predict", &value!({ "inputs": ["a", "b"] }));
    let score = pair[0]["score"].as_f64().unwrap();
    assert!((1.0 / (1.0 + (-raw).exp()) - score).abs() < 1e-6);
    assert_eq!(pair[0]["label"], "LABEL_0");
}

#[test]
fn errors_of_reranking_have_coheres_form() {
    let rows = [
        (value!("{"), 400, "the JSON body cannot be read: "),
        (
            value!({ "documents": ["a"] }),
            400,
            "the JSON body has no `query`, expected a text",
        ),
        (
            value!({ "query": 7, "documents": ["a"] }),
            400,
            "`query` is `7`, expected a text",
        ),
        (
            value!({ "query": "a" }),
            400,
            "the JSON body has no `documents`, expected a list of texts, or of",
        ),
        (
            value!({ "query": "a", "documents": "b" }),
            400,
            "`documents` is `b`, expected a list of texts",
        ),
        (
            value!({ "query": "a", "documents": [] }),
            400,
            "`documents` is empty",
        ),
        (
            value!({ "query": "a", "documents": [7] }),
            400,
            "`documents` is `[7]`",
        ),
        (
            value!({ "query": "a", "documents": [{ "title": "b" }] }),
            400,
            "`documents` is ",
        ),
        (
            value!({ "query": "a", "documents": ["b"], "top_n": 0 }),
            400,
            "`top_n` is `0`, expected a whole",
        ),
        (
            value!({ "query": "a", "documents": ["b"], "return_documents": 1 }),
            400,
            "`return_documents` is `1`",
        ),
        (
            value!({ "query": "a", "documents": ["b"], "rank_fields": ["title"] }),
            400,
            "`rank_fields` is ",
        ),
        (
            value!({ "query": "a", "documents": ["b"], "model": 7 }),
            400,
            "`model` is `7`, expected the name",
        ),
        (
            value!({ "query": "a", "documents": ["b"], "model": "nope" }),
            404,
            "there is no model `nope`",
        ),
        (
            value!({ "query": "a", "documents": ["b"], "model": "sentiment" }),
            400,
            "model `sentiment` ranks no texts; expected `mean`",
        ),
    ];
    check_errors("/v1/rerank", &rows);
    check_errors("/v2/rerank", &rows[..2]);
}
