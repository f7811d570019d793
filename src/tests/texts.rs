//! Texts in the protocols, whose results are those of `/infer`.

use super::{Engine, Refused, check_refused, file, json, text};

use crate::catalog::{Files, Models};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;
use serde_json::{Value, json as value};

/// A classifier and an embedding model, with cards as `cargo infer add` writes them.
pub(super) fn add(models: &mut Models, engine: &mut Engine) {
    let inputs = |names: &[&str]| -> String {
        names
            .iter()
            .map(|name| {
                format!("[[input]]\nname = '{name}'\ndatatype = 'INT64'\nshape = [-1, -1]\n")
            })
            .collect()
    };
    let output = |name: &str, shape: &str| {
        format!("[[output]]\nname = '{name}'\ndatatype = 'FP32'\nshape = {shape}\n")
    };
    let sentiment = inputs(&["input_ids", "attention_mask", "token_type_ids"])
        + &output("logits", "[-1, 3]")
        + "[classification]\noutput = 'logits'\nactivation = 'softmax'\n[text]\nmax_tokens = 48\n";
    let mean = inputs(&["input_ids"])
        + &output("tokens", "[-1, -1]")
        + &output("mean", "[-1, 1]")
        + "[classification]\noutput = 'mean'\n[text]\nmax_tokens = 600\n";
    let passages = inputs(&["input_ids", "attention_mask"])
        + &output("last_hidden_state", "[-1, -1, 32]")
        + "[text]\nmax_tokens = 40\npad_id = 1\n\
           [embedding]\noutput = 'last_hidden_state'\npooling = 'cls'\n";
    let tokenizer = text("tests/texts/sentiment/tokenizer.json");
    let files = Files {
        labels: None,
        tokenizer: Some(&tokenizer),
        ..Files::default()
    };
    models.add("mean", &mean, files).unwrap();
    let graph = file("crates/engine/tests/graphs/tokens.onnx");
    engine.0.add("mean", graph).unwrap();
    for (name, card, labels) in [
        (
            "sentiment",
            sentiment,
            Some("negative\nneutral\npositive\n"),
        ),
        ("passages", passages, None),
    ] {
        let folder = format!("tests/texts/{name}");
        let tokenizer = text(&format!("{folder}/tokenizer.json"));
        let files = Files {
            labels,
            tokenizer: Some(&tokenizer),
            ..Files::default()
        };
        models.add(name, &card, files).unwrap();
        engine
            .0
            .add(name, file(&format!("{folder}/model.onnx")))
            .unwrap();
    }
}

/// The response of a service with these two models only.
fn post(target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let (mut models, mut engine) = (Models::new(), Engine(infer_engine::Registry::new()));
    add(&mut models, &mut engine);
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let head = Head::new("POST", target, headers);
    let settings = Settings::default();
    let plan = Plan::new(&head, &models, &settings).unwrap();
    plan.respond(body.to_vec(), &engine, &mut Timing::default())
        .unwrap()
}

fn send(target: &str, body: &Value) -> Value {
    json(&post(target, &[], body.to_string().as_bytes()))
}

const TEXTS: [&str; 2] = ["It was the best of times.", "Η Αθήνα είναι η πρωτεύουσα."];

