//! ONNX Runtime's fused operators on floats, built from those of ONNX's own set. (ONNX Runtime's documentation of contributed
//! operators.)

use rten_onnx::onnx::AttributeProto;

use super::composite::{ChannelsLast, float, inner, run, string};
use super::entry::{OperatorEntry, boxed, microsoft};
use super::{activation, arithmetic, convolution, elementwise, matmul, pad, pooling, sequence};
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::transposed;
use crate::tensor::{Tensor, element_count, with_room};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    microsoft("BiasGelu", |_| biased("Gelu", &[])),
    microsoft("FastGelu", |_| {
        biased("Gelu", &[string("approximate", "tanh")])
    }),
    microsoft("FusedConv", fused_conv),
    microsoft("FusedGemm", fused_gemm),
    microsoft("FusedMatMul", fused_matmul),
    microsoft("Gelu", |_| biased("Gelu", &[])),
    microsoft("NhwcMaxPool", |build| {
        let attributes = build.attributes();
        // MaxPool of INT8 or UINT8, `[N, H, W, C]`.
        boxed(ChannelsLast(inner(
            pooling::OPERATORS,
            "MaxPool",
            12,
            attributes,
            1,
        )?))
    }),
    microsoft("Pad", |build| {
        let attributes = build.attributes();
        inner(pad::OPERATORS, "Pad", 13, attributes, build.input_count())
    }),
    microsoft("QuickGelu", |build| {
        let alpha = build.attributes().float("alpha", 1.702);
        biased("Swish", &[float("alpha", alpha)])
    }),
    microsoft("RotaryEmbedding", rotary_embedding),
    // The name of FusedMatMul before it was extended.
    microsoft("TransposeMatMul", fused_matmul),
];

fn add() -> Result<Box<dyn Operator>> {
    inner(arithmetic::OPERATORS, "Add", 14, Attributes::new(&[]), 2)
}

fn biased(name: &str, attributes: &[AttributeProto]) -> Result<Box<dyn Operator>> {
    boxed(Biased {
        add: add()?,
        activation: inner(
            activation::OPERATORS,
            name,
            20,
            Attributes::new(attributes),
            1,
        )?,
    })
}

/// BiasGelu, FastGelu, Gelu and QuickGelu: an activation of the input plus a bias of its last axis, if there is one. Floats of
/// any shape.
struct Biased {
    add: Box<dyn Operator>,
    activation: Box<dyn Operator>,
}

impl Operator for Biased {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let sum = match inputs.get(1) {
            None => input,
            Some(bias) if bias.rank() == 1 && bias.shape().last() == input.shape().last() => {
                run(&*self.add, vec![Some(input), Some(bias.clone())])?
            }
            Some(bias) => {
                return Err(Error::input(format!(
                    "the bias has the shape {:?}, expected the last size of {:?}",
                    bias.shape(),
                    input.shape()
                )));
            }
        };
        Ok(vec![run(&*self.activation, vec![Some(sum)])?])
    }
}

/// Reads a fused activation: none, or one of ONNX's own set with the given names of its parameters.
fn fused_activation(
    name: &str,
    parameter: impl Fn(usize) -> Option<f32>,
) -> Result<Option<Box<dyn Operator>>> {
    let (rows, parameters): (&'static [OperatorEntry], &[&str]) = match name {
        "" => return Ok(None),
        "Relu" | "Sigmoid" | "Softplus" | "Softsign" => (activation::OPERATORS, &[]),
        "Tanh" => (elementwise::OPERATORS, &[]),
        "LeakyRelu" | "Elu" | "ThresholdedRelu" => (activation::OPERATORS, &["alpha"]),
        "HardSigmoid" => (activation::OPERATORS, &["alpha", "beta"]),
        "Clip" => (activation::OPERATORS, &["min", "max"]),
        other => {
            return Err(Error::unsupported(format!(
                "the attribute `activation` is `{other}`, which is not supported, expected Relu, Sigmoid, Tanh, LeakyRelu, Elu, \
                 HardSigmoid, Clip, Softplus, Softsign or ThresholdedRelu"
            )));
        }
    };
    let attributes: Vec<AttributeProto> = (0..)
        .zip(parameters)
        .filter_map(|(at, name)| Some(float(name, parameter(at)?)))
        .collect();
    // Clip has its bounds as attributes before version 11.
    let operator = inner(rows, name, 6, Attributes::new(&attributes), 1)?;
    Ok(Some(operator))
}

