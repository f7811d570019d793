//! The output `predictions` of the Open Inference Protocol.

use serde_json::{Value, json as value};

use super::{Engine, Refused, check_refused, file, json, send, text};
use crate::catalog::{Files, Models};
use crate::http::request::Head;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;

const HEADER: &str = "inference-header-content-length";

/// The predictions in an output, which are JSON texts.
fn items(texts: &Value) -> Value {
    let texts = texts.as_array().unwrap().iter();
    let items = texts.map(|text| serde_json::from_str(text.as_str().unwrap()).unwrap());
    Value::Array(items.collect())
}

fn post(target: &str, body: &Value) -> Value {
    let body = body.to_string();
    let response = send("POST", target, &[], body.as_bytes());
    json(&response.unwrap_or_else(|error| panic!("{target}: {error}")))
}

#[test]
fn predictions_are_an_output_beside_tensors_or_alone() {
    let texts = ["It was the best of times.", "It was the worst of times."];
    let expected = post("/infer/sentiment", &value!({ "text": texts }));
    let input = value!({ "name": "text", "datatype": "BYTES", "shape": [2], "data": texts });
    let target = "/v2/models/sentiment/infer";
    let alone = value!({ "inputs": [input], "outputs": [{ "name": "predictions" }] });
    let answer = post(target, &alone);
    let outputs = answer["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 1);
    assert_eq!(outputs[0]["name"], "predictions");
    assert_eq!(outputs[0]["datatype"], "BYTES");
    assert_eq!(outputs[0]["shape"], value!([2]));
    assert_eq!(items(&outputs[0]["data"]), expected["predictions"]);
    assert_eq!(answer.get("predictions"), None);
    let both = value!({
        "inputs": [input], "outputs": [{ "name": "predictions" }, { "name": "logits" }],
    });
    let answer = post(target, &both);
    assert_eq!(answer["outputs"][0]["name"], "logits");
    assert_eq!(answer["outputs"][0]["shape"], value!([2, 3]));
    assert_eq!(
        items(&answer["outputs"][1]["data"]),
        expected["predictions"]
    );
    // Without requested outputs and in the metadata there are the graph's.
    let answer = post(target, &value!({ "inputs": [input] }));
    assert_eq!(answer["outputs"].as_array().unwrap().len(), 1);
    assert_eq!(answer["outputs"][0]["name"], "logits");
    let metadata = json(&send("GET", "/v2/models/sentiment", &[], b"").unwrap());
    assert_eq!(metadata["outputs"][0]["name"], "logits");
    assert_eq!(metadata["outputs"].as_array().unwrap().len(), 1);
}

#[test]
fn predictions_may_follow_the_json() {
    let image = file("models/digits/samples/7.png");
    let expected = json(&send("POST", "/infer/digits", &[], &image).unwrap());
    let mut data = u32::try_from(image.len()).unwrap().to_le_bytes().to_vec();
    data.extend(&image);
    let request = value!({
        "inputs": [{
            "name": "image", "datatype": "BYTES", "shape": [1], "parameters": { "binary_data_size": data.len() },
        }],
        "outputs": [{ "name": "predictions", "parameters": { "binary_data": true } }],
    })
    .to_string();
    let headers = [(HEADER, request.len().to_string())];
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let body = [request.as_bytes(), &data].concat();
    let response = send("POST", "/v2/models/digits/infer", &headers, &body).unwrap();
    let length: usize = response.header(HEADER).unwrap().parse().unwrap();
    let (answer, bytes) = response.body.split_at(length);
    let answer: Value = serde_json::from_slice(answer).unwrap();
    let output = &answer["outputs"][0];
    assert_eq!(output["parameters"]["binary_data_size"], bytes.len());
    let (size, item) = bytes.split_first_chunk::<4>().unwrap();
    assert_eq!(u32::from_le_bytes(*size) as usize, item.len());
    let item: Value = serde_json::from_slice(item).unwrap();
    assert_eq!(value!([item]), expected["predictions"]);
}

#[test]
fn a_task_of_texts_predicts_without_being_asked() {
    let inputs: String = ["input_ids", "attention_mask", "token_type_ids"]
        .iter()
        .map(|name| format!("[[input]]\nname = '{name}'\ndatatype = 'INT64'\nshape = [-1, -1]\n"))
        .collect();
    let card = inputs
        + "[[output]]\nname = 'logits'\ndatatype = 'FP32'\nshape = [-1, -1, 7]\n\
           [text]\nmax_tokens = 32\n[token_classification]\noutput = 'logits'\n";
    let folder = "tests/tasks/token-classification/bert/model";
    let tokenizer = text(&format!("{folder}/tokenizer.json"));
    let files = Files {
        labels: Some("O\nB-PER\nI-PER\nB-LOC\nI-LOC\nB-MISC\nI-MISC\n"),
        tokenizer: Some(&tokenizer),
        ..Files::default()
    };
    let (mut models, mut engine) = (Models::new(), Engine(infer_engine::Registry::new()));
    models.add("m", &card, files).unwrap();
    engine
        .0
        .add("m", file(&format!("{folder}/model.onnx")))
        .unwrap();
    let post = |target: &str, body: Value| {
        let head = Head::new("POST", target, Vec::new());
        let settings = Settings::default();
        let plan = Plan::new(&head, &models, &settings).unwrap();
        let body = body.to_string().into_bytes();
        json(&plan.respond(body, &engine, &mut Timing::default()).unwrap())
    };
    let texts = [
        "Ada Lovelace met Charles Babbage in London.",
        "Nobody was there.",
    ];
    let expected = &post("/infer/m", value!({ "text": texts }))["predictions"];
    assert!(!expected[0].as_array().unwrap().is_empty());
    let input = value!({ "name": "text", "datatype": "BYTES", "shape": [2], "data": texts });
    let answer = post("/v2/models/m/infer", value!({ "inputs": [input] }));
    assert_eq!(answer["outputs"].as_array().unwrap().len(), 1);
    assert_eq!(&items(&answer["outputs"][0]["data"]), expected);
    let tensors = post(
        "/v2/models/m/infer",
        value!({ "inputs": [input], "outputs": [{ "name": "logits" }] }),
    );
    assert_eq!(tensors["outputs"][0]["datatype"], "FP32");
    // The same task in Hugging Face's form.
    let entities = post("/models/m", value!({ "inputs": texts[0] }));
    let first = &expected[0][0];
    assert_eq!(
        entities[0],
        value!({
            "entity_group": first["label"], "score": first["score"], "word": first["text"],
            "start": first["start"], "end": first["end"],
        })
    );
    let body = value!({ "inputs": texts, "parameters": { "aggregation_strategy": "none" } });
    let tokens = post("/", body);
    assert_eq!(tokens.as_array().unwrap().len(), 2);
    assert!(tokens[0][0]["entity"].is_string(), "{tokens}");
}

#[test]
fn requests_for_predictions_that_do_not_exist_are_refused() {
    let row = |model: &str, outputs: Value, sentence| {
        let input = match model {
            "sentiment" => {
                value!({ "name": "text", "datatype": "BYTES", "shape": [1], "data": ["a"] })
            }
            _ => value!({ "name": "x", "datatype": "FP32", "shape": [1], "data": [1.0] }),
        };
        let body = value!({ "inputs": [input], "outputs": outputs });
        Refused {
            method: "POST",
            target: format!("/v2/models/{model}/infer"),
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
            status: 400,
            sentence,
        }
    };
    let predictions = value!({ "name": "predictions" });
    check_refused(vec![
        row(
            "sum",
            value!([predictions]),
            "there is no output `predictions`; the model has `y`",
        ),
        row(
            "sentiment",
            value!([predictions, predictions]),
            "output `predictions` is repeated, expected each output once",
        ),
        row(
            "sentiment",
            value!([{ "name": "predictions", "parameters": { "classification": 2 } }]),
            "output `predictions` has the parameter `classification`, which is for tensors",
        ),
        row(
            "sentiment",
            value!([predictions, { "name": "none" }]),
            "there is no output `none`",
        ),
    ]);
}
