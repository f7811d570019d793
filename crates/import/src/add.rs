//! A source is looked at as a whole, and only then put into the repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use infer_engine::onnx::Summary;
use infer_model_card::{
    Activation, CardError, Channels, Crop, Datatype, EmbeddingSpec, Filter, ImageSpec,
    InvalidModelName, LabelsError, Layout, ModelCard, ModelId, ModelName, Placement, Pooling,
    ResizeMode, TensorSpec,
};

use crate::card::{self, Classification, LABELS_FILE, Parts};
use crate::graph::{self, Shapes, Tried};
use crate::labels::{self, Config, ConfigError};
use crate::processor::{self, ProcessorError};
use crate::source::{Source, SourceError};
use crate::text::{self, TextError};

/// What a user says of a source.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which of several graphs.
    pub variant: Option<String>,
    /// A label file, one label a line.
    pub labels: Option<PathBuf>,
    /// That images are taken, of this width and height, prepared as torchvision does for ImageNet.
    pub image: Option<(u32, u32)>,
    /// What turns the classes' values into scores.
    pub activation: Option<Activation>,
    /// The model's version, `1` if the user says none.
    pub version: Option<String>,
    /// Sizes of inputs, where the graph leaves them open.
    pub shapes: Shapes,
}

/// A model that can be added.
#[derive(Clone, Debug)]
pub struct Found {
    /// The graph's file.
    pub onnx: PathBuf,
    /// Its size.
    pub onnx_bytes: u64,
    /// What the model is called where it comes from, as far as that can be a name.
    pub name: String,
    /// Who wrote the graph, and of what it is made.
    pub summary: Summary,
    /// How long one inference takes once it is warm, natively on this machine; none where it could not be
    /// tried, of which there is a note then.
    pub warm: Option<std::time::Duration>,
    /// What goes into `model.toml`.
    pub card_text: String,
    /// The same, read.
    pub card: ModelCard,
    /// What goes into the label file.
    pub labels_text: Option<String>,
    /// What goes into the tokenizer's file.
    pub tokenizer_text: Option<String>,
    /// What a user should know of it.
    pub notes: Vec<String>,
}

/// Why a source cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// There is no graph to be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The engine cannot run the graph.
    #[error("`{}` cannot be used: {source}", path.display())]
    Graph {
        /// The graph's file.
        path: PathBuf,
        /// The engine's word.
        source: infer_engine::Error,
    },
    /// `config.json`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `preprocessor_config.json`.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// How texts are prepared.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The label file.
    #[error("`{}`: {source}", path.display())]
    Labels {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LabelsError,
    },
    /// As many labels as classes.
    #[error("there are {labels} labels, but output `{output}` has {classes} classes")]
    LabelCount {
        /// How many labels.
        labels: usize,
        /// The output.
        output: String,
        /// How many classes.
        classes: i64,
    },
    /// Images are to be taken, but no input could be one.
    #[error(
        "images need an input of shape [batch, channels, height, width] or [batch, height, width, \
         channels] with 1 or 3 channels; the graph has {inputs}"
    )]
    NoImageInput {
        /// The inputs with their shapes.
        inputs: String,
    },
    /// Classes are to be named, but no output could have them.
    #[error(
        "labels need an output of FP32 or FP16 with one value a class; the graph has {outputs}"
    )]
    NoClasses {
        /// The outputs with their shapes.
        outputs: String,
    },
    /// The parts contradict each other.
    #[error("the model card that follows from the files is not possible: {0}")]
    Card(#[from] CardError),
    /// A file that could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// Why a model was not added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The name that was chosen, or that the source has.
    #[error(transparent)]
    Name(#[from] InvalidModelName),
    /// The repository passes such folders over.
    #[error(
        "`{name}` begins with a dot, and such folders are passed over; choose another name with `--name`"
    )]
    Hidden {
        /// The name.
        name: ModelName,
    },
    /// There is one.
    #[error("there is a model `{id}` in `{}`; remove it first, or choose a name with `--name`", repository.display())]
    Exists {
        /// The name, and the version if one was chosen.
        id: ModelId,
        /// Where.
        repository: PathBuf,
    },
    /// A version is to stand beside a graph that has none.
    #[error(
        "model `{name}` in `{}` has no versions, so `{version}` cannot stand beside it; remove it first, \
         or move its files into a folder of their own, named for their version",
        repository.display()
    )]
    NoVersions {
        /// The model.
        name: ModelName,
        /// The version.
        version: ModelName,
        /// Where.
        repository: PathBuf,
    },
    /// A file that could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// Look at a source, run its graph once, and work out its card. Nothing is written.
