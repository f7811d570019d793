//! The model repository's commands: `add`, `inspect`, `list`, `check`, `remove`.

mod add;
mod check;
mod inspect;
mod list;
mod remove;
pub mod report;
pub mod source;

pub use add::Add;
pub use check::Check;
pub use inspect::Inspect;
pub use list::List;
pub use remove::Remove;

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::{Args, ValueEnum};
use infer_import::Options;
use infer_model_card::Activation;

use self::source::SourceName;
use crate::project::Project;

/// The option for the model repository.
#[derive(Args)]
struct Repository {
    /// Folder of the model repository [default: models]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

impl Repository {
    fn path(&self) -> Result<PathBuf> {
        match &self.models {
            Some(path) => Ok(path.clone()),
            None => Ok(Project::find()?.models()),
        }
    }
}

/// A model's source, and its options.
#[derive(Args)]
struct SourceOptions {
    /// ONNX file, folder from `optimum-cli export onnx`, or hf:OWNER/NAME[@REVISION][:VARIANT]
    #[arg(value_name = "SOURCE")]
    source: SourceName,
    #[command(flatten)]
    options: ImportOptions,
}

/// The options for a model's source.
#[derive(Args)]
pub struct ImportOptions {
    /// Variant, if there are several graphs: `quantized` for `model_quantized.onnx`
    #[arg(long, value_name = "V")]
    pub variant: Option<String>,
    /// Label file with one label per line
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Image size for ImageNet's preprocessing: `224`, or `320x240` for width and height
    #[arg(long, value_name = "SIZE", value_parser = size)]
    image: Option<(u32, u32)>,
    /// Sizes of an input with dynamic dimensions: `audio=1,16000`
    #[arg(long = "shape", value_name = "NAME=SIZES", value_parser = shape)]
    shapes: Vec<(String, Vec<u32>)>,
    /// Values of an input in the trial, repeated to its size: `sr=16000`
    #[arg(long = "try", value_name = "NAME=VALUES", value_parser = values)]
    values: Vec<(String, Vec<f64>)>,
    /// Function that turns the classes' values into scores [default: from the model's files]
    #[arg(long, value_enum)]
    activation: Option<ActivationName>,
}

/// The function that turns values into scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ActivationName {
    /// The values are the scores
    None,
    /// Exactly one class is right
    Softmax,
    /// Any number of classes is right
    Sigmoid,
}

impl ImportOptions {
    /// The options as the import takes them.
    pub fn options(&self) -> Options {
        Options {
            labels: self.labels.clone(),
            image: self.image,
            activation: self.activation.map(|name| match name {
                ActivationName::None => Activation::None,
                ActivationName::Softmax => Activation::Softmax,
                ActivationName::Sigmoid => Activation::Sigmoid,
            }),
            version: None,
            shapes: self.shapes.iter().cloned().collect(),
            values: self.values.iter().cloned().collect(),
        }
    }
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let (width, height) = text.split_once('x').unwrap_or((text, text));
    let pixels = |text: &str| text.parse().ok().filter(|pixels| *pixels > 0);
    pixels(width)
        .zip(pixels(height))
        .ok_or_else(|| "expected a number of pixels or WIDTHxHEIGHT".to_owned())
}

fn values(text: &str) -> Result<(String, Vec<f64>), String> {
    named_list(text, |value: &f64| value.is_finite()).ok_or_else(|| {
        "expected an input's name, `=`, and numbers with commas between them".to_owned()
    })
}

fn shape(text: &str) -> Result<(String, Vec<u32>), String> {
    named_list(text, |size: &u32| *size > 0)
        .ok_or_else(|| "expected an input's name, `=`, and one size per dimension".to_owned())
}

/// A name and numbers: `audio=1,16000`.
fn named_list<T: FromStr>(text: &str, is_valid: impl Fn(&T) -> bool) -> Option<(String, Vec<T>)> {
    let (name, numbers) = text.rsplit_once('=')?;
    let number = |text: &str| text.trim().parse().ok().filter(&is_valid);
    let numbers = numbers.split(',').map(number).collect::<Option<_>>()?;
    (!name.is_empty()).then(|| (name.to_owned(), numbers))
}
