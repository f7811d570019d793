//! Products with constant matrices, packed once.

use infer_kernels::gemm::{Clamp, Packed};

use crate::attributes::Attributes;
use crate::error::Result;
use crate::ir::{Network, Node, ValueId};
use crate::ops::product::Product;
use crate::tensor::Tensor;

/// Make of each MatMul and Gemm with a constant second matrix in FP32 one that has it packed, with the bias and the
/// activation that follow.
pub(super) fn rewrite(mut network: Network) -> Result<Network> {
    let uses = network.uses();
    let nodes = std::mem::take(&mut network.nodes);
    let mut dense: Vec<(usize, Dense)> = Vec::new();
    let mut kept: Vec<Node> = Vec::with_capacity(nodes.len());
    for node in nodes {
        if let Some(found) = Dense::of(&node, &network)? {
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
        node.operator = Some(Box::new(product.build()?));
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
    /// Gemm takes matrices only.
    is_gemm: bool,
}

impl Dense {
    fn of(node: &Node, network: &Network) -> Result<Option<Self>> {
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
        if self.clamp != Clamp::NONE || node.outputs.len() != 1 {
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
            && let Some(clamp) = super::channels_last::clamp(node, network)
        {
            self.clamp = clamp;
            return true;
        }
        false
    }

    fn build(&self) -> Result<Product> {
        let [k, n] = self.sizes();
        let values = self.matrix.elements::<f32>()?;
        let at = |row: usize, column: usize| match self.is_transposed {
            true => column * k + row,
            false => row * n + column,
        };
        let bias = |column: usize| self.bias.as_ref().map_or(0.0, |bias| bias[column]);
        Ok(Product {
            matrix: Packed::new(
                k,
                n,
                |row, column| values[at(row, column)] * self.alpha,
                bias,
            ),
            clamp: self.clamp,
            is_gemm: self.is_gemm,
        })
    }
}