///
/// # Errors
/// At the first thing that cannot be used, by name: see [`InspectError`].
pub fn inspect(path: &Path, options: &Options) -> Result<Found, InspectError> {
    let source = Source::find(path, options.variant.as_deref())?;
    let onnx = fs::read(&source.onnx).map_err(|error| read_error(&source.onnx, error))?;
    let onnx_bytes = onnx.len() as u64;
    let failed = |error| InspectError::Graph {
        path: source.onnx.clone(),
        source: error,
    };
    let declared = graph::declared_inputs(&onnx).map_err(failed)?;
    let image = image(&source, options, &declared)?;
    let mut shapes = options.shapes.clone();
    let image_input = image.as_ref().and_then(|(image, _)| {
        let only = declared.first().map(|spec| spec.name.clone());
        Some((image.input.clone().or(only)?, image.shape(1)))
    });
    if let Some((name, shape)) = &image_input {
        let sizes = shape.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        shapes.insert(name.clone(), sizes.to_vec());
    }
    let mut tried = graph::try_out(onnx, &shapes).map_err(failed)?;
    // What `[image]` says need not be said twice.
    for spec in &mut tried.inputs {
        if image_input
            .as_ref()
            .is_some_and(|(name, _)| *name == spec.name)
        {
            spec.example_shape = None;
        }
    }
    let config = match source.file("config.json") {
        Some(path) => Config::read(&read_text(&path)?)?,
        None => Config::default(),
    };
    let (classification, labels_text) = classification(options, &config, &tried)?;
    let texts = text::read(&source, &config, &tried.inputs)?;
    let mut notes = texts.notes;
    if let Err(error) = &tried.warm {
        notes.push(format!(
            "no inference was tried: the graph leaves sizes open, and with the usual ones it does not compute \
             ({error}); say them with `--shape NAME=1,2,3`, and readiness will try them too"
        ));
    }
    if !Placement::Auto.is_snapshot(onnx_bytes) {
        notes.push(
            "not every host would take it in the snapshot, so it is read again for each request; \
             `placement = \"snapshot\"` in `model.toml` makes it ready at once, where the host takes an \
             artefact of 1 to 2 times its size"
                .to_owned(),
        );
    }
    let embedding = match (&texts.text, &classification) {
        (Some(_), None) => embedding(&config, texts.pooling, &tried.outputs),
        _ => None,
    };
    let description = match config.architecture.as_str() {
        "" => source.name.clone(),
        architecture => format!("{}, {architecture}", source.name),
    };
    let card_text = card::write(&Parts {
        version: options.version.clone().unwrap_or_else(|| "1".to_owned()),
        description,
        inputs: tried.inputs,
        outputs: tried.outputs,
        image,
        classification,
        text: texts.text,
        embedding,
    });
    Ok(Found {
        card: ModelCard::parse(&card_text)?,
        card_text,
        labels_text,
        tokenizer_text: texts.tokenizer,
        notes,
        onnx: source.onnx,
        onnx_bytes,
        name: as_name(&source.name),
        summary: tried.summary,
        warm: tried.warm.ok(),
    })
}

/// Put a model into the repository under that name, its own when there is none; returns its folder. With
/// a version it goes into a folder of that version's below the model's.
///
/// # Errors
/// When the name is none or taken, or a file cannot be written: nothing is left behind then.
pub fn add(
    found: &Found,
    repository: &Path,
    name: Option<&str>,
    version: Option<&str>,
) -> Result<(ModelId, PathBuf), AddError> {
    let id = ModelId {
        name: ModelName::new(name.unwrap_or(&found.name))?,
        version: version.map(ModelName::new).transpose()?,
    };
    if let Some(hidden) = [Some(&id.name), id.version.as_ref()]
        .into_iter()
        .flatten()
        .find(|name| name.as_str().starts_with('.'))
    {
        return Err(AddError::Hidden {
            name: hidden.clone(),
        });
    }
    let model = repository.join(id.name.as_str());
    let folder = repository.join(id.to_string());
    if folder.exists() {
        return Err(AddError::Exists {
            id,
            repository: repository.to_owned(),
        });
    }
    if let Some(version) = &id.version
        && model.join("model.onnx").exists()
    {
        return Err(AddError::NoVersions {
            name: id.name.clone(),
            version: version.clone(),
            repository: repository.to_owned(),
        });
    }
    // Folders that begin with a dot are no models: an addition that breaks off is never half a model.
    let unfinished = repository.join(format!(".adding-{}", id.name));
    let written = write_all(found, &unfinished).and_then(|()| {
        let parent = folder.parent().unwrap_or(repository);
        fs::create_dir_all(parent)
            .and_then(|()| fs::rename(&unfinished, &folder))
            .map_err(|source| AddError::Write {
                path: folder.clone(),
                source,
            })
    });
    if written.is_err() {
        // The first failure is the one to tell.
        _ = fs::remove_dir_all(&unfinished);
    }
    written.map(|()| (id, folder))
}

