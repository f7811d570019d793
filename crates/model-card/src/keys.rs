//! The check for unknown keys, before the typed reading: it knows every section's keys and names the
//! nearest one, which serde's own refusal does not.

use crate::CardError;

const CARD: &[&str] = &[
    "batching",
    "classification",
    "description",
    "embedding",
    "image",
    "input",
    "output",
    "placement",
    "precision",
    "runtime",
    "text",
    "version",
];
const TENSOR: &[&str] = &["datatype", "example_shape", "name", "shape"];
const BATCHING: &[&str] = &["max_delay_us", "max_size"];
const IMAGE: &[&str] = &[
    "channels",
    "crop",
    "filter",
    "height",
    "input",
    "layout",
    "mean",
    "resize",
    "resize_height",
    "resize_width",
    "scale",
    "shortest_edge",
    "std",
    "width",
];
const CLASSIFICATION: &[&str] = &["activation", "labels", "output", "top_k"];
const TEXT: &[&str] = &[
    "attention_mask",
    "input_ids",
    "max_tokens",
    "pad_id",
    "padding_side",
    "token_type_ids",
    "tokenizer",
    "truncation_side",
];
const EMBEDDING: &[&str] = &["normalize", "output", "pooling"];

/// How alike two keys must be (0 to 1) for one to be offered in place of the other.
const LIKENESS: f64 = 0.7;

/// Refuse the first key that no card has. Values of unexpected types are left to the typed reading.
pub(crate) fn check(card: &toml::Table) -> Result<(), CardError> {
    check_table(card, "the card", CARD)?;
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
    for (key, known) in [
        ("batching", BATCHING),
        ("image", IMAGE),
        ("classification", CLASSIFICATION),
        ("text", TEXT),
        ("embedding", EMBEDDING),
    ] {
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
    let nearest = known
        .iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(candidate, &key.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    Err(CardError::UnknownKey {
        key: key.clone(),
        place: place.to_owned(),
        nearest: nearest.map(|(_, candidate)| (*candidate).to_owned()),
        known: known.to_vec(),
    })
}
