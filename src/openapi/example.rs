//! Example bodies for each model: an image, a sound, a text, or zeros.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use infer_model_card::{ModelCard, TensorSpec};
use serde_json::{Value, json};

use crate::catalog::Model;

/// A text that every tokenizer can encode.
pub const TEXT: &str = "What a day!";

/// The most values of an example: people read the document.
const MAX_VALUES: u64 = 4096;

/// The width and height of the image.
const SIZE: usize = 32;

/// A PNG: a seven, in white strokes on black.
pub fn image() -> Vec<u8> {
    let mut pixels = vec![0_u8; SIZE * SIZE];
    for (index, pixel) in pixels.iter_mut().enumerate() {
        let (x, y) = (index % SIZE, index / SIZE);
        let is_bar = (1..6).contains(&y) && (6..27).contains(&x);
        // The stroke goes down and left from the bar's right end.
        let middle = 25_usize.saturating_sub(y / 2);
        let is_stroke = y >= 4 && x.abs_diff(middle) <= 2;
        if is_bar || is_stroke {
            *pixel = u8::MAX;
        }
    }
    let mut png = Vec::new();
    let size = SIZE as u32;
    // Encoding the right number of gray pixels into memory does not fail.
    _ = PngEncoder::new(&mut png).write_image(&pixels, size, size, ExtendedColorType::L8);
    png
}

/// The image in base64.
pub fn image_base64() -> String {
    BASE64_STANDARD.encode(image())
}

/// A WAV: a quarter of a second of a square wave with 8 bits at 8 kHz.
pub fn sound() -> Vec<u8> {
    const RATE_HZ: u32 = 8000;
    const SAMPLES: u32 = RATE_HZ / 4;
    /// Half a period.
    const HALF: u32 = 10;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + SAMPLES).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    // PCM of one channel.
    wav.extend([1, 0, 1, 0]);
    wav.extend(RATE_HZ.to_le_bytes());
    wav.extend(RATE_HZ.to_le_bytes());
    // Bytes of a frame, and bits of a sample.
    wav.extend([1, 0, 8, 0]);
    wav.extend(b"data");
    wav.extend(SAMPLES.to_le_bytes());
    wav.extend((0..SAMPLES).map(|index| {
        if (index / HALF).is_multiple_of(2) {
            96
        } else {
            160
        }
    }));
    wav
}

/// The sound in base64.
pub fn sound_base64() -> String {
    BASE64_STANDARD.encode(sound())
}

/// Bytes as a data URL (RFC 2397).
pub fn data_url(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", BASE64_STANDARD.encode(bytes))
}

/// The number of items of a request: the first dimension if it is fixed, else one.
pub fn batch(spec: &TensorSpec) -> usize {
    let first = spec.shape.first().copied().map(usize::try_from);
    first.and_then(Result::ok).unwrap_or(1)
}

/// Zeros as nested lists, if they are few.
pub fn nested_zeros(spec: &TensorSpec) -> Option<Value> {
    let shape = spec.usual_shape();
    is_small(&shape).then_some(())?;
    let zero = zero(spec)?;
    Some(
        shape
            .iter()
            .rev()
            .fold(zero, |item, size| Value::Array(vec![item; *size as usize])),
    )
}

/// Zeros for every input in the Open Inference Protocol, if they are few.
pub fn zeros(card: &ModelCard) -> Option<Value> {
    let inputs: Option<Vec<Value>> = card
        .inputs
        .iter()
        .map(|spec| {
            let shape = spec.usual_shape();
            is_small(&shape).then_some(())?;
            let count: u32 = shape.iter().product();
            let data = vec![zero(spec)?; count as usize];
            Some(json!({
                "name": spec.name, "datatype": spec.datatype.name(), "shape": shape, "data": data,
            }))
        })
        .collect();
    Some(json!({ "inputs": inputs? }))
}

/// Zeros as a raw tensor, if they are few.
pub fn raw_zeros(model: &Model) -> Option<Vec<u8>> {
    let [spec] = model.card.inputs.as_slice() else {
        return None;
    };
    let shape = spec.usual_shape();
    is_small(&shape).then_some(())?;
    let count: u32 = shape.iter().product();
    let bytes = spec.datatype.element_bytes()?;
    Some(vec![0; count as usize * bytes])
}

fn is_small(shape: &[u32]) -> bool {
    let count = shape
        .iter()
        .try_fold(1_u64, |count, size| count.checked_mul(u64::from(*size)));
    count.is_some_and(|count| (1..=MAX_VALUES).contains(&count))
}

fn zero(spec: &TensorSpec) -> Option<Value> {
    let element = super::schema::element(spec.datatype)?;
    Some(match element["type"].as_str() {
        None => json!(false),
        Some("integer") => json!(0),
        Some(_) => json!(0.0),
    })
}