fn activated(activation: Option<&dyn Operator>, tensor: Tensor) -> Result<Tensor> {
    match activation {
        None => Ok(tensor),
        Some(activation) => run(activation, vec![Some(tensor)]),
    }
}

fn fused_conv(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let parameters = attributes.floats("activation_params").unwrap_or_default();
    boxed(FusedConv {
        conv: inner(
            convolution::OPERATORS,
            "Conv",
            11,
            attributes,
            build.input_count().min(3),
        )?,
        add: add()?,
        activation: fused_activation(attributes.string("activation", ""), |at| {
            parameters.get(at).copied()
        })?,
    })
}

/// FusedConv: a convolution of X, W and a bias, plus the tensor Z of the output's shape, and an activation of the sum. Shapes
/// and datatypes are as those of Conv.
struct FusedConv {
    conv: Box<dyn Operator>,
    add: Box<dyn Operator>,
    activation: Option<Box<dyn Operator>>,
}

impl Operator for FusedConv {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (x, w) = (inputs.take(0)?, inputs.take(1)?);
        let bias = inputs.get(2).cloned();
        let mut sum = run(&*self.conv, vec![Some(x), Some(w), bias])?;
        if let Some(z) = inputs.get(3) {
            if z.shape() != sum.shape() {
                return Err(Error::input(format!(
                    "input 3 has the shape {:?}, expected the output's, {:?}",
                    z.shape(),
                    sum.shape()
                )));
            }
            sum = run(&*self.add, vec![Some(sum), Some(z.clone())])?;
        }
        Ok(vec![activated(self.activation.as_deref(), sum)?])
    }
}

fn fused_gemm(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let names = ["activation_alpha", "activation_beta", "activation_gamma"];
    boxed(Activated {
        operator: inner(
            matmul::OPERATORS,
            "Gemm",
            13,
            attributes,
            build.input_count(),
        )?,
        activation: fused_activation(attributes.string("activation", ""), |at| {
            attributes.optional_float(names.get(at)?)
        })?,
    })
}

/// FusedGemm: Gemm, and an activation of its output.
struct Activated {
    operator: Box<dyn Operator>,
    activation: Option<Box<dyn Operator>>,
}

impl Operator for Activated {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let mut outputs = self.operator.run(inputs)?;
        if let Some(output) = outputs.pop() {
            outputs.push(activated(self.activation.as_deref(), output)?);
        }
        Ok(outputs)
    }
}

fn fused_matmul(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(FusedMatMul {
        matmul: inner(matmul::OPERATORS, "MatMul", 13, attributes, 2)?,
        alpha: attributes.float("alpha", 1.0),
        transposes: [
            attributes.flag("transA", false),
            attributes.flag("transB", false),
        ],
        moves_batch: [
            attributes.flag("transBatchA", false),
            attributes.flag("transBatchB", false),
        ],
    })
}

/// FusedMatMul: the product of matrices, each of which may be transposed on its last two axes, times a factor. Floats of the
/// shapes that MatMul takes. A matrix may also have its rows on the first axis, before those of the batch (`transBatchA`,
/// `transBatchB`).
struct FusedMatMul {
    matmul: Box<dyn Operator>,
    alpha: f32,
    transposes: [bool; 2],
    moves_batch: [bool; 2],
}

