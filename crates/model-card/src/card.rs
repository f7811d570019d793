//! The card's types and what is checked of them.

use serde::Deserialize;

use crate::{CardError, Datatype, keys};

/// What a `model.toml` says of a model.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ModelCard {
    /// The model's version, a text as in the Open Inference Protocol; `1` when the card has none.
    #[serde(default = "first_version")]
    pub version: String,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// Where the model is at run time.
    #[serde(default)]
    pub placement: Placement,
    /// The graph's inputs.
    #[serde(rename = "input")]
    pub inputs: Vec<TensorSpec>,
    /// The graph's outputs.
    #[serde(rename = "output")]
    pub outputs: Vec<TensorSpec>,
    /// How an encoded image becomes an input, for models that take images.
    #[serde(default)]
    pub image: Option<ImageSpec>,
    /// How an output becomes labels and scores, for classifiers.
    #[serde(default)]
    pub classification: Option<ClassificationSpec>,
}

fn first_version() -> String {
    "1".to_owned()
}

/// Where a model is at run time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// In the snapshot, unless its file is larger than [`Placement::SNAPSHOT_LIMIT_BYTES`].
    #[default]
    Auto,
    /// In the engine's snapshot: ready when an instance starts.
    Snapshot,
    /// In the `models` mount: read and loaded by each instance that is asked for it.
    Mount,
}

impl Placement {
    /// The largest `model.onnx` that [`Placement::Auto`] puts into the snapshot. A snapshot takes the
    /// file's size and, where weights are packed for the kernels beside the originals, up to twice
    /// that; the smallest limit on an application among the hosts is 50 MiB.
    pub const SNAPSHOT_LIMIT_BYTES: u64 = 22 * 1024 * 1024;

    /// Whether a model of this size goes into the snapshot.
    #[must_use]
    pub fn is_snapshot(self, onnx_bytes: u64) -> bool {
        match self {
            Self::Auto => onnx_bytes <= Self::SNAPSHOT_LIMIT_BYTES,
            Self::Snapshot => true,
            Self::Mount => false,
        }
    }
}

/// One input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TensorSpec {
    /// As in the graph.
    pub name: String,
    /// The datatype of its elements.
    pub datatype: Datatype,
    /// The size of each dimension; -1 is any size.
    pub shape: Vec<i64>,
}

/// Why a tensor does not fit a [`TensorSpec`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("shape {came:?} does not fit {expected:?} (-1 is any size)")]
pub struct TensorSpecError {
    expected: Vec<i64>,
    came: Vec<u64>,
}

impl TensorSpec {
    /// Check a tensor's shape against this one.
    ///
    /// # Errors
    /// When the ranks differ or a fixed dimension has another size.
    pub fn check_shape(&self, shape: &[u64]) -> Result<(), TensorSpecError> {
        let fits =
            self.shape.len() == shape.len()
                && self.shape.iter().zip(shape).all(|(expected, came)| {
                    *expected == -1 || u64::try_from(*expected) == Ok(*came)
                });
        if fits {
            Ok(())
        } else {
            Err(TensorSpecError {
                expected: self.shape.clone(),
                came: shape.to_vec(),
            })
        }
    }
}

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
    /// Until it fits inside, then centred on black.
    Pad,
    /// Not at all: the middle is cut out, or centred on black.
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

/// How an output becomes labels and scores.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ClassificationSpec {
    /// The output with one value a class in its last dimension.
    pub output: String,
    /// What turns its values into scores.
    #[serde(default)]
    pub activation: Activation,
    /// A file in the model's folder with one label a line.
    #[serde(default)]
    pub labels: Option<String>,
    /// How many classes an answer names when the request does not say.
    #[serde(default = "five")]
    pub top_k: usize,
}

fn five() -> usize {
    5
}

