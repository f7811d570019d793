//! Tokens become tensors: batches of texts, padded to the longest.

use infer_model_card::{ModelCard, Side, TensorSpec, TextSpec, TokenInput};
use infer_tensor::Datatype;

use super::{Texts, Tokens};
use crate::http::error::ApiError;
use crate::tensor::Tensor;

/// The most tokens of a batch with more than one text. Larger batches are not faster on one core, and need more
/// memory.
const BATCH_TOKENS: usize = 1024;

/// A batch of the request's texts, as inputs of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// By name, in the card's order.
    pub inputs: Vec<(String, Tensor)>,
    /// The number of tokens of each text, without padding.
    pub lengths: Vec<usize>,
}

/// Divide texts into batches, in order. With `equal_width` every batch is as wide as the longest text, so that the
/// outputs can be concatenated.
///
/// # Errors
/// 400 if the model takes no texts, or a fixed number of texts that does not divide theirs.
pub fn batches(texts: &Texts, card: &ModelCard, equal_width: bool) -> Result<Vec<Batch>, ApiError> {
    let (spec, ids) = card
        .text_input()
        .ok_or_else(|| ApiError::invalid("the model takes no texts"))?;
    let fixed = |place: usize| {
        let size = ids.shape.get(place).copied().unwrap_or(-1);
        usize::try_from(size).ok()
    };
    let longest = |rows: &[Tokens]| rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
    let width_of_all = fixed(1).or(equal_width.then(|| longest(&texts.rows)));
    let mut batches = Vec::new();
    for rows in split(&texts.rows, fixed(0), width_of_all) {
        if let Some(size) = fixed(0)
            && rows.len() != size
        {
            return Err(ApiError::invalid(format!(
                "the model takes {size} texts at a time, got {}",
                texts.rows.len()
            )));
        }
        let width = width_of_all.unwrap_or_else(|| longest(rows));
        let inputs = card
            .inputs
            .iter()
            .filter_map(|input| Some((input.name.clone(), tensor(rows, width, spec, input)?)))
            .collect();
        batches.push(Batch {
            inputs,
            lengths: rows.iter().map(|row| row.ids.len()).collect(),
        });
    }
    Ok(batches)
}

/// All texts as one batch, padded to the longest, or to the card's `max_tokens`.
///
/// # Errors
/// 400 if the model takes no texts.
pub fn whole(
    texts: &Texts,
    card: &ModelCard,
    pad_to_max: bool,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    let (spec, ids) = card
        .text_input()
        .ok_or_else(|| ApiError::invalid("the model takes no texts"))?;
    let fixed = ids
        .shape
        .get(1)
        .and_then(|size| usize::try_from(*size).ok());
    let longest = texts.rows.iter().map(|row| row.ids.len()).max();
    let width = match (fixed, pad_to_max) {
        (Some(fixed), _) => fixed,
        (None, true) => spec.max_tokens as usize,
        (None, false) => longest.unwrap_or(0),
    };
    let inputs = card.inputs.iter();
    Ok(inputs
        .filter_map(|input| Some((input.name.clone(), tensor(&texts.rows, width, spec, input)?)))
        .collect())
}

/// Concatenate the tensors of a batch with those of the batches before it.
///
/// # Errors
/// 400 if their shapes differ in more than the first dimension.
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

/// Split texts, in order, into batches of at most [`BATCH_TOKENS`] tokens, or of the fixed size of the graph.
fn split(rows: &[Tokens], size: Option<usize>, width: Option<usize>) -> Vec<&[Tokens]> {
    if let Some(size) = size {
        return rows.chunks(size.max(1)).collect();
    }
    let mut parts = Vec::new();
    let mut rest = rows;
    while !rest.is_empty() {
        let mut widest = width.unwrap_or(0);
        let mut count = 0;
        for row in rest {
            widest = widest.max(row.ids.len());
            if count > 0 && (count + 1) * widest > BATCH_TOKENS {
                break;
            }
            count += 1;
        }
        let (part, after) = rest.split_at(count);
        parts.push(part);
        rest = after;
    }
    parts
}

fn tensor(rows: &[Tokens], width: usize, spec: &TextSpec, input: &TensorSpec) -> Option<Tensor> {
    let role = spec.role(&input.name)?;
    let mut data = Vec::with_capacity(rows.len() * width * input.datatype.element_bytes()?);
    let mut push = |value: u32| match input.datatype {
        Datatype::Int32 => data.extend(value.to_le_bytes()),
        _ => data.extend(u64::from(value).to_le_bytes()),
    };
    for row in rows {
        let filling = width.saturating_sub(row.ids.len());
        let fill = |push: &mut dyn FnMut(u32)| {
            for _ in 0..filling {
                push(match role {
                    TokenInput::Ids => spec.pad_id,
                    TokenInput::Mask | TokenInput::Types => 0,
                    TokenInput::Positions => 1,
                });
            }
        };
        if spec.padding_side == Side::Left {
            fill(&mut push);
        }
        match role {
            TokenInput::Ids => row.ids.iter().copied().for_each(&mut push),
            TokenInput::Mask => row.ids.iter().for_each(|_| push(1)),
            TokenInput::Types => row.types.iter().copied().for_each(&mut push),
            TokenInput::Positions => (0..).take(row.ids.len()).for_each(&mut push),
        }
        if spec.padding_side == Side::Right {
            fill(&mut push);
        }
    }
    Some(Tensor {
        datatype: input.datatype,
        shape: vec![u32::try_from(rows.len()).ok()?, u32::try_from(width).ok()?],
        data,
    })
}