fn write_all(found: &Found, folder: &Path) -> Result<(), AddError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| AddError::Write { path, source }
    };
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed(folder))?;
    }
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let onnx = folder.join("model.onnx");
    fs::copy(&found.onnx, &onnx).map_err(failed(&onnx))?;
    let card = folder.join("model.toml");
    fs::write(&card, &found.card_text).map_err(failed(&card))?;
    let tokenizer = found.card.text.as_ref().map(|text| text.tokenizer.as_str());
    let files = [
        (Some(LABELS_FILE), &found.labels_text),
        (tokenizer, &found.tokenizer_text),
    ];
    for (file, text) in files {
        if let (Some(file), Some(text)) = (file, text) {
            let path = folder.join(file);
            fs::write(&path, text).map_err(failed(&path))?;
        }
    }
    Ok(())
}

fn read_error(path: &Path, source: io::Error) -> InspectError {
    InspectError::Read {
        path: path.to_owned(),
        source,
    }
}

fn read_text(path: &Path) -> Result<String, InspectError> {
    fs::read_to_string(path).map_err(|error| read_error(path, error))
}

/// A folder's name as a model's: what a model's cannot have becomes a hyphen, and it is not hidden.
fn as_name(name: &str) -> String {
    name.trim_start_matches('.')
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '-',
        })
        .collect()
}

/// The first input that could be an image, with its layout and number of channels.
fn image_input(inputs: &[TensorSpec]) -> Option<(&TensorSpec, Layout, i64)> {
    inputs.iter().find_map(|spec| {
        let is_pixels = matches!(
            spec.datatype,
            Datatype::Fp32 | Datatype::Fp16 | Datatype::Uint8
        );
        match spec.shape.as_slice() {
            [_, channels @ (1 | 3), _, _] if is_pixels => Some((spec, Layout::Nchw, *channels)),
            [_, _, _, channels @ (1 | 3)] if is_pixels => Some((spec, Layout::Nhwc, *channels)),
            // Optimum leaves the channels free as well.
            [_, -1, _, _] if is_pixels => Some((spec, Layout::Nchw, 3)),
            _ => None,
        }
    })
}

type Image = Option<(ImageSpec, String)>;

fn image(source: &Source, options: &Options, inputs: &[TensorSpec]) -> Result<Image, InspectError> {
    let preprocessor = source.file("preprocessor_config.json");
    if options.image.is_none() && preprocessor.is_none() {
        return Ok(None);
    }
    let (spec, layout, channels) =
        image_input(inputs).ok_or_else(|| InspectError::NoImageInput {
            inputs: described(inputs),
        })?;
    let (mut image, origin) = match (options.image, &preprocessor) {
        (Some(size), _) => (
            imagenet(size, layout, channels),
            "As torchvision does it for ImageNet: check it.".to_owned(),
        ),
        (None, Some(path)) => (
            processor::read(&read_text(path)?, layout)?,
            "From preprocessor_config.json.".to_owned(),
        ),
        (None, None) => return Ok(None),
    };
    image.input = (inputs.len() > 1).then(|| spec.name.clone());
    Ok(Some((image, origin)))
}

