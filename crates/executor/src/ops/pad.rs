//! Pad, CenterCropPad and ReverseSequence.

use super::entry::{LayoutRule, OperatorEntry, boxed, onnx};
use super::layout::sizes;
use crate::error::{Error, Result};
use crate::index::{axes, axis};
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::{FILL, gather_axes, gather_runs, transposed};
use crate::tensor::{Tensor, element_count, with_room};
use crate::with_number;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("CenterCropPad", center_crop_pad),
    onnx("Pad", pad).layout(LayoutRule::EachAxis),
    onnx("ReverseSequence", reverse_sequence),
];

fn center_crop_pad(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(CenterCropPad {
        axes: build.attributes().ints("axes").map(<[i64]>::to_vec),
    })
}

fn pad(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let pads = match build.opset {
        ..2 => attributes.ints("paddings"),
        2..11 => attributes.ints("pads"),
        _ => None,
    };
    boxed(Pad {
        mode: match attributes.string("mode", "constant") {
            "constant" => Mode::Constant,
            "edge" => Mode::Edge,
            "reflect" => Mode::Reflect,
            "wrap" if build.opset >= 19 => Mode::Wrap,
            other => {
                return Err(Error::graph(format!(
                    "the attribute `mode` is `{other}`, expected `constant`, `edge`, `reflect`, or since version 19 `wrap`"
                )));
            }
        },
        attributes: (build.opset < 11).then(|| {
            (
                pads.unwrap_or_default().to_vec(),
                attributes.float("value", 0.0),
            )
        }),
    })
}

fn reverse_sequence(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(ReverseSequence {
        batch_axis: attributes.int("batch_axis", 1),
        time_axis: attributes.int("time_axis", 0),
    })
}

/// The values of the padding.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Constant,
    /// The outermost element.
    Edge,
    /// The elements mirrored at the outermost one, which is not repeated.
    Reflect,
    /// The elements of the opposite side.
    Wrap,
}

/// Pad: adds padding around a tensor; negative padding crops. The sizes and the value are inputs since version 11, the axes
/// since version 18.
struct Pad {
    mode: Mode,
    attributes: Option<(Vec<i64>, f32)>,
}

impl Operator for Pad {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let rank = input.rank();
        let (pads, named, value) = match &self.attributes {
            Some((pads, value)) => {
                let value = with_number!(input.datatype(), T => {
                    Tensor::scalar(<T as crate::number::Number>::narrow(
                        crate::number::Arithmetic::of_f64((*value).into()),
                    ))
                });
                (pads.clone(), None, Some(value))
            }
            None => (
                inputs.required(1)?.to_i64()?,
                inputs.get(3).map(Tensor::to_i64).transpose()?,
                inputs.get(2).cloned(),
            ),
        };
        let named: Vec<i64> = named.unwrap_or_else(|| (0..rank).map(|axis| axis as i64).collect());
        if pads.len() != 2 * named.len() {
            return Err(Error::input(format!(
                "expected {} sizes of padding, two for each of {} axes, got {}",
                2 * named.len(),
                named.len(),
                pads.len()
            )));
        }
        if let Some(value) = value.as_ref().filter(|value| value.len() != 1) {
            return Err(Error::input(format!(
                "the padding has {} values, expected 1",
                value.len()
            )));
        }
        axes(&named, rank)?;
        let mut borders = vec![(0, 0); rank];
        for (at, &one) in named.iter().enumerate() {
            borders[axis(one, rank)?] = (pads[at], pads[at + named.len()]);
        }
        let mut shape = Vec::with_capacity(rank);
        for (&size, &(before, after)) in input.shape().iter().zip(&borders) {
            let padded = size as i128 + i128::from(before) + i128::from(after);
            shape.push(usize::try_from(padded).map_err(|_| {
                Error::input(format!(
                    "a size of {size} cannot be padded by {before} and {after}"
                ))
            })?);
        }
        // Checked before the maps, which are as long as the axes, are allocated.
        if element_count(&shape)? == 0 {
            return Ok(vec![empty(input, shape)?]);
        }
        let maps = shape
            .iter()
            .zip(input.shape())
            .zip(&borders)
            .map(|((&padded, &size), &border)| self.map(padded, size, border))
            .collect::<Result<Vec<_>>>()?;
        Ok(vec![gather_axes(input, &maps, value.as_ref())?])
    }
}

/// An empty tensor of another tensor's datatype.
fn empty(like: &Tensor, shape: Vec<usize>) -> Result<Tensor> {
    crate::with_element!(like.datatype(), T => Tensor::of(&shape, Vec::<T>::new()))
}

