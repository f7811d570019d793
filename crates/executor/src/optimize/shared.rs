//! Packed weights that several nodes share.

use std::collections::BTreeMap;
use std::rc::Rc;

use infer_kernels::gemm::Packed;
use infer_kernels::spec::ConvSpec;

use crate::error::Result;
use crate::ir::{FusedConv, FusedMatMul, Network, Op, ValueId};
use crate::ops::channels_last::conv::Kernel;

/// The packed weights of a network so far. A network that applies the same weights several times (the heads of a detector at
/// each scale, the steps of an unrolled loop) has them in memory once.
pub(super) struct Shared {
    /// The number of products with each matrix.
    uses: BTreeMap<ValueId, usize>,
    products: BTreeMap<Product, Rc<Packed>>,
    convs: Vec<Conv>,
}

/// The key of a packed matrix: the constant, whether it is transposed, and the bits of its factor.
type Product = (ValueId, bool, u32);

/// A convolution's kernel, and what it depends on besides the specification.
struct Conv {
    weights: ValueId,
    groups: usize,
    bias: Option<Vec<f32>>,
    kernel: Kernel,
}

impl Shared {
    /// Nothing packed, for a network whose products are known.
    pub(super) fn of(network: &Network) -> Self {
        let mut uses = BTreeMap::new();
        for node in &network.nodes {
            if let Op::MatMul(matmul) = &node.op {
                *uses.entry(matmul.matrix).or_default() += 1;
            }
        }
        Self {
            uses,
            products: BTreeMap::new(),
            convs: Vec::new(),
        }
    }

    /// The packed matrix of a product, and the bias that is not in it: that of a matrix with several products, which may have
    /// one each.
    ///
    /// # Errors
    /// Those of `pack`, which gets the bias that goes into the matrix.
    pub(super) fn product(
        &mut self,
        matmul: &FusedMatMul,
        pack: impl FnOnce(Option<&[f32]>) -> Result<Packed>,
    ) -> Result<(Rc<Packed>, Option<Vec<f32>>)> {
        if self.uses.get(&matmul.matrix).is_none_or(|&uses| uses < 2) {
            return Ok((Rc::new(pack(matmul.bias.as_deref())?), None));
        }
        let key = (matmul.matrix, matmul.is_transposed, matmul.alpha.to_bits());
        let packed = match self.products.get(&key) {
            Some(packed) => Rc::clone(packed),
            None => {
                let packed = Rc::new(pack(None)?);
                self.products.insert(key, Rc::clone(&packed));
                packed
            }
        };
        Ok((packed, matmul.bias.clone()))
    }

    /// The kernel of a convolution: one that has the same packed weights, or else a new one.
    pub(super) fn conv(
        &mut self,
        conv: &FusedConv,
        spec: ConvSpec,
        is_winograd: bool,
        pack: impl FnOnce() -> Kernel,
    ) -> Kernel {
        let found = self.convs.iter().find(|other| {
            other.weights == conv.weights
                && other.groups == conv.groups
                && other.bias == conv.bias
                && matches!(other.kernel, Kernel::Winograd(_)) == is_winograd
                && spec.takes_weights_of(other.kernel.spec())
        });
        if let Some(found) = found {
            return found.kernel.with_spec(spec);
        }
        let kernel = pack();
        self.convs.push(Conv {
            weights: conv.weights,
            groups: conv.groups,
            bias: conv.bias.clone(),
            // Kernels with the same weights share them.
            kernel: kernel.with_spec(spec),
        });
        kernel
    }
}
