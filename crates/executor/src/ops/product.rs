//! Products with a constant matrix.

use infer_kernels::gemm::{Clamp, Packed, gemm};

use crate::error::{Error, Result};
use crate::operator::{Inputs, Operator};
use crate::pool::scratch;
use crate::tensor::{Tensor, element_count};

/// MatMul or Gemm with a constant second matrix, in FP32, with a bias, and values clamped.
pub struct Product {
    /// The matrix, with what each column's sum begins with.
    pub matrix: Packed,
    /// What comes at the end.
    pub clamp: Clamp,
    /// Whether only a matrix may be multiplied with it.
    pub is_gemm: bool,
}

impl Operator for Product {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let values = input.elements::<f32>()?;
        let (k, n) = (self.matrix.k(), self.matrix.n());
        let shape = input.shape();
        let fits = shape.last() == Some(&k) && (!self.is_gemm || shape.len() == 2);
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
        let mut output = scratch(element_count(&result)?)?;
        let m: usize = shape[..shape.len() - 1].iter().product();
        gemm(m, values, &self.matrix, None, self.clamp, &mut output);
        Ok(vec![Tensor::of(&result, output)?])
    }
}