/// torchvision's `ImageClassification` preset: `Resize(size / 0.875)`, `CenterCrop(size)`, ImageNet's
/// mean and deviation. Grey images have no such preset: they are stretched and scaled to 0 to 1.
fn imagenet((width, height): (u32, u32), layout: Layout, channels: i64) -> ImageSpec {
    let is_colour = channels == 3;
    let is_square = width == height;
    ImageSpec {
        input: None,
        width,
        height,
        resize: if is_colour && is_square {
            ResizeMode::ShortestEdge
        } else {
            ResizeMode::Stretch
        },
        shortest_edge: (is_colour && is_square).then(|| (f64::from(width) / 0.875).round() as u32),
        resize_width: None,
        resize_height: None,
        crop: Crop::Torchvision,
        filter: Filter::Bilinear,
        channels: if is_colour {
            Channels::Rgb
        } else {
            Channels::Gray
        },
        layout,
        scale: 1.0 / 255.0,
        mean: if is_colour {
            vec![0.485, 0.456, 0.406]
        } else {
            vec![0.0]
        },
        std: if is_colour {
            vec![0.229, 0.224, 0.225]
        } else {
            vec![1.0]
        },
    }
}

/// The output of which one vector a text is made, and how; of a model that was made for something else,
/// none.
fn embedding(
    config: &Config,
    pooling: Option<Pooling>,
    outputs: &[TensorSpec],
) -> Option<EmbeddingSpec> {
    // `BertModel`, but not `BertForMaskedLM`.
    let has_no_head = config.architecture.is_empty() || config.architecture.ends_with("Model");
    let find = |names: &[&str], rank: usize| {
        outputs
            .iter()
            .find(|spec| names.contains(&spec.name.as_str()) && spec.shape.len() == rank)
            .filter(|spec| matches!(spec.datatype, Datatype::Fp32 | Datatype::Fp16))
    };
    let spec = |output: &TensorSpec, pooling| EmbeddingSpec {
        output: output.name.clone(),
        pooling,
        normalize: true,
    };
    // As optimum exports a folder of `sentence-transformers`.
    if let Some(pooled) = find(&["sentence_embedding"], 2) {
        return Some(spec(pooled, Pooling::None));
    }
    let tokens = find(&["last_hidden_state", "token_embeddings"], 3)?;
    (has_no_head || pooling.is_some()).then(|| spec(tokens, pooling.unwrap_or_default()))
}

fn described(specs: &[TensorSpec]) -> String {
    let described: Vec<String> = specs
        .iter()
        .map(|spec| format!("`{}` ({} {:?})", spec.name, spec.datatype, spec.shape))
        .collect();
    described.join(", ")
}

fn classification(
    options: &Options,
    config: &Config,
    tried: &Tried,
) -> Result<(Option<Classification>, Option<String>), InspectError> {
    let text = match &options.labels {
        Some(path) => Some(read_text(path)?),
        None if config.is_classifier && !config.labels.is_empty() => {
            Some(labels::to_text(&config.labels))
        }
        None => None,
    };
    if text.is_none() && options.activation.is_none() && !config.is_classifier {
        return Ok((None, None));
    }
    let outputs = &tried.outputs;
    let is_classes = |(_, spec): &(usize, &TensorSpec)| {
        matches!(spec.datatype, Datatype::Fp32 | Datatype::Fp16) && !spec.shape.is_empty()
    };
    let (place, output) = outputs
        .iter()
        .enumerate()
        .filter(is_classes)
        .max_by_key(|(place, spec)| (spec.name == "logits", std::cmp::Reverse(*place)))
        .ok_or_else(|| InspectError::NoClasses {
            outputs: described(outputs),
        })?;
    if let Some(text) = &text {
        let path = options
            .labels
            .clone()
            .unwrap_or_else(|| "config.json".into());
        let count = labels::count(text).map_err(|source| InspectError::Labels { path, source })?;
        let classes = output.shape.last().copied().unwrap_or(-1);
        if classes != -1 && usize::try_from(classes) != Ok(count) {
            return Err(InspectError::LabelCount {
                labels: count,
                output: output.name.clone(),
                classes,
            });
        }
    }
    let last_operator = tried.summary.last_operators.get(place);
    let last_operator = last_operator.map_or("", String::as_str);
    let classification = Classification {
        output: output.name.clone(),
        activation: options.activation.unwrap_or(match last_operator {
            // The graph has done it.
            "Softmax" | "Sigmoid" => Activation::None,
            _ => config.activation,
        }),
        has_labels: text.is_some(),
    };
    Ok((Some(classification), text))
}
