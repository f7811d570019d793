//! Tasks of texts, compared with the pipelines of `transformers`: models and expected predictions in tests/tasks.

use serde_json::{Value, json as value};

use super::{Engine, file, json, text};
use crate::catalog::{Files, Models};
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;

/// A model of tests/tasks: its folder, its inputs beside the first two, its outputs, and its task's section.
struct Folder {
    path: &'static str,
    labels: Option<&'static str>,
    card: String,
}

fn card(has_types: bool, outputs: &[(&str, &str)], text: &str, section: &str) -> String {
    let types = has_types.then_some("token_type_ids");
    let inputs = ["input_ids", "attention_mask"].into_iter().chain(types);
    let inputs: String = inputs
        .map(|name| format!("[[input]]\nname = '{name}'\ndatatype = 'INT64'\nshape = [-1, -1]\n"))
        .collect();
    let outputs: String = outputs
        .iter()
        .map(|(name, shape)| {
            format!("[[output]]\nname = '{name}'\ndatatype = 'FP32'\nshape = {shape}\n")
        })
        .collect();
    format!("{inputs}{outputs}[text]\n{text}\n{section}")
}

fn service(folder: &Folder) -> (Models, Engine) {
    let (mut models, mut engine) = (Models::new(), Engine(infer_engine::Registry::new()));
    let path = format!("tests/tasks/{}/model", folder.path);
    let tokenizer = text(&format!("{path}/tokenizer.json"));
    let files = Files {
        labels: folder.labels,
        tokenizer: Some(&tokenizer),
        ..Files::default()
    };
    models.add("m", &folder.card, files).unwrap();
    engine
        .0
        .add("m", file(&format!("{path}/model.onnx")))
        .unwrap();
    (models, engine)
}

fn post(
    (models, engine): &(Models, Engine),
    target: &str,
    accept: &str,
    body: &[u8],
) -> Result<Response, ApiError> {
    let headers = vec![("accept".to_owned(), accept.to_owned())];
    let head = Head::new("POST", target, headers);
    let settings = Settings::default();
    let plan = Plan::new(&head, models, &settings)?;
    plan.respond(body.to_vec(), engine, &mut Timing::default())
}

fn infer(service: &(Models, Engine), body: &Value) -> Result<Value, (u16, String)> {
    post(
        service,
        "/infer/m",
        "application/json",
        body.to_string().as_bytes(),
    )
    .map(|response| json(&response))
    .map_err(|error| (error.kind().status(), error.to_string()))
}

/// The body of a case: its input with its parameters.
fn body(input: &Value, parameters: &Value) -> Value {
    let mut body = input.clone();
    body["parameters"] = parameters.clone();
    body
}

/// Whether predictions are the expected ones: numbers within 1e-4, everything else equal. Members that the contract does not
/// have are ignored.
fn agrees(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Array(actual), Value::Array(expected)) => {
            actual.len() == expected.len() && actual.iter().zip(expected).all(|(a, e)| agrees(a, e))
        }
        (Value::Object(actual), Value::Object(expected)) => actual
            .iter()
            .all(|(key, value)| expected.get(key).is_some_and(|other| agrees(value, other))),
        (Value::Number(a), Value::Number(e)) if a.is_f64() || e.is_f64() => {
            (a.as_f64().unwrap() - e.as_f64().unwrap()).abs() < 1e-4
        }
        _ => actual == expected,
    }
}

