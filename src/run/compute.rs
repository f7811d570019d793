//! Running a model: its graph is found and computes, and its outputs are checked against the card.

use infer_model_card::{ModelCard, Placement};

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::timing::{Phase, Timing};
use crate::input::text::batches::batches;
use crate::input::text::{SENTENCE_EMBEDDING, Texts};
use crate::run::inference::InferenceRequest;
use crate::run::nn::{Backend, ExecutionContext, NnErrorCode};
use crate::tasks::embedding::pooling::{Vectors, pool};
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
    let context = timing.measure(Phase::Load, || load(model, backend))?;
    let outputs = timing.measure(Phase::Compute, || context.compute(inputs))?;
    declared_outputs(&model.card, outputs)
}

fn load(model: &Model, backend: &dyn Backend) -> Result<Box<dyn ExecutionContext>, ApiError> {
    backend.load(model).map_err(|error| {
        let may_be_mounted = model.card.placement != Placement::Snapshot;
        if error.code == NnErrorCode::NotFound && may_be_mounted {
            let problem = format!(
                "model `{}` could not be read from `INFER_MODELS_DIR`, or the host has no graph of that name",
                model.id
            );
            return ApiError::internal_because(problem, error);
        }
        error.into()
    })
}

/// The outputs of a computation on texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputSet {
    /// The output with one item for each text: the vectors of an embedding model, the scores of a classifier; all outputs
    /// of other models.
    PerText,
    /// All outputs of the graph, after the vectors of an embedding model.
    All,
}

impl OutputSet {
    /// The outputs that the protocols return for texts if a request names none: those of the graph, or one vector for each
    /// text if the model embeds.
    #[must_use]
    pub fn for_protocol(card: &ModelCard) -> Self {
        if card.embedding.is_some() {
            Self::PerText
        } else {
            Self::All
        }
    }
}

/// Compute a request, whose texts or tensors are taken out of it. If it names outputs, all of them are computed.
///
/// # Errors
/// As [`run`] and [`run_texts`].
pub fn request(
    model: &Model,
    request: &mut InferenceRequest,
    set: OutputSet,
    backend: &dyn Backend,
    timing: &mut Timing,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    let Some(texts) = request.texts.take() else {
        let inputs = std::mem::take(&mut request.inputs);
        return run(model, inputs, backend, timing);
    };
    let set = if request.outputs.is_empty() {
        set
    } else {
        OutputSet::All
    };
    run_texts(model, &texts, set, backend, timing)
}

/// Compute on texts, one batch at a time. The first output of an embedding model has one vector for each text.
///
/// # Errors
/// As [`run`]; 400 if the outputs of several batches cannot be concatenated.
pub fn run_texts(
    model: &Model,
    texts: &Texts,
    set: OutputSet,
    backend: &dyn Backend,
    timing: &mut Timing,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    let card = &model.card;
    let embedding = card.embedding.as_ref();
    let is_kept = |name: &str| match (set, embedding, &card.classification) {
        (OutputSet::All, _, _) | (_, None, None) => true,
        (OutputSet::PerText, None, Some(spec)) => name == spec.output,
        (OutputSet::PerText, Some(_), _) => false,
    };
    // An output with an item for each token is as wide as its batch.
    let has_items_alone = embedding.is_some() || card.classification.is_some();
    let equal_width = set == OutputSet::All || !has_items_alone;
    let batches = timing.measure(Phase::Decode, || batches(texts, card, equal_width))?;
    let context = timing.measure(Phase::Load, || load(model, backend))?;
    let mut vectors = Vectors::default();
    let mut all: Vec<(String, Tensor)> = Vec::new();
    for batch in batches {
        let outputs = timing.measure(Phase::Compute, || context.compute(batch.inputs))?;
        let mut outputs = declared_outputs(card, outputs)?;
        timing.measure(Phase::Encode, || {
            if let (Some(spec), Some(text)) = (embedding, &card.text) {
                let output = outputs.iter().find(|(name, _)| *name == spec.output);
                let (_, output) = output.ok_or_else(|| {
                    ApiError::internal(format!("the backend returned no output `{}`", spec.output))
                })?;
                pool(
                    output,
                    spec,
                    &batch.lengths,
                    text.padding_side,
                    &mut vectors,
                )?;
            }
            outputs.retain(|(name, _)| is_kept(name));
            append(&mut all, outputs)
        })?;
    }
    if embedding.is_some() {
        all.retain(|(name, _)| name != SENTENCE_EMBEDDING);
        all.insert(0, (SENTENCE_EMBEDDING.to_owned(), vectors.into_tensor()?));
    }
    Ok(all)
}

/// Concatenate the outputs of a batch with those of the batches before it.
pub fn append(
    all: &mut Vec<(String, Tensor)>,
    outputs: Vec<(String, Tensor)>,
) -> Result<(), ApiError> {
    if all.is_empty() {
        *all = outputs;
        return Ok(());
    }
    for ((name, tensor), (_, more)) in all.iter_mut().zip(outputs) {
        let unfit = || {
            ApiError::invalid(format!(
                "output `{name}` is {:?} for some of the texts and {:?} for others, which cannot be concatenated; \
                 send fewer texts at a time",
                tensor.shape, more.shape
            ))
        };
        let (Some((count, sizes)), Some((more_count, more_sizes))) =
            (tensor.shape.split_first(), more.shape.split_first())
        else {
            return Err(unfit());
        };
        let count = count
            .checked_add(*more_count)
            .filter(|_| sizes == more_sizes);
        let Some(count) = count else {
            return Err(unfit());
        };
        if let Some(first) = tensor.shape.first_mut() {
            *first = count;
        }
        tensor.data.extend(more.data);
    }
    Ok(())
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
        let different = |came: Datatype, declared: Datatype| {
            Err(format!(
                "the backend's output `y` is {came}, the model card declares {declared}"
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
            .filter_map(|(came, declared, bytes, expected)| {
                let output = Tensor {
                    datatype: came,
                    shape: vec![1],
                    data: vec![0; bytes],
                };
                let found =
                    declared_outputs(&card(&["y"], declared), vec![("y".to_owned(), output)]);
                let found = found
                    .map(|outputs| outputs[0].1.datatype)
                    .map_err(|error| error.to_string());
                (found != expected).then_some((came, declared, found))
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
