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
    /// The input that takes 1 for each pixel of the image, `[batch, height, width]`; none by default.
    #[serde(default)]
    pub mask: Option<String>,
    /// Width of the input in pixels; an example if the width depends on the image.
    pub width: u32,
    /// Height of the input in pixels; an example if the height depends on the image.
    pub height: u32,
    /// How an image of another size is resized.
    #[serde(default)]
    pub resize: ResizeMode,
    /// With `resize = "shortest-edge"`: the length of that edge before the center crop, in pixels; by
    /// default the shortest that covers `width` and `height`. With `resize = "edges"`: the length of that edge.
    #[serde(default)]
    pub shortest_edge: Option<u32>,
    /// With `resize = "edges"`: the most pixels of the longest edge.
    #[serde(default)]
    pub longest_edge: Option<u32>,
    /// With `resize = "edges"` and `"closest"`: each edge becomes a multiple of this.
    #[serde(default)]
    pub multiple_of: Option<u32>,
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
    /// Whether the input's size depends on the image.
    #[must_use]
    pub const fn is_proportional(&self) -> bool {
        matches!(self.resize, ResizeMode::Edges | ResizeMode::Closest)
    }

    /// The width and height of the input for an image of this width and height.
    #[must_use]
    pub fn size_for(&self, width: u32, height: u32) -> (u32, u32) {
        match self.resize {
            ResizeMode::Edges => self.edges_for(width, height),
            ResizeMode::Closest => self.closest_for(width, height),
            _ => (self.width, self.height),
        }
    }

    /// `get_size_with_aspect_ratio` of `transformers`.
    fn edges_for(&self, width: u32, height: u32) -> (u32, u32) {
        let (width_f, height_f) = (f64::from(width), f64::from(height));
        let (least, greatest) = (width_f.min(height_f), width_f.max(height_f));
        let shortest = f64::from(self.shortest_edge.unwrap_or(self.width.min(self.height)));
        let longest = self.longest_edge.map_or(f64::INFINITY, f64::from);
        let (edge, exact) = if greatest / least * shortest > longest {
            let exact = longest * least / greatest;
            (exact.round_ties_even(), exact)
        } else {
            (shortest, shortest)
        };
        // `as` saturates, and cuts the fraction off as Python's `int` does.
        let other = |ratio: f64| (exact * ratio) as u32;
        let multiple = self.multiple_of.unwrap_or(1).max(1);
        let rounded = |edge: u32| (edge - edge % multiple).max(multiple);
        let (to_width, to_height) = if least == edge {
            (width, height)
        } else if width < height {
            (edge as u32, other(height_f / width_f))
        } else {
            (other(width_f / height_f), edge as u32)
        };
        (rounded(to_width), rounded(to_height))
    }

    /// `get_resize_output_image_size` of DPT in `transformers`.
    fn closest_for(&self, width: u32, height: u32) -> (u32, u32) {
        let across = f64::from(self.width) / f64::from(width);
        let down = f64::from(self.height) / f64::from(height);
        let scale = if (1.0 - across).abs() < (1.0 - down).abs() {
            across
        } else {
            down
        };
        let multiple = self.multiple_of.unwrap_or(1).max(1);
        let rounded = |edge: u32| {
            let count = (f64::from(edge) * scale / f64::from(multiple)).round_ties_even();
            (count as u32).saturating_mul(multiple).max(multiple)
        };
        (rounded(width), rounded(height))
    }

    /// The input's shape for a batch of images.
    #[must_use]
    pub fn shape(&self, batch: u64) -> [u64; 4] {
        self.shape_of(batch, (self.width, self.height))
    }

    /// The input's shape for a batch of images that become inputs of this width and height.
    #[must_use]
    pub fn shape_of(&self, batch: u64, (width, height): (u32, u32)) -> [u64; 4] {
        let channels = self.channels.count() as u64;
        let (width, height) = (u64::from(width), u64::from(height));
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
    /// Resize until the image fits inside that size, then center it on gray (114), as Ultralytics does: halves are
    /// rounded to even, and an odd pixel of padding comes last.
    Letterbox,
    /// Resize until the shortest edge has `shortest_edge` pixels, or the longest `longest_edge` if that is smaller, rounded
    /// down to `multiple_of`. The input has the image's proportions.
    Edges,
    /// Resize by the ratio of `width` or `height` to the image's that is closer to 1, rounded to `multiple_of`. The
    /// input has the image's proportions.
    Closest,
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
            Self::Letterbox => "letterbox",
            Self::Edges => "edges",
            Self::Closest => "closest",
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

/// An interpolation filter; antialiased when shrinking, like Pillow's, but for [`Filter::OpencvLinear`].
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
    /// `INTER_LINEAR` of OpenCV: bilinear without antialiasing.
    OpencvLinear,
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
        use ResizeMode::{Closest, Edges, ShortestEdge, Stretch};
        let optional: [(_, _, &[ResizeMode]); 5] = [
            ("shortest_edge", image.shortest_edge, &[ShortestEdge, Edges]),
            ("longest_edge", image.longest_edge, &[Edges]),
            ("multiple_of", image.multiple_of, &[Edges, Closest]),
            ("resize_width", image.resize_width, &[Stretch]),
            ("resize_height", image.resize_height, &[Stretch]),
        ];
        for (key, edge, modes) in optional {
            if edge.is_some() && !modes.contains(&image.resize) {
                let modes: Vec<String> = modes
                    .iter()
                    .map(|mode| format!("`resize = \"{}\"`", mode.name()))
                    .collect();
                return fail(key, format!("needs {}", modes.join(" or ")));
            }
        }
        if image.resize == Edges && image.shortest_edge.is_none() {
            return fail(
                "shortest_edge",
                "required with `resize = \"edges\"`".to_owned(),
            );
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
        if let Some(name) = &image.mask {
            let Some(mask) = self.inputs.iter().find(|input| input.name == *name) else {
                return fail("mask", format!("the model has no input `{name}`"));
            };
            if mask.shape.len() != 3 || !matches!(mask.datatype, Datatype::Int64 | Datatype::Int32)
            {
                return fail(
                    "mask",
                    format!(
                        "`{name}` is {} of shape {:?}, expected INT64 or INT32 of [batch, height, width]",
                        mask.datatype, mask.shape
                    ),
                );
            }
        }
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