/// Every case of a folder, but those that `adapt` has no body or no expected predictions for.
fn check(folder: &Folder, adapt: &dyn Fn(&Value) -> Option<(Value, Value)>) {
    let service = service(folder);
    let cases = text(&format!("tests/tasks/{}/cases.json", folder.path));
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    assert!(cases.len() >= 20);
    let mut wrong = Vec::new();
    let mut done = 0;
    for case in &cases {
        let Some((body, expected)) = adapt(case) else {
            continue;
        };
        done += 1;
        match infer(&service, &body) {
            Ok(response) if agrees(&response["predictions"], &value!([expected])) => {}
            Ok(response) => wrong.push(format!(
                "{} {}: {body}\n  expected {expected}\n  got      {}",
                folder.path, case["name"], response["predictions"][0]
            )),
            Err(error) => wrong.push(format!("{} {}: {error:?}", folder.path, case["name"])),
        }
    }
    assert!(done * 4 >= cases.len() * 3, "{done} of {}", cases.len());
    assert!(
        wrong.is_empty(),
        "{} of {done}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Requests with the status and the beginning of the error.
fn check_refused(folder: &Folder, rows: &[(Value, u16, &str)]) {
    let service = service(folder);
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(body, status, sentence)| {
            let actual = infer(&service, body);
            let is_right = actual
                .as_ref()
                .is_err_and(|(found, message)| found == status && message.starts_with(sentence));
            let body = body.to_string();
            let body: String = body.chars().take(200).collect();
            (!is_right).then(|| format!("{body}\n  expected {status} {sentence}\n  got {actual:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The case as it is.
fn plain(case: &Value) -> Option<(Value, Value)> {
    let body = body(&case["input"], &case["parameters"]);
    Some((body, case["expected"].clone()))
}

fn long(words: usize) -> String {
    "Ada met Charles Babbage in London. ".repeat(words / 6 + 1)
}

fn taggers() -> [Folder; 3] {
    let folder = |path, has_types, pad: u32, labels: &'static str| {
        let classes = labels.lines().count();
        let shape = format!("[-1, -1, {classes}]");
        let text = format!("max_tokens = 32\npad_id = {pad}\n");
        let section = "[token_classification]\noutput = 'logits'\n";
        Folder {
            path,
            labels: Some(labels),
            card: card(has_types, &[("logits", &shape)], &text, section),
        }
    };
    let tags = "O\nB-PER\nI-PER\nB-LOC\nI-LOC\nB-MISC\nI-MISC\n";
    [
        folder("token-classification/bert", true, 0, tags),
        folder("token-classification/roberta", false, 1, tags),
        folder(
            "token-classification/bert-plain-labels",
            true,
            0,
            "O\nNOUN\nVERB\n",
        ),
    ]
}

#[test]
fn entities_are_those_of_transformers() {
    for folder in taggers() {
        let (models, _) = service(&folder);
        let encoder = models.get("m").unwrap().text.clone().unwrap();
        let adapt = |case: &Value| {
            if case["parameters"].get("stride").is_some() {
                return plain(case);
            }
            // Without a stride, `transformers` truncates a long text. Here texts are never truncated.
            let sent = case["input"]["text"].as_str().unwrap();
            let piece = encoder.piece(sent).unwrap();
            let cut = piece.cut(30, infer_model_card::Side::Right);
            let part = encoder.join(&cut, None).unwrap();
            let end = part.places.iter().map(|place| place.end).max().unwrap();
            let short: String = sent.chars().take(end).collect();
            let again = encoder.piece(&short).unwrap();
            // Other tokens, since a word was cut.
            if again.ids() != &piece.ids()[..again.len().min(piece.len())] || again.len() > 30 {
                return None;
            }
            let body = body(&value!({ "text": short }), &case["parameters"]);
            Some((body, case["expected"].clone()))
        };
        check(&folder, &adapt);
    }
}

#[test]
fn every_token_of_a_long_text_is_there_once() {
    for folder in taggers() {
        let service = service(&folder);
        let text = long(200);
        for stride in [0, 7, 29] {
            let parameters = value!({
                "aggregation_strategy": "none", "ignore_labels": [], "stride": stride
            });
            let answer = infer(&service, &body(&value!({ "text": text }), &parameters)).unwrap();
            let tokens = answer["predictions"][0].as_array().unwrap();
            let joined: String = tokens
                .iter()
                .map(|token| token["text"].as_str().unwrap())
                .collect();
            assert_eq!(joined, text.replace(' ', ""), "{} {stride}", folder.path);
        }
    }
}

#[test]
fn entities_of_several_texts_are_those_of_each() {
    let [folder, ..] = taggers();
    let service = service(&folder);
    let texts = ["Ada met Charles.", &long(100), "", "In London"];
    let all = infer(&service, &value!({ "text": texts })).unwrap();
    for (place, text) in texts.iter().enumerate() {
        let alone = infer(&service, &value!({ "text": text })).unwrap();
        assert!(
            agrees(&all["predictions"][place], &alone["predictions"][0]),
            "{text}"
        );
    }
    // With outputs, a row for each part.
    let body = value!({ "text": texts, "parameters": { "outputs": true } });
    let with_outputs = infer(&service, &body).unwrap();
    assert!(agrees(&with_outputs["predictions"], &all["predictions"]));
    let shape = &with_outputs["outputs"][0]["shape"];
    assert!(shape[0].as_u64().unwrap() > 4, "{shape}");
    assert_eq!(shape[1], 32);
    let tensors = value!({ "instances": [{
        "input_ids": [2, 3], "attention_mask": [1, 1], "token_type_ids": [0, 0]
    }]});
    let of_tensors = infer(&service, &tensors).unwrap();
    assert_eq!(of_tensors["outputs"][0]["shape"], value!([1, 2, 7]));
    assert!(of_tensors.get("predictions").is_none());
    let instances = infer(&service, &value!({ "instances": texts })).unwrap();
    assert_eq!(instances, all);
}

#[test]
fn invalid_requests_of_a_tagger_have_their_errors() {
    let [folder, ..] = taggers();
    let with = |parameters: Value| body(&value!({ "text": "Ada" }), &parameters);
    let rows = [
        (value!({ "text": [] }), 400, "the list of texts is empty"),
        (value!({ "text": 7 }), 400, "`text` is `7`, expected a text"),
        (
            value!({ "text": "a".repeat(1024 * 1024 + 1) }),
            413,
            "the text has 1048577 bytes",
        ),
        (
            with(value!({ "aggregation_strategy": "best" })),
            400,
            "`aggregation_strategy` is",
        ),
        (with(value!({ "stride": -1 })), 400, "`stride` is"),
        (with(value!({ "stride": 33 })), 400, "`stride` is"),
        (
            with(value!({ "ignore_labels": [7] })),
            400,
            "`ignore_labels` is",
        ),
        (
            with(value!({ "ignore_labels": vec!["a"; 1001] })),
            400,
            "`ignore_labels` is",
        ),
        (
            with(value!({ "top_k": 2 })),
            400,
            "model `m` does not take `top_k`",
        ),
        (
            body(
                &value!({ "text": "a ".repeat(500_000) }),
                &value!({ "stride": 29 }),
            ),
            400,
            "the text has 500000 tokens, which make",
        ),
    ];
    check_refused(&folder, &rows);
}

/// One model in two folders: of BERT, and of RoBERTa if there is one.
fn folders(
    task: &'static str,
    paths: &[&'static str],
    outputs: &[(&str, &str)],
    section: &str,
) -> Vec<Folder> {
    let folder = |path: &&'static str| {
        let is_bert = !path.contains("roberta");
        let text = format!("max_tokens = 64\npad_id = {}\n", u8::from(!is_bert));
        let section = match path.contains("two-labels") {
            true => section
                .replace("entailment = 2", "entailment = 0")
                .replace("contradiction = 0", "contradiction = 1"),
            false => section.to_owned(),
        };
        let section = match is_bert {
            true => section,
            false => section.replace("[MASK]", "<mask>"),
        };
        Folder {
            path,
            labels: None,
            card: card(is_bert, outputs, &text, &format!("[{task}]\n{section}\n")),
        }
    };
    paths.iter().map(folder).collect()
}

fn readers() -> Vec<Folder> {
    folders(
        "question_answering",
        &["question-answering/bert", "question-answering/roberta"],
        &[("start_logits", "[-1, -1]"), ("end_logits", "[-1, -1]")],
        "",
    )
}

fn zero_shots() -> Vec<Folder> {
    let paths = [
        ("zero-shot-classification/bert", 3),
        ("zero-shot-classification/roberta-two-labels", 2),
    ];
    let folder = |(path, classes)| {
        folders(
            "zero_shot",
            &[path],
            &[("logits", &format!("[-1, {classes}]"))],
            "output = 'logits'\nentailment = 2\ncontradiction = 0\n",
        )
    };
    paths.into_iter().flat_map(folder).collect()
}

fn ranker() -> Folder {
    let section = "output = 'logits'";
    let logits = [("logits", "[-1, 1]")];
    folders("ranking", &["text-ranking/bert"], &logits, section).remove(0)
}

fn fillers() -> Vec<Folder> {
    let folder = |(path, size)| {
        folders(
            "fill_mask",
            &[path],
            &[("logits", &format!("[-1, -1, {size}]"))],
            "output = 'logits'\nmask_token = '[MASK]'\n",
        )
    };
    [("fill-mask/bert", 560), ("fill-mask/roberta", 420)]
        .into_iter()
        .flat_map(folder)
        .collect()
}

fn sparse() -> Folder {
    let section = "output = 'logits'";
    let logits = [("logits", "[-1, -1, 560]")];
    folders(
        "sparse_embedding",
        &["feature-extraction/splade"],
        &logits,
        section,
    )
    .remove(0)
}

#[test]
fn answers_are_those_of_transformers() {
    for folder in readers() {
        check(&folder, &plain);
    }
}

#[test]
fn labels_of_zero_shot_are_those_of_transformers() {
    for folder in zero_shots() {
        check(&folder, &plain);
    }
}

#[test]
fn documents_are_ranked_like_transformers() {
    let adapt = |case: &Value| {
        let mut parameters = case["parameters"].clone();
        if let Some(top) = parameters.as_object_mut().unwrap().remove("top_k") {
            parameters["top_n"] = top;
        }
        Some((body(&case["input"], &parameters), case["expected"].clone()))
    };
    check(&ranker(), &adapt);
}

#[test]
fn masks_are_filled_like_transformers() {
    for folder in fillers() {
        let (models, _) = service(&folder);
        let encoder = models.get("m").unwrap().text.clone().unwrap();
        // `transformers` has a list for each of several masks, and does not truncate.
        let adapt = |case: &Value| {
            let (body, expected) = plain(case)?;
            let text = case["input"]["text"].as_str().unwrap();
            if encoder.piece(text).unwrap().len() > 62 {
                return None;
            }
            let rows = expected.as_array().unwrap().iter();
            let flat = rows.flat_map(|row| row.as_array().cloned().unwrap_or(vec![row.clone()]));
            Some((body, flat.collect()))
        };
        check(&folder, &adapt);
    }
}

#[test]
fn sparse_vectors_are_those_of_splade() {
    let folder = sparse();
    check(&folder, &plain);
    // Of tensors, the mask says which tokens there are.
    let service = service(&folder);
    let of_text = infer(&service, &value!({ "text": "Ada met Charles." })).unwrap();
    let encoder = service.0.get("m").unwrap().text.clone().unwrap();
    let mut ids = encoder.encode("Ada met Charles.", None).unwrap().ids;
    let mut mask = vec![1; ids.len()];
    ids.push(0);
    mask.push(0);
    let types = vec![0; ids.len()];
    let row = value!({ "input_ids": ids, "attention_mask": mask, "token_type_ids": types });
    let of_tensors = infer(&service, &value!({ "instances": [row] })).unwrap();
    assert!(agrees(&of_tensors["predictions"], &of_text["predictions"]));
}

#[test]
fn items_of_a_batch_are_those_of_each_alone() {
    let long = long(300);
    let question = |context: &str| value!({ "question": "Who met Ada?", "context": context });
    let query = |documents: &[&str]| value!({ "query": "Ada", "documents": documents });
    let masked = |text: &str, mask: &str| value!(text.replace('_', mask));
    let [bert, _] = <[Folder; 2]>::try_from(fillers()).ok().unwrap();
    let rows = [
        (
            readers().remove(0),
            vec![question("Ada met Charles."), question(&long)],
            2,
        ),
        (
            ranker(),
            vec![
                query(&["Ada met Charles.", &long, "London"]),
                query(&["Ada"]),
            ],
            4,
        ),
        (
            bert,
            vec![
                masked("Ada met _.", "[MASK]"),
                masked("_ met _ in London.", "[MASK]"),
            ],
            2,
        ),
        (sparse(), vec![value!("Ada"), value!(long), value!("")], 3),
    ];
    for (folder, items, least) in rows {
        let service = service(&folder);
        let all = infer(&service, &value!({ "instances": items })).unwrap();
        for (place, item) in items.iter().enumerate() {
            let alone = infer(&service, &value!({ "instances": [item] })).unwrap();
            assert!(
                agrees(&all["predictions"][place], &alone["predictions"][0]),
                "{}: {item}",
                folder.path
            );
        }
        let body = value!({ "instances": items, "parameters": { "outputs": true } });
        let with_outputs = infer(&service, &body).unwrap();
        assert!(
            agrees(&with_outputs["predictions"], &all["predictions"]),
            "{}",
            folder.path
        );
        let rows = with_outputs["outputs"][0]["shape"][0].as_u64().unwrap();
        assert!(rows >= least, "{} {rows}", folder.path);
        // Arrays have no predictions.
        let bytes = value!({ "instances": items }).to_string();
        let accept = "application/octet-stream";
        let raw = post(&service, "/infer/m", accept, bytes.as_bytes()).unwrap();
        assert!(raw.body.len() >= rows as usize * 4, "{}", folder.path);
        // V1 has the same predictions.
        let v1 = post(
            &service,
            "/v1/models/m:predict",
            "application/json",
            bytes.as_bytes(),
        );
        let v1 = json(&v1.unwrap());
        if !folder.path.contains("splade") {
            assert!(
                agrees(&v1["predictions"], &all["predictions"]),
                "{}",
                folder.path
            );
        }
    }
}

#[test]
fn invalid_questions_have_their_errors() {
    let ask = |question: &str, context: &str| value!({ "question": question, "context": context });
    let with = |parameters: Value| body(&ask("Who?", "Ada."), &parameters);
    let many = "a ".repeat(500_000);
    let rows = [
        (
            ask("", "Ada."),
            400,
            "the question is empty, expected a text",
        ),
        (
            ask("Who?", " \n"),
            400,
            "the context is empty, expected a text",
        ),
        (
            value!({ "question": "Who?" }),
            400,
            "the JSON body has `question` and no `context`",
        ),
        (
            value!({ "question": 7, "context": "Ada." }),
            400,
            "`question` is ",
        ),
        (
            value!({ "text": "Who?" }),
            400,
            "the JSON body has neither `inputs` nor `instances` nor `question` and `context`",
        ),
        (
            ask(&"a ".repeat(65), "Ada."),
            400,
            "the question has 65 tokens, expected at most 64",
        ),
        (
            ask(&"a ".repeat(61), "Ada."),
            400,
            "the question and the special tokens have 64 tokens, which leave no room for the context",
        ),
        (
            body(&ask("Who?", "Ada."), &value!({ "max_seq_len": 5 })),
            400,
            "the question and the special tokens have",
        ),
        (
            body(&ask("Who?", &many), &value!({ "doc_stride": 50 })),
            400,
            "the context has 500000 tokens, which make",
        ),
        (
            ask("Who?", &"a".repeat(1024 * 1024 + 1)),
            413,
            "the context has 1048577 bytes",
        ),
        (with(value!({ "top_k": 0 })), 400, "`top_k` is"),
        (with(value!({ "top_k": 101 })), 400, "`top_k` is"),
        (
            with(value!({ "max_answer_len": 0 })),
            400,
            "`max_answer_len` is",
        ),
        (with(value!({ "doc_stride": 65 })), 400, "`doc_stride` is"),
        (
            with(value!({ "align_to_words": "maybe" })),
            400,
            "`align_to_words` is",
        ),
        (
            with(value!({ "stride": 5 })),
            400,
            "model `m` does not take `stride`",
        ),
        (value!({ "instances": [{ "question": "Who?" }] }), 400, ""),
    ];
    let folder = readers().remove(0);
    check_refused(&folder, &rows);
}

#[test]
fn invalid_requests_of_zero_shot_have_their_errors() {
    let with = |parameters: Value| body(&value!({ "text": "Ada" }), &parameters);
    let labels = |labels: Value| with(value!({ "labels": labels }));
    let template =
        |template: &str| with(value!({ "labels": ["a"], "hypothesis_template": template }));
    let many: Vec<String> = (0..10_000).map(|label| label.to_string()).collect();
    let rows = [
        (
            value!({ "text": "Ada" }),
            400,
            "the model has no labels of its own; send `parameters.labels`",
        ),
        (labels(value!([])), 400, "`labels` is "),
        (labels(value!([" "])), 400, "`labels` is "),
        (labels(value!(["a", 7])), 400, "`labels` is "),
        (labels(value!({ "a": 1 })), 400, "`labels` is "),
        (labels(value!(many)), 400, "`labels` is "),
        (labels(value!(["a".repeat(4097)])), 400, "`labels` is "),
        (
            labels(value!(["word ".repeat(100)])),
            400,
            "label `word word",
        ),
        (template("This is it."), 400, "`hypothesis_template` is "),
        (template(""), 400, "`hypothesis_template` is "),
        (template(&"{} ".repeat(100)), 400, "label `a` has "),
        (
            with(value!({ "labels": ["a"], "multi_label": 2 })),
            400,
            "`multi_label` is",
        ),
        (
            value!({ "text": ["Ada", 7], "parameters": { "labels": ["a"] } }),
            400,
            "`text` is ",
        ),
    ];
    let folder = zero_shots().remove(0);
    check_refused(&folder, &rows);
    // Labels of the card, and half of a surrogate pair.
    let folder = Folder {
        labels: Some("travel\nmusic\n"),
        card: folder
            .card
            .replace("[zero_shot]", "[zero_shot]\nlabels = 'labels.txt'"),
        ..folder
    };
    let service = service(&folder);
    let found = infer(&service, &value!({ "text": "Ada" })).unwrap();
    assert_eq!(found["predictions"][0].as_array().unwrap().len(), 2);
    let cut = br#"{"text":"Ada","parameters":{"labels":["a\ud83d","b"]}}"#;
    let found = post(&service, "/infer/m", "application/json", cut).unwrap();
    let labels = &json(&found)["predictions"][0];
    assert!(labels.to_string().contains("a\u{fffd}"), "{labels}");
    let query = post(
        &service,
        "/infer/m?labels=a,b,c&multi_label=true",
        "application/json",
        br#"{"text":"Ada"}"#,
    );
    let found = json(&query.unwrap());
    assert_eq!(found["predictions"][0].as_array().unwrap().len(), 3);
}

#[test]
fn invalid_queries_and_masks_have_their_errors() {
    let rank = |query: Value, documents: Value| value!({ "query": query, "documents": documents });
    let with = |parameters: Value| body(&rank(value!("Ada"), value!(["a"])), &parameters);
    let rows = [
        (
            rank(value!("Ada"), value!([])),
            400,
            "the list of documents is empty",
        ),
        (rank(value!("Ada"), value!([7])), 400, "`documents` is "),
        (rank(value!(["Ada"]), value!(["a"])), 400, "`query` is "),
        (
            value!({ "query": "Ada" }),
            400,
            "the JSON body has `query` and no `documents`",
        ),
        (
            rank(value!("Ada"), value!(vec!["a"; 2049])),
            400,
            "2049 documents, expected at most 2048",
        ),
        (
            rank(value!("Ada"), value!(["a", "a".repeat(1024 * 1024 + 1)])),
            413,
            "document 1 has 1048577 bytes",
        ),
        (with(value!({ "top_n": 0 })), 400, "`top_n` is"),
        (with(value!({ "raw_scores": "no" })), 400, "`raw_scores` is"),
        (
            with(value!({ "top_k": 1 })),
            400,
            "model `m` does not take `top_k`",
        ),
    ];
    check_refused(&ranker(), &rows);
    let fill = |text: &str, parameters: Value| body(&value!({ "text": text }), &parameters);
    let rows = [
        (
            fill("", value!({})),
            400,
            "the text has no mask, expected `[MASK]` in place of a word",
        ),
        (fill("Ada <mask>", value!({})), 400, "the text has no mask"),
        (
            value!({ "text": ["[MASK]", "Ada"] }),
            400,
            "text 1 has no mask",
        ),
        (
            fill(&format!("{}[MASK]", "Ada ".repeat(100)), value!({})),
            400,
            "the text has no mask, expected `[MASK]` in place of a word, within as many tokens",
        ),
        (fill("[MASK]", value!({ "top_k": 0 })), 400, "`top_k` is"),
        (fill("[MASK]", value!({ "top_k": 1001 })), 400, "`top_k` is"),
        (
            fill("[MASK]", value!({ "targets": [7] })),
            400,
            "`targets` is",
        ),
        (
            fill("[MASK]", value!({ "targets": vec!["a"; 1001] })),
            400,
            "`targets` is",
        ),
    ];
    check_refused(&fillers().remove(0), &rows);
    // Each of many predictions has its text, so their number is bounded before they are written.
    let settings = Settings {
        limits: Limits {
            max_response_bytes: 1000,
            ..Limits::default()
        },
        ..Settings::default()
    };
    let (models, engine) = service(&fillers().remove(0));
    let head = Head::new("POST", "/infer/m", Vec::new());
    let plan = Plan::new(&head, &models, &settings).unwrap();
    let body = fill(&"[MASK] ".repeat(60), value!({ "top_k": 1000 })).to_string();
    let error = plan.respond(body.into_bytes(), &engine, &mut Timing::default());
    let error = error.unwrap_err();
    assert_eq!(error.kind().status(), 413, "{error}");
    assert!(
        error
            .to_string()
            .starts_with("the answer has more than 1000 bytes"),
        "{error}"
    );
}

#[test]
fn texts_may_be_padded_at_the_left() {
    let left = |folder: &Folder| Folder {
        card: folder
            .card
            .replace("[text]\n", "[text]\npadding_side = 'left'\n"),
        ..*folder
    };
    let [folder, ..] = taggers();
    let texts = value!({ "text": ["Ada met Charles.", &long(100), "", "In London"] });
    let right = infer(&service(&folder), &texts).unwrap();
    let found = infer(&service(&left(&folder)), &texts).unwrap();
    assert!(agrees(&found["predictions"], &right["predictions"]));
    // The question is behind the context. `transformers` would find answers in the question too.
    let context = long(100);
    let ask = |context: &str| value!({ "question": "Who met Ada?", "context": context });
    let items = [ask("Ada met Charles Babbage."), ask(&context)];
    let service = service(&left(&readers().remove(0)));
    let body = value!({ "instances": items, "parameters": { "top_k": 9 } });
    let all = infer(&service, &body).unwrap();
    for (place, item) in items.iter().enumerate() {
        let alone = value!({ "instances": [item], "parameters": { "top_k": 9 } });
        let alone = infer(&service, &alone).unwrap();
        assert!(agrees(&all["predictions"][place], &alone["predictions"][0]));
        for answer in all["predictions"][place].as_array().unwrap() {
            let place = |key: &str| answer[key].as_u64().unwrap() as usize;
            let context = item["context"].as_str().unwrap();
            assert_eq!(&context[place("start")..place("end")], answer["text"]);
            assert!(place("start") < place("end"), "{answer}");
        }
    }
}
