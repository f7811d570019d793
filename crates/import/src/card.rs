//! The text of a model card, with comments for its editor.

use std::fmt::Write;

use crate::graph::Memory;
use infer_model_card::{
    Alpha, AudioFeatures, AudioSpec, Channels, Crop, Filter, ImageSpec, Layout, ResizeMode, Side,
    TableSpec, TensorSpec, TextSpec,
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
    /// How a sound becomes an input, and a comment that names the source of these settings.
    pub audio: Option<(AudioSpec, &'static str)>,
    /// How a text becomes the inputs.
    pub text: Option<TextSpec>,
    /// How a record becomes the inputs.
    pub table: Option<TableSpec>,
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
    if let Some((audio, origin)) = &parts.audio {
        write_audio(card, audio, origin)?;
    }
    if let Some(text) = &parts.text {
        write_text(card, text)?;
    }
    if let Some(table) = &parts.table {
        writeln!(
            card,
            "# The columns of a record, in the order of the input; rename them to the names that clients send."
        )?;
        writeln!(card, "[table]")?;
        if let Some(input) = &table.input {
            writeln!(card, "input = {}", toml_string(input))?;
        }
        let columns: Vec<String> = table.columns.iter().map(|name| toml_string(name)).collect();
        writeln!(card, "columns = [{}]\n", columns.join(", "))?;
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

fn write_audio(card: &mut String, audio: &AudioSpec, origin: &str) -> std::fmt::Result {
    writeln!(
        card,
        "# How an encoded sound becomes the input: mix to one channel, resample, compute the features.\n# {origin}"
    )?;
    writeln!(card, "[audio]")?;
    if let Some(input) = &audio.input {
        writeln!(card, "input = {}", toml_string(input))?;
    }
    if let Some(mask) = &audio.attention_mask {
        let mask = toml_string(mask);
        writeln!(card, "attention_mask = {mask}  # takes 1 for each sample")?;
    }
    writeln!(card, "rate_hz = {}", audio.rate_hz)?;
    let features = match audio.features {
        AudioFeatures::Waveform => "waveform",
        AudioFeatures::LogMel => "log-mel",
        AudioFeatures::Fbank => "fbank",
    };
    writeln!(
        card,
        "features = \"{features}\"  # waveform | log-mel | fbank"
    )?;
    match audio.features {
        AudioFeatures::Waveform => {
            writeln!(
                card,
                "normalize = {}  # to a mean of 0 and a variance of 1",
                audio.normalize
            )?;
        }
        AudioFeatures::LogMel => writeln!(
            card,
            "mels = {}\nn_fft = {}\nhop_length = {}\nchunk_seconds = {}  # sounds are padded or cut",
            audio.mels(),
            audio.n_fft,
            audio.hop_length,
            audio.chunk_seconds
        )?,
        AudioFeatures::Fbank => {
            writeln!(card, "mels = {}", audio.mels())?;
            if let Some(frames) = audio.max_length {
                writeln!(
                    card,
                    "max_length = {frames}  # frames; sounds are padded or cut"
                )?;
            }
            if let Some(std) = audio.std {
                writeln!(card, "mean = {:?}\nstd = {std:?}", audio.mean)?;
            }
        }
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
    if let Some(mask) = &image.mask {
        writeln!(
            card,
            "mask = {}  # takes 1 for each pixel",
            toml_string(mask)
        )?;
    }
    let note = match image.is_proportional() {
        true => "  # an example: the input has the image's proportions",
        false => "",
    };
    writeln!(
        card,
        "width = {}{note}\nheight = {}",
        image.width, image.height
    )?;
    writeln!(
        card,
        "resize = \"{}\"  # stretch | shortest-edge | pad | letterbox | edges | closest | none",
        match image.resize {
            ResizeMode::Stretch => "stretch",
            ResizeMode::ShortestEdge => "shortest-edge",
            ResizeMode::Pad => "pad",
            ResizeMode::Letterbox => "letterbox",
            ResizeMode::Edges => "edges",
            ResizeMode::Closest => "closest",
            ResizeMode::None => "none",
        }
    )?;
    let crop = match image.resize {
        ResizeMode::Edges => "",
        _ => "  # before the center crop",
    };
    for (key, edge, note) in [
        ("shortest_edge", image.shortest_edge, crop),
        ("longest_edge", image.longest_edge, "  # at most"),
        ("multiple_of", image.multiple_of, ""),
        ("resize_width", image.resize_width, crop),
        ("resize_height", image.resize_height, crop),
    ] {
        if let Some(edge) = edge {
            writeln!(card, "{key} = {edge}{note}")?;
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
        "filter = \"{}\"  # nearest | bilinear | hamming | bicubic | lanczos | opencv-linear",
        match image.filter {
            Filter::Nearest => "nearest",
            Filter::Bilinear => "bilinear",
            Filter::Hamming => "hamming",
            Filter::Bicubic => "bicubic",
            Filter::Lanczos => "lanczos",
            Filter::OpencvLinear => "opencv-linear",
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
