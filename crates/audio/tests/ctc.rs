//! Greedy decoding held against transformers' (`references/generate.py`).

mod common;

use common::{read, report};
use infer_audio::{Ctc, CtcError, Span, Transcription, ctc};
use serde_json::Value;

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|value| value.as_str().expect("a text").to_owned())
        .collect()
}

fn spans(value: &Value) -> Vec<Span> {
    let number = |value: &Value| value.as_u64().expect("a number") as usize;
    let span = |value: &Value| Span {
        text: value[0].as_str().expect("a text").to_owned(),
        frames: number(&value[1])..number(&value[2]),
    };
    value.as_array().expect("a list").iter().map(span).collect()
}

/// Logits whose largest ones are these columns.
fn logits(columns: &[usize], count: usize) -> Vec<f32> {
    let logit = |column: usize, largest: usize, frame: usize| {
        if column == largest {
            0.5
        } else {
            -1.0 - ((column + frame) % 7) as f32
        }
    };
    let rows = columns.iter().enumerate();
    rows.flat_map(|(frame, &largest)| (0..count).map(move |column| logit(column, largest, frame)))
        .collect()
}

fn tokens(tokens: &[&str]) -> Vec<String> {
    tokens.iter().map(|&token| token.to_owned()).collect()
}

#[test]
fn sequences_decode_as_by_transformers() {
    let reference: Value = serde_json::from_slice(&read("references/ctc.json")).expect("JSON");
    let vocabulary = strings(&reference["tokens"]);
    let settings = Ctc {
        vocabulary: &vocabulary,
        blank: 0,
        word_delimiter: Some(4),
    };
    let cases = reference["cases"].as_array().expect("a list");
    assert_eq!(cases.len(), 40);
    let mut failures = Vec::new();
    for case in cases {
        let ids: Vec<usize> = case["ids"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|id| id.as_u64().expect("an id") as usize)
            .collect();
        let expected = Transcription {
            text: case["text"].as_str().expect("a text").to_owned(),
            characters: spans(&case["characters"]),
            words: spans(&case["words"]),
        };
        let got = ctc(&logits(&ids, vocabulary.len()), &settings);
        if got.as_ref() != Ok(&expected) {
            failures.push(format!("{ids:?}: expected {expected:?}, got {got:?}"));
        }
    }
    report(&failures);
}

#[test]
fn the_first_of_equal_logits_counts() {
    let vocabulary = tokens(&["_", "a", "b"]);
    let settings = Ctc {
        vocabulary: &vocabulary,
        blank: 0,
        word_delimiter: None,
    };
    let rows: [(&[f32], &str); 5] = [
        (&[0.0, 1.0, 1.0], "a"),
        (&[0.0, 0.0, 0.0], ""),
        (&[-1.0, f32::NEG_INFINITY, -0.5], "b"),
        (&[-0.0, 0.0, 0.0], ""),
        (&[1.0, f32::NAN, f32::NAN], "a"),
    ];
    for (logits, text) in rows {
        assert_eq!(
            ctc(logits, &settings).expect("one frame").text,
            text,
            "{logits:?}"
        );
    }
}

#[test]
fn a_space_separates_words_without_a_delimiter() {
    let vocabulary = tokens(&["a", "b", " ", "_", "<unk>", "<unk>"]);
    let settings = Ctc {
        vocabulary: &vocabulary,
        blank: 3,
        word_delimiter: None,
    };
    let got = ctc(&logits(&[2, 0, 1, 3, 2, 4, 5], 6), &settings).expect("whole frames");
    let span = |text: &str, frames| Span {
        text: text.to_owned(),
        frames,
    };
    assert_eq!(got.text, "ab <unk>");
    assert_eq!(got.words, [span("ab", 1..3), span("<unk>", 5..7)]);
}

#[test]
fn wrong_shapes_and_tokens_are_rejected() {
    let three = tokens(&["_", "a", "b"]);
    let rows = [
        (
            4,
            &three[..],
            0,
            None,
            "expected rows of 3 logits, one for each token, got 4 logits",
        ),
        (
            1,
            &three,
            0,
            Some(1),
            "expected rows of 3 logits, one for each token, got 1 logits",
        ),
        (
            3,
            &three,
            3,
            None,
            "the blank is token 3, expected less than 3, the size of the vocabulary",
        ),
        (
            3,
            &three,
            0,
            Some(9),
            "the word delimiter is token 9, expected less than 3, the size of the vocabulary",
        ),
        (
            0,
            &[],
            0,
            None,
            "the blank is token 0, expected less than 0, the size of the vocabulary",
        ),
    ];
    for (len, vocabulary, blank, word_delimiter, message) in rows {
        let got = ctc(
            &vec![0.0; len],
            &Ctc {
                vocabulary,
                blank,
                word_delimiter,
            },
        );
        assert_eq!(
            got.as_ref().map_err(CtcError::to_string),
            Err(message.to_owned())
        );
    }
}
