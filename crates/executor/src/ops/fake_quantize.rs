//! Fake quantization: QuantizeLinear directly followed by DequantizeLinear.

use infer_kernels::quantization::QuantParams;
use infer_tensor::Datatype;

use crate::error::Result;
use crate::operator::{Inputs, Operator};
use crate::tensor::Tensor;

/// QuantizeLinear and DequantizeLinear with the same per-tensor scale: rounds to the nearest quantized value, in FP32.
pub struct FakeQuantize(pub QuantParams);

impl Operator for FakeQuantize {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = super::cast::cast(inputs.take(0)?, Datatype::Fp32)?;
        let shape = input.shape().to_vec();
        let mut values = input.into_elements::<f32>()?;
        self.0.fake_quantize(&mut values);
        Ok(vec![Tensor::of(&shape, values)?])
    }
}
