//! Convolution of numbers of eight bits.

use infer_kernels::form::{Form, Images};
use infer_kernels::levels::Levels;
use infer_kernels::quantized::{Output, QuantizedConv, QuantizedDepthwise};

use super::conv::fit;
use super::pads::Pads;
use super::{images, shape};
use crate::error::Result;
use crate::operator::{Inputs, Operator};
use crate::pool::scratch;
use crate::tensor::{Data, Tensor, element_count};

/// What computes it.
pub enum Kernel {
    /// Each output channel from all input channels.
    Whole(QuantizedConv),
    /// Each output channel from its own.
    Depthwise(QuantizedDepthwise),
}

impl Kernel {
    fn form(&self) -> &Form {
        match self {
            Self::Whole(kernel) => kernel.form(),
            Self::Depthwise(kernel) => kernel.form(),
        }
    }

    /// The same weights with another form.
    fn with_form(&self, form: Form) -> Self {
        match self {
            Self::Whole(kernel) => Self::Whole(kernel.with_form(form)),
            Self::Depthwise(kernel) => Self::Depthwise(kernel.with_form(form)),
        }
    }

    fn input(&self) -> Levels {
        match self {
            Self::Whole(kernel) => kernel.input(),
            Self::Depthwise(kernel) => kernel.input(),
        }
    }

    fn run(&self, images: Images, input: &[u8], output: Output<'_>) {
        match self {
            Self::Whole(kernel) => kernel.run(images, input, output),
            Self::Depthwise(kernel) => kernel.run(images, input, output),
        }
    }
}

/// A convolution, channels last, of values that are levels: FP32, or UINT8 where the convolution before it puts
/// those out.
pub struct QuantizedConvolution {
    /// With its weights packed.
    pub kernel: Kernel,
    /// How its padding is found.
    pub pads: Pads,
    /// Whether it puts out how many levels above the lowest a value is, in UINT8, and not the value.
    pub gives_bytes: bool,
}

impl QuantizedConvolution {
    /// The levels that it takes images for.
    pub fn input(&self) -> Levels {
        self.kernel.input()
    }

    /// Whether what it puts out can be bytes.
    pub fn has_levels(&self) -> bool {
        let levels = self.kernel.form().levels;
        levels.is_some_and(|levels| levels.are_bytes())
    }
}

impl Operator for QuantizedConvolution {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let images = images(input)?;
        let form = self.kernel.form();
        let (fitting, result) = fit(form, self.pads, images)?;
        let other = (fitting != *form).then(|| self.kernel.with_form(fitting));
        let kernel = other.as_ref().unwrap_or(&self.kernel);
        let mut converted = None;
        let bytes = match input.data() {
            Data::U8(bytes) => bytes,
            _ => {
                let values = input.elements::<f32>()?;
                let mut bytes = scratch(values.len())?;
                kernel.input().to_bytes(values, &mut bytes);
                &*converted.insert(bytes)
            }
        };
        let result = shape(result);
        let count = element_count(&result)?;
        let output = match self.gives_bytes {
            true => {
                let mut output = scratch(count)?;
                kernel.run(images, bytes, Output::Bytes(&mut output));
                Tensor::of(&result, output)?
            }
            false => {
                let mut output = scratch(count)?;
                kernel.run(images, bytes, Output::Values(&mut output));
                Tensor::of(&result, output)?
            }
        };
        if let Some(bytes) = converted {
            crate::pool::give(Tensor::of(input.shape(), bytes)?);
        }
        Ok(vec![output])
    }
}
