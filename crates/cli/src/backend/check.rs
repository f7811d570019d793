//! `infer backend check`

use std::io::Write;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use infer_host::nn::backend::{Cancellation, GraphSource, Share, Shared, Tensor};
use infer_tensor::Datatype;

use super::choose::{self, Computing};
use super::{Name, install};

/// Load each installed library and run a test graph
#[derive(Args)]
pub struct Check {
    /// Library to check [default: all installed ones]
    #[arg(value_enum, value_name = "NAME")]
    name: Option<Name>,
    /// Device, by the library's own name: cpu, cuda, tensorrt; CPU, GPU, NPU
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "",
        hide_default_value = true
    )]
    device: String,
}

impl Check {
    /// Print one line per library. Fails if a library does not work, or none is installed.
    pub fn run(self) -> Result<()> {
        let names: Vec<Name> = match self.name {
            Some(name) => vec![name],
            None => Name::value_variants()
                .iter()
                .copied()
                .filter(|name| {
                    install::is_installed(name.library())
                        || std::env::var_os(name.library().variable()).is_some()
                })
                .collect(),
        };
        if names.is_empty() {
            bail!(
                "no native library is installed; install one with `{0} backend add onnx` or `{0} backend add openvino`",
                crate::command()
            );
        }
        let mut bad = 0;
        for name in &names {
            match check(*name, &self.device) {
                Ok(works) => println!("{works}"),
                Err(error) => {
                    bad += 1;
                    println!("failed  {}  {}", name.text(), crate::sentence(&error));
                }
            }
        }
        if bad > 0 {
            bail!("{bad} of {} libraries do not work", names.len());
        }
        Ok(())
    }
}

/// Load the library and compute `[1, 2] + [3, 4]`. Returns a description of the library.
pub(super) fn check(name: Name, device: &str) -> Result<String> {
    let computing = Computing {
        device,
        threads: None,
    };
    let backend = choose::load(name.library(), computing)?;
    let mut file = tempfile::Builder::new().suffix(".onnx").tempfile()?;
    file.write_all(SUM)?;
    let source = GraphSource::of_file("sum", file.path().to_owned());
    let graph = backend
        .load(&source, Share::Whole)
        .context("cannot load the test graph")?;
    let inputs = [row([1.0, 2.0]), row([3.0, 4.0])];
    let outputs = graph
        .compute(&inputs, &Cancellation::default())
        .context("cannot run the test graph")?;
    match outputs.as_slice() {
        [sum] if sum.bytes() == row([4.0, 6.0]).bytes() => {
            Ok(format!("ok      {}", backend.describe()))
        }
        _ => bail!(
            "{} returns a wrong result for [1, 2] + [3, 4], expected [4, 6]",
            backend.describe()
        ),
    }
}

fn row(values: [f32; 2]) -> Tensor {
    let data: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    Tensor {
        datatype: Datatype::Fp32,
        shape: vec![1, 2],
        data: Shared::new(Bytes::from(data)),
    }
}

/// `sum = a + b`, FP32 of shape `[n, 2]`, as `crates/engine/tests/graphs/generate.py` writes it.
const SUM: &[u8] = include_bytes!("sum.onnx");
