//! What a folder says about its model's head becomes the section of a task of texts.

#[path = "support/engine.rs"]
mod engine;

use std::path::{Path, PathBuf};

use infer_import::Options;
use infer_import::source::Source;
use infer_model_card::{Activation, Task};

/// Names and texts of files; an empty one is left out.
type Files<'a> = &'a [(&'a str, &'a str)];

fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/tasks")
}

/// A copy of a model of tests/tasks below a name, with other files in place of some of its own.
fn folder(model: &str, name: &str, files: Files) -> tempfile::TempDir {
    let parent = tempfile::tempdir().unwrap();
    let to = parent.path().join(name);
    std::fs::create_dir(&to).unwrap();
    let from: &Path = &models().join(model).join("model");
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    for (file, text) in files {
        let file = to.join(file);
        if text.is_empty() {
            std::fs::remove_file(file).unwrap();
        } else {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
    }
    parent
}

fn inspect_as(
    model: &str,
    name: &str,
    files: Files,
    options: &Options,
) -> Result<infer_import::Found, String> {
    let folder = folder(model, name, files);
    let source = Source::find(&folder.path().join(name), None).unwrap();
    infer_import::inspect(source, options, &engine::Native).map_err(|error| error.to_string())
}

fn inspect(model: &str, files: Files) -> Result<infer_import::Found, String> {
    inspect_as(model, "model", files, &Options::default())
}

/// The section of a card in one line, without its comments and the label file.
fn section(found: &infer_import::Found) -> String {
    let key = found.card.task.section_key().unwrap_or("none");
    let section = found.card_text.split(&format!("\n[{key}]\n")).nth(1);
    let lines = section.unwrap_or_default().lines();
    let lines = lines.filter_map(|line| line.split('#').next());
    let lines: Vec<&str> = lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    format!("{key}: {}", lines.join(", "))
}

const BERT: &str = "token-classification/bert";

fn config(architecture: &str, more: &str) -> String {
    format!(r#"{{"architectures": ["{architecture}"], "max_position_embeddings": 64{more}}}"#)
}

#[test]
fn sections_are_those_of_the_architectures() {
    let rows: [(&str, &str); 11] = [
        (
            BERT,
            "token_classification: output = \"logits\", labels = \"labels.txt\", aggregation_strategy = \"simple\", \
             ignore_labels = [\"O\"], stride = 32",
        ),
        (
            "token-classification/roberta",
            "token_classification: output = \"logits\", labels = \"labels.txt\", aggregation_strategy = \"simple\", \
             ignore_labels = [\"O\"], stride = 32",
        ),
        (
            "question-answering/bert",
            "question_answering: start = \"start_logits\", end = \"end_logits\", max_answer_len = 15, doc_stride = 128, \
             handle_impossible_answer = false",
        ),
        (
            "question-answering/roberta",
            "question_answering: start = \"start_logits\", end = \"end_logits\", max_answer_len = 15, doc_stride = 128, \
             handle_impossible_answer = false",
        ),
        (
            "fill-mask/bert",
            "fill_mask: output = \"logits\", mask_token = \"[MASK]\", top_k = 5",
        ),
        (
            "fill-mask/roberta",
            "fill_mask: output = \"logits\", mask_token = \"<mask>\", top_k = 5",
        ),
        (
            "zero-shot-classification/bert",
            "zero_shot: output = \"logits\", entailment = 2, contradiction = 0, hypothesis_template = \"This example is {}.\", \
             multi_label = false",
        ),
        (
            "zero-shot-classification/roberta-two-labels",
            "zero_shot: output = \"logits\", entailment = 0, contradiction = 1, hypothesis_template = \"This example is {}.\", \
             multi_label = false",
        ),
        // No file says that it ranks.
        (
            "text-ranking/bert",
            "classification: output = \"logits\", activation = \"sigmoid\", labels = \"labels.txt\", top_k = 5",
        ),
        (
            "feature-extraction/splade",
            "fill_mask: output = \"logits\", mask_token = \"[MASK]\", top_k = 5",
        ),
        (
            "token-classification/bert-plain-labels",
            "token_classification: output = \"logits\", labels = \"labels.txt\", aggregation_strategy = \"simple\", \
             ignore_labels = [\"O\"], stride = 32",
        ),
    ];
    let wrong: Vec<String> = rows
        .into_iter()
        .filter_map(|(model, expected)| {
            let actual = inspect(model, &[]).map(|found| section(&found));
            (actual.as_deref() != Ok(expected))
                .then(|| format!("{model}\n  {actual:?}\n  {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let found = inspect(BERT, &[]).unwrap();
    let labels = found.labels_text.unwrap();
    assert_eq!(labels.lines().nth(1), Some("B-PER"));
}

#[test]
fn a_reader_takes_as_many_tokens_as_that_of_transformers() {
    for (positions, expected) in [(64, 64), (384, 384), (512, 384)] {
        let config = format!(
            r#"{{"architectures": ["BertForQuestionAnswering"], "max_position_embeddings": {positions}}}"#
        );
        let files = [
            ("config.json", config.as_str()),
            ("tokenizer_config.json", ""),
        ];
        let found = inspect("question-answering/bert", &files).unwrap();
        assert_eq!(found.card.text.unwrap().max_tokens, expected);
    }
}

#[test]
fn a_mask_is_found_in_the_files_of_the_tokenizer() {
    let other = r#"{"mask_token": {"content": "[UNK]"}}"#;
    let unknown = r#"{"mask_token": "<blank>"}"#;
    for (model, file, expected) in [
        ("fill-mask/bert", "", "[MASK]"),
        ("fill-mask/bert", "{}", "[MASK]"),
        ("fill-mask/bert", other, "[UNK]"),
        ("fill-mask/bert", unknown, "[MASK]"),
        ("fill-mask/roberta", "{}", "<mask>"),
    ] {
        let found = inspect(model, &[("tokenizer_config.json", file)]).unwrap();
        let Task::FillMask(spec) = found.card.task else {
            panic!("{:?}", found.card.task);
        };
        assert_eq!(spec.mask_token, expected, "{file}");
    }
}

#[test]
fn cross_encoders_are_known_by_their_files_or_names() {
    let one = r#", "id2label": {"0": "LABEL_0"}"#;
    let with = |more: &str| config("BertForSequenceClassification", &format!("{one}{more}"));
    let identity = "torch.nn.modules.linear.Identity";
    let sigmoid = "torch.nn.modules.activation.Sigmoid";
    let old = with(&format!(
        r#", "sbert_ce_default_activation_function": "{identity}""#
    ));
    let new = |function: &str| {
        with(&format!(
            r#", "sentence_transformers": {{"activation_fn": "{function}", "version": "4.1.0"}}"#
        ))
    };
    let no_function = with(r#", "sentence_transformers": {"version": "4.1.0"}"#);
    let base = with(r#", "_name_or_path": "cross-encoder/ms-marco-MiniLM-L6-v2""#);
    let plain = with("");
    let two = config(
        "BertForSequenceClassification",
        r#", "id2label": {"0": "no", "1": "yes"}"#,
    );
    let newest = format!(r#"{{"model_type": "CrossEncoder", "activation_fn": "{identity}"}}"#);
    let (none, yes) = (Some(Activation::None), Some(Activation::Sigmoid));
    let (of_identity, of_sigmoid) = (new(identity), new(sigmoid));
    let of_sentences = "config_sentence_transformers.json";
    type Row<'a> = (&'a str, Vec<(&'a str, &'a str)>, Option<Activation>);
    let rows: Vec<Row> = vec![
        ("model", vec![("config.json", &plain)], None),
        ("model", vec![("config.json", &old)], none),
        ("model", vec![("config.json", &of_identity)], none),
        ("model", vec![("config.json", &of_sigmoid)], yes),
        ("model", vec![("config.json", &no_function)], yes),
        ("model", vec![("config.json", &base)], yes),
        ("bge-Reranker-base", vec![("config.json", &plain)], yes),
        ("ms-marco-TinyBERT", vec![("config.json", &plain)], yes),
        (
            "model",
            vec![("config.json", &plain), (of_sentences, &newest)],
            none,
        ),
        (
            "model",
            vec![
                ("config.json", &plain),
                (of_sentences, r#"{"model_type": "CrossEncoder"}"#),
            ],
            yes,
        ),
        (
            "model",
            vec![
                ("config.json", &plain),
                (of_sentences, r#"{"model_type": "SentenceTransformer"}"#),
            ],
            None,
        ),
    ];
    let mut wrong = Vec::new();
    for (name, files, expected) in rows {
        let found = inspect_as("text-ranking/bert", name, &files, &Options::default()).unwrap();
        let actual = match found.card.task {
            Task::Ranking(spec) => Some(spec.activation),
            _ => None,
        };
        if actual != expected {
            wrong.push(format!("{name} {files:?}: {actual:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Two classes are no score.
    let found = inspect_as(
        "zero-shot-classification/roberta-two-labels",
        "reranker",
        &[("config.json", &two)],
        &Options::default(),
    );
    assert!(matches!(found.unwrap().card.task, Task::Classification(_)));
    let softplus = new("torch.nn.modules.activation.Softplus");
    let found = inspect("text-ranking/bert", &[("config.json", &softplus)]).unwrap();
    assert!(matches!(found.card.task, Task::Tensors(_)));
    assert!(
        found.notes[0].contains("applies `Softplus`"),
        "{:?}",
        found.notes
    );
}

#[test]
fn a_user_can_have_a_classifier() {
    let softmax = Options {
        activation: Some(Activation::Softmax),
        ..Options::default()
    };
    for model in ["zero-shot-classification/bert", "text-ranking/bert"] {
        let found = inspect_as(model, "reranker", &[], &softmax).unwrap();
        assert!(
            matches!(found.card.task, Task::Classification(_)),
            "{model}"
        );
    }
    let sentiment = config(
        "BertForSequenceClassification",
        r#", "id2label": {"0": "negative", "1": "neutral", "2": "positive"}"#,
    );
    let found = inspect(
        "zero-shot-classification/bert",
        &[("config.json", &sentiment)],
    )
    .unwrap();
    assert!(matches!(found.card.task, Task::Classification(_)));
}

#[test]
fn sparse_models_are_those_of_sentence_transformers() {
    let modules = |kinds: &[&str]| {
        let modules = kinds.iter().enumerate().map(|(place, kind)| {
            format!(r#"{{"type": "sentence_transformers.{kind}", "path": "{place}_{kind}"}}"#)
        });
        format!("[{}]", modules.collect::<Vec<_>>().join(","))
    };
    let splade = modules(&["MLMTransformer", "SpladePooling"]);
    let folder = "1_SpladePooling/config.json";
    let usual = r#"{"pooling_strategy": "max", "activation_function": "relu", "word_embedding_dimension": 560}"#;
    for files in [
        vec![("modules.json", splade.as_str())],
        vec![("modules.json", splade.as_str()), (folder, usual)],
    ] {
        let found = inspect("feature-extraction/splade", &files).unwrap();
        assert_eq!(section(&found), "sparse_embedding: output = \"logits\"");
    }
    let dense = modules(&["MLMTransformer", "SpladePooling", "Normalize"]);
    let outside = splade.replace("1_SpladePooling", "../1_SpladePooling");
    let rows = [
        (
            vec![("modules.json", dense.as_str())],
            "`modules.json` has the module `Normalize` beside `SpladePooling`, which is not supported",
        ),
        (
            vec![
                ("modules.json", splade.as_str()),
                (folder, r#"{"pooling_strategy": "sum"}"#),
            ],
            "`1_SpladePooling/config.json` has the `pooling_strategy` `sum`, which is not supported; expected `max`",
        ),
        (
            vec![
                ("modules.json", splade.as_str()),
                (folder, r#"{"activation_function": "log1p_relu"}"#),
            ],
            "`1_SpladePooling/config.json` has the `activation_function` `log1p_relu`",
        ),
        (
            vec![("modules.json", splade.as_str()), (folder, "[]")],
            "`1_SpladePooling/config.json` cannot be read: ",
        ),
        (
            vec![("modules.json", outside.as_str())],
            "`modules.json` has the pooling in `../1_SpladePooling`",
        ),
    ];
    for (files, expected) in rows {
        let message = inspect("feature-extraction/splade", &files).unwrap_err();
        assert!(message.starts_with(expected), "{files:?}: {message}");
    }
}

#[test]
fn files_that_do_not_fit_the_graph_are_told() {
    // (model, architecture, the end of the note)
    let rows = [
        (
            "text-ranking/bert",
            "BertForTokenClassification",
            "no output `logits` of shape [batch, tokens, classes]",
        ),
        (
            "text-ranking/bert",
            "BertForQuestionAnswering",
            "no outputs `start_logits` and `end_logits` of shape [batch, tokens]",
        ),
    ];
    for (model, architecture, expected) in rows {
        let config = config(architecture, "");
        let found = inspect(model, &[("config.json", &config)]).unwrap();
        assert!(
            matches!(found.card.task, Task::Tensors(_)),
            "{architecture}"
        );
        assert!(found.notes[0].contains(expected), "{:?}", found.notes);
    }
    // A graph of hidden states.
    let config = config("BertForMaskedLM", "");
    let found = inspect("text-ranking/bert", &[("config.json", &config)]).unwrap();
    assert!(matches!(found.card.task, Task::Tensors(_)));
    // Another number of classes.
    let config = r#"{"architectures": ["BertForTokenClassification"], "id2label": {"0": "O", "1": "B-PER"}}"#;
    let message = inspect(BERT, &[("config.json", config)]).unwrap_err();
    assert_eq!(
        message,
        "2 labels were given, but output `logits` has 7 classes"
    );
    let nli = r#"{"architectures": ["BertForSequenceClassification"],
                  "id2label": {"0": "entailment", "1": "contradiction"}}"#;
    let message = inspect("zero-shot-classification/bert", &[("config.json", nli)]).unwrap_err();
    assert_eq!(
        message,
        "2 labels were given, but output `logits` has 3 classes"
    );
    let wrong = r#"{"sentence_transformers": 7}"#;
    let message = inspect(BERT, &[("config.json", wrong)]).unwrap_err();
    assert!(
        message.starts_with("`config.json` cannot be read: "),
        "{message}"
    );
}
