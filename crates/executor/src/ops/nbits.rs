//! MatMulNBits: a product with a matrix that is quantized in blocks to 4 or 8 bits. (ONNX Runtime's documentation of
//! contributed operators.)

use super::entry::{OperatorEntry, boxed, microsoft};
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::real::{reals, rounded};
use crate::tensor::{Data, Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[microsoft("MatMulNBits", matmul_nbits)];

fn matmul_nbits(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let bits = attributes.int("bits", 4);
    if !matches!(bits, 4 | 8) {
        return Err(Error::unsupported(format!(
            "the attribute `bits` is {bits}, which is not supported, expected 4 or 8"
        )));
    }
    let block = attributes.required_count("block_size")?;
    if !block.is_power_of_two() || block < 16 {
        return Err(Error::graph(format!(
            "the attribute `block_size` is {block}, expected a power of two of at least 16"
        )));
    }
    if build.has_input(4) {
        return Err(Error::unsupported(
            "input 4 (`g_idx`) is not supported, expected blocks of consecutive rows",
        ));
    }
    boxed(MatMulNBits {
        inner: attributes.required_count("K")?,
        columns: attributes.required_count("N")?,
        is_half_byte: bits == 4,
        block,
    })
}

/// MatMulNBits: A, floats `[..., K]`, times B^T, UINT8 `[N, blocks, block_size * bits / 8]`, plus a bias `[N]`; floats
/// `[..., N]`. Each block has a scale (input 2) and a zero point (input 3): packed like B, or floats; 8 or 128 without. The
/// sums are in FP32.
struct MatMulNBits {
    inner: usize,
    columns: usize,
    is_half_byte: bool,
    block: usize,
}

/// The zero points of the blocks.
enum Zeros<'a> {
    /// The middle of the range.
    Middle(f32),
    /// Packed, each column from a byte's start.
    Packed(&'a [u8]),
    /// One float for each block.
    Floats(Vec<f32>),
}

/// The number at a position of packed ones; the low half of a byte comes first.
fn unpacked(bytes: &[u8], at: usize, is_half_byte: bool) -> f32 {
    match is_half_byte {
        true => (bytes[at / 2] >> (at % 2 * 4) & 15).into(),
        false => bytes[at].into(),
    }
}

/// The product of two vectors, in lanes, so that it is computed in parallel.
fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (x_chunks, x_rest) = x.as_chunks::<8>();
    let (y_chunks, y_rest) = y.as_chunks::<8>();
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    let rest: f32 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

impl MatMulNBits {
    fn expect(name: &str, tensor: &Tensor, expected: usize) -> Result<()> {
        if tensor.len() == expected {
            return Ok(());
        }
        Err(Error::input(format!(
            "{name} has the shape {:?}, expected {expected} elements",
            tensor.shape()
        )))
    }
}

impl Operator for MatMulNBits {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (a, b, scale) = (
            inputs.required(0)?,
            inputs.required(1)?,
            inputs.required(2)?,
        );
        let (inner, columns, block) = (self.inner, self.columns, self.block);
        let Some((&last, outer)) = a.shape().split_last().filter(|(last, _)| **last == inner)
        else {
            return Err(Error::input(format!(
                "input 0 has the shape {:?}, expected [..., {inner}]",
                a.shape()
            )));
        };
        let packed = |count: usize| match self.is_half_byte {
            true => count.div_ceil(2),
            false => count,
        };
        let blocks = last.div_ceil(block);
        let too_large = || Error::input(format!("a matrix of {columns} by {inner} is too large"));
        let width = blocks.checked_mul(packed(block)).ok_or_else(too_large)?;
        let count = |each: usize| columns.checked_mul(each).ok_or_else(too_large);
        Self::expect("input 1", b, count(width)?)?;
        Self::expect("input 2 (the scales)", scale, count(blocks)?)?;
        let zeros = match inputs.get(3) {
            None => Zeros::Middle(if self.is_half_byte { 8.0 } else { 128.0 }),
            Some(zero) => match zero.data() {
                Data::U8(values) => {
                    Self::expect("input 3 (the zero points)", zero, count(packed(blocks))?)?;
                    Zeros::Packed(values)
                }
                _ => {
                    Self::expect("input 3 (the zero points)", zero, count(blocks)?)?;
                    Zeros::Floats(reals::<f32>(zero)?.into_owned())
                }
            },
        };
        let bias = inputs.get(5).map(|bias| {
            Self::expect("input 5 (the bias)", bias, columns)?;
            reals::<f32>(bias)
        });
        let bias = bias.transpose()?;
        let mut shape = outer.to_vec();
        shape.push(columns);
        let mut result = filled(element_count(&shape)?, 0f32)?;
        let (values, scales) = (reals::<f32>(a)?, reals::<f32>(scale)?);
        let bytes = b.elements::<u8>()?;
        let mut weights = filled(inner, 0f32)?;
        for column in 0..if result.is_empty() { 0 } else { columns } {
            let bytes = &bytes[column * width..][..width];
            for (at, weights) in weights.chunks_mut(block).enumerate() {
                let place = column * blocks + at;
                let zero = match &zeros {
                    Zeros::Middle(zero) => *zero,
                    Zeros::Packed(bytes) => {
                        let own = &bytes[column * packed(blocks)..][..packed(blocks)];
                        unpacked(own, at, self.is_half_byte)
                    }
                    Zeros::Floats(zeros) => zeros[place],
                };
                let bytes = &bytes[at * packed(block)..][..packed(block)];
                for (at, weight) in weights.iter_mut().enumerate() {
                    *weight = (unpacked(bytes, at, self.is_half_byte) - zero) * scales[place];
                }
            }
            let bias = bias.as_ref().map_or(0.0, |bias| bias[column]);
            let rows = values.chunks_exact(inner);
            for (row, to) in rows.zip(result.chunks_exact_mut(columns)) {
                to[column] = dot(row, &weights) + bias;
            }
        }
        Ok(vec![rounded(shape, result, a.datatype())?])
    }
}
