//! Products of INT8 and UINT8 matrices, the second of which is constant and packed at load time.

use std::borrow::Cow;

use infer_kernels::quantization::DynamicParams;
use infer_kernels::quantized::{QuantizedMatrix, QuantizedRows};

use super::convolution::bias_of;
use super::quantize::integers;
use crate::buffer_pool::{give, scratch};
use crate::error::{Error, Result};
use crate::tensor::{Data, Tensor, element_count, filled, with_room};

/// A constant INT8 or UINT8 matrix `[k, n]`, packed.
pub(super) struct PackedInteger {
    matrix: QuantizedMatrix,
}

/// The other operand: UINT8 rows with zero points, one for all or one for each.
pub(super) struct Rows<'a> {
    bytes: Cow<'a, [u8]>,
    zeros: Vec<i32>,
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(bytes) = &mut self.bytes {
            give(Tensor::vector(std::mem::take(bytes)));
        }
    }
}

impl Rows<'_> {
    /// Quantizes FP32 values by their range. Returns the scale too.
    ///
    /// # Errors
    /// `Memory`.
    pub(super) fn quantized(values: &[f32]) -> Result<(Rows<'static>, f32)> {
        let params = DynamicParams::of(values);
        Ok((Rows::with(params, values)?, params.scale))
    }

    /// Quantizes FP32 values.
    ///
    /// # Errors
    /// `Memory`.
    pub(super) fn with(params: DynamicParams, values: &[f32]) -> Result<Rows<'static>> {
        let mut bytes = scratch(values.len())?;
        params.quantize(values, &mut bytes);
        Ok(Rows {
            bytes: Cow::Owned(bytes),
            zeros: vec![params.zero.into()],
        })
    }

    /// The elements, as UINT8.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The zero point of the first row.
    pub(super) fn zero(&self) -> i32 {
        self.zeros.first().copied().unwrap_or(0)
    }

    fn borrowed(&self) -> QuantizedRows<'_> {
        QuantizedRows {
            bytes: &self.bytes,
            zeros: &self.zeros,
        }
    }

    /// A tensor of INT8 or UINT8, with a zero point per tensor or per row; without, it is 0. As UINT8, INT8 and its zero
    /// points are larger by 128.
    ///
    /// # Errors
    /// `Input` for zero points of another datatype or number, `Unsupported` for another datatype, `Memory`.
    pub(super) fn of<'a>(tensor: &'a Tensor, zero: Option<&Tensor>) -> Result<Rows<'a>> {
        if let Some(zero) = zero.filter(|zero| zero.datatype() != tensor.datatype()) {
            return Err(Error::input(format!(
                "the zero point is {}, expected {} as the input",
                zero.datatype(),
                tensor.datatype()
            )));
        }
        let (bytes, offset) = match tensor.data() {
            Data::U8(bytes) => (Cow::Borrowed(&bytes[..]), 0),
            Data::I8(values) => {
                let mut bytes = scratch(values.len())?;
                for (byte, value) in bytes.iter_mut().zip(values) {
                    *byte = value.cast_unsigned() ^ 0x80;
                }
                (Cow::Owned(bytes), 128)
            }
            other => {
                return Err(Error::unsupported(format!(
                    "expected INT8 or UINT8, got {}",
                    other.datatype()
                )));
            }
        };
        let zeros = match zero {
            None => vec![0],
            Some(zero) => {
                let rows = tensor.shape().iter().rev().nth(1).copied().unwrap_or(1);
                let all = tensor.len() / tensor.shape().last().copied().unwrap_or(1).max(1);
                let zeros = integers(zero)?;
                let is_of_rows = zero.shape() == [rows];
                let is_of_all = zero.rank() == tensor.rank()
                    && zero.shape().last() == Some(&1)
                    && zero.shape().split_last().map(|(_, outer)| outer)
                        == tensor.shape().split_last().map(|(_, outer)| outer);
                match zeros.len() {
                    1 => zeros,
                    // One for each row of a matrix; all matrices have the same.
                    _ if is_of_rows || is_of_all => {
                        let mut repeated = with_room(all)?;
                        repeated.extend(zeros.iter().copied().cycle().take(all));
                        repeated
                    }
                    _ => {
                        return Err(Error::input(format!(
                            "zero points of shape {:?} do not match the shape {:?}",
                            zero.shape(),
                            tensor.shape()
                        )));
                    }
                }
            }
        };
        Ok(Rows {
            bytes,
            zeros: zeros.into_iter().map(|zero| zero + offset).collect(),
        })
    }
}

