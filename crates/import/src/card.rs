//! The model card as a text, with comments for the one who will change it.

use std::fmt::Write;

use infer_model_card::{
    Activation, Channels, Crop, Filter, ImageSpec, Layout, ResizeMode, TensorSpec,
};

/// What a card says.
#[derive(Clone, Debug)]
pub struct Parts {
    /// One line for people.
    pub description: String,
    /// The graph's.
    pub inputs: Vec<TensorSpec>,
    /// The graph's.
    pub outputs: Vec<TensorSpec>,
    /// How an image becomes an input; a comment says where that is known from.
    pub image: Option<(ImageSpec, String)>,
    /// How an output becomes labels and scores.
    pub classification: Option<Classification>,
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
    card
}

fn write_into(card: &mut String, parts: &Parts) -> std::fmt::Result {
    writeln!(card, "version = \"1\"")?;
    writeln!(card, "description = {}", text(&parts.description))?;
    writeln!(
        card,
        "# Where the model is at run time: \"snapshot\" (ready at once, in the artefact), \"mount\" (read \
         when it\n# is asked for), or by its size.\n# placement = \"auto\""
    )?;
    writeln!(card, "\n# As in the graph; -1 is any size.")?;
    for (section, specs) in [("input", &parts.inputs), ("output", &parts.outputs)] {
        for spec in specs {
            writeln!(card, "[[{section}]]")?;
            writeln!(card, "name = {}", text(&spec.name))?;
            writeln!(card, "datatype = \"{}\"", spec.datatype)?;
            writeln!(card, "shape = {:?}\n", spec.shape)?;
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
        writeln!(card, "top_k = 5")?;
    }
    Ok(())
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
