//! Every model of `tests/tasks`, imported as a user would, answers as the Python packages do.
//!
//! A set is a folder with a `model/` and `cases.json`, whose generators are in `tests/tasks/generate`.

#[path = "support/engine.rs"]
mod engine;
#[path = "support/service.rs"]
mod service;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use infer_import::Options;
use infer_import::source::Source;
use serde::Deserialize;
use serde_json::{Value, json};
use service::Service;

/// A request, and the answer of the package.
#[derive(Deserialize)]
struct Case {
    name: String,
    input: Value,
    #[serde(default)]
    parameters: Value,
    expected: Value,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/tasks")
}

/// The folders of a task's sets.
fn sets(task: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(task)).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path());
    let mut sets: Vec<PathBuf> = folders
        .filter(|folder| folder.join("model").exists())
        .collect();
    sets.sort();
    sets
}

/// A file that a case names.
fn file(set: &Path, name: &str) -> Vec<u8> {
    let places = [
        set.join("inputs"),
        set.join("images"),
        root().join("images"),
        root().join("audio"),
    ];
    let found = places
        .iter()
        .map(|place| place.join(name))
        .find(|path| path.exists());
    std::fs::read(found.unwrap_or_else(|| panic!("{name} of {}", set.display()))).unwrap()
}

/// The body of a request: the members as they are, files in base64.
fn body(set: &Path, case: &Case) -> Vec<u8> {
    let mut body = case.input.clone();
    for member in ["image", "audio"] {
        if let Some(Value::String(name)) = body.get(member) {
            body[member] = json!(BASE64_STANDARD.encode(file(set, name)));
        }
    }
    // The pipeline of `transformers` returns every class of a sound.
    if case.parameters.get("function_to_apply").is_some() {
        body["parameters"] = case.parameters.clone();
        body["parameters"]["top_k"] = json!(case.expected.as_array().map(Vec::len));
        return body.to_string().into_bytes();
    }
    if case
        .parameters
        .as_object()
        .is_some_and(|members| !members.is_empty())
    {
        body["parameters"] = case.parameters.clone();
    }
    body.to_string().into_bytes()
}

/// The gray values of a PNG file in base64.
fn pixels(value: &Value) -> (u32, u32, Vec<u16>) {
    let file = BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
    let image = image::load_from_memory(&file).unwrap();
    (
        image.width(),
        image.height(),
        image.into_luma16().into_raw(),
    )
}

/// How two masks or maps differ by more than rounding: an edge may move by a pixel here and there.
fn differing_pixels(actual: &Value, expected: &Value) -> Option<String> {
    let ((width, height, actual), (columns, rows, expected)) = (pixels(actual), pixels(expected));
    if (width, height) != (columns, rows) {
        return Some(format!(
            "{width}x{height} pixels, expected {columns}x{rows}"
        ));
    }
    let count = actual
        .iter()
        .zip(&expected)
        .filter(|(actual, expected)| actual.abs_diff(**expected) > 600)
        .count();
    (count * 200 > actual.len().max(400))
        .then(|| format!("{count} of {} pixels differ", actual.len()))
}

/// The elements with those of nearly equal scores in the order of the expected ones.
///
/// Two scores may change places if they are closer than the tolerance.
fn in_order_of_ties(actual: &[Value], expected: &[Value]) -> Vec<Value> {
    let mut left: Vec<&Value> = actual.iter().collect();
    let mut ordered = Vec::new();
    for wanted in expected {
        let is_close = |found: &&Value| {
            let score = |value: &Value| value.get("score").and_then(Value::as_f64);
            matches!((score(found), score(wanted)), (Some(a), Some(b)) if (a - b).abs() <= SCORE)
                && difference("", found, wanted).is_none()
        };
        let place = left.iter().position(is_close).unwrap_or(0);
        ordered.push(left.remove(place).clone());
    }
    ordered
}

/// The tolerance of scores.
const SCORE: f64 = 1e-4;

