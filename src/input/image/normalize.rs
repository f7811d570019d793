//! Pixels become a tensor: `(v * scale - mean) / std`, in the card's order of channels and dimensions.

use half::f16;
use infer_model_card::{Channels, ImageSpec, Layout};
use infer_tensor::Datatype;

use super::pixels::Pixels;

/// The little-endian bytes of the tensor.
pub(super) fn to_bytes(pixels: &Pixels, spec: &ImageSpec, datatype: Datatype) -> Vec<u8> {
    match datatype {
        Datatype::Uint8 => lay_out(pixels, spec, |value| {
            // `as` clamps a float to 0 to 255, and converts NaN to 0.
            [value.round_ties_even() as u8]
        }),
        Datatype::Fp16 => lay_out(pixels, spec, |value| f16::from_f32(value).to_le_bytes()),
        // FP32: the card is checked for these three datatypes.
        _ => lay_out(pixels, spec, f32::to_le_bytes),
    }
}

fn lay_out<const N: usize>(
    pixels: &Pixels,
    spec: &ImageSpec,
    to_bytes: impl Fn(f32) -> [u8; N],
) -> Vec<u8> {
    let channels = pixels.channels;
    // A channel has 256 values, so each result is computed once.
    let tables: Vec<Vec<[u8; N]>> = (0..channels)
        .map(|channel| table(spec, channel, &to_bytes))
        .collect();
    // Channel `c` of the tensor is channel `order(c)` of the pixels.
    let order = |channel: usize| match spec.channels {
        Channels::Bgr => channels - 1 - channel,
        Channels::Gray | Channels::Rgb => channel,
    };
    let mut bytes = Vec::with_capacity(pixels.data.len() * N);
    match spec.layout {
        Layout::Nchw => {
            for (channel, table) in tables.iter().enumerate() {
                let values = pixels.data.iter().skip(order(channel)).step_by(channels);
                bytes.extend(values.flat_map(|value| table[usize::from(*value)]));
            }
        }
        Layout::Nhwc => {
            for pixel in pixels.data.chunks_exact(channels) {
                for (channel, table) in tables.iter().enumerate() {
                    bytes.extend(table[usize::from(pixel[order(channel)])]);
                }
            }
        }
    }
    bytes
}

fn table<const N: usize>(
    spec: &ImageSpec,
    channel: usize,
    to_bytes: &impl Fn(f32) -> [u8; N],
) -> Vec<[u8; N]> {
    // The card has one value for all channels, or one for each.
    let of =
        |values: &[f32], otherwise| *values.get(channel).or(values.first()).unwrap_or(&otherwise);
    let (mean, std) = (of(&spec.mean, 0.0), of(&spec.std, 1.0));
    (0..=u8::MAX)
        .map(|value| to_bytes((f32::from(value) * spec.scale - mean) / std))
        .collect()
}
