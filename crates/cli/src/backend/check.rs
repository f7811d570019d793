//! `cargo infer backend check`

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use infer_host::nn::backend::{Cancellation, GraphSource, Precision, Share, Tensor};
use infer_nn::ElementType;

use super::choose::{self, Computing};
use super::{Name, install};

/// Load each installed library and compute a graph with it.
#[derive(Args)]
pub struct Check {
    /// Which library [default: those that are installed]
    #[arg(value_enum, value_name = "NAME")]
    name: Option<Name>,
    /// The library's own name of a device: cpu, cuda, tensorrt; CPU, GPU, NPU
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "",
        hide_default_value = true
    )]
    device: String,
}

impl Check {
    /// One line a library; fails when one of them does not work, or there is none.
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
                "no native library is installed; `cargo infer backend add onnx` and `cargo infer backend add \
                 openvino` fetch them"
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

/// Load the library and compute `[1, 2] + [3, 4]`; says what computed.
pub(super) fn check(name: Name, device: &str) -> Result<String> {
    let computing = Computing {
        device,
        threads: None,
    };
    let backend = choose::load(name.library(), computing)?;
    let mut file = tempfile::Builder::new().suffix(".onnx").tempfile()?;
    file.write_all(SUM)?;
    let source = GraphSource {
        name: "sum".to_owned(),
        onnx: Some(file.path().to_owned()),
        openvino_ir: None,
        tensor_names: Vec::new(),
        precision: Precision::Fp32,
        batching: None,
    };
    let graph = backend
        .load(&source, Share::Whole)
        .context("a graph of one operator")?;
    let inputs = [row([1.0, 2.0]), row([3.0, 4.0])];
    let outputs = graph
        .compute(&inputs, &Cancellation::default())
        .context("a graph of one operator")?;
    match outputs.as_slice() {
        [sum] if sum.bytes() == row([4.0, 6.0]).bytes() => {
            Ok(format!("ok      {}", backend.describe()))
        }
        _ => bail!(
            "{} computes that [1, 2] + [3, 4] is not [4, 6]",
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
        shape: vec![1, 2],
        element_type: ElementType::Fp32,
        data: Arc::new(Bytes::from(data)),
    }
}

/// `sum = a + b`, FP32 of shape `[n, 2]`, as `crates/engine/tests/graphs/generate.py` writes it.
const SUM: &[u8] = include_bytes!("sum.onnx");
