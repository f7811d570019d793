//! Products with constant matrices, packed once.

use std::collections::BTreeMap;

use infer_kernels::gemm::{Clamp, Packed};
use infer_kernels::quantization::QuantParams;
use infer_kernels::quantized::QuantizedConv;
use infer_kernels::spec::{ConvSpec, Window};

use super::channels_last::MOVE_CHANNELS;
use super::quantized::{ROUNDING, is_form};
use crate::attributes::Attributes;
use crate::error::Result;
use crate::ir::{Network, Node, Quantized, ValueId};
use crate::operator::Operator;
use crate::ops::product::{Product, QuantizedProduct};
use crate::tensor::Tensor;

/// Make of each MatMul and Gemm with a constant second matrix in FP32 one that has it packed, with the bias and the
/// activation that follow.
pub(super) fn rewrite(mut network: Network) -> Result<Network> {
    let uses = network.uses();
    let nodes = std::mem::take(&mut network.nodes);
    let mut levels: BTreeMap<ValueId, QuantParams> = BTreeMap::new();
    let mut dense: Vec<(usize, Dense)> = Vec::new();
    let mut kept: Vec<Node> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let (input, output) = (node.inputs.first(), node.outputs.first());
        if let (Some(&Some(input)), Some(&Some(output))) = (input, output) {
            let moves = is_form(&node) || node.op_type() == MOVE_CHANNELS;
            let given = levels.get(&input).copied().filter(|_| moves);
            if let Some(found) = node.levels.or(given) {
                levels.insert(output, found);
            }
        }
        if let Some(found) = Dense::of(&node, &network, &levels)? {
            dense.push((kept.len(), found));
            kept.push(node);
            continue;
        }
        // What comes right after the last product, and is the only one to use it.
        if let Some((place, product)) = dense.last_mut()
            && let Some(y) = kept[*place].outputs.first().copied().flatten()
            && uses[y] == 1
            && node.inputs.contains(&Some(y))
            && product.takes(&node, y, &network)
        {
            kept[*place].outputs = node.outputs;
            continue;
        }
        kept.push(node);
    }
    for (place, product) in dense {
        let node = &mut kept[place];
        node.inputs.truncate(1);
        node.operator = Some(product.build()?);
    }
    network.nodes = kept;
    Ok(network)
}

/// A product with a constant matrix.
struct Dense {
    matrix: Tensor,
    is_transposed: bool,
    /// What each element is multiplied with.
    alpha: f32,
    bias: Option<Vec<f32>>,
    clamp: Clamp,
    /// What values are rounded to after that.
    levels: Option<QuantParams>,
    /// What the matrix is steps of, and what its input is rounded to.
    quantized: Option<(Quantized, QuantParams)>,
    /// Gemm takes matrices only.
    is_gemm: bool,
}

impl Dense {
    fn of(
        node: &Node,
        network: &Network,
        levels: &BTreeMap<ValueId, QuantParams>,
    ) -> Result<Option<Self>> {
        let is_gemm = node.is("Gemm");
        if !is_gemm && !node.is("MatMul") {
            return Ok(None);
        }
        let constant = |position: usize| {
            let id = node.inputs.get(position).copied().flatten()?;
            network.constants.get(&id)
        };
        let Some(matrix) = constant(1).filter(|matrix| {
            matrix.rank() == 2 && !matrix.is_empty() && matrix.elements::<f32>().is_ok()
        }) else {
            return Ok(None);
        };
        let attributes = Attributes::new(&node.proto);
        let mut dense = Self {
            matrix: matrix.clone(),
            is_transposed: is_gemm && attributes.flag("transB", false),
            alpha: 1.0,
            bias: None,
            clamp: Clamp::NONE,
            levels: None,
            quantized: node.inputs[1]
                .and_then(|id| network.quantized.get(&id))
                .zip(node.inputs[0].and_then(|id| levels.get(&id)))
                .map(|(quantized, levels)| (quantized.clone(), *levels)),
            is_gemm,
        };
        if is_gemm {
            if attributes.flag("transA", false) {
                return Ok(None);
            }
            dense.alpha = attributes.float("alpha", 1.0);
            let beta = attributes.float("beta", 1.0);
            if node.inputs.get(2).copied().flatten().is_some() {
                let Some(bias) = constant(2).and_then(|bias| dense.columns(bias)) else {
                    return Ok(None);
                };
                dense.bias = Some(bias.into_iter().map(|value| value * beta).collect());
            }
        }
        Ok(Some(dense))
    }

