//! Running a model: its graph is found and computes, and its outputs are checked against the card.

use infer_model_card::{ModelCard, Placement};
use infer_tensor::ErrorKind;

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::timing::{Phase, Timing};
use crate::run::nn::{Backend, ExecutionContext};
use crate::tasks::parameters::Values;
use crate::tasks::{Call, Inputs, NamedTensors, Outcome, Runner, Wanted};
use crate::tensor::Tensor;

/// Compute once; `timing` gets the phases that ran. The outputs are those of the card, in its order and with its datatypes.
///
/// # Errors
/// Errors of the backend; 500 if its outputs differ from those of the card.
pub fn run(
    model: &Model,
    inputs: Vec<(String, Tensor)>,
    backend: &dyn Backend,
    timing: &mut Timing,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    GraphRunner {
        model,
        backend,
        timing,
        context: None,
    }
    .run(inputs)
}

fn load(model: &Model, backend: &dyn Backend) -> Result<Box<dyn ExecutionContext>, ApiError> {
    backend.load(model).map_err(|error| {
        let may_be_mounted = model.card.placement != Placement::Snapshot;
        if error.kind() == ErrorKind::NotFound && may_be_mounted {
            let problem = format!(
                "model `{}` could not be read from `INFER_MODELS_DIR`, or the host has no graph of that name",
                model.id
            );
            return ApiError::internal_because(problem, format!("wasi:nn NotFound: {error}"));
        }
        error.into()
    })
}

/// Run a model's pipeline on decoded inputs; `timing` gets the phases that ran.
///
/// # Errors
/// Errors of the backend and of the pipeline.
pub fn infer(
    model: &Model,
    inputs: Inputs,
    wanted: Wanted,
    values: &Values,
    limits: &Limits,
    backend: &dyn Backend,
    timing: &mut Timing,
) -> Result<Outcome, ApiError> {
    let call = Call {
        card: &model.card,
        accepts: model.accepts(),
        limits,
        inputs,
        wanted,
        values,
    };
    let mut runner = GraphRunner {
        model,
        backend,
        timing,
        context: None,
    };
    model.pipeline.infer(call, &mut runner)
}

/// Runs the graph of one model, which is loaded for the first run.
struct GraphRunner<'a> {
    model: &'a Model,
    backend: &'a dyn Backend,
    timing: &'a mut Timing,
    context: Option<Box<dyn ExecutionContext>>,
}

impl Runner for GraphRunner<'_> {
    fn run(&mut self, inputs: NamedTensors) -> Result<NamedTensors, ApiError> {
        let context = match &mut self.context {
            Some(context) => context,
            None => {
                let loaded = self
                    .timing
                    .measure(Phase::Load, || load(self.model, self.backend))?;
                self.context.insert(loaded)
            }
        };
        let outputs = self
            .timing
            .measure(Phase::Compute, || context.compute(inputs))?;
        declared_outputs(&self.model.card, outputs)
    }

    fn timing(&mut self) -> &mut Timing {
        self.timing
    }
}

/// The outputs that the card declares, in its order. Each must have the declared datatype, but a BOOL output may come
/// as UINT8.
fn declared_outputs(
    card: &ModelCard,
    mut outputs: Vec<(String, Tensor)>,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    name_by_position(card, &mut outputs);
    card.outputs
        .iter()
        .map(|spec| {
            let position = outputs.iter().position(|(name, _)| *name == spec.name);
            let (name, mut tensor) =
                position.map(|at| outputs.swap_remove(at)).ok_or_else(|| {
                    ApiError::internal(format!("the backend returned no output `{}`", spec.name))
                })?;
            if tensor.datatype.wasi_nn() != spec.datatype.wasi_nn() {
                return Err(ApiError::internal(format!(
                    "the backend's output `{name}` is {}, the model card declares {}",
                    tensor.datatype, spec.datatype
                )));
            }
            tensor.datatype = spec.datatype;
            if !tensor.is_whole() {
                return Err(ApiError::internal(format!(
                    "the backend's output `{name}` has {} bytes in shape {:?} of {}",
                    tensor.data.len(),
                    tensor.shape,
                    tensor.datatype
                )));
            }
            Ok((name, tensor))
        })
        .collect()
}