/// The first difference: texts, labels and offsets are equal, boxes within half a pixel, scores within 1e-4.
fn difference(key: &str, actual: &Value, expected: &Value) -> Option<String> {
    match (actual, expected) {
        (_, Value::Object(members)) if members.contains_key("samples") => {
            map_difference(actual, expected)
        }
        (Value::Object(actual), Value::Object(expected)) => {
            let mut actual = actual.clone();
            if !expected.contains_key("chunks") {
                // The times of words are in every response here.
                actual.remove("chunks");
            }
            let actual = &actual;
            if !actual.keys().eq(expected.keys()) {
                let names = |object: &serde_json::Map<String, Value>| {
                    object.keys().cloned().collect::<Vec<_>>().join(" ")
                };
                return Some(format!(
                    "members {}, expected {}",
                    names(actual),
                    names(expected)
                ));
            }
            actual
                .iter()
                .find_map(|(key, value)| difference(key, value, &expected[key]))
        }
        (Value::Array(actual), Value::Array(expected)) => {
            if actual.len() != expected.len() {
                return Some(format!(
                    "{key}: {} elements, expected {}",
                    actual.len(),
                    expected.len()
                ));
            }
            let pairs = in_order_of_ties(actual, expected);
            let pairs = pairs.iter().zip(expected).enumerate();
            pairs
                .filter_map(|(index, (actual, expected))| {
                    Some(format!("[{index}] {}", difference(key, actual, expected)?))
                })
                .next()
        }
        (Value::String(_), Value::String(_)) if matches!(key, "mask" | "map") => {
            differing_pixels(actual, expected)
        }
        (Value::Number(actual), Value::Number(expected)) => {
            let (actual, expected) = (actual.as_f64()?, expected.as_f64()?);
            let tolerance = match key {
                "xmin" | "ymin" | "xmax" | "ymax" | "x" | "y" | "polygon" => 0.5,
                "index" => 0.0,
                "start" | "end" if expected.fract() == 0.0 => 0.0,
                "min" | "max" | "value" => 1e-4 * expected.abs().max(1.0),
                _ => SCORE,
            };
            let is_close = (actual - expected).abs() <= tolerance;
            (!is_close).then(|| format!("{key}: {actual}, expected {expected}"))
        }
        // `transformers` gives a segment no score, and `silero-vad` speech.
        (Value::Number(_), Value::Null) if key == "score" => None,
        _ => (actual != expected).then(|| format!("{key}: {actual}, expected {expected}")),
    }
}

/// The expected answer, as far as a response can have it.
fn possible(expected: &Value) -> Value {
    let mut expected = expected.clone();
    let Some(items) = expected.as_array_mut() else {
        return expected;
    };
    // JSON has no NaN: such a box is left out.
    items.retain(|item| {
        !item["box"]
            .as_object()
            .is_some_and(|edges| edges.values().any(Value::is_null))
    });
    // Equal scores have no order there; here the first class is the first.
    if items
        .iter()
        .all(|item| item["index"].is_u64() && item["box"].is_null())
    {
        items.sort_by(|a, b| {
            let order = b["score"].as_f64().partial_cmp(&a["score"].as_f64());
            let index = |item: &Value| item["index"].as_u64();
            order.unwrap().then(index(a).cmp(&index(b)))
        });
    }
    for item in items {
        // `silero-vad` gives speech no score.
        if item["end"].is_number() && item.get("text").is_none() && item.get("score").is_none() {
            item["score"] = Value::Null;
        }
        // A label file has one label on each line.
        if let Some(label) = item["label"].as_str() {
            item["label"] = json!(label.replace('\n', " "));
        }
    }
    expected
}

