//! Fuses a pointwise convolution and the depthwise convolution after it, the first half of an inverted bottleneck
//! (MobileNetV2).

use infer_kernels::inverted_bottleneck::InvertedBottleneck as FusedKernel;

use super::fusion::Fused;
use super::fusion::Fusion;
use super::pattern::{any, optimized};
use crate::ir::{Node, Op};
use crate::ops::channels_last::conv::{Convolution, Kernel};
use crate::ops::channels_last::inverted_bottleneck::InvertedBottleneck;
use crate::ops::channels_last::pads::Pads;

/// The fusion, for nodes that have kernels. The values between both convolutions then stay in the cache.
pub(super) fn fusion() -> Fusion<'static> {
    let pointwise = optimized(is_kernel, [any("x")]).named("pointwise");
    let pattern = optimized(is_kernel, [pointwise.into()]).named("depthwise");
    Fusion::new(pattern, "depthwise", |found, _| {
        let convs = found.node("pointwise").zip(found.node("depthwise"));
        let bottleneck = convs.and_then(|(pointwise, depthwise)| fused(pointwise, depthwise));
        let bottleneck = bottleneck.zip(found.value("x"));
        Ok(bottleneck
            .map(|(bottleneck, x)| Fused::new(Op::InvertedBottleneck(Box::new(bottleneck)), [x])))
    })
}

fn is_kernel(op: &Op) -> bool {
    matches!(op, Op::ConvKernel(_))
}

/// Both convolutions in one, if they are a pointwise one and a depthwise one.
fn fused(pointwise: &Node, depthwise: &Node) -> Option<InvertedBottleneck> {
    let (Op::ConvKernel(first), Op::ConvKernel(second)) = (&pointwise.op, &depthwise.op) else {
        return None;
    };
    match (&**first, &**second) {
        (
            Convolution {
                kernel: Kernel::General(pointwise),
                pads: Pads::Given,
                has_residual: false,
            },
            Convolution {
                kernel: Kernel::Depthwise(depthwise),
                pads,
                has_residual: false,
            },
        ) if pointwise.spec().window.is_pointwise()
            && pointwise.spec().channels_out == depthwise.spec().channels_in =>
        {
            Some(InvertedBottleneck {
                kernel: FusedKernel::new(pointwise.clone(), depthwise.clone()),
                pads: *pads,
            })
        }
        _ => None,
    }
}
