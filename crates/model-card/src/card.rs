//! The card's types and their checks.

use infer_tensor::Datatype;
use serde::Deserialize;

use crate::tasks::{self, Task};
use crate::{AudioSpec, BatchingSpec, CardError, ImageSpec, Precision, TableSpec, TextSpec, keys};

/// The contents of a `model.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ModelCard {
    /// The model's version, a string as in the Open Inference Protocol; `1` unless the card sets it.
    #[serde(default = "default_version")]
    pub version: String,
    /// A description of one line.
    #[serde(default)]
    pub description: String,
    /// The file with an example request: the body of a request to `POST /infer/{model}`.
    #[serde(default)]
    pub example: Option<String>,
    /// Where the model is stored at run time.
    #[serde(default)]
    pub placement: Placement,
    /// The memory that the model takes in the WebAssembly engine.
    #[serde(default)]
    pub memory: Option<MemorySpec>,
    /// The precision that native backends use for FP32 graphs.
    #[serde(default)]
    pub precision: Precision,
    /// Dynamic batching in native backends.
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
    /// How an encoded sound becomes an input, for models that take sounds.
    #[serde(default)]
    pub audio: Option<AudioSpec>,
    /// How a text becomes the inputs, for models that take texts.
    #[serde(default)]
    pub text: Option<TextSpec>,
    /// How a record becomes the inputs, for models that take tables.
    #[serde(default)]
    pub table: Option<TableSpec>,
    /// The meaning of the outputs, from the section of the task.
    #[serde(skip)]
    pub task: Task,
    /// Hugging Face's name for the task: the card's `task`, or the name that follows from the sections.
    /// `None` for bare tensors and for a classifier of bare tensors.
    #[serde(skip)]
    pub task_name: Option<&'static str>,
}

fn default_version() -> String {
    "1".to_owned()
}

/// The memory that a model takes in the WebAssembly engine, as `infer add` measured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct MemorySpec {
    /// The loaded graph, in MiB.
    pub loaded_mib: u32,
    /// The most that an inference with the example shapes takes besides, in MiB.
    pub inference_mib: u32,
}

/// Where a model is stored at run time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// In the snapshot, unless its file is larger than [`Placement::SNAPSHOT_LIMIT_BYTES`].
    #[default]
    Auto,
    /// In the engine's snapshot: loaded when an instance starts.
    Snapshot,
    /// In the `models` mount: each instance that needs the model reads and loads it.
    Mount,
}

impl Placement {
    /// The largest `model.onnx` that [`Placement::Auto`] puts into the snapshot, in bytes. A model takes
    /// its file's size in the snapshot, and up to twice that where weights are packed for the kernels
    /// beside the originals. The lowest limit on an application's size among the hosts is 50 MiB.
    pub const SNAPSHOT_LIMIT_BYTES: u64 = 22 * 1024 * 1024;

    /// The most memory of a loaded graph with which `infer add` leaves the placement to [`Placement::Auto`], in bytes. Some
    /// files are small and make their weights when they are loaded.
    pub const LOADED_LIMIT_BYTES: u64 = 2 * Self::SNAPSHOT_LIMIT_BYTES;

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
    /// The tensor's name in the graph.
    pub name: String,
    /// The datatype of its elements.
    pub datatype: Datatype,
    /// The size of each dimension; -1 stands for any size.
    pub shape: Vec<i64>,
    /// Sizes that the graph accepts, for an input with dimensions of any size. The readiness probe runs
    /// the graph with them.
    #[serde(default)]
    pub example_shape: Option<Vec<u32>>,
}

/// A tensor's shape does not fit a [`TensorSpec`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("shape {actual:?} does not fit {expected:?} (-1 is any size)")]
pub struct TensorSpecError {
    expected: Vec<i64>,
    actual: Vec<u64>,
}

impl TensorSpec {
    /// The shape to use where nothing else is known: the example's, else 1 for each dimension of any size.
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
        let fits = self.shape.len() == shape.len()
            && self.shape.iter().zip(shape).all(|(expected, actual)| {
                *expected == -1 || u64::try_from(*expected) == Ok(*actual)
            });
        if fits {
            Ok(())
        } else {
            Err(TensorSpecError {
                expected: self.shape.clone(),
                actual: shape.to_vec(),
            })
        }
    }
}