/// The difference between the answers to a JPEG: decoders differ by a level or two, and random networks amplify that, so only
/// the best score is compared.
fn difference_of_jpeg(actual: &Value, expected: &Value) -> Option<String> {
    let score = |answer: &Value| answer[0]["score"].as_f64();
    let is_close = match (score(actual), score(expected)) {
        (Some(actual), Some(expected)) => (actual - expected).abs() < 3e-2,
        (actual, expected) => actual.is_some() == expected.is_some(),
    };
    (!is_close).then(|| format!("{:?}, expected {:?}", score(actual), score(expected)))
}

/// A map in the form of the references: its size, its range, and values at places.
fn map_difference(actual: &Value, expected: &Value) -> Option<String> {
    let (width, height, gray) = pixels(actual.get("map").or(actual.get("mask"))?);
    let number = |value: &Value, otherwise: f64| value.as_f64().unwrap_or(otherwise);
    let size = (expected["width"].as_u64()?, expected["height"].as_u64()?);
    if (u64::from(width), u64::from(height)) != size {
        return Some(format!("{width}x{height} pixels, expected {size:?}"));
    }
    // A mask is the opacity itself.
    let (min, max) = (number(&actual["min"], 0.0), number(&actual["max"], 1.0));
    let range = (number(&expected["max"], 1.0) - number(&expected["min"], 0.0)).abs();
    let tolerance = (range * 5e-3).max(1.0 / 255.0);
    for sample in expected["samples"].as_array()? {
        let place = |index: usize| sample[index].as_u64().unwrap_or(0) as usize;
        let value = gray[place(1) * width as usize + place(0)];
        let value = min + f64::from(value) / 65535.0 * (max - min);
        let wanted = number(&sample[2], f64::NAN);
        let is_close = (value - wanted).abs() <= tolerance;
        if !is_close {
            return Some(format!(
                "{} at {},{}, expected {wanted}",
                value,
                place(0),
                place(1)
            ));
        }
    }
    None
}

/// Sets that the engine or the import does not support yet: strings inside of a graph, `ZipMap` and labels in the graph. Each
/// must be refused.
const UNSUPPORTED: [&str; 4] = [
    "tabular-classification/columns",
    "tabular-classification/forest",
    "tabular-classification/logistic-zipmap",
    "tabular-regression/columns",
];

