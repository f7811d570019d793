//! The text of a model card, with comments for its editor.

use std::fmt::Write;

use crate::graph::Memory;
use infer_model_card::{
    Alpha, Channels, Crop, Filter, ImageSpec, Layout, ResizeMode, Side, TensorSpec, TextSpec,
};

/// The contents of a card.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The model's version.
    pub version: String,
    /// A description of one line.
    pub description: String,
    /// Whether the model stays outside the snapshot, since it is large once it is loaded.
    pub is_mounted: bool,
    /// The memory that the model takes in the WebAssembly engine.
    pub memory: Option<Memory>,
    /// The graph's inputs.
    pub inputs: Vec<TensorSpec>,
    /// The graph's outputs.
    pub outputs: Vec<TensorSpec>,
    /// How an image becomes an input, and a comment that names the source of these settings.
    pub image: Option<(ImageSpec, String)>,
    /// How a text becomes the inputs.
    pub text: Option<TextSpec>,
    /// The task's section in TOML; empty for a model that returns its output tensors.
    pub task: String,
}

/// The name of the label file.
pub const LABELS_FILE: &str = "labels.txt";

/// Write the text of a card.
#[must_use]
pub fn write(parts: &Parts) -> String {
    let mut card = String::new();
    // Writing into a text does not fail.
    _ = write_into(&mut card, parts);
    card.truncate(card.trim_end().len());
    card.push('\n');
    card
}

fn write_into(card: &mut String, parts: &Parts) -> std::fmt::Result {
    writeln!(card, "version = {}", toml_string(&parts.version))?;
    writeln!(card, "description = {}", toml_string(&parts.description))?;
    writeln!(
        card,
        "# Where the model is stored at run time: \"snapshot\" (in the artifact, ready at once), \"mount\" \
         (read\n# for each request), or \"auto\" (by its size)."
    )?;
    writeln!(
        card,
        "{}",
        match parts.is_mounted {
            true => "placement = \"mount\"",
            false => "# placement = \"auto\"",
        }
    )?;
    writeln!(card, "\n# Names as in the graph; -1 is any size.")?;
    for (section, specs) in [("input", &parts.inputs), ("output", &parts.outputs)] {
        for spec in specs {
            writeln!(card, "[[{section}]]")?;
            writeln!(card, "name = {}", toml_string(&spec.name))?;
            writeln!(card, "datatype = \"{}\"", spec.datatype)?;
            writeln!(card, "shape = {:?}", spec.shape)?;
            if let Some(example) = &spec.example_shape {
                writeln!(
                    card,
                    "example_shape = {example:?}  # for the readiness probe"
                )?;
            }
            writeln!(card)?;
        }
    }
    if let Some(Memory {
        loaded_bytes,
        inference_bytes: Some(inference),
    }) = parts.memory
    {
        writeln!(
            card,
            "# Memory in WebAssembly, measured: the loaded graph, and the most that an inference takes besides.\n\
             [memory]\nloaded_mib = {}\ninference_mib = {}\n",
            loaded_bytes.div_ceil(1 << 20),
            inference.div_ceil(1 << 20)
        )?;
    }
    if let Some((image, origin)) = &parts.image {
        write_image(card, image, origin)?;
    }
    if let Some(text) = &parts.text {
        write_text(card, text)?;
    }
    card.write_str(&parts.task)
}

fn write_text(card: &mut String, spec: &TextSpec) -> std::fmt::Result {
    let side = |side| match side {
        Side::Left => "left",
        Side::Right => "right",
    };
    writeln!(
        card,
        "# How a text becomes the inputs. The length in the tokenizer's file is ignored."
    )?;
    writeln!(card, "[text]\ntokenizer = {}", toml_string(&spec.tokenizer))?;
    writeln!(
        card,
        "max_tokens = {}  # longer texts are truncated",
        spec.max_tokens
    )?;
    writeln!(
        card,
        "pad_id = {}  # pads the shorter texts of a batch",
        spec.pad_id
    )?;
    if spec.padding_side != Side::Right {
        writeln!(card, "padding_side = \"{}\"", side(spec.padding_side))?;
    }
    if spec.truncation_side != Side::Right {
        writeln!(card, "truncation_side = \"{}\"", side(spec.truncation_side))?;
    }
    if !spec.prompt.is_empty() {
        let prompt = toml_string(&spec.prompt);
        writeln!(card, "prompt = {prompt}  # before every text")?;
    }
    writeln!(card)
}

fn write_image(card: &mut String, image: &ImageSpec, origin: &str) -> std::fmt::Result {
    writeln!(
        card,
        "# How an encoded image becomes the input: resize, crop the center, then\n# (value * scale - mean) / \
         std. {origin}"
    )?;
    writeln!(card, "[image]")?;
    if let Some(input) = &image.input {
        writeln!(card, "input = {}", toml_string(input))?;
    }
    writeln!(card, "width = {}\nheight = {}", image.width, image.height)?;
    writeln!(
        card,
        "resize = \"{}\"  # stretch | shortest-edge | pad | none",
        match image.resize {
            ResizeMode::Stretch => "stretch",
            ResizeMode::ShortestEdge => "shortest-edge",
            ResizeMode::Pad => "pad",
            ResizeMode::None => "none",
        }
    )?;
    for (key, edge) in [
        ("shortest_edge", image.shortest_edge),
        ("resize_width", image.resize_width),
        ("resize_height", image.resize_height),
    ] {
        if let Some(edge) = edge {
            writeln!(card, "{key} = {edge}  # before the center crop")?;
        }
    }
    let is_cut = image.resize != ResizeMode::Stretch
        || image.resize_width.is_some()
        || image.resize_height.is_some();
    if image.crop == Crop::Transformers && is_cut {
        writeln!(
            card,
            "crop = \"transformers\"  # how the center crop rounds; or torchvision"
        )?;
    }
    writeln!(
        card,
        "filter = \"{}\"  # nearest | bilinear | hamming | bicubic | lanczos",
        match image.filter {
            Filter::Nearest => "nearest",
            Filter::Bilinear => "bilinear",
            Filter::Hamming => "hamming",
            Filter::Bicubic => "bicubic",
            Filter::Lanczos => "lanczos",
        }
    )?;
    writeln!(
        card,
        "channels = \"{}\"  # gray | rgb | bgr",
        match image.channels {
            Channels::Gray => "gray",
            Channels::Rgb => "rgb",
            Channels::Bgr => "bgr",
        }
    )?;
    if image.alpha == Alpha::Drop {
        writeln!(
            card,
            "alpha = \"drop\"  # transparency: drop it and keep the colors below, or put it on white"
        )?;
    }
    writeln!(
        card,
        "layout = \"{}\"",
        match image.layout {
            Layout::Nchw => "nchw",
            Layout::Nhwc => "nhwc",
        }
    )?;
    writeln!(card, "scale = {:?}", image.scale)?;
    writeln!(card, "mean = {:?}", image.mean)?;
    writeln!(card, "std = {:?}\n", image.std)
}

/// A TOML basic string; its escapes include JSON's.
pub(crate) fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