    fn sizes(&self) -> [usize; 2] {
        match (self.matrix.shape(), self.is_transposed) {
            ([n, k], true) => [*k, *n],
            ([k, n], false) => [*k, *n],
            _ => [0, 0],
        }
    }

    /// A value for each column, out of a constant that is repeated over the rows.
    fn columns(&self, tensor: &Tensor) -> Option<Vec<f32>> {
        let [_, n] = self.sizes();
        let values = tensor.elements::<f32>().ok()?;
        let is_row = tensor.shape().iter().rev().skip(1).all(|&size| size == 1);
        match values {
            // Not a scalar for one column: it would not give the product its dimensions.
            [one] if tensor.rank() <= 2 && n > 0 => Some(vec![*one; n]),
            values if is_row && tensor.rank() <= 2 && values.len() == n => Some(values.to_vec()),
            _ => None,
        }
    }

    /// Whether the node that follows became a part of it.
    fn takes(&mut self, node: &Node, y: ValueId, network: &Network) -> bool {
        if self.levels.is_some() || node.outputs.len() != 1 {
            return false;
        }
        if node.op_type() == ROUNDING {
            self.levels = node.levels;
            return self.levels.is_some();
        }
        if self.clamp != Clamp::NONE {
            return false;
        }
        if node.is("Add") && self.bias.is_none() && node.inputs.len() == 2 {
            let other = node.inputs.iter().flatten().find(|&&id| id != y);
            let bias = other.and_then(|id| network.constants.get(id));
            // The product has at least one dimension, and gets none from a vector.
            if let Some(bias) = bias.filter(|bias| bias.rank() <= 1 || self.is_gemm)
                && let Some(bias) = self.columns(bias)
            {
                self.bias = Some(bias);
                return true;
            }
        }
        if (node.is("Relu") || node.is("Clip"))
            && let Some(clamp) = super::channels_last::node::clamp(node, network)
        {
            self.clamp = clamp;
            return true;
        }
        false
    }

    /// The product of bytes that it is.
    fn quantized(&self) -> Option<QuantizedProduct> {
        let [k, n] = self.sizes();
        let (quantized, input) = self.quantized.as_ref()?;
        let Quantized {
            values,
            scales,
            axis,
        } = quantized;
        // A scale for each column.
        let columns = if self.is_transposed { 0 } else { 1 };
        if self.alpha != 1.0 || !(scales.len() == 1 || *axis == columns) {
            return None;
        }
        let transposed: Vec<i8> = match self.is_transposed {
            true => values.clone(),
            false => (0..n)
                .flat_map(|column| (0..k).map(move |row| values[row * n + column]))
                .collect(),
        };
        let form = ConvSpec {
            clamp: self.clamp,
            quantization: self.levels,
            ..ConvSpec::new(Window::POINT, [k, n])
        };
        let bias = self.bias.as_deref();
        Some(QuantizedProduct {
            conv: QuantizedConv::new(form, *input, &transposed, scales, bias)?,
            is_gemm: self.is_gemm,
        })
    }

    fn build(&self) -> Result<Box<dyn Operator>> {
        if let Some(product) = self.quantized() {
            return Ok(Box::new(product));
        }
        let [k, n] = self.sizes();
        let values = self.matrix.elements::<f32>()?;
        let at = |row: usize, column: usize| match self.is_transposed {
            true => column * k + row,
            false => row * n + column,
        };
        let bias = |column: usize| self.bias.as_ref().map_or(0.0, |bias| bias[column]);
        Ok(Box::new(Product {
            matrix: Packed::new(
                k,
                n,
                |row, column| values[at(row, column)] * self.alpha,
                bias,
            ),
            clamp: self.clamp,
            levels: self.levels,
            is_gemm: self.is_gemm,
        }))
    }
}
