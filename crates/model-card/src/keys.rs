//! The check for unknown keys. It runs before serde reads the card, because serde's own error does not name
//! the nearest key.

use crate::CardError;
use crate::tasks::SECTIONS;

/// The card's own keys; [`SECTIONS`] has the keys of tasks.
const CARD: &[&str] = &[
    "audio",
    "batching",
    "description",
    "example",
    "image",
    "input",
    "memory",
    "output",
    "placement",
    "precision",
    "table",
    "task",
    "text",
    "version",
];
const TENSOR: &[&str] = &["datatype", "example_shape", "name", "shape"];
const MEMORY: &[&str] = &["inference_mib", "loaded_mib"];
const BATCHING: &[&str] = &["max_delay_us", "max_size"];
const IMAGE: &[&str] = &[
    "alpha",
    "channels",
    "crop",
    "filter",
    "height",
    "input",
    "layout",
    "longest_edge",
    "mask",
    "mean",
    "multiple_of",
    "resize",
    "resize_height",
    "resize_width",
    "scale",
    "shortest_edge",
    "std",
    "width",
];
const TABLE: &[&str] = &["columns", "input"];
const AUDIO: &[&str] = &[
    "attention_mask",
    "chunk_seconds",
    "features",
    "hop_length",
    "input",
    "max_length",
    "mean",
    "mels",
    "n_fft",
    "normalize",
    "rate_hz",
    "std",
];
const TEXT: &[&str] = &[
    "attention_mask",
    "input_ids",
    "max_tokens",
    "pad_id",
    "padding_side",
    "position_ids",
    "prompt",
    "token_type_ids",
    "tokenizer",
    "truncation_side",
];

/// The similarity (0 to 1) from which one word is suggested in place of another.
const SIMILARITY: f64 = 0.7;

/// Keys that the card had once, and the reason why it has them no more.
const RETIRED: &[(&str, &str)] = &[(
    "runtime",
    "the engine has one runtime now, so the line can be removed",
)];

/// Reject the first unknown key. Values of unexpected types are left to serde.
pub(crate) fn check(card: &toml::Table) -> Result<(), CardError> {
    if let Some((key, reason)) = (RETIRED.iter()).find(|(key, _)| card.contains_key(*key)) {
        return Err(CardError::RetiredKey { key, reason });
    }
    let mut known = CARD.to_vec();
    known.extend(SECTIONS.iter().map(|(key, _, _)| *key));
    known.sort_unstable();
    check_table(card, "the card", &known)?;
    for (key, known) in [("input", TENSOR), ("output", TENSOR)] {
        for tensor in card
            .get(key)
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(table) = tensor.as_table() {
                check_table(table, &format!("[[{key}]]"), known)?;
            }
        }
    }
    let own = [
        ("audio", AUDIO),
        ("batching", BATCHING),
        ("image", IMAGE),
        ("memory", MEMORY),
        ("table", TABLE),
        ("text", TEXT),
    ];
    let of_tasks = SECTIONS.iter().map(|(key, known, _)| (*key, *known));
    for (key, known) in own.into_iter().chain(of_tasks) {
        if let Some(table) = card.get(key).and_then(toml::Value::as_table) {
            check_table(table, &format!("[{key}]"), known)?;
        }
    }
    Ok(())
}

fn check_table(table: &toml::Table, place: &str, known: &[&'static str]) -> Result<(), CardError> {
    let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) else {
        return Ok(());
    };
    Err(CardError::UnknownKey {
        key: key.clone(),
        place: place.to_owned(),
        nearest: nearest(key, known).map(str::to_owned),
        known: known.to_vec(),
    })
}

/// The candidate that a word most resembles, if it resembles one enough to be a typo of it.
pub(crate) fn nearest(word: &str, candidates: &[&'static str]) -> Option<&'static str> {
    let word = word.to_lowercase();
    candidates
        .iter()
        .map(|candidate| (strsim::jaro_winkler(candidate, &word), *candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