impl ModelCard {
    /// Parse and check a card.
    ///
    /// # Errors
    /// When the text is not TOML, has an unknown key, lacks a required one, or contradicts itself: see
    /// [`CardError`].
    pub fn parse(text: &str) -> Result<Self, CardError> {
        let table: toml::Table = toml::from_str(text).map_err(|error| CardError::toml(&error))?;
        keys::check(&table)?;
        // From the text again, not from the table: these errors have the line.
        let mut card: Self = toml::from_str(text).map_err(|error| CardError::toml(&error))?;
        let (task, declared) = tasks::read(text)?;
        card.task = task;
        card.task_name = tasks::check_name(declared.as_deref(), &card)?;
        card.check()?;
        Ok(card)
    }

    /// The shape of an input where the card knows more than the graph: the shape of a preprocessed image,
    /// or the input's `example_shape`.
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

    /// The value that an input always has, such as the sample rate.
    #[must_use]
    pub fn constant(&self, input: &str) -> Option<i64> {
        match (&self.task, &self.audio) {
            (Task::VoiceActivity(spec), Some(audio))
                if spec.rate_input.as_deref() == Some(input) =>
            {
                Some(audio.rate_hz.into())
            }
            _ => None,
        }
    }

    fn check(&self) -> Result<(), CardError> {
        if self.version.is_empty() || self.version.len() > 64 {
            return Err(CardError::value(
                "`version`",
                format!("expected 1 to 64 characters, got {}", self.version.len()),
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
        if let Some(audio) = &self.audio {
            self.check_audio(audio)?;
        }
        if let Some(text) = &self.text {
            self.check_text(text)?;
        }
        if let Some(table) = &self.table {
            self.check_table(table)?;
        }
        if let Some(file) = &self.example {
            check_file_name("example", file)?;
        }
        self.task.check(self)
    }
}

fn check_tensors(section: &str, specs: &[TensorSpec]) -> Result<(), CardError> {
    if specs.is_empty() {
        return Err(CardError::value(section, "expected at least one"));
    }
    for (index, spec) in specs.iter().enumerate() {
        let place = format!("{section} `{}`", spec.name);
        if spec.name.is_empty() {
            return Err(CardError::value(section, "`name` is empty"));
        }
        if specs[..index]
            .iter()
            .any(|earlier| earlier.name == spec.name)
        {
            return Err(CardError::value(place, "appears twice"));
        }
        if !spec.datatype.is_wasi_nn() {
            return Err(CardError::value(
                place,
                format!("wasi-nn has no {} tensors", spec.datatype),
            ));
        }
        if let Some(example) = &spec.example_shape {
            let sizes: Vec<u64> = example.iter().map(|size| u64::from(*size)).collect();
            if section != "[[input]]" {
                return Err(CardError::value(place, "only inputs have `example_shape`"));
            }
            if spec.check_shape(&sizes).is_err() || sizes.contains(&0) {
                return Err(CardError::value(
                    place,
                    format!(
                        "`example_shape` {example:?} does not fit the shape {:?}",
                        spec.shape
                    ),
                ));
            }
        }
        if let Some(size) = spec.shape.iter().find(|size| **size != -1 && **size < 1) {
            return Err(CardError::value(
                place,
                format!("expected dimensions of 1 or more, or -1 for any size, got {size}"),
            ));
        }
    }
    Ok(())
}

/// Find an output by name and check that its elements are FP32 or FP16.
pub(crate) fn float_output<'a>(
    card: &'a ModelCard,
    place: &str,
    name: &str,
) -> Result<&'a TensorSpec, CardError> {
    let Some(output) = card.outputs.iter().find(|output| output.name == name) else {
        return Err(CardError::value(
            place,
            format!("the model has no output `{name}`"),
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

/// Check that a card names a file directly inside the model's folder.
pub(crate) fn check_file_name(place: &str, file: &str) -> Result<(), CardError> {
    if file.is_empty() || file.contains(['/', '\\']) || file == "." || file == ".." {
        return Err(CardError::value(
            place,
            format!("expected the name of a file in the model's folder, got `{file}`"),
        ));
    }
    Ok(())
}