impl Pad {
    /// The index map of an axis: for each padded position, the position that it comes from.
    fn map(&self, padded: usize, size: usize, (before, after): (i64, i64)) -> Result<Vec<usize>> {
        if self.mode != Mode::Constant && (before < 0 || after < 0) {
            return Err(Error::unsupported(
                "negative padding is not supported with this mode, expected the mode `constant`",
            ));
        }
        if self.mode != Mode::Constant && size == 0 && padded > 0 {
            return Err(Error::input(
                "an axis without elements cannot be padded with this mode",
            ));
        }
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let mut map = with_room(padded)?;
        map.extend((0..padded).map(|at| {
            // Cropping may exceed the axis if the other side is padded by as much; then no element is left.
            let at = (at as i64).saturating_sub(before);
            let from = match self.mode {
                _ if (0..size).contains(&at) => at,
                Mode::Constant => return FILL,
                Mode::Edge => at.clamp(0, size - 1),
                Mode::Reflect if size == 1 => 0,
                Mode::Reflect => {
                    let period = 2 * (size - 1);
                    let inside = at.rem_euclid(period);
                    inside.min(period - inside)
                }
                Mode::Wrap => at.rem_euclid(size),
            };
            usize::try_from(from).unwrap_or(FILL)
        }));
        Ok(map)
    }
}

/// CenterCropPad: crops or zero-pads both sides to a shape.
struct CenterCropPad {
    axes: Option<Vec<i64>>,
}

impl Operator for CenterCropPad {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let asked = sizes(inputs.required(1)?)?;
        let rank = input.rank();
        let named = match &self.axes {
            Some(named) => named.clone(),
            None => (0..rank).map(|axis| axis as i64).collect(),
        };
        if named.len() != asked.len() {
            return Err(Error::input(format!(
                "expected one size for each of {} axes, got {}",
                named.len(),
                asked.len()
            )));
        }
        axes(&named, rank)?;
        let mut shape = input.shape().to_vec();
        for (&one, &size) in named.iter().zip(&asked) {
            shape[axis(one, rank)?] = size;
        }
        if element_count(&shape)? == 0 {
            return Ok(vec![empty(input, shape)?]);
        }
        let mut maps = Vec::with_capacity(rank);
        for (&to, &from) in shape.iter().zip(input.shape()) {
            let mut map = with_room(to)?;
            // An odd difference is cropped or padded at the end.
            let (cut, added) = (from.saturating_sub(to) / 2, to.saturating_sub(from) / 2);
            map.extend((0..to).map(|at| match at.checked_sub(added) {
                Some(at) if at < from => at + cut,
                _ => FILL,
            }));
            maps.push(map);
        }
        Ok(vec![gather_axes(input, &maps, None)?])
    }
}

/// ReverseSequence: reverses the first elements along the time axis, as many as each item's length.
struct ReverseSequence {
    batch_axis: i64,
    time_axis: i64,
}

impl Operator for ReverseSequence {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let rank = input.rank();
        let (batch_axis, time_axis) = (axis(self.batch_axis, rank)?, axis(self.time_axis, rank)?);
        if batch_axis == time_axis {
            return Err(Error::graph(format!(
                "the attributes `batch_axis` and `time_axis` are both {batch_axis}, expected different axes"
            )));
        }
        let (batch, time) = (input.shape()[batch_axis], input.shape()[time_axis]);
        let lengths = sizes(inputs.required(1)?)?;
        if lengths.len() != batch || lengths.iter().any(|&length| length > time) {
            return Err(Error::input(format!(
                "expected {batch} lengths of at most {time}, got {lengths:?}"
            )));
        }
        if input.is_empty() {
            return Ok(vec![input.clone()]);
        }
        let mut order = vec![batch_axis, time_axis];
        order.extend((0..rank).filter(|&axis| axis != batch_axis && axis != time_axis));
        let rows = transposed(input, &order)?;
        let run = element_count(&rows.shape()[2..])?;
        let mut starts = with_room(element_count(&[batch, time])?)?;
        for (item, &length) in lengths.iter().enumerate() {
            starts.extend((0..time).map(|at| {
                let from = if at < length { length - 1 - at } else { at };
                (item * time + from) * run
            }));
        }
        let data = gather_runs(rows.data(), run, &starts)?;
        let mut inverse = vec![0; rank];
        for (at, &axis) in order.iter().enumerate() {
            inverse[axis] = at;
        }
        let reversed = Tensor::new(rows.shape().to_vec(), data)?;
        Ok(vec![transposed(&reversed, &inverse)?])
    }
}
