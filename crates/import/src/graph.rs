//! What a graph declares, and one inference to see that it runs: in the engine itself, natively.

use std::time::{Duration, Instant};

use infer_engine::onnx::{Dim, GraphInfo, Summary, TensorInfo};
use infer_engine::rten_runtime::Rten;
use infer_engine::{Error, Graph, Tensor};
use infer_model_card::{Datatype, GraphTensor, TensorSpec};

/// A graph that has computed.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What it needs.
    pub inputs: Vec<TensorSpec>,
    /// What it gives.
    pub outputs: Vec<TensorSpec>,
    /// The same as the file declares it.
    pub info: GraphInfo,
    /// Who wrote it, and of what it is made.
    pub summary: Summary,
    /// How long one inference takes once it is warm, natively on this machine.
    pub warm: Duration,
}

/// Load a graph and run it on zeros.
///
/// # Errors
/// What the engine refuses, by name: an operator, a datatype, weights in other files, a sequence;
/// `Runtime` when it does not compute.
pub fn try_out(onnx: Vec<u8>) -> Result<Tried, Error> {
    let summary = infer_engine::onnx::summary(&onnx)?;
    let graph = Graph::load(&Rten, onnx)?;
    let info = graph.info().clone();
    let (outputs, sizes) = first_that_runs(&graph, &info)?;
    let mut times: Vec<Duration> = (0..3)
        .map(|_| {
            let inputs = zeros(&info, sizes);
            let start = Instant::now();
            graph.compute(inputs).map(|_| start.elapsed())
        })
        .collect::<Result<_, _>>()?;
    times.sort();
    Ok(Tried {
        inputs: info
            .inputs
            .iter()
            .map(|info| spec(info, None))
            .collect::<Result<_, _>>()?,
        outputs: info
            .outputs
            .iter()
            .zip(&outputs)
            .map(|(info, (_, tensor))| spec(info, Some(tensor)))
            .collect::<Result<_, _>>()?,
        info,
        summary,
        warm: times.get(1).copied().unwrap_or_default(),
    })
}

/// What free dimensions are tried with, beside a batch of one.
#[derive(Clone, Copy)]
struct Sizes {
    /// The second of four dimensions: the channels of a picture.
    channels: u32,
    /// All others.
    other: u32,
}

/// A lone item first, then pictures: of the least size that most convolutions take, and of the most
/// usual one.
const TRIALS: [Sizes; 5] = {
    const fn sizes(channels: u32, other: u32) -> Sizes {
        Sizes { channels, other }
    }
    [
        sizes(1, 1),
        sizes(3, 32),
        sizes(3, 224),
        sizes(1, 32),
        sizes(1, 224),
    ]
};

type Outputs = Vec<(String, Tensor)>;

fn first_that_runs(graph: &Graph, info: &GraphInfo) -> Result<(Outputs, Sizes), Error> {
    let mut first_error = None;
    for sizes in TRIALS {
        match graph.compute(zeros(info, sizes)) {
            Ok(outputs) => return Ok((outputs, sizes)),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| {
        Error::new(
            infer_engine::ErrorKind::Runtime,
            "the graph does not compute",
        )
    }))
}

fn zeros(info: &GraphInfo, sizes: Sizes) -> Vec<(String, Tensor)> {
    info.inputs
        .iter()
        .filter_map(|input| {
            let element_type = input.element_type().ok()?;
            let dims = input.shape.as_deref().unwrap_or_default();
            let shape: Vec<u32> = dims
                .iter()
                .enumerate()
                .map(|(place, dim)| match dim {
                    Dim::Fixed(size) => *size,
                    Dim::Symbolic(_) | Dim::Any if place == 0 => 1,
                    Dim::Symbolic(_) | Dim::Any if place == 1 && dims.len() == 4 => sizes.channels,
                    Dim::Symbolic(_) | Dim::Any => sizes.other,
                })
                .collect();
            let mut tensor = Tensor {
                shape,
                element_type,
                data: Vec::new(),
            };
            tensor.data = vec![0; tensor.expected_bytes()?];
            Some((input.name.clone(), tensor))
        })
        .collect()
}

/// As the card has it. Where the file says nothing of an output's shape, what came has its rank.
fn spec(info: &TensorInfo, came: Option<&Tensor>) -> Result<TensorSpec, Error> {
    let datatype: Datatype = info.datatype().parse().map_err(|_| {
        Error::new(
            infer_engine::ErrorKind::UnsupportedOperation,
            format!("tensor `{}` has no datatype that is known", info.name),
        )
    })?;
    let rank = came.map_or(0, |tensor| tensor.shape.len());
    Ok(TensorSpec {
        name: info.name.clone(),
        datatype,
        shape: info.sizes().unwrap_or_else(|| vec![-1; rank]),
    })
}

/// What the file itself declares, to hold a card against.
#[must_use]
pub fn declared(tensors: &[TensorInfo]) -> Vec<GraphTensor> {
    tensors
        .iter()
        .map(|info| GraphTensor {
            name: info.name.clone(),
            datatype: info.datatype().to_owned(),
            shape: info.sizes(),
        })
        .collect()
}
