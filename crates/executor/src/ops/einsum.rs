//! Einsum: sums of products of tensors, by an equation such as `ij,jk->ik`.

use super::arithmetic::{narrowed, widened};
use super::entry::{OperatorEntry, boxed, onnx};
use super::matmul::product;
use super::reduce::sum_after;
use crate::error::{Error, Result};
use crate::number::Number;
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::{signed_strides, strided_copy, transposed};
use crate::tensor::{Tensor, element_count};
use crate::with_number;

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("Einsum", einsum)];

fn einsum(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Einsum::parse(build.attributes().string("equation", ""))?)
}

/// An axis's label: a letter, or (beyond all letters) a position in the ellipsis, counted from its end.
type Label = u32;

/// The ellipsis's first label.
const ELLIPSIS: Label = 1 << 16;

/// A term of an equation: its letters, and the position of the ellipsis among them.
#[derive(Clone, Debug)]
struct Term {
    letters: Vec<Label>,
    ellipsis: Option<usize>,
}

/// Einsum. Operands are contracted two at a time, each time as a batched matrix product.
struct Einsum {
    inputs: Vec<Term>,
    output: Option<Term>,
}

/// A tensor with a distinct label for each axis.
struct Named {
    labels: Vec<Label>,
    tensor: Tensor,
}

impl Einsum {
    fn parse(equation: &str) -> Result<Self> {
        let (inputs, output) = match equation.split_once("->") {
            Some((inputs, output)) => (inputs, Some(output)),
            None => (equation, None),
        };
        Ok(Self {
            inputs: inputs
                .split(',')
                .map(|term| parse(term, equation))
                .collect::<Result<_>>()?,
            output: output.map(|term| parse(term, equation)).transpose()?,
        })
    }

    /// The output's labels: those of the equation or, if it has no `->`, the ellipsis and then the letters that occur once,
    /// in alphabetical order (as ONNX specifies).
    fn output(&self, ellipsis: usize) -> Vec<Label> {
        if let Some(output) = &self.output {
            return labels(output, ellipsis);
        }
        let mut letters: Vec<Label> = self
            .inputs
            .iter()
            .flat_map(|term| term.letters.iter().copied())
            .collect();
        letters.sort_unstable();
        let once = letters
            .chunk_by(|a, b| a == b)
            .filter_map(|same| <[Label; 1]>::try_from(same).ok())
            .flatten();
        (0..ellipsis)
            .rev()
            .map(|at| ELLIPSIS + at as Label)
            .chain(once)
            .collect()
    }

    fn run<T: Number>(&self, inputs: &mut Inputs<'_>) -> Result<Tensor> {
        let mut operands = Vec::with_capacity(self.inputs.len());
        let mut ellipsis = 0;
        for (position, term) in self.inputs.iter().enumerate() {
            let tensor = widened::<T>(inputs.take(position)?)?;
            let covered = tensor.rank().checked_sub(term.letters.len());
            let fits = covered.filter(|&covered| covered == 0 || term.ellipsis.is_some());
            let Some(covered) = fits else {
                return Err(Error::input(format!(
                    "input {position} has the shape {:?}, which does not match its term in the equation",
                    tensor.shape()
                )));
            };
            ellipsis = ellipsis.max(covered);
            operands.push(diagonal(labels(term, covered), tensor)?);
        }
        let output = self.output(ellipsis);
        for (at, label) in output.iter().enumerate() {
            let is_known = operands
                .iter()
                .any(|operand| operand.labels.contains(label));
            if !is_known || output[..at].contains(label) {
                return Err(Error::graph(
                    "the equation's output has a label that no input has, or repeats one",
                ));
            }
        }
        spread(&mut operands)?;
        let mut operands = operands.into_iter();
        let mut rest: Vec<Named> = Vec::new();
        let Some(mut found) = operands.next() else {
            return Err(Error::graph("the equation has no inputs"));
        };
        rest.extend(operands);
        rest.reverse();
        while let Some(next) = rest.pop() {
            let is_kept = |label: &Label| {
                output.contains(label) || rest.iter().any(|later| later.labels.contains(label))
            };
            found = contract::<T::Wide>(found, next, is_kept)?;
        }
        let found = summed::<T::Wide>(found, |label| output.contains(label))?;
        let found = ordered(&found, &output)?;
        let shape = found.shape().to_vec();
        narrowed::<T>(&shape, found.into_elements()?)
    }
}

impl Operator for Einsum {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::input(format!(
                "the equation has {} inputs, got {}",
                self.inputs.len(),
                inputs.len()
            )));
        }
        with_number!(inputs.required(0)?.datatype(), T => Ok(vec![self.run::<T>(&mut inputs)?]))
    }
}

fn parse(text: &str, equation: &str) -> Result<Term> {
    let wrong = || {
        Error::graph(format!(
            "the equation is `{equation}`, expected letters, commas, at most one `->`, and at most one `...` per term"
        ))
    };
    let mut term = Term {
        letters: Vec::new(),
        ellipsis: None,
    };
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("...") {
            if term.ellipsis.replace(term.letters.len()).is_some() {
                return Err(wrong());
            }
            rest = after;
            continue;
        }
        match next {
            ' ' => {}
            letter if letter.is_ascii_alphabetic() => term.letters.push(letter.into()),
            _ => return Err(wrong()),
        }
        rest = &rest[next.len_utf8()..];
    }
    Ok(term)
}

