use std::borrow::Cow;

use infer_model_card::{ModelCard, Side, TextSpec};
use serde_json::Value;

use super::batches::{Batch, batches};
use super::encoder::{Encoder, EncoderError};
use crate::http::limits::Limits;

use super::{Texts, Tokens, encode};
use crate::catalog::{Files, Models};
use crate::tensor::Tensor;

fn file(path: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/texts");
    std::fs::read_to_string(root.join(path)).unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&file(path)).unwrap()
}

/// The folders of tests/texts, and the token limits of their models.
const TOKENIZERS: [(&str, u32); 3] = [("sentiment", 48), ("sentences", 128), ("passages", 40)];

fn spec(max_tokens: u32) -> TextSpec {
    TextSpec {
        max_tokens,
        ..TextSpec::default()
    }
}

#[test]
fn tokens_are_those_of_transformers() {
    let texts = json("texts.json");
    let texts = texts.as_array().unwrap();
    assert!(texts.len() >= 40);
    let expected = json("expected.json");
    let mut wrong = Vec::new();
    let mut longest = 0;
    for (folder, max_tokens) in TOKENIZERS {
        let tokenizer = file(&format!("{folder}/tokenizer.json"));
        let encoder = Encoder::new(&tokenizer, &spec(max_tokens), None).unwrap();
        let expected = expected[folder]["tokens"].as_array().unwrap();
        assert_eq!(expected.len(), texts.len());
        for (text, expected) in texts.iter().zip(expected) {
            let text = text.as_str().unwrap();
            let expected: Vec<u32> = serde_json::from_value(expected.clone()).unwrap();
            let actual = encoder.encode(text, None).unwrap().ids;
            longest = longest.max(actual.len());
            if actual != expected {
                wrong.push(format!("{folder} {text:?}\n  {actual:?}\n  {expected:?}"));
            }
        }
    }
    assert_eq!(longest, 128, "one of them is cut");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_prompt_is_before_every_text() {
    let tokenizer = file("sentiment/tokenizer.json");
    let plain = Encoder::new(&tokenizer, &spec(48), None).unwrap();
    let prompted = TextSpec {
        prompt: "the lazy ".to_owned(),
        ..spec(48)
    };
    let prompted = Encoder::new(&tokenizer, &prompted, None).unwrap();
    for text in ["dog", "", "dog and the fox"] {
        let expected = plain.encode(&format!("the lazy {text}"), None).unwrap();
        assert_eq!(prompted.encode(text, None).unwrap(), expected, "{text:?}");
    }
}

#[test]
fn positions_count_the_tokens_of_a_text() {
    let tokens = |count: u32| Tokens {
        ids: (1..=count).collect(),
        types: vec![0; count as usize],
    };
    let texts = Texts {
        rows: vec![tokens(3), tokens(1)],
    };
    let input =
        |name: &str| format!("[[input]]\nname = '{name}'\ndatatype = 'INT64'\nshape = [-1, -1]\n");
    let output = "[[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = [-1, 2]\n";
    let (ids, positions) = (input("input_ids"), input("position_ids"));
    for (side, expected) in [("right", [0, 1, 2, 0, 1, 1]), ("left", [0, 1, 2, 1, 1, 0])] {
        let card = format!("{ids}{positions}{output}[text]\npadding_side = '{side}'\n");
        let card = ModelCard::parse(&card).unwrap();
        let batch = batches(&texts, &card, false).unwrap();
        let positions = shown(&batch[0]).pop().unwrap();
        assert_eq!(positions, ("position_ids", vec![2, 3], expected.to_vec()));
    }
}

#[test]
fn a_text_is_truncated_at_the_side_of_the_card() {
    let tokenizer = file("sentiment/tokenizer.json");
    let whole = Encoder::new(&tokenizer, &spec(48), None).unwrap();
    let whole = whole.encode("the lazy dog and the fox", None).unwrap().ids;
    let (first, last) = (whole[0], whole[whole.len() - 1]);
    let cut = |side, fixed| {
        let spec = TextSpec {
            truncation_side: side,
            ..spec(6)
        };
        let encoder = Encoder::new(&tokenizer, &spec, fixed).unwrap();
        encoder
            .encode("the lazy dog and the fox", None)
            .unwrap()
            .ids
    };
    let right = [&[first], &whole[1..5], &[last]].concat();
    assert_eq!(cut(Side::Right, None), right);
    let left = [&[first], &whole[whole.len() - 5..]].concat();
    assert_eq!(cut(Side::Left, None), left);
    assert_eq!(cut(Side::Left, Some(5)).len(), 5, "the graph has less room");
}

#[test]
fn invalid_tokenizers_have_their_errors() {
    for (json, expected) in [
        ("", "it is not a supported tokenizer: EOF"),
        ("[]", "it is not a supported tokenizer: "),
        // Truncated files, over which the library panics.
        (
            r#"{"version": "1.0", "decoder": "#,
            "it is not a supported tokenizer: EOF",
        ),
        (
            r#"{"version": "1.0", "decoder": {"type": "WordPiece", "pre"#,
            "it is not a supported tokenizer: EOF",
        ),
        (
            r#"{"version": "1.0", "decoder": }"#,
            "it is not a supported tokenizer: expected value",
        ),
        (
            r#"{"version": "1.0", "model": {"type": "Telepathy"}}"#,
            "it is not a supported tokenizer: ",
        ),
    ] {
        let message = Encoder::new(json, &spec(8), None).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{json}: {message}");
    }
    let tokenizer = file("sentiment/tokenizer.json");
    let error = Encoder::new(&tokenizer, &spec(3), None).unwrap_err();
    assert!(
        matches!(error, EncoderError::MaxTokens { special: 3, .. }),
        "{error}"
    );
}

fn row(ids: &[u32]) -> Tokens {
    Tokens {
        ids: ids.to_vec(),
        types: vec![0; ids.len()],
    }
}

fn card(shape: &str, text: &str) -> ModelCard {
    let input = |name: &str, datatype: &str| {
        format!("[[input]]\nname = '{name}'\ndatatype = '{datatype}'\nshape = {shape}\n")
    };
    let (ids, mask) = (
        input("input_ids", "INT64"),
        input("attention_mask", "INT32"),
    );
    let output = "[[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = [-1, 2]\n";
    ModelCard::parse(&format!("{ids}{mask}{output}[text]\n{text}")).unwrap()
}

/// The elements of a batch's inputs, row by row.
fn shown(batch: &Batch) -> Vec<(&str, Vec<u32>, Vec<i64>)> {
    let numbers = |tensor: &Tensor| -> Vec<i64> {
        let size = tensor.datatype.element_bytes().unwrap();
        tensor
            .data
            .chunks(size)
            .map(|bytes| {
                let mut all = [0; 8];
                all[..size].copy_from_slice(bytes);
                i64::from_le_bytes(all)
            })
            .collect()
    };
    batch
        .inputs
        .iter()
        .map(|(name, tensor)| {
            assert!(tensor.is_whole());
            (name.as_str(), tensor.shape.clone(), numbers(tensor))
        })
        .collect()
}

#[test]
fn batches_are_padded_to_the_longest() {
    let texts = Texts {
        rows: vec![row(&[5, 6, 7]), row(&[8])],
    };
    let right = batches(&texts, &card("[-1, -1]", "pad_id = 9"), false).unwrap();
    assert_eq!(right.len(), 1);
    assert_eq!(right[0].lengths, [3, 1]);
    assert_eq!(
        shown(&right[0]),
        [
            ("input_ids", vec![2, 3], vec![5, 6, 7, 8, 9, 9]),
            ("attention_mask", vec![2, 3], vec![1, 1, 1, 1, 0, 0]),
        ]
    );
    let left = card("[-1, -1]", "padding_side = 'left'");
    let left = batches(&texts, &left, false).unwrap();
    assert_eq!(
        shown(&left[0]),
        [
            ("input_ids", vec![2, 3], vec![5, 6, 7, 0, 0, 8]),
            ("attention_mask", vec![2, 3], vec![1, 1, 1, 0, 0, 1]),
        ]
    );
    // A graph that takes one text of four tokens.
    let fixed = batches(&texts, &card("[1, 4]", ""), false).unwrap();
    let actual: Vec<_> = fixed.iter().map(|batch| shown(batch)[0].clone()).collect();
    assert_eq!(
        actual,
        [
            ("input_ids", vec![1, 4], vec![5, 6, 7, 0]),
            ("input_ids", vec![1, 4], vec![8, 0, 0, 0]),
        ]
    );
    let error = batches(&texts, &card("[3, -1]", ""), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model takes 3 texts at a time, got 2"
    );
}

#[test]
fn batches_have_at_most_their_limit_of_tokens() {
    let long: Vec<u32> = (0..600).collect();
    let texts = Texts {
        rows: vec![row(&[1]), row(&[2]), row(&long), row(&long), row(&[3])],
    };
    let sizes = |equal| -> Vec<(usize, u32)> {
        batches(&texts, &card("[-1, -1]", ""), equal)
            .unwrap()
            .iter()
            .map(|batch| (batch.lengths.len(), batch.inputs[0].1.shape[1]))
            .collect()
    };
    assert_eq!(sizes(false), [(2, 1), (1, 600), (1, 600), (1, 1)]);
    assert_eq!(sizes(true), [(1, 600); 5]);
}

#[test]
fn invalid_texts_have_their_errors() {
    let tokenizer = file("sentences/tokenizer.json");
    let text = "[[input]]\nname = 'input_ids'\ndatatype = 'INT64'\nshape = [-1, -1]\n\
                [[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = [-1, 2]\n";
    let mut models = Models::new();
    let files = Files {
        labels: None,
        tokenizer: Some(&tokenizer),
        ..Files::default()
    };
    models.add("m", &format!("{text}[text]"), files).unwrap();
    let error = models.add("n", &format!("{text}[text]"), Files::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "`model.toml` names the tokenizer `tokenizer.json`, which is missing; put it beside `model.toml`"
    );
    models.add("tensors", text, Files::default()).unwrap();
    let (model, tensors) = (models.get("m").unwrap(), models.get("tensors").unwrap());
    let owned = |texts: &[&str]| -> Vec<Cow<'static, str>> {
        texts
            .iter()
            .map(|text| Cow::Owned((*text).to_owned()))
            .collect()
    };
    let long = "a".repeat(1024 * 1024 + 1);
    let many = vec!["a"; 2049];
    let cases = [
        (
            tensors,
            owned(&["a"]),
            None,
            400,
            "model `tensors` takes no texts; it takes application/json",
        ),
        (
            model,
            owned(&[]),
            None,
            400,
            "the list of texts is empty, expected one or more",
        ),
        (
            model,
            owned(&many),
            None,
            400,
            "2049 texts, expected at most 2048; the limit is the setting `INFER_MAX_TEXTS`",
        ),
        (
            model,
            owned(&[&long]),
            None,
            413,
            "the text has 1048577 bytes, expected at most 1048576",
        ),
        (
            model,
            owned(&["a", &long]),
            None,
            413,
            "text 1 has 1048577 bytes",
        ),
        (
            model,
            owned(&["a"]),
            Some(owned(&["a", "b"])),
            400,
            "`text` has 1 and `text_pair` 2",
        ),
        (
            model,
            owned(&["a"]),
            Some(owned(&[&long])),
            413,
            "the text has 1048577 bytes",
        ),
    ];
    for (model, texts, pairs, status, expected) in cases {
        let error = encode(
            model.accepts(),
            &texts,
            pairs.as_deref(),
            &Limits::default(),
        )
        .unwrap_err();
        assert_eq!(error.kind().status(), status, "{error}");
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
