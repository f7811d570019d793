//! `[image]`: how an encoded image becomes an input.

use serde::Deserialize;

use crate::{CardError, Datatype, ModelCard, TensorSpec};

/// How an encoded image becomes an input tensor: resize, pick the channels, then for each value
/// `v` of 0 to 255 in channel `c`, `(v * scale - mean[c]) / std[c]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ImageSpec {
    /// The input that takes the image; the graph's only input when the card names none.
    #[serde(default)]
    pub input: Option<String>,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// How an image of another size is fitted.
    #[serde(default)]
    pub resize: ResizeMode,
    /// With `resize = "shortest-edge"`: how long that edge becomes before the middle is cut out, in
    /// pixels; just long enough for `width` and `height` when the card does not say.
    #[serde(default)]
    pub shortest_edge: Option<u32>,
    /// With `resize = "stretch"`: the width, in pixels, before the middle is cut out; `width` when the
    /// card does not say.
    #[serde(default)]
    pub resize_width: Option<u32>,
    /// The same for the height.
    #[serde(default)]
    pub resize_height: Option<u32>,
    /// Where the middle is when a pixel is left over.
    #[serde(default)]
    pub crop: Crop,
    /// How pixels are interpolated.
    #[serde(default)]
    pub filter: Filter,
    /// Which channels, in which order.
    #[serde(default)]
    pub channels: Channels,
    /// The order of the input's dimensions.
    #[serde(default)]
    pub layout: Layout,
    /// What a value of 0 to 255 is multiplied by.
    #[serde(default = "unit_range")]
    pub scale: f32,
    /// What is subtracted then: one value, or one a channel.
    #[serde(default = "zero")]
    pub mean: Vec<f32>,
    /// What is divided by then: one value, or one a channel.
    #[serde(default = "one")]
    pub std: Vec<f32>,
}

impl ImageSpec {
    /// The shape of so many images, as the input takes them.
    #[must_use]
    pub fn shape(&self, batch: u64) -> [u64; 4] {
        let channels = self.channels.count() as u64;
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        match self.layout {
            Layout::Nchw => [batch, channels, height, width],
            Layout::Nhwc => [batch, height, width, channels],
        }
    }

    /// The shape of one image, or of as many as the input is fixed to.
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

/// How an image of another size is fitted to `width` x `height`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// To exactly that size, whatever its proportions.
    #[default]
    Stretch,
    /// Until it covers the size, then the middle is cut out.
    ShortestEdge,
    /// Until it fits inside, then centered on black.
    Pad,
    /// Not at all: the middle is cut out, or centered on black.
    None,
}

impl ResizeMode {
    /// As the card has it.
    const fn name(self) -> &'static str {
        match self {
            Self::Stretch => "`stretch`",
            Self::ShortestEdge => "`shortest-edge`",
            Self::Pad => "`pad`",
            Self::None => "`none`",
        }
    }
}

/// Where the middle of an image is when the pixels to cut off, or to add, are odd in number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// As torchvision's `CenterCrop` has it: the cut begins at half the difference, halves rounded to
    /// even; of added pixels, the odd one comes after.
    #[default]
    Torchvision,
    /// As `transformers`' `center_crop` has it (its NumPy backend): halves rounded down; of added
    /// pixels, the odd one comes before.
    Transformers,
}

/// How pixels are interpolated; antialiased when shrinking, as Pillow's filters are.
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

/// Which channels an image becomes, in which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// One: luma after ITU-R BT.601.
    Gray,
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

impl Channels {
    /// How many there are.
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
    /// The input that takes an encoded image, with how it is prepared.
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
        /// As wide as the largest image that the service decodes; more is a slip of the pen.
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
                return fail(key, format!("needs `resize` to be {}", mode.name()));
            }
        }
        let edges = [("width", Some(image.width)), ("height", Some(image.height))]
            .into_iter()
            .chain(optional.map(|(key, edge, _)| (key, edge)));
        for (key, edge) in edges.filter_map(|(key, edge)| Some((key, edge?))) {
            if edge == 0 || edge > MAX_EDGE {
                return fail(key, format!("expected 1 to {MAX_EDGE} pixels, came {edge}"));
            }
        }
        if !image.scale.is_finite() || image.scale == 0.0 {
            return fail(
                "scale",
                format!("expected a number other than 0, came {}", image.scale),
            );
        }
        let channels = image.channels.count();
        for (key, values) in [("mean", &image.mean), ("std", &image.std)] {
            if values.len() != 1 && values.len() != channels {
                return fail(
                    key,
                    format!(
                        "expected 1 value or one a channel ({channels}), came {}",
                        values.len()
                    ),
                );
            }
            if let Some(value) = values
                .iter()
                .find(|value| !value.is_finite() || (key == "std" && **value == 0.0))
            {
                return fail(key, format!("{value} is not possible here"));
            }
        }
        let Some((_, input)) = self.image_input() else {
            let name = image.input.as_deref().unwrap_or_default();
            return fail("input", format!("there is no input `{name}`"));
        };
        if image.input.is_none() && self.inputs.len() > 1 {
            return fail(
                "input",
                format!("needed, since the model has {} inputs", self.inputs.len()),
            );
        }
        if !matches!(
            input.datatype,
            Datatype::Fp32 | Datatype::Fp16 | Datatype::Uint8
        ) {
            return fail(
                "input",
                format!(
                    "an image becomes FP32, FP16 or UINT8; `{}` is {}",
                    input.name, input.datatype
                ),
            );
        }
        let shape = image.shape(1);
        // The batch may be fixed to something else than 1: the request decides that, not the card.
        let mut any_batch = input.clone();
        if let Some(batch) = any_batch.shape.first_mut() {
            *batch = -1;
        }
        any_batch.check_shape(&shape).map_err(|_| {
            CardError::value(
                "[image]",
                format!(
                    "gives input `{}` the shape {shape:?}, but the card says {:?}",
                    input.name, input.shape
                ),
            )
        })
    }
}
