//! What the fuzz targets share: models of every kind, on the engine itself.

// The tests' own engine; what it names `crate::…` is this.
pub(crate) use infer::{catalog, run, tensor};

#[path = "../../src/tests/engine.rs"]
mod engine;

use std::collections::BTreeSet;
use std::panic;
use std::path::Path;
use std::sync::Mutex;

pub use engine::Engine;
use infer::http::error::ApiError;
use infer::http::limits::Limits;
use infer::catalog::{Files, Model, Models};
use infer_engine::Registry;

/// Where others have panicked, told once each.
static PLACES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// From here on a panic in the code of a library, whose crates' names begin so, is told and does not end the run; who calls it
/// catches it.
pub fn pass_over(library: &'static str) {
    let of_libfuzzer = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        if !place.contains(&format!("/{library}-")) {
            return of_libfuzzer(info);
        }
        if PLACES.lock().is_ok_and(|mut places| places.insert(place.clone())) {
            eprintln!("{library} panicked: {place}");
        }
    }));
}

/// Limits that are small, so that whatever comes near one is quick.
#[must_use]
pub fn limits() -> Limits {
    Limits {
        max_body_bytes: 1 << 20,
        max_inflated_bytes: 1 << 20,
        max_image_pixels: 1 << 18,
        max_images_bytes: 1 << 20,
        max_audio_seconds: 4,
        max_batch: 64,
        max_parts: 16,
        max_texts: 16,
        max_text_bytes: 4096,
        max_json_depth: 40,
        max_json_values: 10_000,
        max_response_bytes: 1 << 20,
    }
}

/// Check what is refused: by the client's fault, and in one sentence.
///
/// # Panics
/// When it is a fault of ours, which is a finding.
pub fn check_refused(error: &ApiError) {
    let (status, sentence) = (error.kind().status(), error.to_string());
    assert!(matches!(status, 400..=499 | 501), "{status}: {sentence}");
    assert!(!sentence.is_empty() && sentence.len() < 4096, "{sentence}");
}

/// A file of the repository.
fn file(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(path: &str) -> String {
    String::from_utf8(file(path)).expect("a file of the repository is UTF-8")
}

/// The names of the models, in the order in which a target may pick one.
pub const NAMES: [&str; 11] = [
    "digits",
    "sum",
    "add",
    "sentiment",
    "passages",
    "identity-bool",
    "identity-fp16",
    "identity-fp32",
    "identity-int32",
    "identity-int64",
    "identity-uint8",
];

/// Models of images, of texts, of two inputs, and an identity of each datatype that the engine carries.
#[must_use]
pub fn service() -> (Models, Engine) {
    let (mut models, mut registry) = (Models::new(), Registry::new());
    for name in NAMES {
        let spec = |section: &str, name: &str, datatype: &str, shape: &str| {
            format!("[[{section}]]\nname = '{name}'\ndatatype = '{datatype}'\nshape = {shape}\n")
        };
        let tokens = |names: &[&str]| -> String {
            names
                .iter()
                .map(|name| spec("input", name, "INT64", "[-1, -1]"))
                .collect()
        };
        let (card, graph) = match name {
            "digits" => (
                text("models/digits/model.toml"),
                "models/digits/model.onnx".to_owned(),
            ),
            "sum" => (
                spec("input", "x", "FP32", "[-1]") + &spec("output", "y", "FP32", "[]"),
                "crates/engine/tests/graphs/sum.onnx".to_owned(),
            ),
            "add" => (
                spec("input", "a", "FP32", "[-1, 2]")
                    + &spec("input", "b", "FP32", "[-1, 2]")
                    + &spec("output", "sum", "FP32", "[-1, 2]"),
                "crates/engine/tests/graphs/add.onnx".to_owned(),
            ),
            "sentiment" => (
                tokens(&["input_ids", "attention_mask", "token_type_ids"])
                    + &spec("output", "logits", "FP32", "[-1, 3]")
                    + "[classification]\noutput = 'logits'\nactivation = 'softmax'\n\
                       [text]\nmax_tokens = 48\n",
                "tests/texts/sentiment/model.onnx".to_owned(),
            ),
            "passages" => (
                tokens(&["input_ids", "attention_mask"])
                    + &spec("output", "last_hidden_state", "FP32", "[-1, -1, 32]")
                    + "[text]\nmax_tokens = 40\npad_id = 1\n\
                       [embedding]\noutput = 'last_hidden_state'\npooling = 'cls'\n",
                "tests/texts/passages/model.onnx".to_owned(),
            ),
            identity => {
                let datatype = identity.trim_start_matches("identity-").to_uppercase();
                (
                    spec("input", "x", &datatype, "[-1]") + &spec("output", "y", &datatype, "[-1]"),
                    format!("crates/engine/tests/graphs/{identity}.onnx"),
                )
            }
        };
        let labels = (name == "digits").then(|| text("models/digits/labels.txt"));
        let tokenizer = matches!(name, "sentiment" | "passages")
            .then(|| text(&format!("tests/texts/{name}/tokenizer.json")));
        let files = Files {
            labels: labels.as_deref(),
            tokenizer: tokenizer.as_deref(),
            ..Files::default()
        };
        models.add(name, &card, files).expect("a card of the tests");
        registry.add(name, file(&graph)).expect("a graph of the tests");
    }
    (models, Engine(registry))
}

thread_local! {
    static SERVICE: (Models, Engine) = service();
}

/// Use the models, which are loaded once.
pub fn with_service<T>(use_it: impl FnOnce(&Models, &Engine) -> T) -> T {
    SERVICE.with(|(models, engine)| use_it(models, engine))
}

/// Use the model that the first byte picks, and the rest.
pub fn with_model(bytes: &[u8], use_it: impl FnOnce(&Model, &[u8])) {
    if let Some((pick, rest)) = bytes.split_first() {
        let name = NAMES[usize::from(*pick) % NAMES.len()];
        with_service(|models, _| use_it(models.get(name).expect("it was added"), rest));
    }
}

/// Check what was decoded: as many bytes as shape and datatype ask for, whatever came.
///
/// # Panics
/// When not, which is a finding.
pub fn check_decoded(inputs: &[(String, tensor::Tensor)]) {
    for (name, tensor) in inputs {
        assert!(
            tensor.is_whole(),
            "{name}: {:?} of {} with {} bytes",
            tensor.shape,
            tensor.datatype,
            tensor.data.len()
        );
    }
}
