//! The model card as a text, with comments for the one who will change it.

use std::fmt::Write;

use infer_model_card::{
    Activation, Channels, Crop, EmbeddingSpec, Filter, ImageSpec, Layout, Pooling, ResizeMode,
    RuntimeChoice, Side, TensorSpec, TextSpec,
};

/// What a card says.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The model's.
    pub version: String,
    /// One line for people.
    pub description: String,
    /// What runs it in the engine.
    pub runtime: RuntimeChoice,
    /// The graph's.
    pub inputs: Vec<TensorSpec>,
    /// The graph's.
    pub outputs: Vec<TensorSpec>,
    /// How an image becomes an input; a comment says where that is known from.
    pub image: Option<(ImageSpec, String)>,
    /// How an output becomes labels and scores.
    pub classification: Option<Classification>,
    /// How a text becomes the inputs.
    pub text: Option<TextSpec>,
    /// How an output becomes one vector a text.
    pub embedding: Option<EmbeddingSpec>,
}

/// `[classification]`
#[derive(Clone, Debug)]
pub struct Classification {
    /// The output's name.
    pub output: String,
    /// What turns its values into scores.
    pub activation: Activation,
    /// Whether there is a label file, [`LABELS_FILE`].
    pub has_labels: bool,
}

/// The label file's name.
pub const LABELS_FILE: &str = "labels.txt";

/// Write the card.
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
    writeln!(card, "version = {}", text(&parts.version))?;
    writeln!(card, "description = {}", text(&parts.description))?;
    writeln!(
        card,
        "# Where the model is at run time: \"snapshot\" (ready at once, in the artifact), \"mount\" (read \
         when it\n# is asked for), or by its size.\n# placement = \"auto\""
    )?;
    writeln!(
        card,
        "# What runs it in WebAssembly: \"executor\" or \"rten\"; \"auto\" lets each build find out."
    )?;
    writeln!(card, "runtime = \"{}\"", parts.runtime)?;
    writeln!(card, "\n# As in the graph; -1 is any size.")?;
    for (section, specs) in [("input", &parts.inputs), ("output", &parts.outputs)] {
        for spec in specs {
            writeln!(card, "[[{section}]]")?;
            writeln!(card, "name = {}", text(&spec.name))?;
            writeln!(card, "datatype = \"{}\"", spec.datatype)?;
            writeln!(card, "shape = {:?}", spec.shape)?;
            if let Some(example) = &spec.example_shape {
                writeln!(
                    card,
                    "example_shape = {example:?}  # what readiness is tried with"
                )?;
            }
            writeln!(card)?;
        }
    }
    if let Some((image, origin)) = &parts.image {
        write_image(card, image, origin)?;
    }
    if let Some(classification) = &parts.classification {
        writeln!(card, "# How an output becomes labels and scores.")?;
        writeln!(card, "[classification]")?;
        writeln!(card, "output = {}", text(&classification.output))?;
        writeln!(
            card,
            "activation = \"{}\"  # none | softmax | sigmoid",
            match classification.activation {
                Activation::None => "none",
                Activation::Softmax => "softmax",
                Activation::Sigmoid => "sigmoid",
            }
        )?;
        if classification.has_labels {
            writeln!(card, "labels = \"{LABELS_FILE}\"  # one a line")?;
        }
        writeln!(card, "top_k = 5\n")?;
    }
    if let Some(text) = &parts.text {
        write_text(card, text)?;
    }
    if let Some(embedding) = &parts.embedding {
        write_embedding(card, embedding)?;
    }
    Ok(())
}

fn write_text(card: &mut String, spec: &TextSpec) -> std::fmt::Result {
    let side = |side| match side {
        Side::Left => "left",
        Side::Right => "right",
    };
    writeln!(
        card,
        "# How a text becomes the inputs. What the tokenizer's file says of length is passed over."
    )?;
    writeln!(card, "[text]\ntokenizer = {}", text(&spec.tokenizer))?;
    writeln!(
        card,
        "max_tokens = {}  # longer texts are cut",
        spec.max_tokens
    )?;
    writeln!(
        card,
        "pad_id = {}  # fills up the shorter texts of a batch",
        spec.pad_id
    )?;
    if spec.padding_side != Side::Right {
        writeln!(card, "padding_side = \"{}\"", side(spec.padding_side))?;
    }
    if spec.truncation_side != Side::Right {
        writeln!(card, "truncation_side = \"{}\"", side(spec.truncation_side))?;
    }
    writeln!(card)
}

fn write_embedding(card: &mut String, spec: &EmbeddingSpec) -> std::fmt::Result {
    writeln!(
        card,
        "# How an output becomes one vector a text, which `/infer` and `/v1/embeddings` answer."
    )?;
    writeln!(card, "[embedding]\noutput = {}", text(&spec.output))?;
    writeln!(
        card,
        "pooling = \"{}\"  # mean | cls | max | last | none",
        match spec.pooling {
            Pooling::Mean => "mean",
            Pooling::Cls => "cls",
            Pooling::Max => "max",
            Pooling::Last => "last",
            Pooling::None => "none",
        }
    )?;
    writeln!(card, "normalize = {}", spec.normalize)
}

fn write_image(card: &mut String, image: &ImageSpec, origin: &str) -> std::fmt::Result {
    writeln!(
        card,
        "# How an encoded image becomes the input: resize, cut out the middle, then\n# (value * scale - \
         mean) / std. {origin}"
    )?;
    writeln!(card, "[image]")?;
    if let Some(input) = &image.input {
        writeln!(card, "input = {}", text(input))?;
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
            writeln!(card, "{key} = {edge}  # before the middle is cut out")?;
        }
    }
    let is_cut = image.resize != ResizeMode::Stretch
        || image.resize_width.is_some()
        || image.resize_height.is_some();
    if image.crop == Crop::Transformers && is_cut {
        writeln!(
            card,
            "crop = \"transformers\"  # where an odd pixel goes; or torchvision"
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

/// A TOML basic string; JSON's escapes are among its own.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
