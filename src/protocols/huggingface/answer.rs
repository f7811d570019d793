//! Predictions become the API's responses: the dataclasses of `huggingface_hub` (`inference/_generated/types`) name their
//! members.

use serde_json::{Map, Value, json};

use crate::tasks::parameters::{AGGREGATION_STRATEGY, TOP_K, Values};

/// The response for the predictions of each item.
pub(super) fn answer(task: &str, items: Vec<Vec<Value>>, is_batch: bool, values: &Values) -> Value {
    let mut answers = items
        .into_iter()
        .map(|predictions| item(task, predictions, values));
    // The client takes the first list of a classification's lists; tables have a value for each row.
    let is_list = is_batch
        || matches!(
            task,
            "text-classification" | "tabular-classification" | "tabular-regression"
        );
    if is_list {
        return Value::Array(answers.collect());
    }
    answers.next().unwrap_or_else(|| json!([]))
}

/// The response for one item.
fn item(task: &str, predictions: Vec<Value>, values: &Values) -> Value {
    let first = |predictions: Vec<Value>| predictions.into_iter().next().unwrap_or(Value::Null);
    match task {
        "image-classification"
        | "text-classification"
        | "audio-classification"
        | "zero-shot-classification"
        | "zero-shot-image-classification" => each(predictions, &["label", "score"]),
        "object-detection" => each(predictions, &["label", "score", "box", "polygon"]),
        "keypoint-detection" => each(predictions, &["label", "score", "box", "keypoints"]),
        "instance-segmentation" => each(predictions, &["label", "score", "box", "mask"]),
        "image-segmentation" => each(predictions, &["label", "score", "mask"]),
        "depth-estimation" => renamed(first(predictions), &[("map", "depth")]),
        "token-classification" => {
            let entity = match values.text(AGGREGATION_STRATEGY) {
                "none" => "entity",
                _ => "entity_group",
            };
            list(predictions, &[("label", entity), ("text", "word")])
        }
        "question-answering" => {
            let names = [("text", "answer")];
            if values.integer(TOP_K) > 1 {
                return list(predictions, &names);
            }
            match first(predictions) {
                Value::Null => json!({ "answer": "", "score": 0.0, "start": 0, "end": 0 }),
                answer => renamed(answer, &names),
            }
        }
        "fill-mask" => list(
            predictions,
            &[
                ("label", "token_str"),
                ("index", "token"),
                ("text", "sequence"),
            ],
        ),
        "automatic-speech-recognition" => transcription(first(predictions)),
        "tabular-classification" => first(predictions).get("label").cloned().unwrap_or_default(),
        "tabular-regression" => first(predictions).get("value").cloned().unwrap_or_default(),
        _ => Value::Array(predictions),
    }
}

/// Each prediction with these members only, its box in whole pixels.
fn each(predictions: Vec<Value>, names: &[&str]) -> Value {
    let predictions = predictions.into_iter().map(|prediction| {
        let Value::Object(members) = prediction else {
            return prediction;
        };
        let kept = members
            .into_iter()
            .filter(|(name, _)| names.contains(&name.as_str()));
        Value::Object(
            kept.map(|(name, value)| match name.as_str() {
                "box" => (name, whole(value)),
                _ => (name, value),
            })
            .collect(),
        )
    });
    Value::Array(predictions.collect())
}

/// The corners of a box as integers. `transformers` cuts the fractions off.
fn whole(corners: Value) -> Value {
    let Value::Object(corners) = corners else {
        return corners;
    };
    let corners = corners.into_iter().map(|(name, value)| {
        let value = value.as_f64().map_or(value, |value| json!(value as i64));
        (name, value)
    });
    Value::Object(corners.collect())
}

/// Each prediction with some members renamed.
fn list(predictions: Vec<Value>, names: &[(&str, &str)]) -> Value {
    let predictions = predictions.into_iter();
    Value::Array(
        predictions
            .map(|prediction| renamed(prediction, names))
            .collect(),
    )
}

fn renamed(prediction: Value, names: &[(&str, &str)]) -> Value {
    let Value::Object(members) = prediction else {
        return prediction;
    };
    let members: Map<String, Value> = members
        .into_iter()
        .map(|(name, value)| {
            let new = names.iter().find(|(old, _)| *old == name);
            (new.map_or(name, |(_, new)| (*new).to_owned()), value)
        })
        .collect();
    Value::Object(members)
}

