//! A convolution on its way to becoming an operator, with what follows it.

use infer_kernels::conv::Conv2d;
use infer_kernels::depthwise::Depthwise;
use infer_kernels::gemm::Clamp;
use infer_kernels::quantization::QuantParams;
use infer_kernels::quantized::{QuantizedConv, QuantizedDepthwise};
use infer_kernels::spec::{ConvSpec, Window};
use infer_kernels::winograd::Winograd;

use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::ir::{Network, Node, Quantized};
use crate::ops::channels_last::conv::{Convolution, Kernel};
use crate::ops::channels_last::expanded::ExpandedConvolution;
use crate::ops::channels_last::pads::Pads;
use crate::ops::channels_last::quantized::{self, QuantizedConvolution};
use crate::tensor::Tensor;

/// A two-dimensional convolution in FP32 with constant weights.
pub(super) struct FusedConv {
    weights: Tensor,
    /// What the weights are steps of.
    quantized: Option<Quantized>,
    /// What its input is rounded to.
    input: Option<QuantParams>,
    bias: Option<Vec<f32>>,
    window: Window,
    pads: Pads,
    groups: usize,
    pub(super) clamp: Clamp,
    /// What values are rounded to after that.
    pub(super) levels: Option<QuantParams>,
    pub(super) has_residual: bool,
}

impl FusedConv {
    /// The convolution of a node; none for one that is not done this way.
    ///
    /// # Errors
    /// For attributes that the specification does not allow.
    pub(super) fn of(
        node: &Node,
        network: &Network,
        input: Option<QuantParams>,
    ) -> Result<Option<Self>> {
        if !node.is("Conv") || node.outputs.len() != 1 {
            return Ok(None);
        }
        let constant = |position: usize| {
            let id = node.inputs.get(position).copied().flatten()?;
            network.constants.get(&id)
        };
        let Some(weights) = constant(1).filter(|weights| {
            weights.rank() == 4 && weights.elements::<f32>().is_ok() && !weights.is_empty()
        }) else {
            return Ok(None);
        };
        let has_bias = node.inputs.get(2).copied().flatten().is_some();
        let bias = constant(2).map(|bias| bias.elements::<f32>().map(<[f32]>::to_vec));
        let bias = match (has_bias, bias) {
            (false, _) => None,
            (true, Some(Ok(bias))) if bias.len() == weights.shape()[0] => Some(bias),
            _ => return Ok(None),
        };
        let attributes = Attributes::new(&node.proto);
        let kernel = [weights.shape()[2], weights.shape()[3]];
        if attributes
            .sizes("kernel_shape")?
            .is_some_and(|given| given != kernel)
        {
            return Err(Error::graph(format!(
                "the attribute `kernel_shape` is not that of the weights, {:?}",
                weights.shape()
            )));
        }
        let groups = usize::try_from(attributes.int("group", 1)).unwrap_or(0);
        if groups == 0 || !weights.shape()[0].is_multiple_of(groups) {
            return Err(Error::graph(format!(
                "the weights are {:?}, which `group` {groups} does not divide",
                weights.shape()
            )));
        }
        let Some((window, pads)) = Pads::window(attributes, kernel)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            weights: weights.clone(),
            quantized: node.inputs[1].and_then(|id| network.quantized.get(&id).cloned()),
            input,
            bias,
            window,
            pads,
            groups,
            clamp: Clamp::NONE,
            levels: None,
            has_residual: false,
        }))
    }

    /// Whether each channel is convolved alone.
    fn is_depthwise(&self) -> bool {
        let shape = self.weights.shape();
        self.groups > 1 && shape[1] == 1 && shape[0] == self.groups
    }

    /// Whether a tensor can be added before values are clamped.
    pub(super) fn takes_residual(&self) -> bool {
        self.is_open() && !self.has_residual && !self.is_depthwise()
    }

    /// Whether what comes next can still become a part of it.
    pub(super) fn is_open(&self) -> bool {
        self.clamp == Clamp::NONE && self.levels.is_none()
    }

    /// Let each output channel be multiplied and added to, as a batch normalization does.
    pub(super) fn scale(&mut self, scale: &[f32], shift: &[f32]) -> Result<bool> {
        let shape = self.weights.shape().to_vec();
        if self.has_residual || !self.is_open() || [scale.len(), shift.len()] != [shape[0]; 2] {
            return Ok(false);
        }
        let a_channel = shape[1] * shape[2] * shape[3];
        let mut weights = self.weights.elements::<f32>()?.to_vec();
        for (weights, scale) in weights.chunks_exact_mut(a_channel).zip(scale) {
            weights.iter_mut().for_each(|weight| *weight *= scale);
        }
        let bias = self.bias.take().unwrap_or_else(|| vec![0.0; shape[0]]);
        let line = bias.iter().zip(scale).zip(shift);
        self.bias = Some(
            line.map(|((bias, scale), shift)| bias * scale + shift)
                .collect(),
        );
        self.weights = Tensor::of(&shape, weights)?;
        self.quantized = None;
        Ok(true)
    }

    /// The convolution of bytes that it is.
    fn quantized(&self, form: ConvSpec) -> Option<QuantizedConvolution> {
        let is_depthwise = self.is_depthwise() && form.channels_in == form.channels_out;
        if self.has_residual || !(self.groups == 1 || is_depthwise) {
            return None;
        }
        let Quantized {
            values,
            scales,
            axis: 0,
        } = self.quantized.as_ref()?
        else {
            return None;
        };
        let (input, bias) = (self.input?, self.bias.as_deref());
        let kernel = match is_depthwise {
            true => quantized::Kernel::Depthwise(QuantizedDepthwise::new(
                form, input, values, scales, bias,
            )?),
            false => {
                quantized::Kernel::Whole(QuantizedConv::new(form, input, values, scales, bias)?)
            }
        };
        Some(QuantizedConvolution {
            kernel,
            pads: self.pads,
            gives_bytes: false,
        })
    }

    /// The operator.
    pub(super) fn build(&self) -> Result<Built> {
        let shape = self.weights.shape();
        let weights = self.weights.elements::<f32>()?;
        let (channels_in, channels_out) = (shape[1] * self.groups, shape[0]);
        let bias = self.bias.as_deref();
        let channels = [channels_in, channels_out];
        let form = ConvSpec {
            clamp: self.clamp,
            quantization: self.levels,
            ..ConvSpec::new(self.window, channels)
        };
        if let Some(conv) = self.quantized(form) {
            return Ok(Built::Quantized(conv));
        }
        // A quantized network is wanted small: transformed windows would take up to sixteen times its file.
        let kernel = if self.is_depthwise() {
            Kernel::Depthwise(Depthwise::new(form, weights, bias))
        } else if self.levels.is_none() && Winograd::wins(&self.window, self.groups, channels) {
            Kernel::Winograd(Winograd::new(form, weights, bias))
        } else {
            Kernel::Whole(Conv2d::new(form, self.groups, weights, bias))
        };
        Ok(Built::Plain(Convolution {
            kernel,
            pads: self.pads,
            has_residual: self.has_residual,
        }))
    }
}

/// What a convolution became.
pub(super) enum Built {
    Plain(Convolution),
    Expanded(ExpandedConvolution),
    Quantized(QuantizedConvolution),
}
