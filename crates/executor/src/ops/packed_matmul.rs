//! Matrix products with a constant matrix, whose weights are packed at load time.

use std::rc::Rc;

use infer_kernels::gemm::{Clamp, Packed, gemm};
use infer_kernels::quantization::QuantParams;
use infer_kernels::quantized::{Output, QuantizedConv};
use infer_kernels::spec::Images;

use crate::buffer_pool::{give, scratch};
use crate::error::{Error, Result};
use crate::operator::{Inputs, Operator};
use crate::tensor::{Tensor, element_count};

/// MatMul or Gemm with a constant second matrix, in FP32, with fused bias, clamp and fake quantization.
pub struct PackedMatMul {
    /// The packed matrix, with the bias of each column unless other products share it.
    pub matrix: Rc<Packed>,
    /// The bias of each column, if it is not in the matrix.
    pub bias: Option<Vec<f32>>,
    /// The fused activation.
    pub clamp: Clamp,
    /// The quantization that results are rounded to after the activation.
    pub quantization: Option<QuantParams>,
    /// Whether the input must be a matrix (Gemm), not a batch of matrices.
    pub is_gemm: bool,
}

impl Operator for PackedMatMul {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let values = input.elements::<f32>()?;
        let sizes = [self.matrix.k(), self.matrix.n()];
        let (m, result) = result(input.shape(), sizes, self.is_gemm)?;
        let mut output = scratch(element_count(&result)?)?;
        let biases = match &self.bias {
            Some(bias) => {
                let mut rows = scratch(output.len())?;
                for row in rows.chunks_exact_mut(bias.len().max(1)) {
                    row.copy_from_slice(bias);
                }
                Some(rows)
            }
            None => None,
        };
        gemm(
            m,
            values,
            &self.matrix,
            biases.as_deref(),
            self.clamp,
            &mut output,
        );
        if let Some(rows) = biases {
            give(Tensor::of(&[rows.len()], rows)?);
        }
        if let Some(parameters) = self.quantization {
            parameters.fake_quantize(&mut output);
        }
        Ok(vec![Tensor::of(&result, output)?])
    }
}

/// The same product of quantized inputs with an int8 matrix.
pub struct QuantizedMatMul {
    /// The matrix as a pointwise convolution, with one pixel per row, and the fused activation.
    pub conv: QuantizedConv,
    /// Whether the input must be a matrix (Gemm), not a batch of matrices.
    pub is_gemm: bool,
}

impl Operator for QuantizedMatMul {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let values = input.elements::<f32>()?;
        let spec = self.conv.spec();
        let sizes = [spec.channels_in, spec.channels_out];
        let (m, result) = result(input.shape(), sizes, self.is_gemm)?;
        let mut output = scratch(element_count(&result)?)?;
        if m > 0 {
            let mut bytes = scratch(values.len())?;
            self.conv.input().quantize(values, &mut bytes);
            let rows = Images {
                count: 1,
                height: m,
                width: 1,
                channels: spec.channels_in,
            };
            self.conv.run(rows, &bytes, Output::F32(&mut output));
            give(Tensor::of(&[bytes.len()], bytes)?);
        }
        Ok(vec![Tensor::of(&result, output)?])
    }
}

/// The number of rows of the product, and its shape.
fn result(shape: &[usize], [k, n]: [usize; 2], is_gemm: bool) -> Result<(usize, Vec<usize>)> {
    let fits = shape.last() == Some(&k) && (!is_gemm || shape.len() == 2);
    if !fits {
        return Err(Error::input(format!(
            "{shape:?} cannot be multiplied with a matrix of {:?}",
            [k, n]
        )));
    }
    let mut result = shape.to_vec();
    if let Some(last) = result.last_mut() {
        *last = n;
    }
    Ok((shape[..shape.len() - 1].iter().product(), result))
}