/// A text, and its parts with `timestamp` instead of `start` and `end`.
fn transcription(mut prediction: Value) -> Value {
    let chunks = prediction.get_mut("chunks").and_then(Value::as_array_mut);
    for chunk in chunks.into_iter().flatten() {
        if let Value::Object(members) = chunk {
            let mut take = |name| members.remove(name).unwrap_or_default();
            let times = json!([take("start"), take("end")]);
            members.insert("timestamp".to_owned(), times);
        }
    }
    prediction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::parameters::{Given, Kind, Parameter};

    fn values(parameter: Option<(&'static str, Kind, Value)>) -> Values {
        let Some((name, kind, value)) = parameter else {
            return Values::default();
        };
        let declared = [Parameter {
            name,
            description: "",
            kind,
        }];
        let lookup = |wanted: &str| Ok((wanted == name).then(|| Given::Json(value.clone())));
        Values::parse(&declared, "m", lookup).unwrap()
    }

    #[test]
    fn predictions_of_the_contract_become_the_clients_classes() {
        let strategy = |word: &str| {
            let kind = Kind::Choice {
                values: &["none", "simple"],
                default: "simple",
            };
            values(Some((AGGREGATION_STRATEGY, kind, json!(word))))
        };
        let top_k = |count: u32| {
            let kind = Kind::Integer {
                min: 1,
                max: 9,
                default: 1,
            };
            values(Some((TOP_K, kind, json!(count))))
        };
        let none = || values(None);
        let class = json!({ "label": "cat", "index": 3, "score": 0.5 });
        let short = json!({ "label": "cat", "score": 0.5 });
        let corners = json!({ "xmin": 1.9, "ymin": -0.5, "xmax": 30.99, "ymax": 4.0 });
        let whole = json!({ "xmin": 1, "ymin": 0, "xmax": 30, "ymax": 4 });
        let object = json!({ "label": "cat", "index": 3, "score": 0.5, "box": corners });
        let entity = json!({ "label": "PER", "score": 0.5, "start": 0, "end": 3, "text": "Ada" });
        let span = json!({ "text": "Paris", "score": 0.5, "start": 3, "end": 8 });
        let answer_of = json!({ "answer": "Paris", "score": 0.5, "start": 3, "end": 8 });
        let chunk = json!({ "text": "a", "start": 0.0, "end": 0.5 });
        let cases = [
            (
                "image-classification",
                json!([[class]]),
                false,
                none(),
                json!([short]),
            ),
            (
                "image-classification",
                json!([[class], [class]]),
                true,
                none(),
                json!([[short], [short]]),
            ),
            (
                "text-classification",
                json!([[class]]),
                false,
                none(),
                json!([[short]]),
            ),
            (
                "text-classification",
                json!([[class]]),
                true,
                none(),
                json!([[short]]),
            ),
            (
                "zero-shot-classification",
                json!([[short]]),
                false,
                none(),
                json!([short]),
            ),
            (
                "object-detection",
                json!([[object]]),
                false,
                none(),
                json!([{ "label": "cat", "score": 0.5, "box": whole }]),
            ),
            ("object-detection", json!([[]]), false, none(), json!([])),
            (
                "keypoint-detection",
                json!([[{ "label": "a", "index": 0, "score": 1, "box": corners, "keypoints": [{ "x": 1.5, "y": 2, "score": 1 }] }]]),
                false,
                none(),
                json!([{ "label": "a", "score": 1, "box": whole, "keypoints": [{ "x": 1.5, "y": 2, "score": 1 }] }]),
            ),
            (
                "image-segmentation",
                json!([[{ "label": "sky", "score": 0.5, "mask": "iVBO" }]]),
                false,
                none(),
                json!([{ "label": "sky", "score": 0.5, "mask": "iVBO" }]),
            ),
            (
                "instance-segmentation",
                json!([[{ "label": "a", "index": 1, "score": 0.5, "box": corners, "mask": "iVBO" }]]),
                false,
                none(),
                json!([{ "label": "a", "score": 0.5, "box": whole, "mask": "iVBO" }]),
            ),
            (
                "depth-estimation",
                json!([[{ "map": "iVBO", "min": 0.5, "max": 2 }]]),
                false,
                none(),
                json!({ "depth": "iVBO", "min": 0.5, "max": 2 }),
            ),
            (
                "token-classification",
                json!([[entity]]),
                false,
                strategy("simple"),
                json!([{ "entity_group": "PER", "score": 0.5, "start": 0, "end": 3, "word": "Ada" }]),
            ),
            (
                "token-classification",
                json!([[entity]]),
                false,
                strategy("none"),
                json!([{ "entity": "PER", "score": 0.5, "start": 0, "end": 3, "word": "Ada" }]),
            ),
            (
                "question-answering",
                json!([[span]]),
                false,
                top_k(1),
                answer_of.clone(),
            ),
            (
                "question-answering",
                json!([[]]),
                false,
                top_k(1),
                json!({ "answer": "", "score": 0.0, "start": 0, "end": 0 }),
            ),
            (
                "question-answering",
                json!([[span, span]]),
                false,
                top_k(2),
                json!([answer_of, answer_of]),
            ),
            (
                "fill-mask",
                json!([[{ "label": "paris", "index": 9, "score": 0.5, "text": "in paris" }]]),
                false,
                none(),
                json!([{ "token_str": "paris", "token": 9, "score": 0.5, "sequence": "in paris" }]),
            ),
            (
                "text-ranking",
                json!([[{ "index": 1, "score": 0.5 }]]),
                false,
                none(),
                json!([{ "index": 1, "score": 0.5 }]),
            ),
            (
                "automatic-speech-recognition",
                json!([[{ "text": "a", "chunks": [chunk] }]]),
                false,
                none(),
                json!({ "text": "a", "chunks": [{ "text": "a", "timestamp": [0.0, 0.5] }] }),
            ),
            (
                "automatic-speech-recognition",
                json!([[{ "text": "a" }]]),
                false,
                none(),
                json!({ "text": "a" }),
            ),
            (
                "audio-classification",
                json!([[class]]),
                false,
                none(),
                json!([short]),
            ),
            (
                "voice-activity-detection",
                json!([[{ "start": 0, "end": 1, "score": 0.5 }]]),
                false,
                none(),
                json!([{ "start": 0, "end": 1, "score": 0.5 }]),
            ),
            (
                "tabular-classification",
                json!([[class], [class]]),
                true,
                none(),
                json!(["cat", "cat"]),
            ),
            (
                "tabular-regression",
                json!([[{ "value": 2.5 }]]),
                false,
                none(),
                json!([2.5]),
            ),
        ];
        let mut wrong = Vec::new();
        for (task, predictions, is_batch, values, expected) in cases {
            let items: Vec<Vec<Value>> = serde_json::from_value(predictions).unwrap();
            let actual = answer(task, items, is_batch, &values);
            if actual != expected {
                wrong.push(format!("{task}: {actual}, expected {expected}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