/// A term's labels, with an ellipsis of that many axes.
fn labels(term: &Term, covered: usize) -> Vec<Label> {
    let mut labels = term.letters.clone();
    if let Some(at) = term.ellipsis {
        let covered = (0..covered)
            .rev()
            .map(|from_end| ELLIPSIS + from_end as Label);
        labels.splice(at..at, covered);
    }
    labels
}

/// Takes the diagonal of axes with the same label, so that each label is left once.
fn diagonal(names: Vec<Label>, tensor: Tensor) -> Result<Named> {
    let own = signed_strides(tensor.shape());
    let (mut labels, mut shape, mut walk) = (Vec::new(), Vec::new(), Vec::new());
    for (axis, label) in names.iter().enumerate() {
        let size = tensor.shape()[axis];
        match labels.iter().position(|known| known == label) {
            None => {
                labels.push(*label);
                shape.push(size);
                walk.push(own[axis]);
            }
            Some(at) if shape[at] == size => walk[at] += own[axis],
            Some(_) => {
                return Err(Error::input(format!(
                    "axes of {:?} have the same label but different sizes",
                    tensor.shape()
                )));
            }
        }
    }
    if labels.len() == names.len() {
        return Ok(Named { labels, tensor });
    }
    let data = strided_copy(tensor.data(), 0, &shape, &walk)?;
    Ok(Named {
        labels,
        tensor: Tensor::new(shape, data)?,
    })
}

/// Removes axes of size 1 that are larger in another operand, so that broadcasting needs no copy.
fn spread(operands: &mut [Named]) -> Result<()> {
    let sizes: std::collections::BTreeMap<Label, usize> = operands
        .iter()
        .flat_map(|operand| operand.labels.iter().zip(operand.tensor.shape()))
        .filter(|(_, size)| **size != 1)
        .map(|(label, size)| (*label, *size))
        .collect();
    for operand in operands {
        let (mut labels, mut shape) = (Vec::new(), Vec::new());
        for (label, &size) in operand.labels.iter().zip(operand.tensor.shape()) {
            let expected = sizes.get(label).copied().unwrap_or(1);
            if size == expected {
                labels.push(*label);
                shape.push(size);
            } else if size != 1 {
                return Err(Error::input(format!(
                    "a label has the size {size} in one input and {expected} in another"
                )));
            }
        }
        operand.labels = labels;
        let tensor = std::mem::replace(&mut operand.tensor, Tensor::scalar(false));
        operand.tensor = tensor.reshaped(shape)?;
    }
    Ok(())
}

/// Permutes a tensor's axes into the order of the labels, all of which it must have.
fn ordered(named: &Named, labels: &[Label]) -> Result<Tensor> {
    let order = labels
        .iter()
        .map(|label| named.labels.iter().position(|own| own == label))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Error::graph("the equation's output has a label that no input has"))?;
    match order.is_sorted() {
        true => Ok(named.tensor.clone()),
        false => transposed(&named.tensor, &order),
    }
}

/// Sums a tensor along the axes whose labels are not kept.
fn summed<A: Number>(named: Named, is_kept: impl Fn(&Label) -> bool) -> Result<Named> {
    let (kept, dropped): (Vec<Label>, Vec<Label>) = named
        .labels
        .iter()
        .copied()
        .partition(|label| is_kept(label));
    if dropped.is_empty() {
        return Ok(named);
    }
    let order: Vec<Label> = kept.iter().chain(&dropped).copied().collect();
    let tensor = sum_after::<A>(ordered(&named, &order)?, kept.len())?;
    Ok(Named {
        labels: kept,
        tensor,
    })
}

/// Multiplies two tensors and sums along the axes whose labels are not kept.
fn contract<A: crate::number::Arithmetic + Number<Wide = A>>(
    a: Named,
    b: Named,
    is_kept: impl Fn(&Label) -> bool,
) -> Result<Named> {
    let a_has = a.labels.clone();
    let b_has = b.labels.clone();
    let a = summed::<A>(a, |label| is_kept(label) || b_has.contains(label))?;
    let b = summed::<A>(b, |label| is_kept(label) || a_has.contains(label))?;
    let (shared, rows): (Vec<Label>, Vec<Label>) = a
        .labels
        .iter()
        .copied()
        .partition(|label| b.labels.contains(label));
    let (batch, inner): (Vec<Label>, Vec<Label>) = shared.into_iter().partition(|l| is_kept(l));
    let columns: Vec<Label> = b
        .labels
        .iter()
        .copied()
        .filter(|label| !a.labels.contains(label))
        .collect();
    let size = |named: &Named, labels: &[Label]| {
        let sizes: Vec<usize> = named
            .labels
            .iter()
            .zip(named.tensor.shape())
            .filter(|(label, _)| labels.contains(label))
            .map(|(_, &size)| size)
            .collect();
        element_count(&sizes)
    };
    let (items, m, k, n) = (
        size(&a, &batch)?,
        size(&a, &rows)?,
        size(&a, &inner)?,
        size(&b, &columns)?,
    );
    let left = ordered(&a, &[&batch[..], &rows, &inner].concat())?.reshaped(vec![items, m, k])?;
    let right =
        ordered(&b, &[&batch[..], &inner, &columns].concat())?.reshaped(vec![items, k, n])?;
    let labels = [&batch[..], &rows, &columns].concat();
    let shape = labels
        .iter()
        .map(|label| {
            let find = |named: &Named| {
                let at = named.labels.iter().position(|own| own == label)?;
                Some(named.tensor.shape()[at])
            };
            find(&a).or_else(|| find(&b)).unwrap_or(1)
        })
        .collect();
    Ok(Named {
        tensor: product::<A>(&left, &right)?.reshaped(shape)?,
        labels,
    })
}
