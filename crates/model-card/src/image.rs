//! `[image]`: an encoded image becomes an input.

use infer_tensor::Datatype;
use serde::Deserialize;

use crate::{CardError, ModelCard, TensorSpec};

/// How an encoded image becomes an input tensor: resize, select the channels, then compute
/// `(v * scale - mean[c]) / std[c]` for each value `v` (0 to 255) of channel `c`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ImageSpec {
    /// The input that takes the image; the graph's only input by default.
    #[serde(default)]
    pub input: Option<String>,
    /// Width of the input in pixels.
    pub width: u32,
    /// Height of the input in pixels.
    pub height: u32,
    /// How an image of another size is resized.
    #[serde(default)]
    pub resize: ResizeMode,
    /// With `resize = "shortest-edge"`: the length of that edge before the center crop, in pixels; by
    /// default the shortest that covers `width` and `height`.
    #[serde(default)]
    pub shortest_edge: Option<u32>,
    /// With `resize = "stretch"`: the width before the center crop, in pixels; `width` by default.
    #[serde(default)]
    pub resize_width: Option<u32>,
    /// With `resize = "stretch"`: the height before the center crop, in pixels; `height` by default.
    #[serde(default)]
    pub resize_height: Option<u32>,
    /// How the center crop rounds.
    #[serde(default)]
    pub crop: Crop,
    /// The interpolation filter.
    #[serde(default)]
    pub filter: Filter,
    /// The channels and their order.
    #[serde(default)]
    pub channels: Channels,
    /// How transparency is removed.
    #[serde(default)]
    pub alpha: Alpha,
    /// The order of the input's dimensions.
    #[serde(default)]
    pub layout: Layout,
    /// The factor for values of 0 to 255.
    #[serde(default = "unit_range")]
    pub scale: f32,
    /// The mean to subtract after scaling: one value, or one per channel.
    #[serde(default = "zero")]
    pub mean: Vec<f32>,
    /// The standard deviation to divide by: one value, or one per channel.
    #[serde(default = "one")]
    pub std: Vec<f32>,
}

impl ImageSpec {
    /// The input's shape for a batch of images.
    #[must_use]
    pub fn shape(&self, batch: u64) -> [u64; 4] {
        let channels = self.channels.count() as u64;
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        match self.layout {
            Layout::Nchw => [batch, channels, height, width],
            Layout::Nhwc => [batch, height, width, channels],
        }
    }

    /// The input's shape for its smallest batch: one image, or the size that the input fixes.
    #[must_use]
    pub fn least_shape(&self, input: &TensorSpec) -> [u64; 4] {
        let batch = input.shape.first().copied().map(u64::try_from);
        self.shape(batch.and_then(Result::ok).unwrap_or(1))
    }
}

fn unit_range() -> f32 {
    1.0 / 255.0
}

fn zero() -> Vec<f32> {
    vec![0.0]
}

fn one() -> Vec<f32> {
    vec![1.0]
}

/// How an image of another size is resized to `width` x `height`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// Resize to exactly that size and ignore the aspect ratio.
    #[default]
    Stretch,
    /// Resize until the image covers that size, then crop the center.
    ShortestEdge,
    /// Resize until the image fits inside that size, then center it on black.
    Pad,
    /// Do not resize: crop the center, or center the image on black.
    None,
}

impl ResizeMode {
    /// The value in the card.
    const fn name(self) -> &'static str {
        match self {
            Self::Stretch => "stretch",
            Self::ShortestEdge => "shortest-edge",
            Self::Pad => "pad",
            Self::None => "none",
        }
    }
}

/// How a center crop, or a centered padding, rounds when the number of pixels is odd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// Like torchvision's `CenterCrop`: the crop begins at half the difference, rounded half to even; the
    /// odd pixel of a padding comes last.
    #[default]
    Torchvision,
    /// Like `center_crop` of `transformers` (NumPy backend): the crop rounds down; the odd pixel of a
    /// padding comes first.
    Transformers,
}

/// An interpolation filter; antialiased when shrinking, like Pillow's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the filters' own names")]
pub enum Filter {
    Nearest,
    #[default]
    Bilinear,
    Hamming,
    Bicubic,
    Lanczos,
}

