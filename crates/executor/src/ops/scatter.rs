//! Scattering elements by index.

use super::entry::{OperatorEntry, boxed, onnx};
use super::gather::{element_offsets, position, tuple_offsets};
use super::layout::sizes;
use crate::error::{Error, Result};
use crate::index::axis;
use crate::number::{Arithmetic, Number};
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Data, Element, Tensor, element_count, filled, with_room};
use crate::{with_element, with_number};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("OneHot", one_hot),
    // The name of ScatterElements before version 11.
    onnx("Scatter", scatter_elements),
    onnx("ScatterElements", scatter_elements),
    onnx("ScatterND", scatter_nd),
    onnx("TensorScatter", tensor_scatter),
];

fn scatter_nd(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(ScatterNd {
        reduction: reduction(build)?,
    })
}

fn one_hot(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(OneHot {
        axis: build.attributes().int("axis", -1),
    })
}

fn scatter_elements(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(ScatterElements {
        axis: build.attributes().int("axis", 0),
        reduction: reduction(build)?,
    })
}

fn tensor_scatter(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(TensorScatter {
        axis: attributes.int("axis", -2),
        is_circular: match attributes.string("mode", "linear") {
            "linear" => false,
            "circular" => true,
            other => {
                return Err(Error::graph(format!(
                    "the attribute `mode` is `{other}`, expected `linear` or `circular`"
                )));
            }
        },
    })
}

/// How an update is combined with the element that it replaces.
#[derive(Clone, Copy)]
enum Reduction {
    None,
    Add,
    Mul,
    Max,
    Min,
}

fn reduction(build: &Build<'_>) -> Result<Reduction> {
    Ok(match build.attributes().string("reduction", "none") {
        "none" => Reduction::None,
        "add" => Reduction::Add,
        "mul" => Reduction::Mul,
        "max" => Reduction::Max,
        "min" => Reduction::Min,
        other => {
            return Err(Error::graph(format!(
                "the attribute `reduction` is `{other}`, expected `none`, `add`, `mul`, `max` or `min`"
            )));
        }
    })
}

/// Writes runs of updates into a tensor, each run at its offset.
fn scatter(
    into: Tensor,
    updates: &Tensor,
    offsets: &[usize],
    run: usize,
    reduction: Reduction,
) -> Result<Tensor> {
    if let Reduction::None = reduction {
        return with_element!(into.datatype(), T => {
            put::<T>(into, updates, offsets, run, |_, new| new)
        });
    }
    with_number!(into.datatype(), T => {
        let function: fn(T, T) -> T = match reduction {
            Reduction::Add => |a, b| T::narrow(a.widen().plus(b.widen())),
            Reduction::Mul => |a, b| T::narrow(a.widen().times(b.widen())),
            Reduction::Max => |a, b| T::narrow(a.widen().larger(b.widen())),
            Reduction::Min => |a, b| T::narrow(a.widen().smaller(b.widen())),
            Reduction::None => |_, b| b,
        };
        put::<T>(into, updates, offsets, run, function)
    })
}

fn put<T: Element>(
    into: Tensor,
    updates: &Tensor,
    offsets: &[usize],
    run: usize,
    function: impl Fn(T, T) -> T,
) -> Result<Tensor> {
    let shape = into.shape().to_vec();
    let mut elements = into.into_elements::<T>()?;
    let updates = updates.elements::<T>()?;
    if run > 0 {
        for (&offset, update) in offsets.iter().zip(updates.chunks_exact(run)) {
            for (element, &new) in elements[offset..offset + run].iter_mut().zip(update) {
                *element = function(*element, new);
            }
        }
    }
    Tensor::of(&shape, elements)
}

/// ScatterElements (Scatter before version 11): for each position of the indices, writes the update to that position, with
/// the index in place of the position on `axis`. Has a reduction since version 16.
struct ScatterElements {
    axis: i64,
    reduction: Reduction,
}

impl Operator for ScatterElements {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let into = inputs.take(0)?;
        let (indices, updates) = (inputs.required(1)?, inputs.required(2)?);
        let at = axis(self.axis, into.rank())?;
        if indices.shape() != updates.shape() {
            return Err(Error::input(format!(
                "the updates have the shape {:?}, expected that of the indices, {:?}",
                updates.shape(),
                indices.shape()
            )));
        }
        let offsets = element_offsets(into.shape(), at, indices)?;
        Ok(vec![scatter(into, updates, &offsets, 1, self.reduction)?])
    }
}

/// ScatterND: writes slices to the positions that index tuples name. Has a reduction since version 16.
struct ScatterNd {
    reduction: Reduction,
}

