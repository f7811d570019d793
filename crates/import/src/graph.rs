//! What a graph declares, and one inference to see that it runs: in the engine itself, natively.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use infer_engine::onnx::Summary;
use infer_engine::select::OnDemand;
use infer_engine::{Error, ErrorKind, Graph, Tensor};
use infer_model_card::{RuntimeChoice, TensorSpec};
use infer_tensor::{Dim, Signature, TensorInfo};

/// A graph that loads and, as far as can be tried, computes.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What it needs.
    pub inputs: Vec<TensorSpec>,
    /// What it gives.
    pub outputs: Vec<TensorSpec>,
    /// The same as the file declares it.
    pub info: Signature,
    /// Who wrote it, and of what it is made.
    pub summary: Summary,
    /// What runs it in the engine; `auto` where that takes a measurement, in WebAssembly.
    pub runtime: RuntimeChoice,
    /// How long one inference takes once it is warm, natively on this machine; or why there was none.
    pub warm: Result<Duration, Error>,
}

/// Sizes for inputs, by name: `--shape`, or what a card says.
pub type Shapes = BTreeMap<String, Vec<u32>>;

/// What a graph needs, before it is loaded.
///
/// # Errors
/// As [`try_out`] for what the file itself tells.
pub fn declared_inputs(onnx: &[u8]) -> Result<Vec<TensorSpec>, Error> {
    let info = infer_engine::onnx::read(onnx)?;
    info.inputs.iter().map(|info| spec(info, None)).collect()
}

/// What a file declares of its graph's tensors, and of what operators the graph is. Nothing is loaded: the operators
/// need not be any that the engine has.
///
/// # Errors
/// `InvalidEncoding` when it is no ONNX file; `UnsupportedOperation` for weights in other files, and for what is no
/// tensor.
pub fn declared(onnx: &[u8]) -> Result<(Signature, Summary), Error> {
    let signature = infer_engine::onnx::read(onnx)?;
    Ok((signature, infer_engine::onnx::summary(onnx)?))
}

/// Load a graph and run it on zeros. Dimensions of any size are as `shapes` says; where it says nothing,
/// usual sizes are tried. When none of them will do, there is no inference, and nothing wrong with the
/// graph: only its users know how large its inputs are.
///
/// # Errors
/// What the engine refuses, by name: an operator, a datatype, weights in other files, a sequence;
/// `Runtime` when it does not compute though all sizes are known; `InvalidArgument` for shapes that do not
/// fit.
pub fn try_out(onnx: Vec<u8>, shapes: &Shapes) -> Result<Tried, Error> {
    let summary = infer_engine::onnx::summary(&onnx)?;
    let graph = Graph::load(&OnDemand, onnx)?;
    let info = graph.info().clone();
    check_names(&info, shapes)?;
    let first = first_that_runs(&graph, &info, shapes)?;
    let (outputs, inputs) = match &first {
        Ok((outputs, inputs)) => (outputs.as_slice(), inputs.as_slice()),
        Err(_) => (&[][..], &[][..]),
    };
    let specs = info.inputs.iter().enumerate().map(|(place, info)| {
        let example = inputs.get(place).map(|(_, tensor)| tensor.shape.clone());
        input_spec(info, example)
    });
    let output_specs = info
        .outputs
        .iter()
        .enumerate()
        .map(|(place, info)| spec(info, outputs.get(place).map(|(_, tensor)| tensor)));
    Ok(Tried {
        inputs: specs.collect::<Result<_, _>>()?,
        outputs: output_specs.collect::<Result<_, _>>()?,
        warm: match &first {
            Ok((_, inputs)) => Ok(warm(&graph, inputs)?),
            Err(error) => Err(error.clone()),
        },
        runtime: match graph.is_plain() {
            true => RuntimeChoice::Auto,
            false => graph.runtime(),
        },
        info,
        summary,
    })
}

/// The median of three.
fn warm(graph: &Graph, inputs: &Tensors) -> Result<Duration, Error> {
    let mut times: Vec<Duration> = (0..3)
        .map(|_| {
            let inputs = inputs.to_vec();
            let start = Instant::now();
            graph.compute(inputs).map(|_| start.elapsed())
        })
        .collect::<Result<_, _>>()?;
    times.sort();
    Ok(times.get(1).copied().unwrap_or_default())
}

fn check_names(info: &Signature, shapes: &Shapes) -> Result<(), Error> {
    let known = |name: &&String| info.inputs.iter().any(|input| input.name == **name);
    match shapes.keys().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => {
            let names: Vec<&str> = info
                .inputs
                .iter()
                .map(|input| input.name.as_str())
                .collect();
            Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "there is no input `{name}` to have a shape; the graph has {}",
                    names.join(", ")
                ),
            ))
        }
    }
}

/// What dimensions of any size are tried with, beside a batch of one.
#[derive(Clone, Copy)]
struct Sizes {
    /// The second of four dimensions: the channels of a picture.
    channels: u32,
    /// The other two of four: its height and width.
    pixels: u32,
    /// Of anything else: tokens, steps, samples.
    other: u32,
}

