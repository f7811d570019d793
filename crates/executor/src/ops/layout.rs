//! Operators that reorder or repeat elements.

use super::entry::{LayoutRule, OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::index::{axis, broadcast, broadcast_strides};
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::{signed_strides, strided_copy, transposed};
use crate::tensor::{Tensor, element_count};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("DepthToSpace", depth_to_space),
    onnx("Expand", |_| boxed(Expand)),
    onnx("SpaceToDepth", space_to_depth),
    // Version 1 took the number of tiles and an axis as inputs.
    onnx("Tile", |_| boxed(Tile)).since(6),
    onnx("Transpose", transpose).layout(LayoutRule::Transposition),
];

fn depth_to_space(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let (block, depth_first) = blocks(build)?;
    boxed(DepthToSpace { block, depth_first })
}

fn space_to_depth(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let (block, depth_first) = blocks(build)?;
    boxed(SpaceToDepth { block, depth_first })
}

fn transpose(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Transpose {
        order: build.attributes().ints("perm").map(<[i64]>::to_vec),
    })
}

/// Reads `blocksize`, and whether the block's position is the outer part of the channel axis (`mode` = `DCR`).
fn blocks(build: &Build<'_>) -> Result<(usize, bool)> {
    let attributes = build.attributes();
    let block = attributes.required_int("blocksize")?;
    let block = usize::try_from(block)
        .ok()
        .filter(|&block| (1..=MAX_BLOCK).contains(&block))
        .ok_or_else(|| {
            Error::graph(format!(
                "the attribute `blocksize` is {block}, expected 1 to {MAX_BLOCK}"
            ))
        })?;
    match attributes.string("mode", "DCR") {
        "DCR" => Ok((block, true)),
        "CRD" => Ok((block, false)),
        other => Err(Error::graph(format!(
            "the attribute `mode` is `{other}`, expected `DCR` or `CRD`"
        ))),
    }
}

/// The largest block size: the number of channels is a multiple of its square.
const MAX_BLOCK: usize = 1 << 14;

/// Transpose: permutes the axes; reverses them without `perm`.
struct Transpose {
    order: Option<Vec<i64>>,
}

impl Operator for Transpose {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let rank = input.rank();
        let order: Vec<usize> = match &self.order {
            None => (0..rank).rev().collect(),
            Some(order) => {
                let found = order
                    .iter()
                    .map(|&one| axis(one, rank))
                    .collect::<Result<Vec<_>>>()?;
                let mut sorted = found.clone();
                sorted.sort_unstable();
                if sorted.len() != rank || sorted.windows(2).any(|pair| pair[0] == pair[1]) {
                    return Err(Error::input(format!(
                        "the attribute `perm` is {order:?}, expected each of {rank} axes once"
                    )));
                }
                found
            }
        };
        // If only axes of size 1 move, the elements stay in order.
        let sized = |&axis: &usize| input.shape()[axis] != 1;
        if order.iter().copied().filter(sized).is_sorted() {
            let shape = order.iter().map(|&axis| input.shape()[axis]).collect();
            return Ok(vec![inputs.take(0)?.reshaped(shape)?]);
        }
        Ok(vec![transposed(input, &order)?])
    }
}

/// Expand: broadcasts the input to a shape, by the rules of both-sided broadcasting.
struct Expand;

impl Operator for Expand {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let asked = sizes(inputs.required(1)?)?;
        let shape = broadcast(&[input.shape(), &asked])?;
        if shape == input.shape() {
            return Ok(vec![inputs.take(0)?]);
        }
        element_count(&shape)?;
        let steps: Vec<isize> = broadcast_strides(input.shape(), &shape)
            .iter()
            .map(|&step| step as isize)
            .collect();
        let data = strided_copy(input.data(), 0, &shape, &steps)?;
        Ok(vec![Tensor::new(shape, data)?])
    }
}

/// Reads a tensor of sizes.
///
/// # Errors
/// `Input` if one is negative or too large.
pub(super) fn sizes(tensor: &Tensor) -> Result<Vec<usize>> {
    let given = tensor.to_i64()?;
    given
        .iter()
        .map(|&size| {
            usize::try_from(size)
                .map_err(|_| Error::input(format!("expected sizes of 0 or more, got {given:?}")))
        })
        .collect()
}

/// Tile: repeats the input along each axis.
struct Tile;

impl Operator for Tile {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let repeats = sizes(inputs.required(1)?)?;
        if repeats.len() != input.rank() {
            return Err(Error::input(format!(
                "expected one number of repeats for each of {} axes, got {}",
                input.rank(),
                repeats.len()
            )));
        }
        // Each axis becomes two; the first one repeats with a stride of 0.
        let (mut walked, mut walked_steps, mut shape) = (Vec::new(), Vec::new(), Vec::new());
        for ((&size, &repeat), &step) in input
            .shape()
            .iter()
            .zip(&repeats)
            .zip(&signed_strides(input.shape()))
        {
            walked.extend([repeat, size]);
            walked_steps.extend([0, step]);
            shape.push(element_count(&[repeat, size])?);
        }
        let data = strided_copy(input.data(), 0, &walked, &walked_steps)?;
        Ok(vec![Tensor::new(shape, data)?])
    }
}

fn four(tensor: &Tensor) -> Result<[usize; 4]> {
    <[usize; 4]>::try_from(tensor.shape()).map_err(|_| {
        Error::input(format!(
            "expected batch, channels, height and width, got {:?}",
            tensor.shape()
        ))
    })
}

/// DepthToSpace: rearranges channels into blocks of pixels.
struct DepthToSpace {
    block: usize,
    depth_first: bool,
}

impl Operator for DepthToSpace {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let [batch, channels, height, width] = four(&input)?;
        let block = self.block;
        if channels % (block * block) != 0 {
            return Err(Error::input(format!(
                "{channels} channels cannot be split into blocks of {block} by {block}"
            )));
        }
        let depth = channels / (block * block);
        let (split, order) = match self.depth_first {
            true => (
                vec![batch, block, block, depth, height, width],
                [0, 3, 4, 1, 5, 2],
            ),
            false => (
                vec![batch, depth, block, block, height, width],
                [0, 1, 4, 2, 5, 3],
            ),
        };
        let moved = transposed(&input.reshaped(split)?, &order)?;
        let (high, wide) = (
            element_count(&[height, block])?,
            element_count(&[width, block])?,
        );
        Ok(vec![moved.reshaped(vec![batch, depth, high, wide])?])
    }
}

/// SpaceToDepth: rearranges blocks of pixels into channels; has a `mode` since version 28.
struct SpaceToDepth {
    block: usize,
    depth_first: bool,
}

impl Operator for SpaceToDepth {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let [batch, channels, height, width] = four(&input)?;
        let block = self.block;
        if height % block != 0 || width % block != 0 {
            return Err(Error::input(format!(
                "an image of {height} by {width} cannot be split into blocks of {block}"
            )));
        }
        let (high, wide) = (height / block, width / block);
        let split = vec![batch, channels, high, block, wide, block];
        let order = match self.depth_first {
            true => [0, 3, 5, 1, 2, 4],
            false => [0, 1, 3, 5, 2, 4],
        };
        let moved = transposed(&input.reshaped(split)?, &order)?;
        let depth = element_count(&[channels, block * block])?;
        Ok(vec![moved.reshaped(vec![batch, depth, high, wide])?])
    }
}