/// What turns an output's values into scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// The values are the scores.
    #[default]
    None,
    /// `exp(x_i) / sum_j exp(x_j)` over the classes: one of them is right.
    Softmax,
    /// `1 / (1 + exp(-x_i))` for each class: any number of them is right.
    Sigmoid,
}

impl ModelCard {
    /// Read a card's text and check it.
    ///
    /// # Errors
    /// When it is not TOML, has an unknown key, lacks a needed one, or says something that cannot be:
    /// see [`CardError`].
    pub fn parse(text: &str) -> Result<Self, CardError> {
        let table: toml::Table = toml::from_str(text).map_err(|error| toml_error(&error))?;
        keys::check(&table)?;
        // From the text again, not from the table: these errors have the line.
        let card: Self = toml::from_str(text).map_err(|error| toml_error(&error))?;
        card.check()?;
        Ok(card)
    }

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

    fn check(&self) -> Result<(), CardError> {
        if self.version.is_empty() || self.version.len() > 64 {
            return Err(CardError::value(
                "`version`",
                format!("expected 1 to 64 characters, came {}", self.version.len()),
            ));
        }
        for (section, specs) in [("[[input]]", &self.inputs), ("[[output]]", &self.outputs)] {
            check_tensors(section, specs)?;
        }
        if let Some(image) = &self.image {
            self.check_image(image)?;
        }
        if let Some(classification) = &self.classification {
            self.check_classification(classification)?;
        }
        Ok(())
    }

    fn check_image(&self, image: &ImageSpec) -> Result<(), CardError> {
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

    fn check_classification(&self, spec: &ClassificationSpec) -> Result<(), CardError> {
        let place = |key: &str| format!("[classification] `{key}`");
        let Some(output) = self
            .outputs
            .iter()
            .find(|output| output.name == spec.output)
        else {
            return Err(CardError::value(
                place("output"),
                format!("there is no output `{}`", spec.output),
            ));
        };
        if output.shape.is_empty() {
            return Err(CardError::value(
                place("output"),
                format!("`{}` is a scalar, expected one value a class", output.name),
            ));
        }
        if !matches!(output.datatype, Datatype::Fp32 | Datatype::Fp16) {
            return Err(CardError::value(
                place("output"),
                format!(
                    "`{}` is {}, expected FP32 or FP16",
                    output.name, output.datatype
                ),
            ));
        }
        if spec.top_k == 0 {
            return Err(CardError::value(
                place("top_k"),
                "expected 1 or more, came 0",
            ));
        }
        match &spec.labels {
            Some(file) if file.is_empty() || file.contains(['/', '\\']) || file == ".." => {
                Err(CardError::value(
                    place("labels"),
                    format!("expected the name of a file in the model's folder, came `{file}`"),
                ))
            }
            _ => Ok(()),
        }
    }
}

fn check_tensors(section: &str, specs: &[TensorSpec]) -> Result<(), CardError> {
    if specs.is_empty() {
        return Err(CardError::value(section, "expected at least one"));
    }
    for (index, spec) in specs.iter().enumerate() {
        let place = format!("{section} `{}`", spec.name);
        if spec.name.is_empty() {
            return Err(CardError::value(section, "a name is empty"));
        }
        if specs[..index]
            .iter()
            .any(|earlier| earlier.name == spec.name)
        {
            return Err(CardError::value(place, "is there twice"));
        }
        if !spec.datatype.is_wasi_nn() {
            return Err(CardError::value(
                place,
                format!("a graph cannot have {} tensors in wasi-nn", spec.datatype),
            ));
        }
        if let Some(size) = spec.shape.iter().find(|size| **size != -1 && **size < 1) {
            return Err(CardError::value(
                place,
                format!("a dimension is -1 (any size) or 1 and more, came {size}"),
            ));
        }
    }
    Ok(())
}

fn toml_error(error: &toml::de::Error) -> CardError {
    // `Display` draws the source lines; one sentence is wanted here.
    CardError::Toml(error.to_string().trim_end().to_owned())
}
