//! Rewrites a network into one that computes the same, faster.

mod channels_last;
mod dense;
mod fold;
mod quantized;
#[cfg(test)]
mod tests;
mod transformer;

use crate::error::Result;
use crate::ir::Network;

/// Rewrite a network: what is constant is computed, quantized numbers are dequantized, what exporters take apart is put together,
/// convolutions and what stands between them are done in channels-last form, and products with constant matrices
/// packed, with what follows them fused in.
///
/// # Errors
/// When a node that would be rewritten is not what the specification says.
pub fn rewrite(network: Network) -> Result<Network> {
    let network = quantized::rewrite(fold::rewrite(network))?;
    let network = transformer::rewrite(network);
    dense::rewrite(channels_last::rewrite(network)?)
}
