//! Optimization passes: a network becomes one that computes the same, faster.

mod channels;
mod conv;
mod dynamic_quantization;
mod epilogue;
mod fake_quantize;
mod fold;
mod fusion;
mod half;
mod inverted_bottleneck;
mod layout;
mod lower;
mod matmul;
mod nodes;
mod pattern;
mod qoperators;
mod quantization;
mod shared;
mod shuffle;
mod simplify;
mod subgraphs;
#[cfg(test)]
mod tests;
mod transformer;
mod uint8;

use crate::error::Result;
use crate::ir::Network;

/// Runs all passes.
///
/// # Errors
/// `Graph` for a node that a pass would replace and whose attributes the specification does not allow, `Memory`.
pub(crate) fn optimize(network: Network) -> Result<Network> {
    passes(half::widen(network)?)
}

/// Runs all passes but the one that changes datatypes: a graph inside another one alone does not know its inputs'.
///
/// # Errors
/// As [`optimize`].
fn passes(network: Network) -> Result<Network> {
    // What the file means, in fewer operators.
    let network = subgraphs::optimize_inner(fold::fold(network), passes)?;
    let network = qoperators::replace(network)?;
    let network = fake_quantize::fuse(network)?;
    let network = fusion::apply(network, &simplify::fusions())?;
    let network = fusion::apply(network, &transformer::fusions())?;
    let network = fusion::apply(network, &dynamic_quantization::fusions())?;
    let network = quantization::propagate(network);
    // Convolutions and products with constant weights, the layout of images, and what kernels can compute besides.
    let network = matmul::fuse(conv::fuse(network)?);
    let network = fusion::apply(network, &[shuffle::fusion()])?;
    let network = layout::assign(network)?;
    let network = fusion::apply(network, &epilogue::fusions())?;
    // Kernels.
    let network = lower::select_kernels(network)?;
    let network = fusion::apply(network, &[inverted_bottleneck::fusion()])?;
    uint8::select(network)
}
