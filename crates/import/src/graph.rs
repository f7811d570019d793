//! A graph's declarations, and a trial inference in the engine, natively.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use infer_engine::onnx::Summary;
use infer_engine::select::OnDemand;
use infer_engine::{Error, ErrorKind, Graph, Tensor};
use infer_model_card::{RuntimeChoice, TensorSpec};
use infer_tensor::{Dim, Signature, TensorInfo};

/// A graph that loads and, if its input sizes are known, computes.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The graph's inputs.
    pub inputs: Vec<TensorSpec>,
    /// The graph's outputs.
    pub outputs: Vec<TensorSpec>,
    /// The inputs and outputs as the file declares them.
    pub info: Signature,
    /// The graph's producer, opsets and operators.
    pub summary: Summary,
    /// The runtime in the engine; `auto` if only a measurement in WebAssembly can tell.
    pub runtime: RuntimeChoice,
    /// The time of one warm inference, natively on this machine, or the reason why none succeeded.
    pub warm: Result<Duration, Error>,
}

/// Sizes of inputs by name, from `--shape` or from a card.
pub type Shapes = BTreeMap<String, Vec<u32>>;

/// The graph's inputs, without loading the graph.
///
/// # Errors
/// The errors of [`try_out`] that follow from the file alone.
pub fn declared_inputs(onnx: &[u8]) -> Result<Vec<TensorSpec>, Error> {
    let info = infer_engine::onnx::read(onnx)?;
    info.inputs.iter().map(|info| spec(info, None)).collect()
}

/// The inputs, outputs and operators that a file declares. The graph is not loaded, so the engine need not support
/// its operators.
///
/// # Errors
/// `InvalidEncoding` when the file is not ONNX; `UnsupportedOperation` for external weights and for inputs or outputs
/// that are not tensors.
pub fn declared(onnx: &[u8]) -> Result<(Signature, Summary), Error> {
    let signature = infer_engine::onnx::read(onnx)?;
    Ok((signature, infer_engine::onnx::summary(onnx)?))
}

/// Load a graph and run it on zeros. `shapes` gives the sizes of dynamic dimensions; inputs without an entry are
/// tried with common sizes. If none of those works, there is no inference, but the graph may still be valid: only
/// its users know the sizes of its inputs.
///
/// # Errors
/// `UnsupportedOperation` for an operator, a datatype, external weights or a sequence that the engine does not
/// support; `Runtime` when the inference fails although all sizes are known; `InvalidArgument` for shapes that do
/// not fit.
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

/// The median time of three inferences.
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
                    "`--shape` names the input `{name}`, but the graph has {}",
                    names.join(", ")
                ),
            ))
        }
    }
}

/// The sizes of dynamic dimensions in a trial with a batch of one.
#[derive(Clone, Copy)]
struct Sizes {
    /// The second of four dimensions: an image's channels.
    channels: u32,
    /// The third and fourth of four dimensions: an image's height and width.
    pixels: u32,
    /// Any other dimension: tokens, steps, samples.
    other: u32,
}

/// Common sizes of images and short texts, the minimum of most convolutions, a single item, lines of text, and
/// audio in frames and in samples.
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

/// The limit of an input in a trial.
const MAX_TRIAL_BYTES: usize = 64 * 1024 * 1024;

type Tensors = [(String, Tensor)];
type Ran = (Vec<(String, Tensor)>, Vec<(String, Tensor)>);

/// The outputs and inputs of the first inference that succeeds, or the error of the first that failed.
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
            "its inputs are too large for a trial on zeros",
        )
    });
    if has_guess {
        Ok(Err(error))
    } else {
        Err(error)
    }
}

fn zeros(info: &Signature, sizes: Sizes, shapes: &Shapes) -> Option<Vec<(String, Tensor)>> {
    // A symbol that is the batch of one input is the batch of all inputs.
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
            let is_image = dims.len() == 4;
            let size = |(place, dim): (usize, &Dim)| match dim {
                Dim::Fixed(size) => *size,
                Dim::Symbolic(name) if batch.contains(name.as_str()) => 1,
                _ if place == 0 => 1,
                _ if is_image && place == 1 => sizes.channels,
                _ if is_image => sizes.pixels,
                // In the state of recurrent networks, the second of three dimensions is the batch.
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

/// An input of the card, with the sizes of the trial if the graph has dynamic dimensions.
fn input_spec(info: &TensorInfo, example: Option<Vec<u32>>) -> Result<TensorSpec, Error> {
    let mut spec = spec(info, None)?;
    let is_open = spec.shape.iter().skip(1).any(|size| *size < 0);
    spec.example_shape = example.filter(|_| is_open);
    Ok(spec)
}

/// A tensor of the card. If the file declares no shape, the rank is that of the trial's output.
fn spec(info: &TensorInfo, output: Option<&Tensor>) -> Result<TensorSpec, Error> {
    let datatype = info.datatype.ok_or_else(|| {
        Error::new(
            ErrorKind::UnsupportedOperation,
            format!("tensor `{}` has an unknown datatype", info.name),
        )
    })?;
    let rank = output.map_or(0, |tensor| tensor.shape.len());
    Ok(TensorSpec {
        name: info.name.clone(),
        datatype,
        shape: info.sizes().unwrap_or_else(|| vec![-1; rank]),
        example_shape: None,
    })
}