/// Import every set of a task and send its requests.
fn check(task: &str) {
    let sets = sets(task);
    assert!(!sets.is_empty(), "there is no set of {task}");
    let mut wrong = Vec::new();
    for set in sets {
        let name = set.file_name().unwrap().to_string_lossy().into_owned();
        let is_unsupported = UNSUPPORTED.contains(&&*format!("{task}/{name}"));
        let source = match Source::find(&set.join("model"), None) {
            Ok(source) => source,
            Err(_) if is_unsupported => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        let found = match infer_import::inspect(source, &Options::default(), &engine::Native) {
            Ok(_) if is_unsupported => {
                wrong.push(format!("{name} is imported, so it is supported"));
                continue;
            }
            Ok(found) => found,
            Err(_) if is_unsupported => continue,
            Err(error) => {
                wrong.push(format!("{name} is not imported: {error}"));
                continue;
            }
        };
        // Background removers are tagged as segmentation on the hub.
        let name_of_task = match task {
            "background-removal" => "image-segmentation",
            task => task,
        };
        if found.card.task_name != Some(name_of_task) {
            wrong.push(format!("{name} has the task {:?}", found.card.task_name));
            continue;
        }
        let service = Service::new(&found);
        let cases: Vec<Case> =
            serde_json::from_slice(&std::fs::read(set.join("cases.json")).unwrap()).unwrap();
        assert!(cases.len() >= 13, "{name} has {} cases", cases.len());
        for case in cases {
            let answer = service.post("/infer/m", &body(&set, &case));
            let difference = match answer {
                Ok(answer)
                    if case.input["image"]
                        .as_str()
                        .is_some_and(|name| name.ends_with("jpg")) =>
                {
                    difference_of_jpeg(&answer["predictions"][0], &case.expected)
                }
                Ok(answer) => difference("", &answer["predictions"][0], &possible(&case.expected)),
                Err((status, message)) => Some(format!("{status} {message}")),
            };
            if let Some(difference) = difference {
                wrong.push(format!("{name}, {}: {difference}", case.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn object_detection() {
    check("object-detection");
}

#[test]
fn instance_segmentation() {
    check("instance-segmentation");
}

#[test]
fn keypoint_detection() {
    check("keypoint-detection");
}

#[test]
fn image_segmentation() {
    check("image-segmentation");
}

#[test]
fn depth_estimation() {
    check("depth-estimation");
}

#[test]
fn zero_shot_image_classification() {
    check("zero-shot-image-classification");
}

#[test]
fn automatic_speech_recognition() {
    check("automatic-speech-recognition");
}

#[test]
fn audio_classification() {
    check("audio-classification");
}

#[test]
fn voice_activity_detection() {
    check("voice-activity-detection");
}

#[test]
fn tabular_classification() {
    check("tabular-classification");
}

#[test]
fn tabular_regression() {
    check("tabular-regression");
}

#[test]
fn background_removal() {
    check("background-removal");
}

/// The vectors of images, normalized or not, are outputs.
#[test]
fn image_feature_extraction() {
    let mut wrong = Vec::new();
    for set in sets("image-feature-extraction") {
        let source = Source::find(&set.join("model"), None).unwrap();
        let found = infer_import::inspect(source, &Options::default(), &engine::Native).unwrap();
        assert_eq!(found.card.task_name, Some("image-feature-extraction"));
        let service = Service::new(&found);
        let text = std::fs::read(set.join("cases.json")).unwrap();
        for case in serde_json::from_slice::<Vec<Case>>(&text).unwrap() {
            let answer = service.post("/infer/m", &body(&set, &case)).unwrap();
            let expected = &case.expected[0];
            let wanted = expected.get("pooler_output").unwrap_or(&expected["cls"]);
            let actual: Vec<f64> =
                serde_json::from_value(answer["outputs"][0]["data"].clone()).unwrap();
            let wanted: Vec<f64> = serde_json::from_value(wanted.clone()).unwrap();
            let is_jpeg = case.input["image"]
                .as_str()
                .is_some_and(|name| name.ends_with("jpg"));
            let tolerance = if is_jpeg { 1e-1 } else { 5e-3 };
            let is_close = |(a, b): (&f64, &f64)| (a - b).abs() < tolerance;
            if actual.len() != wanted.len() || !actual.iter().zip(&wanted).all(is_close) {
                wrong.push(format!("{}: {actual:?}, expected {wanted:?}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The pixels of Ultralytics' letterbox, which OpenCV resizes, are the same to the last bit.
#[test]
fn letterboxes() {
    let set = root().join("object-detection/yolov8");
    let source = Source::find(&set.join("model"), None).unwrap();
    let found = infer_import::inspect(source, &Options::default(), &engine::Native).unwrap();
    let mut spec = found.card.image.clone().unwrap();
    (spec.scale, spec.layout) = (1.0, infer_model_card::Layout::Nhwc);
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(set.join("preprocessed")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = image::open(&path).unwrap().into_rgb8().into_raw();
        let bytes = file(&set, &name);
        let datatype = infer_tensor::Datatype::Uint8;
        let actual = infer::input::image::to_tensor(&bytes, &spec, datatype, u64::MAX).unwrap();
        let differing = actual
            .bytes
            .iter()
            .zip(&expected)
            .filter(|(a, b)| a != b)
            .count();
        if differing > 0 || actual.bytes.len() != expected.len() {
            let largest = actual
                .bytes
                .iter()
                .zip(&expected)
                .map(|(a, b)| a.abs_diff(*b))
                .max();
            wrong.push(format!(
                "{name}: {differing} of {} values, {largest:?}",
                expected.len()
            ));
        }
        count += 1;
    }
    assert!(count >= 5, "{count} images");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