impl Operator for ScatterNd {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let into = inputs.take(0)?;
        let (indices, updates) = (inputs.required(1)?, inputs.required(2)?);
        let fits = indices.shape().split_last().filter(|(depth, outer)| {
            **depth <= into.rank() && {
                let expected = outer.iter().chain(&into.shape()[**depth..]);
                updates.shape().iter().eq(expected)
            }
        });
        let Some((&depth, outer)) = fits else {
            return Err(Error::input(format!(
                "indices of shape {:?} and updates of shape {:?} do not match the shape {:?}",
                indices.shape(),
                updates.shape(),
                into.shape()
            )));
        };
        if updates.is_empty() {
            return Ok(vec![into]);
        }
        let tuples = element_count(outer)?;
        let run = element_count(&into.shape()[depth..])?;
        let offsets = tuple_offsets(into.shape(), indices, tuples)?;
        Ok(vec![scatter(into, updates, &offsets, run, self.reduction)?])
    }
}

/// TensorScatter: writes new elements of sequences into a cache, at a position per batch item.
struct TensorScatter {
    axis: i64,
    is_circular: bool,
}

impl Operator for TensorScatter {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let cache = inputs.take(0)?;
        let updates = inputs.required(1)?;
        let at = axis(self.axis, cache.rank())?;
        let fits = updates.rank() == cache.rank()
            && (0..cache.rank()).all(|axis| match axis == at {
                true => updates.shape()[axis] <= cache.shape()[axis],
                false => updates.shape()[axis] == cache.shape()[axis],
            });
        if at == 0 || !fits {
            return Err(Error::input(format!(
                "an update of shape {:?} does not match a cache of shape {:?} along axis {at}",
                updates.shape(),
                cache.shape()
            )));
        }
        let (batch, length, added) = (cache.shape()[0], cache.shape()[at], updates.shape()[at]);
        let places = match inputs.get(2) {
            Some(places) => sizes(places)?,
            None => filled(batch, 0)?,
        };
        if places.len() != batch {
            return Err(Error::input(format!(
                "expected {batch} write indices, got {}",
                places.len()
            )));
        }
        if updates.is_empty() {
            return Ok(vec![cache]);
        }
        let run = element_count(&cache.shape()[at + 1..])?;
        let between = element_count(&cache.shape()[1..at])?;
        let mut offsets = with_room(updates.len() / run)?;
        for (item, &place) in places.iter().enumerate() {
            for row in 0..between {
                for step in 0..added {
                    let at = match self.is_circular {
                        true => (place % length + step) % length,
                        false => place.checked_add(step).filter(|&at| at < length).ok_or_else(
                            || {
                                Error::input(format!(
                                    "{added} elements from position {place} on do not fit into a cache of length {length}"
                                ))
                            },
                        )?,
                    };
                    offsets.push(((item * between + row) * length + at) * run);
                }
            }
        }
        Ok(vec![scatter(
            cache,
            updates,
            &offsets,
            run,
            Reduction::None,
        )?])
    }
}

/// OneHot: a new axis, with the on value at the index and the off value elsewhere.
struct OneHot {
    axis: i64,
}

impl Operator for OneHot {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (indices, values) = (inputs.required(0)?, inputs.required(2)?);
        let depth = whole(inputs.required(1)?)?;
        let depth = match depth[..] {
            [depth] => usize::try_from(depth).ok(),
            _ => None,
        };
        let Some(depth) = depth else {
            return Err(Error::input("the depth is not one number, or negative"));
        };
        let at = axis(self.axis, indices.rank() + 1)?;
        let mut shape = indices.shape().to_vec();
        shape.insert(at, depth);
        let count = element_count(&shape)?;
        let run = element_count(&indices.shape()[at..])?;
        with_element!(values.datatype(), T => {
            let &[off, on] = values.elements::<T>()? else {
                return Err(Error::input(format!(
                    "expected two values (off and on), got {}",
                    values.len()
                )));
            };
            let mut to = filled(count, off)?;
            if count > 0 {
                for (place, index) in whole(indices)?.into_iter().enumerate() {
                    // An index out of range is off everywhere.
                    if let Ok(index) = position(index, depth) {
                        to[(place / run * depth + index) * run + place % run] = on;
                    }
                }
            }
            Ok(vec![Tensor::of(&shape, to)?])
        })
    }
}

/// Converts numbers of any datatype to integers, truncated.
fn whole(tensor: &Tensor) -> Result<Vec<i64>> {
    if let Data::I64(elements) = tensor.data() {
        return Ok(elements.clone());
    }
    with_number!(tensor.datatype(), T => {
        let elements = tensor.elements::<T>()?;
        Ok(elements.iter().map(|x| x.widen().to_f64() as i64).collect())
    })
}
