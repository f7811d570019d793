//! The networks: `bench/networks.py` writes them unless the user brings them. Each has a model repository of its own,
//! so that a server holds only the network that is measured.

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
    /// Transformer with the shape of all-MiniLM-L6, 55 MB
    Encoder,
    /// Int8 with per-channel scales in QDQ format (QuantizeLinear, DequantizeLinear), 4 MB
    #[value(name = "mobilenetv2-qdq")]
    MobileNetV2Qdq,
    /// Int8 with per-channel scales in QOperator format (QLinearConv and others), 4 MB
    #[value(name = "mobilenetv2-qoperator")]
    MobileNetV2QOperator,
    /// `mobilenetv2-qdq` with per-tensor scales, 4 MB
    #[value(name = "mobilenetv2-qdq-tensor")]
    MobileNetV2QdqTensor,
    /// `mobilenetv2-qoperator` with per-tensor scales, 4 MB
    #[value(name = "mobilenetv2-qoperator-tensor")]
    MobileNetV2QOperatorTensor,
    /// `mobilenetv2-qdq` with 7-bit weights, 4 MB
    #[value(name = "mobilenetv2-qdq-7bit")]
    MobileNetV2Qdq7Bit,
    /// `mobilenetv2-qoperator` with 7-bit weights, 4 MB
    #[value(name = "mobilenetv2-qoperator-7bit")]
    MobileNetV2QOperator7Bit,
}

impl Network {
    /// All networks.
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

    /// The FP32 networks that take images.
    pub(super) const IMAGES: [Self; 3] = [Self::MobileNetV2, Self::SqueezeNet, Self::ResNet50];

    /// A parser for the names of [`Network::IMAGES`].
    pub(super) fn images() -> impl TypedValueParser<Value = Self> {
        PossibleValuesParser::new(Self::IMAGES.map(Self::name))
            .try_map(|name| Self::from_str(&name, false))
    }

    /// The FP32 network that this one was quantized from.
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

    /// Multiply-adds of one inference, in convolutions and matrix products.
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

/// A network and the artifacts that serve it.
pub(super) struct Served {
    pub(super) network: String,
    /// A model repository with this network alone.
    pub(super) repository: PathBuf,
    /// The artifact of that repository.
    pub(super) composed: PathBuf,
    /// The engine alone, with the network in its snapshot.
    pub(super) engine: PathBuf,
    /// The network as the build read it.
    pub(super) model: Option<Model>,
}

impl Served {
    /// The network's ONNX file.
    pub(super) fn graph(&self) -> PathBuf {
        self.repository.join(&self.network).join("model.onnx")
    }
}

/// Write the networks that are missing, and return the folder that has one folder per network.
pub(super) fn write(root: &Path, networks: &[Network]) -> Result<PathBuf> {
    let folder = root.join("target/bench/networks");
    let script = root.join("bench/networks.py");
    let text = std::fs::read_to_string(&script)
        .with_context(|| format!("cannot read `{}`", script.display()))?;
    let missing: Vec<&str> = networks
        .iter()
        .map(|network| network.name())
        // The copy of the script is written last, so its absence means an unfinished folder.
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

/// Make a repository with one network, and build the artifacts from it.
pub(super) fn serve(root: &Path, networks: &Path, network: Network) -> Result<Served> {
    let name = network.name();
    let repository = root.join("target/bench/repositories").join(name);
    let (from, to) = (networks.join(name), repository.join(name));
    std::fs::create_dir_all(&to).with_context(|| format!("cannot create `{}`", to.display()))?;
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
    fn names_match_the_command_line_and_the_script() {
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
