//! What a folder says of texts becomes a card's `[text]` and `[embedding]`; what cannot be done as it says
//! is refused.

#[path = "support/engine.rs"]
mod engine;

use std::path::{Path, PathBuf};

use infer_import::Options;
use infer_import::source::Source;
use infer_model_card::{Activation, Pooling, Side, Task};

fn texts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/texts")
}

/// Names and texts of files.
type Files<'a> = &'a [(&'a str, &'a str)];

/// A copy of one of tests/texts, with other files in place of some of its own; an empty one is left out.
fn folder(name: &str, files: Files) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let to = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &to);
            } else {
                std::fs::copy(&path, to).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    copy(&texts().join(name), folder.path());
    for (file, text) in files {
        if text.is_empty() {
            std::fs::remove_file(folder.path().join(file)).unwrap();
        } else {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
    }
    folder
}

fn inspect(name: &str, files: Files) -> Result<infer_import::Found, String> {
    let folder = folder(name, files);
    let source = Source::find(folder.path(), None).unwrap();
    infer_import::inspect(source, &Options::default(), &engine::Native)
        .map_err(|error| error.to_string())
}

#[test]
fn lengths_are_the_least_that_the_files_say() {
    // (folder, other files, tokens)
    let rows: [(&str, Files, u32); 9] = [
        ("sentiment", &[], 48),
        ("sentiment", &[("tokenizer_config.json", "")], 64),
        (
            "sentiment",
            &[("tokenizer_config.json", ""), ("config.json", "")],
            512,
        ),
        (
            "sentiment",
            &[("tokenizer_config.json", r#"{"model_max_length": 1e30}"#)],
            64,
        ),
        ("sentences", &[], 128),
        // RoBERTa's positions are counted from the filling token on: 130 are 128.
        ("sentences", &[("sentence_bert_config.json", "")], 128),
        (
            "sentences",
            &[("sentence_bert_config.json", r#"{"max_seq_length": 20}"#)],
            20,
        ),
        (
            "sentences",
            &[("sentence_bert_config.json", r#"{"max_seq_length": null}"#)],
            128,
        ),
        ("passages", &[("sentence_bert_config.json", "{}")], 64),
    ];
    let mut wrong = Vec::new();
    for (name, files, expected) in rows {
        let actual = inspect(name, files).map(|found| found.card.text.unwrap().max_tokens);
        if actual != Ok(expected) {
            wrong.push(format!("{name} {files:?}: {actual:?}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_fills_up_and_where() {
    let config = r#"{"pad_token": {"content": "[MASK]"}, "padding_side": "left", "truncation_side": "left"}"#;
    let found = inspect("sentiment", &[("tokenizer_config.json", config)]).unwrap();
    let text = found.card.text.unwrap();
    assert_eq!(
        (text.padding_side, text.truncation_side),
        (Side::Left, Side::Left)
    );
    assert_eq!(text.pad_id, 4);
    // Without a word of it, the model's; without that, the tokenizer's.
    let config = r#"{"pad_token_id": 3}"#;
    let files = [("tokenizer_config.json", ""), ("config.json", config)];
    let found = inspect("sentiment", &files).unwrap();
    assert_eq!(found.card.text.unwrap().pad_id, 3);
}

#[test]
fn vectors_are_pooled_as_the_folder_says() {
    let pooling = "1_Pooling/config.json";
    // (folder, other files, pooling)
    let rows: [(&str, Files, Option<Pooling>); 11] = [
        ("sentences", &[], Some(Pooling::Mean)),
        ("passages", &[], Some(Pooling::Cls)),
        ("passages", &[(pooling, "")], Some(Pooling::Mean)),
        (
            "passages",
            &[(pooling, r#"{"pooling_mode": "lasttoken"}"#)],
            Some(Pooling::Last),
        ),
        (
            "passages",
            &[(pooling, r#"{"pooling_mode": ["max"]}"#)],
            Some(Pooling::Max),
        ),
        (
            "passages",
            &[(pooling, r#"{"pooling_mode_max_tokens": true}"#)],
            Some(Pooling::Max),
        ),
        (
            "passages",
            &[(pooling, r#"{"pooling_mode_mean_sqrt_len_tokens": true}"#)],
            Some(Pooling::Mean),
        ),
        ("passages", &[(pooling, "{}")], Some(Pooling::Mean)),
        // A classifier is none, and a model of masks is asked for its own outputs.
        ("sentiment", &[], None),
        (
            "passages",
            &[
                (pooling, ""),
                (
                    "config.json",
                    r#"{"architectures": ["XLMRobertaForMaskedLM"]}"#,
                ),
            ],
            None,
        ),
        (
            "passages",
            &[(pooling, ""), ("config.json", "{}")],
            Some(Pooling::Mean),
        ),
    ];
    let mut wrong = Vec::new();
    for (name, files, expected) in rows {
        let actual = inspect(name, files).map(|found| match found.card.task {
            Task::Embedding(spec) => Some(spec.pooling),
            _ => None,
        });
        if actual != Ok(expected) {
            wrong.push(format!(
                "{name} {files:?}: {actual:?}, expected {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn scores_are_those_of_the_pipelines() {
    let config = |members: &str| {
        format!(r#"{{"architectures": ["BertForSequenceClassification"], {members}}}"#)
    };
    let three = r#""id2label": {"0": "a", "1": "b", "2": "c"}"#;
    let rows = [
        (config(three), Activation::Softmax),
        (
            config(&format!(
                r#"{three}, "problem_type": "multi_label_classification""#
            )),
            Activation::Sigmoid,
        ),
        (
            config(&format!(r#"{three}, "problem_type": "regression""#)),
            Activation::None,
        ),
    ];
    for (config, expected) in rows {
        let found = inspect("sentiment", &[("config.json", &config)]).unwrap();
        let Task::Classification(classification) = found.card.task else {
            panic!("{config}: {:?}", found.card.task);
        };
        assert_eq!(classification.activation, expected, "{config}");
    }
}

#[test]
fn notes_for_the_user() {
    let rows: [(&str, Files, &str); 1] = [(
        "sentiment",
        &[("tokenizer.json", "")],
        "there is no `tokenizer.json`, so the model takes token ids instead of texts",
    )];
    for (name, files, expected) in rows {
        let found = inspect(name, files).unwrap();
        assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
        assert!(found.notes[0].starts_with(expected), "{:?}", found.notes);
    }
    assert_eq!(inspect("passages", &[]).unwrap().notes, [""; 0]);
}

/// The card normalizes and pools vectors as the files of `sentence-transformers` say.
#[test]
fn embeddings_are_those_of_sentence_transformers() {
    let modules = |types: &[(&str, &str)]| {
        let modules = types.iter().map(|(kind, path)| {
            format!(r#"{{"type": "sentence_transformers.models.{kind}", "path": "{path}"}}"#)
        });
        format!("[{}]", modules.collect::<Vec<_>>().join(","))
    };
    let cls = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
    let plain = modules(&[("Transformer", ""), ("Pooling", "1_Pooling")]);
    let normal = modules(&[
        ("Transformer", ""),
        ("Pooling", "1_Pooling"),
        ("Normalize", "2_Normalize"),
    ]);
    let elsewhere = modules(&[("Transformer", ""), ("Pooling", "2_Pooling")]);
    let prompt = r#"{"prompts": {"query": "query: "}, "default_prompt_name": "query"}"#;
    let no_prompt = r#"{"prompts": {"query": "query: "}}"#;
    // (files, pooling, whether vectors are normalized, prompt)
    let rows: [(Files, Pooling, bool, &str); 6] = [
        (
            &[("modules.json", &plain), ("1_Pooling/config.json", cls)],
            Pooling::Cls,
            false,
            "",
        ),
        (
            &[("modules.json", &normal), ("1_Pooling/config.json", cls)],
            Pooling::Cls,
            true,
            "",
        ),
        (
            &[("modules.json", &elsewhere), ("2_Pooling/config.json", cls)],
            Pooling::Cls,
            false,
            "",
        ),
        (
            &[("modules.json", &plain), ("1_Pooling/config.json", "{}")],
            Pooling::Mean,
            false,
            "",
        ),
        (
            &[
                ("modules.json", &plain),
                ("config_sentence_transformers.json", prompt),
            ],
            Pooling::Cls,
            false,
            "query: ",
        ),
        (
            &[
                ("modules.json", &plain),
                ("config_sentence_transformers.json", no_prompt),
            ],
            Pooling::Cls,
            false,
            "",
        ),
    ];
    let mut wrong = Vec::new();
    for (files, pooling, normalizes, prompt) in rows {
        let found = inspect("passages", files).unwrap();
        let prompted = found.card.text.as_ref().map(|text| text.prompt.as_str());
        match &found.card.task {
            Task::Embedding(section)
                if section.pooling == pooling
                    && section.normalize == normalizes
                    && prompted == Some(prompt) => {}
            other => wrong.push(format!("{files:?}: {other:?} {prompted:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsupported_files_are_rejected() {
    let pooling = "1_Pooling/config.json";
    let dense = r#"[{"type": "sentence_transformers.models.Transformer"},
                    {"type": "sentence_transformers.models.Dense"}]"#;
    let lower = r#"{"do_lower_case": true}"#;
    // (folder, file, text, beginning of the message)
    let rows = [
        (
            "sentiment",
            "tokenizer.json",
            "{",
            "`tokenizer.json` is not a supported tokenizer: EOF",
        ),
        (
            "sentiment",
            "tokenizer.json",
            "{\"version\": \"1.0\", \"decoder\": {\"type\": \"WordPiece\", \"pre",
            "`tokenizer.json` is not a supported tokenizer: EOF",
        ),
        (
            "sentiment",
            "tokenizer.json",
            // The library panics because the token is shorter than the prefix that it removes.
            r###"{"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2},
                 "merges": [["a", "b"]], "continuing_subword_prefix": "##"}}"###,
            "`tokenizer.json` is not a supported tokenizer: the reader panicked, probably because the file is damaged: ",
        ),
        (
            "sentiment",
            "tokenizer.json",
            "{\"model\": {}}",
            "`tokenizer.json` is not a supported tokenizer: ",
        ),
        (
            "sentiment",
            "tokenizer_config.json",
            "[1]",
            "`tokenizer_config.json` cannot be read: ",
        ),
        (
            "sentiment",
            "tokenizer_config.json",
            "{\"padding_side\": \"top\"}",
            "`tokenizer_config.json` cannot be read: unknown variant `top`",
        ),
        (
            "passages",
            "sentence_bert_config.json",
            "{\"max_seq_length\": -1}",
            "`sentence_bert_config.json` cannot be read: ",
        ),
        (
            "passages",
            "sentence_bert_config.json",
            lower,
            "`sentence_bert_config.json` sets `do_lower_case`, but the tokenizer keeps capitals",
        ),
        (
            "passages",
            "modules.json",
            "{}",
            "`modules.json` cannot be read: ",
        ),
        (
            "passages",
            "modules.json",
            dense,
            "`modules.json` has the module `Dense`, which is neither in the graph nor supported",
        ),
        (
            "passages",
            "sentence_bert_config.json",
            "{\"max_seq_length\": 4}",
            "the folder's files allow 4 tokens per text, but the tokenizer adds 4 special tokens",
        ),
        (
            "passages",
            pooling,
            "{\"pooling_mode\": \"weightedmean\"}",
            "`1_Pooling/config.json` has the pooling `weightedmean`, which is not supported; expected mean, cls,",
        ),
        (
            "passages",
            pooling,
            "{\"pooling_mode\": [\"cls\", \"mean\"]}",
            "`1_Pooling/config.json` concatenates the poolings cls and mean, which is not supported",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, file, text, expected) in rows {
        match inspect(name, &[(file, text)]) {
            Err(message) if message.starts_with(expected) => {}
            Err(message) => wrong.push(format!(
                "{name} {file} {text}\n  expected {expected}\n  got      {message}"
            )),
            Ok(_) => wrong.push(format!(
                "{name} {file} {text}\n  expected {expected}\n  it was accepted"
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A tokenizer that lowercases already satisfies `do_lower_case`.
    let found = inspect("sentiment", &[("sentence_bert_config.json", lower)]).unwrap();
    assert!(found.card.text.is_some());
}