/// The usual sizes of pictures, with those of short texts; the least that most convolutions take; a lone
/// item; lines of writing; and pieces of sound, by the step and by the second.
const TRIALS: [Sizes; 9] = {
    const fn sizes(channels: u32, pixels: u32, other: u32) -> Sizes {
        Sizes {
            channels,
            pixels,
            other,
        }
    }
    [
        sizes(3, 224, 16),
        sizes(1, 224, 16),
        sizes(3, 32, 512),
        sizes(1, 32, 512),
        sizes(1, 1, 1),
        sizes(3, 48, 576),
        sizes(1, 64, 100),
        sizes(1, 28, 3000),
        sizes(3, 640, 16_000),
    ]
};

/// A trial that needs more is none.
const MAX_TRIAL_BYTES: usize = 64 * 1024 * 1024;

type Tensors = [(String, Tensor)];
type Ran = (Vec<(String, Tensor)>, Vec<(String, Tensor)>);

/// Outputs and inputs of the first inference that succeeds; else why the first one failed.
fn first_that_runs(
    graph: &Graph,
    info: &Signature,
    shapes: &Shapes,
) -> Result<Result<Ran, Error>, Error> {
    let is_guess = |input: &TensorInfo| {
        let dims = input.shape.iter().flatten().skip(1);
        !shapes.contains_key(&input.name)
            && dims.into_iter().any(|dim| !matches!(dim, Dim::Fixed(_)))
    };
    let has_guess = info.inputs.iter().any(is_guess);
    let trials = if has_guess { &TRIALS[..] } else { &TRIALS[..1] };
    let mut first_error = None;
    for sizes in trials {
        let Some(inputs) = zeros(info, *sizes, shapes) else {
            continue;
        };
        match graph.compute(inputs.clone()) {
            Ok(outputs) => return Ok(Ok((outputs, inputs))),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    let error = first_error.unwrap_or_else(|| {
        Error::new(
            ErrorKind::InvalidArgument,
            "its inputs are too large to be tried on zeros",
        )
    });
    if has_guess {
        Ok(Err(error))
    } else {
        Err(error)
    }
}

fn zeros(info: &Signature, sizes: Sizes, shapes: &Shapes) -> Option<Vec<(String, Tensor)>> {
    // What is the batch for one input is the batch for all.
    let batch: BTreeSet<&str> = info
        .inputs
        .iter()
        .filter_map(|input| match input.shape.as_deref()?.first()? {
            Dim::Symbolic(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    info.inputs
        .iter()
        .map(|input| {
            let dims = input.shape.as_deref().unwrap_or_default();
            let is_picture = dims.len() == 4;
            let size = |(place, dim): (usize, &Dim)| match dim {
                Dim::Fixed(size) => *size,
                Dim::Symbolic(name) if batch.contains(name.as_str()) => 1,
                _ if place == 0 => 1,
                _ if is_picture && place == 1 => sizes.channels,
                _ if is_picture => sizes.pixels,
                // The second of three is the batch in what recurrent networks keep.
                _ if place == 1
                    && dims.len() == 3
                    && matches!(dims.first(), Some(Dim::Fixed(_))) =>
                {
                    1
                }
                _ => sizes.other,
            };
            let shape = match shapes.get(&input.name) {
                Some(shape) => shape.clone(),
                None => dims.iter().enumerate().map(size).collect(),
            };
            let datatype = input.wasi_nn_datatype().ok()?;
            let bytes = datatype.tensor_bytes(&shape)?;
            if bytes > MAX_TRIAL_BYTES {
                return None;
            }
            let tensor = Tensor {
                datatype,
                shape,
                data: vec![0; bytes],
            };
            Some((input.name.clone(), tensor))
        })
        .collect()
}

/// An input as the card has it, with the sizes that it computed with where the graph leaves them open.
fn input_spec(info: &TensorInfo, example: Option<Vec<u32>>) -> Result<TensorSpec, Error> {
    let mut spec = spec(info, None)?;
    let is_open = spec.shape.iter().skip(1).any(|size| *size < 0);
    spec.example_shape = example.filter(|_| is_open);
    Ok(spec)
}

/// As the card has it. Where the file says nothing of an output's shape, what came has its rank.
fn spec(info: &TensorInfo, came: Option<&Tensor>) -> Result<TensorSpec, Error> {
    let datatype = info.datatype.ok_or_else(|| {
        Error::new(
            ErrorKind::UnsupportedOperation,
            format!("tensor `{}` has no datatype that is known", info.name),
        )
    })?;
    let rank = came.map_or(0, |tensor| tensor.shape.len());
    Ok(TensorSpec {
        name: info.name.clone(),
        datatype,
        shape: info.sizes().unwrap_or_else(|| vec![-1; rank]),
        example_shape: None,
    })
}