impl PackedInteger {
    /// Packs a matrix with a zero point per tensor or per column. `None` for what the kernels do not take: tensors that are
    /// no matrices, other datatypes, other zero points, and matrices with too many rows.
    pub(super) fn of(b: &Tensor, zero: Option<&Tensor>) -> Option<Self> {
        let &[k, n] = b.shape() else {
            return None;
        };
        let at = |row: usize, column: usize| row * n + column;
        Self::packed(b.data(), [k, n], at, zero)
    }

    /// Packs the elements of `data` that `at` finds for a row and a column; `None` as in [`PackedInteger::of`].
    pub(super) fn packed(
        data: &Data,
        [k, n]: [usize; 2],
        at: impl Fn(usize, usize) -> usize,
        zero: Option<&Tensor>,
    ) -> Option<Self> {
        let zeros = match zero {
            None => vec![0],
            Some(zero) if zero.datatype() == data.datatype() => integers(zero).ok()?,
            Some(_) => return None,
        };
        let fits = zeros.len() == 1
            || zeros.len() == n && zero.is_some_and(|zero| zero.shape().last() == Some(&n));
        if !fits {
            return None;
        }
        let zero = |column: usize| zeros[column % zeros.len()];
        let matrix = match data {
            Data::I8(values) => {
                QuantizedMatrix::new(k, n, |row, column| values[at(row, column)], zero)
            }
            Data::U8(values) => {
                let weight = |row, column| (values[at(row, column)] ^ 0x80).cast_signed();
                QuantizedMatrix::new(k, n, weight, |column| zero(column) - 128)
            }
            _ => None,
        };
        matrix.map(|matrix| Self { matrix })
    }

    /// The number of columns.
    pub(super) fn columns(&self) -> usize {
        self.matrix.n()
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.matrix.k()
    }

    /// Multiplies UINT8 rows, which have the same zero point, into as many rows of sums.
    pub(super) fn multiply(&self, bytes: &[u8], zero: i32, sums: &mut [i32]) {
        let zeros = &[zero];
        self.matrix.multiply(QuantizedRows { bytes, zeros }, sums);
    }

    /// The shape of the product with a tensor: its rows times the matrix.
    ///
    /// # Errors
    /// `Input` if the rows do not have the matrix's size.
    pub(super) fn shape(&self, a: &Tensor) -> Result<Vec<usize>> {
        let [k, n] = [self.matrix.k(), self.matrix.n()];
        let mut shape = a.shape().to_vec();
        match shape.last_mut() {
            Some(last) if *last == k => *last = n,
            _ => {
                return Err(Error::input(format!(
                    "matrices of shape {:?} and {:?} cannot be multiplied",
                    a.shape(),
                    [k, n]
                )));
            }
        }
        Ok(shape)
    }

    /// The INT32 product.
    ///
    /// # Errors
    /// `Memory`.
    pub(super) fn product(&self, shape: &[usize], rows: &Rows<'_>) -> Result<Tensor> {
        let mut sums = filled(element_count(shape)?, 0i32)?;
        self.matrix.multiply(rows.borrowed(), &mut sums);
        Tensor::of(shape, sums)
    }

    /// The product scaled to FP32, plus one value for each column.
    ///
    /// # Errors
    /// `Input` for another number of scales or biases, `Memory`.
    pub(super) fn scaled(
        &self,
        shape: &[usize],
        rows: &Rows<'_>,
        (a_scale, b_scales): (f32, &[f32]),
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let n = self.columns();
        let bias = bias_of(bias, n)?.map(Tensor::elements::<f32>).transpose()?;
        let mut factors = with_room(n)?;
        factors.extend((0..n).map(|column| a_scale * b_scales[column % b_scales.len()]));
        let mut result = scratch(element_count(shape)?)?;
        self.matrix
            .multiply_scaled(rows.borrowed(), &factors, bias, &mut result);
        Tensor::of(shape, result)
    }
}
