//! Converts request bodies to tensors, and logits to response bodies.

use std::borrow::Cow;

use anyhow::{Context, Result, ensure};
use axum::http::{HeaderMap, header};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

const SIDE: u32 = 224;
const CHANNELS: usize = 3;

/// The normalization of `bench/networks.py`'s model cards.
const MEAN: [f32; CHANNELS] = [0.485, 0.456, 0.406];
const STD: [f32; CHANNELS] = [0.229, 0.224, 0.225];

/// The format of a tensor.
#[derive(Clone, Copy)]
pub enum Form {
    /// Little-endian floats, in the response too.
    Raw,
    /// The Open Inference Protocol.
    Json,
    /// An encoded image, with a JSON response.
    Jpeg,
}

impl Form {
    /// The format that the headers declare.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get(header::CONTENT_TYPE)?.as_bytes() {
            b"application/octet-stream" => Some(Self::Raw),
            b"application/json" => Some(Self::Json),
            b"image/jpeg" => Some(Self::Jpeg),
            _ => None,
        }
    }

    /// The network's input.
    pub fn tensor(self, body: &[u8]) -> Result<Cow<'_, [f32]>> {
        match self {
            // No copy if the body is aligned.
            Self::Raw => match bytemuck::try_cast_slice(body) {
                Ok(floats) => Ok(Cow::Borrowed(floats)),
                Err(_) => {
                    let (chunks, rest) = body.as_chunks::<4>();
                    ensure!(rest.is_empty(), "{} bytes are no floats", body.len());
                    Ok(chunks
                        .iter()
                        .map(|bytes| f32::from_le_bytes(*bytes))
                        .collect())
                }
            },
            Self::Json => {
                let request: Request =
                    sonic_rs::from_slice(body).context("not the protocol's JSON")?;
                let [input] = <[Input; 1]>::try_from(request.inputs).map_err(|inputs| {
                    anyhow::anyhow!("{} inputs actual, one was expected", inputs.len())
                })?;
                Ok(Cow::Owned(input.data))
            }
            Self::Jpeg => Ok(Cow::Owned(picture(body)?)),
        }
    }

    /// The response body.
    pub fn answer(self, model: &str, logits: &[f32]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Raw => bytemuck::cast_slice(logits).to_vec(),
            Self::Json | Self::Jpeg => sonic_rs::to_vec(&Answer {
                model_name: model,
                model_version: "1",
                outputs: [Output {
                    name: "logits",
                    datatype: "FP32",
                    shape: [1, logits.len()],
                    data: logits,
                }],
            })?,
        })
    }

    /// The response's media type.
    pub fn answer_type(self) -> &'static str {
        match self {
            Self::Raw => "application/octet-stream",
            Self::Json | Self::Jpeg => "application/json",
        }
    }
}

#[derive(Deserialize)]
struct Request {
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
struct Input {
    data: Vec<f32>,
}

#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'static str,
    outputs: [Output<'a>; 1],
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'static str,
    datatype: &'static str,
    shape: [usize; 2],
    data: &'a [f32],
}

/// Decode an image, stretch it to the network's size with Pillow's bilinear filter, and normalize it into planes.
fn picture(encoded: &[u8]) -> Result<Vec<f32>> {
    let options = DecoderOptions::new_fast().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(encoded), options);
    let pixels = decoder.decode().context("not a JPEG")?;
    let (width, height) = decoder.dimensions().context("a JPEG without a size")?;
    let from = ImageRef::new(
        u32::try_from(width)?,
        u32::try_from(height)?,
        &pixels,
        PixelType::U8x3,
    )?;
    let mut to = Image::new(SIDE, SIDE, PixelType::U8x3);
    let algorithm = ResizeAlg::Convolution(FilterType::Bilinear);
    Resizer::new().resize(&from, &mut to, &ResizeOptions::new().resize_alg(algorithm))?;
    let (pixels, _) = to.buffer().as_chunks::<CHANNELS>();
    let mut tensor = Vec::with_capacity(pixels.len() * CHANNELS);
    for channel in 0..CHANNELS {
        let scale = 1.0 / (255.0 * STD[channel]);
        let offset = MEAN[channel] / STD[channel];
        tensor.extend(
            pixels
                .iter()
                .map(|pixel| f32::from(pixel[channel]) * scale - offset),
        );
    }
    Ok(tensor)
}
