//! The summary of a model on the terminal.

use std::time::Duration;

use infer_import::Found;
use infer_model_card::{ModelCard, TensorSpec};

/// The place of a trial's inferences.
const PLACE: &str = "in WebAssembly on this machine";

/// Print a table with the model's properties.
pub(super) fn print(found: &Found) {
    let row = |key: &str, value: &str| {
        if !value.is_empty() {
            println!("{key:<10} {value}");
        }
    };
    row("file", &found.onnx.display().to_string());
    row("size", &size(found.onnx_bytes));
    row("producer", &found.summary.producer);
    row("opset", &opsets(&found.summary.opsets));
    for (key, value) in &found.summary.metadata {
        row("metadata", &one_line(key, value));
    }
    for spec in &found.card.inputs {
        row("input", &one(spec));
    }
    for spec in &found.card.outputs {
        row("output", &one(spec));
    }
    let operators: Vec<String> = found
        .summary
        .operators
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    row("operators", &operators.join(", "));
    if let Some((image, _)) = found.card.image_input() {
        row("images", &format!("{} x {}", image.width, image.height));
    }
    if let Some((audio, _)) = found.card.audio_input() {
        row("sounds", &format!("{} Hz", audio.rate_hz));
    }
    if let Some(text) = &found.labels_text {
        let count = text.lines().count();
        let first = text.lines().next().unwrap_or_default();
        row("labels", &format!("{count}, starting with `{first}`"));
    }
    if let Some(text) = &found.card.text {
        row("texts", &format!("up to {} tokens", text.max_tokens));
    }
    if let Some((key, summary)) = found.card.task.summary() {
        row(key, &summary);
    }
    if let Some(warm) = found.warm {
        let shapes: Vec<String> = found
            .card
            .inputs
            .iter()
            .filter_map(|spec| Some(format!("{} {:?}", spec.name, spec.example_shape.as_ref()?)))
            .collect();
        let on = if shapes.is_empty() {
            String::new()
        } else {
            format!(", on {}", shapes.join(", "))
        };
        let warm = milliseconds(warm);
        row("inference", &format!("{warm} warm, {PLACE}{on}"));
    }
    if let Some(memory) = found.memory {
        let mut text = format!("{} loaded", size(memory.loaded_bytes));
        if let Some(bytes) = memory.inference_bytes {
            text += &format!(", and {} more at the peak of an inference", size(bytes));
        }
        row("memory", &format!("{text}, in WebAssembly"));
    }
    for note in &found.notes {
        row("note", note);
    }
}

/// The model's name, its task and the time of an inference in one line.
pub fn one_line_summary(found: &Found) -> String {
    let mut parts = vec![format!("model {}", found.name)];
    if let Some((key, summary)) = found.card.task.summary() {
        parts.push(format!("{key} {summary}"));
    }
    if let Some(warm) = found.warm {
        parts.push(format!("{} {PLACE}", milliseconds(warm)));
    }
    parts.join(", ")
}

/// Shorten a metadata value; some models have whole lists of classes there.
fn one_line(key: &str, value: &str) -> String {
    const MAX_CHARS: usize = 100;
    let line: String = format!("{key} = {value}")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn opsets(opsets: &[(String, i64)]) -> String {
    let opsets: Vec<String> = opsets
        .iter()
        .map(|(domain, version)| match domain.as_str() {
            "" => version.to_string(),
            domain => format!("{domain} {version}"),
        })
        .collect();
    opsets.join(", ")
}

fn one(spec: &TensorSpec) -> String {
    format!("{} {} {:?}", spec.name, spec.datatype, spec.shape)
}

/// A list of tensors in one line.
pub(super) fn described(specs: &[TensorSpec]) -> String {
    specs.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub fn size(bytes: u64) -> String {
    if bytes < 1_000_000 {
        format!("{:.1} kB", bytes as f64 / 1e3)
    } else {
        format!("{:.1} MB", bytes as f64 / 1e6)
    }
}

pub(super) fn milliseconds(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

/// A shell command that sends a valid request to the model.
pub(super) fn curl(name: &str, card: &ModelCard) -> String {
    if card.image.is_some() && card.inputs.len() == 1 {
        return format!("curl --data-binary @image.jpg localhost:3000/infer/{name}");
    }
    if card.audio.is_some() {
        return format!("curl --data-binary @sound.wav localhost:3000/infer/{name}");
    }
    if card.text.is_some() {
        return format!(
            "curl -H 'content-type: text/plain' -d 'Any text.' localhost:3000/infer/{name}"
        );
    }
    let inputs: Vec<serde_json::Value> = card
        .inputs
        .iter()
        .map(|spec| {
            let shape = spec.usual_shape();
            serde_json::json!({
                "name": spec.name, "datatype": spec.datatype.name(), "shape": shape, "data": ["…"],
            })
        })
        .collect();
    let body = serde_json::json!({ "inputs": inputs }).to_string();
    let body = body.replace("\"…\"", "…");
    format!("curl localhost:3000/v2/models/{name}/infer -d '{body}'")
}