/// How the transparency of an image is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alpha {
    /// The image is put on white.
    #[default]
    White,
    /// The colors stay as they are below the transparency, as in Pillow's `convert("RGB")`.
    Drop,
}

/// The channels of an image and their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// One channel: luma by ITU-R BT.601.
    Gray,
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

impl Channels {
    /// The number of channels.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb | Self::Bgr => 3,
        }
    }
}

/// The order of an image input's dimensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `[batch, channels, height, width]`
    #[default]
    Nchw,
    /// `[batch, height, width, channels]`
    Nhwc,
}

impl ModelCard {
    /// The input that takes an encoded image, with the settings of its preprocessing.
    #[must_use]
    pub fn image_input(&self) -> Option<(&ImageSpec, &TensorSpec)> {
        let image = self.image.as_ref()?;
        let input = match &image.input {
            Some(name) => self.inputs.iter().find(|input| input.name == *name),
            None => self.inputs.first(),
        };
        Some((image, input?))
    }

    pub(crate) fn check_image(&self, image: &ImageSpec) -> Result<(), CardError> {
        /// The width of the largest image that the service decodes; a larger value is a typo.
        const MAX_EDGE: u32 = 8192;
        let fail =
            |key: &str, problem: String| Err(CardError::value(format!("[image] `{key}`"), problem));
        let optional = [
            (
                "shortest_edge",
                image.shortest_edge,
                ResizeMode::ShortestEdge,
            ),
            ("resize_width", image.resize_width, ResizeMode::Stretch),
            ("resize_height", image.resize_height, ResizeMode::Stretch),
        ];
        for (key, edge, mode) in optional {
            if edge.is_some() && image.resize != mode {
                return fail(key, format!("needs `resize = \"{}\"`", mode.name()));
            }
        }
        let edges = [("width", Some(image.width)), ("height", Some(image.height))]
            .into_iter()
            .chain(optional.map(|(key, edge, _)| (key, edge)));
        for (key, edge) in edges.filter_map(|(key, edge)| Some((key, edge?))) {
            if edge == 0 || edge > MAX_EDGE {
                return fail(key, format!("expected 1 to {MAX_EDGE} pixels, got {edge}"));
            }
        }
        if !image.scale.is_finite() || image.scale == 0.0 {
            return fail(
                "scale",
                format!("expected a finite number other than 0, got {}", image.scale),
            );
        }
        let channels = image.channels.count();
        for (key, values) in [("mean", &image.mean), ("std", &image.std)] {
            if values.len() != 1 && values.len() != channels {
                return fail(
                    key,
                    format!(
                        "expected 1 value or one per channel ({channels}), got {}",
                        values.len()
                    ),
                );
            }
            if let Some(value) = values
                .iter()
                .find(|value| !value.is_finite() || (key == "std" && **value == 0.0))
            {
                return fail(key, format!("{value} is not allowed"));
            }
        }
        let Some((_, input)) = self.image_input() else {
            let name = image.input.as_deref().unwrap_or_default();
            return fail("input", format!("the model has no input `{name}`"));
        };
        if image.input.is_none() && self.inputs.len() > 1 {
            return fail(
                "input",
                format!(
                    "required, because the model has {} inputs",
                    self.inputs.len()
                ),
            );
        }
        if !matches!(
            input.datatype,
            Datatype::Fp32 | Datatype::Fp16 | Datatype::Uint8
        ) {
            return fail(
                "input",
                format!(
                    "`{}` is {}, expected FP32, FP16 or UINT8",
                    input.name, input.datatype
                ),
            );
        }
        let shape = image.shape(1);
        // The graph may fix the batch to another size than 1: that is checked per request.
        let mut any_batch = input.clone();
        if let Some(batch) = any_batch.shape.first_mut() {
            *batch = -1;
        }
        any_batch.check_shape(&shape).map_err(|_| {
            CardError::value(
                "[image]",
                format!(
                    "an image becomes a tensor of shape {shape:?}, but input `{}` has shape {:?}",
                    input.name, input.shape
                ),
            )
        })
    }
}