#[test]
fn v1_takes_texts_as_instances() {
    let texts = value!({ "text": TEXTS });
    let vectors = &send("/infer/passages", &texts)["outputs"][0]["data"];
    let rows = send(
        "/v1/models/passages:predict",
        &value!({ "instances": TEXTS }),
    );
    let rows = rows["predictions"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let flat: Vec<&Value> = rows
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .collect();
    assert_eq!(flat, vectors.as_array().unwrap().iter().collect::<Vec<_>>());
    // The same form in `/infer`.
    let instances = value!({ "instances": TEXTS });
    assert_eq!(
        send("/infer/sentiment", &instances),
        send("/infer/sentiment", &texts)
    );
    let logits = send("/v1/models/sentiment:predict", &instances);
    assert_eq!(logits["predictions"][0].as_array().unwrap().len(), 3);
    let tensor = value!({ "inputs": { "input_ids": [[2, 3]], "attention_mask": [[1, 1]] } });
    let answer = send("/v1/models/passages:predict", &tensor);
    assert_eq!(answer["outputs"][0].as_array().unwrap().len(), 2);
}

#[test]
fn v2_takes_texts_as_bytes() {
    let expected = send("/infer/passages", &value!({ "text": TEXTS }));
    let expected = &expected["outputs"];
    for (name, shape) in [("text", value!([2])), ("input_ids", value!([2, 1]))] {
        let body = value!({ "id": "7", "inputs": [
            { "name": name, "datatype": "BYTES", "shape": shape, "data": TEXTS }
        ]});
        let answer = send("/v2/models/passages/infer", &body);
        assert_eq!(answer["outputs"], *expected);
        assert_eq!(answer["id"], "7");
    }
    // Binary, as clients of Triton send it.
    let mut bytes = Vec::new();
    for text in TEXTS {
        crate::tensor::byte_strings::push(text.as_bytes(), &mut bytes);
    }
    let head = value!({ "inputs": [{
        "name": "text", "datatype": "BYTES", "shape": [2],
        "parameters": { "binary_data_size": bytes.len() }
    }]})
    .to_string();
    let body = [head.as_bytes(), &bytes].concat();
    let length = head.len().to_string();
    let headers = [("inference-header-content-length", length.as_str())];
    assert_eq!(
        json(&post("/v2/models/passages/infer", &headers, &body))["outputs"],
        *expected
    );
    // Outputs of the graph, and classes.
    let ask_for = |model: &str, output: Value| {
        let body = value!({
            "inputs": [{ "name": "text", "datatype": "BYTES", "shape": [2], "data": TEXTS }],
            "outputs": [output],
        });
        send(&format!("/v2/models/{model}/infer"), &body)["outputs"].clone()
    };
    let hidden = ask_for("passages", value!({ "name": "last_hidden_state" }));
    assert_eq!(hidden[0]["name"], "last_hidden_state");
    assert_eq!(hidden[0]["shape"][0], 2);
    let classes = value!({ "name": "logits", "parameters": { "classification": 1 } });
    let classes = ask_for("sentiment", classes);
    assert_eq!(classes[0]["shape"], value!([2, 1]));
    assert!(classes[0]["data"][0].as_str().unwrap().contains(':'));
}

#[test]
fn scores_of_many_texts_are_those_of_each() {
    // Different lengths, and too many tokens for one batch: the output with an item for each token has no common shape.
    let texts: Vec<String> = (1..60)
        .map(|count| "a dog ".repeat(count % 7 * 20 + 1))
        .collect();
    let all = send("/infer/mean", &value!({ "text": texts }));
    let all = all["predictions"].as_array().unwrap();
    assert_eq!(all.len(), texts.len());
    for (text, actual) in texts.iter().zip(all) {
        let alone = send("/infer/mean", &value!({ "text": text }));
        // Padding changes the mean slightly, but the scores are never those of another text.
        assert_eq!(actual[0]["label"], alone["predictions"][0][0]["label"]);
        assert!(actual[0]["score"].as_f64() <= alone["predictions"][0][0]["score"].as_f64());
    }
    // With all outputs, every batch has one width.
    let everything = send("/infer/mean?outputs=true", &value!({ "text": texts }));
    let widest = everything["outputs"][0]["shape"][1].as_u64().unwrap();
    assert_eq!(
        everything["outputs"][0]["shape"],
        value!([texts.len(), widest])
    );
    assert_eq!(everything["outputs"][1]["shape"], value!([texts.len(), 1]));
    let v1 = send("/v1/models/mean:predict", &value!({ "instances": texts }));
    assert_eq!(v1["predictions"].as_array().unwrap().len(), texts.len());
    // The first output of the graph is the first output of the response.
    let raw = [
        ("accept", "application/octet-stream"),
        ("content-type", "text/plain"),
    ];
    // [CLS] a do ##g a [SEP]
    assert_eq!(post("/infer/mean", &raw, b"a dog a").body.len(), 6 * 4);
}

#[test]
fn invalid_texts_have_their_errors() {
    let v2 = |input: Value| {
        let body = value!({ "inputs": [input] });
        ("/v2/models/sentiment/infer", body)
    };
    let bytes = |shape: Value, data: Value| {
        v2(value!({ "name": "text", "datatype": "BYTES", "shape": shape, "data": data }))
    };
    let rows = [
        (
            bytes(value!([2]), value!(["a"])),
            "input `text`: the shape says 2 texts, `data` has 1",
        ),
        (
            bytes(value!([1, 2]), value!(["a", "b"])),
            "input `text`: texts as BYTES need the shape [n], one element for each text, got [1, 2]",
        ),
        (
            bytes(value!([1]), value!([7])),
            "input `text`: `data` is not a flat list of texts, expected one string for each text",
        ),
        (
            bytes(value!([0]), value!([])),
            "the list of texts is empty, expected one or more",
        ),
        (
            v2(value!({ "name": "text", "datatype": "BYTES", "shape": [1] })),
            "input `text`: it has no `data`, expected texts",
        ),
        (
            v2(value!({ "name": "text", "datatype": "FP32", "shape": [1], "data": [1] })),
            "there is no input `text`; the model has `input_ids`, `attention_mask` and `token_type_ids`",
        ),
        (
            (
                "/v1/models/sentiment:predict",
                value!({ "instances": ["a", 7] }),
            ),
            "`instances` is ",
        ),
    ];
    let rows = rows.map(|((target, body), sentence)| Refused {
        method: "POST",
        target: target.to_owned(),
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
        status: 400,
        sentence,
    });
    check_refused(rows.into_iter().collect());
}

#[test]
fn a_text_that_was_cut_within_a_pair_has_a_replacement_character() {
    let whole = |target: &str, body: &str| {
        let headers = [("content-type", "application/json")];
        json(&post(target, &headers, body.as_bytes()))
    };
    let rows = [
        (
            "/v1/embeddings",
            r#"{"model":"passages","input":"cut TEXT"}"#,
        ),
        (
            "/v1/embeddings",
            r#"{"model":"passages","input":["fine","cut TEXT"]}"#,
        ),
        ("/infer/sentiment", r#"{"text":"cut TEXT"}"#),
        (
            "/infer/sentiment",
            r#"{"text":["a"],"text_pair":["TEXT cut"]}"#,
        ),
        ("/infer/sentiment", r#"{"instances":["cut TEXT"]}"#),
        (
            "/v1/models/sentiment:predict",
            r#"{"instances":["cut TEXT"]}"#,
        ),
        (
            "/v2/models/sentiment/infer",
            r#"{"id":"TEXT","inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["TEXT"]}]}"#,
        ),
    ];
    let mut wrong = Vec::new();
    for (target, body) in rows {
        let expected = whole(target, &body.replace("TEXT", "\u{fffd}"));
        for cut in [r"\ud83d", r"\uDE00"] {
            let body = body.replace("TEXT", cut);
            for body in [body.clone(), format!("\u{feff}{body}")] {
                let actual = whole(target, &body);
                if actual != expected {
                    wrong.push(format!("{target} {body}: {actual}, expected {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
