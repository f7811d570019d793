//! A graph's declarations, and a trial inference in the engine that will serve it.

use std::time::{Duration, Instant};

use infer_model_card::{ImageSpec, TensorSpec};
use infer_onnx::{Description, Summary};
use infer_tensor::{Error, ErrorKind, Signature, Tensor, TensorInfo};

use crate::trial_inputs::{Known, TRIALS};
pub use crate::trial_inputs::{Shapes, Values};

/// Loads graphs for a trial. A user's is the engine in WebAssembly.
pub trait Engine {
    /// Load a graph from an ONNX file's bytes.
    ///
    /// # Errors
    /// The engine's.
    fn load<'a>(&'a self, onnx: Vec<u8>) -> Result<Box<dyn LoadedGraph + 'a>, Error>;
}

/// A graph that an [`Engine`] has loaded.
pub trait LoadedGraph {
    /// A sentence for the user, if the graph runs in another engine than usual.
    fn note(&self) -> Option<String> {
        None
    }

    /// The memory that the graph takes in the WebAssembly engine; `None` in another one.
    fn memory(&self) -> Option<Memory> {
        None
    }

    /// Run the graph.
    ///
    /// # Errors
    /// The engine's.
    fn compute(&mut self, inputs: &[(String, Tensor)]) -> Result<Vec<(String, Tensor)>, Error>;
}

/// The memory of a graph in the WebAssembly engine, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The loaded graph.
    pub loaded_bytes: u64,
    /// The most that an inference of the trial took besides; `None` if none succeeded.
    pub inference_bytes: Option<u64>,
}

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
    /// A sentence for the user, if the graph runs in another engine than usual.
    pub note: Option<String>,
    /// The memory in the WebAssembly engine, if the graph was tried there.
    pub memory: Option<Memory>,
    /// The time of one warm inference in the engine on this machine, or the reason why none succeeded.
    pub warm: Result<Duration, NotRun>,
}

/// Why no inference of a trial succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRun {
    /// The graph was not tried.
    NotTried,
    /// Sizes had to be guessed, and none of the guesses worked. The error is that of the first.
    Sizes(Error),
    /// The graph fails on the values of the trial.
    Values(Error),
}

/// The inputs of a graph as tensors of a card.
///
/// # Errors
/// `UnsupportedOperation` for an unknown datatype.
pub fn input_specs(signature: &Signature) -> Result<Vec<TensorSpec>, Error> {
    let inputs = signature.inputs.iter();
    inputs.map(|info| spec(info, None)).collect()
}

/// The facts about a graph before its trial.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// The declarations of the file.
    pub description: &'a Description,
    /// The sizes of dynamic dimensions. Inputs without an entry are tried with common sizes.
    pub shapes: &'a Shapes,
    /// The values of inputs, where the user gives them.
    pub values: &'a Values,
    /// The name and the preprocessing of the input that takes images.
    pub image: Option<(&'a str, &'a ImageSpec)>,
}

/// Load a graph and run it on inputs of the kind that it expects. If it fails on them, there is no inference, but the graph
/// may still be valid: only its users know the sizes and values of its inputs.
///
/// # Errors
/// The engine's if it does not load the graph; `UnsupportedOperation` and `Timeout` of an inference; `InvalidArgument` for
/// shapes that do not fit.
pub fn try_out(engine: &dyn Engine, onnx: Vec<u8>, trial: Trial) -> Result<Tried, Error> {
    let Trial {
        description,
        shapes,
        values,
        image,
    } = trial;
    let info = &description.signature;
    check_names(info, "--shape", shapes.keys())?;
    check_names(info, "--try", values.keys())?;
    let mut graph = engine.load(onnx)?;
    let known = Known {
        signature: info,
        shapes,
        values,
        table_rows: &description.table_rows,
        image,
    };
    let first = first_that_runs(&mut *graph, &known)?;
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
            Ok((_, inputs)) => Ok(warm(&mut *graph, inputs)?),
            Err(not_run) => Err(not_run.clone()),
        },
        memory: graph.memory().map(|memory| Memory {
            inference_bytes: memory.inference_bytes.filter(|_| first.is_ok()),
            ..memory
        }),
        note: graph.note(),
        info: info.clone(),
        summary: description.summary.clone(),
    })
}

/// The declarations of a graph, without a trial.
///
/// # Errors
/// `InvalidArgument` for shapes of unknown inputs, `UnsupportedOperation` for an unknown datatype.
pub fn not_tried(trial: Trial) -> Result<Tried, Error> {
    let info = &trial.description.signature;
    check_names(info, "--shape", trial.shapes.keys())?;
    check_names(info, "--try", trial.values.keys())?;
    Ok(Tried {
        inputs: input_specs(info)?,
        outputs: (info.outputs.iter())
            .map(|info| spec(info, None))
            .collect::<Result<_, _>>()?,
        info: info.clone(),
        summary: trial.description.summary.clone(),
        note: None,
        memory: None,
        warm: Err(NotRun::NotTried),
    })
}

/// The time of the faster of two inferences.
fn warm(graph: &mut dyn LoadedGraph, inputs: &Tensors) -> Result<Duration, Error> {
    let mut time = || {
        let start = Instant::now();
        graph.compute(inputs).map(|_| start.elapsed())
    };
    Ok(time()?.min(time()?))
}

fn check_names<'a>(
    info: &Signature,
    option: &str,
    mut names: impl Iterator<Item = &'a String>,
) -> Result<(), Error> {
    let known = |name: &&String| info.inputs.iter().any(|input| input.name == **name);
    match names.find(|name| !known(name)) {
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
                    "`{option}` names the input `{name}`, but the graph has {}",
                    names.join(", ")
                ),
            ))
        }
    }
}

type Tensors = [(String, Tensor)];
type Ran = (Vec<(String, Tensor)>, Vec<(String, Tensor)>);

/// The outputs and inputs of the first inference that succeeds, or the error of the first that failed.
fn first_that_runs(
    graph: &mut dyn LoadedGraph,
    known: &Known,
) -> Result<Result<Ran, NotRun>, Error> {
    let has_guess = known.has_guess();
    let trials = if has_guess { &TRIALS[..] } else { &TRIALS[..1] };
    let mut first_error = None;
    for sizes in trials {
        let Some(inputs) = known.inputs(*sizes) else {
            continue;
        };
        if !known.shapes.is_empty() {
            known.check(&inputs)?;
        }
        match graph.compute(&inputs) {
            Ok(outputs) => return Ok(Ok((outputs, inputs))),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnsupportedOperation | ErrorKind::Timeout
                ) =>
            {
                return Err(error);
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    let error =
        first_error.unwrap_or_else(|| Error::invalid("its inputs are too large for a trial"));
    Ok(Err(match has_guess {
        true => NotRun::Sizes(error),
        false => NotRun::Values(error),
    }))
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
