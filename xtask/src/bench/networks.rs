//! The networks: written by `bench/networks.py` where nobody brings them, each served from a repository of
//! its own, so that a server holds the one that it is asked for and no other.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use infer_model_card::Model;
use infer_pack::BuildOptions;

use super::command::succeed;
use super::python::Environment;
use crate::project::Steps;

/// A network of `bench/networks.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(super) enum Network {
    /// 14 MB
    MobileNetV2,
    /// 5 MB
    SqueezeNet,
    /// 102 MB
    ResNet50,
    /// A transformer of the shape of all-MiniLM-L6, 55 MB
    Encoder,
    /// In eight bits with a scale for each channel, between QuantizeLinear and DequantizeLinear, 4 MB
    #[value(name = "mobilenetv2-qdq")]
    MobileNetV2Qdq,
    /// In eight bits, by operators of their own, 4 MB
    #[value(name = "mobilenetv2-qoperator")]
    MobileNetV2QOperator,
    /// The first with a scale for each tensor, 4 MB
    #[value(name = "mobilenetv2-qdq-tensor")]
    MobileNetV2QdqTensor,
    /// The second with a scale for each tensor, 4 MB
    #[value(name = "mobilenetv2-qoperator-tensor")]
    MobileNetV2QOperatorTensor,
    /// The first with weights of seven bits, 4 MB
    #[value(name = "mobilenetv2-qdq-7bit")]
    MobileNetV2Qdq7Bit,
    /// The second with weights of seven bits, 4 MB
    #[value(name = "mobilenetv2-qoperator-7bit")]
    MobileNetV2QOperator7Bit,
}

impl Network {
    /// All of them.
    pub(super) const ALL: [Self; 10] = [
        Self::MobileNetV2,
        Self::SqueezeNet,
        Self::ResNet50,
        Self::Encoder,
        Self::MobileNetV2Qdq,
        Self::MobileNetV2QOperator,
        Self::MobileNetV2QdqTensor,
        Self::MobileNetV2QOperatorTensor,
        Self::MobileNetV2Qdq7Bit,
        Self::MobileNetV2QOperator7Bit,
    ];

    /// Those in f32 that take pictures.
    pub(super) const PICTURES: [Self; 3] = [Self::MobileNetV2, Self::SqueezeNet, Self::ResNet50];

    /// Reads a name of one of [`Network::PICTURES`].
    pub(super) fn pictures() -> impl TypedValueParser<Value = Self> {
        PossibleValuesParser::new(Self::PICTURES.map(Self::name))
            .try_map(|name| Self::from_str(&name, false))
    }

    /// What it was before it was quantized, if it was.
    pub(super) fn unquantized(self) -> Option<Self> {
        match self {
            Self::MobileNetV2Qdq
            | Self::MobileNetV2QOperator
            | Self::MobileNetV2QdqTensor
            | Self::MobileNetV2QOperatorTensor
            | Self::MobileNetV2Qdq7Bit
            | Self::MobileNetV2QOperator7Bit => Some(Self::MobileNetV2),
            Self::MobileNetV2 | Self::SqueezeNet | Self::ResNet50 | Self::Encoder => None,
        }
    }

    /// Multiplications, each with an addition, of one inference: those of its convolutions and products.
    pub(super) fn multiply_adds(self) -> u64 {
        match self {
            Self::MobileNetV2
            | Self::MobileNetV2Qdq
            | Self::MobileNetV2QOperator
            | Self::MobileNetV2QdqTensor
            | Self::MobileNetV2QOperatorTensor
            | Self::MobileNetV2Qdq7Bit
            | Self::MobileNetV2QOperator7Bit => 300_774_272,
            Self::SqueezeNet => 349_151_936,
            Self::ResNet50 => 4_089_184_256,
            Self::Encoder => 1_434_451_968,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MobileNetV2 => "mobilenetv2",
            Self::SqueezeNet => "squeezenet",
            Self::ResNet50 => "resnet50",
            Self::Encoder => "encoder",
            Self::MobileNetV2Qdq => "mobilenetv2-qdq",
            Self::MobileNetV2QOperator => "mobilenetv2-qoperator",
            Self::MobileNetV2QdqTensor => "mobilenetv2-qdq-tensor",
            Self::MobileNetV2QOperatorTensor => "mobilenetv2-qoperator-tensor",
            Self::MobileNetV2Qdq7Bit => "mobilenetv2-qdq-7bit",
            Self::MobileNetV2QOperator7Bit => "mobilenetv2-qoperator-7bit",
        }
    }
}

/// A network, and what serves it.
pub(super) struct Served {
    pub(super) network: String,
    /// A model repository with this network alone.
    pub(super) repository: PathBuf,
    /// The artifact of that repository.
    pub(super) composed: PathBuf,
    /// The engine alone, with the network in its snapshot.
    pub(super) engine: PathBuf,
    /// The network as the build found it.
    pub(super) model: Option<Model>,
}

impl Served {
    /// The network's file.
    pub(super) fn graph(&self) -> PathBuf {
        self.repository.join(&self.network).join("model.onnx")
    }
}

/// The folder with a folder for each of these, made unless they are there.
pub(super) fn write(root: &Path, networks: &[Network]) -> Result<PathBuf> {
    let folder = root.join("target/bench/networks");
    let script = root.join("bench/networks.py");
    let text = std::fs::read_to_string(&script)
        .with_context(|| format!("cannot read `{}`", script.display()))?;
    let missing: Vec<&str> = networks
        .iter()
        .map(|network| network.name())
        // Written last, with the script that wrote the rest.
        .filter(|name| {
            let written = std::fs::read_to_string(folder.join(name).join("written-by.py"));
            !written.is_ok_and(|by| by == text)
        })
        .collect();
    if missing.is_empty() {
        return Ok(folder);
    }
    let python = Environment::prepare(&root.join("bench"), root.join("target/bench/python"))?;
    eprintln!("writing {} …", missing.join(", "));
    succeed(
        python
            .command("python")
            .arg(&script)
            .arg(&folder)
            .args(&missing),
    )?;
    for name in missing {
        let path = folder.join(name).join("written-by.py");
        std::fs::write(&path, &text)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(folder)
}

/// A repository of one network, and the artifact built from it.
pub(super) fn serve(root: &Path, networks: &Path, network: Network) -> Result<Served> {
    let name = network.name();
    let repository = root.join("target/bench/repositories").join(name);
    let (from, to) = (networks.join(name), repository.join(name));
    std::fs::create_dir_all(&to).with_context(|| format!("cannot make `{}`", to.display()))?;
    for file in ["model.onnx", "model.toml"] {
        let path = from.join(file);
        std::fs::copy(&path, to.join(file))
            .with_context(|| format!("cannot copy `{}`", path.display()))?;
    }
    let repository = repository.canonicalize()?;
    let options = BuildOptions::new(root.to_owned()).with_models(repository.clone());
    let artifacts = infer_pack::build(&options, &Steps)?;
    Ok(Served {
        network: name.to_owned(),
        repository,
        composed: artifacts.composed,
        engine: artifacts.engine,
        model: artifacts.models.into_iter().next(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_command_lines_and_the_scripts() {
        let script = include_str!("../../../bench/networks.py");
        for network in Network::ALL {
            let name = network.name();
            assert_eq!(Network::from_str(name, false), Ok(network));
            assert!(
                script.contains(&format!("\ndef {name}(net):"))
                    || script.contains(&format!("    \"{name}\": (")),
                "{name}"
            );
        }
    }
}