impl Operator for FusedMatMul {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let mut sides = Vec::with_capacity(2);
        for position in 0..2 {
            let side = inputs.take(position)?;
            let rank = side.rank();
            let mut order: Vec<usize> = (0..rank).collect();
            // As in ONNX Runtime, a vector is never transposed.
            if rank >= 2 {
                if self.moves_batch[position] {
                    order[..rank - 1].rotate_left(1);
                }
                if self.transposes[position] {
                    order.swap(rank - 2, rank - 1);
                }
            }
            sides.push(Some(match order.is_sorted() {
                true => side,
                false => transposed(&side, &order)?,
            }));
        }
        let product = run(&*self.matmul, sides)?;
        if self.alpha == 1.0 {
            return Ok(vec![product]);
        }
        let (shape, datatype) = (product.shape().to_vec(), product.datatype());
        crate::in_real!(datatype, R => {
            let mut values = crate::real::into_reals::<R>(product)?;
            let alpha = <R as crate::real::Real>::of(self.alpha.into());
            values.iter_mut().for_each(|value| *value *= alpha);
            Ok(vec![crate::real::rounded(shape, values, datatype)?])
        })
    }
}

fn rotary_embedding(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    // `scale` is ignored, as in ONNX Runtime on CPUs.
    if attributes.flag("is_packed_batching", false) {
        return Err(Error::unsupported(
            "the attribute `is_packed_batching` is not supported, expected its default",
        ));
    }
    boxed(RotaryEmbedding {
        inner: inner(sequence::OPERATORS, "RotaryEmbedding", 23, attributes, 4)?,
        // The inner operator has rejected a negative number.
        heads: usize::try_from(attributes.int("num_heads", 0)).unwrap_or(0),
    })
}

/// RotaryEmbedding of `com.microsoft`: that of ONNX, with the positions as input 1: `[batch, length]`, or one number, the
/// first position of each sequence. The input is `[batch, length, heads * size]` or `[batch, heads, length, size]`. Without
/// `num_heads` a head is as long as the rotated part.
struct RotaryEmbedding {
    inner: Box<dyn Operator>,
    heads: usize,
}

impl Operator for RotaryEmbedding {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let mut input = inputs.take(0)?;
        let given = inputs.required(1)?;
        let (cos, sin) = (inputs.required(2)?.clone(), inputs.required(3)?.clone());
        let shape = input.shape().to_vec();
        let (batch, length) = match shape[..] {
            [batch, length, _] | [batch, _, length, _] => (batch, length),
            _ => {
                return Err(Error::input(format!(
                    "expected [batch, length, heads * size] or [batch, heads, length, size], got the shape {shape:?}"
                )));
            }
        };
        let count = element_count(&[batch, length])?;
        let mut positions = with_room(count)?;
        match *given.elements::<i64>()? {
            [first] if given.rank() < 2 => {
                let sequence = (0i64..).map(|at| first.saturating_add(at));
                for _ in 0..if length > 0 { batch } else { 0 } {
                    positions.extend(sequence.clone().take(length));
                }
            }
            ref all if all.len() == count => positions.extend_from_slice(all),
            ref all => {
                return Err(Error::input(format!(
                    "there are {} positions, expected 1 or {count}",
                    all.len()
                )));
            }
        }
        let mut positions = Tensor::of(&[batch, length], positions)?;
        if let [_, _, hidden] = shape[..] {
            let size = match self.heads {
                0 => cos.shape().last().map_or(0, |half| half.saturating_mul(2)),
                heads if hidden.is_multiple_of(heads) => hidden / heads,
                _ => 0,
            };
            if size == 0 || !hidden.is_multiple_of(size) {
                return Err(Error::input(format!(
                    "an input of shape {shape:?} and cosines of shape {:?} cannot be split into heads",
                    cos.shape()
                )));
            }
            // Each place is a sequence of its own, of length 1.
            input = input.reshaped(vec![count, hidden / size, 1, size])?;
            positions = positions.reshaped(vec![count, 1])?;
        }
        let inputs = vec![Some(input), Some(cos), Some(sin), Some(positions)];
        Ok(vec![run(&*self.inner, inputs)?.reshaped(shape)?])
    }
}
