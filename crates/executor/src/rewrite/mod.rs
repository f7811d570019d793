//! Rewrites a network into one that computes the same, faster.

mod channels_last;
mod dense;
mod fused;
#[cfg(test)]
mod tests;
mod transformer;

use crate::error::Result;
use crate::ir::Network;

/// Rewrite a network: what exporters take apart put together, convolutions and what stands between them in channels-last, and products
/// with constant matrices, with what follows them fused in.
///
/// # Errors
/// When a node that would be rewritten is not what the specification says.
pub fn rewrite(network: Network) -> Result<Network> {
    let network = transformer::rewrite(network);
    dense::rewrite(channels_last::rewrite(network)?)
}
