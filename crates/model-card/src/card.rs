//! The card's types and what is checked of them.

use serde::Deserialize;

use crate::{
    BatchingSpec, CardError, ClassificationSpec, Datatype, EmbeddingSpec, ImageSpec, Precision,
    RuntimeChoice, TextSpec, keys,
};

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
    /// What runs the graph in the engine in WebAssembly.
    #[serde(default)]
    pub runtime: RuntimeChoice,
    /// What native backends compute FP32 graphs in.
    #[serde(default)]
    pub precision: Precision,
    /// Whether native backends compute requests together that wait together.
    #[serde(default)]
    pub batching: Option<BatchingSpec>,
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
    /// How a text becomes the inputs, for models that take texts.
    #[serde(default)]
    pub text: Option<TextSpec>,
    /// How an output becomes one vector a text, for models that embed texts.
    #[serde(default)]
    pub embedding: Option<EmbeddingSpec>,
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
    /// Of an input with dimensions of any size: sizes with which the graph computes. Readiness is tried
    /// with them.
    #[serde(default)]
    pub example_shape: Option<Vec<u32>>,
}

/// Why a tensor does not fit a [`TensorSpec`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("shape {came:?} does not fit {expected:?} (-1 is any size)")]
pub struct TensorSpecError {
    expected: Vec<i64>,
    came: Vec<u64>,
}

impl TensorSpec {
    /// Sizes to ask with where nobody says other: those of the example, or 1 for what is open.
    #[must_use]
    pub fn usual_shape(&self) -> Vec<u32> {
        let ones = || {
            self.shape
                .iter()
                .map(|size| u32::try_from(*size).unwrap_or(1))
        };
        self.example_shape
            .clone()
            .unwrap_or_else(|| ones().collect())
    }

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

    /// The shape of an input that the card says more of than the graph does: that of a prepared image, or
    /// its `example_shape`.
    #[must_use]
    pub fn known_shape(&self, spec: &TensorSpec) -> Option<Vec<u32>> {
        match self.image_input() {
            Some((image, input)) if input.name == spec.name => {
                let sizes = image.least_shape(spec).map(u32::try_from);
                sizes.into_iter().collect::<Result<_, _>>().ok()
            }
            _ => spec.example_shape.clone(),
        }
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
        if let Some(batching) = &self.batching {
            self.check_batching(batching)?;
        }
        if let Some(image) = &self.image {
            self.check_image(image)?;
        }
        if let Some(classification) = &self.classification {
            self.check_classification(classification)?;
        }
        if let Some(text) = &self.text {
            self.check_text(text)?;
        }
        if let Some(embedding) = &self.embedding {
            self.check_embedding(embedding)?;
        }
        Ok(())
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
        if let Some(example) = &spec.example_shape {
            let sizes: Vec<u64> = example.iter().map(|size| u64::from(*size)).collect();
            if section != "[[input]]" {
                return Err(CardError::value(place, "`example_shape` is for inputs"));
            }
            if spec.check_shape(&sizes).is_err() || sizes.contains(&0) {
                return Err(CardError::value(
                    place,
                    format!(
                        "`example_shape` is {example:?}, which does not fit the shape {:?}",
                        spec.shape
                    ),
                ));
            }
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

/// The output of that name, of which scores or vectors are made.
pub(crate) fn float_output<'a>(
    card: &'a ModelCard,
    place: &str,
    name: &str,
) -> Result<&'a TensorSpec, CardError> {
    let Some(output) = card.outputs.iter().find(|output| output.name == name) else {
        return Err(CardError::value(
            place,
            format!("there is no output `{name}`"),
        ));
    };
    if !matches!(output.datatype, Datatype::Fp32 | Datatype::Fp16) {
        return Err(CardError::value(
            place,
            format!("`{name}` is {}, expected FP32 or FP16", output.datatype),
        ));
    }
    Ok(output)
}

/// Check that a file is named, and nothing outside the model's folder.
pub(crate) fn check_file(place: &str, file: &str) -> Result<(), CardError> {
    if file.is_empty() || file.contains(['/', '\\']) || file == "." || file == ".." {
        return Err(CardError::value(
            place,
            format!("expected the name of a file in the model's folder, came `{file}`"),
        ));
    }
    Ok(())
}

fn toml_error(error: &toml::de::Error) -> CardError {
    // `Display` draws the source lines; one sentence is wanted here.
    CardError::Toml(error.to_string().trim_end().to_owned())
}