/// Rename outputs "0", "1" and so on, as the OpenVINO backend of stock Wasmtime names them in the graph's order. That is the
/// card's order, if the card has all of them.
fn name_by_position(card: &ModelCard, outputs: &mut [(String, Tensor)]) {
    let are_numbers = outputs
        .iter()
        .enumerate()
        .all(|(place, (name, _))| *name == place.to_string());
    let is_known = card
        .outputs
        .iter()
        .any(|spec| outputs.iter().any(|(name, _)| *name == spec.name));
    if are_numbers && !is_known && outputs.len() == card.outputs.len() {
        for ((name, _), spec) in outputs.iter_mut().zip(&card.outputs) {
            name.clone_from(&spec.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use infer_tensor::Datatype;

    use super::*;

    fn card(outputs: &[&str], datatype: Datatype) -> ModelCard {
        let tensor = |section: &str, name: &str| {
            format!("[[{section}]]\nname = '{name}'\ndatatype = '{datatype}'\nshape = [-1]\n")
        };
        let outputs: String = outputs.iter().map(|name| tensor("output", name)).collect();
        ModelCard::parse(&(tensor("input", "x") + &outputs)).unwrap()
    }

    #[test]
    fn an_output_has_the_declared_datatype() {
        use Datatype::{Bool, Fp32, Int32, Uint8};
        let different = |actual: Datatype, declared: Datatype| {
            Err(format!(
                "the backend's output `y` is {actual}, the model card declares {declared}"
            ))
        };
        let cases = [
            (Fp32, Fp32, 4, Ok(Fp32)),
            (Bool, Bool, 1, Ok(Bool)),
            // wasi:nn has no BOOL.
            (Uint8, Bool, 1, Ok(Bool)),
            (Int32, Fp32, 4, different(Int32, Fp32)),
            (Fp32, Int32, 4, different(Fp32, Int32)),
            (Uint8, Fp32, 4, different(Uint8, Fp32)),
            (
                Fp32,
                Fp32,
                3,
                Err("the backend's output `y` has 3 bytes in shape [1] of FP32".to_owned()),
            ),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .filter_map(|(actual, declared, bytes, expected)| {
                let output = Tensor {
                    datatype: actual,
                    shape: vec![1],
                    data: vec![0; bytes],
                };
                let found =
                    declared_outputs(&card(&["y"], declared), vec![("y".to_owned(), output)]);
                let found = found
                    .map(|outputs| outputs[0].1.datatype)
                    .map_err(|error| error.to_string());
                (found != expected).then_some((actual, declared, found))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn outputs_are_found_by_name_or_by_number() {
        /// The card's outputs, the backend's outputs, and the expected assignment.
        type Case<'a> = (&'a [&'a str], &'a [&'a str], Option<&'a [u8]>);
        let cases: [Case; 6] = [
            (&["a", "b"], &["a", "b"], Some(&[0, 1])),
            (&["a", "b"], &["b", "a"], Some(&[1, 0])),
            (&["a", "b"], &["0", "1"], Some(&[0, 1])),
            // A graph may name its outputs like that itself.
            (&["1", "0"], &["0", "1"], Some(&[1, 0])),
            // The card's output could be either.
            (&["a"], &["0", "1"], None),
            (&["a", "b"], &["0", "2"], None),
        ];
        for (declared, given, expected) in cases {
            let outputs = given.iter().enumerate().map(|(place, name)| {
                let output = Tensor {
                    datatype: Datatype::Uint8,
                    shape: vec![1],
                    data: vec![place as u8],
                };
                ((*name).to_owned(), output)
            });
            let found = declared_outputs(&card(declared, Datatype::Uint8), outputs.collect());
            let found = found.ok().map(|outputs| {
                let names: Vec<_> = outputs.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(names, declared);
                outputs.iter().map(|(_, tensor)| tensor.data[0]).collect()
            });
            let expected = expected.map(<[u8]>::to_vec);
            assert_eq!(found, expected, "{declared:?} of {given:?}");
        }
    }
}
